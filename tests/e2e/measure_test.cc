// samara-bench and samara-eval.
#include <doctest/doctest.h>

#include <filesystem>

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

TEST_CASE("bench profiles: shares of the step that add up, and a trace of whole steps") {
  const std::string trace = Scratch("trace.json");
  const Outcome outcome = Run({"samara-bench", TinyPackage(), "-p", "200", "-n", "20", "-t", "1",
                               "-r", "3", "--profile", "--trace", trace, "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const JsonDocument document = Parse(outcome.out);
  REQUIRE(document.root().size() == 2);
  for (const Json row : document.root()) {
    const bool prompt = *row.Find("n_gen").Uint() == 0;
    const Json profile = row.Find("profile");
    // Three runs: of 200 tokens in steps of 128 and 72, or of 20 steps.
    CHECK(*profile.Find("steps").Uint() == (prompt ? 6 : 60));
    const double step = *profile.Find("step_seconds").Number();
    CHECK(*profile.Find("limits").Find("read_bytes_s").Number() > 0);
    double shares = 0, seconds = 0, down = 0;
    for (const Json op : profile.Find("operators")) {
      shares += *op.Find("share").Number();
      seconds += *op.Find("seconds").Number();
      CHECK(*op.Find("calls").Uint() > 0);
      if (*op.Find("kind").String() != "linear") continue;
      CHECK(*op.Find("type").String() == "q8_0");
      CHECK(*op.Find("share_of_limit").Number() > 0);
      if (*op.Find("name").String() == "mlp.down_proj") {
        down = *op.Find("operations").Number();
        CHECK(*op.Find("calls").Uint() == 2 * *profile.Find("steps").Uint());
      }
    }
    CHECK(seconds == doctest::Approx(*profile.Find("operator_seconds").Number()));
    CHECK(seconds <= step * 1.000001);
    CHECK(shares == doctest::Approx(seconds / step));
    CHECK(shares > 0.3);  // a step of this tiny model is not all operators
    // Two layers of 64 by 176; in the second, of a prompt's step, only the row of logits is computed.
    const double tokens = prompt ? 3 * (200 + 1) : 3 * (20 + 20);
    CHECK(down == tokens * 2 * 64 * 176);
  }

  const JsonDocument events = Parse(ReadFile(trace));
  double end = 0;
  size_t calls = 0, steps = 0, processes = 0;
  for (const Json event : events.root().Find("traceEvents")) {
    if (*event.Find("ph").String() == "M") {
      processes += *event.Find("name").String() == "process_name";
      end = 0;
      continue;
    }
    const double begin = *event.Find("ts").Number(), duration = *event.Find("dur").Number();
    CHECK(duration >= 0);
    if (*event.Find("cat").String() == "step") {
      ++steps;
    } else {
      CHECK(begin >= end - 0.001);
      end = begin + duration;
      ++calls;
    }
  }
  CHECK(processes == 2);
  CHECK(steps == 66);
  CHECK(calls > 20 * steps);

  const Outcome table =
      Run({"samara-bench", TinyPackage(), "-p", "0", "-n", "8", "-r", "1", "--profile"});
  CHECK(table.exit_code == 0);
  CHECK(table.out.find("linear mlp.down_proj") != std::string::npos);
  CHECK(table.out.find("of limit") != std::string::npos);
}

TEST_CASE("bench measures the machine's limits") {
  const Outcome outcome = Run({"samara-bench", "--limits", "-t", "1,2", "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const JsonDocument document = Parse(outcome.out);
  REQUIRE(document.root().size() == 2);
  for (const Json row : document.root()) {
    const Json limits = row.Find("limits");
    CHECK(*limits.Find("read_bytes_s").Number() > 1e7);
    CHECK(*limits.Find("int8_ops_s").Number() > 1e7);
    CHECK(*limits.Find("fma_ops_s").Number() > 1e7);
    CHECK(row.Find("loops").size() >= 2);
    for (const Json loop : row.Find("loops")) {
      CAPTURE(std::string(*loop.Find("instruction").String()));
      CHECK(*loop.Find("ops_s").Number() > 1e7);
    }
  }
  CHECK(Run({"samara-bench", "--limits", TinyPackage()}).exit_code == 2);
  CHECK(Run({"samara-bench", "--limits", "-t", "0"}).exit_code == 2);
}

// A program with the peer's interface: writes its arguments down and reports fixed speeds.
RunOptions FakePeer(const std::string& model_type, const std::vector<std::string>& environment) {
  const std::string program = Scratch("peer.sh");
  WriteFile(
      program,
      "#!/bin/sh\n"
      "echo \"$@\" >>" +
          Scratch("peer.log") +
          "\necho loading >&2\n"
          "echo '[{\"model_type\": \"" +
          model_type +
          "\", \"model_size\": 50000, \"n_prompt\": 512, \"n_gen\": 0, \"avg_ts\": 80.5},'\n"
          "echo ' {\"model_type\": \"" +
          model_type +
          "\", \"model_size\": 50000, \"n_prompt\": 0, \"n_gen\": 128, \"avg_ts\": 2.5e0}]'\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  RunOptions options;
  options.environment = environment;
  options.environment.push_back("PEER_BENCH=" + program);
  return options;
}

TEST_CASE("the suite measures beside a peer and prints ratios") {
  std::vector<std::string> command = {
      "samara-bench", "--suite", "tiny",     "--types",       "q8_0,q4_0", "-t", "1",
      "--rounds",     "2",       "--folder", Scratch("suite")};
  std::filesystem::create_directory(Scratch("suite"));
  // The model of q4_0 is named; the other goes with q8_0 as it says so of itself.
  const Outcome outcome =
      Run(command, FakePeer("tiny Q8_0", {"PEER_MODEL=any.gguf", "PEER_MODEL_TINY_Q4_0=own.gguf",
                                          "PEER_FLAGS=-fa  1"}));
  CAPTURE(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.out.find("peer tok/s") != std::string::npos);
  const JsonDocument document = Parse(ReadFile(Scratch("suite/bench.json")));
  REQUIRE(document.root().Find("tests").size() == 4);
  for (const Json test : document.root().Find("tests")) {
    const bool prompt = *test.Find("name").String() == "pp512";
    const double speed = *test.Find("tok_s_median").Number();
    CHECK(test.Find("runs").size() == 2);
    CHECK(*test.Find("peer_model").String() ==
          (*test.Find("type").String() == "q8_0" ? "any.gguf" : "own.gguf"));
    CHECK(*test.Find("peer_tok_s_median").Number() == (prompt ? 80.5 : 2.5));
    CHECK(*test.Find("ratio").Number() == doctest::Approx(speed / (prompt ? 80.5 : 2.5)));
    // 2 layers of [128+64, 64], [64, 64], [352, 64], [64, 176]; 512 tokens of vocabulary.
    const double parameters = 2 * (128 * 64 + 64 * 64 + 352 * 64 + 64 * 176);
    CHECK(*test.Find("parameters").Number() == parameters);
    const double bits = *test.Find("type").String() == "q8_0" ? 8.5 : 4.5;
    CHECK(*test.Find("matrix_bytes").Number() >= (parameters + 512 * 64) * bits / 8);
    CHECK(*test.Find("matrix_bytes").Number() < (parameters + 512 * 64) * bits / 8 * 1.2);
    for (const Json run : test.Find("runs")) {
      const double work = prompt ? 2 * parameters : *test.Find("matrix_bytes").Number();
      CHECK(*run.Find("share").Number() ==
            doctest::Approx(*run.Find("tok_s").Number() * work / *run.Find("limit").Number()));
    }
  }
  const std::string log = ReadFile(Scratch("peer.log"));
  CHECK(Lines(log) == 1 + 2 * 2);  // what is it, then two rounds
  CHECK(log.find("-m own.gguf -p 512 -n 128 -t 1 -r 1 -o json -fa 1\n") != std::string::npos);

  // Errors have one line and a meaning.
  CHECK(Run(command, FakePeer("tiny F16", {"PEER_MODEL=any.gguf"})).exit_code == 2);
  CHECK(Run(command, FakePeer("tiny F16", {})).exit_code == 2);
  RunOptions absent;
  absent.environment = {"PEER_BENCH=" + Scratch("no such program"), "PEER_MODEL=any.gguf"};
  CHECK(Run(command, absent).exit_code == 1);
  command[2] = "Z";
  CHECK(Run(command).exit_code == 2);
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

TEST_CASE("divergence of keys and values of other types") {
  const std::string fine = Scratch("kv.samara");
  REQUIRE(Run({"samara-bench", "--make-random", "tiny", "--type", "f32", "-o", fine}).exit_code ==
          0);
  const auto divergence = [&](const char* kv_type) {
    const Outcome outcome =
        Run({"samara-eval", fine, "--kl", fine, "--kv-type", kv_type, "--kl-kv-type", "f32"});
    CAPTURE(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    const JsonDocument document = Parse(outcome.out);
    return *document.root().Find("kl_mean").Number();
  };
  const double f16 = divergence("f16"), q8 = divergence("q8_0"), q4 = divergence("q4_0");
  CHECK(divergence("f32") == 0);
  CHECK(f16 > 0);
  CHECK(q8 > f16);
  CHECK(q8 < 1e-2);
  CHECK(q4 > 10 * q8);
  CHECK(q4 < 1);
  CHECK(
      Run({"samara-eval", fine, "--ids", "1", "--logits", "-", "--kl-kv-type", "f32"}).exit_code ==
      2);
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
