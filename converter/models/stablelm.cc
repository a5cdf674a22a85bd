// StableLM: Llama with LayerNorm that rotates a part of each head; optionally with biases on q, k
// and v, normalized heads, and both blocks of a layer reading the same norm.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool qkv_bias = false, normed_heads = false, parallel = false;
};

Status Read(const Json& config, Config* c) {
  DecoderDefaults defaults = {
      .kv_heads = 32, .eps = 1e-5, .rope = {.rotated = 0.25, .may_be_partial = true}};
  defaults.keys.eps = "layer_norm_eps";
  defaults.keys.head_dim = nullptr;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_ASSIGN_OR_RETURN(c->qkv_bias, config.Bool("use_qkv_bias", false));
  SAMARA_ASSIGN_OR_RETURN(c->normed_heads, config.Bool("qk_layernorm", false));
  SAMARA_ASSIGN_OR_RETURN(c->parallel, config.Bool("use_parallel_residual", false));
  return Status();
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Linear(x, "q_proj", c.q_rows(), c.qkv_bias);
  Tensor k = b.Linear(x, "k_proj", c.kv_rows(), c.qkv_bias);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.qkv_bias);
  if (c.normed_heads) {
    q = b.LayerNormByHead(q, "q_layernorm.norms", c.eps, c.head_dim);
    k = b.LayerNormByHead(k, "k_layernorm.norms", c.eps, c.head_dim);
  }
  q = b.Rope(q, c.head_dim, c.rope);
  k = b.Rope(k, c.head_dim, c.rope);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden);
}

}  // namespace

Status BuildStableLm(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Embedding("embed_tokens", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    Tensor normed = l.LayerNorm(x, "input_layernorm", c.eps);
    x = l.Add(x, Attention(l.In("self_attn"), normed, i, c));
    if (!c.parallel) normed = l.LayerNorm(x, "post_attention_layernorm", c.eps);
    x = l.Add(x, GatedMlp(l.In("mlp"), normed, c));
  }
  x = m.LayerNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {});
  return Status();
}

}  // namespace samara
