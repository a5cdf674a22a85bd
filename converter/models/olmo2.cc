// OLMo 2: norms after each block instead of before; all queries of a token are normalized together,
// so are its keys.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false;
};

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.RmsNorm(b.Linear(x, "q_proj", c.q_rows(), c.attention_bias), "q_norm", c.eps);
  Tensor k = b.RmsNorm(b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias), "k_norm", c.eps);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  q = b.Rope(q, c.head_dim, c.rope);
  k = b.Rope(k, c.head_dim, c.rope);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden, c.attention_bias);
}

}  // namespace

Status BuildOlmo2(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {.eps = 1e-5}, &c));
  SAMARA_ASSIGN_OR_RETURN(c.attention_bias, config.Bool("attention_bias", false));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Embedding("embed_tokens", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    Tensor y = Attention(l.In("self_attn"), x, i, c);
    x = l.Add(x, l.RmsNorm(y, "post_attention_layernorm", c.eps));
    y = GatedMlp(l.In("mlp"), x, c);
    x = l.Add(x, l.RmsNorm(y, "post_feedforward_layernorm", c.eps));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {});
  return Status();
}

}  // namespace samara
