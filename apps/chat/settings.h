// What can be set by flags and, while chatting, by /params.
#ifndef SAMARA_APPS_CHAT_SETTINGS_H_
#define SAMARA_APPS_CHAT_SETTINGS_H_

#include <string>
#include <string_view>
#include <vector>

#include "apps/chat/conversation.h"
#include "apps/chat/engine.h"

namespace samara::apps {

struct Settings {
  samara_sampling sampling{};
  ReplySettings reply;
  TemplateInputs inputs;
  bool hide_reasoning = false;
};

// Names for /params, in the order in which they are listed.
const std::vector<std::string>& ParameterNames();
// Those of them that belong to the session's sampling; they are saved with a conversation.
const std::vector<std::string>& SamplingNames();
std::string ParameterText(const Settings& settings, std::string_view name);
// False, and what is wrong in *error, if there is no such name or the value is none of its.
bool SetParameter(std::string_view name, std::string_view value, Settings* settings,
                  std::string* error);

// The name nearest to a mistyped one; "" if none is near.
std::string Nearest(std::string_view typed, const std::vector<std::string>& names);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_SETTINGS_H_
