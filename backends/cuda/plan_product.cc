// Products of rows with a matrix, and heads.
#include <algorithm>

#include "backends/cuda/plan.h"

namespace samara::cuda {
namespace {

constexpr uint64_t kTile = 64;  // rows and columns of a block of a Gemm

uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

}  // namespace

Status Planner::EmitQuantize(uint32_t op, ValueId x, ValueId norm_weight, double eps, bool norm,
                             const RowsArg& out, uint64_t rows) {
  PrepareArgs args = {};
  args.step = Step();
  args.x = Rows(x);
  args.norm_weight = Vector(norm_weight);
  args.norm = norm ? 1 : 0;
  args.eps = static_cast<float>(eps);
  SAMARA_ASSIGN_OR_RETURN(args.n_rows, AddDim(ValueOf(x).shape.dims[0]));
  SAMARA_ASSIGN_OR_RETURN(const uint64_t cols, Capacity(x, 1));
  args.cols = static_cast<uint32_t>(cols);
  args.out = out;
  const Entry entry = FindKernel(Kernel::kQuantize);
  Emit(op, entry, rows, 1, entry.shared_bytes, args);
  return {};
}

// Segments and rotation of a heads epilogue or kernel.
Status Planner::HeadsOf(const Product& product, HeadsSegment* segments, RotationArg* rotation) {
  for (size_t k = 0; k < product.chains.size(); ++k) {
    const HeadsChain& chain = product.chains[k];
    HeadsSegment& s = segments[k];
    s = {};
    if (chain.in != kNoValue) s.in = Rows(chain.in);
    s.norm = Vector(chain.norm);
    s.normalize = chain.normalize ? 1 : 0;
    s.eps = static_cast<float>(chain.eps);
    s.heads = chain.heads;
    s.dim = chain.dim;
    if (chain.table != kNoValue) {
      s.rotate = 1;
      rotation->table = Rows(chain.table);
      rotation->rotated = static_cast<uint32_t>(ValueOf(chain.table).shape.dims[1].constant);
      rotation->interleaved = chain.interleaved != 0 ? 1 : 0;
    }
    if (chain.state != kNoValue) {
      s.target = kToState;
      SAMARA_ASSIGN_OR_RETURN(s.state, StateOf(chain.state, chain.part));
    } else {
      s.out = Rows(chain.out);
    }
  }
  return {};
}

Status Planner::EmitHeads(const Product& product) {
  HeadsArgs args = {};
  args.step = Step();
  args.n_segments = static_cast<uint32_t>(product.chains.size());
  SAMARA_RETURN_IF_ERROR(HeadsOf(product, args.segments, &args.rotation));
  const ValueId in = product.chains[0].in;
  SAMARA_ASSIGN_OR_RETURN(args.n_rows, AddDim(ValueOf(in).shape.dims[0]));
  SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, Capacity(in, 0));
  uint64_t heads = 0;
  for (const HeadsChain& chain : product.chains) {
    heads += chain.heads;
    args.max_dim = std::max(args.max_dim, chain.dim);
  }
  Entry entry = FindKernel(Kernel::kHeads);
  const uint64_t warps =
      std::clamp<uint64_t>(kPlainShared / (args.max_dim * sizeof(float)), 1, entry.threads / 32);
  entry.threads = static_cast<uint32_t>(32 * warps);
  Emit(product.op, entry, std::min<uint64_t>(CeilDiv(rows * heads, warps), 65536), 1,
       warps * args.max_dim * sizeof(float), args);
  return {};
}

Status Planner::EmitProduct(const Product& product) {
  const Value& weight_value = ValueOf(product.weight);
  const auto index = static_cast<size_t>(weight_value.index);
  const Weight& weight = spec_.package->weights[index];
  const ValueId shape_of = product.x;
  SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, Capacity(shape_of, 0));
  const uint32_t type = static_cast<uint32_t>(weight.dtype);
  // Turing's tensor cores know no bf16.
  const uint32_t capability = request_.facts.capability;  // 0 in Measure, which plans for all
  const bool no_tensor = type == kBF16 && capability != 0 && capability < 80;
  if (rows > kFewRows && !no_tensor) return EmitGemm(product, rows);

  MatVecArgs args = {};
  args.step = Step();
  args.matrix = BindMatrix(weight, spec_.weights.empty() ? 0 : spec_.weights[index].device);
  SAMARA_ASSIGN_OR_RETURN(args.n_rows, AddDim(ValueOf(shape_of).shape.dims[0]));
  args.x = Rows(product.x);
  const bool quantized = type >= kQ8_0;
  const bool prepared = KeptQuantized(product.x);
  uint32_t tokens = static_cast<uint32_t>(std::min<uint64_t>(rows, kFewRows));
  args.source = prepared ? kSourceQuantized : kSourceFloat;
  args.norm = product.norm ? 1 : 0;
  args.norm_weight = Vector(product.norm_weight);
  args.eps = static_cast<float>(product.eps);
  uint64_t shared = MatVecShared(type, 0, 0);
  if (args.source == kSourceFloat) {
    while (tokens > 1 && MatVecShared(type, weight.cols, tokens) > kMostShared) {
      tokens = (tokens + 1) / 2;
    }
    shared = MatVecShared(type, weight.cols, tokens);
    if (shared > kMostShared) {
      // A row is too long for shared memory (never with a norm: FuseProduct looks).
      shared = MatVecShared(type, 0, 0);
      args.source = quantized ? kSourceQuantized : kSourceDirect;
    }
  }
  if (quantized && !prepared) {
    // Taken in any case, so that fused and plain forms need the same memory.
    uint8_t* scratch = Scratch(product.op, rows * QuantizedRowBytes(weight.cols));
    if (args.source == kSourceQuantized) {
      const RowsArg out = {scratch, QuantizedRowBytes(weight.cols)};
      SAMARA_RETURN_IF_ERROR(EmitQuantize(product.op, product.x, kNoValue, 0, false, out, rows));
      args.x = out;
    }
  }
  args.x_aligned = (reinterpret_cast<uintptr_t>(args.x.data) | args.x.row_bytes) % 16 == 0 ? 1 : 0;
  args.bias = Vector(product.bias);
  args.epilogue = product.epilogue;
  args.residual = Rows(product.residual);
  args.out = Rows(product.out);
  args.activation = static_cast<uint32_t>(product.activation);
  args.quantize = product.out != kNoValue && KeptQuantized(product.out) ? 1 : 0;
  args.n_pairs = static_cast<uint32_t>(CeilDiv(weight.rows, 2));
  if (product.epilogue == kHeads) {
    args.n_segments = static_cast<uint32_t>(product.chains.size());
    SAMARA_RETURN_IF_ERROR(HeadsOf(product, args.segments, &args.rotation));
    uint32_t pairs = 0;
    for (size_t k = 0; k < product.chains.size(); ++k) {
      args.segment_pairs[k] = pairs;
      pairs += product.chains[k].heads * product.chains[k].dim / 2;
    }
  }
  // Enough blocks for the chip, not many more: each does the head of the kernel again.
  const uint64_t multiprocessors =
      request_.facts.multiprocessors != 0 ? request_.facts.multiprocessors : 132;
  constexpr uint64_t kWarps = 8;
  uint64_t per_warp = CeilDiv(args.n_pairs, kWarps * multiprocessors * 4);
  if (product.epilogue == kGlu && args.quantize != 0) per_warp = 32 / kWarps;
  args.pairs_per_warp = static_cast<uint32_t>(per_warp);
  args.tokens = tokens;
  Emit(product.op, FindMatVec(type, tokens > 1), CeilDiv(args.n_pairs, kWarps * per_warp),
       CeilDiv(rows, tokens), shared, args);
  return {};
}

Status Planner::EmitGemm(const Product& product, uint64_t rows) {
  const auto index = static_cast<size_t>(ValueOf(product.weight).index);
  const Weight& weight = spec_.package->weights[index];
  const uint32_t type = static_cast<uint32_t>(weight.dtype);
  GemmArgs args = {};
  args.step = Step();
  args.matrix = BindMatrix(weight, spec_.weights.empty() ? 0 : spec_.weights[index].device);
  SAMARA_ASSIGN_OR_RETURN(args.n_rows, AddDim(ValueOf(product.x).shape.dims[0]));
  args.x = Rows(product.x);
  args.bias = Vector(product.bias);
  args.residual = Rows(product.residual);
  args.out = Rows(product.out);
  if (type >= kQ8_0 && !KeptQuantized(product.x)) {
    args.x.row_bytes = QuantizedRowBytes(weight.cols);
    args.x.data = Scratch(product.op, rows * args.x.row_bytes);
    SAMARA_RETURN_IF_ERROR(EmitQuantize(product.op, product.x, kNoValue, 0, false, args.x, rows));
  } else if (type == kF16 || type == kBF16) {
    PrepareArgs prepare = {};
    prepare.step = Step();
    prepare.x = Rows(product.x);
    prepare.n_rows = args.n_rows;
    prepare.cols = static_cast<uint32_t>(weight.cols);
    prepare.form = type == kF16 ? 1 : 2;
    const uint64_t row_bytes = CeilDiv(weight.cols, 32) * 64;
    args.x = {Scratch(product.op, rows * row_bytes), row_bytes};
    prepare.out = args.x;
    if (type == kF16) {
      args.x_low = {Scratch(product.op, rows * row_bytes), row_bytes};
      args.row_scale = reinterpret_cast<float*>(Scratch(product.op, rows * sizeof(float)));
      prepare.low = args.x_low;
      prepare.row_scale = const_cast<float*>(args.row_scale);
    }
    const Entry entry = FindKernel(Kernel::kPrepare);
    Emit(product.op, entry, rows, 1, entry.shared_bytes, prepare);
  }
  const Entry entry = FindGemm(type);
  Emit(product.op, entry, CeilDiv(weight.rows, kTile), CeilDiv(rows, kTile), entry.shared_bytes,
       args);
  return {};
}

}  // namespace samara::cuda
