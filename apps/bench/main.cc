// samara-bench: how fast a packed model runs here; and random packages of known shapes to try.

#include <string>
#include <vector>

#include "apps/bench/measure.h"
#include "apps/bench/random_model.h"
#include "apps/common/cli.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

struct Flags {
  std::string model, shape, output, type = "q4_0";
  uint64_t seed = 1;
  std::vector<uint32_t> threads;
  bool profile = false, json = false;
  MeasureOptions measure;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("FILE", flags->model, "a .samara file");
  app->add_option("-p,--n-prompt", flags->measure.n_prompt,
                  "tokens of the prompt test (512); 0: none")
      ->type_name("N");
  app->add_option("-n,--n-gen", flags->measure.n_gen,
                  "tokens of the generation test (128); 0: none")
      ->type_name("N");
  app->add_option("-d,--depth", flags->measure.depth, "tokens in the context before each test (0)")
      ->type_name("N");
  app->add_option("-r,--repetitions", flags->measure.repetitions, "counted runs of each test (5)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000));
  AddListFlag(app, "-t", &flags->threads, "numbers of threads, one after the other");
  app->add_option("--sessions", flags->measure.sessions, "sessions that share each step (1)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app->add_option("--batch", flags->measure.batch, "most tokens of one step")->type_name("N");
  app->add_flag("--profile", flags->profile, "time of each operator");
  app->add_flag("--json", flags->json, "print one JSON array, a row per test");
  const std::string group = "Making a random package";
  app->add_option("--make-random", flags->shape,
                  "write a package of this shape with random weights: " + ShapeNames())
      ->type_name("SHAPE")
      ->group(group);
  app->add_option("-o,--output", flags->output, "where to write it")
      ->type_name("OUT.samara")
      ->group(group);
  app->add_option("--type", flags->type, "type of its matrices (q4_0)")
      ->type_name("T")
      ->group(group);
  app->add_option("--random-seed", flags->seed, "seed of its weights (1)")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  AddRunFlags(app, &flags->measure.run);
}

void AppendJson(const std::vector<Measurement>& rows, std::string* text) {
  JsonWriter json;
  json.BeginArray();
  for (const Measurement& row : rows) {
    json.BeginObject(true);
    json.Member("name", row.name);
    json.Member("threads", row.threads);
    json.Member("n_prompt", row.n_prompt);
    json.Member("n_gen", row.n_gen);
    json.Member("depth", row.depth);
    json.Member("tok_s_median", row.median);
    json.Member("tok_s_min", row.min);
    json.Member("tok_s_max", row.max);
    json.Member("sessions", row.sessions);
    json.Member("device", row.device);
    json.EndObject();
  }
  json.EndArray();
  *text += json.Finish();
}

void AppendTable(const std::vector<Measurement>& rows, std::string* text) {
  Table table(0);
  table.Row({"test", "threads", "depth", "sessions", "tok/s", "min", "max", "device"});
  for (const Measurement& row : rows) {
    table.Row({row.name, std::to_string(row.threads), std::to_string(row.depth),
               std::to_string(row.sessions), Fixed(row.median, 2), Fixed(row.min, 2),
               Fixed(row.max, 2), row.device});
  }
  *text += table.Text();
}

int Run(const Flags& flags) {
  if (!flags.shape.empty()) {
    if (!flags.model.empty())
      return Fail(kExitUsage, flags.model + ": no FILE goes with --make-random");
    if (flags.output.empty())
      return Fail(kExitUsage, "--make-random needs -o", "as in -o random.samara");
    return MakeRandom(flags.shape, flags.type, flags.seed, flags.output);
  }
  if (flags.model.empty())
    return Fail(kExitUsage, "FILE is required", "samara-bench --help lists the flags");
  if (flags.profile) return Fail(kExitUsage, "--profile is not built yet");
  if (flags.measure.n_prompt == 0 && flags.measure.n_gen == 0) {
    return Fail(kExitUsage, "-p and -n are both 0: nothing to measure");
  }
  std::vector<uint32_t> threads = flags.threads;
  if (threads.empty()) threads.push_back(flags.measure.run.threads);
  std::vector<Measurement> rows;
  for (const uint32_t n : threads) {
    if (const int code = Measure(flags.model, flags.measure, n, &rows); code != kExitOk)
      return code;
  }
  std::string text;
  if (flags.json) {
    AppendJson(rows, &text);
  } else {
    AppendTable(rows, &text);
  }
  return WriteAll(text, stdout) ? kExitOk : Fail(kExitFailed, "cannot write to standard output");
}

int Main(int argc, char** argv) {
  CLI::App app("Measures a packed model: tokens a second for prompts and for generation.");
  Flags flags;
  AddFlags(&app, &flags);
  if (const std::optional<int> code = Parse(&app, "samara-bench", argc, argv)) return *code;
  return Run(flags);
}

}  // namespace
}  // namespace samara::apps

int main(int argc, char** argv) {
  return samara::apps::GuardMemory([&] { return samara::apps::Main(argc, argv); });
}
