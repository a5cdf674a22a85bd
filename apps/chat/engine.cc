#include "apps/chat/engine.h"

#include <algorithm>

#include "apps/common/model.h"

namespace samara::apps {
namespace {

constexpr int kMarksTried = 8;

template <typename A, typename B>
size_t Common(const A& a, size_t n_a, const B& b, size_t n_b) {
  size_t n = 0;
  while (n < n_a && n < n_b && a[n] == b[n]) ++n;
  return n;
}

}  // namespace

Engine::Engine(samara_model* model, samara_session* session, const samara_sampling& sampling)
    : model_(model), session_(session), sampling_(sampling) {}

size_t Engine::used() const { return total(); }
size_t Engine::capacity() const { return InfoOf(model_).n_ctx; }

samara_status Engine::SetSampling(const samara_sampling& sampling) {
  const samara_status status = samara_session_set_sampling(session_, &sampling);
  if (status == SAMARA_OK) sampling_ = sampling;
  return status;
}

samara_status Engine::Reset() {
  // The generator starts anew; with the same seed it would say the same again.
  samara_sampling sampling = sampling_;
  sampling.seed += ++resets_;
  samara_status status = samara_session_set_sampling(session_, &sampling);
  if (status == SAMARA_OK) status = samara_session_reset(session_);
  state_ = {};
  return status;
}

// The tokens of the prompt, as far as possible those that the session has. *shared: how many.
samara_status Engine::Target(const Prompt& prompt, std::vector<int32_t>* target, size_t* shared) {
  samara_status status = PromptTokens(model_, prompt, prompt.text.size(), target);
  if (status != SAMARA_OK) return status;
  const int32_t* have = samara_tokens(session_);
  const size_t n = total();
  *shared = Common(*target, target->size(), have, state_.slid_at != 0 ? state_.slid_at : n);

  // By text: behind the last mark in the common beginning, as the whole text's tokens go on there.
  const size_t common = Common(prompt.text, prompt.text.size(), state_.text, state_.text.size());
  auto mark = std::upper_bound(state_.marks.begin(), state_.marks.end(), common,
                               [](size_t bytes, const Mark& m) { return bytes < m.bytes; });
  std::vector<int32_t> before;
  for (int i = 0; i < kMarksTried && mark != state_.marks.begin(); ++i) {
    --mark;
    if (mark->tokens <= *shared || mark->tokens > n) continue;
    status = PromptTokens(model_, prompt, mark->bytes, &before);
    if (status != SAMARA_OK) return status;
    if (before.size() > target->size() ||
        !std::equal(before.begin(), before.end(), target->begin())) {
      continue;  // a token of the whole text lies across the mark
    }
    std::vector<int32_t> joined(have, have + mark->tokens);
    joined.insert(joined.end(), target->begin() + static_cast<std::ptrdiff_t>(before.size()),
                  target->end());
    *target = std::move(joined);
    *shared = Common(*target, target->size(), have, n);
    break;
  }
  return SAMARA_OK;
}

// Leaves the first tokens and the newest half of the context. How many are dropped.
size_t Engine::Cut(std::vector<int32_t>* tokens) {
  const size_t first = std::min(state_.anchor_tokens, capacity() / 4);
  const size_t newest = std::max<size_t>(capacity() / 2, 1);
  if (first + newest >= tokens->size()) return 0;
  const size_t end = tokens->size() - newest;
  if (slide_note_) slide_note_(first, newest, tokens->size());
  tokens->erase(tokens->begin() + static_cast<std::ptrdiff_t>(first),
                tokens->begin() + static_cast<std::ptrdiff_t>(end));
  const size_t dropped = end - first;
  std::vector<Mark> marks;
  for (const Mark& mark : state_.marks) {
    if (mark.tokens <= first) marks.push_back(mark);
    if (mark.tokens > end) marks.push_back({mark.bytes, mark.tokens - dropped});
  }
  state_.marks = std::move(marks);
  state_.slid_at = std::max<size_t>(first, 1);
  return dropped;
}

// The session's tokens become `target`, of which it has the first `kept`.
samara_status Engine::Feed(const std::vector<int32_t>& target, size_t kept, size_t* computed) {
  kept = std::min({kept, samara_length(session_), target.size() - 1});
  if (samara_rewind(session_, kept) != SAMARA_OK) {  // beyond its limit, or a step failed
    State state = std::move(state_);
    const samara_status status = Reset();
    state_ = std::move(state);
    if (status != SAMARA_OK) return status;
    kept = 0;
  }
  *computed = kept;
  return samara_feed(session_, target.data() + kept, target.size() - kept);
}

samara_status Engine::Prepare(const Prompt& prompt, OnFull on_full, Prepared* prepared) {
  *prepared = {};
  std::vector<int32_t> target;
  size_t shared = 0;
  samara_status status = Target(prompt, &target, &shared);
  if (status != SAMARA_OK) return status;
  prepared->total = target.size();
  if (target.empty()) return SAMARA_OK;
  if (target.size() >= capacity() && on_full == OnFull::kStop) {
    prepared->full = true;
    return SAMARA_OK;
  }

  std::vector<int32_t> first;
  status = PromptTokens(model_, prompt, prompt.anchor, &first);
  if (status != SAMARA_OK) return status;
  const size_t common = Common(prompt.text, prompt.text.size(), state_.text, state_.text.size());
  while (!state_.marks.empty() &&
         (state_.marks.back().bytes > common || state_.marks.back().tokens > shared)) {
    state_.marks.pop_back();
  }
  if (shared < state_.slid_at) state_.slid_at = 0;
  state_.text = prompt.text;
  state_.marks.push_back({prompt.text.size(), target.size()});
  state_.anchor_tokens = first.size();
  raw_ = !prompt.rendered;

  if (target.size() >= capacity()) {
    prepared->dropped = Cut(&target);
    shared = Common(target, target.size(), samara_tokens(session_), total());
  }
  status = Feed(target, shared, &prepared->kept);
  if (status != SAMARA_OK) (void)Reset();  // its tokens are no longer those of the text
  return status;
}

samara_status Engine::Begin(const ReplySettings& settings, uint64_t drawn, bool continues) {
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  if (settings.max_tokens != 0) options.max_tokens = settings.max_tokens - drawn;
  std::vector<const char*> stops;
  for (const std::string& stop : settings.stops) stops.push_back(stop.c_str());
  options.stops = stops.data();
  options.n_stops = stops.size();
  options.logit_bias = settings.logit_bias.data();
  options.n_logit_bias = settings.logit_bias.size();
  options.logprobs = settings.logprobs ? 1 : 0;
  options.top_logprobs = settings.top_logprobs;
  options.ignore_eos = settings.ignore_eos ? 1 : 0;
  options.continues_text = continues ? 1 : 0;
  return samara_reply_begin(session_, &options);
}

void Engine::AddStatistics(ReplyStatistics* statistics) const {
  samara_reply_statistics part{};
  part.struct_size = sizeof(part);
  if (samara_reply_get_statistics(session_, &part) != SAMARA_OK) return;
  if (statistics->reply_tokens == 0) statistics->first_token_seconds = part.first_token_seconds;
  statistics->prompt_tokens += part.prompt_tokens;
  statistics->reply_tokens += part.reply_tokens;
  statistics->prompt_seconds += part.prefill_seconds;
  statistics->reply_seconds += part.decode_seconds;
}

// The context is full and `last` has no place in it: what is kept is computed anew.
samara_status Engine::SlideReply(int32_t last) {
  const int32_t* have = samara_tokens(session_);
  std::vector<int32_t> target(have, have + total());
  target.push_back(last);
  (void)Cut(&target);
  size_t ignored = 0;
  return Feed(target, Common(target, target.size(), have, total()), &ignored);
}

samara_status Engine::Reply(const ReplySettings& settings, const Each& each, samara_finish* finish,
                            ReplyStatistics* statistics) {
  *statistics = {};
  *finish = SAMARA_FINISH_NONE;
  // The session's text goes on with special tokens written out, as a template would.
  Decoder decoder(model_, /*special=*/true);
  std::string ignored;
  for (size_t i = 0; i < total(); ++i) {
    if (const samara_status s = decoder.Append(samara_tokens(session_)[i], &ignored); s) return s;
  }
  samara_status status = Begin(settings, 0, raw_);
  uint64_t drawn = 0;
  while (status == SAMARA_OK) {
    samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
    size_t before = total();
    status = samara_reply_next(session_, &event);
    if (status != SAMARA_OK) break;
    *finish = event.finish;
    if (event.token >= 0) ++drawn;
    const bool slide = event.finish == SAMARA_FINISH_CONTEXT && event.token >= 0 &&
                       settings.on_full == OnFull::kSlide;
    const bool more = each(event);
    if (slide) {
      AddStatistics(statistics);
      status = SlideReply(event.token);
      if (status != SAMARA_OK) return status;
      before = total() - 1;
    }
    if (total() > before) {
      if (const samara_status s = decoder.Append(event.token, &state_.text); s) return s;
      if (decoder.whole()) state_.marks.push_back({state_.text.size(), total()});
    }
    if (!more) {
      *finish = SAMARA_FINISH_CANCELLED;
      if (slide) return SAMARA_OK;
      break;
    }
    if (!slide) {
      if (event.finish != SAMARA_FINISH_NONE) break;
      continue;
    }
    if (settings.max_tokens != 0 && drawn >= settings.max_tokens) {
      *finish = SAMARA_FINISH_LENGTH;
      return SAMARA_OK;
    }
    status = Begin(settings, drawn, /*continues=*/true);
  }
  if (status == SAMARA_OK) AddStatistics(statistics);
  return status;
}

bool Engine::Adopt(State state) {
  const size_t n = total();
  bool fits = state.slid_at <= n;
  Mark last{0, 0};
  for (const Mark& mark : state.marks) {
    fits = fits && mark.bytes >= last.bytes && mark.tokens >= last.tokens && mark.tokens <= n &&
           mark.bytes <= state.text.size();
    last = mark;
  }
  if (fits) {
    state_ = std::move(state);
  } else {
    (void)Reset();
  }
  return fits;
}

}  // namespace samara::apps
