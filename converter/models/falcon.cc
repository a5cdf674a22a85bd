// Falcon: LayerNorm, an MLP without a gate, mostly in parallel with attention; q, k and v lie in one
// matrix, in one of three orders.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool grouped = false;  // new_decoder_architecture: queries beside the key and value they share
  bool parallel = true, two_norms = false, bias = false;
};

Status Read(const Json& config, Config* c) {
  DecoderDefaults defaults = {.intermediate = -4, .eps = 1e-5, .tied = true, .activation = "gelu"};
  defaults.context = 2048;
  defaults.keys.intermediate = "ffn_hidden_size";
  defaults.keys.kv_heads = defaults.keys.head_dim = nullptr;
  defaults.keys.eps = "layer_norm_epsilon";
  defaults.keys.activation = "activation";
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_ASSIGN_OR_RETURN(c->grouped, config.Bool("new_decoder_architecture", false));
  SAMARA_ASSIGN_OR_RETURN(c->parallel, config.Bool("parallel_attn", true));
  SAMARA_ASSIGN_OR_RETURN(c->bias, config.Bool("bias", false));
  SAMARA_ASSIGN_OR_RETURN(const bool multi_query, config.Bool("multi_query", true));
  SAMARA_ASSIGN_OR_RETURN(const int64_t kv_heads,
                          config.Int("num_kv_heads", c->heads, 1, c->heads));
  SAMARA_ASSIGN_OR_RETURN(const int64_t norms,
                          config.Int("num_ln_in_parallel_attn", c->grouped ? 2 : 1, 1, 2));
  if (c->grouped) {
    c->kv_heads = kv_heads;
    if (c->heads % kv_heads != 0) return config.Find("num_kv_heads").Bad("a divisor of the heads");
    if (!c->parallel) return config.Find("parallel_attn").Bad("true with new_decoder_architecture");
  } else {
    c->kv_heads = multi_query ? 1 : c->heads;
    if (norms == 2) {
      return config.Find("num_ln_in_parallel_attn").Bad("1 without new_decoder_architecture");
    }
  }
  c->two_norms = norms == 2;
  return Status();
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  // One run of rows for each K/V head: its queries, its key, its value.
  const int64_t d = c.head_dim, queries = c.heads / c.kv_heads * d, run = queries + 2 * d;
  const auto part = [&](const char* name, int64_t first, int64_t count) {
    return b.LinearRows(x, "query_key_value", name, run * c.kv_heads,
                        Strided(first, count, run, c.kv_heads), c.bias);
  };
  Tensor q = b.Rope(part("q", 0, queries), d, c.rope), k = b.Rope(part("k", queries, d), d, c.rope);
  Tensor v = part("v", queries + d, d);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "dense", c.hidden, c.bias);
}

Tensor Mlp(Scope b, Tensor x, const Config& c) {
  x = b.Activate(b.Linear(x, "dense_h_to_4h", c.intermediate, c.bias), c.activation);
  return b.Linear(x, "dense_4h_to_h", c.hidden, c.bias);
}

}  // namespace

Status BuildFalcon(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("transformer");
  Tensor x = m.Embedding("word_embeddings", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("h", i);
    Tensor normed = l.LayerNorm(x, c.two_norms ? "ln_attn" : "input_layernorm", c.eps);
    Tensor sum = l.Add(x, Attention(l.In("self_attention"), normed, i, c));
    if (c.two_norms) normed = l.LayerNorm(x, "ln_mlp", c.eps);
    if (!c.parallel) normed = l.LayerNorm(sum, "post_attention_layernorm", c.eps);
    x = l.Add(sum, Mlp(l.In("mlp"), normed, c));
  }
  x = m.LayerNorm(builder->SelectOutputs(x), "ln_f", c.eps);
  FinishDecoder(root, m, x, c, builder, {.embedding = "word_embeddings"});
  return Status();
}

}  // namespace samara
