#include "converter/models/rope.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <vector>

namespace samara {
namespace {

constexpr int64_t kMaxContext = 1 << 30;
constexpr double kPi = 3.14159265358979323846;

// One set of parameters: where it stands and what was read of it. Computations are in binary32
// with one rounding a step, in the order of the families' own code.
struct Reader {
  const Json& config;
  const Json& parameters;
  double theta;
  int64_t rotated;  // dimensions
  int64_t head_dim;
  int64_t context;

  std::vector<float> Powers(int64_t over) const;  // theta^(2i / over)
  StatusOr<int64_t> OriginalContext() const;
  Status Linear(RopeSettings* out) const;
  Status Dynamic(RopeSettings* out) const;
  Status Llama3(RopeSettings* out) const;
  Status Yarn(RopeSettings* out) const;
  Status LongRope(RopeSettings* out) const;
  Status Proportional(RopeSettings* out) const;
};

std::vector<float> Reader::Powers(int64_t over) const {
  std::vector<float> powers;
  for (int64_t i = 0; i < rotated; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(over);
    powers.push_back(static_cast<float>(std::pow(theta, static_cast<double>(exponent))));
  }
  return powers;
}

std::vector<float> Inverse(std::vector<float> powers) {
  for (float& p : powers) p = 1.0f / p;
  return powers;
}

// The trained context before it was extended: of config.json itself, else of the parameters.
StatusOr<int64_t> Reader::OriginalContext() const {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (!config.Find(kKey).IsNull()) return config.RequireInt(kKey, 1, kMaxContext);
  return parameters.Int(kKey, context, 1, kMaxContext);
}

Status Reader::Linear(RopeSettings* out) const {
  SAMARA_ASSIGN_OR_RETURN(const double factor, parameters.RequireNumber("factor", 1e-6, 1e6));
  for (float& f : out->inv_freq) f = f / static_cast<float>(factor);
  return Status();
}

// Within the trained context the frequencies are the default ones. Beyond it they would follow the
// text's length, and what was cached before would no longer fit; so there is no beyond.
Status Reader::Dynamic(RopeSettings* out) const {
  SAMARA_RETURN_IF_ERROR(parameters.RequireNumber("factor", 1e-6, 1e6).status());
  out->max_context = context;
  return Status();
}

// Long wavelengths are divided by factor, short ones kept, those between blended.
Status Reader::Llama3(RopeSettings* out) const {
  SAMARA_ASSIGN_OR_RETURN(const double factor_value, parameters.RequireNumber("factor", 1, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const double low, parameters.RequireNumber("low_freq_factor", 1e-6, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const double high,
                          parameters.RequireNumber("high_freq_factor", 1e-6, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const int64_t original, OriginalContext());
  if (high <= low) return parameters.Find("high_freq_factor").Bad("more than low_freq_factor");
  const auto factor = static_cast<float>(factor_value);
  const auto old_context = static_cast<float>(original);
  const auto longest = static_cast<float>(static_cast<double>(original) / low);
  const auto shortest = static_cast<float>(static_cast<double>(original) / high);
  for (float& f : out->inv_freq) {
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

double YarnScale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

// Frequencies that turn often within the trained context are kept, those that turn less than once
// divided by factor, those between blended along a ramp over their number.
Status Reader::Yarn(RopeSettings* out) const {
  SAMARA_ASSIGN_OR_RETURN(const int64_t original, OriginalContext());
  const double ratio = static_cast<double>(context) / static_cast<double>(original);
  SAMARA_ASSIGN_OR_RETURN(const double factor, parameters.Number("factor", ratio, 1e-6, 1e6));
  SAMARA_ASSIGN_OR_RETURN(double fast, parameters.Number("beta_fast", 32, 0, 1e6));
  SAMARA_ASSIGN_OR_RETURN(double slow, parameters.Number("beta_slow", 1, 0, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const double mscale, parameters.Number("mscale", 0, 0, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const double mscale_all, parameters.Number("mscale_all_dim", 0, 0, 1e6));
  SAMARA_ASSIGN_OR_RETURN(const bool truncate, parameters.Bool("truncate", true));
  if (theta <= 1)
    return config.Bad("a rope_theta of 1 or less", "more, as yarn takes its logarithm");
  if (fast == 0) fast = 32;
  if (slow == 0) slow = 1;
  const bool both = mscale != 0 && mscale_all != 0;
  SAMARA_ASSIGN_OR_RETURN(out->factor, parameters.Number("attention_factor",
                                                         both ? YarnScale(factor, mscale) /
                                                                    YarnScale(factor, mscale_all)
                                                              : YarnScale(factor, 1),
                                                         0, 1e6));
  const auto dim = static_cast<double>(rotated);
  const auto dimension = [&](double turns) {
    return dim * std::log(static_cast<double>(original) / (turns * 2 * kPi)) /
           (2 * std::log(theta));
  };
  double low = dimension(fast), high = dimension(slow);
  if (truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  const std::vector<float> powers = Powers(rotated);
  for (size_t i = 0; i < powers.size(); ++i) {
    const float kept = 1.0f / powers[i], divided = 1.0f / (static_cast<float>(factor) * powers[i]);
    const float ramp = std::clamp(
        (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f,
        1.0f);
    const float share = 1.0f - ramp;
    const float blended = divided * (1.0f - share);
    out->inv_freq[i] = blended + kept * share;
  }
  return Status();
}

// Each frequency has a divisor of its own, from one of two lists.
Status Reader::LongRope(RopeSettings* out) const {
  SAMARA_ASSIGN_OR_RETURN(const int64_t original, OriginalContext());
  const double ratio = static_cast<double>(context) / static_cast<double>(original);
  SAMARA_ASSIGN_OR_RETURN(const double factor, parameters.Number("factor", ratio, 1e-6, 1e6));
  if (original == 1 && factor > 1) {
    return parameters.Bad("an original context of 1", "more, as longrope divides by its logarithm");
  }
  const double scale =
      factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original)));
  SAMARA_ASSIGN_OR_RETURN(out->factor, parameters.Number("attention_factor", scale, 0, 1e6));
  const auto read = [&](const char* key, std::vector<float>* inv_freq) -> Status {
    SAMARA_ASSIGN_OR_RETURN(const Json list, parameters.RequireArray(key));
    const std::vector<float> powers = Powers(rotated);
    if (list.size() != powers.size()) {
      return list.Bad(std::to_string(list.size()) + " numbers",
                      std::to_string(powers.size()) + ", one for each pair of dimensions");
    }
    inv_freq->clear();
    for (const Json item : list) {
      SAMARA_ASSIGN_OR_RETURN(const double divisor, item.Number(1e-6, 1e6));
      inv_freq->push_back(1.0f / (static_cast<float>(divisor) * powers[inv_freq->size()]));
    }
    return Status();
  };
  out->long_from = original;
  SAMARA_RETURN_IF_ERROR(read("short_factor", &out->inv_freq));
  SAMARA_RETURN_IF_ERROR(read("long_factor", &out->long_inv_freq));
  if (out->long_inv_freq == out->inv_freq) {  // nothing takes over
    out->long_inv_freq.clear();
    out->long_from = 0;
  }
  return Status();
}

// Frequencies as for whole heads, but the upper ones stand still.
Status Reader::Proportional(RopeSettings* out) const {
  SAMARA_ASSIGN_OR_RETURN(const double factor, parameters.Number("factor", 1, 1e-6, 1e6));
  out->inv_freq = Inverse(Powers(head_dim));
  out->inv_freq.resize(static_cast<size_t>(head_dim / 2), 0.0f);
  for (float& f : out->inv_freq) f = f / static_cast<float>(factor);
  return Status();
}

// What some type of rope reads, or says only what is true anyway.
constexpr std::string_view kKnown[] = {
    "rope_type",        "type",        "rope_theta",
    "factor",           "beta_fast",   "partial_rotary_factor",
    "beta_slow",        "mscale",      "original_max_position_embeddings",
    "mscale_all_dim",   "truncate",    "attention_factor",
    "short_factor",     "long_factor", "low_freq_factor",
    "high_freq_factor", "finetuned",   "max_position_embeddings",
};

Status CheckFields(const Json& parameters, std::string_view own_key) {
  for (const Json field : parameters) {
    if (field.IsObject()) return field.Bad("one set of rope parameters for all layers");
    const bool known =
        std::find(std::begin(kKnown), std::end(kKnown), field.key()) != std::end(kKnown);
    if (known || field.IsNull() || field.key() == own_key) continue;
    return Unsupported("%s: field %s: got what no rope type here reads, wanted no such field",
                       field.file().c_str(), field.Path().c_str());
  }
  return Status();
}

}  // namespace

Status ReadRopeSet(const Json& config, const Json& parameters, const RopeDefaults& defaults,
                   int64_t head_dim, int64_t context, RopeSettings* out) {
  std::string_view type = defaults.proportional && parameters.IsNull() ? "proportional" : "default";
  double theta = defaults.theta, part = defaults.rotated;
  SAMARA_ASSIGN_OR_RETURN(theta, config.Number(defaults.theta_key, theta, 1e-3, 1e15));
  SAMARA_ASSIGN_OR_RETURN(part, config.Number(defaults.rotated_key, part, 0, 1));
  Json named = config.Find(defaults.rotated_key);
  if (!parameters.IsNull()) {
    SAMARA_RETURN_IF_ERROR(parameters.WantObject());
    SAMARA_RETURN_IF_ERROR(CheckFields(parameters, defaults.own_key));
    SAMARA_ASSIGN_OR_RETURN(theta, parameters.Number("rope_theta", theta, 1e-3, 1e15));
    SAMARA_ASSIGN_OR_RETURN(part, parameters.Number("partial_rotary_factor", part, 0, 1));
    SAMARA_ASSIGN_OR_RETURN(type, parameters.String("type", type));
    SAMARA_ASSIGN_OR_RETURN(type, parameters.String("rope_type", type));
    if (const Json own = parameters.Find("partial_rotary_factor"); own.exists()) named = own;
  }
  const bool proportional = type == "proportional";
  if (part != 1 && !defaults.may_be_partial && !proportional)
    return named.Bad("1: this family rotates whole heads");
  int64_t rotated = static_cast<int64_t>(static_cast<double>(head_dim) * part);
  if (proportional) rotated = rotated / 2 * 2;
  if (rotated % 2 != 0 || (rotated < 2 && !proportional)) {
    return config.Bad(
        std::to_string(rotated) + " rotated dimensions of " + std::to_string(head_dim),
        "an even number of 2 or more");
  }
  const Reader reader = {config, parameters, theta, rotated, head_dim, context};
  out->inv_freq = Inverse(reader.Powers(rotated));
  if (type == "default") return Status();
  if (type == "linear") return reader.Linear(out);
  if (type == "dynamic") return reader.Dynamic(out);
  if (type == "llama3") return reader.Llama3(out);
  if (type == "yarn") return reader.Yarn(out);
  if (type == "longrope" || type == "su") return reader.LongRope(out);
  if (proportional) return reader.Proportional(out);
  return Unsupported(
      "%s: field %s: got the rope type %s, wanted default, linear, dynamic, llama3, yarn, longrope "
      "or proportional",
      config.file().c_str(), parameters.Path().c_str(), Quoted(type).c_str());
}

Status CheckRopeSets(const Json& sets) {
  for (const Json set : sets) {
    if (set.key() != "full_attention" && set.key() != "sliding_attention")
      return sets.Bad("a field " + Quoted(set.key()), "full_attention and sliding_attention");
  }
  return sets.IsNull() ? Status() : sets.WantObject();
}

Status ReadRope(const Json& config, const RopeDefaults& defaults, int64_t head_dim, int64_t context,
                RopeSettings* out) {
  // Older checkpoints: rope_theta and rope_scaling; newer ones: all in rope_parameters.
  Json parameters = config.Find("rope_scaling");
  if (parameters.IsNull()) parameters = config.Find("rope_parameters");
  return ReadRopeSet(config, parameters, defaults, head_dim, context, out);
}

}  // namespace samara
