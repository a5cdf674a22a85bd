// The parts of samara-chat that need no terminal and no model.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>

#include "apps/chat/history.h"
#include "apps/chat/json_value.h"
#include "apps/chat/message_reader.h"
#include "apps/chat/reasoning.h"
#include "apps/chat/settings.h"
#include "tests/e2e/run.h"

namespace samara::apps {
namespace {

class FakeEditor : public LineEditor {
 public:
  explicit FakeEditor(std::vector<std::string> lines) : lines_(std::move(lines)) {}
  ReadResult Read(const std::string& prompt, std::string* line) override {
    prompts += prompt;
    line->clear();
    if (at_ == lines_.size()) return ReadResult::kEnd;
    *line = lines_[at_++];
    if (*line != "^C") return ReadResult::kLine;
    line->clear();
    return ReadResult::kInterrupted;
  }
  void AddHistory(const std::string&) override {}
  std::string prompts;

 private:
  std::vector<std::string> lines_;
  size_t at_ = 0;
};

struct Expected {
  std::vector<std::string> lines;
  std::string text;
  bool command = false;
};

TEST_CASE("lines become messages") {
  const Expected cases[] = {
      {{"hello"}, "hello"},
      {{"one\\", "two\\", "three"}, "one\ntwo\nthree"},
      {{"\"\"\"", "one", "", "/two\\", "\"\"\""}, "one\n\n/two\\"},
      {{"\"\"\"one", "two\"\"\""}, "one\ntwo"},
      {{"\"\"\"all in one\"\"\""}, "all in one"},
      {{"\"\"\"", "\"\"\""}, ""},
      {{"/undo"}, "/undo", true},
      {{"//usr/bin"}, "/usr/bin"},
      {{"/"}, "/", true},
      {{"pasted\nlines"}, "pasted\nlines"},
      {{"/pasted\nlines"}, "/pasted\nlines"},
      {{"tail \\\\"}, "tail \\\n"},  // the last line is missing: Ctrl-D
  };
  for (const Expected& expected : cases) {
    CAPTURE(expected.lines[0]);
    FakeEditor editor(expected.lines);
    MessageReader reader(&editor);
    MessageReader::Message message;
    const ReadResult result = reader.Read(&message);
    if (expected.text == "tail \\\n") {
      CHECK(result == ReadResult::kEnd);
      continue;
    }
    CHECK(result == ReadResult::kLine);
    CHECK(message.text == expected.text);
    CHECK(message.command == expected.command);
  }
}

TEST_CASE("what is recalled is read as the same message") {
  for (const std::vector<std::string>& lines :
       {std::vector<std::string>{"\"\"\"", "/one", "two", "\"\"\""},
        std::vector<std::string>{"a\\", "b"}, std::vector<std::string>{"//x"}}) {
    FakeEditor editor(lines);
    MessageReader::Message first, again;
    REQUIRE(MessageReader(&editor).Read(&first) == ReadResult::kLine);
    FakeEditor recalled({first.history});
    REQUIRE(MessageReader(&recalled).Read(&again) == ReadResult::kLine);
    CHECK(again.text == first.text);
    CHECK_FALSE(again.command);
  }
}

TEST_CASE("Ctrl-C in the middle of a message throws it away") {
  FakeEditor editor({"one\\", "^C", "\"\"\"", "^C", "^C"});
  MessageReader reader(&editor);
  MessageReader::Message message;
  CHECK(reader.Read(&message) == ReadResult::kInterrupted);
  CHECK_FALSE(message.text.empty());
  CHECK(reader.Read(&message) == ReadResult::kInterrupted);
  CHECK_FALSE(message.text.empty());
  CHECK(reader.Read(&message) == ReadResult::kInterrupted);
  CHECK(message.text.empty());
}

// "a" answer, "r" reasoning, "t" tag, each with its text.
std::string Split(const std::vector<std::pair<int, std::string>>& pieces, int open = -1) {
  const std::vector<ReasoningTag> tags = {{"<think>", "</think>"},
                                          {"<|begin|>", "<|end|>", 100, 101}};
  ReasoningSplitter splitter(&tags, open);
  std::string out;
  char last = 0;
  const auto sink = [&](TextKind kind, std::string_view text) {
    const char name = kind == TextKind::kAnswer ? 'a' : kind == TextKind::kReasoning ? 'r' : 't';
    if (name != last || name == 't') out += std::string(out.empty() ? "" : "|") + name + ":";
    last = name;
    out += text;
  };
  for (const auto& [token, text] : pieces) splitter.Add(token, text, sink);
  splitter.Flush(sink);
  return out;
}

TEST_CASE("reasoning is told from the answer") {
  CHECK(Split({{1, "plain"}}) == "a:plain");
  CHECK(Split({{1, "<think>why</think>because"}}) == "t:<think>|r:why|t:</think>|a:because");
  std::vector<std::pair<int, std::string>> bytes;
  for (const char c : std::string("x<th<think>a</thin</think>b<")) {
    bytes.push_back({1, std::string(1, c)});
  }
  CHECK(Split(bytes) == "a:x<th|t:<think>|r:a</thin|t:</think>|a:b<");
  CHECK(Split({{1, "why</think>so"}}, 0) == "r:why|t:</think>|a:so");
  CHECK(Split({{1, "never ends"}}, 0) == "r:never ends");
  CHECK(Split({{1, "</think>"}}) == "a:</think>");
  // Tags that print nothing.
  CHECK(Split({{1, "a"}, {100, ""}, {2, "why"}, {101, ""}, {3, "b"}}) == "a:a|r:why|a:b");
  CHECK(Split({{1, "<thi"}, {100, ""}, {2, "why"}}) == "a:<thi|r:why");
  CHECK(Split({{101, ""}, {3, "b"}}) == "a:b");
}

TEST_CASE("a prompt that ends in an open tag begins in reasoning") {
  const std::vector<ReasoningTag> tags = {{"<think>", "</think>"}};
  CHECK(OpenTag(tags, "assistant\n<think>\n") == 0);
  CHECK(OpenTag(tags, "<think>") == 0);
  CHECK(OpenTag(tags, "<think>\n\n</think>\n\n") == -1);
  CHECK(OpenTag(tags, "") == -1);
  CHECK(OpenTag(tags, "\n") == -1);
}

TEST_CASE("JSON: what is read is what was written, and what is none is refused") {
  std::string error;
  const auto value = ParseJson(
      R"( {"a": [1, -2.5e3, "x\n\"\u00e9\ud83d\ude00\ud800"], "b": {"c": null, "d": true}, "n": 18446744073709551615} )",
      &error);
  REQUIRE_MESSAGE(value, error);
  REQUIRE(value->Find("a") != nullptr);
  CHECK(value->Find("a")->items[0].AsUint() == 1);
  CHECK_FALSE(value->Find("a")->items[1].AsUint());
  CHECK(value->Find("a")->items[2].text == "x\n\"\u00e9\U0001F600\uFFFD");
  CHECK(value->Find("b")->Bool("d") == true);
  CHECK(value->Find("b")->Find("c")->kind == JsonValue::Kind::kNull);
  CHECK(value->Uint("n") == UINT64_MAX);
  CHECK_FALSE(value->String("n"));
  CHECK(value->Find("z") == nullptr);

  for (const std::string& wrong :
       {std::string(""), std::string("{"), std::string("[1,]"), std::string("{\"a\":1,\"a\":2}"),
        std::string("\"a\nb\""), std::string("\"\\x\""), std::string("tru"), std::string("1 2"),
        std::string("-"), std::string("1.2.3"), std::string("\"\\ud83d\\u0041\""),
        std::string("\"\\u12"), std::string(100, '['), std::string("{1:2}"),
        std::string("\"abc")}) {
    CAPTURE(wrong);
    error.clear();
    CHECK_FALSE(ParseJson(wrong, &error));
    CHECK(error.find("byte ") == 0);
  }
}

TEST_CASE("parameters are set by name, checked, and found when mistyped") {
  Settings settings;
  std::string error;
  for (const auto& pair :
       std::vector<std::pair<std::string, std::string>>{{"temp", "0.7"},
                                                        {"top_k", "40"},
                                                        {"top_p", "0.9"},
                                                        {"min_p", "0.05"},
                                                        {"repeat_penalty", "1.1"},
                                                        {"frequency_penalty", "-0.5"},
                                                        {"presence_penalty", "2"},
                                                        {"penalty_window", "64"},
                                                        {"seed", "18446744073709551615"},
                                                        {"n", "100"},
                                                        {"n", "0"},
                                                        {"n", "off"},
                                                        {"on_full", "slide"},
                                                        {"think", "off"},
                                                        {"think", "on"},
                                                        {"think", "default"},
                                                        {"hide_reasoning", "on"}}) {
    const std::string &name = pair.first, &value = pair.second;
    CAPTURE(name);
    CHECK(SetParameter(name, value, &settings, &error));
    CHECK(ParameterText(settings, name) == value);
  }
  for (const std::string& name : ParameterNames()) {
    CAPTURE(name);
    error.clear();
    CHECK_FALSE(SetParameter(name, "nonsense", &settings, &error));
    CHECK(error.find(name + ": got nonsense, wanted ") == 0);
  }
  for (const auto& pair : std::vector<std::pair<std::string, std::string>>{
           {"temp", "-1"}, {"temp", "nan"}, {"top_p", "1.5"}, {"top_k", "-3"}, {"seed", "1x"}}) {
    const std::string &name = pair.first, &value = pair.second;
    CAPTURE(name);
    CHECK_FALSE(SetParameter(name, value, &settings, &error));
  }
  CHECK_FALSE(SetParameter("tmep", "1", &settings, &error));
  CHECK(error == "no parameter tmep; did you mean temp?");
  CHECK_FALSE(SetParameter("quite_another", "1", &settings, &error));
  CHECK(error == "no parameter quite_another");
}

TEST_CASE("history: entries with line breaks, cut to the newest, for its owner alone") {
  const std::string path = test::Scratch("state/samara/history");
  HistoryFile file(path);
  CHECK(file.Load().empty());
  file.Append("one");
  file.Append("two\nlines \\n");
  file.Append("\xE6\x97\xA5\xF0\x9F\x98\x80");
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  REQUIRE(stat(test::Scratch("state/samara").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  const std::vector<std::string> entries = file.Load();
  REQUIRE(entries.size() == 3);
  CHECK(entries[1] == "two\nlines \\n");
  CHECK(entries[2] == "\xE6\x97\xA5\xF0\x9F\x98\x80");

  for (int i = 0; i < 2100; ++i) file.Append("line " + std::to_string(i));
  CHECK(file.Load().size() == 1000);
  CHECK(file.Load().back() == "line 2099");
  CHECK(test::Lines(test::ReadFile(path)) == 1000);
  HistoryFile none("");
  none.Append("x");
  CHECK(none.Load().empty());
  HistoryFile impossible("/proc/no/such/place");
  impossible.Append("x");
  CHECK(impossible.Load().empty());
}

}  // namespace
}  // namespace samara::apps
