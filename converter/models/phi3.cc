// Phi-3, Phi-3.5 and Phi-4-mini: q, k and v in one matrix, gate and up in another; rotates a part of
// each head, by one of two sets of frequencies.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

Tensor Attention(Scope b, Tensor x, int64_t layer,
                 const DecoderConfig& c) {  // x: [n_tokens, hidden]
  Tensor qkv = b.Linear(x, "qkv_proj", c.q_rows() + 2 * c.kv_rows());
  Tensor q = b.Rope(b.Columns(qkv, 0, c.q_rows()), c.head_dim, c.rope);
  Tensor k = b.Rope(b.Columns(qkv, c.q_rows(), c.kv_rows()), c.head_dim, c.rope);
  Tensor v = b.Columns(qkv, c.q_rows() + c.kv_rows(), c.kv_rows());
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden);
}

Tensor Mlp(Scope b, Tensor x, const DecoderConfig& c) {
  Tensor both = b.Linear(x, "gate_up_proj", 2 * c.intermediate);
  Tensor gate = b.Columns(both, 0, c.intermediate);
  Tensor up = b.Columns(both, c.intermediate, c.intermediate);
  return b.Linear(b.Glu(gate, up, c.activation), "down_proj", c.hidden);
}

}  // namespace

Status BuildPhi3(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  // What some older checkpoints call yarn is longrope.
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    for (const char* name : {"type", "rope_type"}) {
      const Json type = config.Find(key).Find(name);
      if (const StatusOr<std::string_view> text = type.String(); text.ok() && *text == "yarn")
        return type.Bad("longrope, which this family means by it");
    }
  }
  DecoderConfig c;
  SAMARA_RETURN_IF_ERROR(
      ReadDecoderConfig(config, {.eps = 1e-5, .rope = {.may_be_partial = true}}, &c));
  const bool windowed = !config.Find("sliding_window").IsNull();
  SAMARA_RETURN_IF_ERROR(ReadWindow(
      config, 0, std::vector<bool>(static_cast<size_t>(c.layers), windowed), &c.windows));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Embedding("embed_tokens", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    x = l.Add(x, Attention(l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c));
    x = l.Add(x, Mlp(l.In("mlp"), l.RmsNorm(x, "post_attention_layernorm", c.eps), c));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {});
  return Status();
}

}  // namespace samara
