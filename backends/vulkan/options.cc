#include "backends/vulkan/options.h"

#include <charconv>
#include <string_view>

namespace samara::vulkan {
namespace {

bool ParseNumber(std::string_view text, uint64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Status Set(std::string_view name, std::string_view value, Options* o) {
  const struct {
    const char* name;
    Switch* to;
  } switches[] = {{"int_dot", &o->int_dot}, {"subgroup", &o->subgroup}, {"int8", &o->activations},
                  {"staging", &o->staging}, {"fuse", &o->fuse},         {"tiles", &o->tiles},
                  {"cache", &o->cache}};
  for (const auto& s : switches) {
    if (name != s.name) continue;
    if (value != "0" && value != "1") break;
    *s.to = value == "1" ? Switch::kOn : Switch::kOff;
    return Status();
  }
  uint64_t number = 0;
  const bool is_number = ParseNumber(value, &number);
  if (name == "device" && !value.empty()) {
    o->device = value;
  } else if (name == "max_range" && is_number && number >= 4096) {
    o->max_range = number;
  } else if (name == "segment" && is_number && number > 0) {
    o->segment = number;
  } else if (name == "splits" && is_number && number > 0 && number <= 64) {
    o->splits = static_cast<uint32_t>(number);
  } else if (name == "fail_submit" && is_number && number > 0) {
    o->fail_submit = number;
  } else {
    return InvalidArgument("SAMARA_VULKAN: %s is no switch of this backend or out of range",
                           Quoted(std::string(name) + "=" + std::string(value)).c_str());
  }
  return Status();
}

}  // namespace

Status ParseOptions(const char* text, Options* options) {
  *options = Options();
  std::string_view rest = text == nullptr ? "" : text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view pair = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
    const size_t equal = pair.find('=');
    if (equal == std::string_view::npos) {
      return InvalidArgument("SAMARA_VULKAN: %s has no value", Quoted(pair).c_str());
    }
    SAMARA_RETURN_IF_ERROR(Set(pair.substr(0, equal), pair.substr(equal + 1), options));
  }
  return Status();
}

}  // namespace samara::vulkan
