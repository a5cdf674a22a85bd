// samara-eval --generate and --embed.
#include <doctest/doctest.h>

#include <cmath>

#include "converter/json.h"
#include "tests/e2e/run.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

JsonDocument Parse(const Outcome& outcome) {
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  auto document = JsonDocument::Parse("output", outcome.out);
  REQUIRE_MESSAGE(document.ok(), document.status().message());
  return std::move(*document);
}

Outcome Generate(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"samara-eval", TinyPackage(), "--generate", "Hello"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return Run(arguments);
}

std::vector<double> Numbers(const Json& list) {
  std::vector<double> numbers;
  for (const Json item : list) numbers.push_back(*item.Number());
  return numbers;
}

TEST_CASE("generate: one object with text, tokens, log-probabilities and statistics") {
  const JsonDocument document =
      Parse(Generate({"-n", "5", "--logprobs", "3", "--ignore-eos", "--temp", "0", "--json"}));
  const Json root = document.root();
  CHECK(root.Find("tokens").size() == 5);
  CHECK(*root.Find("finish_reason").String() == "length");
  CHECK(!root.Find("stop").exists());
  CHECK(*root.Find("statistics").RequireInt("reply_tokens", 0, 100) == 5);
  CHECK(*root.Find("statistics").RequireInt("prompt_tokens", 1, 100) >= 1);
  const std::vector<double> tokens = Numbers(root.Find("tokens"));
  size_t i = 0;
  for (const Json entry : root.Find("logprobs")) {
    // Greedy: the token drawn is the likeliest one.
    CHECK(*entry.RequireNumber("token", 0, 1e9) == tokens[i++]);
    const double logprob = *entry.RequireNumber("logprob", -1e3, 0);
    double before = 0;
    size_t n = 0;
    for (const Json top : entry.Find("top")) {
      const double likely = *top.RequireNumber("logprob", -1e3, 0);
      CHECK(likely <= before);
      if (n++ == 0) CHECK(likely == logprob);
      before = likely;
    }
    CHECK(n == 3);
  }
  CHECK(i == 5);
  // Without --json: the text alone.
  const Outcome plain = Generate({"-n", "5", "--ignore-eos", "--temp", "0"});
  CHECK(plain.exit_code == 0);
  CHECK(plain.out == std::string(*root.Find("text").String()) + "\n");

  // A forbidden token does not come, one that is forced does; the text ends before a stop string.
  const std::string first = std::to_string(static_cast<int>(tokens[0]));
  const JsonDocument other = Parse(Generate(
      {"-n", "5", "--ignore-eos", "--temp", "0", "--json", "--logit-bias", first + "=-inf"}));
  for (const double token : Numbers(other.root().Find("tokens"))) CHECK(token != tokens[0]);
  const JsonDocument forced =
      Parse(Generate({"-n", "4", "--json", "--logit-bias", first + "=1e6"}));
  CHECK(Numbers(forced.root().Find("tokens")) == std::vector<double>(4, tokens[0]));
  const std::string text(*root.Find("text").String());
  REQUIRE(text.size() > 3);
  const std::string stop = text.substr(text.size() - 3);
  const JsonDocument stopped =
      Parse(Generate({"-n", "5", "--ignore-eos", "--temp", "0", "--json", "--stop", stop}));
  CHECK(*stopped.root().Find("finish_reason").String() == "stop");
  CHECK(*stopped.root().Find("stop").String() == stop);
  CHECK(*stopped.root().Find("text").String() == text.substr(0, text.find(stop)));
  // The same seed, the same tokens.
  const std::vector<std::string> sampled = {"-n",     "20", "--ignore-eos", "--temp", "2",
                                            "--seed", "3"};
  CHECK(Generate(sampled).out == Generate(sampled).out);
}

TEST_CASE("generate: bad usage is one line") {
  const std::vector<std::vector<std::string>> all = {{"--logprobs", "3"},
                                                     {"--logprobs", "21", "--json"},
                                                     {"--logit-bias", "3"},
                                                     {"--logit-bias", "x=1"},
                                                     {"--logit-bias", "3=1x"},
                                                     {"--logit-bias", "999999999=1"},
                                                     {"--logit-bias", "3=nan"},
                                                     {"--stop", ""},
                                                     {"-n", "0"},
                                                     {"--embed", "x"}};
  for (const auto& arguments : all) {
    CAPTURE(arguments[0] + " " + arguments[1]);
    const Outcome outcome = Generate(arguments);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out == "");
    CHECK(Lines(outcome.err) == 1);
  }
  CHECK(Run({"samara-eval", TinyPackage(), "--json"}).exit_code == 2);
  CHECK(Run({"samara-eval", TinyPackage(), "--stop", "x"}).exit_code == 2);
}

TEST_CASE("embed: the last hidden state, or the mean of all") {
  const auto embed = [](const std::string& text, const std::string& pool) {
    return Run({"samara-eval", TinyPackage(), "--embed", text, "--pool", pool, "--json"});
  };
  const JsonDocument last = Parse(embed("Hello there", "last"));
  const JsonDocument mean = Parse(embed("Hello there", "mean"));
  const std::vector<double> a = Numbers(last.root().Find("embedding"));
  const std::vector<double> b = Numbers(mean.root().Find("embedding"));
  CHECK(a.size() > 8);
  REQUIRE(a.size() == b.size());
  CHECK(a != b);
  CHECK(*last.root().Find("pool").String() == "last");
  CHECK(*last.root().RequireInt("tokens", 1, 100) >= 2);
  // Without --json: the array alone, of the last token.
  const JsonDocument plain = Parse(Run({"samara-eval", TinyPackage(), "--embed", "Hello there"}));
  CHECK(Numbers(plain.root()) == a);
  // The mean over the tokens is that of the texts that end with each of them.
  const JsonDocument ids = Parse(Run({"samara-eval", TinyPackage(), "--tokenize", "ab"}));
  const JsonDocument shorter = Parse(Run({"samara-eval", TinyPackage(), "--tokenize", "a"}));
  REQUIRE(ids.root().size() == 2);
  REQUIRE(shorter.root().size() == 1);
  const JsonDocument one = Parse(embed("a", "last")), two = Parse(embed("ab", "last"));
  const JsonDocument both = Parse(embed("ab", "mean"));
  const std::vector<double> x = Numbers(one.root().Find("embedding"));
  const std::vector<double> y = Numbers(two.root().Find("embedding"));
  const std::vector<double> z = Numbers(both.root().Find("embedding"));
  for (size_t i = 0; i < z.size(); ++i) {
    CHECK(std::fabs(z[i] - (x[i] + y[i]) / 2) <= tolerance::kNineDigits * (1 + std::fabs(z[i])));
  }
  CHECK(embed("x", "max").exit_code == 2);
  CHECK(Run({"samara-eval", TinyPackage(), "--embed", ""}).exit_code != 1);
}

}  // namespace
}  // namespace samara::test
