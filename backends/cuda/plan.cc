#include "backends/cuda/plan.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "formats/operands.h"

namespace samara::cuda {
namespace {

using Ull = unsigned long long;

uint64_t AlignUp(uint64_t n, uint64_t a) { return (n + a - 1) / a * a; }

StepField FieldOf(const Graph& graph, ValueId id) {
  for (const GraphInput& input : graph.inputs) {
    if (input.value != id) continue;
    if (input.role == InputRole::kTokenIds) return StepField::kTokenIds;
    if (input.role == InputRole::kPositions) return StepField::kPositions;
    if (input.role == InputRole::kOutputRows) return StepField::kOutputRows;
  }
  return StepField::kNone;
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

MatrixPlan PlanMatrix(const Weight& weight) {
  MatrixPlan plan;
  MatrixArg& m = plan.arg;
  m = {};
  m.type = static_cast<uint32_t>(weight.dtype);
  m.rows = static_cast<uint32_t>(weight.rows);
  m.cols = static_cast<uint32_t>(weight.cols);
  if (weight.is_vector) {  // F32, whatever the package has
    m.type = kF32;
    plan.bytes = std::max<uint64_t>(weight.cols * sizeof(float), 16);
    return plan;
  }
  const CodecFacts facts = FactsOf(m.type);
  const uint64_t padded = facts.quantized() ? AlignUp(weight.cols, 32) : weight.cols;
  m.units_per_row = static_cast<uint32_t>((padded + facts.unit() - 1) / facts.unit());
  uint64_t at = AlignUp(weight.rows * m.units_per_row * 16, 256);
  if (facts.quantized()) {
    m.blocks = static_cast<uint32_t>(padded / 32);
    m.scale_blocks = static_cast<uint32_t>(AlignUp(m.blocks, facts.row_blocks()));
    const uint64_t entries = weight.rows * m.scale_blocks;
    plan.high_at = at;
    if (facts.high_bits != 0) at = AlignUp(at + entries * 4 * facts.high_bits, 256);
    plan.scales_at = at;
    at += entries / facts.scale_blocks * facts.scale_bytes;
    if (facts.super_bytes != 0) at = AlignUp(at, 256);
    plan.supers_at = at;
    at += entries / 8 * facts.super_bytes;
  }
  plan.bytes = at;
  return plan;
}

MatrixArg BindMatrix(const Weight& weight, uint64_t device) {
  const MatrixPlan plan = PlanMatrix(weight);
  MatrixArg m = plan.arg;
  const auto* base = reinterpret_cast<const uint8_t*>(device);
  m.units = base;
  if (device != 0) {
    m.high = base + plan.high_at;
    m.scales = base + plan.scales_at;
    m.supers = base + plan.supers_at;
  }
  return m;
}

bool SupportsOp(const Package& package, const Graph& graph, const Op& op) {
  const OpInfo* info = FindOp(op.code);
  if (info == nullptr || op.version < 1 || op.version > info->version) return false;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (op.inputs[i] == kNoValue) continue;
    const Value& value = graph.values[static_cast<size_t>(op.inputs[i])];
    if (value.kind != ValueKind::kWeight) continue;
    const Weight& weight = package.weights[static_cast<size_t>(value.index)];
    if (weight.rows > UINT32_MAX || weight.cols > UINT32_MAX / 8) return false;
    if (weight.dtype > DType::kMXFP4 && weight.dtype < DType::kI32) return false;
    const OperandUse use = UseOfOperand(op.code, i);
    if (use == OperandUse::kMatrix || use == OperandUse::kTable) {
      if (weight.is_vector) return false;
      continue;
    }
    const bool narrow = weight.dtype == DType::kF16 || weight.dtype == DType::kBF16;
    // Vectors become F32 when they are uploaded.
    if (weight.dtype != DType::kF32 && !(narrow && weight.is_vector)) return false;
  }
  constexpr int64_t kMostHead = kPlainShared / sizeof(float);
  switch (op.code) {
    case OpCode::kAttention:
      return op.Int(AttrKey::kKeyDim) <= kMaxAttentionDim &&
             op.Int(AttrKey::kValueDim) <= kMaxAttentionDim;
    case OpCode::kRope:
      return op.Int(AttrKey::kHeadDim) <= kMostHead;
    case OpCode::kStateWrite: {
      const State* state = StateOfValue(package, graph.values[static_cast<size_t>(op.inputs[1])]);
      const auto part = static_cast<size_t>(op.Int(AttrKey::kPart));
      return state != nullptr && part < state->parts.size() && state->parts[part].dim <= kMostHead;
    }
    case OpCode::kConcat:
      return op.inputs.size() <= 64;
    case OpCode::kMatmul:
    case OpCode::kLinear:
      return graph.values[static_cast<size_t>(op.inputs[1])].kind == ValueKind::kWeight;
    case OpCode::kAdd:
    case OpCode::kSub:
    case OpCode::kMul:
    case OpCode::kDiv:
    case OpCode::kMin:
    case OpCode::kMax:
    case OpCode::kEq:
    case OpCode::kNe:
    case OpCode::kLt:
    case OpCode::kLe:
    case OpCode::kSelect:
    case OpCode::kNeg:
    case OpCode::kExp:
    case OpCode::kLog:
    case OpCode::kSqrt:
    case OpCode::kSin:
    case OpCode::kCos:
    case OpCode::kTanh:
    case OpCode::kErf:
    case OpCode::kFloor:
    case OpCode::kCast:
    case OpCode::kConstant:
    case OpCode::kIota:
    case OpCode::kReduceSum:
    case OpCode::kReduceMax:
    case OpCode::kReshape:
    case OpCode::kTranspose:
    case OpCode::kSlice:
    case OpCode::kGather:
    case OpCode::kBatchMatmul:
    case OpCode::kStateRead:
    case OpCode::kStateVisible:
    case OpCode::kRmsNorm:
    case OpCode::kLayerNorm:
    case OpCode::kRopeTable:
    case OpCode::kGlu:
    case OpCode::kActivate:
      return true;
    default:
      return false;
  }
}

Planner::Planner(const PlanRequest& request, PlanDraft* draft)
    : spec_(*request.spec), request_(request), graph_(*request.spec->graph), draft_(*draft) {}

Status Planner::Run() {
  if (uint64_t{spec_.first_op} + spec_.n_ops > graph_.ops.size()) {
    return Internal("operators %u to %llu of %zu", spec_.first_op,
                    static_cast<Ull>(uint64_t{spec_.first_op} + spec_.n_ops), graph_.ops.size());
  }
  if (spec_.step_layout->bytes > kStepBytes / 2) {
    return Unsupported(
        "a step block of %llu bytes, at most %llu: fewer sessions or a shorter context are needed",
        static_cast<Ull>(spec_.step_layout->bytes), static_cast<Ull>(kStepBytes / 2));
  }
  readers_.assign(graph_.values.size(), {});
  is_output_.assign(graph_.values.size(), 0);
  for (size_t i = 0; i < graph_.ops.size(); ++i) {
    for (ValueId id : graph_.ops[i].inputs) {
      if (id != kNoValue) readers_[static_cast<size_t>(id)].push_back(static_cast<uint32_t>(i));
    }
  }
  for (const GraphOutput& output : graph_.outputs)
    is_output_[static_cast<size_t>(output.value)] = 1;
  done_.assign(spec_.n_ops, 0);
  draft_.scratch_bytes.assign(spec_.n_ops, 0);
  ChooseForms();
  for (uint32_t i = 0; i < spec_.n_ops; ++i) {
    if (done_[i] != 0 || IsView(i)) continue;
    if (request_.fuse && !spec_.keep_values) {
      SAMARA_ASSIGN_OR_RETURN(const bool product, FuseProduct(i));
      if (product) continue;
      SAMARA_ASSIGN_OR_RETURN(const bool heads, FuseHeads(i));
      if (heads) continue;
    }
    SAMARA_RETURN_IF_ERROR(EmitOp(i));
    done_[i] = 1;
  }
  return {};
}

int64_t Planner::OnlyReader(ValueId id) const {
  const auto& readers = readers_[static_cast<size_t>(id)];
  if (readers.size() != 1 || is_output_[static_cast<size_t>(id)] != 0) return -1;
  if (readers[0] < spec_.first_op || readers[0] >= spec_.first_op + spec_.n_ops) return -1;
  return static_cast<int64_t>(readers[0] - spec_.first_op);
}

bool Planner::IsQuantizedWeight(ValueId id) const {
  const Value& value = ValueOf(id);
  return value.kind == ValueKind::kWeight &&
         spec_.package->weights[static_cast<size_t>(value.index)].dtype >= DType::kQ8_0;
}

// A value that only quantized products read is written as int8 blocks.
void Planner::ChooseForms() {
  quantized_.assign(graph_.values.size(), 0);
  if (!request_.fuse || spec_.keep_values) return;
  for (uint32_t i = 0; i < spec_.n_ops; ++i) {
    const Op& op = OpAt(i);
    if (IsView(i) || op.outputs.size() != 1) continue;
    const ValueId out = op.outputs[0];
    const Value& value = ValueOf(out);
    if (value.shape.rank != 2 || !value.shape.dims[1].IsConstant()) continue;
    const auto cols = static_cast<uint64_t>(value.shape.dims[1].constant);
    bool makes = op.code == OpCode::kGlu || op.code == OpCode::kActivate;
    if (op.code == OpCode::kRmsNorm) {
      const int64_t group = op.Int(AttrKey::kGroup);
      makes = group == 0 || static_cast<uint64_t>(group) == cols;
    }
    if (op.code == OpCode::kAttention) makes = op.Int(AttrKey::kValueDim) % 32 == 0;
    const auto& readers = readers_[static_cast<size_t>(out)];
    if (!makes || readers.empty() || is_output_[static_cast<size_t>(out)] != 0 ||
        QuantizedRowBytes(cols) > cols * 4) {
      continue;
    }
    bool all = true;
    for (uint32_t reader : readers) {
      const bool inside = reader >= spec_.first_op && reader < spec_.first_op + spec_.n_ops;
      const Op& r = graph_.ops[reader];
      all = all && inside && (r.code == OpCode::kLinear || r.code == OpCode::kMatmul) &&
            r.inputs[0] == out && std::count(r.inputs.begin(), r.inputs.end(), out) == 1 &&
            IsQuantizedWeight(r.inputs[1]);
    }
    quantized_[static_cast<size_t>(out)] = all ? 1 : 0;
  }
}

StatusOr<uint32_t> Planner::AddDim(const Dim& dim) {
  for (size_t i = 0; i < draft_.dims.size(); ++i) {
    if (draft_.dims[i] == dim) return static_cast<uint32_t>(i);
  }
  if (draft_.dims.size() >= kStepBytes / 2 / sizeof(uint32_t) || draft_.dims.size() >= UINT16_MAX) {
    return Unsupported("more than %zu dimensions", draft_.dims.size());
  }
  draft_.dims.push_back(dim);
  return static_cast<uint32_t>(draft_.dims.size() - 1);
}

StatusOr<uint64_t> Planner::Capacity(ValueId id, int dim) const {
  uint64_t value = 0;
  const Value& v = ValueOf(id);
  if (dim >= v.shape.rank ||
      !EvaluateDim(v.shape.dims[static_cast<size_t>(dim)], spec_.capacity->data(),
                   spec_.capacity->size(), &value) ||
      value > UINT32_MAX) {
    return Unsupported("value %s is too large: %s", Quoted(v.name).c_str(),
                       ShapeText(v.shape, spec_.package->symbols).c_str());
  }
  return value;
}

StatusOr<uint64_t> Planner::CapacityElements(ValueId id) const {
  uint64_t n = 1;
  for (int i = 0; i < ValueOf(id).shape.rank; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t d, Capacity(id, i));
    if (__builtin_mul_overflow(n, d, &n) || n > uint64_t{1} << 48) {
      return Unsupported("value %s is too large", Quoted(ValueOf(id).name).c_str());
    }
  }
  return n;
}

uint8_t* Planner::Address(ValueId id) const {
  const Value& value = ValueOf(id);
  if (value.kind == ValueKind::kWeight) {
    if (spec_.weights.empty()) return nullptr;
    return reinterpret_cast<uint8_t*>(spec_.weights[static_cast<size_t>(value.index)].device);
  }
  const StepField field = FieldOf(graph_, id);
  if (field != StepField::kNone) {
    const StepLayout& l = *spec_.step_layout;
    const uint64_t at = field == StepField::kTokenIds ? l.tokens + offsetof(TokenParams, id)
                        : field == StepField::kPositions
                            ? l.tokens + offsetof(TokenParams, position)
                            : l.outputs + offsetof(OutputParams, row);
    return request_.shared.step == nullptr ? nullptr : request_.shared.step + at;
  }
  if (spec_.values.empty() || spec_.arena_device == 0) return nullptr;
  return reinterpret_cast<uint8_t*>(spec_.arena_device +
                                    spec_.values[static_cast<size_t>(id)].offset);
}

uint64_t Planner::RowBytes(ValueId id) const {
  const Value& value = ValueOf(id);
  if (value.kind == ValueKind::kWeight) {
    const MatrixPlan plan = PlanMatrix(spec_.package->weights[static_cast<size_t>(value.index)]);
    const bool vector = spec_.package->weights[static_cast<size_t>(value.index)].is_vector;
    return vector ? sizeof(float) : uint64_t{plan.arg.units_per_row} * 16;
  }
  const StepField field = FieldOf(graph_, id);
  if (field == StepField::kOutputRows) return sizeof(OutputParams);
  if (field != StepField::kNone) return sizeof(TokenParams);
  return spec_.values.empty() ? 0 : spec_.values[static_cast<size_t>(id)].row_stride;
}

Status Planner::Tensor(ValueId id, TensorArg* arg) {
  *arg = {};
  if (id == kNoValue) return {};
  const Value& value = ValueOf(id);
  arg->data = Address(id);
  arg->row_bytes = RowBytes(id);
  arg->type = static_cast<uint32_t>(value.dtype);
  arg->rank = static_cast<uint32_t>(value.shape.rank);
  for (uint32_t i = 0; i < arg->rank; ++i) {
    SAMARA_ASSIGN_OR_RETURN(const uint32_t dim, AddDim(value.shape.dims[i]));
    arg->dims[i] = static_cast<uint16_t>(dim);
  }
  return {};
}

RowsArg Planner::Rows(ValueId id) const {
  if (id == kNoValue) return {nullptr, 0};
  if (!KeptQuantized(id)) return {Address(id), RowBytes(id)};
  const auto cols = static_cast<uint64_t>(ValueOf(id).shape.dims[1].constant);
  return {Address(id), QuantizedRowBytes(cols)};
}

const float* Planner::Vector(ValueId id) const {
  return id == kNoValue ? nullptr : reinterpret_cast<const float*>(Address(id));
}

StatusOr<StateArg> Planner::StateOf(ValueId id, uint32_t part) const {
  const auto index = static_cast<size_t>(ValueOf(id).index);
  const State& state = spec_.package->states[index];
  if (part >= state.parts.size() || state.group >= spec_.step_layout->n_groups) {
    return Internal("state %s has no part %u", Quoted(state.name).c_str(), part);
  }
  if (spec_.kv_type != DType::kF32 && spec_.kv_type != DType::kF16 &&
      spec_.kv_type != DType::kQ8_0) {
    return Unsupported("backend cuda: states of type %s, want f32, f16 or q8_0",
                       DTypeName(spec_.kv_type));
  }
  StateArg arg = {};
  arg.type = static_cast<uint32_t>(spec_.kv_type);
  arg.heads = state.parts[part].heads;
  arg.dim = state.parts[part].dim;
  arg.head_bytes = KvHeadBytes(spec_.kv_type, arg.dim);
  arg.part = part;
  arg.group = state.group;
  arg.blocks_per_seq = spec_.step_layout->blocks_per_seq[state.group];
  arg.pool_blocks = spec_.step_layout->pool_blocks[state.group];
  if (!spec_.states.empty()) {
    arg.data = reinterpret_cast<uint8_t*>(spec_.states[index].device[part]);
  }
  return arg;
}

StepArgs Planner::Step() const {
  const StepLayout& l = *spec_.step_layout;
  StepArgs step = {};
  step.base = request_.shared.step;
  step.tokens = static_cast<uint32_t>(l.tokens);
  step.seqs = static_cast<uint32_t>(l.seqs);
  step.block_tables = static_cast<uint32_t>(l.block_tables);
  step.dims = static_cast<uint32_t>(AlignUp(l.bytes, 64));
  step.fault = request_.shared.fault;
  return step;
}

Planner::Range Planner::RangeOf(ValueId id) const {
  if (id == kNoValue || !IsActivation(id) || spec_.values.empty()) return {0, 0};
  const ValueBinding& b = spec_.values[static_cast<size_t>(id)];
  const auto rows = Capacity(id, 0);
  uint64_t bytes = b.bytes;
  if (ValueOf(id).shape.rank > 0 && rows.ok()) {
    bytes = std::max(bytes, *rows * b.row_stride);  // strided rows reach further
  }
  return {b.offset, b.offset + bytes};
}

bool Planner::Overlap(ValueId a, ValueId b) const {
  const Range x = RangeOf(a), y = RangeOf(b);
  return x.begin < y.end && y.begin < x.end;
}

void Planner::EmitBytes(uint32_t op, const Entry& entry, uint64_t grid_x, uint64_t grid_y,
                        uint64_t shared_bytes, const void* args, size_t bytes) {
  Node node = {};
  node.function = entry.function;
  node.grid_x = static_cast<uint32_t>(std::clamp<uint64_t>(grid_x, 1, INT32_MAX));
  node.grid_y = static_cast<uint32_t>(std::clamp<uint64_t>(grid_y, 1, 65535));
  node.threads = entry.threads;
  node.shared_bytes = static_cast<uint32_t>(shared_bytes);
  node.args_at = static_cast<uint32_t>(draft_.args.size());
  node.args_bytes = static_cast<uint32_t>(bytes);
  node.op = op;
  draft_.args.resize(AlignUp(draft_.args.size() + bytes, 16));
  std::memcpy(draft_.args.data() + node.args_at, args, bytes);
  draft_.nodes.push_back(node);
}

uint8_t* Planner::Scratch(uint32_t op, uint64_t bytes) {
  const uint64_t at = draft_.scratch_bytes[op];
  draft_.scratch_bytes[op] = AlignUp(at + bytes, 256);
  if (spec_.scratch_offsets.empty() || spec_.arena_device == 0) return nullptr;
  return reinterpret_cast<uint8_t*>(spec_.arena_device + spec_.scratch_offsets[op] + at);
}

Status BuildPlan(const PlanRequest& request, PlanDraft* draft) {
  *draft = {};
  return Planner(request, draft).Run();
}

}  // namespace samara::cuda
