#include "runtime/reply.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "runtime/float_env.h"
#include "runtime/results.h"
#include "runtime/session.h"
#include "runtime/tokenizer/utf8.h"

namespace samara {
namespace {

using Lock = std::lock_guard<std::mutex>;

double Seconds(int64_t begin, int64_t end) { return 1e-9 * static_cast<double>(end - begin); }

bool IsUtf8(std::string_view text) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = p + text.size();
  while (p < end) {
    const Utf8Char c = DecodeUtf8(p, end);
    if (!c.valid) return false;
    p += c.bytes;
  }
  return true;
}

bool IsEos(const Model& model, int32_t token) {
  const int32_t* end = model.eos_ids + model.n_eos;
  return std::find(model.eos_ids, end, token) != end;
}

Status ReadBiases(const samara_reply_options& options, uint32_t vocab, Reply* reply) {
  if (options.logit_bias == nullptr && options.n_logit_bias != 0) {
    return InvalidArgument("logit_bias is NULL, n_logit_bias is %zu", options.n_logit_bias);
  }
  if (options.n_logit_bias > SAMARA_MAX_LOGIT_BIAS) {
    return ResourceExhausted("%zu biased tokens, at most %d", options.n_logit_bias,
                             SAMARA_MAX_LOGIT_BIAS);
  }
  for (size_t i = 0; i < options.n_logit_bias; ++i) {
    const samara_logit_bias& b = options.logit_bias[i];
    if (b.token < 0 || static_cast<uint32_t>(b.token) >= vocab) {
      return InvalidArgument("logit bias %zu is for id %d, want 0 to %u", i, b.token, vocab - 1);
    }
    if (!(b.bias == -INFINITY || std::fabs(b.bias) <= 1e9f)) {
      return InvalidArgument("the logit bias of id %d is out of range, want -1e9 to 1e9 or -inf",
                             b.token);
    }
    reply->biases[i] = {b.token, b.bias};
  }
  reply->n_biases = static_cast<uint32_t>(options.n_logit_bias);
  return {};
}

Status ReadStops(const samara_reply_options& options, StopMatcher* stops) {
  stops->Clear();
  if (options.stops == nullptr && options.n_stops != 0) {
    return InvalidArgument("stops is NULL, n_stops is %zu", options.n_stops);
  }
  if (options.n_stops > SAMARA_MAX_STOPS) {
    return ResourceExhausted("%zu stop strings, at most %d", options.n_stops, SAMARA_MAX_STOPS);
  }
  for (size_t i = 0; i < options.n_stops; ++i) {
    if (options.stops[i] == nullptr) return InvalidArgument("stop string %zu is NULL", i);
    SAMARA_RETURN_IF_ERROR(stops->Add(options.stops[i]));
  }
  return {};
}

// The state of a decoder that has given out the text of all tokens so far.
Status DecodeHistory(const Session& session, Reply* reply) {
  const Tokenizer& tokenizer = session.model->tokenizer;
  for (uint32_t i = 0; i < session.n_tokens; ++i) {
    const int32_t id = session.tokens[i];
    if (static_cast<uint32_t>(id) >= session.model->limits.token_vocab) continue;
    uint64_t bytes = 0;
    SAMARA_RETURN_IF_ERROR(tokenizer.DecodeOne(id, reply->special, &reply->decode, reply->text,
                                               Reply::kTextBytes, &bytes));
  }
  return {};
}

// Logits are there: draws, and tells log-probabilities.
Status Draw(Session* session, samara_reply_event* event) {
  Reply& reply = *session->reply;
  const Model& model = *session->model;
  SAMARA_RETURN_IF_ERROR(SampleSession(session, {reply.biases, reply.n_biases}, &event->token));
  if (!reply.logprobs && reply.n_top == 0) return {};
  const FloatEnv env;
  const float* logits = nullptr;
  SAMARA_RETURN_IF_ERROR(SessionLogits(session, -1, &logits));
  TokenLogprob top[SAMARA_MAX_TOP_LOGPROBS];
  const uint32_t n_top = std::min(reply.n_top, model.limits.token_vocab);
  event->logprob = Logprobs(logits, model.limits.token_vocab, event->token, n_top, top);
  for (uint32_t i = 0; i < n_top; ++i) reply.top[i] = {top[i].id, top[i].logprob};
  event->n_top = n_top;
  event->top = reply.top;
  return {};
}

// Computes what is pending and draws; the last step and the draw under one lock, so that no other
// session's step comes between them.
Status ComputeAndDraw(Session* session, samara_reply_event* event) {
  Model& model = *session->model;
  const ModelCallbacks& c = model.callbacks;
  const bool report = c.progress != nullptr && !session->reply->drawn;
  const uint64_t total = session->n_tokens - session->n_computed;
  for (bool done = false; !done;) {
    {
      const Lock lock(model.mutex);
      if (session->n_computed < session->n_tokens)
        SAMARA_RETURN_IF_ERROR(StepSessions(&session, 1));
      done = session->n_computed == session->n_tokens;
      if (done) SAMARA_RETURN_IF_ERROR(Draw(session, event));
    }
    const uint64_t left = session->n_tokens - session->n_computed;
    if (report && total != 0 && c.progress(c.user, "prefill", total - left, total) != 0) {
      return Cancelled("the reply was cancelled by the progress callback");
    }
  }
  return {};
}

// Appends the token's text. *stop: the stop string that is complete, *shown: bytes to hand out.
Status AddText(const Model& model, int32_t token, Reply* reply, int32_t* stop, uint64_t* shown) {
  *stop = -1;
  *shown = 0;
  if (!model.has_tokenizer) return {};
  uint64_t bytes = 0;
  char* const end = reply->text + reply->n_text;
  const uint64_t room = Reply::kTextBytes - reply->n_text;
  if (!reply->special && model.tokenizer.IsSpecial(token)) {
    DecodeState alone;
    SAMARA_RETURN_IF_ERROR(model.tokenizer.DecodeOne(token, true, &alone, end, room, &bytes));
    *stop = reply->stops.Find({end, bytes});
    if (*stop >= 0) {
      *shown = reply->n_text;
      return {};
    }
  }
  SAMARA_RETURN_IF_ERROR(
      model.tokenizer.DecodeOne(token, reply->special, &reply->decode, end, room, &bytes));
  const uint64_t seen = reply->n_text;
  reply->n_text += static_cast<uint32_t>(bytes);
  *stop = reply->stops.Match({reply->text, reply->n_text}, seen, shown);
  return {};
}

// The text ended: what waits for the rest of a character is an ill-formed one.
Status FlushText(const Model& model, Reply* reply, int32_t* stop, uint64_t* shown) {
  *stop = -1;
  *shown = 0;
  if (!model.has_tokenizer) return {};
  uint64_t bytes = 0;
  SAMARA_RETURN_IF_ERROR(model.tokenizer.DecodeFlush(&reply->decode, reply->text + reply->n_text,
                                                     Reply::kTextBytes - reply->n_text, &bytes));
  const uint64_t seen = reply->n_text;
  reply->n_text += static_cast<uint32_t>(bytes);
  *stop = reply->stops.Match({reply->text, reply->n_text}, seen, shown);
  return {};
}

// Takes the drawn token into reply and session, and finds whether the reply is over.
Status Accept(Session* session, samara_reply_event* event) {
  Reply& reply = *session->reply;
  const Model& model = *session->model;
  uint64_t shown = 0;
  if (!reply.ignore_eos && IsEos(model, event->token)) {
    SAMARA_RETURN_IF_ERROR(FlushText(model, &reply, &event->stop, &shown));
    event->finish = SAMARA_FINISH_EOS;
  } else {
    SAMARA_RETURN_IF_ERROR(AddText(model, event->token, &reply, &event->stop, &shown));
    ++reply.n_tokens;
    if (session->n_tokens < model.limits.n_ctx) {
      session->tokens[session->n_tokens++] = event->token;
    } else {
      event->finish = SAMARA_FINISH_CONTEXT;
    }
    if (reply.max_tokens != 0 && reply.n_tokens >= reply.max_tokens) {
      event->finish = SAMARA_FINISH_LENGTH;
    }
  }
  if (event->stop >= 0) event->finish = SAMARA_FINISH_STOP;
  // At any other end what was held back turns out to be no stop string.
  const bool all = event->finish != SAMARA_FINISH_NONE && event->stop < 0;
  reply.n_shown = static_cast<uint32_t>(all ? reply.n_text : shown);
  return {};
}

}  // namespace

Status StopMatcher::Add(const char* stop) {
  const size_t bytes = strnlen(stop, SAMARA_MAX_STOP_BYTES + 1);
  if (bytes == 0) return InvalidArgument("stop string %u is empty", n_stops_);
  if (bytes > SAMARA_MAX_STOP_BYTES) {
    return InvalidArgument("stop string %u has more than %d bytes", n_stops_,
                           SAMARA_MAX_STOP_BYTES);
  }
  if (!IsUtf8({stop, bytes})) return InvalidArgument("stop string %u is not UTF-8", n_stops_);
  std::memcpy(stops_[n_stops_], stop, bytes);
  bytes_[n_stops_++] = static_cast<uint16_t>(bytes);
  return {};
}

int32_t StopMatcher::Match(std::string_view text, uint64_t seen, uint64_t* shown) const {
  for (uint64_t end = seen + 1; end <= text.size(); ++end) {
    int32_t best = -1;
    for (uint32_t i = 0; i < n_stops_; ++i) {
      if (text[end - 1] != stop(i).back() || !text.substr(0, end).ends_with(stop(i))) continue;
      if (best < 0 || bytes_[i] > bytes_[best]) best = static_cast<int32_t>(i);
    }
    if (best >= 0) {
      *shown = end - bytes_[best];
      return best;
    }
  }
  uint64_t held = 0;
  for (uint32_t i = 0; i < n_stops_; ++i) {
    for (uint64_t n = std::min<uint64_t>(bytes_[i] - 1u, text.size()); n > held; --n) {
      if (text.ends_with(stop(i).substr(0, n))) held = n;
    }
  }
  *shown = text.size() - held;
  return -1;
}

int32_t StopMatcher::Find(std::string_view text) const {
  for (uint32_t i = 0; i < n_stops_; ++i) {
    if (stop(i) == text) return static_cast<int32_t>(i);
  }
  return -1;
}

Status BeginReply(Session* session, const samara_reply_options& options) {
  Reply& reply = *session->reply;
  reply.begun = reply.under_way = false;
  SAMARA_RETURN_IF_ERROR(CheckUsable(session));
  const Model& model = *session->model;
  SAMARA_RETURN_IF_ERROR(ReadStops(options, &reply.stops));
  SAMARA_RETURN_IF_ERROR(ReadBiases(options, model.limits.token_vocab, &reply));
  if (options.top_logprobs > SAMARA_MAX_TOP_LOGPROBS) {
    return InvalidArgument("top_logprobs is %u, at most %d", options.top_logprobs,
                           SAMARA_MAX_TOP_LOGPROBS);
  }
  reply.max_tokens = options.max_tokens;
  reply.n_top = options.top_logprobs;
  reply.logprobs = options.logprobs != 0;
  reply.ignore_eos = options.ignore_eos != 0;
  reply.special = options.special != 0;
  reply.decode = {};
  if (options.continues_text != 0 && model.has_tokenizer) {
    SAMARA_RETURN_IF_ERROR(DecodeHistory(*session, &reply));
  }
  reply.n_text = reply.n_shown = 0;
  reply.drawn = false;
  reply.computed_before = session->n_computed;
  reply.prompt_tokens = reply.n_tokens = 0;
  reply.first_token_seconds = reply.prefill_seconds = reply.decode_seconds = 0;
  reply.begin_time = ProfileSink::Now();
  reply.begun = reply.under_way = true;
  return {};
}

Status NextReply(Session* session, samara_reply_event* event) {
  Reply& reply = *session->reply;
  *event = {};
  event->struct_size = sizeof *event;
  event->token = event->stop = -1;
  event->text = reply.text;
  if (!reply.under_way) {
    return FailedPrecondition(reply.begun ? "the reply is over" : "no reply was begun");
  }
  SAMARA_RETURN_IF_ERROR(CheckUsable(session));
  const int64_t start = ProfileSink::Now();
  reply.n_text -= reply.n_shown;
  std::memmove(reply.text, reply.text + reply.n_shown, reply.n_text);
  reply.n_shown = 0;

  const Pcg32 generator = session->generator;
  Status status = ComputeAndDraw(session, event);
  const uint64_t computed = session->n_computed - reply.computed_before;
  if (status.ok()) status = Accept(session, event);
  const int64_t end = ProfileSink::Now();
  if (reply.drawn) {
    reply.decode_seconds += Seconds(start, end);
  } else {
    reply.prompt_tokens = computed;
    reply.prefill_seconds += Seconds(start, end);
    reply.first_token_seconds = Seconds(reply.begin_time, end);
  }
  if (status.ok()) {
    reply.drawn = true;
  } else {
    session->generator = generator;
    event->token = -1;
    event->logprob = 0;
    event->n_top = 0;
    if (status.code() != StatusCode::kCancelled) return status;
    event->finish = SAMARA_FINISH_CANCELLED;
    reply.n_shown = reply.n_text;
  }
  event->n_bytes = reply.n_shown;
  if (event->finish != SAMARA_FINISH_NONE) reply.under_way = false;
  return {};
}

}  // namespace samara
