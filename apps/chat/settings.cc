#include "apps/chat/settings.h"

#include <algorithm>
#include <charconv>

#include "apps/common/text.h"

namespace samara::apps {
namespace {

template <typename T>
bool Parse(std::string_view text, T* value) {
  T parsed{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return false;
  *value = parsed;
  return true;
}

struct Float {
  const char* name;
  float samara_sampling::*field;
  float least, most;
  const char* wanted;
};
constexpr Float kFloats[] = {
    {"temp", &samara_sampling::temperature, 0, 100, "0 (greedy) to 100"},
    {"top_p", &samara_sampling::top_p, 0, 1, "0 to 1 (off)"},
    {"min_p", &samara_sampling::min_p, 0, 1, "0 (off) to 1"},
    {"repeat_penalty", &samara_sampling::repetition_penalty, 0.01f, 100, "0.01 to 100; 1: off"},
    {"frequency_penalty", &samara_sampling::frequency_penalty, -100, 100, "-100 to 100; 0: off"},
    {"presence_penalty", &samara_sampling::presence_penalty, -100, 100, "-100 to 100; 0: off"},
};
struct Whole {
  const char* name;
  uint32_t samara_sampling::*field;
};
constexpr Whole kWholes[] = {{"top_k", &samara_sampling::top_k},
                             {"penalty_window", &samara_sampling::penalty_window}};

std::string Shortest(float value) {
  char buffer[64];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

const std::vector<std::string>& SamplingNames() {
  static const std::vector<std::string> names = {"temp",
                                                 "top_k",
                                                 "top_p",
                                                 "min_p",
                                                 "repeat_penalty",
                                                 "frequency_penalty",
                                                 "presence_penalty",
                                                 "penalty_window",
                                                 "seed"};
  return names;
}

const std::vector<std::string>& ParameterNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = SamplingNames();
    all.insert(all.end(), {"n", "on_full", "think", "hide_reasoning"});
    return all;
  }();
  return names;
}

std::string ParameterText(const Settings& settings, std::string_view name) {
  for (const Float& f : kFloats) {
    if (name == f.name) return Shortest(settings.sampling.*f.field);
  }
  for (const Whole& w : kWholes) {
    if (name == w.name) return std::to_string(settings.sampling.*w.field);
  }
  if (name == "seed") return std::to_string(settings.sampling.seed);
  if (name == "n") {
    const ReplySettings& reply = settings.reply;
    if (reply.no_tokens) return "0";
    return reply.max_tokens == 0 ? "off" : std::to_string(reply.max_tokens);
  }
  if (name == "on_full") return settings.reply.on_full == OnFull::kSlide ? "slide" : "stop";
  if (name == "hide_reasoning") return settings.hide_reasoning ? "on" : "off";
  if (name == "think") {
    return !settings.inputs.think ? "default" : *settings.inputs.think ? "on" : "off";
  }
  return {};
}

bool SetParameter(std::string_view name, std::string_view value, Settings* settings,
                  std::string* error) {
  const auto wrong = [&](std::string_view wanted) {
    *error = std::string(name) + ": got " + std::string(value) + ", wanted " + std::string(wanted);
    return false;
  };
  for (const Float& f : kFloats) {
    float number = 0;
    if (name != f.name) continue;
    if (!Parse(value, &number) || !(number >= f.least && number <= f.most)) return wrong(f.wanted);
    settings->sampling.*f.field = number;
    return true;
  }
  for (const Whole& w : kWholes) {
    if (name != w.name) continue;
    return Parse(value, &(settings->sampling.*w.field)) || wrong("a whole number; 0: off");
  }
  if (name == "seed") return Parse(value, &settings->sampling.seed) || wrong("a whole number");
  if (name == "n") {
    uint64_t n = 0;
    if (value != "off" && !Parse(value, &n)) return wrong("a whole number, or off");
    settings->reply.max_tokens = n;
    settings->reply.no_tokens = value != "off" && n == 0;
    return true;
  }
  const bool on = value == "on", off = value == "off";
  if (name == "on_full") {
    if (value != "slide" && value != "stop") return wrong("stop or slide");
    settings->reply.on_full = value == "slide" ? OnFull::kSlide : OnFull::kStop;
    return true;
  }
  if (name == "hide_reasoning") {
    if (!on && !off) return wrong("on or off");
    settings->hide_reasoning = on;
    return true;
  }
  if (name == "think") {
    if (!on && !off && value != "default") return wrong("on, off or default");
    settings->inputs.think.reset();
    if (on || off) settings->inputs.think = on;
    return true;
  }
  *error = "no parameter " + std::string(name);
  if (const std::string near = Nearest(name, ParameterNames()); !near.empty()) {
    *error += "; did you mean " + near + "?";
  }
  return false;
}

std::string Nearest(std::string_view typed, const std::vector<std::string>& names) {
  std::string best;
  size_t least = 3;  // more changes than that are another word
  for (const std::string& name : names) {
    const bool begins = !typed.empty() && name.starts_with(typed);
    const size_t distance = begins ? 0 : Distance(typed, name);
    if (distance < least && distance < std::max(name.size(), typed.size()) - 1) {
      least = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace samara::apps
