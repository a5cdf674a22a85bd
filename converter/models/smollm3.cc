// SmolLM3: Llama whose every fourth layer does not rotate.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false, mlp_bias = false;
  std::vector<bool> rotates;  // for each layer
};

Status Read(const Json& config, Config* c) {
  SAMARA_RETURN_IF_ERROR(
      ReadDecoderConfig(config, {.kv_heads = 4, .tied = true, .rope = {.theta = 2e6}}, c));
  SAMARA_ASSIGN_OR_RETURN(c->attention_bias, config.Bool("attention_bias", false));
  SAMARA_ASSIGN_OR_RETURN(c->mlp_bias, config.Bool("mlp_bias", false));
  SAMARA_ASSIGN_OR_RETURN(const int64_t interval, config.Int("no_rope_layer_interval", 4, 1, 4096));
  for (int64_t i = 0; i < c->layers; ++i) c->rotates.push_back((i + 1) % interval != 0);
  if (const Json layers = config.Find("no_rope_layers"); !layers.IsNull()) {  // 1: rotates
    SAMARA_RETURN_IF_ERROR(layers.WantArray());
    if (layers.size() != c->rotates.size()) {
      return layers.Bad(std::to_string(layers.size()) + " entries",
                        std::to_string(c->layers) + ", one for each layer");
    }
    size_t i = 0;
    for (const Json item : layers) {
      SAMARA_ASSIGN_OR_RETURN(const int64_t rotates, item.Int(0, 1));
      c->rotates[i++] = rotates != 0;
    }
  }
  SAMARA_ASSIGN_OR_RETURN(const bool use, config.Bool("use_sliding_window", false));
  std::vector<bool> sliding(static_cast<size_t>(c->layers), false);
  for (size_t i = 0; i < sliding.size(); ++i)
    sliding[i] = use && !config.Find("sliding_window").IsNull() && !c->rotates[i];
  SAMARA_RETURN_IF_ERROR(ReadLayerTypes(config, &sliding));
  return ReadWindow(config, 0, sliding, &c->windows);
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Linear(x, "q_proj", c.q_rows(), c.attention_bias);
  Tensor k = b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  if (c.rotates[static_cast<size_t>(layer)]) {
    q = b.Rope(q, c.head_dim, c.rope);
    k = b.Rope(k, c.head_dim, c.rope);
  }
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden, c.attention_bias);
}

}  // namespace

Status BuildSmolLm3(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(Read(config, &c));
  *trained_context = static_cast<uint64_t>(c.context);

  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Embedding("embed_tokens", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    x = l.Add(x, Attention(l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c));
    Tensor y = l.RmsNorm(x, "post_attention_layernorm", c.eps);
    x = l.Add(x, GatedMlp(l.In("mlp"), y, c, c.mlp_bias));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {});
  return Status();
}

}  // namespace samara
