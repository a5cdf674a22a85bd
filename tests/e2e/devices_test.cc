// The programs on a device: the mirror backend, which computes as the reference does, as a plug-in.
#include <doctest/doctest.h>

#include "tests/e2e/run.h"

namespace samara::test {
namespace {

Outcome OnMirror(std::vector<std::string> arguments, const std::string& setting = "") {
  arguments.insert(arguments.end(), {"--backend", "mirror"});
  return Run(arguments,
             {"", {"SAMARA_PLUGIN_PATH=" SAMARA_PLUGIN_FOLDER, "SAMARA_TEST_MIRROR=" + setting}});
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("devices: all are listed, those that are absent with the reason") {
  const Outcome list = Run({"samara-inspect", "--devices"});
  CHECK(list.exit_code == 0);
  for (const char* name : {"cuda", "vulkan", "cpu"}) CHECK_MESSAGE(Has(list.out, name), list.out);
  const Outcome json = Run({"samara-inspect", "--devices", "--json"});
  CHECK(json.exit_code == 0);
  CHECK(Has(json.out, "\"backend\": \"cpu\""));
  // One device is the one that "auto" takes.
  const size_t taken = json.out.find("\"auto\": true");
  CHECK(taken != std::string::npos);
  CHECK(json.out.find("\"auto\": true", taken + 1) == std::string::npos);
  CHECK(Run({"samara-inspect"}).exit_code == 2);
}

TEST_CASE("devices: a backend that is named and absent is an error") {
  const Outcome absent =
      Run({"samara-eval", TinyPackage(), "--generate", "a", "--backend", "abacus"});
  CHECK(absent.exit_code == 2);
  CHECK(Has(absent.err, "abacus"));
  CHECK(Has(absent.err, "--backend cpu"));
  const Outcome unfit =
      Run({"samara-eval", TinyPackage(), "--generate", "a", "--backend", "other_build"},
          {"", {"SAMARA_PLUGIN_PATH=" SAMARA_PLUGIN_FOLDER}});
  CHECK(unfit.exit_code == 2);
  CHECK(Has(unfit.err, "0.0.0 of another compiler"));
}

TEST_CASE("devices: the same text, logits and verdict as on the CPU") {
  const std::vector<std::string> logits = {"samara-eval", TinyPackage(), "--ids", "1,2,3,4,5",
                                           "--logits"};
  std::vector<std::string> on_cpu = logits, on_device = logits, split = logits;
  on_cpu.push_back(Scratch("cpu.json"));
  on_device.push_back(Scratch("device.json"));
  split.push_back(Scratch("split.json"));
  CHECK(Run(on_cpu).exit_code == 0);
  CHECK(OnMirror(on_device).exit_code == 0);
  CHECK(ReadFile(Scratch("cpu.json")) == ReadFile(Scratch("device.json")));

  const std::vector<std::string> generate = {
      "samara-eval", TinyPackage(), "--generate", "Hello",  "-n",
      "12",          "--temp",      "0.9",        "--seed", "5"};
  const Outcome want = Run(generate), got = OnMirror(generate);
  CHECK(got.exit_code == 0);
  CHECK(want.out == got.out);

  const Outcome verified = OnMirror({"samara-inspect", TinyPackage(), "--verify"});
  CHECK_MESSAGE(verified.exit_code == 0, verified.err);
  CHECK(Has(verified.out, "by tolerance"));
  CHECK(OnMirror({"samara-bench", TinyPackage(), "-p", "20", "-n", "4", "-r", "1"}).exit_code == 0);
}

TEST_CASE("devices: memory decides the split, and says so") {
  const Outcome whole = OnMirror({"samara-inspect", TinyPackage(), "--memory"});
  CHECK(whole.exit_code == 0);
  CHECK(Has(whole.out, "memory of the device"));
  CHECK(!Has(whole.out, "note "));
  // The number before "bytes" of the line of the device.
  const size_t line = whole.out.find("device   ");
  REQUIRE(line != std::string::npos);
  std::string digits;
  for (size_t i = line + 9; whole.out[i] != ' '; ++i) {
    if (whole.out[i] != ',') digits += whole.out[i];
  }
  const std::string most = std::to_string(std::stoull(digits) * 3 / 4);
  const Outcome split =
      OnMirror({"samara-inspect", TinyPackage(), "--memory", "--plan", "--device-memory", most});
  CHECK_MESSAGE(split.exit_code == 0, split.err);
  CHECK_MESSAGE(Has(split.out, "on mirror, the rest on cpu"), split.out);
  CHECK(Has(split.out, "copy cpu to mirror: "));
  const Outcome run = OnMirror({"samara-eval", TinyPackage(), "--generate", "Hello", "-n", "6",
                                "--temp", "0", "--device-memory", most});
  CHECK(run.exit_code == 0);
  CHECK(Has(run.err, "the rest on cpu"));
  CHECK(run.out ==
        Run({"samara-eval", TinyPackage(), "--generate", "Hello", "-n", "6", "--temp", "0"}).out);
  const Outcome verified =
      OnMirror({"samara-inspect", TinyPackage(), "--verify", "--device-memory", most});
  CHECK_MESSAGE(verified.exit_code == 0, verified.err);
  const Outcome nothing =
      OnMirror({"samara-inspect", TinyPackage(), "--memory", "--device-memory", "100"});
  CHECK(nothing.exit_code == 1);
  CHECK(Has(nothing.err, "device memory"));
}

TEST_CASE("devices: an operator that is lacking is listed, or refused inside layers") {
  const Outcome plan =
      OnMirror({"samara-inspect", TinyPackage(), "--plan", "--cut-layers"}, "lacks gather");
  CHECK_MESSAGE(plan.exit_code == 0, plan.err);
  CHECK_MESSAGE(Has(plan.out, "on cpu because mirror lacks it: "), plan.out);
  const Outcome refused = OnMirror({"samara-inspect", TinyPackage(), "--plan"}, "lacks gather");
  CHECK(refused.exit_code == 2);
  CHECK(Has(refused.err, "\"gather\""));
  const Outcome cut = OnMirror({"samara-eval", TinyPackage(), "--generate", "Hello", "-n", "6",
                                "--temp", "0", "--cut-layers"},
                               "lacks gather");
  CHECK_MESSAGE(cut.exit_code == 0, cut.err);
  CHECK(cut.out ==
        Run({"samara-eval", TinyPackage(), "--generate", "Hello", "-n", "6", "--temp", "0"}).out);
}

TEST_CASE("devices: one that is lost or full ends the work with a hint") {
  const Outcome lost = OnMirror({"samara-chat", TinyPackage(), "--raw", "-p", "Hello"}, "Run 3");
  CHECK(lost.exit_code == 1);
  CHECK_MESSAGE(Has(lost.err, "--backend cpu"), lost.err);
  CHECK(Lines(lost.err) == 1);
  const Outcome full =
      OnMirror({"samara-chat", TinyPackage(), "--raw", "-p", "Hello"}, "memory 9000");
  CHECK(full.exit_code == 1);
  CHECK(Has(full.err, "device_memory"));
  CHECK(Has(full.err, "--backend cpu"));
}

}  // namespace
}  // namespace samara::test
