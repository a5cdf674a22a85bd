#include "backends/reference/plan.h"

#include <algorithm>

#include "backends/reference/tensor.h"
#include "runtime/planner.h"

namespace samara::reference {
namespace {

OpParams ParamsOf(const Op& op) {
  OpParams p = {};
  p.axis = op.Int(AttrKey::kAxis);
  p.begin = op.Int(AttrKey::kBegin);
  p.length = op.Int(AttrKey::kLength);
  p.part = op.Int(AttrKey::kPart);
  p.group = op.Int(AttrKey::kGroup);
  p.head_dim = op.Int(AttrKey::kHeadDim);
  p.interleaved = op.Int(AttrKey::kInterleaved);
  p.heads = op.Int(AttrKey::kHeads);
  p.kv_heads = op.Int(AttrKey::kKvHeads);
  p.key_dim = op.Int(AttrKey::kKeyDim);
  p.value_dim = op.Int(AttrKey::kValueDim);
  p.window = op.Int(AttrKey::kWindow);
  if (const Attr* perm = op.Find(AttrKey::kPerm)) {
    for (size_t i = 0; i < perm->ints.size() && i < kMaxRank; ++i) p.perm[i] = perm->ints[i];
  }
  p.value = op.Float(AttrKey::kValue);
  p.eps = op.Float(AttrKey::kEps);
  p.factor = op.Float(AttrKey::kFactor, 1);
  p.scale = op.Float(AttrKey::kScale, 1);
  p.softcap = op.Float(AttrKey::kSoftcap);
  p.activation = static_cast<Activation>(op.Int(AttrKey::kActivation));
  p.cast = static_cast<DType>(op.Int(AttrKey::kDType));
  return p;
}

class Builder {
 public:
  Builder(const PartitionSpec& spec, Mode mode, PlanDraft* draft)
      : spec_(spec), mode_(mode), draft_(*draft) {}

  Status Build() {
    const Graph& graph = *spec_.graph;
    if (uint64_t{spec_.first_op} + spec_.n_ops > graph.ops.size()) {
      return Internal("operators %u to %llu of %zu", spec_.first_op,
                      static_cast<unsigned long long>(uint64_t{spec_.first_op} + spec_.n_ops),
                      graph.ops.size());
    }
    draft_.symbols.assign(spec_.capacity->begin(), spec_.capacity->end());
    for (const Symbol& symbol : spec_.package->symbols) draft_.symbol_kinds.push_back(symbol.kind);
    if (draft_.symbols.size() != draft_.symbol_kinds.size()) {
      return Internal("%zu values for %zu symbols", draft_.symbols.size(),
                      draft_.symbol_kinds.size());
    }
    plan_of_value_.assign(graph.values.size(), kAbsent);
    for (uint32_t i = 0; i < spec_.n_ops; ++i) {
      SAMARA_RETURN_IF_ERROR(AddOp(graph.ops[spec_.first_op + i], i));
    }
    return mode_ == Mode::kFloat64 ? PlanShadow() : Status();
  }

 private:
  Status AddOp(const Op& op, uint32_t index);
  StatusOr<uint32_t> AddValue(ValueId id);
  bool IsStepInput(ValueId id) const;
  uint32_t AddDim(const Dim& dim);
  int32_t AddState(int32_t index);
  int32_t AddWeight(int32_t index);
  Status ScratchBytes(const OpPlan& op, uint64_t* bytes) const;
  Status PlanShadow();
  uint64_t Capacity(uint32_t dim) const { return dim_capacity_[dim]; }
  uint64_t ElementsAtCapacity(const ValuePlan& v) const {
    uint64_t n = 1;
    for (uint32_t i = 0; i < v.rank; ++i) n *= Capacity(v.dims[i]);
    return n;
  }

  const PartitionSpec& spec_;
  const Mode mode_;
  PlanDraft& draft_;
  std::vector<uint32_t> plan_of_value_;
  std::vector<uint64_t> dim_capacity_;
  std::vector<uint32_t> first_use_, last_use_;  // per plan value: operators of the range
};

// Read from StepParams; everything else that is no weight and no state lies in the arena.
bool Builder::IsStepInput(ValueId id) const {
  for (const GraphInput& input : spec_.graph->inputs) {
    if (input.value == id) {
      return input.role == InputRole::kTokenIds || input.role == InputRole::kPositions ||
             input.role == InputRole::kOutputRows;
    }
  }
  return false;
}

uint32_t Builder::AddDim(const Dim& dim) {
  for (size_t i = 0; i < draft_.dims.size(); ++i) {
    if (draft_.dims[i] == dim) return static_cast<uint32_t>(i);
  }
  draft_.dims.push_back(dim);
  return static_cast<uint32_t>(draft_.dims.size() - 1);
}

int32_t Builder::AddState(int32_t index) {
  for (size_t i = 0; i < draft_.states.size(); ++i) {
    if (draft_.states[i].state == index) return static_cast<int32_t>(i);
  }
  const State& state = spec_.package->states[index];
  StatePlan plan = {};
  plan.state = index;
  plan.group = state.group;
  plan.dtype = spec_.kv_type;
  for (size_t part = 0; part < state.parts.size() && part < 2; ++part) {
    plan.heads[part] = state.parts[part].heads;
    plan.dim[part] = state.parts[part].dim;
  }
  if (!spec_.states.empty()) {
    const StateBinding& binding = spec_.states[index];
    plan.dtype = binding.dtype;
    for (int part = 0; part < 2; ++part)
      plan.data[part] = static_cast<uint8_t*>(binding.host[part]);
  }
  draft_.states.push_back(plan);
  return static_cast<int32_t>(draft_.states.size() - 1);
}

int32_t Builder::AddWeight(int32_t index) {
  const Weight& weight = spec_.package->weights[index];
  WeightPlan plan = {nullptr, weight.dtype, Layout::kInvalid, weight.rows, weight.cols};
  if (!spec_.weights.empty()) {
    const WeightBinding& binding = spec_.weights[index];
    plan.data = static_cast<const uint8_t*>(binding.host);
    plan.layout = binding.placement->layout;
  }
  draft_.weights.push_back(plan);
  return static_cast<int32_t>(draft_.weights.size() - 1);
}

StatusOr<uint32_t> Builder::AddValue(ValueId id) {
  if (plan_of_value_[id] != kAbsent) return plan_of_value_[id];
  const Value& value = spec_.graph->values[id];
  ValuePlan plan = {};
  plan.id = id;
  plan.dtype = value.dtype;
  plan.kind = BufferKind::kArena;
  plan.shadow = kNowhere;
  plan.weight = plan.state = -1;
  if (value.kind == ValueKind::kState) {
    plan.kind = BufferKind::kNone;
    plan.state = AddState(value.index);
  } else {
    if (value.shape.rank < 0 || value.shape.rank > kMaxRank) {
      return Internal("value %s has rank %d", Quoted(value.name).c_str(), value.shape.rank);
    }
    plan.rank = static_cast<uint32_t>(value.shape.rank);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < plan.rank; ++i) {
      plan.dims[i] = AddDim(value.shape.dims[i]);
      uint64_t capacity = 0;
      if (!EvaluateDim(value.shape.dims[i], draft_.symbols.data(), draft_.symbols.size(),
                       &capacity) ||
          __builtin_mul_overflow(elements, capacity, &elements) || elements > uint64_t{1} << 48) {
        return Unsupported("value %s is too large: %s", Quoted(value.name).c_str(),
                           ShapeText(value.shape, spec_.package->symbols).c_str());
      }
      dim_capacity_.resize(draft_.dims.size());
      dim_capacity_[plan.dims[i]] = capacity;
    }
    if (value.kind == ValueKind::kWeight) {
      plan.kind = BufferKind::kWeight;
      plan.weight = AddWeight(value.index);
    } else if (IsStepInput(id)) {
      plan.kind = BufferKind::kStep;
    }
    if (value.kind != ValueKind::kWeight && !spec_.values.empty()) {
      const ValueBinding& binding = spec_.values[id];
      // What Measure took for granted.
      if ((binding.kind == BufferKind::kStep) != (plan.kind == BufferKind::kStep)) {
        return Internal("value %s is bound against its role", Quoted(value.name).c_str());
      }
      plan.kind = binding.kind;
      plan.step_field = binding.step_field;
      plan.offset = binding.offset;
      plan.row_stride = binding.row_stride;
      plan.bytes = binding.bytes;
    }
  }
  draft_.values.push_back(plan);
  plan_of_value_[id] = static_cast<uint32_t>(draft_.values.size() - 1);
  first_use_.push_back(UINT32_MAX);
  last_use_.push_back(0);
  return plan_of_value_[id];
}

Status Builder::AddOp(const Op& op, uint32_t index) {
  OpPlan plan = {};
  plan.code = op.code;
  plan.is_view = !spec_.is_view.empty() && spec_.is_view[index] != 0;
  plan.n_inputs = static_cast<uint32_t>(op.inputs.size());
  plan.n_outputs = static_cast<uint32_t>(op.outputs.size());
  plan.first_operand = static_cast<uint32_t>(draft_.operands.size());
  plan.params = ParamsOf(op);
  if (!spec_.scratch_offsets.empty()) plan.scratch = spec_.scratch_offsets[index];
  for (size_t i = 0; i < op.inputs.size() + op.outputs.size(); ++i) {
    const bool is_output = i >= op.inputs.size();
    const ValueId id = is_output ? op.outputs[i - op.inputs.size()] : op.inputs[i];
    if (id == kNoValue) {
      draft_.operands.push_back(kAbsent);
      continue;
    }
    SAMARA_ASSIGN_OR_RETURN(const uint32_t value, AddValue(id));
    if (first_use_[value] == UINT32_MAX) {
      draft_.values[value].from_outside = !is_output;
      first_use_[value] = is_output ? index : 0;
    }
    last_use_[value] = index;
    draft_.operands.push_back(value);
  }
  draft_.max_operands = std::max(draft_.max_operands, plan.n_inputs + plan.n_outputs);
  draft_.ops.push_back(plan);
  uint64_t scratch = 0;
  SAMARA_RETURN_IF_ERROR(ScratchBytes(plan, &scratch));
  draft_.scratch_bytes.push_back(scratch);
  return Status();
}

// Weights that the operator wants as tensors come first, then what the operator itself needs.
Status Builder::ScratchBytes(const OpPlan& op, uint64_t* bytes) const {
  const uint32_t* operands = draft_.operands.data() + op.first_operand;
  uint64_t total = 0;
  for (uint32_t i = 0; i < op.n_inputs; ++i) {
    if (operands[i] == kAbsent) continue;
    const ValuePlan& v = draft_.values[operands[i]];
    if (v.weight < 0 || TakesPackedWeight(op.code, i)) continue;
    const uint64_t cols = draft_.weights[v.weight].cols;
    total += AlignUp(ElementsAtCapacity(v) * ElementBytes(DType::kF32, mode_)) +
             AlignUp(cols * sizeof(float));
  }
  if (op.code == OpCode::kMatmul || op.code == OpCode::kLinear) {
    const ValuePlan& x = draft_.values[operands[0]];
    const ValuePlan& w = draft_.values[operands[1]];
    if (w.weight < 0) return Unsupported("a product with a matrix that is no weight");
    total += MatmulScratch(mode_, draft_.weights[w.weight].dtype, Capacity(x.dims[0]),
                           draft_.weights[w.weight].cols);
  } else if (op.code == OpCode::kGather) {
    const ValuePlan& table = draft_.values[operands[0]];
    if (table.weight >= 0) total += draft_.weights[table.weight].cols * sizeof(float);
  } else if (op.code == OpCode::kAttention) {
    const StatePlan& state = draft_.states[draft_.values[operands[1]].state];
    if (state.group >= spec_.step_layout->n_groups) return Internal("state group %u", state.group);
    total += AttentionScratch(
        mode_, op.params, uint64_t{spec_.step_layout->blocks_per_seq[state.group]} * kBlockSlots);
  }
  *bytes = AlignUp(total);
  return Status();
}

// float64: every activation gets room for doubles in the plan's block, from the operator that makes
// it (or the start) to its last use.
Status Builder::PlanShadow() {
  std::vector<PlanItem> items;
  std::vector<uint32_t> owners;
  for (uint32_t i = 0; i < draft_.values.size(); ++i) {
    const ValuePlan& v = draft_.values[i];
    if (v.kind != BufferKind::kArena) continue;
    PlanItem item;
    item.bytes = AlignUp(ElementsAtCapacity(v) * ElementBytes(v.dtype, mode_));
    item.first = first_use_[i];
    item.last = last_use_[i];
    items.push_back(std::move(item));
    owners.push_back(i);
  }
  MemoryPlan plan;
  SAMARA_RETURN_IF_ERROR(PlanArena(items, &plan));
  for (size_t i = 0; i < owners.size(); ++i) draft_.values[owners[i]].shadow = plan.offsets[i];
  draft_.shadow_bytes = AlignUp(plan.bytes);
  return Status();
}

}  // namespace

bool EvaluateDim(const Dim& dim, const uint64_t* symbols, uint64_t n_symbols, uint64_t* value) {
  int64_t sum = dim.constant;
  for (uint32_t i = 0; i < dim.n_terms; ++i) {
    const Dim::Term& term = dim.terms[i];
    int64_t product;
    if (term.symbol >= n_symbols || symbols[term.symbol] > INT64_MAX ||
        __builtin_mul_overflow(term.coefficient, static_cast<int64_t>(symbols[term.symbol]),
                               &product) ||
        __builtin_add_overflow(sum, product, &sum)) {
      return false;
    }
  }
  if (sum < 0 || dim.divisor < 1) return false;
  *value = static_cast<uint64_t>(sum / dim.divisor + (sum % dim.divisor != 0));
  return true;
}

bool TakesPackedWeight(OpCode code, uint32_t input) {
  return code == OpCode::kGather
             ? input == 0
             : (code == OpCode::kMatmul || code == OpCode::kLinear) && input == 1;
}

Status BuildPlan(const PartitionSpec& spec, Mode mode, PlanDraft* draft) {
  return Builder(spec, mode, draft).Build();
}

}  // namespace samara::reference
