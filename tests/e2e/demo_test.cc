// The demo model, from its checkpoint to conversations, beside what transformers says of it (models/demo/eval/make_golden.py).
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "converter/json.h"
#include "tests/e2e/run.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

const std::string kDemo = SAMARA_TESTS_DIR "/../models/demo/";

JsonDocument Parse(const std::string& text) {
  auto document = JsonDocument::Parse("output", text);
  REQUIRE_MESSAGE(document.ok(), document.status().message());
  return std::move(*document);
}

// The package in a weight type, made once.
std::string Package(const std::string& type) {
  const std::string path = Scratch("demo-" + type + ".samara");
  if (!std::filesystem::exists(path)) {
    const Outcome made = Run({"samara-convert", kDemo + "checkpoint", "-o", path, "--quant", type});
    REQUIRE_MESSAGE(made.exit_code == 0, made.err);
  }
  return path;
}

// A line of `turns` is a turn. A JSON object a reply.
std::vector<JsonDocument> Chat(const std::string& type, const std::string& turns,
                               const std::vector<std::string>& more = {},
                               const char* temperature = "0") {
  std::vector<std::string> command = {"samara-chat", Package(type), "--json",
                                      "--temp",      temperature,   "--no-history"};
  command.insert(command.end(), more.begin(), more.end());
  RunOptions options;
  options.input = turns;
  const Outcome outcome = Run(command, options);
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  std::vector<JsonDocument> replies;
  for (size_t at = 0; at < outcome.out.size();) {
    const size_t end = outcome.out.find('\n', at);
    replies.push_back(Parse(outcome.out.substr(at, end - at)));
    at = end + 1;
  }
  return replies;
}

std::string Reply(const JsonDocument& object) {
  return std::string(*object.root().Find("reply").String());
}

double Measured(const std::vector<std::string>& command, const char* figure) {
  const Outcome outcome = Run(command);
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  const JsonDocument document = Parse(outcome.out);
  return *document.root().Find(figure).Number();
}

TEST_CASE("demo: every weight type verifies") {
  for (const char* type : {"f32", "bf16", "q8_0", "q4_0"}) {
    const Outcome outcome = Run({"samara-inspect", Package(type), "--verify"});
    CHECK_MESSAGE(outcome.exit_code == 0, outcome.err);
  }
}

TEST_CASE("demo: transformers' replies, word for word") {
  const JsonDocument golden = Parse(ReadFile(kDemo + "eval/golden.json"));
  size_t n = 0;
  for (const Json conversation : golden.root().Find("replies")) {
    CAPTURE(std::string(*conversation.Find("id").String()));
    std::string turns;
    for (const Json turn : conversation.Find("turns")) turns += std::string(*turn.String()) + "\n";
    std::vector<std::string> more = {"-n", "200"};  // where the golden ends what does not end
    const std::string system(*conversation.Find("system").String());
    if (!system.empty()) more.insert(more.end(), {"--system", system});
    const auto replies = Chat("f32", turns, more);
    REQUIRE(replies.size() == conversation.Find("replies").size());
    size_t i = 0;
    for (const Json wanted : conversation.Find("replies")) {
      CHECK(Reply(replies[i++]) == std::string(*wanted.String()));
      ++n;
    }
  }
  CHECK(n >= 50);
}

TEST_CASE("demo: transformers' rendered conversations, byte for byte") {
  const JsonDocument golden = Parse(ReadFile(kDemo + "eval/golden.json"));
  for (const Json rendered : golden.root().Find("rendered")) {
    RunOptions options;
    options.input = "[";
    for (const Json message : rendered.Find("messages")) {
      options.input += options.input.size() > 1 ? ", {" : "{";
      for (const char* key : {"role", "content"}) {
        std::string text;
        const std::string_view content = *message.Find(key).String();
        for (const char c : content) text += c == '\n' ? std::string("\\n") : std::string(1, c);
        options.input += (key[0] == 'c' ? std::string(", \"") : "\"") + key + "\": \"" + text + '"';
      }
      options.input += "}";
    }
    options.input = "{\"add_generation_prompt\": true, \"messages\": " + options.input + "]}";
    const Outcome outcome = Run({"samara-eval", Package("f32"), "--render", "-"}, options);
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
    CHECK(outcome.out == std::string(*rendered.Find("text").String()));
  }
}

TEST_CASE("demo: perplexity as transformers has it") {
  const JsonDocument golden = Parse(ReadFile(kDemo + "eval/golden.json"));
  const Outcome outcome = Run({"samara-eval", Package("f32"), "--perplexity",
                               kDemo + "eval/heldout.txt", "--parse-special"});
  REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  const JsonDocument got = Parse(outcome.out);
  const Json wanted = golden.root().Find("heldout");
  CHECK(*got.root().Find("tokens").Uint() == *wanted.Find("tokens").Uint());
  const double nll = *got.root().Find("nll").Number(), reference = *wanted.Find("nll").Number();
  CHECK(std::fabs(nll - reference) <= tolerance::kDemoNll * reference);
  CHECK(*got.root().Find("perplexity").Number() == doctest::Approx(std::exp(nll)));
}

TEST_CASE("demo: divergence of the weight types") {
  const auto kl = [](const char* type) {
    return Measured({"samara-eval", Package(type), "--kl", Package("f32"),
                     kDemo + "eval/heldout.txt", "--parse-special"},
                    "kl_mean");
  };
  CHECK(kl("f32") == 0);
  const double q8 = kl("q8_0"), q4 = kl("q4_0");
  MESSAGE("KL to f32: q8_0 " << q8 << ", q4_0 " << q4);
  CHECK(q8 < tolerance::kDemoKlQ8);
  CHECK(q4 < tolerance::kDemoKlQ4);
  CHECK(q8 < q4);
}

TEST_CASE("demo: a conversation goes on in another process as if nothing had happened") {
  const std::string first = "My name is Wanda.\n", second = "What is my name?\n";
  for (const char* type : {"f32", "q4_0"}) {
    const auto whole = Chat(type, first + second);
    REQUIRE(whole.size() == 2);
    CHECK(Reply(whole[1]).find("Wanda") != std::string::npos);
    const std::string saved = Scratch(std::string("chat-") + type + ".json");
    (void)Chat(type, first, {"--save", saved});
    const auto later = Chat(type, second, {"--load", saved});
    REQUIRE(later.size() == 1);
    CHECK(Reply(later[0]) == Reply(whole[1]));
    // Nothing of the first turn is computed again but its last token.
    CHECK(*later[0].root().Find("kept_tokens").Uint() + 1 >=
          *whole[1].root().Find("kept_tokens").Uint());
  }
}

TEST_CASE("demo: same seed, same reply; another seed, another story") {
  const auto story = [](const char* seed) {
    return Reply(Chat("q8_0", "Tell me a story.\n", {"--seed", seed}, "1")[0]);
  };
  CHECK(story("1") == story("1"));
  CHECK(story("1") != story("2"));
}

TEST_CASE("importance measured on a text lowers the divergence on it") {
  const std::string text = Scratch("calibration.txt"), file = Scratch("demo.importance");
  WriteFile(text, ReadFile(kDemo + "eval/heldout.txt").substr(0, 8000));
  const Outcome calibrated = Run({"samara-eval", Package("bf16"), "--calibrate", text,
                                  "--calibrate", text, "--parse-special", "-o", file});
  REQUIRE_MESSAGE(calibrated.exit_code == 0, calibrated.err);
  const std::string weighed = Scratch("demo-weighed.samara");
  const Outcome made = Run({"samara-convert", kDemo + "checkpoint", "-o", weighed, "--quant",
                            "q4_0", "--importance", file});
  REQUIRE_MESSAGE(made.exit_code == 0, made.err);
  const auto kl = [&](const std::string& package) {
    return Measured({"samara-eval", package, "--kl", Package("bf16"), text, "--parse-special"},
                    "kl_mean");
  };
  // 0.0239 and 0.0271 nats.
  CHECK(kl(weighed) < 0.95 * kl(Package("q4_0")));

  // An importance file of something else is refused.
  const std::string other = Scratch("other.samara");
  const Outcome refused = Run({"samara-convert", kDemo + "checkpoint", "-o", other, "--importance",
                               kDemo + "checkpoint/model.safetensors"});
  CHECK(refused.exit_code == 2);
  CHECK(Lines(refused.err) == 1);
  CHECK(!std::filesystem::exists(other));
}

}  // namespace
}  // namespace samara::test
