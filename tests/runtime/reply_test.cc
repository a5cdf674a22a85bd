// Replies: what is said is scripted, so that every piece of text, every finish and every
// log-probability is known.
#include "runtime/reply.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "runtime/tokenizer/utf8.h"
#include "tests/runtime/interpose.h"
#include "tests/runtime/speaker.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

samara_reply_options Stops(const std::vector<const char*>& stops) {
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  options.stops = stops.data();
  options.n_stops = stops.size();
  return options;
}

bool IsUtf8(const std::string& text) {
  const uint8_t* p = reinterpret_cast<const uint8_t*>(text.data());
  for (const uint8_t* end = p + text.size(); p < end;) {
    const Utf8Char c = DecodeUtf8(p, end);
    if (!c.valid) return false;
    p += c.bytes;
  }
  return true;
}

// Text as bytes alone, one token each.
std::vector<int32_t> ByteIds(const std::string& tokenizer, const std::string& text) {
  uint32_t vocab = 0;
  Tokenizer decoder;
  REQUIRE_OK(decoder.Init(Tables(tokenizer, &vocab)));
  std::vector<int32_t> of_byte(256, -1);
  for (uint32_t id = 0; id < vocab; ++id) {
    // A byte of a character waits in the state; an ASCII one is text.
    DecodeState state;
    char out[4096];
    uint64_t n = 0;
    REQUIRE_OK(decoder.DecodeOne(static_cast<int32_t>(id), false, &state, out, sizeof out, &n));
    if (n == 1 && state.n_pending == 0)
      of_byte[static_cast<uint8_t>(out[0])] = static_cast<int32_t>(id);
    if (n == 0 && state.n_pending == 1) of_byte[state.pending[0]] = static_cast<int32_t>(id);
  }
  // Continuation bytes alone are ill-formed: they are known by what they complete.
  for (uint32_t id = 0; id < vocab; ++id) {
    for (const uint8_t lead : {0xC3, 0xC2}) {
      DecodeState state;
      state.pending[0] = lead;
      state.n_pending = 1;
      char out[4096];
      uint64_t n = 0;
      REQUIRE_OK(decoder.DecodeOne(static_cast<int32_t>(id), false, &state, out, sizeof out, &n));
      if (n == 2 && state.n_pending == 0 && static_cast<uint8_t>(out[0]) == lead)
        of_byte[static_cast<uint8_t>(out[1])] = static_cast<int32_t>(id);
    }
  }
  std::vector<int32_t> ids;
  for (const char c : text) {
    ids.push_back(of_byte[static_cast<uint8_t>(c)]);
    REQUIRE(ids.back() >= 0);
  }
  return ids;
}

TEST_CASE("reply: text until the end of text") {
  const std::string text = "Hello w\xc3\xb6rld, \xf0\x9f\x99\x82 and caf\xc3\xa9s!";
  Speaker speaker("llama3", text);
  const Told told = speaker.Say(SAMARA_REPLY_OPTIONS_INIT);
  CHECK(told.text == text);
  CHECK(told.finish == SAMARA_FINISH_EOS);
  CHECK(std::string(samara_finish_name(told.finish)) == "eos");
  CHECK(samara_model_is_eos(speaker.model(), told.tokens.back()) == 1);
  for (const std::string& piece : told.pieces) CHECK(IsUtf8(piece));
  // The session holds the prompt and the reply without what ended it.
  const size_t n = told.tokens.size() - 1;
  CHECK(samara_length(speaker.session()) == n + 1);
  CHECK(samara_pending(speaker.session()) == 0);
  CHECK(std::equal(told.tokens.begin(), told.tokens.begin() + static_cast<ptrdiff_t>(n),
                   samara_tokens(speaker.session()) + 1));
  samara_reply_statistics s = {};
  s.struct_size = sizeof s;
  REQUIRE_API(samara_reply_get_statistics(speaker.session(), &s));
  CHECK(s.prompt_tokens == 1);
  CHECK(s.reply_tokens == n);
  CHECK(s.first_token_seconds >= s.prefill_seconds);
  CHECK(s.prefill_seconds > 0);
  CHECK(s.decode_seconds > 0);
}

TEST_CASE("reply: an end of text that is ignored is a token") {
  Speaker speaker("llama3", "Hello");
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  options.ignore_eos = 1;
  options.max_tokens = 20;
  const Told told = speaker.Say(options);
  CHECK(told.tokens.size() == 20);
  CHECK(told.finish == SAMARA_FINISH_LENGTH);
  CHECK(samara_model_is_eos(speaker.model(), told.tokens.back()) == 1);
}

TEST_CASE("reply: limits of tokens and of the context") {
  Speaker speaker("llama3", "one two three four five six seven eight nine ten", 8);
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  options.max_tokens = 3;
  Told told = speaker.Say(options);
  CHECK(told.tokens.size() == 3);
  CHECK(told.finish == SAMARA_FINISH_LENGTH);
  CHECK(samara_pending(speaker.session()) == 1);
  CHECK(samara_length(speaker.session()) == 3);
  const std::string first = told.text;
  // Begun again, it goes on where it was; the last token is computed once.
  options.max_tokens = 0;
  options.continues_text = 1;
  told = speaker.Say(options, false);
  CHECK(told.finish == SAMARA_FINISH_CONTEXT);
  CHECK(told.tokens.size() == 5);
  CHECK(samara_length(speaker.session()) == 8);
  options.continues_text = 0;
  CHECK(speaker.Say(options).text == first + told.text);
  // A prompt that fills the context leaves room for one token, which has no place.
  REQUIRE_API(samara_session_reset(speaker.session()));
  const int32_t prompt[8] = {};
  REQUIRE_API(samara_feed(speaker.session(), prompt, 8));
  told = speaker.Say(options, false);
  CHECK(told.finish == SAMARA_FINISH_CONTEXT);
  CHECK(told.tokens.size() == 1);
}

TEST_CASE("reply: stop strings, wherever tokens begin and end") {
  const std::string text = "The answer is 42. END of it; caf\xc3\xa9 ENDE";
  for (const bool bytes : {false, true}) {
    CAPTURE(bytes);
    Speaker speaker("llama3", bytes ? ByteIds("llama3", text) : Encode("llama3", text));
    struct Case {
      std::vector<const char*> stops;
      int32_t stop;
      size_t shown;
    };
    const size_t end = text.find("END");
    for (const Case& c :
         std::vector<Case>{{{"END"}, 0, end},
                           {{"nothing", "END"}, 1, end},
                           {{"ENDE", "."}, 1, text.find('.')},
                           {{"ENDE"}, 0, text.find("ENDE")},
                           {{"caf\xc3\xa9"}, 0, text.find("caf")},
                           {{"T"}, 0, 0},
                           {{"is 42", "42"}, 0, text.find("is 42")},  // both end there: the longest
                           {{"42", "is 42. END"}, 0, text.find("42")},
                           {{"ENDX", "it; cafe"}, -1, text.size()},
                           {{"ENDE of"}, -1, text.size()}}) {
      CAPTURE(c.stops[0]);
      const Told told = speaker.Say(Stops(c.stops));
      CHECK(told.stop == c.stop);
      CHECK(told.finish == (c.stop >= 0 ? SAMARA_FINISH_STOP : SAMARA_FINISH_EOS));
      CHECK(told.text == text.substr(0, c.shown));
      for (const std::string& piece : told.pieces) CHECK(IsUtf8(piece));
    }
  }
}

TEST_CASE("reply: stop strings against a search of the whole text") {
  // Short texts over two letters, so that beginnings of stop strings are everywhere.
  uint64_t seed = 7;
  Random random(seed);
  CAPTURE(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops(1 + random.Below(3));
    StopMatcher matcher;
    for (std::string& stop : stops) {
      for (uint64_t n = 1 + random.Below(5); n > 0; --n) stop += random.Below(2) != 0 ? 'a' : 'b';
      REQUIRE_OK(matcher.Add(stop.c_str()));
    }
    std::string text;
    for (uint64_t n = random.Below(24); n > 0; --n) text += random.Below(2) != 0 ? 'a' : 'b';
    int32_t want = -1;
    std::string shown_want = text;
    for (size_t end = 1; end <= text.size() && want < 0; ++end) {
      for (size_t i = 0; i < stops.size(); ++i) {
        const bool here = text.substr(0, end).ends_with(stops[i]);
        if (here && (want < 0 || stops[i].size() > stops[static_cast<size_t>(want)].size()))
          want = static_cast<int32_t>(i);
      }
      if (want >= 0) shown_want = text.substr(0, end - stops[static_cast<size_t>(want)].size());
    }
    std::string held, out;
    int32_t got = -1;
    for (size_t at = 0; at < text.size() && got < 0;) {
      const std::string piece = text.substr(at, 1 + random.Below(6));
      at += piece.size();
      const uint64_t seen = held.size();
      held += piece;
      uint64_t shown = 0;
      got = matcher.Match(held, seen, &shown);
      out += held.substr(0, shown);
      held.erase(0, shown);
      // What is out already is no part of the stop string.
      CHECK(out.size() <= shown_want.size());
    }
    if (got < 0) out += held;
    CHECK(got == want);
    CHECK(out == shown_want);
  }
}

TEST_CASE("reply: no broken character where the reply is cut") {
  const std::string text = "caf\xc3\xa9 caf\xc3\xa9";
  Speaker speaker("llama3", ByteIds("llama3", text));
  for (uint64_t n = 1; n <= text.size(); ++n) {
    samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
    options.max_tokens = n;
    const Told told = speaker.Say(options);
    CHECK(told.finish == SAMARA_FINISH_LENGTH);
    const bool inside = n == 4 || n == 10;
    CHECK(told.text == text.substr(0, n - (inside ? 1 : 0)));
    // And the rest completes it.
    options.max_tokens = 0;
    options.continues_text = 1;
    CHECK(told.text + speaker.Say(options, false).text == text);
  }
  // Where the text ends there, the character is ill-formed.
  Speaker cut("llama3", ByteIds("llama3", text.substr(0, 4)));
  CHECK(cut.Say(SAMARA_REPLY_OPTIONS_INIT).text == "caf\xef\xbf\xbd");
}

TEST_CASE("reply: a leading space belongs to text that goes on") {
  const std::vector<int32_t> ids = Encode("sentencepiece", "Hello there");
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  CHECK(Speaker("sentencepiece", ids).Say(options).text == "Hello there");
  const std::vector<int32_t> prompt = Encode("sentencepiece", "So");
  std::vector<int32_t> later(prompt.size() - 1, 0);
  later.insert(later.end(), ids.begin(), ids.end());
  Speaker speaker("sentencepiece", later);
  REQUIRE_API(samara_feed(speaker.session(), prompt.data(), prompt.size()));
  options.continues_text = 1;
  CHECK(speaker.Say(options, false).text == " Hello there");
}

TEST_CASE("reply: special tokens are silent, printed, or a stop string") {
  std::vector<int32_t> ids = Encode("llama3", "Hi<|begin|>there");
  Speaker speaker("llama3", ids);
  uint32_t vocab = 0;
  Tokenizer tokenizer;
  REQUIRE_OK(tokenizer.Init(Tables("llama3", &vocab)));
  REQUIRE(std::count_if(ids.begin(), ids.end(),
                        [&](int32_t id) { return tokenizer.IsSpecial(id); }) == 1);
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  CHECK(speaker.Say(options).text == "Hithere");
  options.special = 1;
  CHECK(speaker.Say(options).text.starts_with("Hi<|begin|>there"));
  const std::vector<const char*> stops = {"<|begin|>"};
  options = Stops(stops);
  Told told = speaker.Say(options);
  CHECK(told.text == "Hi");
  CHECK(told.stop == 0);
  options.special = 1;
  told = speaker.Say(options);
  CHECK(told.text == "Hi");
  CHECK(told.stop == 0);
}

TEST_CASE("reply: log-probabilities are the softmax of the raw logits") {
  Speaker speaker("llama3", "Hello world");
  const Script& script = speaker.script();
  samara_logit_bias bias[] = {{script.ids[1], -INFINITY}};
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  options.logprobs = 1;
  options.top_logprobs = 5;
  for (const bool biased : {false, true}) {
    options.logit_bias = bias;
    options.n_logit_bias = biased ? 1 : 0;
    options.max_tokens = 4;
    const Told told = speaker.Say(options);
    for (size_t p = 0; p < told.tokens.size(); ++p) {
      std::vector<double> logits(script.vocab);
      for (uint32_t id = 0; id < script.vocab; ++id)
        logits[id] = static_cast<double>(ScriptedLogit(script, p, id));
      double sum = 0;
      for (const double x : logits) sum += std::exp(x - 10);
      const double norm = 10 + std::log(sum);
      const auto close = [&](float got, int32_t id) {
        const double want = logits[static_cast<size_t>(id)] - norm;
        return std::fabs(static_cast<double>(got) - want) <= tolerance::kLogprob * std::fabs(want);
      };
      CHECK(close(told.logprobs[p], told.tokens[p]));
      std::vector<int32_t> order(script.vocab);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
      });
      REQUIRE(told.tops[p].size() == 5);
      for (size_t i = 0; i < 5; ++i) {
        CHECK(told.tops[p][i].token == order[i]);
        CHECK(close(told.tops[p][i].logprob, order[i]));
      }
      // The forbidden token is not drawn, but the model's opinion stays.
      CHECK(told.tokens[p] == (biased && p == 1 ? order[1] : order[0]));
    }
  }
}

TEST_CASE("reply: bias") {
  Speaker speaker("llama3", "Hello world");
  const int32_t vocab = static_cast<int32_t>(speaker.script().vocab);
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  options.max_tokens = 3;
  samara_logit_bias bias[] = {{5, 6}, {5, 6}};
  options.logit_bias = bias;
  options.n_logit_bias = 1;
  CHECK(speaker.Say(options).text == speaker
                                         .Say([&] {
                                           samara_reply_options plain = options;
                                           plain.n_logit_bias = 0;
                                           return plain;
                                         }())
                                         .text);
  options.n_logit_bias = 2;  // together above 10
  CHECK(speaker.Say(options).tokens == std::vector<int32_t>(3, 5));

  samara_session* session = speaker.session();
  for (const samara_logit_bias bad :
       {samara_logit_bias{-1, 0}, samara_logit_bias{vocab, 0}, samara_logit_bias{0, NAN},
        samara_logit_bias{0, INFINITY}, samara_logit_bias{0, 2e9f}}) {
    options.logit_bias = &bad;
    options.n_logit_bias = 1;
    CHECK(samara_reply_begin(session, &options) == SAMARA_INVALID_ARGUMENT);
    samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
    CHECK(samara_reply_next(session, &event) == SAMARA_FAILED_PRECONDITION);
  }
  const std::vector<samara_logit_bias> many(SAMARA_MAX_LOGIT_BIAS + 1);
  options.logit_bias = many.data();
  options.n_logit_bias = many.size();
  CHECK(samara_reply_begin(session, &options) == SAMARA_RESOURCE_EXHAUSTED);
}

TEST_CASE("reply: everything forbidden is an error, and no token") {
  Script script;
  script.vocab = 100;
  script.ids.assign(8, 3);
  std::vector<uint8_t> bytes;
  REQUIRE_OK(MakeScriptedPackage(script, &bytes));
  const AlignedFile file(bytes);
  samara_model* model = nullptr;
  samara_session* session = nullptr;
  REQUIRE_API(samara_model_open_memory(file.data(), file.size(), nullptr, &model));
  REQUIRE_API(samara_session_create(model, nullptr, &session));
  const int32_t prompt = 0;
  REQUIRE_API(samara_feed(session, &prompt, 1));
  std::vector<samara_logit_bias> all(100);
  for (int32_t i = 0; i < 100; ++i) all[static_cast<size_t>(i)] = {i, -INFINITY};
  samara_reply_options options = SAMARA_REPLY_OPTIONS_INIT;
  options.logit_bias = all.data();
  options.n_logit_bias = all.size();
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  for (const float temperature : {0.0f, 0.8f}) {
    samara_sampling sampling = {};
    sampling.struct_size = sizeof sampling;
    REQUIRE_API(samara_model_sampling(model, &sampling));
    sampling.temperature = temperature;
    sampling.top_p = 0.9f;
    REQUIRE_API(samara_session_set_sampling(session, &sampling));
    options.n_logit_bias = all.size();
    REQUIRE_API(samara_reply_begin(session, &options));
    CHECK(samara_reply_next(session, &event) == SAMARA_FAILED_PRECONDITION);
    CHECK(std::string(samara_last_error()).find("forbids every token") != std::string::npos);
    CHECK(event.token == -1);
    // All but one: that one, at any temperature.
    options.n_logit_bias = 99;
    REQUIRE_API(samara_reply_begin(session, &options));
    REQUIRE_API(samara_reply_next(session, &event));
    CHECK(event.token == 99);
    CHECK(event.n_bytes == 0);  // no tokenizer: no text
    REQUIRE_API(samara_rewind(session, 1));
    CHECK(samara_reply_next(session, &event) == SAMARA_FAILED_PRECONDITION);
    REQUIRE_API(samara_session_reset(session));
    REQUIRE_API(samara_feed(session, &prompt, 1));
  }
  samara_session_close(session);
  REQUIRE_API(samara_model_close(model));
}

TEST_CASE("reply: bad options") {
  Speaker speaker("llama3", "Hello");
  samara_session* session = speaker.session();
  const std::string longest(SAMARA_MAX_STOP_BYTES, 'x'), longer = longest + "x";
  std::vector<const char*> stops = {longest.c_str()};
  samara_reply_options options = Stops(stops);
  CHECK(samara_reply_begin(session, &options) == SAMARA_OK);
  for (const char* bad : {"", longer.c_str(), "\xff", "caf\xc3"}) {
    stops = {"fine", bad};
    options = Stops(stops);
    CHECK(samara_reply_begin(session, &options) == SAMARA_INVALID_ARGUMENT);
    CHECK(std::string(samara_last_error()).find("stop string 1") != std::string::npos);
  }
  stops.assign(SAMARA_MAX_STOPS + 1, "x");
  options = Stops(stops);
  CHECK(samara_reply_begin(session, &options) == SAMARA_RESOURCE_EXHAUSTED);
  options = SAMARA_REPLY_OPTIONS_INIT;
  options.n_stops = 1;
  CHECK(samara_reply_begin(session, &options) == SAMARA_INVALID_ARGUMENT);
  options = SAMARA_REPLY_OPTIONS_INIT;
  options.top_logprobs = SAMARA_MAX_TOP_LOGPROBS + 1;
  CHECK(samara_reply_begin(session, &options) == SAMARA_INVALID_ARGUMENT);
  options = SAMARA_REPLY_OPTIONS_INIT;
  options.struct_size = 8;
  CHECK(samara_reply_begin(session, &options) == SAMARA_INVALID_ARGUMENT);
  CHECK(samara_reply_begin(nullptr, nullptr) == SAMARA_INVALID_ARGUMENT);
  samara_reply_statistics statistics = {};
  statistics.struct_size = sizeof statistics;
  CHECK(samara_reply_get_statistics(session, &statistics) == SAMARA_FAILED_PRECONDITION);
  REQUIRE_API(samara_reply_begin(session, nullptr));
  samara_reply_event event = {};
  CHECK(samara_reply_next(session, &event) == SAMARA_INVALID_ARGUMENT);
  event = SAMARA_REPLY_EVENT_INIT;
  CHECK(samara_reply_next(session, &event) == SAMARA_FAILED_PRECONDITION);  // nothing fed
}

TEST_CASE("reply: cancelled, then begun again") {
  Speaker speaker("llama3", "one two three four");
  const std::vector<std::string> pieces = speaker.Say(SAMARA_REPLY_OPTIONS_INIT).pieces;
  samara_session* session = speaker.session();
  const std::string held = pieces[1] + pieces[2], stop = held + "?";
  const std::vector<const char*> stops = {stop.c_str()};
  const samara_reply_options options = Stops(stops);
  const int32_t prompt = 0;
  REQUIRE_API(samara_session_reset(session));
  REQUIRE_API(samara_feed(session, &prompt, 1));
  REQUIRE_API(samara_reply_begin(session, &options));
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  for (int i = 0; i < 3; ++i) REQUIRE_API(samara_reply_next(session, &event));
  CHECK(event.n_bytes == 0);  // held back
  samara_cancel(speaker.model());
  REQUIRE_API(samara_reply_next(session, &event));
  CHECK(event.finish == SAMARA_FINISH_CANCELLED);
  CHECK(event.token == -1);
  CHECK(std::string(event.text, event.n_bytes) == held);
  samara_cancel_clear(speaker.model());
  // Nothing is lost: the last token is still pending.
  CHECK(samara_pending(session) == 1);
  REQUIRE_API(samara_reply_begin(session, nullptr));
  REQUIRE_API(samara_reply_next(session, &event));
  CHECK(std::string(event.text, event.n_bytes) == pieces[3]);
}

TEST_CASE("reply: sessions stepped together, and tokens fed between") {
  const std::string text = "one two three four five";
  Speaker speaker("llama3", Encode("llama3", text), kPositions, 2);
  const std::vector<std::string> pieces = speaker.Say(SAMARA_REPLY_OPTIONS_INIT).pieces;
  REQUIRE_API(samara_session_reset(speaker.session()));
  samara_session* both[] = {speaker.session(), nullptr};
  REQUIRE_API(samara_session_create(speaker.model(), nullptr, &both[1]));
  const int32_t prompt[] = {0, 0};
  std::string said[2];
  for (size_t i = 0; i < 2; ++i) {
    REQUIRE_API(samara_feed(both[i], prompt, i + 1));
    REQUIRE_API(samara_reply_begin(both[i], nullptr));
  }
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  for (int step = 0; step < 3; ++step) {
    REQUIRE_API(samara_step(both, 2));
    for (size_t i = 0; i < 2; ++i) {
      REQUIRE_API(samara_reply_next(both[i], &event));
      said[i].append(event.text, event.n_bytes);
    }
  }
  CHECK(said[0] == pieces[0] + pieces[1] + pieces[2]);
  CHECK(said[1] == pieces[1] + pieces[2] + pieces[3]);
  // A token that the caller adds takes a position, and is not told.
  REQUIRE_API(samara_feed(both[0], prompt, 1));
  REQUIRE_API(samara_reply_next(both[0], &event));
  CHECK(std::string(event.text, event.n_bytes) == pieces[4]);
  samara_session_close(both[1]);
}

TEST_CASE("reply: the same seed gives the same reply, and nothing is allocated") {
  Speaker speaker("llama3", "Hello");
  samara_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  REQUIRE_API(samara_model_sampling(speaker.model(), &sampling));
  sampling.temperature = 20;  // nearly uniform
  sampling.top_p = 0.95f;
  sampling.seed = 11;
  REQUIRE_API(samara_session_set_sampling(speaker.session(), &sampling));
  const std::vector<const char*> stops = {"never said", "nor this"};
  samara_reply_options options = Stops(stops);
  const samara_logit_bias bias = {7, 1};
  options.logit_bias = &bias;
  options.n_logit_bias = 1;
  options.top_logprobs = 20;
  options.logprobs = options.ignore_eos = options.special = 1;
  const Told first = speaker.Say(options);
  CHECK(first.finish == SAMARA_FINISH_CONTEXT);
  const Told second = speaker.Say(options);
  CHECK(first.tokens == second.tokens);
  CHECK(first.text == second.text);

  REQUIRE_API(samara_session_reset(speaker.session()));
  const int32_t prompt = 0;
  StartCounting();
  samara_status status = samara_feed(speaker.session(), &prompt, 1);
  if (status == SAMARA_OK) status = samara_reply_begin(speaker.session(), &options);
  samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
  while (status == SAMARA_OK && event.finish == SAMARA_FINISH_NONE) {
    status = samara_reply_next(speaker.session(), &event);
  }
  const AllocationCounts counts = StopCounting();
  REQUIRE_API(status);
  if (InterposerWorks()) CHECK(counts.calls == 0);
}

}  // namespace
}  // namespace samara::test
