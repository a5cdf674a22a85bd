// The core set but for products with weights and states.
#include <algorithm>

#include "backends/vulkan/plan.h"
#include "backends/vulkan/weights.h"

namespace samara::vulkan {
namespace {

constexpr uint32_t kGroup = 64;

// Element types of the generic shaders.
uint32_t TypeOf(DType dtype) { return dtype == DType::kF32 ? 0 : dtype == DType::kI32 ? 1 : 2; }

// The place of an axis when dimensions stand at the end of six.
uint32_t AxisOf(const View& view, int64_t axis) {
  return kMaxRank - view.rank + static_cast<uint32_t>(axis);
}

}  // namespace

Status Builder::Elementwise(uint32_t index, const Op& op) {
  View in[3], out;
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &out));
  // select's condition comes last in the shader.
  const bool select = op.code == OpCode::kSelect;
  const size_t n = op.inputs.size();
  for (size_t i = 0; i < n; ++i) {
    SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[select ? (i + 1) % 3 : i], &in[i]));
  }
  if (device_ == nullptr) return Status();
  const uint32_t axis = op.code == OpCode::kIota ? AxisOf(out, op.Int(AttrKey::kAxis)) : 0;
  Dispatch& d = Add(index, Shader::elementwise,
                    {kGroup, static_cast<uint32_t>(op.code), n == 0 ? 0 : TypeOf(in[0].dtype),
                     TypeOf(out.dtype), static_cast<uint32_t>(n), axis});
  for (size_t i = 0; i < 3; ++i) {
    if (i < n) {
      SAMARA_RETURN_IF_ERROR(BindTensor(&d, in[i], false));
    } else {
      SAMARA_RETURN_IF_ERROR(BindNothing(&d));
      for (int j = 0; j < 4; ++j) d.Push(0);
    }
  }
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, out, true));
  d.PushFloat(static_cast<float>(op.Float(AttrKey::kValue)));
  SpanElements(&d, out);
  return Status();
}

Status Builder::Move(uint32_t index, const Op& op) {
  View in, out;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &in));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &out));
  if (device_ == nullptr) return Status();
  const uint32_t mode = op.code == OpCode::kReshape ? 0 : op.code == OpCode::kTranspose ? 1 : 2;
  Dispatch& d = Add(index, Shader::copy, {kGroup, mode, TypeOf(out.dtype)});
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, in, false));
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, out, true));
  if (mode == 1) {
    const std::vector<int64_t>& perm = op.Find(AttrKey::kPerm)->ints;
    uint32_t word = 0;
    for (uint32_t i = 0; i < kMaxRank; ++i) {
      const uint32_t lead = kMaxRank - out.rank;
      word |= (i < lead ? i : lead + static_cast<uint32_t>(perm[i - lead])) << (4 * i);
    }
    d.Push(word);
  } else if (mode == 2) {
    d.Push(AxisOf(in, op.Int(AttrKey::kAxis)));
    d.Push(static_cast<uint32_t>(op.Int(AttrKey::kBegin)));
  }
  SpanElements(&d, out);
  return Status();
}

// One dispatch an input. Where parts begin may be known at the step only.
Status Builder::Concat(uint32_t index, const Op& op) {
  const int64_t axis = op.Int(AttrKey::kAxis);
  View out;
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &out));
  uint8_t begin = 0;
  SAMARA_RETURN_IF_ERROR(AddDim(Dim::Of(0), &begin));
  for (ValueId id : op.inputs) {
    View in;
    SAMARA_RETURN_IF_ERROR(MakeView(id, &in));
    uint8_t next = 0;
    SAMARA_RETURN_IF_ERROR(AddSum(begin, in.dims[axis], &next));
    if (device_ != nullptr) {
      Dispatch& d = Add(index, Shader::copy, {kGroup, 3, TypeOf(out.dtype)});
      SAMARA_RETURN_IF_ERROR(BindTensor(&d, in, false));
      SAMARA_RETURN_IF_ERROR(BindTensor(&d, out, true));
      d.Push(AxisOf(out, axis));
      d.Push(begin);
      SpanElements(&d, in);
    }
    begin = next;
  }
  return Status();
}

Status Builder::Reduce(uint32_t index, const Op& op) {
  View in, out;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &in));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &out));
  if (device_ == nullptr) return Status();
  Dispatch& d = Add(index, Shader::reduce, {kGroup, static_cast<uint32_t>(op.code)});
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, in, false));
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, out, true));
  d.Push(AxisOf(in, op.Int(AttrKey::kAxis)));
  SpanElements(&d, out);
  d.groups[0].divisor = 1;
  d.cost = in.range;
  return Status();
}

Status Builder::BatchMatmul(uint32_t index, const Op& op) {
  View a, b, out;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &a));
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[1], &b));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &out));
  if (device_ == nullptr) return Status();
  Dispatch& d = Add(index, Shader::batch_matmul, {kGroup});
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, a, false));
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, b, false));
  SAMARA_RETURN_IF_ERROR(BindTensor(&d, out, true));
  SpanElements(&d, out);
  d.cost = out.range * a.capacity[a.rank - 1];
  return Status();
}

Status Builder::Gather(uint32_t index, const Op& op) {
  View table, rows, out;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &table));
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[1], &rows));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &out));
  if (device_ == nullptr) return Status();
  const WeightBinding* weight =
      table.weight < 0 ? nullptr : &spec_.weights[static_cast<size_t>(table.weight)];
  WeightLayout layout = {};
  uint64_t all = 0, part_rows = 1, row_bytes = 0;
  if (weight != nullptr) {
    // A table may be too long for one binding: every part takes the rows that it holds.
    layout = LayoutOf(*weight->weight, *weight->placement);
    all = weight->weight->rows;
    const uint64_t unit_rows = layout.tiled ? kTileRows : 1;
    row_bytes = layout.tiled ? layout.tile_bytes : weight->weight->cols * 4;
    if (row_bytes + facts().min_alignment > facts().max_range) {
      return Unsupported("vulkan: a row of weight %s has %llu bytes, this device binds %llu",
                         Quoted(weight->weight->name).c_str(),
                         static_cast<unsigned long long>(row_bytes),
                         static_cast<unsigned long long>(facts().max_range));
    }
    part_rows = (facts().max_range - facts().min_alignment) / row_bytes * unit_rows;
  }
  const uint32_t columns = static_cast<uint32_t>(out.Inner());
  for (uint64_t first = 0; first == 0 || first < all; first += part_rows) {
    const bool tiled = weight != nullptr && layout.tiled;
    Dispatch& d = Add(index, tiled ? Shader::gather : Shader::gather_rows, {kGroup});
    uint32_t rest = 0;
    if (weight == nullptr) {
      SAMARA_RETURN_IF_ERROR(BindView(&d, table, false, &rest));
      d.Push(rest / 4);
      d.Push(static_cast<uint32_t>(table.stride / 4));
      d.Push(0);
      d.Push(table.dims[0]);
      d.Push(0);
    } else {
      const uint64_t n = std::min(part_rows, all - first);
      const uint64_t offset = (tiled ? first / kTileRows : first) * row_bytes;
      const uint64_t bytes = (tiled ? (n + kTileRows - 1) / kTileRows : n) * row_bytes;
      SAMARA_RETURN_IF_ERROR(Bind(&d, table.handle, offset, bytes, false, &rest));
      d.Push(rest / 4);
      d.Push(static_cast<uint32_t>(weight->weight->cols));
      d.Push(static_cast<uint32_t>(first));
      d.Push(static_cast<uint32_t>(n));
      d.Push(static_cast<uint32_t>(all));
    }
    SAMARA_RETURN_IF_ERROR(BindView(&d, rows, false, &rest));
    d.Push(rest / 4);
    d.Push(static_cast<uint32_t>(rows.stride / 4));
    SAMARA_RETURN_IF_ERROR(BindView(&d, out, true, &rest));
    d.Push(rest / 4);
    d.Push(static_cast<uint32_t>(out.stride / 4));
    d.Push(columns);
    d.Push(out.dims[0]);
    if (tiled) {
      d.constants.push_back(FormOf(weight->weight->dtype));
      for (uint32_t word : layout.Words()) d.Push(word);
    }
    SpanElements(&d, out);
    if (weight == nullptr) break;
  }
  return Status();
}

}  // namespace samara::vulkan
