#include "tests/conformance/harness.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "backends/reference/reference_backend.h"
#include "runtime/registry.h"
#include "tests/support/mirror_backend.h"
#include "tests/support/status.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

uint64_t ElementBytes(DType dtype) { return dtype == DType::kBool ? 1 : 4; }

float FloatOf(Fill fill, float scale, Random* random) {
  switch (fill) {
    case Fill::kNormal:
      return random->Normal() * scale;
    case Fill::kPositive:
      return std::fabs(random->Normal()) * scale + 1e-6f * scale;
    case Fill::kTies: {
      const auto k = static_cast<int>(random->Below(9)) - 4;
      return k == 0 && random->Below(2) == 0 ? -0.0f : static_cast<float>(k) * 0.5f * scale;
    }
    case Fill::kSubnormal:
      return std::ldexp(random->Signed() * scale, -126 - static_cast<int>(random->Below(20)));
    case Fill::kWide:
      return std::ldexp(random->Signed() * scale, static_cast<int>(random->Below(81)) - 60);
    default:
      return 0;
  }
}

std::vector<uint8_t> MakeValues(DType dtype, uint64_t n, Fill fill, float scale, Random* random) {
  std::vector<uint8_t> bytes(n * ElementBytes(dtype));
  for (uint64_t i = 0; i < n; ++i) {
    if (dtype == DType::kF32) {
      const float value = FloatOf(fill, scale, random);
      std::memcpy(&bytes[4 * i], &value, 4);
    } else if (dtype == DType::kI32) {
      const auto value = static_cast<int32_t>(random->Below(static_cast<uint64_t>(scale)));
      std::memcpy(&bytes[4 * i], &value, 4);
    } else {
      bytes[i] = static_cast<uint8_t>(random->Below(2));
    }
  }
  return bytes;
}

SymbolValues StepSymbols(const Case& c, size_t step) {
  uint64_t tokens = 0, outputs = 0;
  for (const StepSequence& s : c.steps[step]) {
    tokens += s.n_tokens;
    outputs += s.outputs.size();
  }
  SymbolValues values;
  for (const Symbol& symbol : c.model.package.symbols) {
    switch (symbol.kind) {
      case SymbolKind::kTokens:
        values.push_back(tokens);
        break;
      case SymbolKind::kOutputs:
        values.push_back(outputs);
        break;
      case SymbolKind::kSeqs:
        values.push_back(c.steps[step].size());
        break;
      case SymbolKind::kContext:
        values.push_back(c.options.context);
        break;
      case SymbolKind::kSlots:
        values.push_back(uint64_t{c.options.groups[symbol.group].pool_blocks} * kBlockSlots);
        break;
      default:
        values.push_back(c.options.max_tokens);
    }
  }
  return values;
}

Status Transfer(GraphRunner* runner, const Value& value, ValueId id, std::vector<uint8_t>* bytes,
                bool set) {
  // The runner counts elements; the bytes are those of any element type of that size.
  if (ElementBytes(value.dtype) == 1) {
    return set ? runner->Set<uint8_t>(id, *bytes) : runner->Get<uint8_t>(id, bytes);
  }
  std::vector<int32_t> words(bytes->size() / 4);
  if (set) {
    std::memcpy(words.data(), bytes->data(), bytes->size());
    return runner->Set<int32_t>(id, words);
  }
  SAMARA_RETURN_IF_ERROR(runner->Get<int32_t>(id, &words));
  bytes->resize(words.size() * 4);
  if (!words.empty()) std::memcpy(bytes->data(), words.data(), bytes->size());
  return Status();
}

std::vector<float> Floats(const std::vector<uint8_t>& bytes) {
  std::vector<float> values(bytes.size() / 4);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// First element whose bits differ, in words.
std::string FirstDifference(const Case& c, const Results& got, const Results& want) {
  for (size_t i = 0; i < want.outputs.size(); ++i) {
    if (got.outputs[i] == want.outputs[i]) continue;
    const ValueId id = c.outputs[i % c.outputs.size()];
    std::string text =
        "step " + std::to_string(i / c.outputs.size()) + ", value " + c.model.graph.values[id].name;
    if (c.model.graph.values[id].dtype == DType::kF32) {
      const std::vector<float> a = Floats(got.outputs[i]), b = Floats(want.outputs[i]);
      size_t n = 0, first = a.size();
      for (size_t k = 0; k < a.size(); ++k) {
        if (std::memcmp(&a[k], &b[k], 4) == 0) continue;
        if (n++ == 0) first = k;
      }
      text += ": " + std::to_string(n) + " of " + std::to_string(a.size()) + " differ, first " +
              std::to_string(first) + ": got " + std::to_string(a[first]) + ", want " +
              std::to_string(b[first]);
    }
    return text;
  }
  for (size_t i = 0; i < want.states.size(); ++i) {
    if (got.states[i] != want.states[i]) return "state part " + std::to_string(i) + " differs";
  }
  return "";
}

bool IsPlugin(const Backend* backend) {
  const BackendList builtin = BuiltinBackends();
  return std::find(builtin.backends, builtin.backends + builtin.count, backend) ==
         builtin.backends + builtin.count;
}

// Said once, and a failure where SAMARA_REQUIRE_<NAME>=1 demands the device.
void Skipped(const char* name, const Status& status) {
  std::string variable = "SAMARA_REQUIRE_";
  for (const char* c = name; *c != '\0'; ++c)
    variable += static_cast<char>(*c >= 'a' ? *c - 32 : *c);
  const char* required = std::getenv(variable.c_str());
  std::printf("SKIPPED backend %s: %s\n", name, status.message());
  const bool must_run = required != nullptr && std::strcmp(required, "1") == 0;
  CHECK_MESSAGE(!must_run, (variable + " is set, but the backend cannot be tested"));
}

}  // namespace

// SAMARA_TEST_BACKEND: only this one; SAMARA_TEST_WITHOUT: all but this one.
static bool IsWanted(const char* name) {
  const char* only = std::getenv("SAMARA_TEST_BACKEND");
  const char* without = std::getenv("SAMARA_TEST_WITHOUT");
  if (only != nullptr && only[0] != '\0') return std::strcmp(only, name) == 0;
  return without == nullptr || std::strcmp(without, name) != 0;
}

const std::vector<Variant>& Variants() {
  static const std::vector<Variant> variants = [] {
    std::vector<Variant> all;
    std::vector<AbsentPlugin> absent;
    for (const Backend* backend : AllBackends(&absent)) {
      if (!IsWanted(backend->name())) continue;
      for (const char* isa : {"", "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16",
                              "neon", "neondot", "neoni8mm"}) {
        for (uint32_t threads : {1u, 3u}) {
          DeviceOptions options;
          options.n_threads = options.threading.n_processors = threads;
          options.isa = isa[0] == '\0' ? nullptr : isa;
          // Threads and instruction sets are the host's affair.
          if (IsPlugin(backend) && (options.isa != nullptr || threads != 1)) continue;
          MemoryList memory;
          if (!backend->MeasureDevice(options, &memory).ok()) continue;
          memory.AddLedger();
          auto ledger = std::make_unique<Ledger>(memory);
          InPlacePtr<Device> device;
          const Status status = backend->Open(options, ledger.get(), &device);
          const bool absent_here =
              status.code() == StatusCode::kUnsupported || status.code() == StatusCode::kNotFound;
          // What the machine lacks is left out; any other failure shows up when the cases run.
          if (absent_here && options.isa != nullptr) continue;
          if (absent_here && IsPlugin(backend)) {
            if (threads == 1) Skipped(backend->name(), status);
            continue;
          }
          all.push_back({backend, options,
                         std::string(backend->name()) + " " + (options.isa ? options.isa : "best") +
                             ", " + std::to_string(threads) + " threads"});
        }
      }
    }
    for (const AbsentPlugin& plugin : absent) {
      if (IsWanted(plugin.name.c_str())) Skipped(plugin.name.c_str(), plugin.status);
    }
    if (!IsWanted("mirror")) return all;
    // Device memory that nobody but the backend may touch.
    static const MirrorBackend mirror(BuiltinBackends().backends[0]);
    DeviceOptions options;
    options.n_threads = options.threading.n_processors = 3;
    all.push_back(
        {&mirror, options, std::string("mirror of ") + BuiltinBackends().backends[0]->name()});
    return all;
  }();
  return variants;
}

StepInputs MakeInputs(const Case& c, uint64_t seed) {
  Random random(seed);
  StepInputs all(c.steps.size());
  for (size_t s = 0; s < c.steps.size(); ++s) {
    const SymbolValues symbols = StepSymbols(c, s);
    for (const Case::Input& input : c.inputs) {
      const Value& value = c.model.graph.values[input.value];
      StatusOr<uint64_t> n = EvalElements(value.shape, symbols);
      REQUIRE_OK(n.status());
      all[s].push_back(MakeValues(value.dtype, *n, input.fill, input.scale, &random));
    }
  }
  return all;
}

Status RunCase(const Case& c, const Graph& graph, const StepInputs& inputs, const Variant& variant,
               bool views, bool one_op_each, Results* results) {
  RunnerOptions options = c.options;
  options.device = variant.device;
  options.views = views;
  options.one_op_each = one_op_each;
  for (const auto& step : c.steps) {
    uint32_t tokens = 0, outputs = 0;
    for (const StepSequence& s : step) {
      tokens += s.n_tokens;
      outputs += static_cast<uint32_t>(s.outputs.size());
    }
    options.max_tokens = std::max(options.max_tokens, tokens);
    options.max_outputs = std::max(options.max_outputs, outputs);
    options.max_seqs = std::max(options.max_seqs, static_cast<uint32_t>(step.size()));
  }
  GraphRunner runner;
  SAMARA_RETURN_IF_ERROR(
      runner.Init(c.model.package, graph, c.model.weight_bytes, variant.backend, options));
  for (size_t s = 0; s < c.steps.size(); ++s) {
    StepBlock step(runner.step_layout());
    for (const StepSequence& sequence : c.steps[s]) step.Add(sequence);
    runner.UseStep(step);
    SAMARA_RETURN_IF_ERROR(runner.PoisonArena());
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      std::vector<uint8_t> bytes = inputs[s][i];
      const ValueId id = c.inputs[i].value;
      SAMARA_RETURN_IF_ERROR(Transfer(&runner, graph.values[id], id, &bytes, true));
    }
    SAMARA_RETURN_IF_ERROR(runner.Run());
    SAMARA_RETURN_IF_ERROR(runner.CheckSentinels());
    for (ValueId id : c.outputs) {
      std::vector<uint8_t> bytes;
      SAMARA_RETURN_IF_ERROR(Transfer(&runner, graph.values[id], id, &bytes, false));
      results->outputs.push_back(std::move(bytes));
    }
  }
  for (size_t i = 0; i < c.model.package.states.size(); ++i) {
    for (int part = 0; part < 2; ++part) {
      std::vector<uint8_t> bytes;
      SAMARA_RETURN_IF_ERROR(runner.GetState(static_cast<int>(i), part, &bytes));
      results->states.push_back(std::move(bytes));
    }
  }
  return Status();
}

std::string Compare(const Case& c, const Results& got, const Results& want, double norm_bound,
                    double element_bound) {
  for (size_t i = 0; i < want.outputs.size(); ++i) {
    const Value& value = c.model.graph.values[c.outputs[i % c.outputs.size()]];
    const std::string where =
        "step " + std::to_string(i / c.outputs.size()) + ", value " + value.name;
    if (value.dtype != DType::kF32) {
      if (got.outputs[i] != want.outputs[i]) return where + " differs";
      continue;
    }
    const std::vector<float> a = Floats(got.outputs[i]), b = Floats(want.outputs[i]);
    double error = 0, norm = 0, largest = 0, worst = 0;
    size_t worst_at = 0;
    for (size_t k = 0; k < b.size(); ++k) {
      if (a[k] == b[k]) {  // equal infinities too
        if (std::isfinite(b[k])) norm += double{b[k]} * b[k];
        if (std::isfinite(b[k])) largest = std::max(largest, std::fabs(double{b[k]}));
        continue;
      }
      const double difference = std::fabs(double{a[k]} - b[k]);
      if (!std::isfinite(difference)) {
        return where + " element " + std::to_string(k) + ": got " + std::to_string(a[k]) +
               ", want " + std::to_string(b[k]);
      }
      error += difference * difference;
      norm += double{b[k]} * b[k];
      largest = std::max(largest, std::fabs(double{b[k]}));
      if (difference > worst) {
        worst = difference;
        worst_at = k;
      }
    }
    if (std::sqrt(error) > norm_bound * std::sqrt(norm)) {
      return where + ": relative error " + std::to_string(std::sqrt(error / norm) * 1e9) +
             "e-9, allowed " + std::to_string(norm_bound * 1e9) + "e-9";
    }
    if (worst > element_bound * largest) {
      return where + " element " + std::to_string(worst_at) + " of " + std::to_string(b.size()) +
             ": got " + std::to_string(a[worst_at]) + ", want " + std::to_string(b[worst_at]) +
             ", off by " + std::to_string(worst / largest * 1e9) + "e-9 of the largest, allowed " +
             std::to_string(element_bound * 1e9) + "e-9";
    }
  }
  return "";
}

void CheckCase(const Case& c, uint64_t seed) {
  CAPTURE(c.name);
  CAPTURE(seed);
  const StepInputs inputs = MakeInputs(c, seed);
  const Graph& graph = c.model.graph;
  const Variant exact = {ReferenceBackend(), {}, "reference"};
  Results want, truth;
  REQUIRE_OK(RunCase(c, graph, inputs, exact, false, false, &want));
  REQUIRE_OK(RunCase(c, graph, inputs, {Float64Backend(), {}, "float64"}, false, false, &truth));
  CHECK(Compare(c, want, truth, c.norm_bound, c.element_bound) == "");

  for (const Variant& variant : Variants()) {
    const std::string kind = variant.backend->name();
    for (int mode = 0; mode < 3; ++mode) {
      const bool views = mode == 1, one_op_each = mode == 2;
      Results got;
      const Status status = RunCase(c, graph, inputs, variant, views, one_op_each, &got);
      CHECK_MESSAGE(status.ok(), (variant.name + ": " + status.message()));
      if (!status.ok()) break;
      std::string problem;
      if (kind == "cpu" || kind == "reference" || kind == "mirror") {
        problem = FirstDifference(c, got, want);
      } else if (kind == "float64") {
        // The rounding to F32 between partitions is all that may differ.
        problem =
            Compare(c, got, truth, tolerance::kRoundingBetweenOps, tolerance::kRoundingBetweenOps);
      } else {
        // As near to the contract's result as the contract is to the truth, or as near to the truth.
        const double norm = tolerance::kBackendNorm + c.norm_bound;
        const double element = tolerance::kBackendElement + c.element_bound;
        problem = Compare(c, got, want, norm, element);
        if (!problem.empty() && Compare(c, got, truth, norm, element).empty()) problem.clear();
      }
      const std::string how = variant.name + (views ? ", views" : "") +
                              (one_op_each ? ", one operator each" : "") + ": " + problem;
      CHECK_MESSAGE(problem.empty(), how);
    }
  }
}

TEST_CASE("a cpu variant for every instruction set of this machine is tested") {
  if (!IsWanted("cpu")) return;
  int scalar = 0, best = 0;
  for (const Variant& variant : Variants()) {
    if (std::string(variant.backend->name()) != "cpu") continue;
    scalar += variant.device.isa != nullptr && std::strcmp(variant.device.isa, "scalar") == 0;
    best += variant.device.isa == nullptr;
  }
  CHECK(scalar == 2);
  CHECK(best == 2);
}

}  // namespace samara::test
