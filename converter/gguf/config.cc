#include "converter/gguf/config.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <vector>

#include "converter/gguf/json_text.h"

namespace samara {
namespace {

constexpr uint64_t kMaxCount = uint64_t{1} << 32;
constexpr uint64_t kMaxFactors = 1 << 16;

std::string NumberText(double number) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, number).ptr);
}

// A value as JSON: a number, a bool, or an array whose elements are all the same number.
StatusOr<std::string> ScalarText(const Gguf& gguf, std::string_view key, const GgufValue& value) {
  if (const StatusOr<bool> flag = value.Bool(); flag.ok())
    return std::string(*flag ? "true" : "false");
  if (!value.IsArray()) return value.NumberText();
  SAMARA_ASSIGN_OR_RETURN(const std::vector<double> numbers, value.Numbers());
  for (const double number : numbers) {
    if (number == numbers[0]) continue;
    return Unsupported(
        "%s: metadata %s: got values that differ from layer to layer, wanted equal ones",
        gguf.name().c_str(), Quoted(key).c_str());
  }
  if (numbers.empty())
    return InvalidFile("%s: metadata %s: got an empty array, wanted a number", gguf.name().c_str(),
                       Quoted(key).c_str());
  return NumberText(numbers[0]);
}

class Config {
 public:
  Config(const Gguf& gguf, const GgufArchitecture& architecture, const Checkpoint& checkpoint)
      : gguf_(gguf), arch_(architecture), checkpoint_(checkpoint) {}

  StatusOr<std::string> Text() {
    // Mistral 3 is Ministral 3, or a Mistral without the growth of scores and without a window.
    grows_ = Find("attention.temperature_scale") != nullptr;
    const bool mistral = Is("mistral3") && !grows_;
    const std::string_view names = arch_.hf;
    json_.Add(
        "architectures",
        "[" + JsonString(mistral ? "MistralForCausalLM" : names.substr(0, names.find(' '))) + "]");
    if (mistral) json_.Add("sliding_window", "null");
    SAMARA_RETURN_IF_ERROR(AddKeys());
    SAMARA_RETURN_IF_ERROR(AddShapes());
    AddBiases();
    SAMARA_RETURN_IF_ERROR(AddRope());
    SAMARA_RETURN_IF_ERROR(AddPeculiarities());
    return json_.Text();
  }

 private:
  const GgufValue* Find(const char* key) const {
    return gguf_.Find(std::string(arch_.name) + "." + key);
  }
  StatusOr<uint64_t> Want(const char* key) const {
    const GgufValue* value = Find(key);
    if (value == nullptr) {
      return InvalidFile("%s: metadata \"%s.%s\": not there, wanted a number", gguf_.name().c_str(),
                         arch_.name, key);
    }
    SAMARA_ASSIGN_OR_RETURN(const std::string text, ScalarText(gguf_, key, *value));
    uint64_t number = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end.ptr != text.data() + text.size() || number == 0 || number > kMaxCount)
      return value->Uint(kMaxCount).status();
    return number;
  }
  bool Is(std::string_view name) const { return name == arch_.name; }

  Status AddKeys() {
    const std::string prefix = std::string(arch_.name) + ".";
    for (const std::string_view key : gguf_.Keys(prefix)) {
      bool known = false;
      const char* field = ConfigField(arch_, key.substr(prefix.size()), &known);
      if (known && field == nullptr) continue;
      const GgufValue& value = *gguf_.Find(key);
      if (!known) {
        // Counts of things that are not there and switches that are off say nothing.
        const StatusOr<bool> flag = value.Bool();
        const StatusOr<uint64_t> zero = value.Uint(0);
        if ((flag.ok() && !*flag) || zero.ok()) continue;
        return Unsupported("%s: metadata %s: the converter's %s has no such thing",
                           gguf_.name().c_str(), Quoted(key).c_str(), arch_.name);
      }
      SAMARA_ASSIGN_OR_RETURN(const std::string text, ScalarText(gguf_, key, value));
      json_.Add(field, text);
    }
    return Status();
  }

  Status AddShapes() {
    const TensorInfo* embedding = checkpoint_.Find("token_embd.weight");
    if (embedding == nullptr || embedding->shape.size() != 2) {
      return InvalidFile("%s: tensor token_embd.weight: not there as a matrix",
                         gguf_.name().c_str());
    }
    json_.Add("vocab_size", std::to_string(embedding->shape[0]));
    json_.AddBool("tie_word_embeddings", checkpoint_.Find("output.weight") == nullptr);
    SAMARA_ASSIGN_OR_RETURN(const bool causal,
                            gguf_.Bool(std::string(arch_.name) + ".attention.causal", true));
    if (!causal) {
      return Unsupported("%s: metadata \"%s.attention.causal\": got false, wanted true",
                         gguf_.name().c_str(), arch_.name);
    }
    SAMARA_ASSIGN_OR_RETURN(heads_, Want("attention.head_count"));
    SAMARA_ASSIGN_OR_RETURN(const uint64_t hidden, Want("embedding_length"));
    head_dim_ = hidden / heads_;
    if (Find("attention.key_length") != nullptr) {
      SAMARA_ASSIGN_OR_RETURN(head_dim_, Want("attention.key_length"));
    }
    if (Find("attention.value_length") != nullptr) {
      SAMARA_ASSIGN_OR_RETURN(const uint64_t value_dim, Want("attention.value_length"));
      if (value_dim != head_dim_) {
        return Unsupported("%s: got heads of %llu for keys and %llu for values, wanted equal ones",
                           gguf_.name().c_str(), static_cast<unsigned long long>(head_dim_),
                           static_cast<unsigned long long>(value_dim));
      }
    }
    return Status();
  }

  void AddBiases() {
    const std::string fields = std::string(" ") + arch_.biases + " ";
    const auto add = [&](const char* field, const char* tensor) {
      if (fields.find(std::string(" ") + field + " ") != std::string::npos)
        json_.AddBool(field, checkpoint_.Find(tensor) != nullptr);
    };
    add("attention_bias", checkpoint_.Find("blk.0.attn_qkv.weight") != nullptr
                              ? "blk.0.attn_qkv.bias"
                              : "blk.0.attn_q.bias");
    add("use_qkv_bias", "blk.0.attn_q.bias");
    add("bias", "blk.0.attn_qkv.bias");
    add("mlp_bias", "blk.0.ffn_gate.bias");
  }

  // A tensor of divisors, one for each pair of dimensions, as a JSON array.
  StatusOr<std::string> Factors(const char* name) const {
    const TensorInfo* tensor = checkpoint_.Find(name);
    if (tensor == nullptr || tensor->dtype != DType::kF32 || tensor->shape.size() != 1 ||
        tensor->shape[0] > kMaxFactors) {
      return InvalidFile("%s: tensor %s: got something else, wanted a vector of F32",
                         gguf_.name().c_str(), name);
    }
    std::vector<uint8_t> bytes(static_cast<size_t>(tensor->bytes));
    SAMARA_RETURN_IF_ERROR(checkpoint_.Read(*tensor, 0, bytes.data(), bytes.size()));
    std::string text = "[";
    for (size_t at = 0; at < bytes.size(); at += 4) {
      const uint32_t bits = bytes[at] | uint32_t{bytes[at + 1]} << 8 |
                            uint32_t{bytes[at + 2]} << 16 | uint32_t{bytes[at + 3]} << 24;
      const auto factor = std::bit_cast<float>(bits);
      if (!std::isfinite(factor) || factor <= 0) {
        return InvalidFile("%s: tensor %s: got an element that is not positive and finite",
                           gguf_.name().c_str(), name);
      }
      char digits[32];
      text += (at > 0 ? "," : "") +
              std::string(digits, std::to_chars(digits, digits + sizeof digits, factor).ptr);
    }
    return text + "]";
  }

  StatusOr<double> Number(const char* key, double otherwise) const {
    const GgufValue* value = Find(key);
    if (value == nullptr) return otherwise;
    return value->Number();
  }

  Status AddRope() {
    SAMARA_ASSIGN_OR_RETURN(
        const uint64_t rotated,
        gguf_.Uint(std::string(arch_.name) + ".rope.dimension_count", head_dim_, kMaxCount));
    // Said even where it is all: some families rotate a part unless told otherwise.
    if (rotated != 0) {
      json_.Add(Is("gptneox") ? "rotary_pct" : "partial_rotary_factor",
                NumberText(static_cast<double>(rotated) / static_cast<double>(head_dim_)));
    }
    SAMARA_ASSIGN_OR_RETURN(const std::string_view type,
                            gguf_.String(std::string(arch_.name) + ".rope.scaling.type", "none"));
    SAMARA_ASSIGN_OR_RETURN(const uint64_t context, Want("context_length"));
    JsonObjectText rope;
    if (checkpoint_.Find("rope_factors_long.weight") != nullptr) {
      SAMARA_ASSIGN_OR_RETURN(const std::string longer, Factors("rope_factors_long.weight"));
      SAMARA_ASSIGN_OR_RETURN(const std::string shorter, Factors("rope_factors_short.weight"));
      rope.AddString("rope_type", "longrope");
      rope.Add("long_factor", longer);
      rope.Add("short_factor", shorter);
      SAMARA_ASSIGN_OR_RETURN(const double scale, Number("rope.scaling.attn_factor", 1));
      rope.Add("attention_factor", NumberText(scale));
      SAMARA_ASSIGN_OR_RETURN(const uint64_t original,
                              Want("rope.scaling.original_context_length"));
      json_.Add("original_max_position_embeddings", std::to_string(original));
    } else if (checkpoint_.Find("rope_freqs.weight") != nullptr) {
      // Divisors for every context: as if there were two lists of the same numbers.
      SAMARA_ASSIGN_OR_RETURN(const std::string factors, Factors("rope_freqs.weight"));
      rope.AddString("rope_type", "longrope");
      rope.Add("long_factor", factors);
      rope.Add("short_factor", factors);
      rope.Add("attention_factor", "1");
      rope.Add("original_max_position_embeddings", std::to_string(context));
    } else if (type == "linear" || type == "yarn") {
      SAMARA_ASSIGN_OR_RETURN(const double factor, Number("rope.scaling.factor", 1));
      rope.AddString("rope_type", type);
      rope.Add("factor", NumberText(factor));
      if (type == "yarn") SAMARA_RETURN_IF_ERROR(AddYarn(factor, &rope));
    } else if (type != "none") {
      return Unsupported(
          "%s: metadata \"%s.rope.scaling.type\": got %s, wanted none, linear or yarn",
          gguf_.name().c_str(), arch_.name, Quoted(type).c_str());
    } else {
      return Status();
    }
    json_.Add(grows_ ? "rope_parameters" : "rope_scaling", rope.Text());
    return Status();
  }

  Status AddYarn(double factor, JsonObjectText* rope) {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t original, Want("rope.scaling.original_context_length"));
    rope->Add("original_max_position_embeddings", std::to_string(original));
    SAMARA_ASSIGN_OR_RETURN(double scale, Number("rope.scaling.attn_factor", 1));
    SAMARA_ASSIGN_OR_RETURN(scale, Number("rope.scaling.yarn_attn_factor", scale));
    SAMARA_ASSIGN_OR_RETURN(const double log_scale, Number("rope.scaling.yarn_log_multiplier", 0));
    if (scale != 1 || log_scale != 0) {
      const double logarithm = 0.1 * std::log(std::max(factor, 1.0));
      scale *= (1 + logarithm) / (1 + log_scale * logarithm);
      rope->Add("attention_factor", NumberText(scale));
    }
    if (grows_) {
      SAMARA_ASSIGN_OR_RETURN(const double beta, Number("attention.temperature_scale", 0));
      rope->Add("llama_4_scaling_beta", NumberText(beta));
    }
    for (const auto& [key, field] : {std::pair("rope.scaling.yarn_beta_fast", "beta_fast"),
                                     std::pair("rope.scaling.yarn_beta_slow", "beta_slow")}) {
      if (Find(key) == nullptr) continue;
      SAMARA_ASSIGN_OR_RETURN(const double beta, Number(key, 0));
      rope->Add(field, NumberText(beta));
    }
    return Status();
  }

  // What GGUF leaves to the reader's knowledge of the architecture.
  Status AddPeculiarities() {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t layers, Want("block_count"));
    SAMARA_ASSIGN_OR_RETURN(const uint64_t hidden, Want("embedding_length"));
    const auto has = [this](const char* tensor) { return checkpoint_.Find(tensor) != nullptr; };
    if (Is("gemma2") || Is("gemma3")) {
      // The scale of scores: 1 / sqrt(head_dim), except in the largest of each, which have 46 and
      // 62 layers and take hidden / heads instead.
      const bool largest = layers == (Is("gemma2") ? 46 : 62);
      json_.Add("query_pre_attn_scalar", std::to_string(largest ? hidden / heads_ : head_dim_));
      SAMARA_RETURN_IF_ERROR(AddWindow());
    } else if (Is("phi3")) {
      SAMARA_RETURN_IF_ERROR(AddWindow());
    } else if (Is("stablelm")) {
      json_.AddBool("use_parallel_residual", !has("blk.0.ffn_norm.weight"));
      json_.AddBool("qk_layernorm", has("blk.0.attn_q_norm.weight"));
    } else if (Is("falcon")) {
      // Every order of its rows is the newest one's with some number of keys.
      json_.AddBool("new_decoder_architecture", true);
      json_.Add("num_ln_in_parallel_attn", has("blk.0.attn_norm_2.weight") ? "2" : "1");
    } else if (Is("granite")) {
      SAMARA_ASSIGN_OR_RETURN(const bool rotates,
                              gguf_.Bool("granite.rope.scaling.finetuned", true));
      json_.AddString("position_embedding_type", rotates ? "rope" : "nope");
    }
    return Status();
  }

  // 0 or none: no layer has a window.
  Status AddWindow() {
    SAMARA_ASSIGN_OR_RETURN(
        const uint64_t window,
        gguf_.Uint(std::string(arch_.name) + ".attention.sliding_window", 0, kMaxCount));
    if (window > 0) {
      json_.Add("sliding_window", std::to_string(window));
      return AddWindowPattern();
    }
    if (Is("gemma3")) json_.Add("sliding_window_pattern", "1");
    return Status();
  }

  Status AddWindowPattern() {
    const GgufValue* pattern = Find("attention.sliding_window_pattern");
    if (pattern == nullptr) return Status();
    if (!pattern->IsArray()) {
      SAMARA_ASSIGN_OR_RETURN(const std::string period, pattern->NumberText());
      json_.Add("sliding_window_pattern", period);
      return Status();
    }
    SAMARA_ASSIGN_OR_RETURN(const std::vector<double> windowed, pattern->Numbers());
    std::string types;
    for (const double slides : windowed) {
      types += (types.empty() ? "[" : ",") +
               JsonString(slides != 0 ? "sliding_attention" : "full_attention");
    }
    json_.Add("layer_types", types.empty() ? "[]" : types + "]");
    return Status();
  }

  const Gguf& gguf_;
  const GgufArchitecture& arch_;
  const Checkpoint& checkpoint_;
  JsonObjectText json_;
  uint64_t heads_ = 0, head_dim_ = 0;
  bool grows_ = false;
};

}  // namespace

StatusOr<std::string> GgufConfigText(const Gguf& gguf, const GgufArchitecture& architecture,
                                     const Checkpoint& checkpoint) {
  return Config(gguf, architecture, checkpoint).Text();
}

StatusOr<std::string> GgufGenerationText(const Gguf& gguf, const std::vector<uint32_t>& ends) {
  JsonObjectText json;
  bool samples = false, greedy = false;
  for (const auto& [key, field] :
       {std::pair("temp", "temperature"), std::pair("top_k", "top_k"), std::pair("top_p", "top_p"),
        std::pair("min_p", "min_p"), std::pair("penalty_repeat", "repetition_penalty")}) {
    const std::string name = std::string("general.sampling.") + key;
    const GgufValue* value = gguf.Find(name);
    if (value == nullptr) continue;
    SAMARA_ASSIGN_OR_RETURN(const double number, value->Number());
    SAMARA_ASSIGN_OR_RETURN(const std::string text, value->NumberText());
    greedy = greedy || (name.ends_with(".temp") && number <= 0);
    samples = samples || !name.ends_with(".penalty_repeat");
    json.Add(field, text);
  }
  json.AddBool("do_sample", samples && !greedy);
  std::string ids;
  for (const uint32_t id : ends) ids += (ids.empty() ? "" : ",") + std::to_string(id);
  if (!ends.empty()) json.Add("eos_token_id", "[" + ids + "]");
  return json.Text();
}

}  // namespace samara
