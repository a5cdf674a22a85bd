// Gemma 2: norms on both sides of each block, whose weights lack their one; scores and logits are
// capped; every other layer sees a window.
#include <cmath>

#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false;
  double scale = 1, score_cap = 0, logit_cap = 0;
};

// Absent: the family's own cap; null: none.
StatusOr<double> Cap(const Json& config, const char* key, double otherwise) {
  const Json cap = config.Find(key);
  return config.Number(key, cap.exists() ? 0 : otherwise, 1e-6, 1e9);
}

Status Read(const Json& config, Config* c) {
  DecoderDefaults defaults = {
      .kv_heads = 4, .head_dim = 256, .tied = true, .activation = "gelu_pytorch_tanh"};
  defaults.keys.activation = "hidden_activation";
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_ASSIGN_OR_RETURN(c->attention_bias, config.Bool("attention_bias", false));
  SAMARA_ASSIGN_OR_RETURN(const double scalar,
                          config.Number("query_pre_attn_scalar", 256, 1e-6, 1e9));
  c->scale = 1 / std::sqrt(scalar);
  SAMARA_ASSIGN_OR_RETURN(c->score_cap, Cap(config, "attn_logit_softcapping", 50));
  SAMARA_ASSIGN_OR_RETURN(c->logit_cap, Cap(config, "final_logit_softcapping", 30));
  std::vector<bool> sliding;
  for (int64_t i = 0; i < c->layers; ++i) sliding.push_back(i % 2 == 0);
  SAMARA_RETURN_IF_ERROR(ReadLayerTypes(config, &sliding));
  return ReadWindow(config, 4096, sliding, &c->windows);
}

Tensor Norm(Scope b, Tensor x, std::string_view name, const Config& c) {
  return b.RmsNorm(x, name, c.eps, 0, NormWeight::kPlusOne);
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Rope(b.Linear(x, "q_proj", c.q_rows(), c.attention_bias), c.head_dim, c.rope);
  Tensor k = b.Rope(b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias), c.head_dim, c.rope);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  AttentionSettings settings = c.Attention(layer);
  settings.scale = c.scale;
  settings.softcap = c.score_cap;
  return b.Linear(b.Attention(q, k, v, settings), "o_proj", c.hidden, c.attention_bias);
}

}  // namespace

Status BuildGemma2(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Scale(m.Embedding("embed_tokens", c.vocab, c.hidden),
                     std::sqrt(static_cast<double>(c.hidden)));
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    Tensor y = Attention(l.In("self_attn"), Norm(l, x, "input_layernorm", c), i, c);
    x = l.Add(x, Norm(l, y, "post_attention_layernorm", c));
    y = GatedMlp(l.In("mlp"), Norm(l, x, "pre_feedforward_layernorm", c), c);
    x = l.Add(x, Norm(l, y, "post_feedforward_layernorm", c));
  }
  x = Norm(m, builder->SelectOutputs(x), "norm", c);
  FinishDecoder(root, m, x, c, builder, {.softcap = c.logit_cap});
  return Status();
}

}  // namespace samara
