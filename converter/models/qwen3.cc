// Qwen3 (dense): every head of q and k is normalized before it is rotated; head_dim stands on its
// own.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false;
};

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q =
      b.RmsNorm(b.Linear(x, "q_proj", c.q_rows(), c.attention_bias), "q_norm", c.eps, c.head_dim);
  Tensor k =
      b.RmsNorm(b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias), "k_norm", c.eps, c.head_dim);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  q = b.Rope(q, c.head_dim, c.rope);
  k = b.Rope(k, c.head_dim, c.rope);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden, c.attention_bias);
}

}  // namespace

Status BuildQwen3(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {.kv_heads = 32, .head_dim = 128}, &c));
  SAMARA_RETURN_IF_ERROR(ReadLayerWindows(config, c.layers, &c.windows));
  SAMARA_ASSIGN_OR_RETURN(c.attention_bias, config.Bool("attention_bias", false));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Embedding("embed_tokens", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    x = l.Add(x, Attention(l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c));
    x = l.Add(x, GatedMlp(l.In("mlp"), l.RmsNorm(x, "post_attention_layernorm", c.eps), c));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {});
  return Status();
}

}  // namespace samara
