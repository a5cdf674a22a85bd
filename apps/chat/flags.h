// The flags of samara-chat.
#ifndef SAMARA_APPS_CHAT_FLAGS_H_
#define SAMARA_APPS_CHAT_FLAGS_H_

#include <optional>
#include <string>
#include <vector>

#include "apps/chat/settings.h"
#include "apps/common/cli.h"

namespace samara::apps {

struct Flags {
  std::string model;
  std::optional<std::string> prompt;
  std::string file;
  std::optional<uint64_t> n;
  std::optional<float> temperature, top_p, min_p, repeat_penalty, frequency_penalty,
      presence_penalty;
  std::optional<uint32_t> top_k;
  std::optional<uint64_t> seed;
  std::vector<std::string> stops, logit_bias, variables;
  std::optional<uint32_t> logprobs;
  std::string system, template_name, tools, load, save, on_full;
  bool raw = false, json = false, ignore_eos = false;
  bool think = false, no_think = false, hide_reasoning = false;
  bool statistics = false, no_statistics = false, no_history = false;
  RunFlags run;
};

void AddFlags(CLI::App* app, Flags* flags);
// What of the flags is settings; the model gives the defaults. Errors are printed. The exit code.
int MakeSettings(const Flags& flags, const samara_model* model, Settings* settings);

// Names of the parameters (settings.h) that were given by a flag.
std::vector<std::string> GivenSampling(const Flags& flags);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_FLAGS_H_
