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

Tensor Mlp(Scope b, Tensor x, const Config& c) {
  Tensor gate = b.Linear(x, "gate_proj", c.intermediate, c.mlp_bias);
  Tensor up = b.Linear(x, "up_proj", c.intermediate, c.mlp_bias);
  return b.Linear(b.Glu(gate, up, c.activation), "down_proj", c.hidden, c.mlp_bias);
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
    x = l.Add(x, Mlp(l.In("mlp"), l.RmsNorm(x, "post_attention_layernorm", c.eps), c));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  builder->SetHidden(x);
  builder->SetLogits(c.tied ? m.TiedLinear(x, "embed_tokens", c.vocab)
                            : root.Linear(x, "lm_head", c.vocab));

  builder->Drop("*.rotary_emb.inv_freq", "recomputed from config.json");
  if (c.tied) builder->Drop("lm_head.weight", "tied to the embedding");
  return Status();
}

}  // namespace samara
