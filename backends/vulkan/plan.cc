#include "backends/vulkan/plan.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "formats/operands.h"

namespace samara::vulkan {
namespace {

using Ull = unsigned long long;

uint64_t ElementBytes(DType dtype) { return dtype == DType::kBool ? 1 : 4; }

}  // namespace

void Dispatch::PushFloat(float value) { push.push_back(std::bit_cast<uint32_t>(value)); }

bool EvaluateDims(const TableDim* dims, uint32_t n, const uint64_t* symbols, uint32_t n_symbols,
                  uint32_t* values) {
  for (uint32_t i = 0; i < n; ++i) {
    if (dims[i].a >= 0) {
      values[i] = values[dims[i].a] + values[dims[i].b];
      continue;
    }
    const Dim& dim = dims[i].dim;
    int64_t sum = dim.constant;
    for (uint32_t t = 0; t < dim.n_terms; ++t) {
      int64_t product;
      const Dim::Term& term = dim.terms[t];
      if (term.symbol >= n_symbols || symbols[term.symbol] > INT32_MAX ||
          __builtin_mul_overflow(term.coefficient, static_cast<int64_t>(symbols[term.symbol]),
                                 &product) ||
          __builtin_add_overflow(sum, product, &sum)) {
        return false;
      }
    }
    if (sum < 0 || dim.divisor < 1) return false;
    const int64_t value = sum / dim.divisor + (sum % dim.divisor != 0);
    if (value > INT32_MAX) return false;
    values[i] = static_cast<uint32_t>(value);
  }
  return true;
}

bool EvaluateExtent(const Extent& extent, const uint32_t* values, uint32_t* count) {
  uint64_t product = extent.times;
  for (uint32_t i = 0; i < extent.n; ++i) {
    if (__builtin_mul_overflow(product, uint64_t{values[extent.dims[i]]}, &product)) return false;
  }
  product = product / extent.divisor + (product % extent.divisor != 0);
  if (extent.cap != 0) product = std::min<uint64_t>(product, extent.cap);
  if (product > UINT32_MAX) return false;
  *count = static_cast<uint32_t>(product);
  return true;
}

Status Builder::AddDim(const Dim& dim, uint8_t* index) {
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].a < 0 && dims[i].dim == dim) {
      *index = static_cast<uint8_t>(i);
      return Status();
    }
  }
  if (dims.size() == kMaxDims) return Unsupported("vulkan: more than %u dimensions", kMaxDims);
  dims.push_back({dim});
  *index = static_cast<uint8_t>(dims.size() - 1);
  return Status();
}

Status Builder::AddSum(uint8_t a, uint8_t b, uint8_t* index) {
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].a == a && dims[i].b == b) {
      *index = static_cast<uint8_t>(i);
      return Status();
    }
  }
  if (dims.size() == kMaxDims) return Unsupported("vulkan: more than %u dimensions", kMaxDims);
  dims.push_back({Dim(), a, b});
  *index = static_cast<uint8_t>(dims.size() - 1);
  return Status();
}

Status Builder::MakeView(ValueId id, View* view) {
  const Value& value = spec_.graph->values[static_cast<size_t>(id)];
  *view = View();
  view->id = id;
  view->dtype = value.dtype;
  view->rank = static_cast<uint32_t>(value.shape.rank);
  uint64_t elements = 1;
  for (uint32_t i = 0; i < view->rank; ++i) {
    SAMARA_RETURN_IF_ERROR(AddDim(value.shape.dims[i], &view->dims[i]));
    SAMARA_ASSIGN_OR_RETURN(view->capacity[i], EvalDim(value.shape.dims[i], *spec_.capacity));
    if (__builtin_mul_overflow(elements, view->capacity[i], &elements) || elements > UINT32_MAX) {
      return Unsupported("value %s is too large for the vulkan backend: %s",
                         Quoted(value.name).c_str(),
                         ShapeText(value.shape, spec_.package->symbols).c_str());
    }
  }
  const uint64_t element = ElementBytes(value.dtype);
  view->range = elements * element;
  const uint64_t rows = view->rank == 0 ? 1 : view->capacity[0];
  view->stride = rows == 0 ? 0 : view->range / rows;
  if (value.kind == ValueKind::kWeight) view->weight = value.index;
  if (device_ == nullptr) return Status();  // bindings may be absent
  const ValueBinding& binding = spec_.values[static_cast<size_t>(id)];
  switch (binding.kind) {
    case BufferKind::kArena:
      view->handle = spec_.arena_device;
      view->offset = binding.offset;
      if (const ValueId place = moved_[static_cast<size_t>(id)]; place != kNoValue) {
        view->offset = spec_.values[static_cast<size_t>(place)].offset;
      }
      view->stride = binding.row_stride;
      // A view's rows may be parts of longer ones.
      if (rows > 1) view->range = (rows - 1) * view->stride + view->range / rows;
      break;
    case BufferKind::kWeight:
      view->handle = spec_.weights[static_cast<size_t>(view->weight)].device;
      break;
    case BufferKind::kStep: {
      const StepLayout& layout = *spec_.step_layout;
      view->handle = device_->step_handle();
      view->stride = sizeof(TokenParams);
      if (binding.step_field == StepField::kTokenIds) {
        view->offset = layout.tokens + offsetof(TokenParams, id);
      } else if (binding.step_field == StepField::kPositions) {
        view->offset = layout.tokens + offsetof(TokenParams, position);
      } else {
        view->offset = layout.outputs + offsetof(OutputParams, row);
        view->stride = sizeof(OutputParams);
      }
      view->offset += kStepHeadBytes;
      view->range = rows == 0 ? 0 : (rows - 1) * view->stride + 4;
      break;
    }
    case BufferKind::kNone:
      return Internal("value %s is bound to nothing", Quoted(value.name).c_str());
  }
  return Status();
}

Dispatch& Builder::Add(uint32_t op, Shader shader, std::vector<uint32_t> constants) {
  dispatches.emplace_back();
  Dispatch& d = dispatches.back();
  d.op = op;
  d.shader = shader;
  d.constants = std::move(constants);
  return d;
}

Status Builder::Bind(Dispatch* d, uint64_t handle, uint64_t offset, uint64_t range, bool write,
                     uint32_t* rest) {
  const Buffer* buffer = nullptr;
  SAMARA_RETURN_IF_ERROR(device_->Find(handle, offset, range, &buffer));
  const uint64_t begin = offset / facts().min_alignment * facts().min_alignment;
  const uint64_t end = std::min((offset + std::max<uint64_t>(range, 4) + 3) / 4 * 4, buffer->bytes);
  if (end - begin > facts().max_range) {
    return Unsupported("vulkan: operator %s needs %llu bytes at once, this device binds %llu",
                       Quoted(spec_.graph->ops[spec_.first_op + d->op].name).c_str(),
                       static_cast<Ull>(end - begin), static_cast<Ull>(facts().max_range));
  }
  d->operands.push_back({buffer, begin, end - begin, write});
  *rest = static_cast<uint32_t>(offset - begin);
  return Status();
}

Status Builder::BindNothing(Dispatch* d) {
  d->operands.push_back({&device_->step(), 0, kStepHeadBytes, false});
  return Status();
}

void Builder::PushTensor(Dispatch* d, const View& view, uint32_t rest) {
  const uint32_t element = static_cast<uint32_t>(ElementBytes(view.dtype));
  const uint32_t first = kMaxRank - view.rank;
  uint32_t d6[kMaxRank] = {};
  for (uint32_t i = 0; i < view.rank; ++i) d6[first + i] = view.dims[i];
  d->Push(rest / element);
  d->Push(static_cast<uint32_t>(view.stride / element));
  d->Push(d6[0] | d6[1] << 8 | d6[2] << 16 | d6[3] << 24);
  d->Push(d6[4] | d6[5] << 8 | first << 24);
}

Status Builder::BindTensor(Dispatch* d, const View& view, bool write) {
  uint32_t rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(d, view, write, &rest));
  PushTensor(d, view, rest);
  return Status();
}

void Builder::PushGroup(Dispatch* d, uint32_t group) {
  const StepLayout& layout = *spec_.step_layout;
  d->Push(static_cast<uint32_t>(layout.tokens / 4));
  d->Push(static_cast<uint32_t>(layout.seqs / 4));
  d->Push(static_cast<uint32_t>(layout.block_tables / 4));
  d->Push(group);
  d->Push(layout.blocks_per_seq[group]);
  d->Push(layout.pool_blocks[group]);
}

void Builder::SpanElements(Dispatch* d, const View& view) {
  Extent& e = d->groups[0];
  e = Extent();
  e.n = static_cast<uint8_t>(view.rank);
  for (uint32_t i = 0; i < view.rank; ++i) e.dims[i] = view.dims[i];
  e.divisor = d->constants[0];
  e.cap = std::min<uint32_t>(facts().max_groups, 16384);
  d->cost = view.range;
}

Status Builder::Build() {
  dims.clear();
  dims.push_back({Dim::Of(1)});
  scratch_bytes.assign(spec_.n_ops, 0);
  if (uint64_t{spec_.first_op} + spec_.n_ops > spec_.graph->ops.size()) {
    return Internal("operators of a partition that the graph lacks");
  }
  done_.assign(spec_.n_ops, false);
  moved_.assign(spec_.graph->values.size(), kNoValue);
  if (device_ != nullptr) FindUses();
  for (op_ = 0; op_ < spec_.n_ops; ++op_) {
    if (done_[op_] || (!spec_.is_view.empty() && spec_.is_view[op_] != 0)) continue;
    if (device_ != nullptr && facts().fuse && !spec_.keep_values) {
      bool fused = false;
      SAMARA_RETURN_IF_ERROR(RopeAndWrite(op_, &fused));
      if (!fused) SAMARA_RETURN_IF_ERROR(LinearAndGlu(op_, &fused));
      if (fused) continue;
    }
    SAMARA_RETURN_IF_ERROR(AddOp(op_));
  }
  return Status();
}

std::vector<uint32_t> Builder::NextOps(uint32_t index, size_t n) const {
  std::vector<uint32_t> ops;
  for (; index < spec_.n_ops && ops.size() < n; ++index) {
    if (spec_.is_view.empty() || spec_.is_view[index] == 0) ops.push_back(index);
  }
  return ops;
}

bool Builder::OnlyReadBy(ValueId id, uint32_t reader) const {
  const Uses& uses = uses_[static_cast<size_t>(id)];
  return !uses.is_output && uses.readers == 1 && uses.reader == static_cast<int32_t>(reader);
}

bool Overlap(const View& a, const View& b) {
  return a.handle == b.handle && a.offset < b.offset + b.range && b.offset < a.offset + a.range;
}

Status Builder::AddOp(uint32_t index) {
  const Op& op = spec_.graph->ops[spec_.first_op + index];
  switch (op.code) {
    case OpCode::kReshape:
    case OpCode::kTranspose:
    case OpCode::kSlice:
      return Move(index, op);
    case OpCode::kConcat:
      return Concat(index, op);
    case OpCode::kReduceSum:
    case OpCode::kReduceMax:
      return Reduce(index, op);
    case OpCode::kGather:
      return Gather(index, op);
    case OpCode::kBatchMatmul:
      return BatchMatmul(index, op);
    case OpCode::kMatmul:
    case OpCode::kLinear:
      return Linear(index, op);
    case OpCode::kStateWrite:
    case OpCode::kStateRead:
    case OpCode::kStateVisible:
      return StateOp(index, op);
    case OpCode::kRmsNorm:
    case OpCode::kLayerNorm:
      return Norm(index, op);
    case OpCode::kRopeTable:
      return RopeTable(index, op);
    case OpCode::kRope:
      return Rope(index, op);
    case OpCode::kGlu:
    case OpCode::kActivate:
      return Glu(index, op);
    case OpCode::kAttention:
      return Attention(index, op);
    default:
      return Elementwise(index, op);
  }
}

bool Supports(const Package& package, const Graph& graph, const Op& op) {
  const OpInfo* info = FindOp(op.code);
  if (info == nullptr || op.version < 1 || op.version > info->version) return false;
  // Everything of the table; what has limits of its own follows.
  if (op.code == OpCode::kAttention) {
    // A query and its scores lie in shared memory, its results in registers.
    return op.Int(AttrKey::kKeyDim) <= 1024 && op.Int(AttrKey::kValueDim) <= 1024;
  }
  if (op.code == OpCode::kConcat) return op.inputs.size() <= 64;
  static_cast<void>(package);
  static_cast<void>(graph);
  return true;
}

}  // namespace samara::vulkan
