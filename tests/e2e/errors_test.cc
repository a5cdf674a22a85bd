// The catalogue of what a user can get wrong: exit code 2, one line on stderr, nothing on stdout.
#include <doctest/doctest.h>

#include <filesystem>

#include "samara/samara.h"
#include "tests/e2e/run.h"

namespace samara::test {
namespace {

const std::vector<std::vector<std::string>>& ProgramsThatTakeAPackage() {
  static const std::vector<std::vector<std::string>> programs = {
      {"samara-chat", "FILE", "--raw", "-p", "a", "-n", "1"},
      {"samara-inspect", "FILE"},
      {"samara-inspect", "FILE", "--memory"},
      {"samara-inspect", "FILE", "--verify"},
      {"samara-bench", "FILE", "-p", "1", "-n", "0", "-r", "1"},
      {"samara-eval", "FILE", "--tokenize", "a"},
      {"samara-eval", "FILE", "--ids", "1", "--logits", "-"},
  };
  return programs;
}

void CheckRefused(std::vector<std::string> command, const std::string& file,
                  const std::string& hint) {
  std::string text;
  for (std::string& argument : command) {
    if (argument == "FILE") argument = file;
    text += argument + " ";
  }
  CAPTURE(text);
  const Outcome outcome = Run(command);
  CAPTURE(outcome.err);
  CHECK(outcome.exit_code == 2);
  CHECK(outcome.out == "");
  CHECK(Lines(outcome.err) == 1);
  CHECK(outcome.err.find(hint) != std::string::npos);
}

TEST_CASE("files that are no packages") {
  const std::string empty = Scratch("empty.samara"), folder = Scratch("folder.samara");
  const std::string gguf = Scratch("model.gguf"), text = Scratch("text.samara");
  WriteFile(empty, "");
  std::filesystem::create_directory(folder);
  WriteFile(gguf, "GGUF" + std::string(1000, '\0'));
  WriteFile(
      text,
      "This is no package, but it is longer than a header would be, and ends nowhere special.\n");
  for (const auto& program : ProgramsThatTakeAPackage()) {
    CheckRefused(program, Scratch("absent.samara"), "absent.samara");
    CheckRefused(program, empty, "empty");
    CheckRefused(program, folder, "samara-convert");
    CheckRefused(program, gguf, "samara-convert");
    CheckRefused(program, text, "text.samara");
    CheckRefused(program, "/dev/null", "not a regular file");
  }
}

TEST_CASE("truncated and damaged packages") {
  const std::string whole = ReadFile(TinyPackage());
  REQUIRE(whole.size() > 70000);
  const std::string file = Scratch("damaged.samara");
  for (const size_t bytes : {size_t{1}, size_t{7}, size_t{63}, size_t{64}, size_t{16384},
                             whole.size() / 2, whole.size() - 1}) {
    CAPTURE(bytes);
    WriteFile(file, whole.substr(0, bytes));
    for (const auto& program : ProgramsThatTakeAPackage())
      CheckRefused(program, file, "damaged.samara");
  }
  for (const size_t position : {0, 8, 12, 16, 24, 32, 40}) {  // each field of the header
    CAPTURE(position);
    std::string damaged = whole;
    damaged[position] ^= 0x10;
    WriteFile(file, damaged);
    CheckRefused({"samara-inspect", "FILE"}, file, "damaged.samara");
  }
  WriteFile(file, whole + "x");
  CheckRefused({"samara-inspect", "FILE"}, file, "damaged.samara");
}

TEST_CASE("wrong flags") {
  const std::string& model = TinyPackage();
  const std::vector<std::vector<std::string>> commands = {
      {"samara-chat"},
      {"samara-chat", model, "--raw", "--no-such-flag"},
      {"samara-chat", model, "--raw", "-p", "a", "-n", "many"},
      {"samara-chat", model, "--raw", "-p", "a", "-n", "-5"},
      {"samara-chat", model, "--raw", "-p", "a", "--temp", "-1"},
      {"samara-chat", model, "--raw", "-p", "a", "--temp", "nan"},
      {"samara-chat", model, "--raw", "-p", "a", "--top-p", "2"},
      {"samara-chat", model, "--raw", "-p", "a", "--backend", "abacus"},
      {"samara-chat", model, "--raw", "-p", "a", "--kv-type", "q9"},
      {"samara-chat", model, "--raw", "-p", "a", "--ctx", "0"},
      {"samara-chat", model, "--raw", "-p", "a", "--threads", "100000"},
      {"samara-chat", model, "--raw", "-p", "a", "--affinity", "0,"},
      {"samara-bench", model, "--affinity", "8191"},
      {"samara-chat", model, "--raw", "-p", "a", "--memory-budget", "lots"},
      {"samara-chat", model, "--raw", "-p", "a", "--file", "b"},
      {"samara-chat", model, "--raw", "--file", Scratch("no-prompt.txt")},
      {"samara-chat", model, "--raw", "--system", "be nice", "-p", "a"},
      {"samara-chat", model, "-p", "a"},
      {"samara-inspect"},
      {"samara-inspect", model, "--diff", Scratch("absent.samara")},
      {"samara-inspect", model, "--memory", "--batch", "0"},
      {"samara-bench"},
      {"samara-bench", model, "-t", "1,x"},
      {"samara-bench", model, "-p", "0", "-n", "0"},
      {"samara-bench", model, "-r", "0"},
      {"samara-bench", "--make-random", "70T", "-o", Scratch("x.samara")},
      {"samara-bench", "--make-random", "tiny", "--type", "q99", "-o", Scratch("x.samara")},
      {"samara-bench", "--make-random", "tiny"},
      {"samara-eval", model},
      {"samara-eval", model, "--ids", "1,2"},
      {"samara-eval", model, "--ids", "1,,2", "--logits", "-"},
      {"samara-eval", model, "--ids", "99999", "--logits", "-"},
      {"samara-eval", model, "--logits", "-"},
      {"samara-eval", model, "--render", "messages.json"},
      {"samara-eval", model, "--tokenize", "a", "--perplexity", "b"},
      {"samara-eval", model, "--perplexity", Scratch("no-text.txt")},
      {"samara-eval", model, "--kl", Scratch("absent.samara")},
  };
  for (const auto& command : commands) CheckRefused(command, "", command[0] + ": ");
  CHECK_FALSE(std::filesystem::exists(Scratch("x.samara")));
}

TEST_CASE("what --help and --version print") {
  for (const char* program : {"samara-chat", "samara-inspect", "samara-bench", "samara-eval"}) {
    CAPTURE(program);
    const Outcome help = Run({program, "--help"});
    CHECK(help.exit_code == 0);
    CHECK(help.out.find("--threads") != std::string::npos);
    CHECK(help.err == "");
    const Outcome version = Run({program, "--version"});
    CHECK(version.exit_code == 0);
    CHECK(version.out == std::string(program) + " " + samara_version() + "\n");
  }
}

TEST_CASE("an instruction set that is not there is refused; an empty name is none") {
  const std::vector<std::string> command = {"samara-chat", TinyPackage(), "--raw", "--temp", "0",
                                            "-n",          "4",           "-p",    "a"};
  for (const char* isa : {"SAMARA_ISA=abacus", "SAMARA_ISA=neonneon"}) {
    RunOptions options;
    options.environment = {isa};
    const Outcome outcome = Run(command, options);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(Lines(outcome.err) == 1);
  }
  RunOptions empty, scalar;
  empty.environment = {"SAMARA_ISA="};
  scalar.environment = {"SAMARA_ISA=scalar"};
  const Outcome best = Run(command, empty), slow = Run(command, scalar);
  CHECK(best.exit_code == 0);
  CHECK(slow.exit_code == 0);
  CHECK(best.out == slow.out);
}

TEST_CASE("a budget is kept and a long prompt refused") {
  const std::string& model = TinyPackage();
  const Outcome poor = Run({"samara-chat", model, "--raw", "-p", "a", "--memory-budget", "1000"});
  CAPTURE(poor.err);
  CHECK(poor.exit_code == 1);
  CHECK(Lines(poor.err) == 1);
  const Outcome longer =
      Run({"samara-chat", model, "--raw", "-p", std::string(100, 'a'), "--ctx", "16"});
  CHECK(longer.exit_code == 2);
  CHECK(longer.err.find("--ctx") != std::string::npos);
}

TEST_CASE("a full disk is no success") {
  const RunOptions none;
  if (!std::filesystem::exists("/dev/full")) return;
  const Outcome outcome =
      Run({"samara-eval", TinyPackage(), "--ids", "1,2", "--logits", "/dev/full"}, none);
  CHECK(outcome.exit_code == 1);
  CHECK(Lines(outcome.err) == 1);
}

}  // namespace
}  // namespace samara::test
