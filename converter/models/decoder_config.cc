#include "converter/models/decoder_config.h"

#include <cmath>

namespace samara {
namespace {

// Far above every model, low enough that no product of two overflows anything.
constexpr int64_t kMaxVocab = 1 << 24, kMaxLayers = 4096, kMaxContext = 1 << 30;

Status ReadActivation(const Json& config, const char* key, const char* otherwise, Activation* out) {
  SAMARA_ASSIGN_OR_RETURN(const std::string_view name, config.String(key, otherwise));
  if (name == "silu" || name == "swish") {
    *out = Activation::kSilu;
  } else if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast" ||
             name == "gelu_python_tanh" || name == "gelu_accurate") {
    *out = Activation::kGeluTanh;
  } else if (name == "gelu" || name == "gelu_python") {
    *out = Activation::kGeluErf;
  } else if (name == "relu") {
    *out = Activation::kRelu;
  } else {
    return config.Find(key).Bad("silu, gelu, gelu_pytorch_tanh or relu");
  }
  return Status();
}

// A size that the family may have a default for.
StatusOr<int64_t> Size(const Json& config, const char* key, int64_t otherwise, int64_t max) {
  if (otherwise > 0) return config.Int(key, otherwise, 1, max);
  return config.RequireInt(key, 1, max);
}

}  // namespace

AttentionSettings DecoderConfig::Attention(int64_t layer) const {
  AttentionSettings settings;
  settings.heads = heads;
  settings.kv_heads = kv_heads;
  settings.key_dim = settings.value_dim = head_dim;
  settings.scale = 1 / std::sqrt(static_cast<double>(head_dim));
  settings.window = windows[static_cast<size_t>(layer)];
  return settings;
}

Status ReadLayerWindows(const Json& config, int64_t layers, std::vector<uint64_t>* windows) {
  windows->assign(static_cast<size_t>(layers), 0);
  SAMARA_ASSIGN_OR_RETURN(const bool use, config.Bool("use_sliding_window", false));
  int64_t window = 0;
  if (use && !(config.Find("sliding_window").exists() && config.Find("sliding_window").IsNull())) {
    SAMARA_ASSIGN_OR_RETURN(window, config.Int("sliding_window", 4096, 1, kMaxWindow));
  }
  std::vector<bool> sliding(static_cast<size_t>(layers), false);
  if (config.Find("layer_types").IsNull()) {
    SAMARA_ASSIGN_OR_RETURN(const int64_t full, config.Int("max_window_layers", 28, 0, INT64_MAX));
    for (int64_t i = full; i < layers; ++i) sliding[static_cast<size_t>(i)] = true;
  } else {
    SAMARA_RETURN_IF_ERROR(ReadLayerTypes(config, &sliding));
    for (const bool slides : sliding) {
      if (slides && window == 0) {
        return config.Find("layer_types")
            .Bad("sliding_attention",
                 "full_attention only, as use_sliding_window or sliding_window is off");
      }
    }
  }
  for (size_t i = 0; i < sliding.size(); ++i)
    (*windows)[i] = sliding[i] ? static_cast<uint64_t>(window) : 0;
  return Status();
}

Status ReadLayerTypes(const Json& config, std::vector<bool>* sliding) {
  const Json types = config.Find("layer_types");
  if (types.IsNull()) return Status();
  SAMARA_RETURN_IF_ERROR(types.WantArray());
  if (types.size() != sliding->size()) {
    return types.Bad(std::to_string(types.size()) + " entries",
                     std::to_string(sliding->size()) + ", one for each layer");
  }
  size_t i = 0;
  for (const Json type : types) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, type.String());
    if (name != "sliding_attention" && name != "full_attention")
      return type.Bad("full_attention or sliding_attention");
    (*sliding)[i++] = name == "sliding_attention";
  }
  return Status();
}

Status ReadWindow(const Json& config, int64_t otherwise, const std::vector<bool>& sliding,
                  std::vector<uint64_t>* windows) {
  windows->assign(sliding.size(), 0);
  int64_t window = 0;
  for (size_t i = 0; i < sliding.size(); ++i) {
    if (!sliding[i]) continue;
    const bool null = config.Find("sliding_window").exists() && otherwise > 0 &&
                      config.Find("sliding_window").IsNull();
    if (null) return config.Find("sliding_window").Bad("a number, as there are sliding layers");
    SAMARA_ASSIGN_OR_RETURN(window, Size(config, "sliding_window", otherwise, kMaxWindow));
    (*windows)[i] = static_cast<uint64_t>(window);
  }
  return Status();
}

Tensor GatedMlp(Scope b, Tensor x, const DecoderConfig& c, bool bias) {  // x: [n_tokens, hidden]
  Tensor gate = b.Linear(x, "gate_proj", c.intermediate, bias);
  Tensor up = b.Linear(x, "up_proj", c.intermediate, bias);
  return b.Linear(b.Glu(gate, up, c.activation), "down_proj", c.hidden, bias);
}

LanguageModel FindLanguageModel(const Json& config, GraphBuilder* builder) {
  LanguageModel model = {config.Find("text_config"), builder->Root(), builder->Root().In("model")};
  if (!model.config.exists()) {
    model.config = config;
    return model;
  }
  if (builder->Has("language_model.model.embed_tokens.weight")) {
    model.root = model.root.In("language_model");
    model.scope = model.root.In("model");
  } else {
    model.scope = model.scope.In("language_model");
  }
  for (const char* part : {"vision_tower.*", "multi_modal_projector.*", "embed_vision.*"}) {
    builder->Drop(part, "vision; the package reads text");
    builder->Drop(std::string("model.") + part, "vision; the package reads text");
  }
  for (const char* part : {"model.audio_tower.*", "model.embed_audio.*"})
    builder->Drop(part, "hearing; the package reads text");
  return model;
}

Status ReadTied(const Json& config, DecoderConfig* c) {
  SAMARA_ASSIGN_OR_RETURN(c->tied, config.Bool("tie_word_embeddings", c->tied));
  return Status();
}

void FinishDecoder(Scope root, Scope m, Tensor x, const DecoderConfig& c, GraphBuilder* builder,
                   const Head& head) {
  builder->SetHidden(x);
  // Scaling what goes in is less work than scaling every logit.
  x = m.Scale(x, head.softcap > 0 ? head.scale / head.softcap : head.scale);
  x = c.tied ? m.TiedLinear(x, head.embedding, c.vocab) : root.Linear(x, head.output, c.vocab);
  builder->SetLogits(head.softcap > 0 ? root.Softcap(x, head.softcap) : x);
  builder->Drop("*.rotary_emb.inv_freq", "recomputed from config.json");
  if (c.tied) builder->Drop(root.In(head.output).path() + ".weight", "tied to the embedding");
}

Status ReadDecoderConfig(const Json& config, const DecoderDefaults& d, DecoderConfig* out) {
  const auto& keys = d.keys;
  SAMARA_ASSIGN_OR_RETURN(out->vocab, Size(config, "vocab_size", d.vocab, kMaxVocab));
  SAMARA_ASSIGN_OR_RETURN(out->hidden, Size(config, keys.hidden, d.hidden, kMaxWidth));
  const int64_t intermediate = d.intermediate < 0 ? -d.intermediate * out->hidden : d.intermediate;
  SAMARA_ASSIGN_OR_RETURN(out->intermediate,
                          Size(config, keys.intermediate, intermediate, 16 * kMaxWidth));
  SAMARA_ASSIGN_OR_RETURN(out->layers, Size(config, keys.layers, d.layers, kMaxLayers));
  SAMARA_ASSIGN_OR_RETURN(out->heads, Size(config, keys.heads, d.heads, kMaxHeads));
  out->kv_heads = out->heads;
  if (keys.kv_heads != nullptr) {
    // An explicit null means "as many as heads" in every family; an absent key means the family's
    // default.
    const bool absent = !config.Find(keys.kv_heads).exists();
    const int64_t kv_heads = absent && d.kv_heads > 0 ? d.kv_heads : out->heads;
    SAMARA_ASSIGN_OR_RETURN(out->kv_heads, config.Int(keys.kv_heads, kv_heads, 1, out->heads));
  }
  if (out->kv_heads > out->heads || out->heads % out->kv_heads != 0) {
    return config.Bad(std::to_string(out->heads) + " attention heads over " +
                          std::to_string(out->kv_heads) + " key/value heads",
                      "num_key_value_heads to divide num_attention_heads");
  }
  const Json head_dim = keys.head_dim != nullptr ? config.Find(keys.head_dim) : Json();
  out->head_dim = d.head_dim;
  if (head_dim.IsNull() && d.head_dim == 0) {
    if (out->hidden % out->heads != 0)
      return config.Find(keys.heads).Bad("a divisor of hidden_size " + std::to_string(out->hidden));
    out->head_dim = out->hidden / out->heads;
  }
  if (keys.head_dim != nullptr) {
    SAMARA_ASSIGN_OR_RETURN(out->head_dim,
                            config.Int(keys.head_dim, out->head_dim, 1, kMaxHeadDim));
  }
  if (out->head_dim % 2 != 0 || out->head_dim > kMaxHeadDim) {
    return config.Bad("a head_dim of " + std::to_string(out->head_dim),
                      "an even one of at most " + std::to_string(kMaxHeadDim) + " (rotary pairs)");
  }
  SAMARA_ASSIGN_OR_RETURN(out->context, Size(config, keys.context, d.context, kMaxContext));
  SAMARA_ASSIGN_OR_RETURN(out->eps, config.Number(keys.eps, d.eps, 1e-30, 1));
  SAMARA_ASSIGN_OR_RETURN(out->tied, config.Bool("tie_word_embeddings", d.tied));
  SAMARA_RETURN_IF_ERROR(ReadActivation(config, keys.activation, d.activation, &out->activation));
  if (d.has_rope)
    SAMARA_RETURN_IF_ERROR(ReadRope(config, d.rope, out->head_dim, out->context, &out->rope));
  out->windows.assign(static_cast<size_t>(out->layers), 0);
  return Status();
}

}  // namespace samara
