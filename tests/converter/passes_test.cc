#include "converter/passes/passes.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "converter/decompositions.h"
#include "tests/converter/model_kit.h"

namespace samara {
namespace {

const Op* FindNamed(const Graph& graph, const std::string& name) {
  for (const Op& op : graph.ops) {
    if (op.name == name) return &op;
  }
  return nullptr;
}

const Weight& WeightOf(const Model& model, ValueId id) {
  return model.package
      .weights[static_cast<size_t>(model.graph().values[static_cast<size_t>(id)].index)];
}

TEST_CASE("passes: q, k, v and gate, up become one linear each") {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    CAPTURE(std::string(family));
    NaiveModel naive(MakeCheckpoint(family));
    REQUIRE_MESSAGE(naive.status.ok(), std::string(naive.status.message()));
    Model& model = naive.model;
    REQUIRE(RunPasses(DType::kInvalid, &model).ok());
    const Graph& graph = model.graph();
    CHECK(CountOps(graph, OpCode::kLinear) == 3 * 4 + 1);
    CHECK(CountOps(graph, OpCode::kSlice) == 3 * 3);
    CHECK(CountOps(graph, OpCode::kConcat) == 0);
    CHECK(CountOps(graph, OpCode::kAdd) == 0);
    CHECK(CountOps(graph, OpCode::kRopeTable) == 1);

    const std::string scope = "model.layers.1.self_attn.";
    const Op* qkv = FindNamed(graph, scope + "q_proj+k_proj+v_proj");
    REQUIRE(qkv != nullptr);
    const Weight& weight = WeightOf(model, qkv->inputs[1]);
    CHECK(weight.rows == 48);
    CHECK(weight.cols == 16);
    REQUIRE(weight.sources.size() == 3);
    CHECK(weight.sources[0].tensor == scope + "q_proj.weight");
    CHECK(weight.sources[1].tensor == scope + "k_proj.weight");
    CHECK(weight.sources[1].first_row == 24);
    CHECK(weight.sources[1].n_rows == 12);
    CHECK(weight.sources[2].first_row == 36);
    const bool bias = std::string(family) == "qwen2";
    CHECK((qkv->inputs.size() > 2) == bias);
    if (bias) {
      const Weight& joined = WeightOf(model, qkv->inputs[2]);
      CHECK(joined.is_vector);
      CHECK(joined.cols == 48);
      REQUIRE(joined.sources.size() == 3);
      CHECK(joined.sources[2].first_row == 36);
      CHECK(joined.sources[2].n_rows == 12);
    }
    // The slices are the old results, in the old names.
    const Op* v = FindNamed(graph, scope + "v_proj");
    REQUIRE(v != nullptr);
    CHECK(v->code == OpCode::kSlice);
    CHECK(v->Int(AttrKey::kBegin) == 36);
    CHECK(v->Int(AttrKey::kLength) == 12);
    const Op* glu = FindNamed(graph, "model.layers.1.mlp.glu");
    REQUIRE(glu != nullptr);
    CHECK(graph.values[static_cast<size_t>(glu->inputs[0])].name ==
          "model.layers.1.mlp.gate_proj+up_proj");
    // The residual is an operand, the sum is gone.
    const Op* down = FindNamed(graph, "model.layers.1.mlp.down_proj");
    REQUIRE(down != nullptr);
    REQUIRE(down->inputs.size() == 4);
    CHECK(graph.values[static_cast<size_t>(down->inputs[3])].name == scope + "o_proj");
  }
}

TEST_CASE("passes: running them again changes nothing") {
  NaiveModel naive(MakeCheckpoint("qwen2"));
  REQUIRE(naive.status.ok());
  REQUIRE(RunPasses(DType::kQ8_0, &naive.model).ok());
  const std::string once = GraphText(naive.model.package, naive.model.graph());
  REQUIRE(RunPasses(DType::kQ8_0, &naive.model).ok());
  CHECK(GraphText(naive.model.package, naive.model.graph()) == once);
}

TEST_CASE("passes: the last layer's MLP works on the wanted rows only") {
  NaiveModel naive(MakeCheckpoint("llama"));
  REQUIRE(naive.status.ok());
  REQUIRE(RunPasses(DType::kInvalid, &naive.model).ok());
  const Model& model = naive.model;
  const Graph& graph = model.graph();
  const auto rows = [&](const std::string& name) {
    const Op* op = FindNamed(graph, name);
    REQUIRE_MESSAGE(op != nullptr, name);
    const Dim dim = graph.values[static_cast<size_t>(op->outputs[0])].shape.dims[0];
    return model.package.symbols[dim.terms[0].symbol].name;
  };
  CHECK(rows("model.layers.1.mlp.down_proj") == "n_tokens");
  CHECK(rows("model.layers.2.self_attn.attention") == "n_tokens");
  CHECK(rows("model.layers.2.self_attn.o_proj") == "n_outputs");
  CHECK(rows("model.layers.2.mlp.gate_proj+up_proj") == "n_outputs");
  CHECK(rows("model.norm") == "n_outputs");
  CHECK(CountOps(graph, OpCode::kGather) ==
        3);  // the embedding, the last attention, the last residual
}

TEST_CASE("passes: what must not be fused stays apart") {
  // Two codecs: k is F32 among BF16.
  TestCheckpoint c = MakeCheckpoint("llama");
  for (auto& [name, tensor] : c.tensors) tensor.type = "BF16";
  c.tensors["model.layers.0.self_attn.k_proj.weight"].type = "F32";
  NaiveModel mixed(c);
  REQUIRE_MESSAGE(mixed.status.ok(), std::string(mixed.status.message()));
  REQUIRE(RunPasses(DType::kInvalid, &mixed.model).ok());
  CHECK(FindNamed(mixed.model.graph(), "model.layers.0.self_attn.q_proj+v_proj") != nullptr);
  const Op* k = FindNamed(mixed.model.graph(), "model.layers.0.self_attn.k_proj");
  REQUIRE(k != nullptr);
  CHECK(k->code == OpCode::kLinear);
  CHECK(WeightOf(mixed.model, k->inputs[1]).dtype == DType::kF32);

  // Tied embeddings: one weight for both ends, in the matmul layout.
  c = MakeCheckpoint("llama");
  c.config["tie_word_embeddings"] = "true";
  c.tensors.erase("lm_head.weight");
  NaiveModel tied(c);
  REQUIRE_MESSAGE(tied.status.ok(), std::string(tied.status.message()));
  REQUIRE(RunPasses(DType::kQ4_0, &tied.model).ok());
  REQUIRE(AssignPlacements(&tied.model).ok());
  const Graph& graph = tied.model.graph();
  const Op* head = FindNamed(graph, "model.embed_tokens.tied");
  const Op* embed = FindNamed(graph, "model.embed_tokens");
  REQUIRE(head != nullptr);
  REQUIRE(embed != nullptr);
  CHECK(head->inputs[1] == embed->inputs[0]);
  CHECK(WeightOf(tied.model, head->inputs[1]).dtype == DType::kQ4_0);
  CHECK(WeightOf(tied.model, head->inputs[1]).placements[0].layout == Layout::kRows16);

  // Untied: the table is only gathered from.
  NaiveModel untied(MakeCheckpoint("llama"));
  REQUIRE(RunPasses(DType::kQ4_0, &untied.model).ok());
  REQUIRE(AssignPlacements(&untied.model).ok());
  const Weight& table = untied.model.package.weights[0];
  CHECK(table.name == "model.embed_tokens.weight");
  CHECK(table.dtype == DType::kQ4_0);
  CHECK(table.placements[0].layout == Layout::kRowMajor);
}

TEST_CASE("passes: weights stand in the order of use, aligned, without gaps") {
  NaiveModel naive(MakeCheckpoint("qwen3"));
  REQUIRE(naive.status.ok());
  REQUIRE(RunPasses(DType::kQ5_1, &naive.model).ok());
  REQUIRE(AssignPlacements(&naive.model).ok());
  std::vector<int32_t> order;
  for (const Op& op : naive.model.graph().ops) {
    for (const ValueId id : op.inputs) {
      if (id == kNoValue) continue;
      const Value& value = naive.model.graph().values[static_cast<size_t>(id)];
      if (value.kind == ValueKind::kWeight &&
          std::count(order.begin(), order.end(), value.index) == 0) {
        order.push_back(value.index);
      }
    }
  }
  REQUIRE(order.size() == naive.model.package.weights.size());
  CHECK(std::is_sorted(order.begin(), order.end()));
  uint64_t end = 0;
  for (const Weight& weight : naive.model.package.weights) {
    const WeightPlacement& placement = weight.placements[0];
    CHECK(placement.offset == (end + 63) / 64 * 64);
    end = placement.offset + placement.bytes;
  }
}

TEST_CASE("decompositions: accepted, complete, shared, and made of core operators only") {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    for (const bool window : {false, true}) {
      CAPTURE(std::string(family));
      CAPTURE(window);
      TestCheckpoint c = MakeCheckpoint(family);
      const bool qwen = std::string(family).starts_with("qwen");
      if (window && std::string(family) == "llama") continue;  // it has none
      if (window) c.config["sliding_window"] = "16";
      if (window && qwen) {
        c.config["use_sliding_window"] = "true";
        c.config["max_window_layers"] = "1";
      }
      NaiveModel naive(c);
      REQUIRE_MESSAGE(naive.status.ok(), std::string(naive.status.message()));
      REQUIRE(RunPasses(DType::kInvalid, &naive.model).ok());
      REQUIRE(AssignPlacements(&naive.model).ok());
      Package& package = naive.model.package;
      REQUIRE(AddDecompositions(&package).ok());
      const Status checked = CheckWithoutBytes(package);
      CHECK_MESSAGE(checked.ok(), std::string(checked.message()));
      for (const Op& op : package.entries[0].ops)
        CHECK(FindOp(op.code)->composite == (op.decomposition >= 0));
      for (const Graph& function : package.functions) {
        for (const Op& op : function.ops) CHECK(!FindOp(op.code)->composite);
      }
      // The same number of functions for a model of more layers: they are shared.
      const size_t functions = package.functions.size();
      CHECK(functions < package.entries[0].ops.size() / 2);
      struct All : DecomposeChoice {
        bool Decompose(const Graph&, const Op& op) override { return op.decomposition >= 0; }
      } all;
      Graph inlined;
      const Status status = InlineDecompositions(package, package.entries[0], &all, &inlined);
      REQUIRE_MESSAGE(status.ok(), std::string(status.message()));
      for (const Op& op : inlined.ops) CHECK(!FindOp(op.code)->composite);
      REQUIRE(AddDecompositions(&package).ok());
      CHECK(package.functions.size() == functions);
    }
  }
}

// A graph of one attention with everything: softcap, window, sinks, different key and value sizes.
TEST_CASE("decompositions: every option of attention, rope and glu") {
  TestTensors tensors;
  tensors["embed.weight"].shape = {9, 24};
  tensors["q.weight"].shape = {4 * 6, 24};
  tensors["k.weight"].shape = {2 * 6, 24};
  tensors["v.weight"].shape = {2 * 5, 24};
  tensors["sinks"].shape = {4};
  tensors["gate.weight"].shape = {8, 20};
  tensors["up.weight"].shape = {8, 20};
  tensors["head.weight"].shape = {9, 8};
  for (const Activation activation :
       {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf, Activation::kRelu}) {
    for (const bool interleaved : {false, true}) {
      const TemporaryDirectory dir;
      WriteText(dir / "model.safetensors", SafetensorsOf(tensors));
      const StatusOr<Checkpoint> checkpoint = Checkpoint::Open(dir.path());
      REQUIRE(checkpoint.ok());
      GraphBuilder builder(&*checkpoint);
      Scope b = builder.Root();
      const RopeSettings rope{{1.0f, 0.1f}, 1.5, interleaved};  // rotates 4 of 6 dimensions
      Tensor x = b.Embedding("embed", 9, 24);
      const Tensor q = b.Rope(b.Linear(x, "q", 24), 6, rope),
                   k = b.Rope(b.Linear(x, "k", 12), 6, rope);
      x = b.Attention(q, k, b.Linear(x, "v", 10),
                      {.heads = 4,
                       .kv_heads = 2,
                       .key_dim = 6,
                       .value_dim = 5,
                       .scale = 0.3,
                       .softcap = 50,
                       .window = 7},
                      "sinks");
      x = b.Glu(b.Linear(x, "gate", 8), b.Linear(x, "up", 8), activation);
      builder.SetLogits(b.Linear(builder.SelectOutputs(x), "head", 9));
      Model model;
      std::vector<GraphBuilder::Dropped> dropped;
      const Status built = builder.Finish(&model, &dropped);
      REQUIRE_MESSAGE(built.ok(), std::string(built.message()));
      model.package.trained_context = 64;
      REQUIRE(RunPasses(DType::kInvalid, &model).ok());
      REQUIRE(AssignPlacements(&model).ok());
      REQUIRE(AddDecompositions(&model.package).ok());
      const Status checked = CheckWithoutBytes(model.package);
      CHECK_MESSAGE(checked.ok(), std::string(checked.message()));
    }
  }
}

}  // namespace
}  // namespace samara
