// The session behind the conversation: what it has computed, as text and as tokens.
//
// Each turn gives the whole text anew. Prepare finds out how much of it the session holds already,
// takes back what differs and feeds the rest. A model may write its text in other tokens than the
// tokenizer would, so equal tokens are not enough to go by: the session's text is kept too, with
// marks where a byte of it and a token begin together. A text that begins as that text does up to a
// mark shares the tokens up to there.
#ifndef SAMARA_APPS_CHAT_ENGINE_H_
#define SAMARA_APPS_CHAT_ENGINE_H_

#include <functional>
#include <string>
#include <vector>

#include "apps/chat/conversation.h"
#include "samara/samara.h"

namespace samara::apps {

enum class OnFull { kStop, kSlide };

struct ReplySettings {
  uint64_t max_tokens = 0;  // 0: what the context holds
  bool no_tokens = false;   // only the prompt is computed
  std::vector<std::string> stops;
  std::vector<samara_logit_bias> logit_bias;
  uint32_t top_logprobs = 0;
  bool logprobs = false;
  bool ignore_eos = false;
  OnFull on_full = OnFull::kStop;
};

// How a prompt met the session.
struct Prepared {
  size_t total = 0;    // tokens of the prompt
  size_t kept = 0;     // of them computed already
  size_t dropped = 0;  // by sliding
  bool full = false;   // it does not fit, and nothing was changed
};

struct ReplyStatistics {
  uint64_t prompt_tokens = 0, reply_tokens = 0;  // computed before the reply; drawn
  double prompt_seconds = 0, reply_seconds = 0, first_token_seconds = 0;
};

// The first `first` and the newest `newest` of `total` tokens stay.
using SlideNote = std::function<void(size_t first, size_t newest, size_t total)>;

class Engine {
 public:
  // The session belongs to the caller and is new.
  Engine(samara_model* model, samara_session* session, const samara_sampling& sampling);

  void OnSlide(SlideNote note) { slide_note_ = std::move(note); }
  samara_status SetSampling(const samara_sampling& sampling);
  // The session has these already: it was restored, its generator goes on.
  void AdoptSampling(const samara_sampling& sampling) { sampling_ = sampling; }
  const samara_sampling& sampling() const { return sampling_; }

  // After it the session holds `prompt`, and what of it is new is pending.
  samara_status Prepare(const Prompt& prompt, OnFull on_full, Prepared* prepared);
  // Draws tokens until the reply ends or `each` returns false (then *finish is CANCELLED).
  using Each = std::function<bool(const samara_reply_event&)>;
  samara_status Reply(const ReplySettings& settings, const Each& each, samara_finish* finish,
                      ReplyStatistics* statistics);
  // Forgets everything.
  samara_status Reset();

  size_t used() const;      // positions
  size_t capacity() const;  // of them in all
  samara_session* session() const { return session_; }

  // For saving: what is not in the library's session.
  struct Mark {
    size_t bytes, tokens;
  };
  struct State {
    std::string text;
    std::vector<Mark> marks;  // ascending in both
    size_t anchor_tokens = 0;
    size_t slid_at = 0;  // tokens before the first gap; 0: no gap
  };
  const State& state() const { return state_; }
  // False, and an empty session, if the state cannot be this session's.
  bool Adopt(State state);

 private:
  size_t total() const { return samara_length(session_) + samara_pending(session_); }
  samara_status Target(const Prompt& prompt, std::vector<int32_t>* target, size_t* shared);
  samara_status Feed(const std::vector<int32_t>& target, size_t kept, size_t* computed);
  samara_status Begin(const ReplySettings& settings, uint64_t drawn, bool continues);
  samara_status SlideReply(int32_t last);
  size_t Cut(std::vector<int32_t>* tokens);
  void AddStatistics(ReplyStatistics* statistics) const;

  samara_model* model_;
  samara_session* session_;
  samara_sampling sampling_;
  uint64_t resets_ = 0;
  bool raw_ = false;  // the last prompt was not rendered
  State state_;
  SlideNote slide_note_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_ENGINE_H_
