// Composites against their decompositions, run: graphs of one block with every option, through the
// C API, fused and decomposed.
#include <doctest/doctest.h>

#include <cmath>

#include "converter/decompositions.h"
#include "converter/output_file.h"
#include "converter/pipeline.h"
#include "runtime/include/samara/samara.h"
#include "tests/converter/model_kit.h"
#include "tests/tolerances.h"

namespace samara {
namespace {

struct BlockCase {
  Activation activation;
  bool interleaved;
  double softcap;
  uint64_t window;
  bool sinks;
  int64_t heads, kv_heads, key_dim, value_dim, rotated;
};

void Write(const TemporaryDirectory& dir, const BlockCase& c) {
  const int64_t hidden = 24, inter = 20, vocab = 11;
  const auto u = [](int64_t n) { return static_cast<uint64_t>(n); };
  TestTensors tensors;
  tensors["embed.weight"].shape = {u(vocab), u(hidden)};
  tensors["norm.weight"].shape = {u(hidden)};
  tensors["q.weight"].shape = {u(c.heads * c.key_dim), u(hidden)};
  tensors["q_norm.weight"].shape = {u(c.key_dim)};
  tensors["k.weight"].shape = {u(c.kv_heads * c.key_dim), u(hidden)};
  tensors["v.weight"].shape = {u(c.kv_heads * c.value_dim), u(hidden)};
  tensors["o.weight"].shape = {u(hidden), u(c.heads * c.value_dim)};
  tensors["o.bias"].shape = {u(hidden)};
  if (c.sinks) tensors["sinks"] = {"F32", {u(c.heads)}, {}};
  tensors["gate.weight"].shape = tensors["up.weight"].shape = {u(inter), u(hidden)};
  tensors["down.weight"].shape = {u(hidden), u(inter)};
  tensors["head.weight"].shape = {u(vocab), u(hidden)};
  // Numbers large enough for the softcap, the sinks and the tails of the activations to matter.
  uint32_t state = 7;
  for (auto& [name, tensor] : tensors) {
    uint64_t n = 1;
    for (const uint64_t d : tensor.shape) n *= d;
    for (uint64_t i = 0; i < n; ++i) {
      state = state * 1664525 + 1013904223;
      tensor.values.push_back((static_cast<float>(state >> 16) - 32768.0f) / 65536.0f);
    }
  }
  WriteText(dir / "model.safetensors", SafetensorsOf(tensors));
  const StatusOr<Checkpoint> checkpoint = Checkpoint::Open(dir.path());
  REQUIRE(checkpoint.ok());
  GraphBuilder builder(&*checkpoint);
  Scope b = builder.Root();
  RopeSettings rope;
  for (int64_t i = 0; i < c.rotated / 2; ++i)
    rope.inv_freq.push_back(std::pow(0.3f, static_cast<float>(i)));
  rope.factor = 1.25;
  rope.interleaved = c.interleaved;
  Tensor x = b.Embedding("embed", vocab, hidden);
  const Tensor y = b.RmsNorm(x, "norm", 1e-5);
  const Tensor q = b.Rope(
      b.RmsNorm(b.Linear(y, "q", c.heads * c.key_dim), "q_norm", 1e-5, c.key_dim), c.key_dim, rope);
  const Tensor k = b.Rope(b.Linear(y, "k", c.kv_heads * c.key_dim), c.key_dim, rope);
  const Tensor v = b.Linear(y, "v", c.kv_heads * c.value_dim);
  AttentionSettings attention;
  attention.heads = c.heads;
  attention.kv_heads = c.kv_heads;
  attention.key_dim = c.key_dim;
  attention.value_dim = c.value_dim;
  attention.scale = 0.7;
  attention.softcap = c.softcap;
  attention.window = c.window;
  x = b.Add(x,
            b.Linear(b.Attention(q, k, v, attention, c.sinks ? "sinks" : ""), "o", hidden, true));
  x = b.Add(x, b.Linear(b.Glu(b.Linear(x, "gate", inter), b.Linear(x, "up", inter), c.activation),
                        "down", hidden));
  builder.SetLogits(b.Linear(builder.SelectOutputs(x), "head", vocab));
  Model model;
  std::vector<GraphBuilder::Dropped> dropped;
  const Status built = builder.Finish(&model, &dropped);
  REQUIRE_MESSAGE(built.ok(), std::string(built.message()));
  model.package.name = "block";
  model.package.trained_context = 256;
  REQUIRE(RunPasses(DType::kInvalid, &model).ok());
  REQUIRE(AssignPlacements(&model).ok());
  REQUIRE(AddDecompositions(&model.package).ok());
  StatusOr<std::unique_ptr<OutputFile>> file = OutputFile::Create(dir / "block.samara");
  REQUIRE(file.ok());
  PackageWriter writer(file->get());
  REQUIRE(writer.Begin().ok());
  REQUIRE(writer.BeginSegment("weights").ok());
  StreamResult streamed;
  REQUIRE(StreamWeights(model, *checkpoint, {}, &writer, &streamed).ok());
  REQUIRE(writer.EndSegment().ok());
  uint64_t bytes = 0;
  const Status finished = writer.Finish(&model.package, &bytes);
  REQUIRE_MESSAGE(finished.ok(), std::string(finished.message()));
  REQUIRE((*file)->Commit().ok());
}

std::vector<float> Run(const std::string& path, bool decompose) {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.n_ctx = 128;
  options.n_chunk = 16;
  options.max_outputs = 16;
  options.kv_type = SAMARA_KV_F32;
  options.decompose = decompose;
  samara_model* model = nullptr;
  REQUIRE_MESSAGE(samara_model_open(path.c_str(), &options, &model) == SAMARA_OK,
                  std::string(samara_last_error()));
  samara_session_options session_options = SAMARA_SESSION_OPTIONS_INIT;
  session_options.all_logits = 1;
  samara_session* session = nullptr;
  REQUIRE_MESSAGE(samara_session_create(model, &session_options, &session) == SAMARA_OK,
                  std::string(samara_last_error()));
  std::vector<int32_t> ids;
  for (int i = 0; i < 90; ++i) ids.push_back((i * 7 + i / 3) % 11);
  REQUIRE(samara_feed(session, ids.data(), ids.size()) == SAMARA_OK);
  std::vector<float> all;
  while (samara_pending(session) > 0) {
    REQUIRE_MESSAGE(samara_step(&session, 1) == SAMARA_OK, std::string(samara_last_error()));
    for (size_t row = 0; row < samara_logits_rows(session); ++row) {
      const float* logits = nullptr;
      size_t n = 0;
      REQUIRE(samara_logits(session, static_cast<int64_t>(row), &logits, &n) == SAMARA_OK);
      all.insert(all.end(), logits, logits + n);
    }
  }
  samara_session_close(session);
  REQUIRE(samara_model_close(model) == SAMARA_OK);
  return all;
}

TEST_CASE("decompositions: equal to the composites when run") {
  const BlockCase cases[] = {
      {Activation::kSilu, false, 0, 0, false, 4, 4, 6, 6, 6},
      {Activation::kGeluTanh, true, 5, 0, false, 4, 2, 6, 5, 4},
      {Activation::kGeluErf, false, 0, 7, true, 6, 2, 8, 4, 4},
      {Activation::kRelu, true, 3, 20, true, 4, 1, 4, 6, 4},
  };
  std::vector<float> before;
  for (const BlockCase& c : cases) {
    CAPTURE(static_cast<int>(c.activation));
    const TemporaryDirectory dir;
    Write(dir, c);
    const std::vector<float> fused = Run(dir / "block.samara", false),
                             core = Run(dir / "block.samara", true);
    REQUIRE(fused.size() == 90 * 11);
    REQUIRE(core.size() == fused.size());
    double largest = 0, difference = 0;
    for (size_t i = 0; i < fused.size(); ++i) {
      largest = std::fmax(largest, std::fabs(fused[i]));
      difference = std::fmax(difference, std::fabs(static_cast<double>(fused[i]) - core[i]));
    }
    CHECK(largest > 0.1);
    CHECK(difference <= tolerance::kDecomposedLogits * largest);
    CHECK(fused != before);
    before = fused;
  }
}

}  // namespace
}  // namespace samara
