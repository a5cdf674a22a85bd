// A model that says what a test wants, and what it said.
#ifndef SAMARA_TESTS_RUNTIME_SPEAKER_H_
#define SAMARA_TESTS_RUNTIME_SPEAKER_H_

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "converter/tokenizer/compile.h"
#include "runtime/tokenizer/tokenizer.h"
#include "samara/samara.h"
#include "tests/formats/scripted_package.h"
#include "tests/runtime/model_fixture.h"

namespace samara::test {

#define REQUIRE_API(call) REQUIRE_MESSAGE((call) == SAMARA_OK, samara_last_error())

inline constexpr size_t kPositions = 64;

inline const std::vector<uint8_t>& Tables(const std::string& name, uint32_t* vocab) {
  struct Compiled {
    std::string name;
    std::vector<uint8_t> tables;
    uint32_t vocab;
  };
  static std::vector<std::unique_ptr<Compiled>> all;
  for (const auto& c : all) {
    if (c->name == name) return *vocab = c->vocab, c->tables;
  }
  auto json = JsonDocument::ReadFile(SAMARA_SOURCE_DIR "/tests/tokenizer/data/" + name + ".json",
                                     "tokenizer.json");
  REQUIRE_OK(json.status());
  TokenizerSummary summary;
  auto tables = CompileTokenizer(json->root(), nullptr, &summary);
  REQUIRE_OK(tables.status());
  all.push_back(std::make_unique<Compiled>(Compiled{name, std::move(*tables), summary.vocab}));
  *vocab = summary.vocab;
  return all.back()->tables;
}

inline std::vector<int32_t> Encode(const std::string& name, const std::string& text) {
  uint32_t vocab = 0;
  Tokenizer tokenizer;
  REQUIRE_OK(tokenizer.Init(Tables(name, &vocab)));
  std::vector<uint8_t> work(tokenizer.WorkBytes(text.size()));
  std::vector<int32_t> ids(text.size() + 4);
  uint64_t n = 0;
  EncodeOptions options;
  options.add_special = false;
  options.parse_special = true;
  REQUIRE_OK(tokenizer.Encode(text, options, work, ids.data(), ids.size(), &n));
  ids.resize(n);
  return ids;
}

struct Told {
  std::string text;
  std::vector<std::string> pieces;
  std::vector<int32_t> tokens;
  samara_finish finish = SAMARA_FINISH_NONE;
  int32_t stop = -1;
  std::vector<float> logprobs;
  std::vector<std::vector<samara_logprob>> tops;
};

// A model that says `ids` after one token of prompt, then `eos` for ever.
class Speaker {
 public:
  Speaker(const std::string& tokenizer, std::vector<int32_t> ids, uint32_t n_ctx = kPositions,
          uint32_t max_sessions = 1)
      : file_(Package(tokenizer, std::move(ids))) {
    samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
    options.n_ctx = n_ctx;
    options.n_threads = 1;
    options.max_sessions = max_sessions;
    REQUIRE_API(samara_model_open_memory(file_.data(), file_.size(), &options, &model_));
    REQUIRE_API(samara_session_create(model_, nullptr, &session_));
  }
  Speaker(const std::string& tokenizer, const std::string& text, uint32_t n_ctx = kPositions)
      : Speaker(tokenizer, Encode(tokenizer, text), n_ctx) {}
  ~Speaker() {
    samara_session_close(session_);
    CHECK(samara_model_close(model_) == SAMARA_OK);
  }
  Speaker(const Speaker&) = delete;

  samara_model* model() { return model_; }
  samara_session* session() { return session_; }
  const Script& script() const { return script_; }

  Told Say(const samara_reply_options& options, bool fresh = true) {
    if (fresh) {
      REQUIRE_API(samara_session_reset(session_));
      const int32_t prompt = 0;
      REQUIRE_API(samara_feed(session_, &prompt, 1));
    }
    REQUIRE_API(samara_reply_begin(session_, &options));
    Told told;
    samara_reply_event event = SAMARA_REPLY_EVENT_INIT;
    while (event.finish == SAMARA_FINISH_NONE) {
      REQUIRE_API(samara_reply_next(session_, &event));
      told.pieces.emplace_back(event.text, event.n_bytes);
      told.text += told.pieces.back();
      if (event.token >= 0) told.tokens.push_back(event.token);
      told.logprobs.push_back(event.logprob);
      told.tops.emplace_back(event.top, event.top + event.n_top);
    }
    told.finish = event.finish;
    told.stop = event.stop;
    CHECK(samara_reply_next(session_, &event) == SAMARA_FAILED_PRECONDITION);
    return told;
  }

 private:
  std::vector<uint8_t> Package(const std::string& tokenizer, std::vector<int32_t> ids) {
    script_.tokenizer = Tables(tokenizer, &script_.vocab);
    script_.eos_ids = {static_cast<int32_t>(script_.vocab - 1),
                       static_cast<int32_t>(script_.vocab - 2)};
    script_.ids = std::move(ids);
    REQUIRE(script_.ids.size() <= kPositions);
    script_.ids.resize(kPositions, script_.eos_ids[1]);
    std::vector<uint8_t> file;
    REQUIRE_OK(MakeScriptedPackage(script_, &file));
    return file;
  }

  Script script_;
  AlignedFile file_;
  samara_model* model_ = nullptr;
  samara_session* session_ = nullptr;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_RUNTIME_SPEAKER_H_
