// Qwen2 and Qwen2.5: biases on q, k and v; upper layers may attend to a sliding window.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

Tensor Attention(Scope b, Tensor x, int64_t layer,
                 const DecoderConfig& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Rope(b.Linear(x, "q_proj", c.q_rows(), /*bias=*/true), c.head_dim, c.rope);
  Tensor k = b.Rope(b.Linear(x, "k_proj", c.kv_rows(), /*bias=*/true), c.head_dim, c.rope);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), /*bias=*/true);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden);
}

}  // namespace

Status BuildQwen2(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  DecoderConfig c;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {.kv_heads = 32}, &c));
  SAMARA_RETURN_IF_ERROR(ReadLayerWindows(config, c.layers, &c.windows));
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
