// GPT-NeoX, Pythia: LayerNorm, biases, an MLP without a gate; both blocks of a layer read the same
// sum; a matrix holds q, k and v of one head after the other.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = true, parallel = true;
};

Status Read(const Json& config, Config* c) {
  DecoderDefaults defaults = {.eps = 1e-5,
                              .activation = "gelu",
                              .rope = {.rotated = 0.25,
                                       .may_be_partial = true,
                                       .theta_key = "rotary_emb_base",
                                       .rotated_key = "rotary_pct"}};
  defaults.keys.eps = "layer_norm_eps";
  defaults.keys.kv_heads = defaults.keys.head_dim = nullptr;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_ASSIGN_OR_RETURN(c->attention_bias, config.Bool("attention_bias", true));
  SAMARA_ASSIGN_OR_RETURN(c->parallel, config.Bool("use_parallel_residual", true));
  return Status();
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  const int64_t d = c.head_dim;
  const auto part = [&](const char* name, int64_t number) {
    return b.LinearRows(x, "query_key_value", name, 3 * c.hidden,
                        Strided(number * d, d, 3 * d, c.heads), c.attention_bias);
  };
  Tensor q = b.Rope(part("q", 0), d, c.rope), k = b.Rope(part("k", 1), d, c.rope), v = part("v", 2);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "dense", c.hidden, c.attention_bias);
}

Tensor Mlp(Scope b, Tensor x, const Config& c) {
  x = b.Activate(b.Linear(x, "dense_h_to_4h", c.intermediate, /*bias=*/true), c.activation);
  return b.Linear(x, "dense_4h_to_h", c.hidden, /*bias=*/true);
}

}  // namespace

Status BuildGptNeoX(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("gpt_neox");
  Tensor x = m.Embedding("embed_in", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    Tensor sum =
        l.Add(x, Attention(l.In("attention"), l.LayerNorm(x, "input_layernorm", c.eps), i, c));
    Tensor normed = l.LayerNorm(c.parallel ? x : sum, "post_attention_layernorm", c.eps);
    x = l.Add(sum, Mlp(l.In("mlp"), normed, c));
  }
  x = m.LayerNorm(builder->SelectOutputs(x), "final_layer_norm", c.eps);
  // Checkpoints call the head by one of two names.
  const char* head = builder->Has("lm_head.weight") ? "lm_head" : "embed_out";
  FinishDecoder(root, m, x, c, builder, {.embedding = "embed_in", .output = head});
  builder->Drop("*.attention.bias", "the causal mask");
  builder->Drop("*.attention.masked_bias", "the causal mask");
  return Status();
}

}  // namespace samara
