// Llama 2 and 3, TinyLlama, SmolLM2: grouped-query attention and SwiGLU, with or without biases.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false, mlp_bias = false;
};

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Rope(b.Linear(x, "q_proj", c.q_rows(), c.attention_bias), c.head_dim, c.rope);
  Tensor k = b.Rope(b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias), c.head_dim, c.rope);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden, c.attention_bias);
}

}  // namespace

Status BuildLlama(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {}, &c));
  SAMARA_ASSIGN_OR_RETURN(c.attention_bias, config.Bool("attention_bias", false));
  SAMARA_ASSIGN_OR_RETURN(c.mlp_bias, config.Bool("mlp_bias", false));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Embedding("embed_tokens", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    x = l.Add(x, Attention(l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c));
    Tensor y = l.RmsNorm(x, "post_attention_layernorm", c.eps);
    x = l.Add(x, GatedMlp(l.In("mlp"), y, c, c.mlp_bias));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {});
  return Status();
}

}  // namespace samara
