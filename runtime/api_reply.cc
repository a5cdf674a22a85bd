// Replies in the public C API.
#include "runtime/api_guard.h"
#include "runtime/reply.h"
#include "runtime/session.h"

namespace samara {
namespace {

Session* Of(samara_session* session) { return reinterpret_cast<Session*>(session); }

}  // namespace
}  // namespace samara

using namespace samara;  // NOLINT: this file is the boundary

extern "C" {

const char* samara_finish_name(samara_finish finish) {
  switch (finish) {
    case SAMARA_FINISH_NONE:
      return "none";
    case SAMARA_FINISH_EOS:
      return "eos";
    case SAMARA_FINISH_STOP:
      return "stop";
    case SAMARA_FINISH_LENGTH:
      return "length";
    case SAMARA_FINISH_CONTEXT:
      return "context";
    case SAMARA_FINISH_CANCELLED:
      return "cancelled";
  }
  return "unknown";
}

samara_status samara_reply_begin(samara_session* session, const samara_reply_options* options) {
  return Guard([&]() -> Status {
    if (session == nullptr) return Null("session");
    const samara_reply_options defaults = SAMARA_REPLY_OPTIONS_INIT;
    if (options != nullptr) SAMARA_RETURN_IF_ERROR(CheckSize(options, "reply options"));
    return BeginReply(Of(session), options != nullptr ? *options : defaults);
  });
}

samara_status samara_reply_next(samara_session* session, samara_reply_event* event) {
  return Guard([&]() -> Status {
    if (session == nullptr) return Null("session");
    SAMARA_RETURN_IF_ERROR(CheckSize(event, "event"));
    return NextReply(Of(session), event);
  });
}

samara_status samara_reply_get_statistics(const samara_session* session,
                                          samara_reply_statistics* statistics) {
  return Guard([&]() -> Status {
    if (session == nullptr) return Null("session");
    SAMARA_RETURN_IF_ERROR(CheckSize(statistics, "statistics"));
    const Reply& r = *reinterpret_cast<const Session*>(session)->reply;
    if (!r.begun) return FailedPrecondition("no reply was begun");
    *statistics = {sizeof(samara_reply_statistics), r.prompt_tokens,   r.n_tokens,
                   r.first_token_seconds,           r.prefill_seconds, r.decode_seconds};
    return {};
  });
}

}  // extern "C"
