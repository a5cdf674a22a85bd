// samara-bench and samara-eval.
#include <doctest/doctest.h>

#include "converter/json.h"
#include "tests/e2e/run.h"

namespace samara::test {
namespace {

JsonDocument Parse(const std::string& text) {
  auto document = JsonDocument::Parse("output", text);
  REQUIRE_MESSAGE(document.ok(), document.status().message());
  return std::move(*document);
}

TEST_CASE("bench prints one array with a row per test") {
  const Outcome outcome = Run({"samara-bench", TinyPackage(), "-p", "32", "-n", "8", "-d", "16",
                               "-t", "1,2", "-r", "2", "--sessions", "2", "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const JsonDocument document = Parse(outcome.out);
  const char* const names[] = {"pp32", "tg8", "pp32", "tg8"};
  REQUIRE(document.root().size() == 4);
  size_t i = 0;
  for (const Json row : document.root()) {
    CHECK(*row.Find("name").String() == names[i]);
    CHECK(*row.Find("threads").Uint() == i / 2 + 1);
    CHECK(*row.Find("n_prompt").Uint() == (i % 2 == 0 ? 32 : 0));
    CHECK(*row.Find("n_gen").Uint() == (i % 2 == 0 ? 0 : 8));
    CHECK(*row.Find("depth").Uint() == 16);
    const double median = *row.Find("tok_s_median").Number();
    CHECK(median > 0);
    CHECK(*row.Find("tok_s_min").Number() <= median);
    CHECK(*row.Find("tok_s_max").Number() >= median);
    ++i;
  }
}

TEST_CASE("the same seed makes the same random package") {
  const std::string again = Scratch("again.samara"), other = Scratch("other.samara");
  REQUIRE(Run({"samara-bench", "--make-random", "tiny", "--type", "q8_0", "-o", again}).exit_code ==
          0);
  REQUIRE(Run({"samara-bench", "--make-random", "tiny", "--type", "q8_0", "--random-seed", "2",
               "-o", other})
              .exit_code == 0);
  CHECK(ReadFile(again) == ReadFile(TinyPackage()));
  CHECK(ReadFile(other) != ReadFile(TinyPackage()));
}

TEST_CASE("eval writes the logits of every position; a prefix has the same bits") {
  const std::string ids = "1,5,9,200,17,3,3,40";
  const Outcome whole = Run({"samara-eval", TinyPackage(), "--ids", ids, "--logits", "-"});
  CAPTURE(whole.err);
  REQUIRE(whole.exit_code == 0);
  const JsonDocument document = Parse(whole.out);
  CHECK(document.root().Find("ids").size() == 8);
  REQUIRE(document.root().Find("logits").size() == 8);
  for (const Json row : document.root().Find("logits")) CHECK(row.size() == 512);

  const std::string file = Scratch("logits.json");
  REQUIRE(Run({"samara-eval", TinyPackage(), "--ids", ids, "--logits", file, "--threads", "3"})
              .exit_code == 0);
  CHECK(ReadFile(file) == whole.out);

  const Outcome prefix = Run({"samara-eval", TinyPackage(), "--ids", "1,5,9", "--logits", "-"});
  const size_t rows = whole.out.find("\"logits\""), prefix_rows = prefix.out.find("\"logits\"");
  const size_t end = prefix.out.rfind("]\n ]}");
  REQUIRE(end != std::string::npos);
  CHECK(whole.out.compare(rows, end - prefix_rows, prefix.out, prefix_rows, end - prefix_rows) ==
        0);
}

TEST_CASE("eval tokenizes") {
  const Outcome outcome = Run({"samara-eval", TinyPackage(), "--tokenize", "Aa"});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.out == "[65, 97]\n");  // the stand-in tokenizer: a token a byte
  CHECK(Run({"samara-eval", TinyPackage(), "--tokenize", ""}).out == "[]\n");
}

TEST_CASE("a model against itself: divergence exactly 0, always the same first choice") {
  WriteFile(Scratch("text.txt"),
            "The quick brown fox jumps over the lazy dog. " + std::string(600, 'x'));
  const std::vector<std::vector<std::string>> commands = {
      {"samara-eval", "--kl", TinyPackage(), TinyPackage()},
      {"samara-eval", TinyPackage(), "--kl", TinyPackage(), Scratch("text.txt")},
      {"samara-eval", TinyPackage(), "--kl", TinyPackage(), "--ids", "1,2,3"},
  };
  for (const auto& command : commands) {
    const Outcome outcome = Run(command);
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    const JsonDocument document = Parse(outcome.out);
    CHECK(*document.root().Find("kl_mean").Number() == 0);
    CHECK(*document.root().Find("kl_max").Number() == 0);
    CHECK(*document.root().Find("top1_agreement").Number() == 1);
    CHECK(*document.root().Find("positions").Uint() >= 3);
  }
}

TEST_CASE("divergence from a coarser type is small but there; perplexity is plausible") {
  const std::string fine = Scratch("fine.samara"), coarse = Scratch("coarse.samara");
  REQUIRE(Run({"samara-bench", "--make-random", "tiny", "--type", "f32", "-o", fine}).exit_code ==
          0);
  REQUIRE(
      Run({"samara-bench", "--make-random", "tiny", "--type", "q4_0", "-o", coarse}).exit_code ==
      0);
  const auto divergence = [](const std::string& a, const std::string& b) {
    const Outcome outcome = Run({"samara-eval", a, "--kl", b});
    REQUIRE(outcome.exit_code == 0);
    const JsonDocument document = Parse(outcome.out);
    return *document.root().Find("kl_mean").Number();
  };
  const double q8 = divergence(TinyPackage(), fine), q4 = divergence(coarse, fine);
  CHECK(q8 > 0);
  CHECK(q4 > q8);

  WriteFile(Scratch("words.txt"), "Some words that no random model can foresee, again and again. " +
                                      std::string(700, 'y'));
  const Outcome outcome =
      Run({"samara-eval", TinyPackage(), "--perplexity", Scratch("words.txt"), "--ctx", "128"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const JsonDocument document = Parse(outcome.out);
  const double perplexity = *document.root().Find("perplexity").Number();
  CHECK(perplexity > 2);
  CHECK(perplexity < 1e6);
  CHECK(*document.root().Find("tokens").Uint() ==
        762 - 6);  // six windows of 128, each scores all but its first
}

}  // namespace
}  // namespace samara::test
