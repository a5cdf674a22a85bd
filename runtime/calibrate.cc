#include "runtime/calibrate.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "formats/package_format.h"
#include "runtime/backend.h"
#include "runtime/model.h"
#include "runtime/replay.h"
#include "runtime/session.h"
#include "runtime/split.h"

namespace samara {
namespace {

constexpr uint32_t kChunk = 64;

struct ModelDestroyer {
  void operator()(Model* model) const { DestroyModel(model); }
};
struct SessionCloser {
  void operator()(Session* session) const { CloseSession(session); }
};

// The weight of a product, -1: none.
int64_t MultipliedWeight(const Graph& graph, const Op& op) {
  if (op.code != OpCode::kLinear && op.code != OpCode::kMatmul) return -1;
  const Value& value = graph.values[static_cast<size_t>(op.inputs[1])];
  return value.kind == ValueKind::kWeight ? value.index : -1;
}

}  // namespace

Status Calibration::Open(const std::string& path, uint32_t n_threads) {
  path_ = path;
  n_threads_ = n_threads;
  PackageFile file;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(path.c_str(), &file));
  ParsedPackage parsed;
  SAMARA_RETURN_IF_ERROR(ReadPackage(file, &parsed));
  package_ = std::move(parsed.package);
  inputs_.clear();
  for (const Weight& weight : package_.weights)
    inputs_.push_back({&weight, 0, std::vector<double>(weight.is_vector ? 0 : weight.cols)});
  return Status();
}

Status Calibration::Add(std::span<const int32_t> tokens, uint32_t context) {
  LoadOptions options;
  options.n_threads = n_threads_;
  options.n_ctx = context;
  if (package_.trained_context > 0 && package_.trained_context < context)
    options.n_ctx = static_cast<uint32_t>(package_.trained_context);
  options.n_chunk = std::min(options.n_ctx, kChunk);
  options.max_outputs = options.n_chunk;
  options.keep_values = true;
  PackageFile file;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(path_.c_str(), &file));
  Model* opened = nullptr;
  LoadTrace trace;
  const Backend& backend = *BuiltinBackends().backends[0];
  SAMARA_RETURN_IF_ERROR(LoadModel(std::move(file), backend, options, {}, &opened, &trace));
  const std::unique_ptr<Model, ModelDestroyer> model(opened);
  if (trace.parsed.package != package_)
    return FailedPrecondition("%s changed while it was read", path_.c_str());
  Session* made = nullptr;
  // All rows: what makes the logits counts like every other matrix.
  SAMARA_RETURN_IF_ERROR(CreateSession(opened, {}, true, &made));
  const std::unique_ptr<Session, SessionCloser> session(made);

  const Graph& graph = trace.parsed.package.entries[0];
  for (size_t begin = 0; begin < tokens.size(); begin += options.n_ctx) {
    const auto window =
        tokens.subspan(begin, std::min<size_t>(options.n_ctx, tokens.size() - begin));
    ResetSession(made);
    for (size_t at = 0; at < window.size(); at += options.n_chunk) {
      const size_t n = std::min<size_t>(options.n_chunk, window.size() - at);
      SAMARA_RETURN_IF_ERROR(FeedSession(made, window.data() + at, n));
      SAMARA_RETURN_IF_ERROR(StepSessions(&made, 1));
      Arenas arenas;
      SAMARA_RETURN_IF_ERROR(
          DownloadArenas(*opened, trace.plan, static_cast<uint32_t>(n), &arenas));
      const StepHeader header = *reinterpret_cast<const StepHeader*>(opened->step);
      for (const Op& op : graph.ops) {
        const int64_t index = MultipliedWeight(graph, op);
        if (index < 0) continue;
        InputSquares& input = inputs_[static_cast<size_t>(index)];
        const Side side = MakerSide(trace.plan.split, op.inputs[0]);
        ArenaView view;
        SAMARA_RETURN_IF_ERROR(ViewOf(trace.parsed.package,
                                      LoweringOf(trace.plan, side, header.n_tokens), op.inputs[0],
                                      header, &view));
        if (view.dtype != DType::kF32 || view.row_elements != input.sums.size())
          return Unsupported("weight %s multiplies no rows of f32", input.weight->name.c_str());
        const std::vector<float> values = ReadFloats(arenas[side], view);
        for (size_t i = 0; i < values.size(); ++i) {
          const double x = static_cast<double>(values[i]);
          input.sums[i % input.sums.size()] += x * x;
        }
        input.rows += view.rows;
      }
    }
  }
  return Status();
}

}  // namespace samara
