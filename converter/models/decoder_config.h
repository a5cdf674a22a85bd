// The part of config.json that decoder-only families share, checked.
#ifndef SAMARA_CONVERTER_MODELS_DECODER_CONFIG_H_
#define SAMARA_CONVERTER_MODELS_DECODER_CONFIG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "converter/builder.h"
#include "converter/json.h"
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

// What a family assumes where config.json is silent.
struct DecoderDefaults {
  int64_t kv_heads = 0;  // 0: as many as heads
  int64_t head_dim = 0;  // 0: hidden / heads
};

Status ReadDecoderConfig(const Json& config, const DecoderDefaults& defaults, DecoderConfig* out);

// rope_theta with rope_scaling or rope_parameters: types default, linear and llama3, for `rotated`
// dimensions.
Status ReadRope(const Json& config, int64_t rotated, int64_t context, RopeSettings* out);

// use_sliding_window, sliding_window, max_window_layers and layer_types: full layers first, then
// windowed ones.
Status ReadLayerWindows(const Json& config, int64_t layers, std::vector<uint64_t>* windows);

inline constexpr uint64_t kMaxWindow = uint64_t{1} << 24;

}  // namespace samara

#endif  // SAMARA_CONVERTER_MODELS_DECODER_CONFIG_H_
