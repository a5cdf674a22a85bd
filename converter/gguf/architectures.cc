#include "converter/gguf/architectures.h"

#include <algorithm>
#include <vector>

#include "converter/near.h"

namespace samara {
namespace {

constexpr GgufName kTop[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr GgufName kLayer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};
// Norms before and behind each block.
constexpr GgufName kGemmaLayer[] = {{"attn_norm", "input_layernorm"},
                                    {"attn_q", "self_attn.q_proj"},
                                    {"attn_k", "self_attn.k_proj"},
                                    {"attn_v", "self_attn.v_proj"},
                                    {"attn_output", "self_attn.o_proj"},
                                    {"attn_q_norm", "self_attn.q_norm"},
                                    {"attn_k_norm", "self_attn.k_norm"},
                                    {"post_attention_norm", "post_attention_layernorm"},
                                    {"ffn_norm", "pre_feedforward_layernorm"},
                                    {"ffn_gate", "mlp.gate_proj"},
                                    {"ffn_up", "mlp.up_proj"},
                                    {"ffn_down", "mlp.down_proj"},
                                    {"post_ffw_norm", "post_feedforward_layernorm"}};
constexpr GgufName kStableLmLayer[] = {{"attn_norm", "input_layernorm"},
                                       {"attn_q", "self_attn.q_proj"},
                                       {"attn_k", "self_attn.k_proj"},
                                       {"attn_v", "self_attn.v_proj"},
                                       {"attn_output", "self_attn.o_proj"},
                                       {"attn_q_norm", "self_attn.q_layernorm"},
                                       {"attn_k_norm", "self_attn.k_layernorm"},
                                       {"ffn_norm", "post_attention_layernorm"},
                                       {"ffn_gate", "mlp.gate_proj"},
                                       {"ffn_up", "mlp.up_proj"},
                                       {"ffn_down", "mlp.down_proj"}};
constexpr GgufName kPhi3Layer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.gate_up_proj"},      {"ffn_down", "mlp.down_proj"}};
constexpr GgufName kGpt2Top[] = {{"token_embd", "transformer.wte"},
                                 {"position_embd", "transformer.wpe"},
                                 {"output_norm", "transformer.ln_f"},
                                 {"output", "lm_head"}};
constexpr GgufName kGpt2Layer[] = {{"attn_norm", "ln_1"},          {"attn_qkv", "attn.c_attn"},
                                   {"attn_output", "attn.c_proj"}, {"ffn_norm", "ln_2"},
                                   {"ffn_up", "mlp.c_fc"},         {"ffn_down", "mlp.c_proj"}};
constexpr GgufName kNeoxTop[] = {{"token_embd", "gpt_neox.embed_in"},
                                 {"output_norm", "gpt_neox.final_layer_norm"},
                                 {"output", "embed_out"}};
constexpr GgufName kNeoxLayer[] = {
    {"attn_norm", "input_layernorm"},   {"attn_qkv", "attention.query_key_value"},
    {"attn_output", "attention.dense"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.dense_h_to_4h"},    {"ffn_down", "mlp.dense_4h_to_h"}};
constexpr GgufName kFalconTop[] = {{"token_embd", "transformer.word_embeddings"},
                                   {"output_norm", "transformer.ln_f"},
                                   {"output", "lm_head"}};
constexpr GgufName kFalconLayer[] = {{"attn_norm", "input_layernorm"},
                                     {"attn_qkv", "self_attention.query_key_value"},
                                     {"attn_output", "self_attention.dense"},
                                     {"ffn_up", "mlp.dense_h_to_4h"},
                                     {"ffn_down", "mlp.dense_4h_to_h"}};
// With a norm for each block.
constexpr GgufName kFalconTwoNorms[] = {{"attn_norm", "ln_mlp"}, {"attn_norm_2", "ln_attn"}};

constexpr GgufKey kCommonKeys[] = {{"context_length", "max_position_embeddings"},
                                   {"embedding_length", "hidden_size"},
                                   {"block_count", "num_hidden_layers"},
                                   {"feed_forward_length", "intermediate_size"},
                                   {"attention.head_count", "num_attention_heads"},
                                   {"attention.head_count_kv", "num_key_value_heads"},
                                   {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                                   {"attention.layer_norm_epsilon", "layer_norm_eps"},
                                   {"attention.key_length", "head_dim"},
                                   {"attention.value_length", nullptr},
                                   {"rope.freq_base", "rope_theta"},
                                   {"rope.dimension_count", nullptr},
                                   {"rope.scaling.type", nullptr},
                                   {"rope.scaling.factor", nullptr},
                                   {"rope.scaling.original_context_length", nullptr},
                                   {"rope.scaling.finetuned", nullptr},
                                   {"rope.scaling.attn_factor", nullptr},
                                   {"rope.scaling.yarn_attn_factor", nullptr},
                                   {"rope.scaling.yarn_beta_fast", nullptr},
                                   {"rope.scaling.yarn_beta_slow", nullptr},
                                   {"rope.scaling.yarn_log_multiplier", nullptr},
                                   {"attention.causal", nullptr},
                                   {"tensor_data_layout", nullptr},
                                   {"vocab_size", nullptr}};
constexpr GgufKey kGemmaKeys[] = {
    {"attention.sliding_window", nullptr},
    {"attention.sliding_window_pattern", nullptr},
    {"attn_logit_softcapping", "attn_logit_softcapping"},
    {"final_logit_softcapping", "final_logit_softcapping"},
    {"rope.freq_base_swa", "rope_local_base_freq"},
};
constexpr GgufKey kGraniteKeys[] = {{"attention.scale", "attention_multiplier"},
                                    {"embedding_scale", "embedding_multiplier"},
                                    {"residual_scale", "residual_multiplier"},
                                    {"logit_scale", "logits_scaling"}};
constexpr GgufKey kPhi3Keys[] = {{"attention.sliding_window", nullptr}};
constexpr GgufKey kMistral3Keys[] = {{"attention.temperature_scale", nullptr}};
constexpr GgufKey kFalconKeys[] = {{"attention.head_count_kv", "num_kv_heads"},
                                   {"feed_forward_length", "ffn_hidden_size"},
                                   {"attention.layer_norm_epsilon", "layer_norm_epsilon"}};
constexpr GgufKey kGpt2Keys[] = {{"context_length", "n_positions"},
                                 {"embedding_length", "n_embd"},
                                 {"block_count", "n_layer"},
                                 {"feed_forward_length", "n_inner"},
                                 {"attention.head_count", "n_head"},
                                 {"attention.head_count_kv", nullptr},
                                 {"attention.layer_norm_epsilon", "layer_norm_epsilon"}};
constexpr GgufKey kNeoxKeys[] = {{"attention.head_count_kv", nullptr},
                                 {"use_parallel_residual", "use_parallel_residual"},
                                 {"rope.freq_base", "rotary_emb_base"}};
constexpr GgufKey kStableLmKeys[] = {{"use_parallel_residual", nullptr}};  // told by the tensors

constexpr GgufArchitecture kArchitectures[] = {
    {"llama",
     "LlamaForCausalLM MistralForCausalLM",
     GgufRows::kRotaryPairs,
     false,
     false,
     "attention_bias mlp_bias",
     "model.layers.",
     kLayer,
     kTop,
     {}},
    {"qwen2",
     "Qwen2ForCausalLM",
     GgufRows::kPlain,
     false,
     false,
     "",
     "model.layers.",
     kLayer,
     kTop,
     {}},
    {"qwen3",
     "Qwen3ForCausalLM",
     GgufRows::kPlain,
     false,
     false,
     "attention_bias",
     "model.layers.",
     kLayer,
     kTop,
     {}},
    {"gemma2", "Gemma2ForCausalLM", GgufRows::kPlain, true, false, "attention_bias",
     "model.layers.", kGemmaLayer, kTop, kGemmaKeys},
    {"gemma3", "Gemma3ForCausalLM Gemma3ForConditionalGeneration", GgufRows::kPlain, true, false,
     "attention_bias", "model.layers.", kGemmaLayer, kTop, kGemmaKeys},
    {"phi3", "Phi3ForCausalLM", GgufRows::kPlain, false, false, "", "model.layers.", kPhi3Layer,
     kTop, kPhi3Keys},
    {"granite", "GraniteForCausalLM GraniteMoeHybridForCausalLM", GgufRows::kRotaryPairs, false,
     false, "attention_bias mlp_bias", "model.layers.", kLayer, kTop, kGraniteKeys},
    {"olmo2",
     "Olmo2ForCausalLM",
     GgufRows::kPlain,
     false,
     false,
     "attention_bias",
     "model.layers.",
     kGemmaLayer,
     kTop,
     {}},
    {"smollm3",
     "SmolLM3ForCausalLM",
     GgufRows::kRotaryPairs,
     false,
     false,
     "attention_bias mlp_bias",
     "model.layers.",
     kLayer,
     kTop,
     {}},
    {"stablelm", "StableLmForCausalLM", GgufRows::kPlain, false, false, "use_qkv_bias",
     "model.layers.", kStableLmLayer, kTop, kStableLmKeys},
    {"gpt2", "GPT2LMHeadModel", GgufRows::kPlain, false, true, "", "transformer.h.", kGpt2Layer,
     kGpt2Top, kGpt2Keys},
    {"gptneox", "GPTNeoXForCausalLM", GgufRows::kThreeParts, false, false, "attention_bias",
     "gpt_neox.layers.", kNeoxLayer, kNeoxTop, kNeoxKeys},
    {"falcon", "FalconForCausalLM", GgufRows::kThreeParts, false, false, "bias", "transformer.h.",
     kFalconLayer, kFalconTop, kFalconKeys},
    {"mistral3", "Ministral3ForCausalLM MistralForCausalLM Mistral3ForConditionalGeneration",
     GgufRows::kRotaryPairs, false, false, "", "model.layers.", kLayer, kTop, kMistral3Keys},
};

const char* FindName(std::span<const GgufName> names, std::string_view gguf) {
  for (const GgufName& name : names) {
    if (gguf == name.gguf) return name.hf;
  }
  return nullptr;
}

bool FindKey(std::span<const GgufKey> keys, std::string_view gguf, const char** field) {
  for (const GgufKey& key : keys) {
    if (gguf != key.gguf) continue;
    *field = key.hf;
    return true;
  }
  return false;
}

}  // namespace

const GgufArchitecture* FindGgufArchitecture(std::string_view name) {
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (name == architecture.name) return &architecture;
  }
  return nullptr;
}

std::span<const GgufArchitecture> GgufArchitectures() { return kArchitectures; }

std::string GgufArchitectureList() {
  std::string text;
  for (const GgufArchitecture& architecture : kArchitectures)
    text += (text.empty() ? "" : ", ") + std::string(architecture.name);
  return text;
}

std::string GgufNamesOf(std::string_view hf_architectures) {
  const std::string known = " " + std::string(hf_architectures) + " ";
  std::string text;
  for (const GgufArchitecture& architecture : kArchitectures) {
    std::string_view rest = architecture.hf;
    bool holds = false;
    while (!rest.empty() && !holds) {
      const size_t end = std::min(rest.find(' '), rest.size());
      holds = known.find(" " + std::string(rest.substr(0, end)) + " ") != std::string::npos;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (holds) text += (text.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return text;
}

std::string NearGgufArchitectures(std::string_view name) {
  std::vector<std::string> names;
  std::string continued;  // "qwen3moe" begins like "qwen3"
  for (const GgufArchitecture& architecture : kArchitectures) {
    names.emplace_back(architecture.name);
    if (name.starts_with(architecture.name)) continued = "; near: " + names.back();
  }
  const std::string near = Near(name, names, 3);
  return near.empty() ? continued : near;
}

const char* ConfigField(const GgufArchitecture& architecture, std::string_view key, bool* known) {
  const char* field = nullptr;
  *known = FindKey(architecture.keys, key, &field) || FindKey(kCommonKeys, key, &field);
  return field;
}

std::string HfTensorName(const GgufArchitecture& architecture, std::string_view name,
                         bool two_norms) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::string(name);
  const std::string_view ending = name.substr(dot);  // ".weight"
  std::string_view part = name.substr(0, dot);
  if (!part.starts_with("blk.")) {
    const char* hf = FindName(architecture.top_names, part);
    return hf == nullptr ? std::string(name) : hf + std::string(ending);
  }
  part.remove_prefix(4);
  const size_t end = part.find('.');
  if (end == std::string_view::npos) return std::string(name);
  const char* hf = two_norms ? FindName(kFalconTwoNorms, part.substr(end + 1)) : nullptr;
  if (hf == nullptr) hf = FindName(architecture.layer_names, part.substr(end + 1));
  if (hf == nullptr) return std::string(name);
  return architecture.layers + std::string(part.substr(0, end)) + "." + hf + std::string(ending);
}

}  // namespace samara
