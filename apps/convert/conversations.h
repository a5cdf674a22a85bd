// What every template of a package is tried on when it is packed, and again by --verify.
#ifndef SAMARA_APPS_CONVERT_CONVERSATIONS_H_
#define SAMARA_APPS_CONVERT_CONVERSATIONS_H_

#include <span>

#include "runtime/render_goldens.h"

namespace samara::apps {

std::span<const GoldenConversation> GoldenConversations();

}  // namespace samara::apps

#endif  // SAMARA_APPS_CONVERT_CONVERSATIONS_H_
