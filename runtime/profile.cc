#include "runtime/profile.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "formats/operators.h"

namespace samara {
namespace {

constexpr char kStep[] = "step";

uint64_t AlignUp(uint64_t n) { return (n + 63) / 64 * 64; }

// In the order of the schedule's partitions.
template <typename F>
void ForEachPart(const ModelPlan& plan, F&& visit) {
  for (size_t b = 0; b < plan.buckets.size(); ++b) {
    for (const LoweredPart& part : plan.buckets[b].parts)
      visit(plan.requests[b], plan.buckets[b], part);
  }
  for (const LoweredPart& part : plan.host.parts) visit(plan.host_request, plan.host, part);
}

// Where the parts of the block lie.
struct Parts {
  uint64_t sinks = 0, ops = 0, events = 0, names = 0, bytes = 0;
  uint32_t n_ops = 1;  // the step

  Parts(const ModelPlan& plan, size_t profile_bytes, size_t sink_bytes) {
    uint64_t text = 0, n_parts = 0;
    ForEachPart(plan,
                [&](const LowerRequest&, const LoweredGraph& lowered, const LoweredPart& part) {
                  ++n_parts;
                  n_ops += part.n_ops;
                  for (uint32_t i = 0; i < part.n_ops; ++i)
                    text += lowered.graph.ops[part.first_op + i].name.size() + 1;
                });
    sinks = AlignUp(profile_bytes);
    ops = sinks + AlignUp(n_parts * sink_bytes);
    events = ops + AlignUp(n_ops * sizeof(ProfileOp));
    names = events + AlignUp(uint64_t{plan.options.profile} * sizeof(ProfileEvent));
    bytes = names + AlignUp(text);
  }
};

// Shapes of one lowered graph as counts.
class Counter {
 public:
  Counter(const Package& package, const LoweredGraph& lowered)
      : package_(package), lowered_(lowered) {}

  const Value& ValueOf(ValueId id) const { return lowered_.graph.values[static_cast<size_t>(id)]; }

  StepCount Rows(ValueId id) const {
    const Shape& shape = ValueOf(id).shape;
    return shape.rank == 0 ? StepCount{1, 0, 0, 0} : Count(shape.dims[0]);
  }
  StepCount Elements(ValueId id) const {
    const Shape& shape = ValueOf(id).shape;
    StepCount n = {1, 0, 0, 0};
    for (int i = 0; i < shape.rank; ++i) {
      const Dim& dim = shape.dims[static_cast<size_t>(i)];
      const StepCount size = Count(dim);
      // Only one dimension of a value changes with the step; were it two, the second counts as it can be at most.
      n = size.varies() && !n.varies() ? size * n.constant : n * Capacity(dim);
    }
    return n;
  }
  StepCount Bytes(ValueId id) const { return Elements(id) * ActivationBytes(ValueOf(id).dtype); }
  double Last(ValueId id) const {
    const Shape& shape = ValueOf(id).shape;
    return shape.rank == 0 ? 1 : Capacity(shape.dims[static_cast<size_t>(shape.rank) - 1]);
  }

 private:
  double Capacity(const Dim& dim) const {
    const auto n = EvalDim(dim, lowered_.capacity);
    return n.ok() ? static_cast<double>(*n) : 0;
  }
  StepCount Count(const Dim& dim) const {
    StepCount n = {static_cast<double>(dim.constant), 0, 0, 0};
    for (uint32_t t = 0; t < dim.n_terms; ++t) {
      const double coefficient = static_cast<double>(dim.terms[t].coefficient);
      const uint32_t symbol = dim.terms[t].symbol;
      switch (package_.symbols[symbol].kind) {
        case SymbolKind::kTokens:
          n.tokens += coefficient;
          break;
        case SymbolKind::kOutputs:
          n.outputs += coefficient;
          break;
        case SymbolKind::kSeqs:
          n.seqs += coefficient;
          break;
        default:
          n.constant += coefficient * static_cast<double>(lowered_.capacity[symbol]);
      }
    }
    return n * (1.0 / static_cast<double>(dim.divisor));
  }

  const Package& package_;
  const LoweredGraph& lowered_;
};

}  // namespace

OpWork WorkOf(const ModelPlan& plan, const LowerRequest& request, const LoweredGraph& lowered,
              const Op& op) {
  const Package& package = *request.package;
  // Of one slot of a head, and of one element of it.
  const auto slot_of = [&](const StatePart& part) {
    return static_cast<double>(request.backend->StateHeadBytes(request.kv_type, part.dim)) /
           kBlockSlots;
  };
  const Counter counter(package, lowered);
  OpWork work;
  if (!op.outputs.empty()) {
    work.rows = counter.Rows(op.outputs[0]);
  } else if (!op.inputs.empty() && op.inputs[0] != kNoValue) {
    work.rows = counter.Rows(op.inputs[0]);
  }
  for (size_t k = 0; k < op.inputs.size(); ++k) {
    if (op.inputs[k] == kNoValue) continue;
    const Value& value = counter.ValueOf(op.inputs[k]);
    const size_t index = static_cast<size_t>(value.index);
    const bool table = op.code == OpCode::kGather && k == 0;  // of which only some rows are read
    if (value.kind == ValueKind::kState) {
      const std::vector<StatePart>& parts = package.states[index].parts;
      if (op.code == OpCode::kAttention) {
        for (const StatePart& part : parts) work.slot_bytes += slot_of(part) * part.heads;
      } else if (op.code == OpCode::kStateWrite || op.code == OpCode::kStateRead) {
        const StatePart& part = parts[static_cast<size_t>(op.Int(AttrKey::kPart))];
        const ValueId id = op.code == OpCode::kStateWrite ? op.inputs[0] : op.outputs[0];
        work.bytes = work.bytes + counter.Elements(id) * (slot_of(part) / part.dim);
      }
    } else if (value.kind == ValueKind::kWeight) {
      if (plan.placements[index] < 0) continue;
      const Weight& weight = package.weights[index];
      const double bytes =
          static_cast<double>(weight.placements[static_cast<size_t>(plan.placements[index])].bytes);
      if (table) {
        work.bytes = work.bytes +
                     work.rows * (bytes / static_cast<double>(std::max<uint64_t>(weight.rows, 1)));
      } else {
        work.weight_bytes += bytes;
      }
    } else {
      work.bytes = work.bytes + counter.Bytes(table ? op.outputs[0] : op.inputs[k]);
    }
  }
  for (ValueId id : op.outputs) work.bytes = work.bytes + counter.Bytes(id);
  switch (op.code) {
    case OpCode::kLinear:
    case OpCode::kMatmul:
    case OpCode::kBatchMatmul:
      work.operations = counter.Elements(op.outputs[0]) * (2 * counter.Last(op.inputs[0]));
      break;
    case OpCode::kAttention:
      work.window = static_cast<uint64_t>(op.Int(AttrKey::kWindow));
      work.pair_operations =
          2.0 * static_cast<double>(op.Int(AttrKey::kHeads)) *
          static_cast<double>(op.Int(AttrKey::kKeyDim) + op.Int(AttrKey::kValueDim));
      break;
    default:
      break;
  }
  return work;
}

uint64_t Profile::Bytes(const ModelPlan& plan) {
  return Parts(plan, sizeof(Profile), sizeof(PartSink)).bytes;
}

Profile* Profile::Place(void* block, const ModelPlan& plan) {
  const Parts parts(plan, sizeof(Profile), sizeof(PartSink));
  uint8_t* const base = static_cast<uint8_t*>(block);
  Profile* const profile = new (base) Profile;
  profile->sinks_ = reinterpret_cast<PartSink*>(base + parts.sinks);
  profile->ops_ = reinterpret_cast<ProfileOp*>(base + parts.ops);
  profile->events_ = reinterpret_cast<ProfileEvent*>(base + parts.events);
  profile->n_ops_ = parts.n_ops;
  profile->capacity_ = plan.options.profile;
  char* text = reinterpret_cast<char*>(base + parts.names);
  ProfileOp* entry = new (profile->ops_) ProfileOp;
  entry->name = entry->kind = kStep;
  entry->type = "";
  profile->n_parts_ = plan.buckets[0].parts.size();
  PartSink* sink = profile->sinks_;
  ForEachPart(
      plan, [&](const LowerRequest& request, const LoweredGraph& lowered, const LoweredPart& part) {
        new (sink) PartSink;
        sink->profile_ = profile;
        sink->first_op_ = static_cast<uint32_t>(entry + 1 - profile->ops_);
        ++sink;
        for (uint32_t i = 0; i < part.n_ops; ++i) {
          const Op& op = lowered.graph.ops[part.first_op + i];
          entry = new (entry + 1) ProfileOp;
          std::memcpy(text, op.name.c_str(), op.name.size() + 1);
          entry->name = text;
          text += op.name.size() + 1;
          const OpInfo* const info = FindOp(op.code);
          entry->kind = info == nullptr ? "" : info->name;
          entry->type = "";
          for (ValueId id : op.inputs) {
            if (id == kNoValue) continue;
            const Value& value = lowered.graph.values[static_cast<size_t>(id)];
            if (value.kind != ValueKind::kWeight) continue;
            const Weight& weight = request.package->weights[static_cast<size_t>(value.index)];
            if (!weight.is_vector && *entry->type == '\0') entry->type = DTypeName(weight.dtype);
          }
          entry->work = WorkOf(plan, request, lowered, op);
        }
      });
  profile->Reset();
  return profile;
}

void Profile::Reset() {
  for (uint32_t i = 0; i < n_ops_; ++i) {
    ops_[i].calls = 0;
    ops_[i].seconds = ops_[i].bytes = ops_[i].operations = 0;
  }
  n_events_ = step_ = 0;
  origin_ = ProfileSink::Now();
}

void Profile::BeginStep(const StepView& step) {
  view_ = step;
  counted_ = false;
}

void Profile::CountSlots(uint64_t window) {
  if (counted_ && window == window_) return;
  counted_ = true;
  window_ = window;
  slots_ = pairs_ = 0;
  const auto first = [window](const TokenParams& token) -> uint64_t {
    const uint64_t begin = token.visible_begin, end = token.visible_end;
    return window != 0 && end > window ? std::max(begin, end - window) : begin;
  };
  for (uint32_t s = 0; s < view_.header().n_seqs; ++s) {
    const SeqParams& seq = view_.seqs()[s];
    const TokenParams* const tokens = view_.tokens() + seq.first_token;
    for (uint32_t i = 0; i < seq.n_tokens; ++i) {
      pairs_ += static_cast<double>(tokens[i].visible_end - first(tokens[i]));
    }
    // Tokens ascend: the first sees the oldest slot, the last the newest.
    if (seq.n_tokens != 0) {
      slots_ += static_cast<double>(tokens[seq.n_tokens - 1].visible_end - first(tokens[0]));
    }
  }
}

void Profile::Add(uint32_t index, int64_t begin, int64_t end) {
  ProfileOp& op = ops_[index];
  const OpWork& work = op.work;
  const StepHeader& header = view_.header();
  double bytes = 0, operations = 0;
  if (work.rows.At(header) > 0) {
    bytes = work.weight_bytes + work.bytes.At(header);
    operations = work.operations.At(header);
    if (work.pair_operations != 0) {
      CountSlots(work.window);
      bytes += work.slot_bytes * slots_;
      operations += work.pair_operations * pairs_;
    }
  }
  Append(index, begin, end, bytes, operations);
  ops_[0].bytes += bytes;
  ops_[0].operations += operations;
}

void Profile::EndStep(int64_t begin, int64_t end) {
  Append(0, begin, end, 0, 0);
  ++step_;
}

void Profile::Append(uint32_t index, int64_t begin, int64_t end, double bytes, double operations) {
  ProfileOp& op = ops_[index];
  ++op.calls;
  op.seconds += 1e-9 * static_cast<double>(end - begin);
  op.bytes += bytes;
  op.operations += operations;
  events_[n_events_++ % capacity_] = {
      begin, end, bytes, operations, step_, index, view_.header().n_tokens};
}

}  // namespace samara
