#include "backends/cpu/plan.h"

#include <cstddef>
#include <cstring>

#include "formats/operators.h"

namespace samara::cpu {
namespace {

constexpr uint64_t kAlign = 64;
uint64_t AlignUp(uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

}  // namespace

StepAccess ResolveAccess(const StepAccess& offsets, const RunContext& context) {
  StepAccess access = offsets;
  access.tokens = context.step + context.layout->tokens;
  access.seqs = context.step + context.layout->seqs;
  access.tables = reinterpret_cast<const uint32_t*>(context.step + context.layout->block_tables);
  return access;
}

bool RunRows(RunContext* context, uint64_t n, uint64_t work, ThreadPool::TaskFn fn,
             const void* job) {
  constexpr uint64_t kMostWork = 1 << 20;  // of a piece
  if (work == 0) work = 1;
  return context->pool->Run(n, work < kMostWork ? kMostWork / work : 1, fn, job, *context->cancel);
}

Status Builder::Take(uint64_t bytes, void** memory) {
  const uint64_t size = AlignUp(bytes);
  if (measuring()) {
    // Aligned by hand: over-aligned array allocation would need a deleter of its own.
    throwaway_.push_back(std::make_unique<uint8_t[]>(size + kAlign));
    const uintptr_t address = reinterpret_cast<uintptr_t>(throwaway_.back().get());
    *memory = reinterpret_cast<void*>(AlignUp(address));
  } else {
    if (size > block_bytes_ - used_) return Internal("a plan larger than was measured");
    *memory = block_ + used_;
  }
  used_ += size;
  return Status();
}

uint8_t* Builder::TakeScratch(uint64_t bytes) {
  const uint64_t offset = scratch_bytes_.back();
  scratch_bytes_.back() += AlignUp(bytes);
  if (measuring()) return nullptr;
  return static_cast<uint8_t*>(spec_.arena_host) + spec_.scratch_offsets[op_index_] + offset;
}

Status Builder::DimOf(ValueId id, int i, StepDim* dim) const {
  const Value& value = ValueOf(id);
  if (i < 0 || i >= value.shape.rank)
    return Internal("value %s has no dimension %d", Quoted(value.name).c_str(), i);
  const Dim& from = value.shape.dims[static_cast<size_t>(i)];
  StepDim to;
  to.constant = from.constant;
  to.divisor = from.divisor;
  for (uint32_t t = 0; t < from.n_terms; ++t) {
    const Dim::Term& term = from.terms[t];
    switch (spec_.package->symbols[term.symbol].kind) {
      case SymbolKind::kTokens:
        to.tokens += term.coefficient;
        break;
      case SymbolKind::kOutputs:
        to.outputs += term.coefficient;
        break;
      case SymbolKind::kSeqs:
        to.seqs += term.coefficient;
        break;
      default: {
        int64_t product;
        if (__builtin_mul_overflow(
                term.coefficient, static_cast<int64_t>((*spec_.capacity)[term.symbol]), &product) ||
            __builtin_add_overflow(to.constant, product, &to.constant)) {
          return InvalidFile("dimension %d of %s overflows", i, Quoted(value.name).c_str());
        }
      }
    }
  }
  *dim = to;
  return Status();
}

Status Builder::Capacity(ValueId id, int i, uint64_t* n) const {
  const Value& value = ValueOf(id);
  if (i < 0 || i >= value.shape.rank)
    return Internal("value %s has no dimension %d", Quoted(value.name).c_str(), i);
  SAMARA_ASSIGN_OR_RETURN(*n, EvalDim(value.shape.dims[static_cast<size_t>(i)], *spec_.capacity));
  return Status();
}

Status Builder::ConstantDim(ValueId id, int i, uint64_t* n) const {
  StepDim dim;
  SAMARA_RETURN_IF_ERROR(DimOf(id, i, &dim));
  if (dim.tokens != 0 || dim.outputs != 0 || dim.seqs != 0) {
    return Unsupported("dimension %d of %s changes from step to step", i,
                       Quoted(ValueOf(id).name).c_str());
  }
  return Capacity(id, i, n);
}

Status Builder::Bind(ValueId id, Operand* operand) {
  *operand = Operand();
  const Value& value = ValueOf(id);
  if (value.kind == ValueKind::kWeight) {
    const float* floats = nullptr;
    SAMARA_RETURN_IF_ERROR(BindFloats(id, &floats));
    operand->base = reinterpret_cast<uintptr_t>(floats);
    operand->stride = value.shape.rank > 1
                          ? spec_.package->weights[static_cast<size_t>(value.index)].cols * 4
                          : 4;
    return Status();
  }
  if (measuring()) {
    operand->base = 64;
    return Status();
  }
  const ValueBinding& binding = spec_.values[static_cast<size_t>(id)];
  switch (binding.kind) {
    case BufferKind::kArena:
      operand->base = reinterpret_cast<uintptr_t>(spec_.arena_host) + binding.offset;
      operand->stride = binding.row_stride;
      return Status();
    case BufferKind::kStep:
      operand->in_step = true;
      operand->stride = sizeof(TokenParams);
      switch (binding.step_field) {
        case StepField::kTokenIds:
          operand->base = spec_.step_layout->tokens + offsetof(TokenParams, id);
          break;
        case StepField::kPositions:
          operand->base = spec_.step_layout->tokens + offsetof(TokenParams, position);
          break;
        case StepField::kOutputRows:
          operand->base = spec_.step_layout->outputs + offsetof(OutputParams, row);
          operand->stride = sizeof(OutputParams);
          break;
        default:
          return Internal("value %s: unknown step field", Quoted(value.name).c_str());
      }
      return Status();
    default:
      return Internal("value %s is bound to nothing", Quoted(value.name).c_str());
  }
}

Status Builder::BindTensor(ValueId id, Tensor* tensor) {
  const Value& value = ValueOf(id);
  SAMARA_RETURN_IF_ERROR(Bind(id, &tensor->operand));
  tensor->dtype = value.dtype;
  tensor->rank = value.shape.rank;
  StepDim* dims = nullptr;
  SAMARA_RETURN_IF_ERROR(New(static_cast<uint64_t>(value.shape.rank), &dims));
  for (int i = 0; i < value.shape.rank; ++i) SAMARA_RETURN_IF_ERROR(DimOf(id, i, dims + i));
  tensor->dims = dims;
  return Status();
}

Status Builder::BindFloats(ValueId id, const float** values) {
  const Value& value = ValueOf(id);
  if (value.kind != ValueKind::kWeight) {
    return Unsupported("value %s must be a weight", Quoted(value.name).c_str());
  }
  const Weight& weight = spec_.package->weights[static_cast<size_t>(value.index)];
  // The same answer while measuring, when it is not known yet which placement will be bound.
  bool in_place = weight.dtype == DType::kF32;
  for (const WeightPlacement& placement : weight.placements)
    in_place = in_place && placement.layout == Layout::kRowMajor;
  if (in_place) {
    *values = measuring()
                  ? nullptr
                  : static_cast<const float*>(spec_.weights[static_cast<size_t>(value.index)].host);
    return Status();
  }
  uint64_t n, bytes;
  if (__builtin_mul_overflow(weight.rows, weight.cols, &n) ||
      __builtin_mul_overflow(n, sizeof(float), &bytes)) {
    return InvalidFile("weight %s is too large", Quoted(weight.name).c_str());
  }
  if (measuring()) {  // only the size counts
    used_ += AlignUp(bytes);
    *values = nullptr;
    return Status();
  }
  void* memory = nullptr;
  SAMARA_RETURN_IF_ERROR(Take(bytes, &memory));
  const WeightBinding& binding = spec_.weights[static_cast<size_t>(value.index)];
  float* out = static_cast<float*>(memory);
  for (uint64_t r = 0; r < weight.rows; ++r) {
    DequantizePackedRow(binding.placement->layout, weight.dtype,
                        static_cast<const uint8_t*>(binding.host), r, weight.cols,
                        out + r * weight.cols);
  }
  *values = out;
  return Status();
}

Status Builder::BindOptionalFloats(ValueId id, const float** values) {
  *values = nullptr;
  return id == kNoValue ? Status() : BindFloats(id, values);
}

Status Builder::BindMatrix(ValueId id, Matrix* matrix) const {
  const Value& value = ValueOf(id);
  if (value.kind != ValueKind::kWeight)
    return Unsupported("value %s must be a weight", Quoted(value.name).c_str());
  const Weight& weight = spec_.package->weights[static_cast<size_t>(value.index)];
  matrix->dtype = weight.dtype;
  matrix->layout = MatmulLayout(weight.dtype);
  matrix->rows = weight.rows;
  matrix->cols = weight.cols;
  matrix->tile_rows = LayoutTileRows(matrix->layout);
  if (!LayoutTileBytes(matrix->layout, weight.dtype, weight.cols, &matrix->tile_bytes)) {
    return Unsupported("weight %s of type %s cannot be multiplied", Quoted(weight.name).c_str(),
                       DTypeName(weight.dtype));
  }
  if (measuring()) return Status();
  const WeightBinding& binding = spec_.weights[static_cast<size_t>(value.index)];
  if (binding.placement->layout != matrix->layout) {
    return Unsupported("weight %s lies in layout %s; products want %s", Quoted(weight.name).c_str(),
                       LayoutName(binding.placement->layout), LayoutName(matrix->layout));
  }
  matrix->data = static_cast<const uint8_t*>(binding.host);
  return Status();
}

Status Builder::BindState(ValueId id, Pool* pool) const {
  const Value& value = ValueOf(id);
  if (value.kind != ValueKind::kState)
    return Internal("value %s is no state", Quoted(value.name).c_str());
  const size_t index = static_cast<size_t>(value.index);
  pool->state = &spec_.package->states[index];
  if (pool->state->kind != StateKind::kKeyValue || pool->state->parts.size() != 2 ||
      pool->state->group >= kMaxStateGroups) {
    return Unsupported("state %s is of a kind that this backend does not keep",
                       Quoted(pool->state->name).c_str());
  }
  pool->dtype = measuring() ? spec_.kv_type : spec_.states[index].dtype;
  if (!IsKvType(pool->dtype)) {
    return Unsupported("states of type %s", DTypeName(pool->dtype));
  }
  if (!measuring()) {
    for (int i = 0; i < 2; ++i) pool->parts[i] = static_cast<uint8_t*>(spec_.states[index].host[i]);
  }
  StepAccess& access = pool->access;
  access.token_stride = sizeof(TokenParams);
  access.seq_stride = sizeof(SeqParams);
  access.seq_offset = offsetof(TokenParams, seq);
  access.write_offset = offsetof(TokenParams, write_slot);
  access.begin_offset = offsetof(TokenParams, visible_begin);
  access.end_offset = offsetof(TokenParams, visible_end);
  access.table_offset =
      static_cast<uint32_t>(offsetof(SeqParams, block_table) + 4 * pool->state->group);
  access.blocks_per_seq = spec_.step_layout->blocks_per_seq[pool->state->group];
  if (access.blocks_per_seq == 0)
    return Internal("state group %u has no blocks", pool->state->group);
  return Status();
}

Status Builder::AddOp(const Op& op) {
  switch (op.code) {
    case OpCode::kLinear:
    case OpCode::kMatmul:
      return AddLinear(this, op);
    case OpCode::kRmsNorm:
    case OpCode::kRopeTable:
    case OpCode::kRope:
    case OpCode::kGlu:
    case OpCode::kLayerNorm:
    case OpCode::kActivate:
      return AddFused(this, op);
    case OpCode::kAttention:
    case OpCode::kStateWrite:
    case OpCode::kStateRead:
    case OpCode::kStateVisible:
      return AddState(this, op);
    default:
      return AddCore(this, op);
  }
}

Status Builder::Build() {
  const Graph& graph = *spec_.graph;
  if (uint64_t{spec_.first_op} + spec_.n_ops > graph.ops.size() ||
      spec_.is_view.size() < spec_.n_ops) {
    return Internal("a partition beyond its graph");
  }
  for (uint32_t i = 0; i < spec_.n_ops; ++i) {
    op_index_ = i;
    scratch_bytes_.push_back(0);
    if (spec_.is_view[i] != 0) continue;
    const Op& op = graph.ops[spec_.first_op + i];
    Status status = AddOp(op);
    if (!status.ok()) return status.WithContext(op.name);
  }
  return Status();
}

bool SupportsOp(const Package& package, const Graph& graph, const Op& op) {
  const OpInfo* info = FindOp(op.code);
  if (info == nullptr || op.version < 1 || op.version > info->version) return false;
  if (op.code == OpCode::kLinear || op.code == OpCode::kMatmul) {
    const Value& value = graph.values[static_cast<size_t>(op.inputs[1])];
    if (value.kind != ValueKind::kWeight) return false;
    const Weight& weight = package.weights[static_cast<size_t>(value.index)];
    for (const WeightPlacement& placement : weight.placements) {
      if (placement.layout == MatmulLayout(weight.dtype) && placement.version == kLayoutVersion)
        return true;
    }
    return false;
  }
  return true;
}

}  // namespace samara::cpu
