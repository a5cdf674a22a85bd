// Granite 3, and Granite 4 without experts and recurrent layers: Llama with factors on embeddings,
// scores, residual sums and logits; the latter with gate and up in one matrix, and rarely positions.
#include "converter/models/decoder_config.h"
#include "converter/models/models.h"

namespace samara {
namespace {

struct Config : DecoderConfig {
  bool attention_bias = false, mlp_bias = false, rotates = true;
  double embedding = 1, attention = 1, residual = 1, logits = 1;
};

Status ReadFactors(const Json& config, Config* c) {
  SAMARA_ASSIGN_OR_RETURN(c->attention_bias, config.Bool("attention_bias", false));
  SAMARA_ASSIGN_OR_RETURN(c->embedding, config.Number("embedding_multiplier", 1, -1e9, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->attention, config.Number("attention_multiplier", 1, -1e9, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->residual, config.Number("residual_multiplier", 1, -1e9, 1e9));
  SAMARA_ASSIGN_OR_RETURN(c->logits, config.Number("logits_scaling", 1, 1e-9, 1e9));
  return Status();
}

// Models without positions exist in both forms.
Status ReadPositions(const Json& config, const char* otherwise, Config* c) {
  SAMARA_ASSIGN_OR_RETURN(const std::string_view positions,
                          config.String("position_embedding_type", otherwise));
  if (positions != "rope" && positions != "nope")
    return config.Find("position_embedding_type").Bad("rope or nope");
  c->rotates = positions == "rope";
  return Status();
}

// Of the hybrid code, models whose layers all attend and which have no experts.
Status ReadDenseHybrid(const Json& config, Config* c) {
  DecoderDefaults defaults;
  defaults.keys.intermediate = "shared_intermediate_size";
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, defaults, c));
  SAMARA_RETURN_IF_ERROR(ReadPositions(config, "nope", c));
  SAMARA_RETURN_IF_ERROR(config.RequireInt("num_local_experts", 0, 0).status());
  const char* key = config.Find("layer_types").exists() ? "layer_types" : "layers_block_type";
  SAMARA_ASSIGN_OR_RETURN(const Json types, config.RequireArray(key));
  if (types.size() != static_cast<uint64_t>(c->layers)) {
    return types.Bad(std::to_string(types.size()) + " entries",
                     std::to_string(c->layers) + ", one for each layer");
  }
  for (const Json type : types) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, type.String());
    if (name != "attention" && name != "full_attention")
      return type.Bad("attention: recurrent layers are not there yet");
  }
  return Status();
}

Tensor Attention(Scope b, Tensor x, int64_t layer, const Config& c) {  // x: [n_tokens, hidden]
  Tensor q = b.Linear(x, "q_proj", c.q_rows(), c.attention_bias);
  Tensor k = b.Linear(x, "k_proj", c.kv_rows(), c.attention_bias);
  Tensor v = b.Linear(x, "v_proj", c.kv_rows(), c.attention_bias);
  if (c.rotates) {
    q = b.Rope(q, c.head_dim, c.rope);
    k = b.Rope(k, c.head_dim, c.rope);
  }
  AttentionSettings settings = c.Attention(layer);
  settings.scale = c.attention;
  return b.Linear(b.Attention(q, k, v, settings), "o_proj", c.hidden, c.attention_bias);
}

Tensor SharedMlp(Scope b, Tensor x, const Config& c) {
  Tensor both = b.Linear(x, "input_linear", 2 * c.intermediate);
  Tensor gate = b.Columns(both, 0, c.intermediate);
  Tensor up = b.Columns(both, c.intermediate, c.intermediate);
  return b.Linear(b.Glu(gate, up, c.activation), "output_linear", c.hidden);
}

Status Write(const Config& c, bool hybrid, GraphBuilder* builder, uint64_t* trained_context) {
  *trained_context = static_cast<uint64_t>(c.context);
  Scope root = builder->Root(), m = root.In("model");
  Tensor x = m.Scale(m.Embedding("embed_tokens", c.vocab, c.hidden), c.embedding);
  for (int64_t i = 0; i < c.layers; ++i) {
    Scope l = m.In("layers", i);
    Tensor y = Attention(l.In("self_attn"), l.RmsNorm(x, "input_layernorm", c.eps), i, c);
    x = l.Add(x, l.Scale(y, c.residual));
    y = l.RmsNorm(x, "post_attention_layernorm", c.eps);
    y = hybrid ? SharedMlp(l.In("shared_mlp"), y, c) : GatedMlp(l.In("mlp"), y, c, c.mlp_bias);
    x = l.Add(x, l.Scale(y, c.residual));
  }
  x = m.RmsNorm(builder->SelectOutputs(x), "norm", c.eps);
  FinishDecoder(root, m, x, c, builder, {.scale = 1 / c.logits});
  return Status();
}

}  // namespace

Status BuildGranite(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadDecoderConfig(config, {}, &c));
  SAMARA_RETURN_IF_ERROR(ReadFactors(config, &c));
  SAMARA_RETURN_IF_ERROR(ReadPositions(config, "rope", &c));
  SAMARA_ASSIGN_OR_RETURN(c.mlp_bias, config.Bool("mlp_bias", false));
  return Write(c, /*hybrid=*/false, builder, trained_context);
}

Status BuildGraniteHybrid(const Json& config, GraphBuilder* builder, uint64_t* trained_context) {
  Config c;
  SAMARA_RETURN_IF_ERROR(ReadDenseHybrid(config, &c));
  SAMARA_RETURN_IF_ERROR(ReadFactors(config, &c));
  return Write(c, /*hybrid=*/true, builder, trained_context);
}

}  // namespace samara
