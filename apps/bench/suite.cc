#include "apps/bench/suite.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "apps/bench/limits.h"
#include "apps/bench/measure.h"
#include "apps/bench/peer.h"
#include "apps/bench/random_model.h"
#include "apps/bench/suite_report.h"
#include "formats/operators.h"
#include "runtime/file.h"

namespace samara::apps {
namespace {

constexpr uint32_t kPrompt = 512, kGenerate = 128, kDepth = 4096, kDeepGenerate = 64, kSessions = 4;
constexpr uint32_t kSamples = 3;  // passes of a limit's sample

struct SuiteShape {
  const char* letter;
  const char* shape;
  bool long_context;  // has the tests at depth and of several sessions, with one type
};
constexpr SuiteShape kShapes[] = {
    {"tiny", "tiny", false}, {"A", "135M", false}, {"B", "0.5B", true}, {"C", "1B", false}};
constexpr const char* kLongContextType = "q4_0";

const SuiteShape* ShapeOf(const std::string& letter) {
  for (const SuiteShape& shape : kShapes) {
    if (letter == shape.letter) return &shape;
  }
  return nullptr;
}

// Tests of one package and number of threads that share an open model.
struct Group {
  std::string path;
  std::unique_ptr<Runner> runner;
  uint32_t depth = 0;
  std::vector<size_t> tests;  // indices of the report's tests
  size_t peer = SIZE_MAX;     // index of the report's peers
};

class Suite {
 public:
  explicit Suite(const SuiteOptions& options) : options_(options) {}

  int Run() {
    if (!peer_.AnyModel().empty() && peer_.present()) {
      const auto probe = peer_.Run(peer_.AnyModel(), 16, 0, options_.threads[0]);
      if (!probe.ok()) return Fail(kExitFailed, probe.status().message());
      any_peer_ = *probe;
    }
    for (const std::string& letter : options_.shapes) {
      const SuiteShape* const shape = ShapeOf(letter);
      if (shape == nullptr)
        return Fail(kExitUsage, "--suite: got " + letter + ", wanted A, B, C or tiny");
      for (const std::string& type : options_.types) {
        if (const int code = Prepare(*shape, type); code != kExitOk) return code;
      }
    }
    if (peer_.present() && report_.peers.empty()) {
      return Fail(kExitUsage,
                  peer_.AnyModel().empty()
                      ? "PEER_BENCH without a model"
                      : "PEER_MODEL is " + Quoted(any_peer_.model_type) + " of " +
                            Count(static_cast<uint64_t>(any_peer_.parameters)) +
                            " parameters, like none of the tests",
                  "PEER_MODEL_B_Q4_0 names one for shape B and type q4_0");
    }
    for (uint32_t round = 1; round <= options_.rounds; ++round) {
      Note("round " + std::to_string(round) + " of " + std::to_string(options_.rounds));
      for (Group& group : groups_) {
        if (const int code = RunGroup(&group); code != kExitOk) return code;
      }
    }
    return kExitOk;
  }
  const SuiteReport& report() const { return report_; }

 private:
  int Prepare(const SuiteShape& shape, const std::string& type) {
    const std::string path =
        options_.folder + "/random-" + std::string(shape.shape) + "-" + type + ".samara";
    if (access(path.c_str(), F_OK) != 0) {
      Note("making " + path);
      if (const int code = MakeRandom(shape.shape, type, 1, path); code != kExitOk) return code;
    }
    for (const uint32_t threads : options_.threads) {
      MeasureOptions plain;
      plain.n_prompt = kPrompt;
      plain.n_gen = kGenerate;
      int code = Open(shape, type, path, plain, threads);
      const std::string model = code == kExitOk ? PeerModel(shape, type) : "";
      if (!model.empty()) {
        groups_.back().peer = report_.peers.size();
        report_.peers.push_back({shape.letter, type, model, "", 0, threads, {}, {}});
      }
      if (code == kExitOk && shape.long_context && type == kLongContextType) {
        MeasureOptions deep = plain;
        deep.depth = kDepth;
        deep.n_prompt = 0;
        deep.n_gen = kDeepGenerate;
        code = Open(shape, type, path, deep, threads);
        MeasureOptions many = plain;
        many.sessions = kSessions;
        many.n_prompt = 0;
        if (code == kExitOk) code = Open(shape, type, path, many, threads);
      }
      if (code != kExitOk) return code;
    }
    return kExitOk;
  }

  // The peer's model beside the test that was opened last; "": none.
  std::string PeerModel(const SuiteShape& shape, const std::string& type) const {
    if (!peer_.present()) return "";
    const std::string own = peer_.ModelFor(shape.letter, type);
    if (!own.empty() || peer_.AnyModel().empty()) return own;
    const double parameters = static_cast<double>(groups_.back().runner->info().parameters);
    return IsLike(any_peer_, type, parameters) ? peer_.AnyModel() : "";
  }

  // Opens a model; a first short run brings the file's pages in. At depth the fill is a test of one run.
  int Open(const SuiteShape& shape, const std::string& type, const std::string& path,
           const MeasureOptions& options, uint32_t threads) {
    Group group;
    group.path = path;
    group.depth = options.depth;
    group.runner = std::make_unique<Runner>();
    if (const int code = group.runner->Open(path, options, threads); code != kExitOk) return code;
    const samara_kv_type kv_type = group.runner->info().kv_type;
    const double kv_bytes = kv_type == SAMARA_KV_F32 ? 4 : kv_type == SAMARA_KV_F16 ? 2 : 34.0 / 32;
    const auto work = WorkOfPackage(path, kv_bytes);
    if (!work.ok()) return Fail(kExitUsage, work.status().message());
    SuiteTest test;
    test.shape = shape.letter;
    test.type = type;
    test.threads = group.runner->info().n_threads;
    test.sessions = options.sessions;
    test.device = group.runner->info().device;
    test.work = *work;
    double speed = 0;
    if (const int code = group.runner->Time(0, 16, false, &speed); code != kExitOk) return code;
    if (options.depth != 0) {
      Note("filling " + std::to_string(options.depth) + " tokens, " + std::to_string(threads) +
           " threads");
      test.name = "pp" + std::to_string(options.depth);
      test.prompt = true;
      test.tokens = options.depth;
      if (const int code = RunTest(group.runner.get(), 0, options.depth, &test); code != kExitOk)
        return code;
      report_.tests.push_back(test);
      test.runs.clear();
    }
    test.prompt = false;
    test.depth = options.depth;
    if (options.n_prompt != 0) {
      test.name = "pp" + std::to_string(options.n_prompt);
      test.tokens = options.n_prompt;
      test.prompt = true;
      group.tests.push_back(report_.tests.size());
      report_.tests.push_back(test);
    }
    test.name = "tg" + std::to_string(options.n_gen);
    test.tokens = options.n_gen;
    test.prompt = false;
    group.tests.push_back(report_.tests.size());
    report_.tests.push_back(std::move(test));
    groups_.push_back(std::move(group));
    return kExitOk;
  }

  double Sample(const SuiteTest& test) const {
    return test.prompt ? meter_.PeakFor(test.type.c_str(), test.threads, kSamples)
                       : meter_.Bandwidth(test.threads, kSamples);
  }

  // One run between two samples of its limit.
  int RunTest(Runner* runner, uint32_t depth, uint32_t tokens, SuiteTest* test) {
    SuiteRun run;
    if (const int code = runner->Return(depth); code != kExitOk) return code;
    if (meter_.bytes() == 0) {
      if (const Status status = meter_.Open(); !status.ok())
        return Fail(kExitFailed, status.message());
    }
    const double before = Sample(*test);
    if (const int code = runner->Time(depth, tokens, !test->prompt, &run.speed); code != kExitOk)
      return code;
    run.limit = (before + Sample(*test)) / 2;
    test->runs.push_back(run);
    return kExitOk;
  }

  int RunGroup(Group* group) {
    for (const size_t index : group->tests) {
      SuiteTest& test = report_.tests[index];
      const int code = RunTest(group->runner.get(), group->depth, test.tokens, &test);
      if (code != kExitOk) return code;
    }
    if (group->peer == SIZE_MAX) return kExitOk;
    SuitePeer& peer = report_.peers[group->peer];
    const auto result = peer_.Run(peer.model, kPrompt, kGenerate, peer.threads);
    if (!result.ok()) return Fail(kExitFailed, result.status().message());
    peer.model_type = result->model_type;
    peer.model_bytes = result->model_bytes;
    peer.prompt.push_back(result->prompt);
    peer.generation.push_back(result->generation);
    return kExitOk;
  }

  const SuiteOptions& options_;
  LimitMeter meter_;
  const Peer peer_ = Peer::FromEnvironment();
  PeerResult any_peer_;  // of PEER_MODEL
  SuiteReport report_;
  std::vector<Group> groups_;
};

}  // namespace

void AddSuiteFlags(CLI::App* app, SuiteOptions* options) {
  const std::string group = "Comparing (./dev bench)";
  app->add_option(
         "--suite", options->shapes,
         "no FILE: measure random models of these shapes: A (135M), B (0.5B), C (1B), tiny")
      ->delimiter(',')
      ->type_name("A,B,C")
      ->group(group);
  app->add_option("--types", options->types, "types of their matrices (q8_0,q4_0,f16)")
      ->delimiter(',')
      ->type_name("T,T,...")
      ->group(group);
  app->add_option("--rounds", options->rounds, "runs of each test, in turns (3)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->group(group);
  app->add_option("--folder", options->folder, "where models and bench.json lie (.)")
      ->type_name("DIR")
      ->group(group);
}

StatusOr<TokenWork> WorkOfPackage(const std::string& path, double kv_bytes) {
  PackageFile file;
  ParsedPackage parsed;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(path.c_str(), &file));
  SAMARA_RETURN_IF_ERROR(ReadPackage(file, &parsed));
  const Package& package = parsed.package;
  if (package.entries.empty()) return InvalidFile("%s has no entry point", Quoted(path).c_str());
  const Graph& graph = package.entries[0];
  TokenWork work;
  for (const Op& op : graph.ops) {
    if (op.code != OpCode::kLinear && op.code != OpCode::kMatmul) continue;
    const Value& value = graph.values[static_cast<size_t>(op.inputs[1])];
    if (value.kind != ValueKind::kWeight) continue;
    const Weight& weight = package.weights[static_cast<size_t>(value.index)];
    const bool output =
        std::any_of(graph.outputs.begin(), graph.outputs.end(), [&](const GraphOutput& candidate) {
          return candidate.role == OutputRole::kLogits && candidate.value == op.outputs[0];
        });
    for (const WeightPlacement& placement : weight.placements) {
      if (placement.layout != MatmulLayout(weight.dtype)) continue;
      work.matrix_bytes += static_cast<double>(placement.bytes);
      break;
    }
    if (!output)
      work.parameters += static_cast<double>(weight.rows) * static_cast<double>(weight.cols);
  }
  for (const State& state : package.states) {
    for (const StatePart& part : state.parts) {
      work.slot_bytes += kv_bytes * static_cast<double>(part.heads) * static_cast<double>(part.dim);
    }
  }
  return work;
}

int RunSuite(const SuiteOptions& given) {
  SuiteOptions options = given;
  if (options.threads.empty()) {
    options.threads.push_back(1);
    if (UsableThreads() > 1) options.threads.push_back(2);
  }
  Suite suite(options);
  if (const int code = suite.Run(); code != kExitOk) return code;
  const std::string path = options.folder + "/bench.json";
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return Fail(kExitFailed, path + ": cannot be written");
  const bool written = WriteAll(SuiteJson(suite.report()), file);
  if (std::fclose(file) != 0 || !written) return Fail(kExitFailed, path + ": cannot be written");
  if (!WriteAll(SuiteText(suite.report()), stdout))
    return Fail(kExitFailed, "cannot write to standard output");
  Note("written to " + path);
  return kExitOk;
}

}  // namespace samara::apps
