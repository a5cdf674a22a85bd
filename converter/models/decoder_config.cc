#include "converter/models/decoder_config.h"

#include <cmath>

namespace samara {
namespace {

// Far above every model, low enough that no product of two overflows anything.
constexpr int64_t kMaxVocab = 1 << 24, kMaxWidth = 1 << 20, kMaxLayers = 4096;
constexpr int64_t kMaxHeads = 1 << 12, kMaxHeadDim = 1 << 12, kMaxContext = 1 << 30;
constexpr double kPi = 3.14159265358979323846;

Status ReadActivation(const Json& config, Activation* out) {
  SAMARA_ASSIGN_OR_RETURN(const std::string_view name, config.String("hidden_act", "silu"));
  if (name == "silu" || name == "swish") {
    *out = Activation::kSilu;
  } else if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") {
    *out = Activation::kGeluTanh;
  } else if (name == "gelu") {
    *out = Activation::kGeluErf;
  } else if (name == "relu") {
    *out = Activation::kRelu;
  } else {
    return config.Find("hidden_act").Bad("silu, gelu, gelu_pytorch_tanh or relu");
  }
  return Status();
}

// 1 / theta^(2i / rotated) in binary32 with one rounding a step.
std::vector<float> DefaultFrequencies(double theta, int64_t rotated) {
  std::vector<float> inv_freq;
  for (int64_t i = 0; i < rotated; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(rotated);
    const auto power = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    inv_freq.push_back(1.0f / power);
  }
  return inv_freq;
}

// Long wavelengths are divided by factor, short ones kept, those between blended. The order of the
// binary32 operations is that of the family's own code.
Status ScaleLlama3(const Json& scaling, int64_t context, std::vector<float>* inv_freq) {
  SAMARA_ASSIGN_OR_RETURN(const double factor_value, scaling.RequireNumber("factor", 1, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const double low, scaling.RequireNumber("low_freq_factor", 1e-6, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const double high, scaling.RequireNumber("high_freq_factor", 1e-6, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const int64_t original,
                          scaling.Int("original_max_position_embeddings", context, 1, kMaxContext));
  if (high <= low) return scaling.Find("high_freq_factor").Bad("more than low_freq_factor");
  const auto factor = static_cast<float>(factor_value);
  const auto old_context = static_cast<float>(original);
  const auto longest = static_cast<float>(static_cast<double>(original) / low);
  const auto shortest = static_cast<float>(static_cast<double>(original) / high);
  for (float& f : *inv_freq) {
    const float wavelength = static_cast<float>(2 * kPi) / f;
    if (wavelength > longest) {
      f = f / factor;
    } else if (wavelength >= shortest) {
      const float smooth =
          (old_context / wavelength - static_cast<float>(low)) / static_cast<float>(high - low);
      const float divided = (1.0f - smooth) * f / factor;
      f = divided + smooth * f;
    }
  }
  return Status();
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

Status ReadRope(const Json& config, int64_t rotated, int64_t context, RopeSettings* out) {
  // Older checkpoints: rope_theta and rope_scaling; newer ones: all in rope_parameters.
  Json parameters = config.Find("rope_scaling");
  if (parameters.IsNull()) parameters = config.Find("rope_parameters");
  std::string_view type = "default";
  double theta = 10000;
  SAMARA_ASSIGN_OR_RETURN(theta, config.Number("rope_theta", theta, 1e-3, 1e15));
  if (!parameters.IsNull()) {
    SAMARA_RETURN_IF_ERROR(parameters.WantObject());
    for (const Json field : parameters) {
      if (field.IsObject()) return field.Bad("one set of rope parameters for all layers");
    }
    SAMARA_ASSIGN_OR_RETURN(theta, parameters.Number("rope_theta", theta, 1e-3, 1e15));
    SAMARA_ASSIGN_OR_RETURN(type, parameters.String("type", type));
    SAMARA_ASSIGN_OR_RETURN(type, parameters.String("rope_type", type));
  }
  for (const Json& from : {config, parameters}) {
    SAMARA_ASSIGN_OR_RETURN(const double partial, from.Number("partial_rotary_factor", 1, 0, 1));
    if (partial != 1)
      return from.Find("partial_rotary_factor").Bad("1: this family rotates whole heads");
  }
  out->inv_freq = DefaultFrequencies(theta, rotated);
  if (type == "default") {
    return Status();
  } else if (type == "linear") {
    SAMARA_ASSIGN_OR_RETURN(const double factor, parameters.RequireNumber("factor", 1e-6, 1e6));
    for (float& f : out->inv_freq) f = f / static_cast<float>(factor);
    return Status();
  } else if (type == "llama3") {
    return ScaleLlama3(parameters, context, &out->inv_freq);
  }
  return Unsupported("%s: field %s: got the rope type %s, wanted default, linear or llama3",
                     config.file().c_str(), parameters.Path().c_str(), Quoted(type).c_str());
}

Status ReadLayerWindows(const Json& config, int64_t layers, std::vector<uint64_t>* windows) {
  windows->assign(static_cast<size_t>(layers), 0);
  SAMARA_ASSIGN_OR_RETURN(const bool use, config.Bool("use_sliding_window", false));
  int64_t window = 0;
  if (use && !(config.Find("sliding_window").exists() && config.Find("sliding_window").IsNull())) {
    SAMARA_ASSIGN_OR_RETURN(window, config.Int("sliding_window", 4096, 1, kMaxWindow));
  }
  const Json types = config.Find("layer_types");
  if (types.IsNull()) {
    SAMARA_ASSIGN_OR_RETURN(const int64_t full, config.Int("max_window_layers", 28, 0, INT64_MAX));
    for (int64_t i = full; i < layers; ++i)
      (*windows)[static_cast<size_t>(i)] = static_cast<uint64_t>(window);
    return Status();
  }
  SAMARA_RETURN_IF_ERROR(types.WantArray());
  if (types.size() != static_cast<uint64_t>(layers)) {
    return types.Bad(std::to_string(types.size()) + " entries",
                     std::to_string(layers) + ", one for each layer");
  }
  size_t i = 0;
  for (const Json type : types) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, type.String());
    if (name == "sliding_attention") {
      if (window == 0)
        return type.Bad("full_attention, as use_sliding_window or sliding_window is off");
      (*windows)[i] = static_cast<uint64_t>(window);
    } else if (name != "full_attention") {
      return type.Bad("full_attention or sliding_attention");
    }
    ++i;
  }
  return Status();
}

Status ReadDecoderConfig(const Json& config, const DecoderDefaults& defaults, DecoderConfig* out) {
  SAMARA_ASSIGN_OR_RETURN(out->vocab, config.RequireInt("vocab_size", 1, kMaxVocab));
  SAMARA_ASSIGN_OR_RETURN(out->hidden, config.RequireInt("hidden_size", 1, kMaxWidth));
  SAMARA_ASSIGN_OR_RETURN(out->intermediate, config.RequireInt("intermediate_size", 1, kMaxWidth));
  SAMARA_ASSIGN_OR_RETURN(out->layers, config.RequireInt("num_hidden_layers", 1, kMaxLayers));
  SAMARA_ASSIGN_OR_RETURN(out->heads, config.RequireInt("num_attention_heads", 1, kMaxHeads));
  // An explicit null means "as many as heads" in every family; an absent key means the family's
  // default.
  const bool absent = !config.Find("num_key_value_heads").exists();
  const int64_t kv_heads = absent && defaults.kv_heads > 0 ? defaults.kv_heads : out->heads;
  SAMARA_ASSIGN_OR_RETURN(out->kv_heads,
                          config.Int("num_key_value_heads", kv_heads, 1, out->heads));
  if (out->kv_heads > out->heads || out->heads % out->kv_heads != 0) {
    return config.Bad(std::to_string(out->heads) + " attention heads over " +
                          std::to_string(out->kv_heads) + " key/value heads",
                      "num_key_value_heads to divide num_attention_heads");
  }
  const Json head_dim = config.Find("head_dim");
  if (head_dim.IsNull() && defaults.head_dim == 0) {
    if (out->hidden % out->heads != 0) {
      return config.Find("num_attention_heads")
          .Bad("a divisor of hidden_size " + std::to_string(out->hidden));
    }
    out->head_dim = out->hidden / out->heads;
  }
  SAMARA_ASSIGN_OR_RETURN(
      out->head_dim, config.Int("head_dim", out->head_dim > 0 ? out->head_dim : defaults.head_dim,
                                1, kMaxHeadDim));
  if (out->head_dim % 2 != 0 || out->head_dim > kMaxHeadDim) {
    return config.Bad("a head_dim of " + std::to_string(out->head_dim),
                      "an even one of at most " + std::to_string(kMaxHeadDim) + " (rotary pairs)");
  }
  SAMARA_ASSIGN_OR_RETURN(out->context,
                          config.RequireInt("max_position_embeddings", 1, kMaxContext));
  SAMARA_ASSIGN_OR_RETURN(out->eps, config.Number("rms_norm_eps", out->eps, 1e-30, 1));
  SAMARA_ASSIGN_OR_RETURN(out->tied, config.Bool("tie_word_embeddings", false));
  SAMARA_RETURN_IF_ERROR(ReadActivation(config, &out->activation));
  SAMARA_RETURN_IF_ERROR(ReadRope(config, out->head_dim, out->context, &out->rope));
  out->windows.assign(static_cast<size_t>(out->layers), 0);
  return Status();
}

}  // namespace samara
