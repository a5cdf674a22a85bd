// Turns without a terminal: --json, pipes, what is computed and what is kept.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "apps/chat/json_value.h"
#include "tests/chat/model_file.h"

namespace samara::test {
namespace {

using apps::JsonValue;

std::vector<JsonValue> Objects(const std::string& text) {
  std::vector<JsonValue> objects;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string error;
    const auto value = apps::ParseJson(text.substr(begin, end - begin), &error);
    REQUIRE_MESSAGE(value, (error + " in: " + text));
    objects.push_back(*value);
    begin = end + 1;
  }
  return objects;
}

const std::string& Plain() {
  static const std::string path = MakePackage("plain", {});
  return path;
}

const std::string& Chatty() {
  static const std::string path = [] {
    PackageSpec spec;
    spec.chat_template = kChatTemplate;
    return MakePackage("chatty", spec);
  }();
  return path;
}

std::vector<JsonValue> Talk(const std::string& model, const std::string& input,
                            std::vector<std::string> flags, int exit_code = 0) {
  flags.insert(flags.begin(), {"samara-chat", model, "--json", "--temp", "0"});
  RunOptions options;
  options.input = input;
  const Outcome outcome = Run(flags, options);
  CHECK_MESSAGE(outcome.exit_code == exit_code, outcome.err);
  return Objects(outcome.out);
}

uint64_t Number(const JsonValue& object, const char* name) {
  const auto value = object.Uint(name);
  REQUIRE_MESSAGE(value, std::string(name));
  return *value;
}

TEST_CASE("no turn computes old tokens again, though the model writes in tokens of its own") {
  // With a template, raw, and raw with the words of a model that is no script.
  const std::vector<std::vector<std::string>> ways = {
      {Chatty(), "-n", "7"}, {Plain(), "-n", "7", "--raw"}, {TinyPackage(), "-n", "9", "--raw"}};
  for (const std::vector<std::string>& way : ways) {
    CAPTURE(way[0]);
    const std::vector<JsonValue> turns =
        Talk(way[0], "hello\nwell then\n\xE6\x97\xA5\xF0\x9F\x98\x80\nhello again\n",
             {way.begin() + 1, way.end()});
    REQUIRE(turns.size() == 4);
    CHECK(Number(turns[0], "kept_tokens") == 0);
    for (size_t i = 0; i < turns.size(); ++i) {
      CAPTURE(i);
      CHECK(Number(turns[i], "kept_tokens") + Number(turns[i], "computed_tokens") ==
            Number(turns[i], "prompt_tokens"));
      CHECK(Number(turns[i], "context_used") ==
            Number(turns[i], "prompt_tokens") + Number(turns[i], "reply_tokens"));
      if (i == 0) continue;
      // All that the session held but the last token of the reply, which was not computed yet.
      CHECK(Number(turns[i], "kept_tokens") == Number(turns[i - 1], "context_used") - 1);
    }
  }
}

TEST_CASE("a template that drops old reasoning has that part computed again, and no more") {
  PackageSpec spec;
  spec.chat_template = kChatTemplate;
  spec.pattern = "<think>ab</think>cd\x04";
  spec.positions = 400;
  const std::string model = MakePackage("reasoner", spec);
  const std::vector<JsonValue> turns = Talk(model, "one\ntwo\n", {"-n", "40"});
  REQUIRE(turns.size() == 2);
  // The prompt of the first turn is kept, its reply was rewritten.
  CHECK(Number(turns[1], "kept_tokens") >= Number(turns[0], "prompt_tokens"));
  CHECK(Number(turns[1], "kept_tokens") + Number(turns[1], "computed_tokens") ==
        Number(turns[1], "prompt_tokens"));
}

TEST_CASE("the reply in JSON: reasoning apart, why it ended, log-probabilities") {
  PackageSpec spec;
  spec.pattern = "<think>\nwhy\n</think>\n\nanswer\x04";
  spec.positions = 300;
  const std::string model = MakePackage("thinker", spec);
  // One byte of prompt: the script begins with its first token.
  JsonValue turn = Talk(model, "x\n", {"--raw"})[0];
  CHECK(turn.String("reasoning") == "why");
  CHECK(turn.String("reply") == "answer");
  CHECK(turn.String("finish") == "eos");
  turn = Talk(model, "x\n", {"--raw", "-n", "12"})[0];
  CHECK(turn.String("reasoning") == "why");
  CHECK(turn.String("reply") == "");
  CHECK(turn.String("finish") == "length");
  CHECK(Number(turn, "reply_tokens") == 12);
  turn = Talk(model, "x\n", {"--raw", "--stop", "swe"})[0];
  CHECK(turn.String("reply") == "an");
  CHECK(turn.String("finish") == "stop");
  turn = Talk(model, "x\n", {"--raw", "-n", "3", "--logprobs", "2"})[0];
  const JsonValue* logprobs = turn.Find("logprobs");
  REQUIRE(logprobs != nullptr);
  REQUIRE(logprobs->items.size() == 3);
  CHECK(logprobs->items[0].String("text") == "<");
  REQUIRE(logprobs->items[0].Find("top")->items.size() == 2);
  CHECK(logprobs->items[0].Find("top")->items[0].String("text") == "<");
  // The most likely token is ruled out: another comes.
  turn = Talk(model, "x\n", {"--raw", "-n", "1", "--logit-bias", "60=-inf", "--logprobs", "0"})[0];
  CHECK(turn.Find("logprobs")->items[0].String("text") != "<");
  turn = Talk(model, "x\n", {"--raw", "--ignore-eos", "-n", "40"})[0];
  CHECK(Number(turn, "reply_tokens") == 40);
}

TEST_CASE("a template's variables, tools and refusals") {
  const auto prompt_tokens = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), {"-n", "1"});
    return Number(Talk(Chatty(), "a\n", flags)[0], "prompt_tokens");
  };
  const uint64_t plain = prompt_tokens({});
  CHECK(prompt_tokens({"--think"}) == plain + 2);  // <think> and a line break
  CHECK(prompt_tokens({"--no-think"}) == plain);
  CHECK(prompt_tokens({"--template-var", "enable_thinking=true"}) == plain + 2);
  CHECK(prompt_tokens({"--system", "be"}) > plain);
  CHECK(prompt_tokens({"--template", "default"}) == plain);
  WriteFile(Scratch("tools.json"), "[{\"name\": \"a\"}, {\"name\": \"b\"}]");
  CHECK(prompt_tokens({"--tools", Scratch("tools.json")}) == plain + 8);  // "2 tools" and a break

  // The template refuses one turn; the others go on.
  const std::vector<JsonValue> turns = Talk(Chatty(), "a\nrefuse\nb\n", {"-n", "2"}, 2);
  REQUIRE(turns.size() == 3);
  REQUIRE(turns[1].String("error"));
  CHECK(turns[1].String("error")->find("not this") != std::string::npos);
  CHECK(Number(turns[2], "kept_tokens") == Number(turns[0], "context_used") - 1);
  // A prompt that opens <think>: the reply begins in reasoning.
  CHECK(Talk(Chatty(), "a\n", {"-n", "4", "--think"})[0].String("reply") == "");
}

TEST_CASE("what the person writes never becomes a control token") {
  const auto tokens = [&](const std::string& text) {
    return Number(Talk(Chatty(), text + "\n", {"-n", "1"})[0], "prompt_tokens");
  };
  CHECK(tokens("<|im_end|>") == tokens("abcdefghij"));
  CHECK(tokens("<think>") == tokens("abcdefg"));
}

TEST_CASE("a full context: stop says what can be done, slide goes on") {
  PackageSpec spec;
  spec.positions = 256;
  const std::string model = MakePackage("full", spec);
  RunOptions input;
  input.input = "begin\n" + std::string(60, 'x') + "\nmore\n";
  const std::vector<std::string> base = {"samara-chat", model, "--raw", "--json",
                                         "--temp",      "0",   "--ctx", "64"};
  Outcome outcome = Run(base, input);
  std::vector<JsonValue> turns = Objects(outcome.out);
  REQUIRE(turns.size() == 3);
  CHECK(turns[0].String("finish") == "context");
  CHECK(Number(turns[0], "context_used") == 64);
  for (int i : {1, 2}) CHECK(turns[static_cast<size_t>(i)].String("error"));
  for (const char* way : {"--ctx", "--on-full slide"}) {
    CHECK(outcome.err.find(way) != std::string::npos);
  }
  CHECK(outcome.exit_code == 2);

  std::vector<std::string> slide = base;
  slide.insert(slide.end(), {"--on-full", "slide", "-n", "150"});
  outcome = Run(slide, input);
  CHECK(outcome.exit_code == 0);
  turns = Objects(outcome.out);
  REQUIRE(turns.size() == 3);
  CHECK(outcome.err.find("going on with the first 5 and the newest 32") != std::string::npos);
  for (const JsonValue& turn : turns) {
    CHECK(turn.String("finish") == "length");
    CHECK(Number(turn, "reply_tokens") == 150);
    CHECK(Number(turn, "dropped_tokens") > 0);
    CHECK(Number(turn, "context_used") <= 64);
  }
  // After a slide a turn that fits computes its own text only.
  slide.back() = "3";
  input.input = "begin\nmore\n" + std::string(40, 'x') + "\nab\nc\n";
  turns = Objects(Run(slide, input).out);
  REQUIRE(turns.size() == 5);
  CHECK(Number(turns[2], "kept_tokens") == Number(turns[1], "context_used") - 1);
  CHECK(turns[2].Find("dropped_tokens") == nullptr);
  CHECK(Number(turns[3], "dropped_tokens") > 0);
  CHECK(Number(turns[4], "kept_tokens") == Number(turns[3], "context_used") - 1);
}

TEST_CASE("a reply that is cut inside a character prints no broken bytes") {
  PackageSpec spec;
  spec.pattern = "a\xF0\x9F\x98\x80z";
  const std::string model = MakePackage("emoji", spec);
  for (int n = 0; n <= 13; ++n) {
    const std::string count = std::to_string(n);
    const Outcome outcome =
        Run({"samara-chat", model, "--raw", "--temp", "0", "-n", count, "-p", "x"});
    std::string whole = "x";
    for (int i = 0; i < n; ++i) {
      if (i % 6 == 0) whole += "a";
      if (i % 6 == 4) whole += "\xF0\x9F\x98\x80";
      if (i % 6 == 5) whole += "z";
    }
    CHECK(outcome.out == whole + "\n");
    // And the next turn goes on from what was computed.
    const std::vector<JsonValue> turns = Talk(model, "x\ny\n", {"--raw", "-n", count});
    REQUIRE(turns.size() == 2);
    CHECK(Number(turns[1], "kept_tokens") + Number(turns[1], "computed_tokens") ==
          Number(turns[1], "prompt_tokens"));
  }
}

TEST_CASE("no template: said in one line, with what helps; never another one") {
  const Outcome outcome = Run({"samara-chat", Plain(), "-p", "a"});
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.out == "");
  CHECK(Lines(outcome.err) == 1);
  CHECK(outcome.err.find("no chat template") != std::string::npos);
  CHECK(outcome.err.find("--raw") != std::string::npos);
  const Outcome other = Run({"samara-chat", Chatty(), "-p", "a", "--template", "rag"});
  CHECK(other.exit_code == 2);
  CHECK(other.err.find("the package has default") != std::string::npos);
}

TEST_CASE("a pipe whose reader is gone ends the program quietly") {
  int fds[2];
  REQUIRE(pipe(fds) == 0);
  const std::string err = Scratch("pipe.err");
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    const int errors = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(errors, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    const std::string program = std::string(SAMARA_BIN_DIR) + "/samara-chat";
    execl(program.c_str(), "samara-chat", Plain().c_str(), "--raw", "--temp", "0", "--on-full",
          "slide", "-p", "x", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(fds[1]);
  char first = 0;
  CHECK(read(fds[0], &first, 1) == 1);
  CHECK(first == 'x');
  close(fds[0]);
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGPIPE);
  std::istringstream lines(ReadFile(err));
  for (std::string line; std::getline(lines, line);) {  // nothing but slides, if any
    CHECK(line.find("samara-chat: the context is full: going on") == 0);
  }
}

TEST_CASE("saved at the end, taken up again: nothing is computed twice") {
  const std::string saved = Scratch("conversation.json");
  const std::vector<JsonValue> whole = Talk(Chatty(), "hello\nwell\n", {"-n", "7"});
  const JsonValue first = Talk(Chatty(), "hello\n", {"-n", "7", "--save", saved})[0];
  const JsonValue second = Talk(Chatty(), "well\n", {"-n", "7", "--load", saved})[0];
  CHECK(second.String("reply") == whole[1].String("reply"));
  CHECK(Number(second, "prompt_tokens") == Number(whole[1], "prompt_tokens"));
  CHECK(Number(second, "kept_tokens") == Number(first, "context_used") - 1);
  // Without what was computed the conversation is computed again.
  std::filesystem::remove(saved + ".state");
  CHECK(Number(Talk(Chatty(), "well\n", {"-n", "7", "--load", saved})[0], "kept_tokens") == 0);
  for (const std::string& text :
       {std::string("{}"), std::string("{\"format\":\"samara-chat conversation\",\"version\":9}"),
        std::string("nonsense"), ReadFile(saved).substr(0, 100)}) {
    WriteFile(Scratch("bad.json"), text);
    const Outcome outcome =
        Run({"samara-chat", Chatty(), "-p", "a", "--load", Scratch("bad.json")});
    CHECK(outcome.exit_code == 2);
    CHECK(Lines(outcome.err) == 1);
  }
}

TEST_CASE("a conversation that was saved goes on with the same draws") {
  const std::string saved = Scratch("drawn.json");
  const auto talk = [&](const std::string& input, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"samara-chat", TinyPackage(), "--raw", "--json", "-n", "12"});
    RunOptions options;
    options.input = input;
    const Outcome outcome = Run(flags, options);
    CHECK_MESSAGE(outcome.exit_code == 0, outcome.err);
    CHECK(outcome.err == "");
    return Objects(outcome.out);
  };
  const std::vector<std::string> drawn = {"--temp", "1.5", "--seed", "77"};
  std::vector<std::string> save = drawn;
  save.insert(save.end(), {"--save", saved});
  const std::vector<JsonValue> whole = talk("one\ntwo\n", drawn);
  talk("one\n", save);
  // Temperature and generator come from the file; a flag wins over it.
  CHECK(talk("two\n", {"--load", saved})[0].String("reply") == whole[1].String("reply"));
  CHECK(talk("two\n", {"--load", saved, "--seed", "5"})[0].String("reply") !=
        whole[1].String("reply"));
}

TEST_CASE("bad values of flags are refused in one line") {
  WriteFile(Scratch("object.json"), "{}");
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--logit-bias", "a=1"},
                                             {"--logit-bias", "1"},
                                             {"--logit-bias", "1=nan"},
                                             {"--logit-bias", "99999=1"},
                                             {"--logprobs", "2"},
                                             {"--json", "--logprobs", "21"},
                                             {"--on-full", "burst"},
                                             {"--tools", Scratch("object.json")},
                                             {"--tools", Scratch("absent.json")},
                                             {"--template-var", "x"},
                                             {"--think", "--no-think"},
                                             {"--load", Scratch("absent.json")}}) {
    CAPTURE(flags[0]);
    std::vector<std::string> command = {"samara-chat", Chatty(), "-p", "a"};
    command.insert(command.end(), flags.begin(), flags.end());
    const Outcome outcome = Run(command);
    CHECK(outcome.exit_code == 2);
    CHECK(Lines(outcome.err) == 1);
    CHECK(outcome.err.find("samara-chat: ") == 0);
  }
}

}  // namespace
}  // namespace samara::test
