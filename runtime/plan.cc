#include "runtime/plan.h"

#include <algorithm>
#include <string_view>

#include "formats/operands.h"
#include "runtime/processors.h"
#include "runtime/profile.h"

namespace samara {
namespace {

using Ull = unsigned long long;

Status Range(const char* name, uint64_t value, uint64_t most) {
  if (value <= most) return {};
  return InvalidArgument("option %s is %llu, at most %llu", name, static_cast<Ull>(value),
                         static_cast<Ull>(most));
}

class Planner {
 public:
  Planner(const Package& package, const FileFacts& file, const LoadOptions& options,
          const Backend& backend, ModelPlan* plan)
      : package_(package), file_(file), options_(options), backend_(backend), plan_(plan) {}

  Status Run() {
    SAMARA_RETURN_IF_ERROR(Resolve());
    SAMARA_RETURN_IF_ERROR(LayOutStep());
    SAMARA_RETURN_IF_ERROR(PlaceUnits());
    return Budget();
  }

 private:
  // Everything from the split on, with units from `first_unit` on the device.
  Status Place(uint32_t first_unit) {
    first_unit_ = first_unit;
    plan_->split = {};
    plan_->requests.clear();
    plan_->buckets.clear();
    plan_->arena_bytes = 0;
    plan_->host_backend = nullptr;
    plan_->host = {};
    plan_->list = {};
    SAMARA_RETURN_IF_ERROR(LowerAll());
    SAMARA_RETURN_IF_ERROR(ChoosePlacements());
    SAMARA_RETURN_IF_ERROR(FindOutputs());
    return ListMemory(package_, file_, backend_, plan_);
  }

  // As many units on the device as its share of memory holds, from the last one on.
  Status PlaceUnits() {
    const uint64_t most = plan_->options.device_memory;
    Status status = Place(0);
    if (backend_.host_memory() || most == 0) return status;
    const auto fits = [&] {
      return status.ok() && plan_->list.Total(MemoryClass::kDevice) <= most;
    };
    if (fits()) return {};
    // Fewer units never need more: the first that fits, by bisection.
    uint32_t too_many = 0, few = CountUnits(package_.entries[0]) - 1;
    status = Place(few);
    if (!status.ok()) return status;
    if (few == 0 || !fits()) {
      return ResourceExhausted(
          "%llu bytes of device memory are needed at least, %llu may be used: nothing fits on %s",
          static_cast<Ull>(plan_->list.Total(MemoryClass::kDevice)), static_cast<Ull>(most),
          backend_.name());
    }
    while (few - too_many > 1) {
      const uint32_t middle = too_many + (few - too_many) / 2;
      status = Place(middle);
      (fits() ? few : too_many) = middle;
    }
    return first_unit_ == few ? status : Place(few);
  }

  // One thread a processor.
  static Status ResolveThreads(LoadOptions* o) {
    uint32_t usable = 0;
    if (o->threading.placed()) {
      if (o->threading.parallel != nullptr) {
        return InvalidArgument("affinity places Samara's threads; the caller's pool has its own");
      }
      std::vector<uint32_t> processors;
      SAMARA_RETURN_IF_ERROR(ParseProcessorList(o->threading.affinity, &processors));
      usable = static_cast<uint32_t>(processors.size());
    } else if (o->threading.pin_caller) {
      return InvalidArgument("pin_caller is set, but affinity names no processor");
    }
    if (o->n_threads != 0) return {};
    if (usable == 0) usable = UsableProcessors();
    o->n_threads = std::min(usable, kMaxThreads);
    return {};
  }

  Status Resolve() {
    LoadOptions& o = plan_->options;
    o = options_;
    SAMARA_RETURN_IF_ERROR(Range("n_threads", o.n_threads, kMaxThreads));
    SAMARA_RETURN_IF_ERROR(Range("max_sessions", o.max_sessions, kMaxSessions));
    SAMARA_RETURN_IF_ERROR(Range("n_ctx", o.n_ctx, INT32_MAX));
    SAMARA_RETURN_IF_ERROR(Range("profile", o.profile, Profile::kMaxEvents));
    if (package_.entries.empty()) return InvalidFile("the package has no entry point");
    SAMARA_RETURN_IF_ERROR(ResolveThreads(&o));
    if (o.n_ctx == 0) {
      o.n_ctx =
          static_cast<uint32_t>(std::clamp<uint64_t>(package_.trained_context, 1, kDefaultContext));
    }
    if (o.max_sessions == 0) o.max_sessions = 1;
    if (o.n_chunk == 0) o.n_chunk = kDefaultChunk;
    o.n_chunk = std::min(o.n_chunk, o.n_ctx);
    if (o.max_outputs == 0) o.max_outputs = o.max_sessions;
    o.max_outputs = std::min(o.max_outputs, o.n_chunk);
    if (o.kv_type == DType::kInvalid) {
      bool all_f32 = true;
      for (const Weight& weight : package_.weights) {
        all_f32 = all_f32 && (weight.is_vector || weight.dtype == DType::kF32);
      }
      o.kv_type = all_f32 ? DType::kF32 : DType::kF16;
    }
    if (!IsKvType(o.kv_type)) {
      return Unsupported("states of type %s, want f32, f16, q8_0 or q4_0", DTypeName(o.kv_type));
    }
    if (!backend_.KeepsStatesAs(o.kv_type)) {
      return Unsupported("%s keeps no states of type %s, want f32, f16 or q8_0", backend_.name(),
                         DTypeName(o.kv_type));
    }
    for (const Weight& weight : package_.weights) {
      plan_->weight_elements += weight.rows * weight.cols;
    }
    return {};
  }

  Status LayOutStep() {
    const LoadOptions& o = plan_->options;
    StepLayout& l = plan_->step_layout;
    if (package_.groups.size() > kMaxStateGroups) {
      return Unsupported("%zu state groups, at most %u", package_.groups.size(), kMaxStateGroups);
    }
    l.max_tokens = o.n_chunk;
    l.max_seqs = o.max_sessions;
    l.max_outputs = o.max_outputs;
    l.n_groups = static_cast<uint32_t>(package_.groups.size());
    // Group sizes speak of the context and the chunk only.
    SymbolValues values(package_.symbols.size(), UINT64_MAX);
    for (size_t i = 0; i < values.size(); ++i) {
      if (package_.symbols[i].kind == SymbolKind::kContext) values[i] = o.n_ctx;
      if (package_.symbols[i].kind == SymbolKind::kChunk) values[i] = o.n_chunk;
    }
    uint64_t entries = 0;
    for (uint32_t g = 0; g < l.n_groups; ++g) {
      const StateGroup& group = package_.groups[g];
      auto slots = EvalDim(group.slots, values);
      if (!slots.ok()) return slots.status().WithContext("state group " + Quoted(group.name));
      const uint64_t least = group.window == 0 || group.window >= o.n_ctx
                                 ? o.n_ctx
                                 : std::min<uint64_t>(o.n_ctx, group.window + o.n_chunk - 1);
      if (*slots < least) {
        return InvalidFile("state group %s has %llu slots, want %llu", Quoted(group.name).c_str(),
                           static_cast<Ull>(*slots), static_cast<Ull>(least));
      }
      // More slots than positions are never used.
      const uint64_t blocks = (std::min<uint64_t>(*slots, o.n_ctx) + kBlockSlots - 1) / kBlockSlots;
      const uint64_t pool = blocks * o.max_sessions;
      if (pool > UINT32_MAX / kBlockSlots) {
        return ResourceExhausted("state group %s needs %llu blocks", Quoted(group.name).c_str(),
                                 static_cast<Ull>(pool));
      }
      l.blocks_per_seq[g] = static_cast<uint32_t>(blocks);
      l.pool_blocks[g] = static_cast<uint32_t>(pool);
      entries += blocks;
    }
    plan_->sum_blocks_per_seq = static_cast<uint32_t>(entries);
    auto place = [&](uint64_t bytes) {
      const uint64_t offset = l.bytes;
      l.bytes = (l.bytes + bytes + 63) / 64 * 64;
      return offset;
    };
    place(sizeof(StepHeader));
    l.tokens = place(uint64_t{l.max_tokens} * sizeof(TokenParams));
    l.seqs = place(uint64_t{l.max_seqs} * sizeof(SeqParams));
    l.outputs = place(uint64_t{l.max_outputs} * sizeof(OutputParams));
    l.block_tables = place(uint64_t{l.max_seqs} * entries * sizeof(uint32_t));
    return {};
  }

  // Host backends run any number of tokens as fast from one plan; devices that record want one per
  // size.
  std::vector<uint32_t> BucketSizes() const {
    std::vector<uint32_t> sizes;
    const uint32_t chunk = plan_->options.n_chunk;
    if (!backend_.host_memory()) {
      for (uint32_t n = 1; n < chunk && sizes.size() + 1 < kMaxBuckets; n *= 2) sizes.push_back(n);
    }
    sizes.push_back(chunk);
    return sizes;
  }

  Status LowerAll() {
    SplitRequest split;
    split.package = &package_;
    split.graph = &package_.entries[0];
    split.backend = &backend_;
    split.host = backend_.host_memory() ? nullptr : BuiltinBackends().backends[0];
    split.first_unit = first_unit_;
    split.cut_layers = plan_->options.cut_layers;
    split.decompose = plan_->options.decompose;
    SAMARA_RETURN_IF_ERROR(SplitGraph(split, &plan_->split));
    for (uint32_t tokens : BucketSizes()) {
      plan_->requests.push_back(Request(backend_, Side::kDevice, tokens));
      plan_->buckets.emplace_back();
      SAMARA_RETURN_IF_ERROR(LowerGraph(plan_->requests.back(), &plan_->buckets.back()));
      plan_->arena_bytes = std::max(plan_->arena_bytes, plan_->buckets.back().arena_bytes);
    }
    if (!plan_->split.uses_host()) return {};
    plan_->host_backend = split.host;
    plan_->host_request = Request(*split.host, Side::kHost, plan_->options.n_chunk);
    return LowerGraph(plan_->host_request, &plan_->host);
  }

  LowerRequest Request(const Backend& backend, Side side, uint32_t tokens) const {
    LowerRequest request;
    request.package = &package_;
    request.split = &plan_->split;
    request.side = side;
    request.backend = &backend;
    request.step_layout = &plan_->step_layout;
    request.bucket_tokens = tokens;
    request.max_outputs = plan_->options.max_outputs;
    request.n_ctx = plan_->options.n_ctx;
    request.n_chunk = plan_->options.n_chunk;
    request.kv_type = plan_->options.kv_type;
    request.n_threads = plan_->options.n_threads;
    request.keep_values = plan_->options.keep_values;
    return request;
  }

  // A weight has one binding: the layout of products where an operator multiplies by it, else
  // row-major.
  Status ChoosePlacements() {
    const size_t n = package_.weights.size();
    std::vector<uint8_t> multiplied(n, 0);
    for (std::vector<uint8_t>& on : plan_->weight_on) on.assign(n, 0);
    plan_->state_side.assign(package_.states.size(), Side::kDevice);
    const Graph& graph = plan_->split.graph;
    for (size_t i = 0; i < graph.ops.size(); ++i) {
      const Op& op = graph.ops[i];
      const Side side = plan_->split.sides[i];
      for (size_t k = 0; k < op.inputs.size(); ++k) {
        if (op.inputs[k] == kNoValue) continue;
        const Value& value = graph.values[static_cast<size_t>(op.inputs[k])];
        const size_t index = static_cast<size_t>(value.index);
        if (value.kind == ValueKind::kState && index < package_.states.size()) {
          plan_->state_side[index] = side;
        }
        if (value.kind != ValueKind::kWeight) continue;
        plan_->weight_on[static_cast<size_t>(side)][index] = 1;
        if (UseOfOperand(op.code, k) == OperandUse::kMatrix) multiplied[index] = 1;
      }
    }
    plan_->placements.assign(n, -1);
    plan_->segment_used.assign(package_.segments.size(), 0);
    for (size_t i = 0; i < n; ++i) {
      if (plan_->weight_on[0][i] == 0 && plan_->weight_on[1][i] == 0) continue;
      const Weight& weight = package_.weights[i];
      const Layout want = multiplied[i] != 0 ? MatmulLayout(weight.dtype) : Layout::kRowMajor;
      int32_t chosen = -1;
      for (size_t p = 0; p < weight.placements.size(); ++p) {
        const WeightPlacement& placement = weight.placements[p];
        if (placement.version > kLayoutVersion || !LayoutHolds(placement.layout, weight.dtype))
          continue;
        if (chosen < 0 || placement.layout == want) chosen = static_cast<int32_t>(p);
        if (placement.layout == want) break;
      }
      if (chosen < 0) {
        return Unsupported("weight %s has no layout that this build knows",
                           Quoted(weight.name).c_str());
      }
      plan_->placements[i] = chosen;
      const uint32_t segment = weight.placements[static_cast<size_t>(chosen)].segment;
      if (segment >= package_.segments.size()) {
        return InvalidFile("weight %s lies in segment %u of %zu", Quoted(weight.name).c_str(),
                           segment, package_.segments.size());
      }
      if (!package_.segments[segment].external.empty()) {
        return Unsupported("weight %s lies in the external file %s, which this build does not open",
                           Quoted(weight.name).c_str(),
                           Quoted(package_.segments[segment].external).c_str());
      }
      plan_->segment_used[segment] = 1;
    }
    return {};
  }

  Status FindOutputs() {
    const Graph& graph = package_.entries[0];
    for (const GraphOutput& output : graph.outputs) {
      const Value& value = graph.values[static_cast<size_t>(output.value)];
      const bool logits = output.role == OutputRole::kLogits;
      if (!logits && output.role != OutputRole::kHidden) continue;
      const Shape& shape = value.shape;
      if (value.dtype != DType::kF32 || shape.rank != 2 || !shape.dims[1].IsConstant() ||
          shape.dims[1].constant <= 0 || shape.dims[1].constant > INT32_MAX) {
        return InvalidFile("output %s is %s %s, want f32 [rows, constant]",
                           Quoted(value.name).c_str(), DTypeName(value.dtype),
                           ShapeText(shape, package_.symbols).c_str());
      }
      (logits ? plan_->logits_vocab : plan_->hidden_dim) =
          static_cast<uint32_t>(shape.dims[1].constant);
    }
    if (plan_->logits_vocab == 0)
      return InvalidFile("entry point %s gives no logits", Quoted(graph.name).c_str());
    if (plan_->logits_vocab < package_.tokenizer_vocab) {
      return InvalidFile("%u logits for %u tokens", plan_->logits_vocab, package_.tokenizer_vocab);
    }
    return {};
  }

  Status Budget() {
    const uint64_t need = plan_->list.Counted();
    const uint64_t budget = plan_->options.memory_budget;
    if (budget == 0 || need <= budget) return {};
    std::vector<const MemoryItem*> largest;
    for (const MemoryItem& item : plan_->list.items) {
      if (item.kind != MemoryClass::kMapped) largest.push_back(&item);
    }
    const size_t n = std::min<size_t>(3, largest.size());
    std::partial_sort(largest.begin(), largest.begin() + static_cast<ptrdiff_t>(n), largest.end(),
                      [](const MemoryItem* a, const MemoryItem* b) {
                        return a->bytes != b->bytes ? a->bytes > b->bytes : a->name < b->name;
                      });
    std::string text;
    for (size_t i = 0; i < n; ++i) {
      text +=
          (i == 0 ? "" : ", ") + Quoted(largest[i]->name) + " " + std::to_string(largest[i]->bytes);
    }
    return ResourceExhausted("%llu bytes needed, the budget is %llu; largest: %s",
                             static_cast<Ull>(need), static_cast<Ull>(budget), text.c_str());
  }

  const Package& package_;
  const FileFacts& file_;
  const LoadOptions& options_;
  const Backend& backend_;
  ModelPlan* plan_;
  uint32_t first_unit_ = 0;
};

}  // namespace

Status PlanModel(const Package& package, const FileFacts& file, const LoadOptions& options,
                 const Backend& backend, ModelPlan* plan) {
  *plan = {};
  return Planner(package, file, options, backend, plan).Run();
}

Status PlanMemory(const Package& package, const FileFacts& file, const LoadOptions& options,
                  const Backend& backend, MemoryList* list) {
  ModelPlan plan;
  SAMARA_RETURN_IF_ERROR(PlanModel(package, file, options, backend, &plan));
  *list = std::move(plan.list);
  return {};
}

}  // namespace samara
