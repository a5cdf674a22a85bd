// A real model, small enough for every run: text and logits against a float64 reference.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "converter/json.h"
#include "tests/e2e/run.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

std::string SharedDir() {
  const char* given = std::getenv("SAMARA_SHARED");
  return std::string(given != nullptr ? given : SAMARA_SHARED_DIR) + "/models/stories260k";
}

JsonDocument Parse(const std::string& name, const std::string& text) {
  auto document = JsonDocument::Parse(name, text);
  REQUIRE_MESSAGE(document.ok(), document.status().message());
  return std::move(*document);
}

const JsonDocument& Expected() {
  static const JsonDocument document =
      Parse("expected.json", ReadFile(SharedDir() + "/expected.json"));
  return document;
}

std::string Convert(const char* quant) {
  const std::string file = Scratch(std::string("stories260k-") + quant + ".samara");
  if (std::filesystem::exists(file)) return file;
  const Outcome outcome = Run({"samara-convert", SharedDir(), "-o", file, "--quant", quant});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  return file;
}

std::string ExpectedText() {
  return std::string(*Expected().root().Find("greedy").Find("text").String());
}

// Greedy continuation of the prompt, as many tokens as expected.json has.
Outcome TryContinue(const std::string& file, const RunOptions& options,
                    const std::vector<std::string>& more = {}) {
  const char* prompt = "Once upon a time";
  const JsonDocument ids = Parse("ids", Run({"samara-eval", file, "--tokenize", prompt}).out);
  const uint64_t n = Expected().root().Find("greedy").Find("ids").size() - ids.root().size();
  std::vector<std::string> arguments = {"samara-chat", file,   "--raw", "--temp",         "0",
                                        "-p",          prompt, "-n",    std::to_string(n)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return Run(arguments, options);
}
std::string Continue(const std::string& file, const RunOptions& options = {}) {
  const Outcome outcome = TryContinue(file, options);
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  return outcome.out;
}

std::string IdList(const Json& ids) {
  std::string text;
  for (const Json id : ids) text += (text.empty() ? "" : ",") + std::to_string(*id.Uint());
  return text;
}

TEST_CASE("F32: the greedy text is the one that the checkpoint's author publishes") {
  CHECK(Continue(Convert("f32")) == ExpectedText() + "\n");
}

TEST_CASE("F32: a reply of the library is that text, too, and ends before a stop string") {
  const std::string file = Convert("f32"), prompt = "Once upon a time";
  const std::string want = ExpectedText().substr(prompt.size());
  const JsonDocument whole =
      Parse("reply", Run({"samara-eval", file, "--generate", prompt, "-n", "100", "--json"}).out);
  const std::string text(*whole.root().Find("text").String());
  CHECK(text.size() > 200);
  CHECK(want.starts_with(text.substr(0, std::min(text.size(), want.size()))));
  const std::string stop = "little girl";
  const size_t at = want.find(stop);
  REQUIRE(at != std::string::npos);
  const JsonDocument stopped = Parse(
      "reply", Run({"samara-eval", file, "--generate", prompt, "--stop", stop, "--json"}).out);
  CHECK(*stopped.root().Find("text").String() == want.substr(0, at));
  CHECK(*stopped.root().Find("finish_reason").String() == "stop");
}

TEST_CASE("F32: logits agree with float64") {
  const Json expected = Expected().root().Find("logits");
  const Outcome outcome =
      Run({"samara-eval", Convert("f32"), "--ids", IdList(expected.Find("ids")), "--logits", "-"});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  const JsonDocument document = Parse("logits", outcome.out);
  const Json rows = document.root().Find("logits");
  REQUIRE(rows.size() == expected.Find("ids").size());
  uint64_t row_index = 0;
  for (const Json row : rows) {
    const char* which = row_index == 0 ? "first" : row_index + 1 == rows.size() ? "last" : nullptr;
    ++row_index;
    if (which == nullptr) continue;
    const Json wanted = expected.Find(which);
    REQUIRE(row.size() == wanted.size());
    auto want = wanted.begin();
    double worst = 0;
    for (const Json got : row) {
      worst = std::max(worst, std::abs(*got.Number() - *(*want).Number()));
      ++want;
    }
    CAPTURE(std::string(which));
    CHECK(worst < tolerance::kStories260kLogits);
    MESSAGE(std::string(which) << " position: largest difference " << worst);
  }
}

TEST_CASE("Q8_0 keeps the first 100 characters of the text") {
  CHECK(Continue(Convert("q8_0")).substr(0, 100) == ExpectedText().substr(0, 100));
}

TEST_CASE("the bits do not depend on threads or instruction set") {
  for (const char* quant : {"f32", "f16", "bf16", "q8_0", "q4_0"}) {
    CAPTURE(quant);
    const std::string file = Convert(quant);
    const std::string ids = IdList(Expected().root().Find("greedy").Find("ids"));
    const auto logits = [&](const char* threads, const char* isa) {
      RunOptions options;
      options.environment = {std::string("SAMARA_ISA=") + isa};
      const Outcome outcome =
          Run({"samara-eval", file, "--ids", ids, "--logits", "-", "--threads", threads}, options);
      REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
      return outcome.out;
    };
    const std::string best = logits("1", "");
    CHECK(logits("3", "") == best);
    CHECK(logits("2", "scalar") == best);
  }
}

#ifdef SAMARA_EMULATED_FOLDER
TEST_CASE("the CUDA backend's kernels, emulated, write the same text") {
  RunOptions options;
  options.environment = {"SAMARA_PLUGIN_PATH=" SAMARA_EMULATED_FOLDER};
  for (int run = 0; run < 2; ++run) {
    const Outcome outcome = TryContinue(Convert("f32"), options, {"--backend", "cuda"});
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
    CHECK(outcome.out == ExpectedText() + "\n");
  }
}
#endif

// On a CPU with Vulkan; which other device, SAMARA_TEST_VULKAN_DEVICE says.
TEST_CASE("F32 through Vulkan: the same greedy text") {
  const char* device = std::getenv("SAMARA_TEST_VULKAN_DEVICE");
  RunOptions options;
  options.environment = {std::string("SAMARA_VULKAN=device=") +
                         (device != nullptr ? device : "cpu")};
  const Outcome outcome = TryContinue(Convert("f32"), options, {"--backend", "vulkan"});
  if (outcome.exit_code == 2) {
    const char* required = std::getenv("SAMARA_REQUIRE_VULKAN");
    std::printf("SKIPPED Vulkan: %s", outcome.err.c_str());
    CHECK((required == nullptr || std::string(required) != "1"));
    return;
  }
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  CHECK(outcome.out == ExpectedText() + "\n");
}

TEST_CASE("the package verifies and is whole") {
  for (const char* quant : {"f32", "q8_0"}) {
    const std::string file = Convert(quant);
    const Outcome verify = Run({"samara-inspect", file, "--verify", "--check"});
    CAPTURE(verify.err);
    CHECK(verify.exit_code == 0);
    CHECK(verify.out.find("all as recorded") != std::string::npos);
  }
}

}  // namespace
}  // namespace samara::test

int main(int argc, char** argv) {
  if (!std::filesystem::exists(samara::test::SharedDir() + "/expected.json")) {
    std::printf("SKIPPED: no %s; set SAMARA_SHARED to the folder that holds models/stories260k\n",
                samara::test::SharedDir().c_str());
    return 77;
  }
  doctest::Context context(argc, argv);
  return context.run();
}
