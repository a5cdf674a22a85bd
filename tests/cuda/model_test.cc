// Whole models on the CUDA backend: fused kernels, captured graphs, tensor cores, against CPU and float64. CTest runs
// this with the plug-in whose kernels run on the host; on a machine with a GPU the same program takes the real one
// (SAMARA_PLUGIN_PATH). Skipped, loudly, only where there is no device.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "runtime/sampler.h"
#include "tests/runtime/model_fixture.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

const Backend& Cuda() { return BackendNamed("cuda"); }

// Logits of every position of `ids`, in chunks of `chunk`.
std::vector<float> AllLogits(const AlignedFile& file, const Backend& backend,
                             const std::vector<int32_t>& ids, uint32_t chunk,
                             DType kv_type = DType::kInvalid) {
  LoadOptions options;
  options.n_ctx = 256;
  options.n_chunk = chunk;
  options.max_outputs = chunk;
  options.kv_type = kv_type;
  const ModelPtr model = OpenTiny(file, backend, options);
  const SessionPtr session = NewSession(model, true);
  Feed(session, ids);
  std::vector<float> all;
  Session* s = session.get();
  while (s->n_computed < s->n_tokens) {
    REQUIRE_OK(StepSessions(&s, 1));
    for (uint32_t row = 0; row < s->n_rows; ++row) {
      const std::vector<float> values = Row(session, row);
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  return all;
}

double Difference(const std::vector<float>& got, const std::vector<float>& want) {
  REQUIRE(got.size() == want.size());
  double largest = 0, difference = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    largest = std::fmax(largest, std::fabs(want[i]));
    difference = std::fmax(difference, std::fabs(double{got[i]} - want[i]));
    if (std::isnan(got[i])) return HUGE_VAL;
  }
  return difference / largest;
}

struct Shape {
  const char* name;
  TinySpec spec;
};
std::vector<Shape> Shapes() {
  std::vector<Shape> shapes;
  shapes.push_back({"plain", {}});
  TinySpec spec;
  spec.qkv_bias = true;
  spec.tied = false;
  shapes.push_back({"biases, untied", spec});
  spec = {};
  spec.qk_norm = true;
  shapes.push_back({"norms of heads", spec});
  spec = {};
  spec.window = 40;
  spec.heads = 8;
  spec.kv_heads = 1;
  spec.head_dim = 32;
  shapes.push_back({"window, eight heads to one", spec});
  spec = {};
  spec.hidden = 96;
  spec.inter = 80;  // no whole int8 blocks
  spec.head_dim = 24;
  spec.hidden_output = true;
  shapes.push_back({"uneven sizes", spec});
  return shapes;
}

TEST_CASE("F32 models give the logits of the CPU, in any chunks, twice the same bits") {
  uint64_t seed = 100;
  for (const Shape& shape : Shapes()) {
    CAPTURE(shape.name);
    CAPTURE(seed);
    const AlignedFile file = MakeFile(shape.spec);
    const std::vector<int32_t> ids = RandomIds(seed++, 70);
    const std::vector<float> want = AllLogits(file, BackendNamed("cpu"), ids, 32);
    for (uint32_t chunk : {1u, 3u, 8u, 32u}) {
      CAPTURE(chunk);
      const std::vector<float> got = AllLogits(file, Cuda(), ids, chunk);
      CHECK(Difference(got, want) <= tolerance::kFamilyLogits);
      if (chunk == 1) CHECK(SameBits(got, AllLogits(file, Cuda(), ids, chunk)));
    }
  }
}

// Mean KL divergence of the softmax of `got` from that of `want`, both times `scale`.
double Divergence(const std::vector<float>& want, const std::vector<float>& got, size_t vocab,
                  double scale) {
  REQUIRE(got.size() == want.size());
  double sum = 0;
  std::vector<double> p(vocab), q(vocab);
  for (size_t at = 0; at < want.size(); at += vocab) {
    double p_max = -HUGE_VAL, q_max = -HUGE_VAL, p_sum = 0, q_sum = 0;
    for (size_t i = 0; i < vocab; ++i) {
      p[i] = want[at + i] * scale;
      q[i] = got[at + i] * scale;
      p_max = std::fmax(p_max, p[i]);
      q_max = std::fmax(q_max, q[i]);
    }
    for (size_t i = 0; i < vocab; ++i) {
      p_sum += std::exp(p[i] - p_max);
      q_sum += std::exp(q[i] - q_max);
    }
    const double p_log = p_max + std::log(p_sum), q_log = q_max + std::log(q_sum);
    for (size_t i = 0; i < vocab; ++i) {
      sum += std::exp(p[i] - p_log) * ((p[i] - p_log) - (q[i] - q_log));
    }
  }
  return sum / static_cast<double>(want.size() / vocab);
}

TEST_CASE("quantized models: no further from the truth than 1.5 times the CPU") {
  uint64_t seed = 200;
  for (DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                      DType::kF16, DType::kBF16, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K,
                      DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4}) {
    CAPTURE(std::string(DTypeName(dtype)));
    CAPTURE(seed);
    TinySpec spec;
    spec.dtype = dtype;
    spec.head_dim = 32;
    const AlignedFile file = MakeFile(spec);
    // Decoding of the other types is the same code around products that conformance covers.
    const bool decodes = dtype == DType::kQ4_0;
    std::vector<float> truth, cpu, few, many;
    auto append = [](std::vector<float>* to, const std::vector<float>& from) {
      to->insert(to->end(), from.begin(), from.end());
    };
    // 1,024 positions, as four texts; half of that where it is all the same code but for the type.
    for (int i = 0; i < (decodes ? 4 : 2); ++i) {
      const std::vector<int32_t> ids = RandomIds(seed++, 256);
      append(&truth, AllLogits(file, BackendNamed("float64"), ids, 64));
      append(&cpu, AllLogits(file, BackendNamed("cpu"), ids, 64));
      if (decodes) append(&few, AllLogits(file, Cuda(), ids, 8));
      append(&many, AllLogits(file, Cuda(), ids, 64));
    }
    double mean = 0, squares = 0;
    for (float x : truth) mean += x;
    mean /= static_cast<double>(truth.size());
    for (float x : truth) squares += (x - mean) * (x - mean);
    // As if the last matrix were so much larger that the logits' standard deviation is 3.
    const double scale = 3 / std::sqrt(squares / static_cast<double>(truth.size()));
    const double of_cpu = Divergence(truth, cpu, spec.vocab, scale);
    const double of_many = Divergence(truth, many, spec.vocab, scale);
    std::printf("%s: KL * 1e9: cpu %.0f, cuda %.0f\n", DTypeName(dtype), of_cpu * 1e9,
                of_many * 1e9);
    CHECK(of_many <= 1.5 * of_cpu);
    if (!decodes) continue;
    CHECK(Divergence(truth, few, spec.vocab, scale) <= 1.5 * of_cpu);
    // A token at a time, over fewer positions.
    const std::vector<int32_t> ids = RandomIds(seed++, 70);
    const std::vector<float> one = AllLogits(file, Cuda(), ids, 1);
    const std::vector<float> one_truth = AllLogits(file, BackendNamed("float64"), ids, 64);
    const std::vector<float> one_cpu = AllLogits(file, BackendNamed("cpu"), ids, 64);
    CHECK(Divergence(one_truth, one, spec.vocab, scale) <=
          1.5 * Divergence(one_truth, one_cpu, spec.vocab, scale));
    CHECK(SameBits(one, AllLogits(file, Cuda(), ids, 1)));
  }
}

TEST_CASE("keys and values of every type; splits of a long context") {
  uint64_t seed = 300;
  for (DType kv : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    for (uint32_t head_dim : {8u, 80u}) {
      CAPTURE(std::string(DTypeName(kv)));
      CAPTURE(head_dim);
      CAPTURE(seed);
      TinySpec spec;
      spec.head_dim = head_dim;
      const AlignedFile file = MakeFile(spec);
      const std::vector<int32_t> ids = RandomIds(seed++, 200);
      const std::vector<float> want = AllLogits(file, BackendNamed("cpu"), ids, 64, kv);
      // Keys and values are rounded when they are stored, and a rounding may fall on the other side.
      const double bound = kv == DType::kF32 ? tolerance::kFamilyLogits : tolerance::kCudaStates;
      CHECK(Difference(AllLogits(file, Cuda(), ids, 4, kv), want) <= bound);
      CHECK(Difference(AllLogits(file, Cuda(), ids, 64, kv), want) <= bound);
    }
  }
}

TEST_CASE("several sessions in a step") {
  const AlignedFile file = MakeFile({});
  LoadOptions options;
  options.max_sessions = 3;
  options.max_outputs = 3;
  const ModelPtr cpu = OpenTiny(file, BackendNamed("cpu"), options);
  const ModelPtr cuda = OpenTiny(file, Cuda(), options);
  std::vector<SessionPtr> a, b;
  std::vector<Session*> all_a, all_b;
  for (uint64_t i = 0; i < 3; ++i) {
    a.push_back(NewSession(cpu));
    b.push_back(NewSession(cuda));
    const std::vector<int32_t> ids = RandomIds(400 + i, 3 + 20 * i);
    Feed(a.back(), ids);
    Feed(b.back(), ids);
    all_a.push_back(a.back().get());
    all_b.push_back(b.back().get());
  }
  for (int step = 0; step < 3; ++step) {
    REQUIRE_OK(StepSessions(all_a.data(), 3));
    REQUIRE_OK(StepSessions(all_b.data(), 3));
    for (size_t i = 0; i < 3; ++i) {
      CHECK(Difference(Row(b[i]), Row(a[i])) <= tolerance::kFamilyLogits);
      const std::vector<int32_t> next = RandomIds(500 + i, 1);
      Feed(a[i], next);
      Feed(b[i], next);
    }
  }
}

// A device with logits at the start of a buffer.
struct LogitsOnDevice {
  std::unique_ptr<Ledger> ledger;
  InPlacePtr<Device> device;
  uint64_t handle = 0;

  explicit LogitsOnDevice(const std::vector<float>& logits) {
    MemoryList list;
    REQUIRE_OK(Cuda().MeasureDevice({}, &list));
    list.Add("logits", logits.size() * 4, 64, MemoryClass::kDevice);
    list.AddLedger();
    ledger = std::make_unique<Ledger>(list);
    REQUIRE_OK(Cuda().Open({}, ledger.get(), &device));
    REQUIRE_OK(device->Allocate(ledger.get(), "logits", logits.size() * 4, &handle));
    REQUIRE_OK(device->Upload(handle, 0, logits.data(), logits.size() * 4));
  }
  int32_t Draw(uint32_t vocab, const SamplingParams& p, double uniform) {
    DrawRequest request;
    request.arena = handle;
    request.vocab = vocab;
    request.temperature = p.temperature;
    request.top_k = p.top_k;
    request.top_p = p.top_p;
    request.min_p = p.min_p;
    request.uniform = uniform;
    int32_t id = -1;
    REQUIRE_OK(device->Draw(request, &id));
    return id;
  }
};

TEST_CASE("draws on the device are those of the sampler") {
  for (uint32_t vocab : {1u, 7u, 320u, 3000u}) {
    Random random(vocab);
    std::vector<float> logits(vocab);
    for (float& x : logits) x = std::round(random.Normal() * 12) / 4;  // with ties
    LogitsOnDevice device(logits);
    std::vector<uint64_t> work(SamplerWorkBytes(vocab) / 8 + 8);
    const auto address = reinterpret_cast<uintptr_t>(work.data());
    void* aligned = reinterpret_cast<void*>((address + 63) & ~uintptr_t{63});
    int different = 0, drawn = 0;
    for (const SamplingParams& base :
         {SamplingParams{.temperature = 0}, SamplingParams{.temperature = 1},
          SamplingParams{.temperature = 0.7f, .top_k = 5},
          SamplingParams{.temperature = 1.3f, .top_p = 0.8f},
          SamplingParams{.temperature = 1, .min_p = 0.1f},
          SamplingParams{.temperature = 0.9f, .top_k = 40, .top_p = 0.9f, .min_p = 0.05f},
          SamplingParams{.temperature = 2, .top_k = 1},
          SamplingParams{.temperature = 1, .top_p = 1e-6f}}) {
      Pcg32 generator;
      generator.Seed(17);
      for (int i = 0; i < 12; ++i) {
        Pcg32 copy = generator;
        const int32_t want =
            SampleToken(logits.data(), vocab, base, nullptr, 0, &generator, aligned);
        const int32_t got = device.Draw(vocab, base, copy.Next() * 0x1p-32);
        different += got != want;
        ++drawn;
        if (base.temperature == 0 || base.top_k == 1) CHECK(got == want);
      }
    }
    // Weights in binary64 there, in F32 here: draws next to a border of 1e-7 may differ.
    CAPTURE(vocab);
    CAPTURE(drawn);
    CHECK(different <= 1);
  }
  std::vector<float> logits(100, 1.0f);
  logits[50] = std::nanf("");
  LogitsOnDevice device(logits);
  DrawRequest request;
  request.arena = device.handle;
  request.vocab = 100;
  int32_t id = 0;
  CHECK(device.device->Draw(request, &id).code() == StatusCode::kInvalidFile);
}

TEST_CASE("a cancelled device runs again") {
  const AlignedFile file = MakeFile({});
  const ModelPtr model = OpenTiny(file, Cuda());
  const SessionPtr session = NewSession(model);
  Feed(session, RandomIds(1, 5));
  Session* s = session.get();
  model->device->RequestCancel();
  CHECK(StepSessions(&s, 1).code() == StatusCode::kCancelled);
  model->device->ClearCancel();
  REQUIRE_OK(StepSessions(&s, 1));
}

}  // namespace
}  // namespace samara::test

int main(int argc, char** argv) {
  using namespace samara;
  const Backend* backend = nullptr;
  Status status = FindBackend("cuda", &backend);
  std::vector<DeviceInfo> devices;
  if (status.ok()) status = backend->ListDevices(&devices);
  const char* required = std::getenv("SAMARA_REQUIRE_CUDA");
  if (!status.ok()) {
    const bool absent = status.code() == StatusCode::kNotFound;
    const bool fails = !absent || (required != nullptr && std::string(required) == "1");
    std::printf("%s: no CUDA device: %s\n", fails ? "FAILED" : "SKIPPED", status.message());
    return fails ? 1 : 77;
  }
  doctest::Context context;
  context.applyCommandLine(argc, argv);
  return context.run();
}
