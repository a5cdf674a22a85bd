// Mistral and Ministral: Llama without biases; every layer may attend to a sliding window only.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

Tensor Attention(Scope b, Tensor x, int64_t layer,
                 const DecoderConfig& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Rope(b.Linear(x, "q_proj", c.q_rows()), c.head_dim, c.rope);
  Tensor k = b.Rope(b.Linear(x, "k_proj", c.kv_rows()), c.head_dim, c.rope);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows());
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden);
}

Tensor Mlp(Scope b, Tensor x, const DecoderConfig& c) {
  Tensor gate = b.Linear(x, "gate_proj", c.intermediate),
         up = b.Linear(x, "up_proj", c.intermediate);
  return b.Linear(b.Glu(gate, up, c.activation), "down_proj", c.hidden);
}

}  // namespace

Status BuildMistral(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  DecoderConfig c;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {.kv_heads = 8}, &c));
  // Absent means 4096 here; null means no window.
  if (const Json window = config.Find("sliding_window"); !window.exists() || !window.IsNull()) {
    SAMARA_ASSIGN_OR_RETURN(const int64_t size, config.Int("sliding_window", 4096, 1, kMaxWindow));
    c.windows.assign(c.windows.size(), static_cast<uint64_t>(size));
  }
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
