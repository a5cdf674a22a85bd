// Goldens of the chat templates: what each makes of a fixed set of conversations, made when the
// package is converted and made again, byte for byte, wherever it is verified.
#ifndef SAMARA_RUNTIME_RENDER_GOLDENS_H_
#define SAMARA_RUNTIME_RENDER_GOLDENS_H_

#include <functional>
#include <span>
#include <string>

#include "formats/graph.h"
#include "formats/status.h"

namespace samara {

struct GoldenConversation {
  const char* name;
  const char* json;
};

// Puts what every compiled template of the package makes of them into package->conversations. What
// a template refuses is a result like another; one that cannot be evaluated fails, by name.
Status MakeRenderGoldens(std::span<const GoldenConversation> conversations, Package* package);

// On a difference: kFailedPrecondition, naming template, conversation and the first byte. `each`
// gets one line a template. The package's trees were checked.
Status VerifyRenderGoldens(const Package& package,
                           const std::function<void(const std::string&)>& each);

}  // namespace samara

#endif  // SAMARA_RUNTIME_RENDER_GOLDENS_H_
