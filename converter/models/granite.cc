// Granite 3 and 4, dense: Llama with factors on embeddings, scores, residual sums and logits.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false, mlp_bias = false;
  double embedding = 1, attention = 1, residual = 1, logits = 1;
};

Status Read(const Json& config, Config* c) {
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {}, c));
  SAMARA_ASSIGN_OR_RETURN(c->attention_bias, config.Bool("attention_bias", false));
  SAMARA_ASSIGN_OR_RETURN(c->mlp_bias, config.Bool("mlp_bias", false));
  SAMARA_ASSIGN_OR_RETURN(c->embedding, config.Number("embedding_multiplier", 1, -1e9, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->attention, config.Number("attention_multiplier", 1, -1e9, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->residual, config.Number("residual_multiplier", 1, -1e9, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->logits, config.Number("logits_scaling", 1, 1e-9, 1e9));
  return Status();
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Rope(b.Linear(x, "q_proj", c.q_rows(), c.attention_bias), c.head_dim, c.rope);
  Tensor k = b.Rope(b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias), c.head_dim, c.rope);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  AttentionSettings settings = c.Attention(layer);
  settings.scale = c.attention;
  return b.Linear(b.Attention(q, k, v, settings), "o_proj", c.hidden, c.attention_bias);
}

}  // namespace

Status BuildGranite(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Scale(m.Embedding("embed_tokens", c.vocab, c.hidden), c.embedding);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    Tensor y = Attention(l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c);
    x = l.Add(x, l.Scale(y, c.residual));
    y = l.RmsNorm(x, "post_attention_layernorm", c.eps);
    x = l.Add(x, l.Scale(GatedMlp(l.In("mlp"), y, c, c.mlp_bias), c.residual));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {.scale = 1 / c.logits});
  return Status();
}

}  // namespace samara
