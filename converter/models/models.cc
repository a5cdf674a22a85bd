#include "converter/models/models.h"

#include <algorithm>
#include <vector>

#include "converter/near.h"

namespace samara {
namespace {

constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", "Llama 2 and 3, TinyLlama, SmolLM2", "attention_bias mlp_bias",
     BuildLlama},
    {"mistral", "MistralForCausalLM", "Mistral 7B, Nemo", "sliding_window", BuildMistral},
    {"ministral", "MinistralForCausalLM", "Ministral 8B", "sliding_window layer_types",
     BuildMinistral},
    {"ministral3", "Ministral3ForCausalLM", "Ministral 3", "sliding_window", BuildMinistral3},
    {"mistral3", "Mistral3ForConditionalGeneration", "Mistral Small 3.1, Ministral 3: their text",
     "sliding_window", BuildMistral3},
    {"qwen2", "Qwen2ForCausalLM", "Qwen2 and 2.5", "use_sliding_window sliding_window layer_types",
     BuildQwen2},
    {"qwen3", "Qwen3ForCausalLM", "Qwen3, dense",
     "attention_bias use_sliding_window sliding_window layer_types", BuildQwen3},
    {"gemma2", "Gemma2ForCausalLM", "Gemma 2",
     "attention_bias sliding_window layer_types query_pre_attn_scalar attn_logit_softcapping "
     "final_logit_softcapping",
     BuildGemma2},
    {"gemma3", "Gemma3ForCausalLM Gemma3ForConditionalGeneration", "Gemma 3: its text",
     "attention_bias sliding_window sliding_window_pattern layer_types query_pre_attn_scalar "
     "final_logit_softcapping rope_local_base_freq",
     BuildGemma3},
    {"gemma4", "Gemma4ForCausalLM Gemma4ForConditionalGeneration", "Gemma 4, dense: its text",
     "attention_bias sliding_window layer_types final_logit_softcapping attention_k_eq_v "
     "use_double_wide_mlp num_kv_shared_layers hidden_size_per_layer_input",
     BuildGemma4},
    {"phi3", "Phi3ForCausalLM", "Phi-3, Phi-3.5, Phi-4-mini",
     "sliding_window partial_rotary_factor", BuildPhi3},
    {"smollm3", "SmolLM3ForCausalLM", "SmolLM3",
     "attention_bias mlp_bias no_rope_layers no_rope_layer_interval use_sliding_window "
     "sliding_window layer_types",
     BuildSmolLm3},
    {"granite", "GraniteForCausalLM", "Granite 3",
     "attention_bias mlp_bias embedding_multiplier attention_multiplier residual_multiplier "
     "logits_scaling",
     BuildGranite},
    {"granitemoehybrid", "GraniteMoeHybridForCausalLM", "Granite 4, dense",
     "attention_bias embedding_multiplier attention_multiplier residual_multiplier logits_scaling "
     "layer_types num_local_experts",
     BuildGraniteHybrid},
    {"olmo2", "Olmo2ForCausalLM", "OLMo 2", "attention_bias", BuildOlmo2},
    {"stablelm", "StableLmForCausalLM", "StableLM 2 and 3B",
     "use_qkv_bias qk_layernorm use_parallel_residual partial_rotary_factor", BuildStableLm},
    {"gpt2", "GPT2LMHeadModel", "GPT-2", "scale_attn_by_inverse_layer_idx", BuildGpt2},
    {"gpt_neox", "GPTNeoXForCausalLM", "GPT-NeoX, Pythia",
     "attention_bias use_parallel_residual rotary_pct", BuildGptNeoX},
    {"falcon", "FalconForCausalLM", "Falcon 7B, 11B, 40B, 180B", "", BuildFalcon},
};

// Fields that change what a model computes, and the value under which they do not. A family that
// knows such a field has it on its list; for the others any other value is refused, not ignored.
enum class Off { kFalse, kZero, kOne, kNull, kFullAttention };
struct Switch {
  const char* key;
  Off off;
};
constexpr Switch kSwitches[] = {
    {"apply_residual_connection_post_layernorm", Off::kFalse},
    {"attention_bias", Off::kFalse},
    {"attention_multiplier", Off::kNull},
    {"attention_k_eq_v", Off::kFalse},
    {"attn_logit_softcapping", Off::kNull},
    {"add_cross_attention", Off::kFalse},
    {"alibi", Off::kFalse},
    {"clip_qkv", Off::kNull},
    {"embedding_multiplier", Off::kOne},
    {"enable_moe_block", Off::kFalse},
    {"final_logit_softcapping", Off::kNull},
    {"hidden_size_per_layer_input", Off::kZero},
    {"layer_types", Off::kFullAttention},
    {"llama_4_scaling_beta", Off::kNull},
    {"logit_scale", Off::kOne},
    {"logits_scaling", Off::kOne},
    {"mlp_bias", Off::kFalse},
    {"moe_intermediate_size", Off::kNull},
    {"n_routed_experts", Off::kZero},
    {"no_rope_layers", Off::kNull},
    {"num_experts", Off::kZero},
    {"num_kv_shared_layers", Off::kZero},
    {"num_local_experts", Off::kZero},
    {"partial_rotary_factor", Off::kOne},
    {"qk_layernorm", Off::kFalse},
    {"query_pre_attn_scalar", Off::kNull},
    {"residual_multiplier", Off::kOne},
    {"rope_interleaved", Off::kFalse},
    {"rope_local_base_freq", Off::kNull},
    {"rotary_pct", Off::kOne},
    {"scale_attn_by_inverse_layer_idx", Off::kFalse},
    {"sliding_window", Off::kNull},
    {"sliding_window_pattern", Off::kNull},
    {"use_bidirectional_attention", Off::kFalse},
    {"use_double_wide_mlp", Off::kFalse},
    {"use_mrope", Off::kFalse},
    {"use_parallel_residual", Off::kFalse},
    {"use_qk_norm", Off::kFalse},
    {"use_qkv_bias", Off::kFalse},
    {"use_sliding_window", Off::kFalse},
};

bool Lists(const char* list, std::string_view word) {
  const std::string spaced = std::string(" ") + list + " ";
  return !word.empty() && spaced.find(" " + std::string(word) + " ") != std::string::npos;
}

bool IsOff(const Json& value, Off off) {
  if (value.IsNull()) return true;
  const StatusOr<bool> flag = value.Bool();
  const StatusOr<double> number = value.Number();
  switch (off) {
    case Off::kFalse:
      return flag.ok() && !*flag;
    case Off::kZero:
      return number.ok() && *number == 0;
    case Off::kOne:
      return number.ok() && *number == 1;
    case Off::kNull:
      return false;
    case Off::kFullAttention:
      for (const Json item : value) {
        const StatusOr<std::string_view> name = item.String();
        if (!name.ok() || *name != "full_attention") return false;
      }
      return value.IsArray();
  }
  return false;
}

const char* OffText(Off off) {
  switch (off) {
    case Off::kFalse:
      return "false";
    case Off::kZero:
      return "0";
    case Off::kOne:
      return "1";
    case Off::kNull:
      return "null";
    case Off::kFullAttention:
      return "full_attention only";
  }
  return "";
}

Status RefuseUnread(const Json& config, const Family& family) {
  // A window that is switched off is none.
  const StatusOr<bool> slides = config.Bool("use_sliding_window", true);
  const bool no_window = slides.ok() && !*slides;
  for (const Switch& s : kSwitches) {
    const Json value = config.Find(s.key);
    if (IsOff(value, s.off) || Lists(family.switches, s.key)) continue;
    if (no_window && std::string_view(s.key) == "sliding_window") continue;
    const Status bad = value.Bad(std::string(OffText(s.off)) + ": the converter's " + family.name +
                                 " has no such thing");
    return Unsupported("%s", bad.message());
  }
  return Status();
}

}  // namespace

std::span<const Family> Families() { return kFamilies; }

std::vector<std::string> Architectures() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) {
    std::string_view rest = family.architectures;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      names.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return names;
}

std::string FamilyList() {
  std::string text;
  for (const std::string& name : Architectures()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

StatusOr<const Family*> FindFamily(const Json& config) {
  SAMARA_ASSIGN_OR_RETURN(const Json names, config.RequireArray("architectures"));
  for (const Json item : names) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, item.String());
    for (const Family& family : kFamilies) {
      if (!Lists(family.architectures, name)) continue;
      SAMARA_RETURN_IF_ERROR(RefuseUnread(config, family));
      if (const Json text = config.Find("text_config"); text.exists())
        SAMARA_RETURN_IF_ERROR(RefuseUnread(text, family));
      return &family;
    }
    return Unsupported("%s: field architectures: got %s, wanted one of %s%s", config.file().c_str(),
                       Quoted(name).c_str(), FamilyList().c_str(),
                       Near(name, Architectures(), 9).c_str());
  }
  return names.Bad("an empty list", "one of " + FamilyList());
}

}  // namespace samara
