#include "runtime/goldens.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "formats/package_format.h"
#include "runtime/number_text.h"
#include "runtime/render_goldens.h"
#include "runtime/replay.h"
#include "runtime/results.h"
#include "runtime/session.h"

namespace samara {
namespace {

constexpr uint32_t kGoldenIds = 8;
constexpr uint32_t kGoldenTop = 8;
constexpr uint32_t kGoldenSamples = 16;

// What backends without the contract may differ by: half-precision products of a deep network, with
// room.
constexpr double kLogitsTolerance = 0.05;    // of the largest golden logit
constexpr double kNormTolerance = 0.05;      // relative
constexpr double kOperatorTolerance = 0.02;  // relative L2 error of one operator on equal inputs

struct ModelDestroyer {
  void operator()(Model* model) const { DestroyModel(model); }
};
using ModelPtr = std::unique_ptr<Model, ModelDestroyer>;
struct SessionCloser {
  void operator()(Session* session) const { CloseSession(session); }
};
using SessionPtr = std::unique_ptr<Session, SessionCloser>;

// A model that keeps all values, after one step over the ids.
struct Replay {
  LoadTrace trace;
  ModelPtr model;
  SessionPtr session;  // closed before the model
  Arenas arenas;
  const float* logits = nullptr;
};

Status Run(const std::string& path, const Backend& backend, const LoadOptions& base,
           const std::vector<int32_t>& ids, Replay* replay) {
  LoadOptions options;
  options.isa = base.isa;
  options.n_threads = base.n_threads;
  options.threading = base.threading;
  options.decompose = base.decompose;
  options.memory_budget = base.memory_budget;
  options.device_memory = base.device_memory;
  options.cut_layers = base.cut_layers;
  options.n_ctx = static_cast<uint32_t>(std::max<size_t>(ids.size(), 1));
  options.n_chunk = options.n_ctx;
  options.keep_values = true;
  PackageFile file;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(path.c_str(), &file));
  Model* model = nullptr;
  SAMARA_RETURN_IF_ERROR(LoadModel(std::move(file), backend, options, {}, &model, &replay->trace));
  replay->model.reset(model);
  Session* session = nullptr;
  SAMARA_RETURN_IF_ERROR(CreateSession(model, {}, false, &session));
  replay->session.reset(session);
  SAMARA_RETURN_IF_ERROR(FeedSession(session, ids.data(), ids.size()));
  SAMARA_RETURN_IF_ERROR(StepSessions(&session, 1));
  SAMARA_RETURN_IF_ERROR(SessionLogits(session, -1, &replay->logits));
  return DownloadArenas(*model, replay->trace.plan, static_cast<uint32_t>(ids.size()),
                        &replay->arenas);
}

std::vector<uint8_t> HashLogits(const Replay& replay) {
  std::vector<uint8_t> digest(32);
  Sha256 hash;
  hash.Update(replay.logits, uint64_t{replay.model->limits.vocab} * sizeof(float));
  hash.Finish(digest.data());
  return digest;
}

// The values of output `output` of stored operator `op`: values keep their numbers when graphs are
// lowered.
Status OutputFloats(const Replay& replay, const Graph& graph, uint32_t op, uint32_t output,
                    std::vector<float>* values) {
  if (op >= graph.ops.size() || output >= graph.ops[op].outputs.size()) {
    return InvalidFile("golden of output %u of operator %u, of %zu operators", output, op,
                       graph.ops.size());
  }
  const StepHeader header = *reinterpret_cast<const StepHeader*>(replay.model->step);
  const ModelPlan& plan = replay.trace.plan;
  const ValueId value = graph.ops[op].outputs[output];
  const Side side = MakerSide(plan.split, value);
  ArenaView view;
  SAMARA_RETURN_IF_ERROR(ViewOf(replay.trace.parsed.package,
                                LoweringOf(plan, side, header.n_tokens), value, header, &view));
  if (view.dtype != DType::kF32)
    return InvalidFile("golden of operator %u, which gives no f32", op);
  *values = ReadFloats(replay.arenas[side], view);
  return {};
}

double L2(const std::vector<float>& values) {
  double sum = 0;
  for (float v : values) sum += static_cast<double>(v) * v;
  return std::sqrt(sum);
}

bool OfInterest(OpCode code) {
  return code == OpCode::kLinear || code == OpCode::kAttention || code == OpCode::kRmsNorm ||
         code == OpCode::kGlu || code == OpCode::kLayerNorm || code == OpCode::kActivate;
}

// "" if the golden holds, else what is off.
Status Check(const Replay& replay, const Golden& golden, bool exact, std::string* off) {
  off->clear();
  if (exact) {
    if (HashLogits(replay) != golden.logits_sha256) *off = "the hash of the logits differs";
    return {};
  }
  double largest = 0;
  for (float logit : golden.top_logits)
    largest = std::max(largest, std::abs(static_cast<double>(logit)));
  for (size_t i = 0; i < golden.top_ids.size() && i < golden.top_logits.size(); ++i) {
    const uint32_t id = static_cast<uint32_t>(golden.top_ids[i]);
    if (id >= replay.model->limits.vocab) return InvalidFile("golden logit of id %u", id);
    const double d = std::abs(static_cast<double>(replay.logits[id]) - golden.top_logits[i]);
    if (!(d <= kLogitsTolerance * largest)) {
      *off = "logit " + std::to_string(id) + " is " + NumberText(replay.logits[id]) + ", want " +
             NumberText(golden.top_logits[i]);
      return {};
    }
  }
  const Graph& graph = replay.trace.parsed.package.entries[0];
  for (const OpGolden& g : golden.ops) {
    std::vector<float> values;
    SAMARA_RETURN_IF_ERROR(OutputFloats(replay, graph, g.op, g.output, &values));
    const double rms = values.empty() ? 0 : g.l2 / std::sqrt(static_cast<double>(values.size()));
    bool holds = std::abs(L2(values) - g.l2) <= kNormTolerance * g.l2;
    for (size_t i = 0; i < g.indices.size() && i < g.values.size(); ++i) {
      if (g.indices[i] >= values.size())
        return InvalidFile("golden sample %llu of %zu values",
                           static_cast<unsigned long long>(g.indices[i]), values.size());
      // Errors are of the size of the whole vector, not of one element.
      const double d = std::abs(static_cast<double>(values[g.indices[i]]) - g.values[i]);
      holds = holds && d <= 4 * kNormTolerance * std::max<double>(rms, std::abs(g.values[i]));
    }
    if (!holds) {
      *off = "the output of " + Quoted(graph.ops[g.op].name) + " has norm " +
             NumberText(L2(values)) + ", want " + NumberText(g.l2);
      return {};
    }
  }
  return {};
}

}  // namespace

Status MakeGoldens(const std::string& path, Package* package) {
  const Backend* backend = BuiltinBackends().backends[0];
  if (!backend->exact())
    return Internal("goldens need an exact backend, %s is none", backend->name());
  const uint32_t vocab = package->tokenizer_vocab != 0 ? package->tokenizer_vocab : package->vocab;
  if (vocab == 0) return InvalidArgument("the package has no tokens");
  Golden golden;
  golden.entry = package->entries.empty() ? "" : package->entries[0].name;
  for (uint32_t i = 0; i < kGoldenIds; ++i) {
    // Spread over the vocabulary, from its start on.
    golden.ids.push_back(static_cast<int32_t>((uint64_t{i} * i * 2654435761u + i) % vocab));
  }
  Replay replay;
  SAMARA_RETURN_IF_ERROR(Run(path, *backend, {}, golden.ids, &replay));
  golden.logits_sha256 = HashLogits(replay);
  std::vector<int32_t> order(replay.model->limits.vocab);
  std::iota(order.begin(), order.end(), 0);
  const size_t top = std::min<size_t>(kGoldenTop, order.size());
  const float* logits = replay.logits;
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(top), order.end(),
                    [logits](int32_t a, int32_t b) {
                      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                    });
  for (size_t i = 0; i < top; ++i) {
    golden.top_ids.push_back(order[i]);
    golden.top_logits.push_back(logits[order[i]]);
  }
  const Graph& graph = replay.trace.parsed.package.entries[0];
  for (uint32_t i = 0; i < graph.ops.size(); ++i) {
    if (!OfInterest(graph.ops[i].code)) continue;
    OpGolden g;
    g.op = i;
    std::vector<float> values;
    SAMARA_RETURN_IF_ERROR(OutputFloats(replay, graph, i, 0, &values));
    g.l2 = L2(values);
    for (uint32_t k = 0; k < kGoldenSamples && !values.empty(); ++k) {
      const uint64_t index = (uint64_t{k} * 2654435761u + i) % values.size();
      g.indices.push_back(index);
      g.values.push_back(values[index]);
    }
    golden.ops.push_back(std::move(g));
  }
  package->goldens = {std::move(golden)};
  return {};
}

Status VerifyGoldens(const std::string& path, const Backend& backend, const LoadOptions& options,
                     const std::function<void(const std::string&)>& each) {
  PackageFile file;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(path.c_str(), &file));
  ParsedPackage parsed;
  SAMARA_RETURN_IF_ERROR(ReadPackage(file, &parsed));
  if (parsed.package.goldens.empty() && parsed.package.conversations.empty())
    return NotFound("the package has no goldens");
  SAMARA_RETURN_IF_ERROR(VerifyRenderGoldens(parsed.package, each));
  // Decompositions agree to tolerance only.
  const bool exact = backend.exact() && !options.decompose;
  for (size_t i = 0; i < parsed.package.goldens.size(); ++i) {
    const Golden& golden = parsed.package.goldens[i];
    const std::string name = "golden " + std::to_string(i) + " (" +
                             std::to_string(golden.ids.size()) + " tokens, " +
                             (exact ? "exact" : "by tolerance") + ")";
    Replay replay;
    SAMARA_RETURN_IF_ERROR(Run(path, backend, options, golden.ids, &replay));
    std::string off;
    SAMARA_RETURN_IF_ERROR(Check(replay, golden, exact, &off));
    if (off.empty()) {
      each(name + ": ok on " + replay.model->device->description());
      continue;
    }
    each(name + ": off on " + replay.model->device->description() + ": " + off);
    std::string finding;
    SAMARA_RETURN_IF_ERROR(
        FindFirstDeviation(*replay.model, replay.trace, kOperatorTolerance, &finding));
    if (finding.empty()) {
      finding =
          "every operator gives what the reference gives for the same inputs, so the weights in "
          "the "
          "file are not those that the golden was made with";
    }
    return FailedPrecondition("%s: %s; %s", name.c_str(), off.c_str(), finding.c_str());
  }
  return {};
}

}  // namespace samara
