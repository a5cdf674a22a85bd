// Products with weights.
#include <algorithm>

#include "backends/vulkan/plan.h"
#include "backends/vulkan/weights.h"

namespace samara::vulkan {
namespace {

using Ull = unsigned long long;

constexpr uint32_t kVectorTokens = 8;  // up to so many tokens a product is one of vectors

}  // namespace

Int8View Int8View::At(uint64_t handle, uint64_t offset, uint64_t rows, uint64_t cols) {
  Int8View view;
  const auto blocks = static_cast<uint32_t>((cols + 31) / 32);
  view.handle = handle;
  view.offset = offset;
  view.rows = rows;
  view.row_words = blocks * 8;
  view.row_scales = blocks * 2;
  view.scales = offset + rows * view.row_words * 4;
  return view;
}

Status Builder::BindInt8(Dispatch* d, const Int8View& x, bool write) {
  uint32_t rest = 0;
  SAMARA_RETURN_IF_ERROR(Bind(d, x.handle, x.offset, x.bytes(), write, &rest));
  d->Push(rest / 4);
  d->Push(x.row_words);
  d->Push(static_cast<uint32_t>((rest + x.scales - x.offset) / 4));
  d->Push(x.row_scales);
  return Status();
}

bool Builder::TakesQuantized(const Op& product) const {
  const Value& w = spec_.graph->values[static_cast<size_t>(product.inputs[1])];
  return w.kind == ValueKind::kWeight &&
         FindDType(spec_.package->weights[static_cast<size_t>(w.index)].dtype)->is_quantized;
}

void Builder::FindUses() {
  const Graph& graph = *spec_.graph;
  uses_.assign(graph.values.size(), {});
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    const bool inside = i >= spec_.first_op && i - spec_.first_op < spec_.n_ops;
    for (size_t k = 0; k < op.inputs.size(); ++k) {
      if (op.inputs[k] == kNoValue) continue;
      Uses& uses = uses_[static_cast<size_t>(op.inputs[k])];
      uses.any = true;
      ++uses.readers;
      if (inside) uses.reader = static_cast<int32_t>(i - spec_.first_op);
      bool fits = false;
      if (inside && k == 0 && (op.code == OpCode::kLinear || op.code == OpCode::kMatmul)) {
        fits = TakesQuantized(op);
      }
      uses.quantized_only = uses.quantized_only && fits;
    }
    for (ValueId id : op.outputs) {
      if (inside)
        uses_[static_cast<size_t>(id)].producer = static_cast<int32_t>(i - spec_.first_op);
    }
  }
  for (const GraphOutput& output : graph.outputs) {
    uses_[static_cast<size_t>(output.value)].quantized_only = false;
    uses_[static_cast<size_t>(output.value)].is_output = true;
  }
}

bool Builder::KeptAsInt8(const View& y) const {
  if (!facts().fuse || !facts().int8 || spec_.keep_values) return false;
  const Uses& uses = uses_[static_cast<size_t>(y.id)];
  const uint64_t cols = y.rank == 2 ? y.capacity[1] : 0;
  if (uses.producer < 0 || !uses.any || !uses.quantized_only || cols == 0 || cols % 32 != 0 ||
      y.stride != cols * 4) {
    return false;
  }
  const auto index = static_cast<uint32_t>(uses.producer);
  if (!spec_.is_view.empty() && spec_.is_view[index] != 0) return false;
  const Op& op = spec_.graph->ops[spec_.first_op + index];
  switch (op.code) {
    case OpCode::kRmsNorm:
    case OpCode::kLayerNorm:
      if (op.Int(AttrKey::kGroup) > 0 && static_cast<uint64_t>(op.Int(AttrKey::kGroup)) != cols) {
        return false;
      }
      break;
    case OpCode::kGlu:
    case OpCode::kActivate:
      break;
    case OpCode::kAttention:
      return op.Int(AttrKey::kValueDim) % 32 == 0;
    default:
      return false;
  }
  if (moved_[static_cast<size_t>(y.id)] != kNoValue) return true;
  // Blocks are written while the operand is still read.
  const ValueBinding& x = spec_.values[static_cast<size_t>(op.inputs[0])];
  const uint64_t rows = y.capacity[0];
  return x.kind != BufferKind::kArena || x.offset >= y.offset + rows * y.stride ||
         y.offset >= x.offset + rows * x.row_stride;
}

Status Builder::Quantize(uint32_t index, const View& x, const Int8View& to) {
  Dispatch& d = Add(index, Shader::quantize, {32});
  uint32_t rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(&d, x, false, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(x.stride / 4));
  d.Push(static_cast<uint32_t>(x.capacity[1]));
  SAMARA_RETURN_IF_ERROR(BindInt8(&d, to, true));
  d.groups[0] = Extent::Of(to.row_words / 8);
  d.groups[1] = Extent::Rows(x.dims[0]);
  d.cost = x.range;
  return Status();
}

// The product's workgroups write columns of the result while others still read x. So the result must not lie there; where it
// would, it takes the memory of the product that is never made, if its reader comes next and spares that.
Status Builder::LinearAndGlu(uint32_t index, bool* fused) {
  *fused = false;
  const Op& op = OpAt(index);
  const std::vector<uint32_t> ops = NextOps(index, 3);
  if ((op.code != OpCode::kLinear && op.code != OpCode::kMatmul) || ops.size() < 2) return Status();
  const Op& glu = OpAt(ops[1]);
  if (glu.code != OpCode::kGlu || glu.inputs[0] != op.outputs[0] ||
      !OnlyReadBy(op.outputs[0], ops[1]) || (op.inputs.size() > 3 && op.inputs[3] != kNoValue)) {
    return Status();
  }
  const Value& matrix = spec_.graph->values[static_cast<size_t>(op.inputs[1])];
  if (matrix.kind != ValueKind::kWeight) return Status();
  View x, product, y;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &x));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &product));
  SAMARA_RETURN_IF_ERROR(MakeView(glu.outputs[0], &y));
  const Weight& weight = spec_.package->weights[static_cast<size_t>(matrix.index)];
  const WeightBinding& binding = spec_.weights[static_cast<size_t>(matrix.index)];
  if ((facts().tiles && x.capacity[0] > kVectorTokens) || y.capacity[1] % 32 != 0 ||
      weight.rows != 2 * y.capacity[1] || y.stride != y.capacity[1] * 4 ||
      LayoutOf(weight, *binding.placement).bytes + facts().min_alignment > facts().max_range) {
    return Status();
  }
  // Does product i write its operand as int8 blocks to where `result` lies?
  const auto scratch_meets = [&](uint32_t i, const View& operand, const View& result) {
    if (!facts().int8 || !TakesQuantized(OpAt(i)) || KeptAsInt8(operand)) return false;
    View scratch;
    scratch.handle = spec_.arena_device;
    scratch.offset = spec_.scratch_offsets[i];
    scratch.range = Int8View::At(0, 0, operand.capacity[0], operand.capacity[1]).bytes();
    return Overlap(scratch, result);
  };
  if (Overlap(x, y) || scratch_meets(index, x, y)) {
    if (ops.size() < 3 || product.stride != 2 * y.stride || !OnlyReadBy(glu.outputs[0], ops[2])) {
      return Status();
    }
    const Op& reader = OpAt(ops[2]);
    if (reader.code != OpCode::kLinear && reader.code != OpCode::kMatmul) return Status();
    View result;
    SAMARA_RETURN_IF_ERROR(MakeView(reader.outputs[0], &result));
    ValueId& moved = moved_[static_cast<size_t>(y.id)];
    moved = op.outputs[0];
    y.offset = product.offset;
    if (Overlap(x, y) || Overlap(result, y) || scratch_meets(index, x, y) ||
        scratch_meets(ops[2], y, y)) {
      moved = kNoValue;
      return Status();
    }
  }
  done_[index] = done_[ops[1]] = true;
  *fused = true;
  return Linear(index, op, &glu);
}

Status Builder::Linear(uint32_t index, const Op& op, const Op* glu) {
  View x, y, bias, residual;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &x));
  SAMARA_RETURN_IF_ERROR(MakeView((glu != nullptr ? glu : &op)->outputs[0], &y));
  const Value& matrix = spec_.graph->values[static_cast<size_t>(op.inputs[1])];
  if (matrix.kind != ValueKind::kWeight) {
    return Unsupported("a product with a matrix that is no weight");
  }
  const Weight& weight = spec_.package->weights[static_cast<size_t>(matrix.index)];
  const bool quantized = FindDType(weight.dtype)->is_quantized;
  Int8View blocks = Int8View::At(0, 0, x.capacity[0], x.capacity[1]);
  if (quantized) scratch_bytes[index] = blocks.bytes();
  const bool has_bias = op.inputs.size() > 2 && op.inputs[2] != kNoValue;
  const bool has_residual = op.inputs.size() > 3 && op.inputs[3] != kNoValue;
  if (has_bias) SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[2], &bias));
  if (has_residual) SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[3], &residual));
  if (device_ == nullptr) return Status();

  const WeightBinding& binding = spec_.weights[static_cast<size_t>(matrix.index)];
  const WeightLayout layout = LayoutOf(weight, *binding.placement);
  const bool int8 = quantized && facts().int8;
  if (int8) {
    if (KeptAsInt8(x)) {
      blocks = Int8Of(x);
    } else {
      blocks = Int8View::At(spec_.arena_device, spec_.scratch_offsets[index], x.capacity[0],
                            x.capacity[1]);
      SAMARA_RETURN_IF_ERROR(Quantize(index, x, blocks));
    }
  }
  const uint64_t tokens = x.capacity[0];
  const bool tiles = facts().tiles && tokens > kVectorTokens;
  uint32_t each = 1;  // tokens of a workgroup, or of a lane of a tile
  if (tiles) {
    each = tokens > 32 ? 4 : tokens > 16 ? 2 : 1;
  } else {
    while (each < tokens && each < kVectorTokens) each *= 2;
  }
  // Rows that one binding holds; whole workgroups.
  const uint64_t unit = tiles ? 4 : 1;
  const uint64_t most =
      (facts().max_range - facts().min_alignment) / layout.tile_bytes / unit * unit;
  if (most == 0) {
    return Unsupported("vulkan: %llu rows of weight %s have %llu bytes, this device binds %llu",
                       static_cast<Ull>(unit * kTileRows), Quoted(weight.name).c_str(),
                       static_cast<Ull>(unit * layout.tile_bytes),
                       static_cast<Ull>(facts().max_range));
  }
  const Shader shader = tiles ? (facts().int_dot ? Shader::matmul_int_dot : Shader::matmul)
                              : (facts().int_dot ? Shader::matvec_int_dot : Shader::matvec);
  for (uint64_t first = 0; first < layout.tiles; first += most) {
    const uint64_t n = std::min(most, layout.tiles - first);
    const uint64_t rows = std::min(n * kTileRows, weight.rows - first * kTileRows);
    Dispatch& d = Add(index, shader, {});
    for (uint32_t word : layout.Words()) d.Push(word);
    uint32_t rest = 0, scales = 0, row_scales = 0;
    SAMARA_RETURN_IF_ERROR(
        Bind(&d, binding.device, first * layout.tile_bytes, n * layout.tile_bytes, false, &rest));
    d.Push(rest / 4);
    bool aligned = false;
    if (int8) {
      SAMARA_RETURN_IF_ERROR(BindInt8(&d, blocks, false));
    } else {
      SAMARA_RETURN_IF_ERROR(BindView(&d, x, false, &rest));
      d.Push(rest / 4);
      d.Push(static_cast<uint32_t>(x.stride / 4));
      d.Push(scales);
      d.Push(row_scales);
      // Whole chunks: weights behind the end of a row are zero, but values there may be anything.
      aligned = rest % 16 == 0 && x.stride % 16 == 0 &&
                x.capacity[1] == uint64_t{layout.chunks} * layout.chunk_values;
    }
    rest = 0;
    SAMARA_RETURN_IF_ERROR(has_bias ? BindView(&d, bias, false, &rest) : BindNothing(&d));
    d.Push(rest / 4);
    rest = 0;
    SAMARA_RETURN_IF_ERROR(has_residual ? BindView(&d, residual, false, &rest) : BindNothing(&d));
    d.Push(rest / 4);
    d.Push(static_cast<uint32_t>(residual.stride / 4));
    const bool int8_result = glu != nullptr && KeptAsInt8(y);
    Dispatch blocks_of_y;
    if (int8_result) {
      SAMARA_RETURN_IF_ERROR(BindInt8(&blocks_of_y, Int8Of(y), true));
      d.operands.push_back(blocks_of_y.operands[0]);
    } else {
      SAMARA_RETURN_IF_ERROR(BindView(&d, y, true, &rest));
    }
    d.Push(rest / 4);
    d.Push(static_cast<uint32_t>(y.stride / 4));
    d.Push(static_cast<uint32_t>(rows));
    d.Push(static_cast<uint32_t>(first * kTileRows));
    d.Push(static_cast<uint32_t>(weight.cols));
    d.Push(x.dims[0]);
    // Lanes for all chunks of a row, few rounds of the loop where rows are short.
    const uint32_t lanes = layout.chunks > 8 ? 128 : 64;
    d.constants = {tiles ? 256 : lanes, FormOf(weight.dtype), each,
                   int8 ? 1u : 0u,      has_bias ? 1u : 0u,   has_residual ? 1u : 0u,
                   aligned ? 1u : 0u};
    d.groups[0] = Extent::Of(static_cast<uint32_t>((n + unit - 1) / unit));
    if (glu != nullptr) {
      d.Push(static_cast<uint32_t>(y.capacity[1] / kTileRows));
      d.push.insert(d.push.end(), blocks_of_y.push.begin(), blocks_of_y.push.end());
      // Four tiles, with their lanes.
      d.constants[0] = std::min(lanes * 4, facts().max_workgroup >= 512 ? 512u : 256u);
      d.constants.insert(
          d.constants.end(),
          {4, static_cast<uint32_t>(glu->Int(AttrKey::kActivation)), int8_result ? 1u : 0u});
      d.groups[0] = Extent::Of(static_cast<uint32_t>(y.capacity[1] / 32));
    }
    d.groups[1] = Extent::Rows(x.dims[0], tiles ? 16 * each : each);
    d.cost = 2 * rows * weight.cols * tokens;
  }
  return Status();
}

}  // namespace samara::vulkan
