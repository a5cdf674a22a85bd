// Gemma 4, text, dense: Gemma 3 with wide heads on the full layers, values normalized too, upper
// layers that attend to keys and values of lower ones, and an embedding for each layer.
#include <cmath>

#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false, key_is_value = false, double_wide = false;
  int64_t full_head_dim = 0, full_kv_heads = 0, shared = 0, per_layer = 0, per_layer_vocab = 0;
  double softcap = 0;
  RopeSettings local_rope;

  bool slides(int64_t layer) const { return windows[static_cast<size_t>(layer)] > 0; }
  // The layer whose keys and values this one reads.
  int64_t Owner(int64_t layer) const {
    if (layer < layers - shared) return layer;
    int64_t owner = layers - shared - 1;
    while (owner >= 0 && slides(owner) != slides(layer)) --owner;
    return owner;
  }
  AttentionSettings Settings(int64_t layer) const {
    AttentionSettings s = Attention(layer);
    if (!slides(layer)) {
      s.kv_heads = full_kv_heads;
      s.key_dim = s.value_dim = full_head_dim;
    }
    s.scale = 1;
    return s;
  }
};

Status ReadLayers(const Json& config, Config* c) {
  std::vector<bool> sliding;
  for (int64_t i = 0; i < c->layers; ++i) sliding.push_back((i + 1) % 6 != 0);
  SAMARA_RETURN_IF_ERROR(ReadLayerTypes(config, &sliding));
  sliding.back() = false;  // whatever it is called
  SAMARA_RETURN_IF_ERROR(ReadWindow(config, 512, sliding, &c->windows));
  for (int64_t i = c->layers - c->shared; i < c->layers; ++i) {
    if (c->Owner(i) >= 0) continue;
    return config.Find("num_kv_shared_layers")
        .Bad("fewer, as layer " + std::to_string(i) + " finds no lower layer of its type");
  }
  // Newer checkpoints list what differs layer by layer; it must come to the same.
  for (const Json layer : config.Find("per_layer_config")) {
    for (const Json field : layer) {
      const bool heads = field.key() == "num_key_value_heads";
      const int64_t want = heads ? c->full_kv_heads : c->full_head_dim;
      if (!heads && field.key() != "head_dim") return field.Bad("head_dim or num_key_value_heads");
      SAMARA_RETURN_IF_ERROR(field.Int(want, want).status());
    }
  }
  return Status();
}

Status Read(const Json& config, Config* c) {
  DecoderDefaults defaults = {.kv_heads = 4,
                              .head_dim = 256,
                              .tied = true,
                              .activation = "gelu_pytorch_tanh",
                              .has_rope = false};
  defaults.keys.activation = "hidden_activation";
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_ASSIGN_OR_RETURN(c->attention_bias, config.Bool("attention_bias", false));
  SAMARA_ASSIGN_OR_RETURN(c->key_is_value, config.Bool("attention_k_eq_v", false));
  SAMARA_ASSIGN_OR_RETURN(c->double_wide, config.Bool("use_double_wide_mlp", false));
  SAMARA_ASSIGN_OR_RETURN(c->softcap, config.Number("final_logit_softcapping", 0, 1e-6, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->shared, config.Int("num_kv_shared_layers", 0, 0, c->layers - 1));
  SAMARA_ASSIGN_OR_RETURN(c->per_layer,
                          config.Int("hidden_size_per_layer_input", 256, 0, kMaxWidth));
  SAMARA_ASSIGN_OR_RETURN(c->per_layer_vocab,
                          config.Int("vocab_size_per_layer_input", 262144, c->vocab, 1 << 24));
  // Full layers: the first entry of per_layer_config, or fields of their own.
  Json full;
  for (const Json layer : config.Find("per_layer_config")) {
    full = layer;
    break;
  }
  SAMARA_ASSIGN_OR_RETURN(int64_t dim, config.Int("global_head_dim", 512, 2, kMaxHeadDim));
  SAMARA_ASSIGN_OR_RETURN(c->full_head_dim, full.Int("head_dim", dim, 2, kMaxHeadDim));
  SAMARA_ASSIGN_OR_RETURN(int64_t heads,
                          config.Int("num_global_key_value_heads", c->kv_heads, 1, c->heads));
  if (!c->key_is_value) heads = c->kv_heads;
  SAMARA_ASSIGN_OR_RETURN(c->full_kv_heads, full.Int("num_key_value_heads", heads, 1, c->heads));
  if (c->full_head_dim % 2 != 0 || c->heads % c->full_kv_heads != 0) {
    return config.Bad(std::to_string(c->heads) + " heads over " + std::to_string(c->full_kv_heads) +
                          " of " + std::to_string(c->full_head_dim) + " in full layers",
                      "a divisor, and an even size");
  }
  SAMARA_RETURN_IF_ERROR(ReadLayers(config, c));
  const Json sets = config.Find("rope_parameters");
  SAMARA_RETURN_IF_ERROR(CheckRopeSets(sets));
  SAMARA_RETURN_IF_ERROR(ReadRopeSet(config, sets.Find("sliding_attention"), {}, c->head_dim,
                                     c->context, &c->local_rope));
  return ReadRopeSet(config, sets.Find("full_attention"),
                     {.theta = 1e6, .rotated = sets.exists() ? 1 : 0.25, .proportional = true},
                     c->full_head_dim, c->context, &c->rope);
}

Tensor Attention(Scope layers, Scope b, Tensor x, int64_t layer, const Config& c) {
  const AttentionSettings s = c.Settings(layer);
  const RopeSettings& rope = c.slides(layer) ? c.local_rope : c.rope;
  const bool bias = c.attention_bias;
  Tensor q =
      b.RmsNorm(b.Linear(x, "q_proj", s.heads * s.key_dim, bias), "q_norm", c.eps, s.key_dim);
  q = b.Rope(q, s.key_dim, rope);
  if (const int64_t owner = c.Owner(layer); owner != layer) {
    Tensor y = b.SharedAttention(q, layers.In("layers", owner).In("self_attn"), s);
    return b.Linear(y, "o_proj", c.hidden, bias);
  }
  const int64_t rows = s.kv_heads * s.key_dim;
  Tensor k = b.Linear(x, "k_proj", rows, bias);
  Tensor v = c.key_is_value && !c.slides(layer) ? k : b.Linear(x, "v_proj", rows, bias);
  k = b.Rope(b.RmsNorm(k, "k_norm", c.eps, s.key_dim), s.key_dim, rope);
  v = b.RmsNorm(v, "v_norm", c.eps, s.key_dim, NormWeight::kNone);
  return b.Linear(b.Attention(q, k, v, s), "o_proj", c.hidden, bias);
}

// What each layer mixes in: [n_tokens, layers * per_layer].
Tensor PerLayerInputs(Scope m, Tensor x, const Config& c) {
  const int64_t columns = c.layers * c.per_layer;
  Tensor own = m.Scale(m.Embedding("embed_tokens_per_layer", c.per_layer_vocab, columns),
                       std::sqrt(static_cast<double>(c.per_layer)));
  Tensor seen = m.Scale(m.Linear(x, "per_layer_model_projection", columns),
                        1 / std::sqrt(static_cast<double>(c.hidden)));
  seen = m.RmsNorm(seen, "per_layer_projection_norm", c.eps, c.per_layer);
  return m.Scale(m.Add(seen, own), std::sqrt(0.5));
}

Tensor MixPerLayer(Scope l, Tensor x, Tensor inputs, int64_t layer, const Config& c) {
  Tensor gate = l.Linear(x, "per_layer_input_gate", c.per_layer);
  Tensor y = l.Glu(gate, l.Columns(inputs, layer * c.per_layer, c.per_layer), c.activation);
  y = l.Linear(y, "per_layer_projection", c.hidden);
  return l.Add(x, l.RmsNorm(y, "post_per_layer_input_norm", c.eps));
}

}  // namespace

Status BuildGemma4(const Json& root_config, GraphBuilder* builder, uint64_t* trained_context) {
  const LanguageModel model = FindLanguageModel(root_config, builder);
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(model.config, &c));
  SAMARA_RETURN_IF_ERROR(ReadTied(root_config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope m = model.scope;
  Tensor x = m.Scale(m.Embedding("embed_tokens", c.vocab, c.hidden),
                     std::sqrt(static_cast<double>(c.hidden)));
  const Tensor inputs = c.per_layer > 0 ? PerLayerInputs(m, x, c) : Tensor();
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    Tensor y = Attention(m, l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c);
    x = l.Add(x, l.RmsNorm(y, "post_attention_layernorm", c.eps));
    DecoderConfig mlp = c;
    const int64_t owner = c.Owner(i);
    if (c.double_wide && owner != i) mlp.intermediate *= 2;
    y = GatedMlp(l.In("mlp"), l.RmsNorm(x, "pre_feedforward_layernorm", c.eps), mlp);
    x = l.Add(x, l.RmsNorm(y, "post_feedforward_layernorm", c.eps));
    if (c.per_layer > 0) x = MixPerLayer(l, x, inputs, i, c);
    x = l.ScaleBy(x, "layer_scalar");
    if (owner == i) continue;
    for (const char* name : {"k_proj.*", "v_proj.*", "k_norm.*", "v_norm.*"}) {
      builder->Drop(l.In("self_attn").path() + "." + name,
                    "keys and values are those of layer " + std::to_string(owner));
    }
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(model.root, m, x, c, builder, {.softcap = c.softcap});
  return Status();
}

}  // namespace samara
