#include "runtime/replay.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/number_text.h"
#include "runtime/registry.h"

namespace samara {
namespace {

// Memory for the reference: an arena, its scratch, its states.
class Reference {
 public:
  Reference(const Model& model, const LoadTrace& trace, const LowerRequest& request,
            const LoweredGraph& lowered, const Backend& backend)
      : model_(model), trace_(trace), request_(request), lowered_(lowered), backend_(backend) {}

  Status Prepare(const std::vector<uint8_t>& arena) {
    uint64_t scratch = 0;
    for (const LoweredPart& part : lowered_.parts) {
      PartitionSpec spec = SpecOf(request_, lowered_, part.first_op, part.n_ops);
      spec.n_threads = 1;
      PartitionMeasure measure;
      SAMARA_RETURN_IF_ERROR(backend_.Measure(spec, &measure));
      for (uint64_t bytes : measure.scratch_bytes) scratch = std::max(scratch, bytes);
    }
    // One scratch behind the arena serves all: operators run one by one.
    scratch_offset_ = (arena.size() + 63) / 64 * 64;
    arena_.assign(scratch_offset_ + scratch + 64, 0);
    base_ = arena_.data() + (64 - reinterpret_cast<uintptr_t>(arena_.data()) % 64) % 64;
    std::memcpy(base_, arena.data(), arena.size());

    SAMARA_RETURN_IF_ERROR(backend_.MeasureDevice({}, &list_));
    list_.AddLedger();
    ledger_.reset(new Ledger(list_));
    SAMARA_RETURN_IF_ERROR(ledger_->InitStatus());
    SAMARA_RETURN_IF_ERROR(backend_.Open({}, ledger_.get(), &device_));
    return Bind();
  }

  // Runs op i and leaves its outputs in arena().
  Status RunOp(uint32_t i, const void* step) {
    PartitionSpec spec = SpecOf(request_, lowered_, i, 1);
    spec.n_threads = 1;
    spec.weights = weights_;
    spec.states = states_;
    spec.arena_host = base_;
    spec.arena_device = reinterpret_cast<uint64_t>(base_);
    const uint64_t scratch[1] = {scratch_offset_};
    spec.scratch_offsets = scratch;
    PartitionMeasure measure;
    SAMARA_RETURN_IF_ERROR(backend_.Measure(spec, &measure));
    std::vector<uint8_t> block(measure.plan_bytes + 64, 0);
    uint8_t* aligned = block.data() + (64 - reinterpret_cast<uintptr_t>(block.data()) % 64) % 64;
    InPlacePtr<Partition> partition;
    SAMARA_RETURN_IF_ERROR(device_->Compile(spec, aligned, measure.plan_bytes, &partition));
    return partition->Run(step);
  }
  uint8_t* arena() { return base_; }

 private:
  Status Bind() {
    const Package& package = trace_.parsed.package;
    for (size_t i = 0; i < package.weights.size(); ++i) {
      weights_.emplace_back();
      if (trace_.plan.placements[i] < 0) continue;
      WeightBinding& binding = weights_.back();
      binding.weight = &package.weights[i];
      binding.placement =
          &package.weights[i].placements[static_cast<size_t>(trace_.plan.placements[i])];
      binding.host = model_.file.base() + package.segments[binding.placement->segment].offset +
                     binding.placement->offset;
    }
    for (const State& state : package.states) {
      StateBinding binding;
      binding.state = &state;
      binding.dtype = model_.kv_type;
      for (size_t part = 0; part < state.parts.size() && part < 2; ++part) {
        uint64_t bytes = 0;
        SAMARA_RETURN_IF_ERROR(StateBlockBytes(state, part, model_.kv_type, backend_, &bytes));
        bytes *= model_.groups[state.group].n_blocks;
        pools_.emplace_back(bytes + 64, uint8_t{0});
        uint8_t* pool = pools_.back().data();
        binding.host[part] = pool + (64 - reinterpret_cast<uintptr_t>(pool) % 64) % 64;
        binding.device[part] = reinterpret_cast<uint64_t>(binding.host[part]);
      }
      states_.push_back(binding);
    }
    return {};
  }

  const Model& model_;
  const LoadTrace& trace_;
  const LowerRequest& request_;
  const LoweredGraph& lowered_;
  const Backend& backend_;
  std::vector<uint8_t> arena_;
  uint8_t* base_ = nullptr;
  uint64_t scratch_offset_ = 0;
  std::vector<WeightBinding> weights_;
  std::vector<StateBinding> states_;
  std::vector<std::vector<uint8_t>> pools_;
  MemoryList list_;
  std::unique_ptr<Ledger> ledger_;
  InPlacePtr<Device> device_;  // before the ledger in destruction
};

// The deviation of one value: "" if it is within the tolerance.
std::string Compare(const ArenaView& view, const uint8_t* got, const uint8_t* want, bool exact,
                    double tolerance) {
  const uint32_t size = ActivationBytes(view.dtype);
  double error = 0, norm = 0, worst = -1;
  uint64_t worst_at = 0, n_off = 0;
  float worst_got = 0, worst_want = 0;
  for (uint64_t r = 0; r < view.rows; ++r) {
    for (uint64_t c = 0; c < view.row_elements; ++c) {
      const uint64_t at = view.offset + r * view.stride + c * size;
      if (std::memcmp(got + at, want + at, size) == 0 && exact) continue;
      float a = 0, b = 0;
      if (view.dtype == DType::kF32) {
        std::memcpy(&a, got + at, sizeof a);
        std::memcpy(&b, want + at, sizeof b);
      } else {
        a = std::memcmp(got + at, want + at, size) != 0 ? 1 : 0;
      }
      // Both not finite in the same way is agreement of a kind that the tolerance cannot measure.
      if (std::memcmp(got + at, want + at, size) != 0) ++n_off;
      double d = std::abs(static_cast<double>(a) - static_cast<double>(b));
      if (!std::isfinite(d)) d = std::memcmp(&a, &b, sizeof a) == 0 ? 0 : INFINITY;
      if (d > worst) {
        worst = d;
        worst_at = r * view.row_elements + c;
        worst_got = a;
        worst_want = b;
      }
      error += d * d;
      if (std::isfinite(b)) norm += static_cast<double>(b) * b;
    }
  }
  if (n_off == 0) return "";
  const double relative = norm > 0 ? std::sqrt(error / norm) : error > 0 ? INFINITY : 0;
  if (!exact && relative <= tolerance) return "";
  return std::to_string(n_off) + " of " + std::to_string(view.elements()) +
         " elements differ, most at element " + std::to_string(worst_at) + ": " +
         NumberText(worst_got) + ", want " + NumberText(worst_want) +
         (exact ? "" : "; relative L2 error " + NumberText(relative));
}

// The bucket that runs a step of so many tokens.
size_t BucketFor(const ModelPlan& plan, uint32_t n_tokens) {
  size_t b = 0;
  while (b + 1 < plan.buckets.size() && plan.buckets[b].bucket_tokens < n_tokens) ++b;
  return b;
}

}  // namespace

const LoweredGraph& LoweringOf(const ModelPlan& plan, Side side, uint32_t n_tokens) {
  return side == Side::kHost ? plan.host : plan.buckets[BucketFor(plan, n_tokens)];
}

Status ViewOf(const Package& package, const LoweredGraph& lowered, ValueId value,
              const StepHeader& header, ArenaView* view) {
  if (value < 0 || static_cast<size_t>(value) >= lowered.values.size() ||
      lowered.values[static_cast<size_t>(value)].kind != BufferKind::kArena) {
    return InvalidFile("value %d is no activation", value);
  }
  SymbolValues symbols = lowered.capacity;
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (package.symbols[i].kind == SymbolKind::kTokens) symbols[i] = header.n_tokens;
    if (package.symbols[i].kind == SymbolKind::kOutputs) symbols[i] = header.n_outputs;
    if (package.symbols[i].kind == SymbolKind::kSeqs) symbols[i] = header.n_seqs;
  }
  const Value& v = lowered.graph.values[static_cast<size_t>(value)];
  const ValueBinding& binding = lowered.values[static_cast<size_t>(value)];
  view->dtype = v.dtype;
  view->offset = binding.offset;
  view->stride = binding.row_stride;
  view->rows = view->row_elements = 1;
  for (int d = 0; d < v.shape.rank; ++d) {
    SAMARA_ASSIGN_OR_RETURN(uint64_t n, EvalDim(v.shape.dims[static_cast<size_t>(d)], symbols));
    (d == 0 ? view->rows : view->row_elements) *= n;
  }
  return {};
}

std::vector<float> ReadFloats(const std::vector<uint8_t>& arena, const ArenaView& view) {
  std::vector<float> values(view.elements());
  for (uint64_t r = 0; r < view.rows && view.row_elements != 0; ++r) {
    std::memcpy(values.data() + r * view.row_elements, arena.data() + view.offset + r * view.stride,
                view.row_elements * sizeof(float));
  }
  return values;
}

Status DownloadArenas(const Model& model, const ModelPlan& plan, uint32_t n_tokens,
                      Arenas* arenas) {
  std::vector<uint8_t>& device = arenas->of[0];
  device.resize(LoweringOf(plan, Side::kDevice, n_tokens).arena_bytes);
  SAMARA_RETURN_IF_ERROR(model.device->Download(model.arena, 0, device.data(), device.size()));
  if (plan.host_backend == nullptr) return {};
  std::vector<uint8_t>& host = arenas->of[1];
  host.resize(plan.host.arena_bytes);
  return model.host_device->Download(model.host_arena, 0, host.data(), host.size());
}

Status FindFirstDeviation(const Model& model, const LoadTrace& trace, double tolerance,
                          std::string* finding) {
  finding->clear();
  const Backend* backend = nullptr;
  SAMARA_RETURN_IF_ERROR(FindBackend("reference", &backend));
  const StepHeader header = *reinterpret_cast<const StepHeader*>(model.step);
  const ModelPlan& plan = trace.plan;
  Arenas arenas;
  SAMARA_RETURN_IF_ERROR(DownloadArenas(model, plan, header.n_tokens, &arenas));
  // One a side: each has an arena of its own.
  Reference device(model, trace, plan.requests[BucketFor(plan, header.n_tokens)],
                   LoweringOf(plan, Side::kDevice, header.n_tokens), *backend);
  Reference host(model, trace, plan.host_request, plan.host, *backend);
  SAMARA_RETURN_IF_ERROR(device.Prepare(arenas.of[0]));
  if (plan.host_backend != nullptr) SAMARA_RETURN_IF_ERROR(host.Prepare(arenas.of[1]));
  for (size_t i = 0; i < plan.split.graph.ops.size(); ++i) {
    const Side side = plan.split.sides[i];
    const LoweredGraph& lowered = LoweringOf(plan, side, header.n_tokens);
    if (lowered.is_view[i] != 0) continue;
    Reference& reference = side == Side::kHost ? host : device;
    const Backend& ran_on = side == Side::kHost ? *plan.host_backend : *model.backend;
    const bool exact = ran_on.exact() && backend->exact();
    const uint8_t* const arena = arenas[side].data();
    const Op& op = lowered.graph.ops[i];
    SAMARA_RETURN_IF_ERROR(reference.RunOp(static_cast<uint32_t>(i), model.step));
    for (ValueId id : op.outputs) {
      ArenaView view;
      SAMARA_RETURN_IF_ERROR(ViewOf(trace.parsed.package, lowered, id, header, &view));
      const std::string what = Compare(view, arena, reference.arena(), exact, tolerance);
      const OpInfo* info = FindOp(op.code);
      if (!what.empty()) {
        *finding = "operator " + Quoted(op.name) + " (" + (info != nullptr ? info->name : "?") +
                   (plan.host_backend == nullptr ? "" : std::string(", on ") + ran_on.name()) +
                   "): " + what;
        return {};
      }
      // The next operator reads what the device made.
      const ValueBinding& binding = lowered.values[static_cast<size_t>(id)];
      std::memcpy(reference.arena() + binding.offset, arena + binding.offset, binding.bytes);
    }
  }
  return {};
}

}  // namespace samara
