#include "converter/builder.h"

#include <doctest/doctest.h>

#include <cmath>

#include "converter/models/decoder_config.h"
#include "tests/converter/model_kit.h"

namespace samara {
namespace {

std::string Error(const TestCheckpoint& checkpoint, StatusCode code) {
  const NaiveModel naive(checkpoint);
  CHECK_MESSAGE(naive.status.code() == code, std::string(naive.status.message()));
  return naive.status.message();
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("builder: every family builds a naive graph that checks out") {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    CAPTURE(std::string(family));
    NaiveModel naive(MakeCheckpoint(family));
    REQUIRE_MESSAGE(naive.status.ok(), std::string(naive.status.message()));
    const Graph& graph = naive.model.graph();
    CHECK(CountOps(graph, OpCode::kLinear) == 3 * 7 + 1);
    CHECK(CountOps(graph, OpCode::kAttention) == 3);
    CHECK(CountOps(graph, OpCode::kRopeTable) == 6);
    CHECK(CountOps(graph, OpCode::kRmsNorm) == 3 * (std::string(family) == "qwen3" ? 4 : 2) + 1);
    CHECK(naive.model.package.vocab == 300);
    CHECK(naive.model.package.trained_context == 128);
    CHECK(naive.model.package.states.size() == 3);
    REQUIRE(naive.model.package.groups.size() == 1);
    CHECK(naive.model.package.groups[0].rewind_limit == UINT64_MAX);
    REQUIRE(AssignTypes(DType::kInvalid, &naive.model).ok());
    REQUIRE(AssignPlacements(&naive.model).ok());
    const Status checked = CheckWithoutBytes(naive.model.package);
    CHECK_MESSAGE(checked.ok(), std::string(checked.message()));
  }
}

TEST_CASE("builder: missing and unused tensors") {
  TestCheckpoint c = MakeCheckpoint("llama");
  c.tensors.erase("model.layers.1.mlp.up_proj.weight");
  c.tensors.erase("model.norm.weight");
  const std::string missing = Error(c, StatusCode::kInvalidFile);
  CHECK(missing ==
        "checkpoint: got no tensor model.layers.1.mlp.up_proj.weight, model.norm.weight, which the "
        "model needs (2 "
        "missing)");

  c = MakeCheckpoint("llama");
  for (int i = 0; i < 9; ++i) c.tensors["extra." + std::to_string(i)].shape = {1};
  const std::string unused = Error(c, StatusCode::kUnsupported);
  CHECK(Has(unused, "got tensor extra.0, extra.1, extra.2, extra.3, extra.4 and 4 more"));
  CHECK(Has(unused, "(9 unused)"));

  // More layers in the file than in config.json are unused tensors too.
  c = MakeCheckpoint("llama");
  c.config["num_hidden_layers"] = "2";
  CHECK(Has(Error(c, StatusCode::kUnsupported), "model.layers.2."));
}

TEST_CASE("builder: dropped tensors are counted, by rule") {
  TestCheckpoint c = MakeCheckpoint("llama");
  c.config["tie_word_embeddings"] = "true";
  for (int i = 0; i < 3; ++i) {
    c.tensors["model.layers." + std::to_string(i) + ".self_attn.rotary_emb.inv_freq"].shape = {3};
  }
  const NaiveModel naive(c);
  REQUIRE_MESSAGE(naive.status.ok(), std::string(naive.status.message()));
  REQUIRE(naive.dropped.size() == 2);
  CHECK(naive.dropped[0].pattern == "*.rotary_emb.inv_freq");
  CHECK(naive.dropped[0].count == 3);
  CHECK(naive.dropped[1].pattern == "lm_head.weight");
  CHECK(naive.dropped[1].count == 1);
}

TEST_CASE("builder: shapes and types of tensors") {
  TestCheckpoint c = MakeCheckpoint("llama");
  c.tensors["model.layers.0.self_attn.k_proj.weight"].shape = {16, 12};
  CHECK(Error(c, StatusCode::kInvalidFile) ==
        "tensor model.layers.0.self_attn.k_proj.weight: got shape [16, 12], wanted [12, 16]");
  c = MakeCheckpoint("llama");
  c.tensors["model.norm.weight"].shape = {16, 1};
  CHECK(Has(Error(c, StatusCode::kInvalidFile),
            "tensor model.norm.weight: got shape [16, 1], wanted [16]"));
  c = MakeCheckpoint("qwen2");
  c.tensors["model.layers.2.self_attn.q_proj.bias"].shape = {25};
  CHECK(Has(Error(c, StatusCode::kInvalidFile), "q_proj.bias: got shape [25], wanted [24]"));
  c = MakeCheckpoint("llama");
  c.tensors["model.norm.weight"].type = "I32";
  CHECK(Has(Error(c, StatusCode::kUnsupported),
            "tensor model.norm.weight: got type I32, wanted F32, F16 or BF16"));
}

TEST_CASE("builder: the first error sticks") {
  const TemporaryDirectory dir;
  WriteText(dir / "model.safetensors", SafetensorsOf({{"w.weight", {"F32", {4, 8}, {}}}}));
  const StatusOr<Checkpoint> checkpoint = Checkpoint::Open(dir.path());
  REQUIRE(checkpoint.ok());
  GraphBuilder builder(&*checkpoint);
  Scope root = builder.Root();
  const Tensor x = root.Embedding("w", 4, 8);
  CHECK(x.ok());
  const Tensor bad = root.In("a").In("b", 3).Linear(x, "w", 0);
  CHECK(bad.ok());  // missing tensors are reported together, at the end
  const Tensor worse = root.In("block").Attention(
      x, x, x, {.heads = 2, .kv_heads = 3, .key_dim = 4, .value_dim = 4});
  CHECK(!worse.ok());
  CHECK(builder.failed());
  CHECK(!root.Add(x, worse).ok());
  Model model;
  std::vector<GraphBuilder::Dropped> dropped;
  CHECK(Has(builder.Finish(&model, &dropped).message(),
            "block.key: got 8 columns, wanted 3 heads of 4"));

  GraphBuilder other(&*checkpoint);
  const Tensor y = other.Root().Embedding("w", 4, 8);
  other.Root().In("l").Add(y, Tensor());
  CHECK(Has(other.Finish(&model, &dropped).message(), "operand without a value"));
}

TEST_CASE("config: refusals") {
  struct Case {
    const char *family, *key, *value, *part;
    StatusCode code = StatusCode::kInvalidFile;
  };
  const Case cases[] = {
      {"llama", "hidden_size", "", "field hidden_size: got nothing, wanted an integer from 1"},
      {"llama", "hidden_size", "\"64\"", "field hidden_size: got the string \"64\""},
      {"llama", "hidden_size", "-64", "field hidden_size: got -64"},
      {"llama", "hidden_size", "16.5", "field hidden_size: got 16.5"},
      {"llama", "hidden_size", "1e99", "field hidden_size: got 1e+99"},
      {"llama", "vocab_size", "4294967296", "field vocab_size: got 4294967296"},
      {"llama", "num_hidden_layers", "100000",
       "field num_hidden_layers: got 100000, wanted an integer from 1 to 4096"},
      {"llama", "num_hidden_layers", "0", "field num_hidden_layers: got 0"},
      {"llama", "num_attention_heads", "0", "field num_attention_heads: got 0"},
      {"llama", "num_key_value_heads", "3", "4 attention heads over 3 key/value heads"},
      {"llama", "num_key_value_heads", "0", "field num_key_value_heads: got 0"},
      {"llama", "num_key_value_heads", "8",
       "field num_key_value_heads: got 8, wanted an integer from 1 to 4"},
      {"llama", "head_dim", "7", "a head_dim of 7, wanted an even one"},
      {"llama", "head_dim", "0", "field head_dim: got 0"},
      {"llama", "head_dim", "100000", "field head_dim: got 100000"},
      {"llama", "rms_norm_eps", "0", "field rms_norm_eps: got 0"},
      {"llama", "rms_norm_eps", "-1e-5", "field rms_norm_eps: got -1e-05"},
      {"llama", "rms_norm_eps", "NaN", "wanted a value"},
      {"llama", "rope_theta", "0", "field rope_theta: got 0"},
      {"llama", "rope_theta", "Infinity", "wanted a value"},
      {"llama", "rope_theta", "null", ""},
      {"llama", "max_position_embeddings", "0", "field max_position_embeddings: got 0"},
      {"llama", "max_position_embeddings", "1e18", "field max_position_embeddings: got 1e+18"},
      {"llama", "hidden_act", "\"quick_gelu\"", "field hidden_act: got the string \"quick_gelu\""},
      {"llama", "tie_word_embeddings", "1", "field tie_word_embeddings: got 1, wanted a boolean"},
      {"llama", "attention_bias", "\"no\"", "field attention_bias"},
      {"llama", "rope_scaling", "{\"rope_type\":\"spiral\",\"factor\":4}",
       "got the rope type \"spiral\", wanted default", StatusCode::kUnsupported},
      {"llama", "rope_scaling", "{\"type\":\"dynamic\"}", "field rope_scaling.factor: got nothing"},
      {"llama", "rope_parameters", "{\"rope_type\":\"longrope\"}",
       "field rope_parameters.short_factor: got nothing"},
      {"llama", "rope_parameters", "{\"rope_type\":\"longrope\",\"short_factor\":[1,2]}",
       "field rope_parameters.short_factor: got 2 numbers, wanted 3"},
      {"llama", "rope_scaling", "{\"rope_type\":\"yarn\",\"beta_fast\":-1}",
       "field rope_scaling.beta_fast: got -1"},
      {"llama", "final_logit_softcapping", "30", "field final_logit_softcapping: got 30",
       StatusCode::kUnsupported},
      {"qwen2", "attention_bias", "true", "field attention_bias: got true, wanted false",
       StatusCode::kUnsupported},
      {"llama", "layer_types", "[\"full_attention\",\"sliding_attention\",\"full_attention\"]",
       "field layer_types: got an array, wanted full_attention only", StatusCode::kUnsupported},
      {"llama", "layer_types", "[\"full_attention\",\"full_attention\",\"full_attention\"]", ""},
      {"llama", "sliding_window", "128", "field sliding_window: got 128, wanted null",
       StatusCode::kUnsupported},
      {"mistral", "residual_multiplier", "0.5", "field residual_multiplier: got 0.5, wanted 1",
       StatusCode::kUnsupported},
      {"llama", "num_local_experts", "8", "field num_local_experts: got 8, wanted 0",
       StatusCode::kUnsupported},
      {"llama", "rope_scaling", "{\"rope_type\":\"linear\"}",
       "field rope_scaling.factor: got nothing"},
      {"llama", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":0}",
       "field rope_scaling.factor: got 0"},
      {"llama", "rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":8}",
       "rope_scaling.low_freq_factor: got nothing"},
      {"llama", "rope_scaling",
       "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4}",
       "rope_scaling.high_freq_factor: got 4, wanted more than low_freq_factor"},
      {"llama", "rope_scaling", "3", "field rope_scaling: got 3, wanted an object"},
      {"llama", "rope_parameters", "{\"full_attention\":{}}",
       "wanted one set of rope parameters for all layers"},
      {"llama", "partial_rotary_factor", "0.5", "field partial_rotary_factor: got 0.5",
       StatusCode::kUnsupported},
      {"llama", "rope_parameters", "{\"partial_rotary_factor\":0.5}",
       "field rope_parameters.partial_rotary_factor: got 0.5"},
      {"mistral", "sliding_window", "0", "field sliding_window: got 0"},
      {"mistral", "sliding_window", "-5", "field sliding_window: got -5"},
      {"qwen2", "layer_types", "[\"full_attention\"]",
       "field layer_types: got 1 entries, wanted 3"},
      {"qwen2", "layer_types", "[\"full_attention\",\"full_attention\",\"linear_attention\"]",
       "field layer_types[2]: got the string \"linear_attention\""},
      {"qwen2", "layer_types", "[\"full_attention\",\"sliding_attention\",\"full_attention\"]",
       "as use_sliding_window or sliding_window is off"},
      {"llama", "architectures", "[]", "got an empty list, wanted one of LlamaForCausalLM"},
      {"llama", "architectures", "\"LlamaForCausalLM\"", "wanted an array"},
      {"llama", "architectures", "[\"BertModel\"]",
       "got \"BertModel\", wanted one of LlamaForCausalLM, ", StatusCode::kUnsupported},
      {"llama", "architectures", "[\"Gemma3nForCausalLM\"]", "; near: Gemma3ForCausalLM",
       StatusCode::kUnsupported},
      {"llama", "quantization_config", "{\"quant_method\":\"awq\"}",
       "got \"awq\" weights, but no tensor NAME.qweight"},
      {"llama", "quantization_config", "{\"quant_method\":\"hqq\"}", "got \"hqq\" weights",
       StatusCode::kUnsupported},
  };
  for (const Case& c : cases) {
    TestCheckpoint checkpoint = MakeCheckpoint(c.family);
    if (*c.value != '\0') {
      checkpoint.config[c.key] = c.value;
    } else {
      checkpoint.config.erase(c.key);
    }
    const NaiveModel naive(checkpoint);
    if (*c.part == '\0') {
      CHECK_MESSAGE(naive.status.ok(), std::string(naive.status.message()));
      continue;
    }
    const std::string message = naive.status.message();
    CHECK_MESSAGE(naive.status.code() == c.code, std::string(c.key) << ": " << message);
    CHECK_MESSAGE(Has(message, c.part), message << "\n  wanted " << std::string(c.part));
    CHECK_MESSAGE(message.starts_with("config.json: "), message);
  }
}

TEST_CASE("config: windows") {
  TestCheckpoint c = MakeCheckpoint("mistral");
  c.config["sliding_window"] = "32";
  const NaiveModel mistral(c);
  REQUIRE(mistral.status.ok());
  const Package& package = mistral.model.package;
  REQUIRE(package.groups.size() == 1);
  CHECK(package.groups[0].window == 32);
  CHECK(package.groups[0].rewind_limit == kWindowRewind);
  CHECK(package.groups[0].slots.constant == static_cast<int64_t>(32 + kWindowRewind - 1));
  CHECK(package.symbols[package.groups[0].slots.terms[0].symbol].kind == SymbolKind::kChunk);
  for (const Op& op : package.entries[0].ops) {
    if (op.code == OpCode::kAttention) CHECK(op.Int(AttrKey::kWindow) == 32);
  }
  c.config.erase("sliding_window");
  CHECK(NaiveModel(c).model.package.groups[0].window == 4096);

  c = MakeCheckpoint("qwen2");
  c.config["sliding_window"] = "32";
  CHECK(NaiveModel(c).model.package.groups.size() == 1);  // switched off
  c.config["use_sliding_window"] = "true";
  c.config["max_window_layers"] = "2";
  const NaiveModel layers(c);
  REQUIRE(layers.model.package.groups.size() == 2);
  CHECK(layers.model.package.groups[0].window == 0);
  CHECK(layers.model.package.groups[1].window == 32);
  CHECK(layers.model.package.states[1].group == 0);
  CHECK(layers.model.package.states[2].group == 1);
  c.config["layer_types"] = "[\"sliding_attention\",\"full_attention\",\"full_attention\"]";
  CHECK(NaiveModel(c).model.package.groups[0].window == 32);
}

TEST_CASE("config: rotary frequencies") {
  const auto frequencies = [](const std::string& text) {
    const StatusOr<JsonDocument> document = JsonDocument::Parse("config.json", text);
    RopeSettings settings;
    const Status status = ReadRope(document->root(), {}, 8, 1 << 17, &settings);
    REQUIRE_MESSAGE(status.ok(), std::string(status.message()));
    return settings.inv_freq;
  };
  const std::vector<float> plain = frequencies("{\"rope_theta\": 10000}");
  CHECK(plain == std::vector<float>{1.0f, 0.1f, 0.01f, 0.001f});
  CHECK(frequencies("{\"rope_parameters\": {\"rope_theta\": 10000, \"rope_type\": \"default\"}}") ==
        plain);
  CHECK(frequencies(
            "{\"rope_theta\": 10000, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4}}") ==
        std::vector<float>{0.25f, 0.1f / 4, 0.01f / 4, 0.001f / 4});
  // Wavelengths 6.3, 63, 628, 6283 against a context of 1024: kept below 256, divided above 1024,
  // blended between.
  const std::vector<float> scaled = frequencies(
      "{\"rope_theta\": 10000, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, "
      "\"low_freq_factor\": 1, "
      "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 1024}}");
  CHECK(scaled[0] == 1.0f);
  CHECK(scaled[1] == 0.1f);
  CHECK(scaled[3] == 0.001f / 8);
  const double smooth = (1024 / (2 * 3.14159265358979 / 0.01) - 1) / 3;
  CHECK(std::fabs(scaled[2] - ((1 - smooth) * 0.01 / 8 + smooth * 0.01)) < 1e-8);
}

}  // namespace
}  // namespace samara
