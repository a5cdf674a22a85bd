// The part of config.json that decoder-only families share, checked.
#ifndef SAMARA_CONVERTER_MODELS_DECODER_CONFIG_H_
#define SAMARA_CONVERTER_MODELS_DECODER_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "converter/builder.h"
#include "converter/json.h"
#include "converter/models/rope.h"
#include "formats/status.h"

namespace samara {

struct DecoderConfig {
  int64_t vocab = 0, hidden = 0, intermediate = 0, layers = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t context = 0;  // max_position_embeddings
  double eps = 1e-6;
  bool tied = false;
  Activation activation = Activation::kSilu;
  RopeSettings rope;
  std::vector<uint64_t> windows;  // for each layer; 0: the whole context

  int64_t q_rows() const { return heads * head_dim; }
  int64_t kv_rows() const { return kv_heads * head_dim; }
  // Scaled by 1/sqrt(head_dim), over the layer's window.
  AttentionSettings Attention(int64_t layer) const;
};

// How a family spells config.json; nullptr: it has no such field.
struct DecoderKeys {
  const char* hidden = "hidden_size";
  const char* intermediate = "intermediate_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* kv_heads = "num_key_value_heads";  // else as many as heads
  const char* head_dim = "head_dim";             // else hidden / heads
  const char* context = "max_position_embeddings";
  const char* eps = "rms_norm_eps";
  const char* activation = "hidden_act";
};

// What a family assumes where config.json is silent. Sizes of 0 must be given.
struct DecoderDefaults {
  int64_t vocab = 0, hidden = 0, layers = 0, heads = 0, context = 0;
  int64_t intermediate = 0;  // negative: so many times hidden
  int64_t kv_heads = 0;      // 0: as many as heads
  int64_t head_dim = 0;      // 0: hidden / heads
  double eps = 1e-6;
  bool tied = false;
  const char* activation = "silu";
  RopeDefaults rope = {};
  bool has_rope = true;  // false: the family reads its frequencies itself, or has none

  DecoderKeys keys = {};
};

Status ReadDecoderConfig(const Json& config, const DecoderDefaults& defaults, DecoderConfig* out);

// use_sliding_window, sliding_window, max_window_layers and layer_types: full layers first, then
// windowed ones.
Status ReadLayerWindows(const Json& config, int64_t layers, std::vector<uint64_t>* windows);

// layer_types: true for layers that attend to a sliding window. Without that field `sliding` stays
// as the family has set it.
Status ReadLayerTypes(const Json& config, std::vector<bool>* sliding);
// sliding_window, if there is a layer that needs it, for those layers. 0: it must be given.
Status ReadWindow(const Json& config, int64_t otherwise, const std::vector<bool>& sliding,
                  std::vector<uint64_t>* windows);

inline constexpr uint64_t kMaxWindow = uint64_t{1} << 24;
inline constexpr int64_t kMaxWidth = 1 << 20, kMaxHeads = 1 << 12, kMaxHeadDim = 1 << 12;

// down(act(gate) * up), as most families have it: gate_proj, up_proj and down_proj of scope b.
Tensor GatedMlp(Scope b, Tensor x, const DecoderConfig& c, bool bias = false);

// Logits of normed rows, by `output` of scope `root` or, tied, by `embedding` of scope `m`; the
// hidden states before. They are scaled by `scale`, then capped (0: not).
struct Head {
  std::string_view embedding = "embed_tokens", output = "lm_head";
  double scale = 1, softcap = 0;
};
void FinishDecoder(Scope root, Scope m, Tensor x, const DecoderConfig& c, GraphBuilder* builder,
                   const Head& head);

// The language model of a checkpoint that may see or hear: then config.json has a text_config, and
// its tensors lie below a scope of their own. What is not language is dropped.
struct LanguageModel {
  Json config;
  Scope root, scope;  // of lm_head, and of the layers
};
LanguageModel FindLanguageModel(const Json& config, GraphBuilder* builder);
// tie_word_embeddings beside a text_config.
Status ReadTied(const Json& config, DecoderConfig* c);

}  // namespace samara

#endif  // SAMARA_CONVERTER_MODELS_DECODER_CONFIG_H_
