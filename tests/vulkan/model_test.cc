// Whole models: the same text as the CPU's, the same bits twice, every switch; quantized ones as good as the CPU's.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>

#include "runtime/profile.h"
#include "tests/runtime/model_fixture.h"
#include "tests/tolerances.h"
#include "tests/vulkan/device.h"

namespace samara::test {
namespace {

LoadOptions SmallOptions() {
  LoadOptions options;
  options.n_ctx = 256;
  options.n_chunk = 24;
  return options;
}

double RelativeError(const std::vector<float>& got, const std::vector<float>& want) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double difference = std::fabs(double{got[i]} - want[i]);
    if (!(difference <= worst)) worst = difference;  // a NaN counts
    largest = std::max(largest, std::fabs(double{want[i]}));
  }
  return worst / largest;
}

int32_t Best(const std::vector<float>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// A prompt, then greedy tokens; every step's logits.
std::vector<std::vector<float>> Generate(const AlignedFile& file, const Backend& backend,
                                         const std::vector<int32_t>& prompt, int n,
                                         LoadOptions options = SmallOptions()) {
  const ModelPtr model = OpenTiny(file, backend, options);
  const SessionPtr session = NewSession(model);
  std::vector<std::vector<float>> all = {Logits(session, prompt)};
  for (int i = 0; i < n; ++i) all.push_back(Logits(session, {Best(all.back())}));
  return all;
}

TEST_CASE("F32: logits as the CPU's, with every switch, and the same bits twice") {
  TinySpec spec;
  spec.qk_norm = true;
  spec.qkv_bias = true;
  spec.hidden_output = true;
  const AlignedFile file = MakeFile(spec);
  const std::vector<int32_t> prompt = RandomIds(11, 61);
  const auto want = Generate(file, BackendNamed("cpu"), prompt, 12);
  for (const char* switches :
       {"", "subgroup=0", "subgroup=1", "staging=1", "tiles=0", "splits=1", "max_range=40000",
        "segment=100000", "segment=1,staging=1", "fuse=0", "cache=0"}) {
    CAPTURE(std::string(switches));
    const Switches set(switches);
    const auto got = Generate(file, BackendNamed("vulkan"), prompt, 12);
    const auto again = Generate(file, BackendNamed("vulkan"), prompt, 12);
    REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      CHECK(RelativeError(got[i], want[i]) < tolerance::kFamilyLogits);
      CHECK(Best(got[i]) == Best(want[i]));
      CHECK(SameBits(got[i], again[i]));
    }
  }
}

// Small enough for validation that runs inside the shaders.
TEST_CASE("a prompt of two and a token") {
  TinySpec spec;
  spec.layers = 1;
  spec.dtype = DType::kQ4_1;
  const AlignedFile file = MakeFile(spec);
  const Switches set("int8=1,int_dot=1");
  LoadOptions options = SmallOptions();
  options.n_chunk = 2;
  const auto want = Generate(file, BackendNamed("cpu"), {5, 6}, 1, options);
  const auto got = Generate(file, BackendNamed("vulkan"), {5, 6}, 1, options);
  for (size_t i = 0; i < want.size(); ++i) {
    CHECK(RelativeError(got[i], want[i]) < tolerance::kVulkanQ8Logits);
  }
}

TEST_CASE("windows, K/V types, several sessions, decompositions") {
  for (uint64_t window : {0, 40}) {
    for (DType kv : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      CAPTURE(window);
      CAPTURE(std::string(DTypeName(kv)));
      TinySpec spec;
      spec.window = window;
      const AlignedFile file = MakeFile(spec);
      LoadOptions options = SmallOptions();
      options.kv_type = kv;
      const Switches set;
      const std::vector<int32_t> prompt = RandomIds(12, 90);
      const auto want = Generate(file, BackendNamed("cpu"), prompt, 4, options);
      const auto got = Generate(file, BackendNamed("vulkan"), prompt, 4, options);
      for (size_t i = 0; i < want.size(); ++i) {
        // Q8_0 may round a tie another way.
        const double bound = kv == DType::kQ8_0  ? tolerance::kVulkanQ8Logits
                             : kv == DType::kF16 ? tolerance::kVulkanF16Logits
                                                 : tolerance::kFamilyLogits;
        CHECK(RelativeError(got[i], want[i]) < bound);
      }
    }
  }
}

// How often operators of a kind were the first of a dispatch.
uint64_t Dispatched(const Profile& profile, const char* kind) {
  uint64_t calls = 0;
  for (uint32_t i = 1; i < profile.n_ops(); ++i) {
    if (std::string(profile.ops()[i].kind) == kind) calls += profile.ops()[i].calls;
  }
  return calls;
}

TEST_CASE("operators that are fused") {
  TinySpec spec;  // 2 layers
  spec.qk_norm = true;
  for (DType dtype : {DType::kF32, DType::kQ4_K}) {
    std::vector<float> want;
    for (const bool fuse : {true, false}) {
      CAPTURE(std::string(DTypeName(dtype)));
      CAPTURE(fuse);
      spec.dtype = dtype;
      const Switches set(fuse ? "int8=1" : "int8=1,fuse=0");
      LoadOptions options = SmallOptions();
      options.profile = 1000;
      const AlignedFile file = MakeFile(spec);
      const ModelPtr model = OpenTiny(file, BackendNamed("vulkan"), options);
      const SessionPtr session = NewSession(model);
      const std::vector<float> logits = Logits(session, {1, 2, 3});
      if (fuse) want = logits;
      // The same sums and the same rounding to int8, some of it elsewhere.
      CHECK(RelativeError(logits, want) < tolerance::kFamilyLogits);
      const Profile& profile = *model->profile;
      CHECK(Dispatched(profile, "linear") == 9);
      // A fused dispatch counts as the norm of queries.
      CHECK(Dispatched(profile, "rms_norm") == (fuse ? 7 : 9));
      CHECK(Dispatched(profile, "rope") == (fuse ? 0 : 4));
      CHECK(Dispatched(profile, "state_write") == (fuse ? 0 : 4));
      CHECK(Dispatched(profile, "glu") == (fuse ? 0 : 2));
      // A product of many tokens has no gate.
      Logits(session, RandomIds(2, 20));
      CHECK(Dispatched(profile, "glu") == (fuse ? 2 : 4));
      CHECK(Dispatched(profile, "state_write") == (fuse ? 0 : 8));
    }
  }
}

TEST_CASE("a session is computed alike beside others") {
  const AlignedFile file = MakeFile(TinySpec());
  const Switches set;
  LoadOptions options = SmallOptions();
  options.max_sessions = 3;
  options.max_outputs = 3;
  const ModelPtr model = OpenTiny(file, BackendNamed("vulkan"), options);
  const ModelPtr cpu = OpenTiny(file, BackendNamed("cpu"), options);
  SessionPtr sessions[3], wanted[3];
  for (int i = 0; i < 3; ++i) {
    sessions[i] = NewSession(model);
    wanted[i] = NewSession(cpu);
  }
  for (int round = 0; round < 3; ++round) {
    Session *a[3], *b[3];
    for (int i = 0; i < 3; ++i) {
      const std::vector<int32_t> ids =
          RandomIds(static_cast<uint64_t>(100 + 10 * round + i), static_cast<size_t>(1 + 3 * i));
      Feed(sessions[i], ids);
      Feed(wanted[i], ids);
      a[i] = sessions[i].get();
      b[i] = wanted[i].get();
    }
    REQUIRE_OK(StepSessions(a, 3));
    REQUIRE_OK(StepSessions(b, 3));
    for (int i = 0; i < 3; ++i) {
      CHECK(RelativeError(Row(sessions[i]), Row(wanted[i])) < tolerance::kFamilyLogits);
    }
  }
}

// Sum over positions of KL(reference || model), from logits.
double Divergence(const std::vector<float>& reference, const std::vector<float>& model) {
  const auto norm = [](const std::vector<float>& x) {
    const double most = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (float value : x) sum += std::exp(value - most);
    return most + std::log(sum);
  };
  const double a = norm(reference), b = norm(model);
  double kl = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double p = reference[i] - a;
    kl += std::exp(p) * (p - (model[i] - b));
  }
  return kl;
}

using Rows = std::vector<std::vector<float>>;

Rows AllLogits(const AlignedFile& file, const Backend& backend) {
  LoadOptions options;
  options.n_ctx = 256;
  options.n_chunk = options.max_outputs = 64;
  const ModelPtr model = OpenTiny(file, backend, options);
  Rows rows;
  for (uint64_t text = 0; text < 4; ++text) {
    const SessionPtr session = NewSession(model, true);
    const std::vector<int32_t> ids = RandomIds(50 + text, 256);
    for (size_t at = 0; at < ids.size(); at += 64) {
      Feed(session, {ids.begin() + static_cast<ptrdiff_t>(at),
                     ids.begin() + static_cast<ptrdiff_t>(at) + 64});
      RunAll(session);
      for (int64_t r = 0; r < 64; ++r) rows.push_back(Row(session, r));
    }
  }
  return rows;
}

double MeanDivergence(const Rows& reference, const Rows& rows) {
  double sum = 0;
  for (size_t i = 0; i < rows.size(); ++i) sum += Divergence(reference[i], rows[i]);
  return sum / static_cast<double>(rows.size());
}

TEST_CASE("quantized: divergence from the float64 reference, over 1,024 positions") {
  for (DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                      DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K,
                      DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4, DType::kF16, DType::kBF16}) {
    CAPTURE(std::string(DTypeName(dtype)));
    TinySpec spec;
    spec.dtype = dtype;
    spec.head_scale = 3.5;
    const AlignedFile file = MakeFile(spec);
    const Rows reference = AllLogits(file, BackendNamed("float64"));
    REQUIRE(reference.size() == 1024);
    double sum = 0, squares = 0;
    for (const std::vector<float>& row : reference) {
      for (float x : row) {
        sum += x;
        squares += double{x} * x;
      }
    }
    const double n = 1024.0 * spec.vocab;
    const double deviation = std::sqrt(squares / n - sum / n * (sum / n));
    CHECK(deviation >= 3);
    const double cpu = MeanDivergence(reference, AllLogits(file, BackendNamed("cpu")));
    for (const char* switches :
         {"int8=0", "int8=1,int_dot=0", "int8=1,int_dot=1", "int8=1,fuse=0,tiles=0"}) {
      const bool plain = dtype == DType::kF16 || dtype == DType::kBF16;
      if (plain && std::string(switches) != "int8=0") continue;
      // The instruction gives the same integers. Types with high bits, minimums and scales of halves try every path, others
      // the one with int8 activations.
      const bool usual = plain || std::string(switches) == "int8=1,int_dot=1";
      if (!usual && dtype != DType::kQ5_1 && dtype != DType::kQ2_K) continue;
      CAPTURE(std::string(switches));
      const Switches set(switches);
      const double kl = MeanDivergence(reference, AllLogits(file, BackendNamed("vulkan")));
      std::printf("%s %s: KL %.3e, cpu %.3e, deviation %.2f\n", DTypeName(dtype), switches, kl, cpu,
                  deviation);
      CHECK(kl <= 1.5 * cpu + tolerance::kVulkanRoundingKl);
    }
  }
}

TEST_CASE("a lost device is an error, and everything can be closed") {
  const AlignedFile file = MakeFile(TinySpec());
  int failed_loads = 0, failed_steps = 0;
  for (int at = 1; at < 40; at += 3) {
    CAPTURE(at);
    const Switches set("cache=0,staging=1,fail_submit=" + std::to_string(at));
    PackageFile memory;
    REQUIRE_OK(PackageFile::OpenMemory(file.data(), file.size(), &memory));
    Model* opened = nullptr;
    LoadOptions options = SmallOptions();
    options.n_threads = 1;
    const Status load = LoadModel(std::move(memory), BackendNamed("vulkan"), options, {}, &opened);
    if (!load.ok()) {
      CHECK(load.code() == StatusCode::kDeviceLost);
      ++failed_loads;
      continue;
    }
    const ModelPtr model(opened);
    const SessionPtr session = NewSession(model);
    Session* s = session.get();
    Feed(session, RandomIds(1, 60));
    Status status;
    for (int i = 0; i < 60 && status.ok(); ++i) {
      status = StepSessions(&s, 1);
      if (s->n_computed == s->n_tokens) Feed(session, {1});
    }
    if (status.ok()) continue;
    CHECK(status.code() == StatusCode::kDeviceLost);
    ++failed_steps;
    // What follows fails at once, without a new submission.
    CHECK(!StepSessions(&s, 1).ok());
  }
  CHECK(failed_loads > 0);
  CHECK(failed_steps > 0);
  const Switches set("cache=0");
  const ModelPtr model = OpenTiny(file, BackendNamed("vulkan"), SmallOptions());
  CHECK(Logits(NewSession(model), {1, 2, 3}).size() == 320);
}

TEST_CASE(
    "an allocation that cannot be is OUT_OF_MEMORY, and a switch that is not there an error") {
  {
    const Switches set;
    MemoryList list;
    list.Add("huge", uint64_t{1} << 50, 64, MemoryClass::kDevice);
    OpenDevice device(list);
    REQUIRE_OK(device.Open());
    uint64_t handle = 0;
    const Status status = device->Allocate(device.ledger(), "huge", uint64_t{1} << 50, &handle);
    CHECK(status.code() == StatusCode::kOutOfMemory);
  }
  for (const char* wrong : {"nonsense=1", "int8=2", "int8", "max_range=1", "splits=0", "=",
                            "device=", "segment=18446744073709551616"}) {
    CAPTURE(std::string(wrong));
    setenv("SAMARA_VULKAN", wrong, 1);
    OpenDevice device;
    CHECK(device.Open().code() == StatusCode::kInvalidArgument);
  }
  setenv("SAMARA_VULKAN", "device=no such device", 1);
  OpenDevice device;
  CHECK(device.Open().code() == StatusCode::kNotFound);
  unsetenv("SAMARA_VULKAN");
}

TEST_CASE("a cancelled model stops between submissions and goes on later") {
  const AlignedFile file = MakeFile(TinySpec());
  const Switches set("segment=1");
  const ModelPtr model = OpenTiny(file, BackendNamed("vulkan"), SmallOptions());
  const SessionPtr session = NewSession(model);
  Session* s = session.get();
  Feed(session, RandomIds(3, 20));
  model->device->RequestCancel();
  CHECK(StepSessions(&s, 1).code() == StatusCode::kCancelled);
  model->device->ClearCancel();
  REQUIRE_OK(StepSessions(&s, 1));
  const ModelPtr other = OpenTiny(file, BackendNamed("vulkan"), SmallOptions());
  CHECK(SameBits(Row(session), Logits(NewSession(other), RandomIds(3, 20))));
}

}  // namespace
}  // namespace samara::test
