// One raw completion: the prompt as it is, then what the model appends to it.
#ifndef SAMARA_APPS_CHAT_COMPLETION_H_
#define SAMARA_APPS_CHAT_COMPLETION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/chat/interrupt.h"
#include "samara/samara.h"

namespace samara::apps {

struct CompletionOptions {
  std::optional<uint64_t> max_tokens;  // absent: until the end of text or of the context
  std::vector<std::string> stops;
  bool terminal = false;    // standard output is one: escape control characters
  bool statistics = false;  // a line of speeds on stderr
};

// Resets the session, prints prompt and continuation to standard output as it comes, then a
// newline. Errors are printed. The exit code; a reply that Ctrl-C cut is kExitFailed.
int Complete(samara_model* model, samara_session* session, const std::string& prompt,
             const CompletionOptions& options, Interrupt* interrupt);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_COMPLETION_H_
