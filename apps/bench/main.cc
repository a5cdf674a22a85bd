// samara-bench: how fast a packed model runs here, where its time goes, what the machine could do; and random packages of
// known shapes to try.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "apps/bench/limits.h"
#include "apps/bench/measure.h"
#include "apps/bench/random_model.h"
#include "apps/bench/suite.h"
#include "apps/common/cli.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr uint32_t kProfileEvents = 1 << 15;  // some hundred steps of generation
constexpr uint32_t kLimitRepetitions = 9;
constexpr uint32_t kLoopRepetitions = 3;

struct Flags {
  std::string model, shape, output, trace, type = "q4_0";
  uint64_t seed = 1;
  std::vector<uint32_t> threads;
  bool profile = false, json = false, limits = false;
  MeasureOptions measure;
  SuiteOptions suite;
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
  app->add_flag("--profile", flags->profile,
                "time, bytes and operations of each operator, beside the machine's limits");
  app->add_option("--trace", flags->trace,
                  "with the profile, write its last steps as a Chrome trace")
      ->type_name("OUT.json");
  app->add_flag("--limits", flags->limits,
                "no FILE: print what this machine can read and compute at most");
  app->add_flag("--json", flags->json, "print one JSON array, a row per test");
  std::string group = "Making a random package";
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
  AddSuiteFlags(app, &flags->suite);
  AddRunFlags(app, &flags->measure.run);
}

// Of each number of threads that occurs in the rows.
using LimitsByThreads = std::vector<Limits>;
const Limits* Find(const LimitsByThreads& list, uint32_t threads) {
  for (const Limits& limits : list) {
    if (limits.threads == threads) return &limits;
  }
  return nullptr;
}

std::string Title(const Measurement& row) {
  return row.name + ", " + std::to_string(row.threads) + " threads, depth " +
         std::to_string(row.depth) + ", " + std::to_string(row.sessions) + " sessions";
}

void AppendJson(const std::vector<Measurement>& rows, bool profile, const LimitsByThreads& limits,
                std::string* text) {
  JsonWriter json;
  json.BeginArray();
  for (const Measurement& row : rows) {
    json.BeginObject(!profile);
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
    if (profile) {
      json.Key("profile");
      WriteProfileJson(row.profile, Find(limits, row.threads), &json);
    }
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

void AppendProfiles(const std::vector<Measurement>& rows, const LimitsByThreads& limits,
                    std::string* text) {
  for (const Measurement& row : rows) {
    const Limits* const best = Find(limits, row.threads);
    *text += "\n" + Title(row) + ": " + std::to_string(row.profile.step.calls) + " steps\n";
    if (best != nullptr) *text += "limits: " + LimitsText(*best) + "\n";
    AppendProfileTable(row.profile, best, text);
  }
}

int Print(const std::string& text) {
  return WriteAll(text, stdout) ? kExitOk : Fail(kExitFailed, "cannot write to standard output");
}

int WriteTrace(const std::string& path, const std::vector<Measurement>& rows) {
  Trace trace;
  for (const Measurement& row : rows) trace.Add(Title(row), row.profile);
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return Fail(kExitUsage, path + ": cannot be written");
  const bool written = WriteAll(trace.Finish(), file);
  if (std::fclose(file) != 0 || !written) return Fail(kExitFailed, path + ": cannot be written");
  return kExitOk;
}

int PrintLimits(const Flags& flags) {
  std::vector<uint32_t> threads = flags.threads;
  if (threads.empty()) {
    threads.push_back(1);
    if (const unsigned n = UsableThreads(); n > 1) threads.push_back(n);
  }
  LimitMeter meter;
  if (const Status status = meter.Open(); !status.ok()) return Fail(kExitFailed, status.message());
  JsonWriter json;
  std::string text;
  json.BeginArray();
  for (const uint32_t n : threads) {
    if (n < 1 || n > 1024) return Fail(kExitUsage, "-t: 1 to 1024 threads are possible");
    const Limits limits = meter.Measure(n, kLimitRepetitions);
    const std::vector<LoopSpeed> loops = MeasureLoops(n, kLoopRepetitions);
    json.BeginObject();
    json.Key("limits");
    WriteLimitsJson(limits, &json);
    json.Key("loops");
    json.BeginArray();
    for (const LoopSpeed& loop : loops) {
      json.BeginObject(true);
      json.Member("instruction", loop.instruction);
      json.Member("ops_s", loop.operations);
      json.EndObject();
    }
    json.EndArray();
    json.EndObject();
    text += "threads " + std::to_string(n) + ": " + LimitsText(limits) + "\n";
    for (const LoopSpeed& loop : loops) {
      text += "  " + Fixed(1e-9 * loop.operations, 0) + " GOP/s  " + loop.instruction + "\n";
    }
  }
  json.EndArray();
  return Print(flags.json ? json.Finish() : text);
}

int MeasureModel(const Flags& flags) {
  if (flags.measure.n_prompt == 0 && flags.measure.n_gen == 0) {
    return Fail(kExitUsage, "-p and -n are both 0: nothing to measure");
  }
  const bool profile = flags.profile || !flags.trace.empty();
  MeasureOptions options = flags.measure;
  LimitMeter meter;
  bool metered = false;
  if (profile) {
    options.profile_events = kProfileEvents;
    const Status status = meter.Open();
    metered = status.ok();
    if (!metered) Note(std::string("no shares of limits: ") + status.message());
  }
  std::vector<uint32_t> threads = flags.threads;
  if (threads.empty()) threads.push_back(flags.measure.run.threads);
  std::vector<Measurement> rows;
  LimitsByThreads limits;
  for (const uint32_t n : threads) {
    if (const int code = Measure(flags.model, options, n, &rows); code != kExitOk) return code;
    const uint32_t used = rows.back().threads;
    if (metered && Find(limits, used) == nullptr)
      limits.push_back(meter.Measure(used, kLimitRepetitions));
  }
  std::string text;
  if (flags.json) {
    AppendJson(rows, profile, limits, &text);
  } else {
    AppendTable(rows, &text);
    if (profile) AppendProfiles(rows, limits, &text);
  }
  if (!flags.trace.empty()) {
    if (const int code = WriteTrace(flags.trace, rows); code != kExitOk) return code;
  }
  return Print(text);
}

int Run(const Flags& flags) {
  const bool alone = !flags.shape.empty() || flags.limits || !flags.suite.shapes.empty();
  if (alone && !flags.model.empty()) {
    return Fail(kExitUsage, flags.model + ": no FILE goes with --make-random, --limits or --suite");
  }
  if (!flags.shape.empty()) {
    if (flags.output.empty())
      return Fail(kExitUsage, "--make-random needs -o", "as in -o random.samara");
    return MakeRandom(flags.shape, flags.type, flags.seed, flags.output);
  }
  if (flags.limits) return PrintLimits(flags);
  if (!flags.suite.shapes.empty()) {
    SuiteOptions suite = flags.suite;
    suite.threads = flags.threads;
    return RunSuite(suite);
  }
  if (flags.model.empty())
    return Fail(kExitUsage, "FILE is required", "samara-bench --help lists the flags");
  return MeasureModel(flags);
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
