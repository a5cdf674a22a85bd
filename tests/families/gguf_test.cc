// Families from GGUF: the checkpoints of tests/families/data, written as GGUF files have them, give the
// logits of their Hugging Face form. Where a file has no place for a setting, that is changed in both.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <utility>

#include "converter/json.h"
#include "converter/safetensors.h"
#include "formats/quant/blocks.h"
#include "tests/families/run.h"
#include "tests/support/gguf_kit.h"
#include "tests/tolerances.h"

namespace samara {
namespace {

using test::GgufKit;

// Parts of tensor names: Hugging Face's and GGUF's.
using Names = std::map<std::string, std::string>;
const Names kNames = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"transformer.wte", "token_embd"},
    {"transformer.wpe", "position_embd"},
    {"transformer.word_embeddings", "token_embd"},
    {"transformer.ln_f", "output_norm"},
    {"gpt_neox.embed_in", "token_embd"},
    {"gpt_neox.final_layer_norm", "output_norm"},
    {"embed_out", "output"},
    {"input_layernorm", "attn_norm"},
    {"ln_1", "attn_norm"},
    {"ln_mlp", "attn_norm"},
    {"ln_attn", "attn_norm_2"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},
    {"attention.query_key_value", "attn_qkv"},
    {"attention.dense", "attn_output"},
    {"self_attention.query_key_value", "attn_qkv"},
    {"self_attention.dense", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"ln_2", "ffn_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"mlp.dense_4h_to_h", "ffn_down"},
    {"shared_mlp.output_linear", "ffn_down"},
};

std::string Text(const std::string& path) {
  const auto bytes = ReadAll<char>(path);
  return {bytes.begin(), bytes.end()};
}

// Rows of float32, or the elements of a vector.
struct Rows {
  std::vector<std::string> rows;
  uint64_t columns = 0;  // 0: a vector
};

Rows Pick(const Rows& from, const std::function<size_t(size_t)>& source, size_t n) {
  Rows out = {{}, from.columns};
  for (size_t i = 0; i < n; ++i) out.rows.push_back(from.rows.at(source(i)));
  return out;
}

// Within each head, what is rotated together comes to lie together.
Rows Paired(const Rows& from, size_t heads) {
  const size_t d = from.rows.size() / heads;
  return Pick(
      from, [d](size_t i) { return i / d * d + i % d / 2 + i % 2 * (d / 2); }, from.rows.size());
}

// All queries, all keys, all values, of runs of queries, key, value.
Rows Stacked(const Rows& from, size_t heads, size_t kv_heads) {
  const size_t d = from.rows.size() / (heads + 2 * kv_heads), g = heads / kv_heads;
  const auto source = [=](size_t i) {
    const size_t head = i / d;
    if (head < heads) return (head / g * (g + 2) + head % g) * d + i % d;
    const size_t number = (head - heads) % kv_heads, part = (head - heads) / kv_heads;
    return (number * (g + 2) + g + part) * d + i % d;
  };
  return Pick(from, source, from.rows.size());
}

Rows Transposed(const Rows& from) {
  Rows out = {std::vector<std::string>(from.columns), from.rows.size()};
  for (const std::string& row : from.rows) {
    for (size_t i = 0; i < from.columns; ++i) out.rows[i] += row.substr(4 * i, 4);
  }
  return out;
}

struct Case {
  const char* name;
  const char* arch;
  // Texts of config.json to replace, in the form that is compared.
  std::vector<std::pair<std::string, std::string>> edits;
  bool exact;  // bit for bit; else rotary frequencies are rounded another time
  void (*more)(const std::string& arch, GgufKit* kit);
};

class Writer {
 public:
  // `directory` holds a checkpoint whose config.json is that of the case.
  Writer(const Case& c, const std::string& directory)
      : case_(c),
        arch_(c.arch),
        config_(std::move(*JsonDocument::ReadFile(directory + "/config.json", "config.json"))),
        checkpoint_(std::move(*Checkpoint::Open(directory))) {}

  GgufKit Write() {
    kit_.String("general.architecture", arch_);
    WriteKeys();
    if (case_.more != nullptr) case_.more(arch_, &kit_);
    WriteTokenizer();
    for (const TensorInfo& tensor : checkpoint_.tensors()) Convert(tensor);
    for (auto& [name, heads] : stacks_) Add(name, heads);
    return std::move(kit_);
  }

 private:
  double Number(const char* field, double otherwise) const {
    return config_.root().Number(field, otherwise, -1e30, 1e30).value();
  }
  bool Is(const char* arch) const { return arch_ == arch; }
  void Put(const char* key, const char* field, const char* otherwise = "") {
    const double number = Number(field, Number(otherwise, -1));
    if (number >= 0) kit_.U32(arch_ + "." + key, static_cast<uint32_t>(number));
  }
  size_t heads() const { return static_cast<size_t>(Number("num_attention_heads", 1)); }
  size_t kv_heads() const {
    return static_cast<size_t>(Number("num_key_value_heads", static_cast<double>(heads())));
  }

  void WriteKeys() {
    Put("context_length", "max_position_embeddings", "n_positions");
    Put("embedding_length", "hidden_size", "n_embd");
    Put("block_count", "num_hidden_layers", "n_layer");
    Put("feed_forward_length", "intermediate_size", "ffn_hidden_size");
    Put("feed_forward_length", "shared_intermediate_size", "intermediate_size");
    if (Is("gpt2")) kit_.U32("gpt2.feed_forward_length", 4 * 32);
    Put("attention.head_count", "num_attention_heads", "n_head");
    if (!Is("gptneox")) Put("attention.head_count_kv", "num_key_value_heads");
    if (Is("falcon")) {
      const bool grouped = config_.root().Bool("new_decoder_architecture", false).value();
      falcon_keys_ = grouped ? static_cast<size_t>(Number("num_kv_heads", 0)) : 1;
      kit_.U32("falcon.attention.head_count_kv", static_cast<uint32_t>(falcon_keys_));
    }
    Put("attention.key_length", "head_dim");
    Put("attention.value_length", "head_dim");
    for (const char* field : {"layer_norm_eps", "layer_norm_epsilon", "rms_norm_eps"}) {
      if (!config_.root().Find(field).exists()) continue;
      kit_.F32(arch_ + (std::string(field) == "rms_norm_eps" ? ".attention.layer_norm_rms_epsilon"
                                                             : ".attention.layer_norm_epsilon"),
               static_cast<float>(Number(field, 0)));
    }
    Json rope = config_.root().Find("rope_parameters");
    if (rope.Find("full_attention").exists()) rope = rope.Find("full_attention");
    const double theta = rope.Number("rope_theta", Number("rope_theta", 0), 0, 1e9).value();
    if (theta > 0) kit_.F32(arch_ + ".rope.freq_base", static_cast<float>(theta));
    const double width = Number("hidden_size", 0) / static_cast<double>(heads());
    const double head_dim = Number("head_dim", width);
    const double part = rope.Number("partial_rotary_factor", 1, 0, 1).value();
    if (theta > 0)
      kit_.U32(arch_ + ".rope.dimension_count", static_cast<uint32_t>(head_dim * part));
    if (Is("granite")) {
      for (const auto& [key, field] : {std::pair("attention.scale", "attention_multiplier"),
                                       std::pair("embedding_scale", "embedding_multiplier"),
                                       std::pair("residual_scale", "residual_multiplier"),
                                       std::pair("logit_scale", "logits_scaling")})
        kit_.F32(arch_ + "." + key, static_cast<float>(Number(field, 1)));
    }
    if (config_.root().Find("use_parallel_residual").exists() || Is("stablelm"))
      kit_.Bool(arch_ + ".use_parallel_residual",
                config_.root().Bool("use_parallel_residual", true).value());
  }

  // The byte-level tokenizer that all cases share.
  void WriteTokenizer() {
    const auto file =
        JsonDocument::ReadFile(DataOf(case_.name) + "/tokenizer.json", "tokenizer.json");
    REQUIRE(file.ok());
    const JsonDocument& document = *file;
    std::vector<std::string> tokens(272), types;
    for (const Json token : document.root().Find("model").Find("vocab"))
      tokens.at(static_cast<size_t>(*token.Int())) = token.key();
    for (const Json token : document.root().Find("added_tokens"))
      tokens.at(static_cast<size_t>(*token.Find("id").Int())) = *token.Find("content").String();
    for (size_t i = 0; i < tokens.size(); ++i) types.push_back(GgufKit::Raw(i < 256 ? 1 : 3, 4));
    kit_.String("tokenizer.ggml.model", "gpt2");
    kit_.String("tokenizer.ggml.pre", "gpt-2");
    kit_.Strings("tokenizer.ggml.tokens", tokens);
    kit_.Array("tokenizer.ggml.token_type", 5, types);
    kit_.Array("tokenizer.ggml.merges", 8, {});
    kit_.U32("tokenizer.ggml.bos_token_id", 256);
    kit_.U32("tokenizer.ggml.eos_token_id", 257);
  }

  void Convert(const TensorInfo& tensor) {
    const size_t dot = tensor.name.rfind('.');
    std::string part = tensor.name.substr(0, dot), layer;
    const std::string ending = tensor.name.substr(dot);
    for (const char* prefix : {"model.layers.", "transformer.h.", "gpt_neox.layers."}) {
      if (!part.starts_with(prefix)) continue;
      part = part.substr(std::string(prefix).size());
      layer = "blk." + part.substr(0, part.find('.')) + ".";
      part = part.substr(part.find('.') + 1);
    }
    Rows rows = Read(tensor);
    if (part == "shared_mlp.input_linear") {
      const size_t half = rows.rows.size() / 2;
      Add(layer + "ffn_gate" + ending, Pick(
                                           rows, [](size_t i) { return i; }, half));
      return Add(layer + "ffn_up" + ending, Pick(
                                                rows, [=](size_t i) { return half + i; }, half));
    }
    for (const char* which : {"q", "k"}) {
      const std::string stem = "self_attn." + std::string(which) + "_layernorm.norms.";
      if (!part.starts_with(stem)) continue;
      std::string row;
      for (const std::string& element : rows.rows) row += element;
      Rows& stack = stacks_[layer + "attn_" + which + "_norm.weight"];
      stack.columns = rows.rows.size();
      stack.rows.resize(std::max(stack.rows.size(), std::stoul(part.substr(stem.size())) + 1));
      stack.rows[std::stoul(part.substr(stem.size()))] = row;
      return;
    }
    std::string name = kNames.at(part);
    const bool both_norms = Is("gemma2") || Is("gemma3") || Is("olmo2");
    if (both_norms && part == "post_attention_layernorm") name = "post_attention_norm";
    const bool pairs = Is("llama") || Is("granite") || Is("smollm3") || Is("mistral3");
    if (pairs && name == "attn_q") rows = Paired(rows, heads());
    if (pairs && name == "attn_k") rows = Paired(rows, kv_heads());
    if (Is("gptneox") && name == "attn_qkv") rows = Stacked(rows, heads(), heads());
    if (Is("falcon") && name == "attn_qkv") rows = Stacked(rows, heads(), falcon_keys_);
    if (Is("gpt2") && !layer.empty() && rows.columns > 0) rows = Transposed(rows);
    if ((Is("gemma2") || Is("gemma3")) && name.ends_with("norm")) {
      for (std::string& element : rows.rows) {
        float value = 0;
        std::memcpy(&value, element.data(), 4);
        element = GgufKit::Float(1.0f + value);
      }
    }
    Add(layer + name + ending, rows);
  }

  Rows Read(const TensorInfo& tensor) const {
    std::vector<uint8_t> bytes(tensor.bytes);
    REQUIRE(checkpoint_.Read(tensor, 0, bytes.data(), bytes.size()).ok());
    const uint64_t n = tensor.shape[0] * (tensor.shape.size() > 1 ? tensor.shape[1] : 1);
    std::vector<float> values(n);
    DequantizeRow(tensor.dtype, bytes.data(), n, values.data());
    Rows out = {std::vector<std::string>(tensor.shape[0]),
                tensor.shape.size() > 1 ? tensor.shape[1] : 0};
    for (size_t i = 0; i < n; ++i)
      out.rows[i / std::max<uint64_t>(out.columns, 1)] += GgufKit::Float(values[i]);
    return out;
  }

  void Add(const std::string& name, const Rows& rows) {
    GgufKit::Tensor tensor = {name, {rows.rows.size()}, 0, ""};
    if (rows.columns > 0) tensor.shape.push_back(rows.columns);
    for (const std::string& row : rows.rows) tensor.bytes += row;
    kit_.tensors.push_back(std::move(tensor));
  }

  const Case& case_;
  const std::string arch_;
  const JsonDocument config_;
  const Checkpoint checkpoint_;
  GgufKit kit_;
  std::map<std::string, Rows> stacks_;
  size_t falcon_keys_ = 1;
};

void F32Tensor(const char* name, const std::vector<float>& values, GgufKit* kit) {
  GgufKit::Tensor tensor = {name, {values.size()}, 0, ""};
  for (const float value : values) tensor.bytes += GgufKit::Float(value);
  kit->tensors.push_back(std::move(tensor));
}

// Llama 3's divisors of frequencies, from the numbers in the case's config.json.
void Llama3(const std::string&, GgufKit* kit) {
  std::vector<float> divisors;
  for (int i = 0; i < 8; i += 2) {
    const double wave = 2 * 3.14159265358979323846 * std::pow(500000.0, i / 8.0);
    const double share = (16 / wave - 1) / (4 - 1);
    divisors.push_back(static_cast<float>(wave < 16.0 / 4 ? 1
                                          : wave > 16     ? 8
                                                          : 1 / ((1 - share) / 8 + share)));
  }
  F32Tensor("rope_freqs.weight", divisors, kit);
}

void Linear(const std::string& arch, float factor, GgufKit* kit) {
  kit->String(arch + ".rope.scaling.type", "linear");
  kit->F32(arch + ".rope.scaling.factor", factor);
}

void Yarn(const std::string& arch, GgufKit* kit) {
  kit->String(arch + ".rope.scaling.type", "yarn");
  kit->F32(arch + ".rope.scaling.factor", 4);
  kit->U32(arch + ".rope.scaling.original_context_length", 16);
}

void LongRope(const std::string& arch, const std::vector<float>& shorter,
              const std::vector<float>& longer, uint32_t original, double ratio, GgufKit* kit) {
  F32Tensor("rope_factors_long.weight", longer, kit);
  F32Tensor("rope_factors_short.weight", shorter, kit);
  kit->U32(arch + ".rope.scaling.original_context_length", original);
  kit->F32(arch + ".rope.scaling.attn_factor",
           static_cast<float>(std::sqrt(1 + std::log(ratio) / std::log(original))));
}

const Case kGgufCases[] = {
    {"llama_tied_llama3", "llama", {}, false, Llama3},
    {"llama_untied_bias", "llama", {}, true, nullptr},
    {"llama_mqa_linear",
     "llama",
     {},
     true,
     [](const std::string& arch, GgufKit* kit) { Linear(arch, 4, kit); }},
    {"llama_yarn", "llama", {}, true, Yarn},
    {"mistral_full", "llama", {}, true, nullptr},
    {"mistral_full", "mistral3", {}, true, nullptr},
    {"ministral3_growth",
     "mistral3",
     {},
     false,
     [](const std::string& arch, GgufKit* kit) {
       Yarn(arch, kit);
       kit->F32(arch + ".rope.scaling.yarn_log_multiplier", 1);
       kit->F32(arch + ".attention.temperature_scale", 0.3f);
     }},
    {"qwen2_tied", "qwen2", {}, true, nullptr},
    {"qwen2_yarn",
     "qwen2",
     {{"\"truncate\": false", "\"truncate\": true"}},
     false,
     [](const std::string& arch, GgufKit* kit) {
       Yarn(arch, kit);
       kit->F32(arch + ".rope.scaling.yarn_beta_fast", 8);
       kit->F32(arch + ".rope.scaling.yarn_beta_slow", 2);
       kit->F32(arch + ".rope.scaling.attn_factor",
                static_cast<float>(1.25 / (1 + 0.1 * std::log(4.0))));
     }},
    {"qwen3_tied", "qwen3", {}, true, nullptr},
    {"qwen3_untied_bias", "qwen3", {}, true, nullptr},
    {"gemma2_caps",
     "gemma2",
     {{"attn_scalar\": 20", "attn_scalar\": 12"}},
     true,
     [](const std::string& arch, GgufKit* kit) {
       kit->U32(arch + ".attention.sliding_window", 9);
       kit->F32(arch + ".attn_logit_softcapping", 4);
       kit->F32(arch + ".final_logit_softcapping", 10);
     }},
    {"gemma3_layers",
     "gemma3",
     {{"attn_scalar\": 20", "attn_scalar\": 12"}},
     true,
     [](const std::string& arch, GgufKit* kit) {
       Linear(arch, 8, kit);
       kit->U32(arch + ".attention.sliding_window", 9);
       kit->Array(arch + ".attention.sliding_window_pattern", 7,
                  {std::string(1, '\0'), "\1", "\1"});
       kit->F32(arch + ".rope.freq_base_swa", 5000);
       kit->F32(arch + ".final_logit_softcapping", 20);
     }},
    {"gemma3_pattern",
     "gemma3",
     {{"attn_scalar\": 20", "attn_scalar\": 12"}},
     true,
     [](const std::string& arch, GgufKit* kit) {
       kit->U32(arch + ".attention.sliding_window", 9);
     }},
    {"phi3_plain",
     "phi3",
     {},
     true,
     [](const std::string& arch, GgufKit* kit) {
       kit->U32(arch + ".attention.sliding_window", 0);
     }},
    {"phi3_longrope_short",
     "phi3",
     {},
     false,
     [](const std::string& arch, GgufKit* kit) {
       LongRope(arch, {1, 1.02f, 1.04f, 1.06f}, {1.5f, 2, 2.5f, 3}, 128, 4, kit);
     }},
    {"phi3_longrope_long",
     "phi3",
     {},
     false,
     [](const std::string& arch, GgufKit* kit) {
       LongRope(arch, {1, 1.02f, 1.04f}, {1.5f, 2, 2.5f}, 32, 8, kit);
       kit->U32(arch + ".attention.sliding_window", 20);
     }},
    {"smollm3_nope",
     "smollm3",
     {{"layer_interval\": 2", "layer_interval\": 4"},
      {"1,\n  0,\n  1,\n  0", "1,\n  1,\n  1,\n  0"}},
     true,
     nullptr},
    {"granite_tied", "granite", {}, false, nullptr},
    {"granite_bias", "granite", {}, false, nullptr},
    {"granite_hybrid", "granite", {}, false, nullptr},
    {"granite_hybrid_nope",
     "granite",
     {},
     false,
     [](const std::string& arch, GgufKit* kit) {
       kit->Bool(arch + ".rope.scaling.finetuned", false);
     }},
    {"olmo2_untied", "olmo2", {}, true, nullptr},
    {"olmo2_bias", "olmo2", {}, true, nullptr},
    {"stablelm_plain", "stablelm", {}, true, nullptr},
    {"stablelm_parallel", "stablelm", {}, true, nullptr},
    {"gpt2_plain", "gpt2", {}, true, nullptr},
    {"gpt_neox_parallel", "gptneox", {}, true, nullptr},
    {"gpt_neox_serial", "gptneox", {{"\"gelu_new\"", "\"gelu\""}}, true, nullptr},
    {"falcon_multi_query", "falcon", {}, true, nullptr},
    {"falcon_grouped", "falcon", {}, true, nullptr},
    {"falcon_one_norm", "falcon", {{"\"gelu_new\"", "\"gelu\""}}, true, nullptr},
};

TEST_CASE("families from GGUF have the logits of their Hugging Face form") {
  // For a look at the files with other tools.
  const char* keep = std::getenv("SAMARA_TEST_KEEP_GGUF");
  for (const Case& c : kGgufCases) {
    CAPTURE(std::string(c.name));
    CAPTURE(std::string(c.arch));
    const std::string stem =
        "/tmp/samara_gguf_" + std::string(c.name) + "_" + c.arch + "_" + std::to_string(getpid());
    REQUIRE(mkdir(stem.c_str(), 0700) == 0);
    std::string config = Text(DataOf(c.name) + "/config.json");
    for (const auto& [from, to] : c.edits) {
      const size_t at = config.find(from);
      REQUIRE_MESSAGE(at != std::string::npos, from);
      config.replace(at, from.size(), to);
    }
    std::ofstream(stem + "/config.json") << config;
    std::vector<std::string> files = {"tokenizer.json", "model.safetensors"};
    if (std::string(c.name) == "llama_untied_bias") {
      files = {"tokenizer.json", "model-00001-of-00002.safetensors",
               "model-00002-of-00002.safetensors", "model.safetensors.index.json"};
    }
    for (const std::string& file : files)
      REQUIRE(symlink((DataOf(c.name) + "/" + file).c_str(), (stem + "/" + file).c_str()) == 0);

    std::ofstream(stem + ".gguf", std::ios::binary) << Writer(c, stem).Write().Bytes();
    if (keep != nullptr) {
      std::ofstream(std::string(keep) + "/" + c.name + "_" + c.arch + ".gguf", std::ios::binary)
          << Text(stem + ".gguf");
    }
    ConvertTo(stem, stem + "_hf.samara");
    ConvertTo(stem + ".gguf", stem + "_gguf.samara");
    const auto ids = ReadAll<int32_t>(DataOf(c.name) + "/ids.bin");
    const Logits hf = Run(stem + "_hf.samara", ids, 64), gguf = Run(stem + "_gguf.samara", ids, 64);
    const double difference = Difference(gguf.values, hf.values);
    CHECK(difference <= (c.exact ? 0 : tolerance::kFamilyLogits));
    if (difference > 0)
      MESSAGE(std::string(c.name) << ": " << difference << " of the largest logit");
    for (const std::string& file : files) unlink((stem + "/" + file).c_str());
    for (const char* ending : {"/config.json", ".gguf", "_hf.samara", "_gguf.samara"})
      unlink((stem + ending).c_str());
    rmdir(stem.c_str());
  }
}

TEST_CASE("stories260K's GGUF file has the logits of its Hugging Face form, bit for bit") {
  const std::string folder = SAMARA_SOURCE_DIR "/../shared/models/stories260k";
  const std::string file = folder + "/stories260K-f32.gguf";
  if (access(file.c_str(), R_OK) != 0) {
    std::printf("SKIPPED: ../shared/models/stories260k is not there; its GGUF was not tested\n");
    return;
  }
  const std::string stem = "/tmp/samara_stories_" + std::to_string(getpid());
  ConvertTo(folder, stem + "_hf.samara");
  ConvertTo(file, stem + "_gguf.samara");
  std::vector<int32_t> ids(120);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(3 + i * 37 % 509);
  const Logits hf = Run(stem + "_hf.samara", ids, 64), gguf = Run(stem + "_gguf.samara", ids, 64);
  REQUIRE(hf.values.size() == ids.size() * 512);
  CHECK(hf.values == gguf.values);
  unlink((stem + "_hf.samara").c_str());
  unlink((stem + "_gguf.samara").c_str());
}

}  // namespace
}  // namespace samara
