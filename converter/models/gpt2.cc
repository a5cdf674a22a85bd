// GPT-2: learned positions, LayerNorm, biases everywhere, an MLP without a gate; matrices are stored
// transposed.
#include <cmath>

#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool scaled = true, by_layer = false;
};

Status Read(const Json& config, Config* c) {
  DecoderDefaults defaults = {
      .intermediate = -4, .eps = 1e-5, .tied = true, .activation = "gelu_new", .has_rope = false};
  defaults.keys = {.hidden = "n_embd",
                   .intermediate = "n_inner",
                   .layers = "n_layer",
                   .heads = "n_head",
                   .kv_heads = nullptr,
                   .head_dim = nullptr,
                   .context = "n_positions",
                   .eps = "layer_norm_epsilon",
                   .activation = "activation_function"};
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_ASSIGN_OR_RETURN(c->scaled, config.Bool("scale_attn_weights", true));
  SAMARA_ASSIGN_OR_RETURN(c->by_layer, config.Bool("scale_attn_by_inverse_layer_idx", false));
  return Status();
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor qkv = b.TransposedLinear(x, "c_attn", 3 * c.hidden, /*bias=*/true);
  Tensor q = b.Columns(qkv, 0, c.hidden), k = b.Columns(qkv, c.hidden, c.hidden),
         v = b.Columns(qkv, 2 * c.hidden, c.hidden);
  AttentionSettings settings = c.Attention(layer);
  if (!c.scaled) settings.scale = 1;
  if (c.by_layer) settings.scale /= static_cast<double>(layer + 1);
  return b.TransposedLinear(b.Attention(q, k, v, settings), "c_proj", c.hidden, /*bias=*/true);
}

Tensor Mlp(Scope b, Tensor x, const Config& c) {
  x = b.Activate(b.TransposedLinear(x, "c_fc", c.intermediate, /*bias=*/true), c.activation);
  return b.TransposedLinear(x, "c_proj", c.hidden, /*bias=*/true);
}

}  // namespace

Status BuildGpt2(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  // Older checkpoints are of the model without its head, whose names begin lower.
  Scope root = builder->Root(), m = builder->Has("wte.weight") ? root : root.In("transformer");
  Tensor x =
      m.Add(m.Embedding("wte", c.vocab, c.hidden), m.PositionEmbedding("wpe", c.context, c.hidden));
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("h", i);
    x = l.Add(x, Attention(l.In("attn"), l.LayerNorm(x, "ln_1", c.eps), i, c));
    x = l.Add(x, Mlp(l.In("mlp"), l.LayerNorm(x, "ln_2", c.eps), c));
  }
  x = m.LayerNorm(builder->SelectOutputs(x), "ln_f", c.eps);
  FinishDecoder(root, m, x, c, builder, {.embedding = "wte"});
  builder->Drop("*.attn.bias", "the causal mask");
  builder->Drop("*.attn.masked_bias", "the causal mask");
  return Status();
}

}  // namespace samara
