#include <doctest/doctest.h>

#include "tests/e2e/run.h"

namespace samara::test {
namespace {

Outcome Chat(std::vector<std::string> arguments, const RunOptions& options = {}) {
  arguments.insert(arguments.begin(), {"samara-chat", TinyPackage(), "--raw"});
  return Run(arguments, options);
}

TEST_CASE("the prompt comes from -p, a file or a pipe, and is printed with its continuation") {
  const Outcome flag = Chat({"--temp", "0", "-n", "24", "-p", "Once"});
  CHECK(flag.exit_code == 0);
  CHECK(flag.err == "");
  REQUIRE(flag.out.size() > 5);
  CHECK(flag.out.substr(0, 4) == "Once");
  CHECK(flag.out.back() == '\n');

  WriteFile(Scratch("prompt.txt"), "Once\n");
  CHECK(Chat({"--temp", "0", "-n", "24", "--file", Scratch("prompt.txt")}).out == flag.out);
  RunOptions piped;
  piped.input = "Once\n";
  CHECK(Chat({"--temp", "0", "-n", "24"}, piped).out == flag.out);
  CHECK(Chat({"--temp", "0", "-n", "24", "--file", "-"}, piped).out == flag.out);
}

TEST_CASE("-n 0 prints the prompt alone") {
  CHECK(Chat({"-n", "0", "-p", "Once"}).out == "Once\n");
}

TEST_CASE("the same seed gives the same text, another another") {
  const std::vector<std::string> base = {"--temp", "1", "-n", "40", "-p", "Once", "--seed"};
  const auto text = [&](const char* seed, const char* threads) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), {seed, "--threads", threads});
    return Chat(arguments).out;
  };
  CHECK(text("7", "1") == text("7", "3"));
  CHECK(text("7", "1") != text("8", "1"));
}

TEST_CASE("a stop string ends the reply before it") {
  const Outcome whole = Chat({"--temp", "0", "-n", "24", "-p", "Once"});
  REQUIRE(whole.out.size() > 12);
  const std::string reply = whole.out.substr(4, whole.out.size() - 5);
  const std::string stop = reply.substr(3, 2);
  const Outcome cut =
      Chat({"--temp", "0", "-n", "24", "-p", "Once", "--stop", stop, "--stop", "never to be seen"});
  CHECK(cut.exit_code == 0);
  CHECK(cut.out == "Once" + reply.substr(0, reply.find(stop)) + "\n");
}

TEST_CASE("a full context ends the reply and is named") {
  const Outcome outcome = Chat({"--temp", "0", "-p", "Once", "--ctx", "20"});
  CHECK(outcome.exit_code == 0);
  CHECK(Lines(outcome.err) == 1);
  CHECK(outcome.err.find("context is full") != std::string::npos);
  CHECK(outcome.err.find("--ctx") != std::string::npos);
}

TEST_CASE("speeds appear on a terminal or when asked for") {
  const Outcome outcome = Chat({"--temp", "0", "-n", "4", "-p", "Once", "--stats"});
  CHECK(outcome.err.find("reply 4, ") != std::string::npos);
  CHECK(outcome.err.find("prompt 4, ") != std::string::npos);
}

TEST_CASE("the text does not depend on how the model is run") {
  const Outcome plain = Chat({"--temp", "0", "-n", "32", "-p", "Once upon a time"});
  CHECK(Chat({"--temp", "0", "-n", "32", "-p", "Once upon a time", "--threads", "3"}).out ==
        plain.out);
  CHECK(Chat({"--temp", "0", "-n", "32", "-p", "Once upon a time", "--no-mmap"}).out == plain.out);
  CHECK(Chat({"--temp", "0", "-n", "32", "-p", "Once upon a time", "--backend", "reference"}).out ==
        plain.out);
}

}  // namespace
}  // namespace samara::test
