// Gemma 3, text: norms of both sides of each block, whose weights lack their one; normalized
// queries and keys; five layers of six see a window and rotate by frequencies of their own.
#include <cmath>

#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false;
  double scale = 1, softcap = 0;
  RopeSettings local_rope;
};

Status Read(const Json& config, Config* c) {
  DecoderDefaults defaults = {.vocab = 262208,
                              .hidden = 2304,
                              .layers = 26,
                              .heads = 8,
                              .context = 131072,
                              .intermediate = 9216,
                              .kv_heads = 4,
                              .head_dim = 256,
                              .tied = true,
                              .activation = "gelu_pytorch_tanh",
                              .has_rope = false};
  defaults.keys.activation = "hidden_activation";
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_ASSIGN_OR_RETURN(c->attention_bias, config.Bool("attention_bias", false));
  SAMARA_ASSIGN_OR_RETURN(const double scalar,
                          config.Number("query_pre_attn_scalar", 256, 1e-6, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->softcap, config.Number("final_logit_softcapping", 0, 1e-6, 1e9));
  c->scale = 1 / std::sqrt(scalar);
  SAMARA_ASSIGN_OR_RETURN(const int64_t period, config.Int("sliding_window_pattern", 6, 1, 4096));
  std::vector<bool> sliding;
  for (int64_t i = 0; i < c->layers; ++i) sliding.push_back((i + 1) % period != 0);
  SAMARA_RETURN_IF_ERROR(ReadLayerTypes(config, &sliding));
  SAMARA_RETURN_IF_ERROR(ReadWindow(config, 4096, sliding, &c->windows));
  // Newer checkpoints have a set for each type of layer; older ones spell theirs out: rope_theta
  // and rope_scaling for full layers, rope_local_base_freq for the others.
  const Json sets = config.Find("rope_parameters");
  SAMARA_RETURN_IF_ERROR(CheckRopeSets(sets));
  Json full = config.Find("rope_scaling");
  if (full.IsNull()) full = sets.Find("full_attention");
  SAMARA_RETURN_IF_ERROR(
      ReadRopeSet(config, full, {.theta = 1e6}, c->head_dim, c->context, &c->rope));
  return ReadRopeSet(config, sets.Find("sliding_attention"), {.theta_key = "rope_local_base_freq"},
                     c->head_dim, c->context, &c->local_rope);
}

Tensor Norm(Scope b, Tensor x, std::string_view name, const Config& c, int64_t group = 0) {
  return b.RmsNorm(x, name, c.eps, group, NormWeight::kPlusOne);
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = Norm(b, b.Linear(x, "q_proj", c.q_rows(), c.attention_bias), "q_norm", c, c.head_dim);
  Tensor k = Norm(b, b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias), "k_norm", c, c.head_dim);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  AttentionSettings settings = c.Attention(layer);
  settings.scale = c.scale;
  const RopeSettings& rope = settings.window > 0 ? c.local_rope : c.rope;
  q = b.Rope(q, c.head_dim, rope);
  k = b.Rope(k, c.head_dim, rope);
  return b.Linear(b.Attention(q, k, v, settings), "o_proj", c.hidden, c.attention_bias);
}

}  // namespace

Status BuildGemma3(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  const LanguageModel model = FindLanguageModel(config, builder);
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(model.config, &c));
  SAMARA_RETURN_IF_ERROR(ReadTied(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope m = model.scope;
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
  FinishDecoder(model.root, m, x, c, builder, {.softcap = c.softcap});
  return Status();
}

}  // namespace samara
