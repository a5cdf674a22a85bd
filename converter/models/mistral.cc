// Mistral, Ministral and Ministral 3: Llama without biases; layers may attend to a sliding window
// only; the last of them makes scores grow with the position.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  double beta = 0;  // of the growth; 0: none
  int64_t length = 0;
};

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Rope(b.Linear(x, "q_proj", c.q_rows()), c.head_dim, c.rope);
  Tensor k = b.Rope(b.Linear(x, "k_proj", c.kv_rows()), c.head_dim, c.rope);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows());
  if (c.beta != 0) q = b.ScaleByPosition(q, c.beta, c.length);
  return b.Linear(b.Attention(q, k, v, c.Attention(layer)), "o_proj", c.hidden);
}

// The layers that layer_types tells, else all of them, have the window, if there is one.
Status ReadWindows(const Json& config, bool has_types, int64_t otherwise, Config* c) {
  const Json window = config.Find("sliding_window");
  const bool use = window.exists() ? !window.IsNull() : otherwise > 0;
  std::vector<bool> sliding(static_cast<size_t>(c->layers), use);
  if (has_types) SAMARA_RETURN_IF_ERROR(ReadLayerTypes(config, &sliding));
  return ReadWindow(config, otherwise, sliding, &c->windows);
}

Status Write(const Config& c, Scope root, Scope m, GraphBuilder* builder,
             uint64_t* trained_context) {
  *trained_context = static_cast<uint64_t>(c.context);
  Tensor x = m.Embedding("embed_tokens", c.vocab, c.hidden);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    x = l.Add(x, Attention(l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c));
    x = l.Add(x, GatedMlp(l.In("mlp"), l.RmsNorm(x, "post_attention_layernorm", c.eps), c));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {});
  return Status();
}

Status ReadMinistral3(const Json& config, Config* c) {
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(
      config,
      {.kv_heads = 8, .head_dim = 128, .eps = 1e-5, .rope = {.own_key = "llama_4_scaling_beta"}},
      c));
  SAMARA_RETURN_IF_ERROR(ReadWindows(config, /*has_types=*/false, 0, c));
  SAMARA_ASSIGN_OR_RETURN(const Json rope, config.RequireObject("rope_parameters"));
  SAMARA_ASSIGN_OR_RETURN(c->beta, rope.RequireNumber("llama_4_scaling_beta", 0, 1e6));
  SAMARA_ASSIGN_OR_RETURN(
      c->length, rope.Int("original_max_position_embeddings", c->context, 1, INT64_C(1) << 30));
  return Status();
}

Status ReadMistral(const Json& config, bool has_types, Config* c) {
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {.kv_heads = 8}, c));
  return ReadWindows(config, has_types, 4096, c);
}

}  // namespace

Status BuildMistral(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadMistral(config, /*has_types=*/false, &c));
  return Write(c, builder->Root(), builder->Root().In("model"), builder, trained_context);
}

Status BuildMinistral(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadMistral(config, /*has_types=*/true, &c));
  return Write(c, builder->Root(), builder->Root().In("model"), builder, trained_context);
}

Status BuildMinistral3(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadMinistral3(config, &c));
  return Write(c, builder->Root(), builder->Root().In("model"), builder, trained_context);
}

// Checkpoints that see: a Mistral or a Ministral 3 below a scope of its own.
Status BuildMistral3(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  const LanguageModel model = FindLanguageModel(config, builder);
  SAMARA_ASSIGN_OR_RETURN(const std::string_view type, model.config.RequireString("model_type"));
  Config c;
  if (type == "ministral3") {
    SAMARA_RETURN_IF_ERROR(ReadMinistral3(model.config, &c));
  } else if (type == "mistral") {
    SAMARA_RETURN_IF_ERROR(ReadMistral(model.config, /*has_types=*/false, &c));
  } else {
    return model.config.Find("model_type").Bad("mistral or ministral3");
  }
  SAMARA_RETURN_IF_ERROR(ReadTied(config, &c));
  return Write(c, model.root, model.scope, builder, trained_context);
}

}  // namespace samara
