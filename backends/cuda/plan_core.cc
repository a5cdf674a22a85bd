// One operator at a time.
#include <algorithm>

#include "backends/cuda/plan.h"
#include "formats/operands.h"

namespace samara::cuda {
namespace {

constexpr uint64_t kMostBlocks = 4096;  // of loops over elements

uint64_t Blocks(uint64_t work, uint64_t each) {
  return std::clamp<uint64_t>((work + each - 1) / each, 1, kMostBlocks);
}

}  // namespace

Status Planner::EmitOp(uint32_t i) {
  const Op& op = OpAt(i);
  switch (op.code) {
    case OpCode::kMatmul:
    case OpCode::kLinear: {
      Product product;
      product.op = i;
      product.x = op.inputs[0];
      product.weight = op.inputs[1];
      product.bias = op.inputs.size() > 2 ? op.inputs[2] : kNoValue;
      product.residual = op.inputs.size() > 3 ? op.inputs[3] : kNoValue;
      product.out = op.outputs[0];
      return EmitProduct(product);
    }
    case OpCode::kLayerNorm:
    case OpCode::kRmsNorm: {
      const auto cols = static_cast<uint64_t>(ValueOf(op.outputs[0]).shape.dims[1].constant);
      SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, Capacity(op.outputs[0], 0));
      const ValueId weight = op.inputs.size() > 1 ? op.inputs[1] : kNoValue;
      if (KeptQuantized(op.outputs[0])) {
        return EmitQuantize(i, op.inputs[0], weight, op.Float(AttrKey::kEps), true,
                            Rows(op.outputs[0]), rows);
      }
      RmsNormArgs args = {};
      args.step = Step();
      args.x = Rows(op.inputs[0]);
      args.out = Rows(op.outputs[0]);
      args.weight = Vector(weight);
      args.bias = Vector(op.inputs.size() > 2 ? op.inputs[2] : kNoValue);
      args.centred = op.code == OpCode::kLayerNorm ? 1 : 0;
      SAMARA_ASSIGN_OR_RETURN(args.n_rows, AddDim(ValueOf(op.outputs[0]).shape.dims[0]));
      args.cols = static_cast<uint32_t>(cols);
      const int64_t group = op.Int(AttrKey::kGroup);
      args.group = group > 0 ? static_cast<uint32_t>(group) : args.cols;
      args.eps = static_cast<float>(op.Float(AttrKey::kEps));
      Emit(i, FindKernel(Kernel::kRmsNorm), Blocks(rows * (args.cols / args.group), 8), 1, 0, args);
      return {};
    }
    case OpCode::kRopeTable: {
      RopeTableArgs args = {};
      args.step = Step();
      SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[0], &args.positions));
      SAMARA_RETURN_IF_ERROR(Tensor(op.outputs[0], &args.out));
      args.inv_freq = Vector(op.inputs[1]);
      args.factor = static_cast<float>(op.Float(AttrKey::kFactor, 1));
      SAMARA_ASSIGN_OR_RETURN(const uint64_t n, CapacityElements(op.outputs[0]));
      Emit(i, FindKernel(Kernel::kRopeTable), Blocks(n / 2, 256), 1, 0, args);
      return {};
    }
    case OpCode::kActivate:
    case OpCode::kGlu: {
      GluArgs args = {};
      args.step = Step();
      args.x = Rows(op.inputs[0]);
      args.out = Rows(op.outputs[0]);
      SAMARA_ASSIGN_OR_RETURN(args.n_rows, AddDim(ValueOf(op.outputs[0]).shape.dims[0]));
      SAMARA_ASSIGN_OR_RETURN(const uint64_t cols, Capacity(op.outputs[0], 1));
      SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, Capacity(op.outputs[0], 0));
      args.cols = static_cast<uint32_t>(cols);
      args.activation = static_cast<uint32_t>(op.Int(AttrKey::kActivation));
      args.gated = op.code == OpCode::kGlu ? 1 : 0;
      args.quantize = KeptQuantized(op.outputs[0]) ? 1 : 0;
      Emit(i, FindKernel(Kernel::kGlu), Blocks(rows * ((cols + 31) / 32 * 8), 256), 1, 0, args);
      return {};
    }
    case OpCode::kAttention:
      return EmitAttention(i);
    default:
      return EmitCore(i);
  }
}

Status Planner::EmitAttention(uint32_t i) {
  const Op& op = OpAt(i);
  AttentionArgs args = {};
  args.step = Step();
  args.q = Rows(op.inputs[0]);
  args.out = Rows(op.outputs[0]);
  SAMARA_ASSIGN_OR_RETURN(args.n_rows, AddDim(ValueOf(op.outputs[0]).shape.dims[0]));
  SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, Capacity(op.outputs[0], 0));
  args.heads = static_cast<uint32_t>(op.Int(AttrKey::kHeads));
  args.kv_heads = static_cast<uint32_t>(op.Int(AttrKey::kKvHeads));
  args.key_dim = static_cast<uint32_t>(op.Int(AttrKey::kKeyDim));
  args.value_dim = static_cast<uint32_t>(op.Int(AttrKey::kValueDim));
  args.scale = static_cast<float>(op.Float(AttrKey::kScale, 1));
  args.softcap = static_cast<float>(op.Float(AttrKey::kSoftcap));
  args.window = static_cast<uint64_t>(op.Int(AttrKey::kWindow));
  args.sinks = Vector(op.inputs.size() > 2 ? op.inputs[2] : kNoValue);
  args.quantize = KeptQuantized(op.outputs[0]) ? 1 : 0;
  SAMARA_ASSIGN_OR_RETURN(args.keys, StateOf(op.inputs[1], 0));
  SAMARA_ASSIGN_OR_RETURN(args.values, StateOf(op.inputs[1], 1));
  const uint64_t group = args.heads / args.kv_heads;
  const uint64_t tiles = (group + 7) / 8;
  args.heads_per_block = static_cast<uint32_t>((group + tiles - 1) / tiles);
  // Few rows leave most of the chip idle: their ranges are shared out. The number is the same on every device, since
  // the scratch is planned without one.
  constexpr uint64_t kWantedBlocks = 288, kMostSplits = 32;
  const uint64_t chunks = args.keys.blocks_per_seq;
  uint64_t splits = 1;
  if (rows <= kFewRows && rows * args.heads <= kTickets) {
    const uint64_t blocks = rows * args.kv_heads * tiles;
    splits = std::clamp<uint64_t>((kWantedBlocks + blocks - 1) / blocks, 1,
                                  std::min(kMostSplits, (chunks + 1) / 2));
  }
  args.splits = static_cast<uint32_t>(splits);
  if (splits > 1) {
    args.partials = reinterpret_cast<float*>(
        Scratch(i, rows * args.heads * splits * (args.value_dim + 2) * sizeof(float)));
    args.tickets = request_.shared.tickets;
  }
  const uint32_t vector = args.keys.type == kF32 ? 4 : args.keys.type == kF16 ? 8 : 16;
  Entry entry = FindAttention(args.keys.type, args.value_dim % vector == 0);
  entry.threads = 32 * args.heads_per_block;
  Emit(i, entry, uint64_t{args.kv_heads} * tiles * splits, rows,
       uint64_t{entry.shared_bytes} * args.heads_per_block, args);
  return {};
}

Status Planner::EmitCore(uint32_t i) {
  const Op& op = OpAt(i);
  const auto code = static_cast<uint32_t>(op.code);
  const ValueId out = op.outputs.empty() ? kNoValue : op.outputs[0];
  uint64_t n = 0;
  if (out != kNoValue) {
    SAMARA_ASSIGN_OR_RETURN(n, CapacityElements(out));
  }
  switch (op.code) {
    case OpCode::kConstant:
    case OpCode::kIota: {
      FillArgs args = {};
      args.step = Step();
      args.code = code;
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      args.axis = static_cast<uint32_t>(op.Int(AttrKey::kAxis));
      args.value = static_cast<float>(op.Float(AttrKey::kValue));
      Emit(i, FindKernel(Kernel::kFill), Blocks(n, 256), 1, 0, args);
      return {};
    }
    case OpCode::kReduceSum:
    case OpCode::kReduceMax: {
      ReduceArgs args = {};
      args.step = Step();
      args.code = code;
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[0], &args.in));
      args.axis = static_cast<uint32_t>(op.Int(AttrKey::kAxis));
      Emit(i, FindKernel(Kernel::kReduce), Blocks(n, 8), 1, 0, args);
      return {};
    }
    case OpCode::kReshape:
    case OpCode::kTranspose:
    case OpCode::kSlice: {
      CopyArgs args = {};
      args.step = Step();
      args.code = code;
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[0], &args.in));
      args.axis = static_cast<uint32_t>(op.Int(AttrKey::kAxis));
      args.begin = static_cast<uint64_t>(op.Int(AttrKey::kBegin));
      if (const Attr* perm = op.Find(AttrKey::kPerm)) {
        for (size_t d = 0; d < perm->ints.size() && d < kMaxTensorRank; ++d) {
          args.perm[d] = static_cast<uint8_t>(perm->ints[d]);
        }
      }
      Emit(i, FindKernel(Kernel::kCopy), Blocks(n, 256), 1, 0, args);
      return {};
    }
    case OpCode::kConcat: {
      CopyArgs args = {};
      args.step = Step();
      args.code = code;
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      args.axis = static_cast<uint32_t>(op.Int(AttrKey::kAxis));
      for (ValueId in : op.inputs) {
        SAMARA_RETURN_IF_ERROR(Tensor(in, &args.in));
        SAMARA_ASSIGN_OR_RETURN(const uint64_t elements, CapacityElements(in));
        Emit(i, FindKernel(Kernel::kCopy), Blocks(elements, 256), 1, 0, args);
        args.before[args.n_before++] = args.in.dims[args.axis];
      }
      return {};
    }
    case OpCode::kGather: {
      GatherArgs args = {};
      args.step = Step();
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[1], &args.rows));
      const Value& table = ValueOf(op.inputs[0]);
      if (table.kind == ValueKind::kWeight) {
        const Weight& weight = spec_.package->weights[static_cast<size_t>(table.index)];
        args.matrix = BindMatrix(
            weight,
            spec_.weights.empty() ? 0 : spec_.weights[static_cast<size_t>(table.index)].device);
      } else {
        SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[0], &args.table));
      }
      Emit(i, FindKernel(Kernel::kGather), Blocks(n, 256), 1, 0, args);
      return {};
    }
    case OpCode::kBatchMatmul: {
      BatchMatmulArgs args = {};
      args.step = Step();
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[0], &args.x));
      SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[1], &args.y));
      Emit(i, FindKernel(Kernel::kBatchMatmul), Blocks(n, 256), 1, 0, args);
      return {};
    }
    case OpCode::kStateRead: {
      StateReadArgs args = {};
      args.step = Step();
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      SAMARA_ASSIGN_OR_RETURN(args.state,
                              StateOf(op.inputs[0], static_cast<uint32_t>(op.Int(AttrKey::kPart))));
      Emit(i, FindKernel(Kernel::kStateRead), Blocks(n, 256), 1, 0, args);
      return {};
    }
    case OpCode::kStateVisible: {
      StateVisibleArgs args = {};
      args.step = Step();
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      SAMARA_ASSIGN_OR_RETURN(args.state, StateOf(op.inputs[0], 0));
      args.window = static_cast<uint64_t>(op.Int(AttrKey::kWindow));
      SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, Capacity(out, 0));
      Emit(i, FindKernel(Kernel::kStateVisible), rows, 1, 0, args);
      return {};
    }
    case OpCode::kRope:
    case OpCode::kStateWrite: {
      Product product;
      product.op = i;
      HeadsChain chain;
      chain.in = op.inputs[0];
      const auto cols = static_cast<uint64_t>(ValueOf(chain.in).shape.dims[1].constant);
      if (op.code == OpCode::kRope) {
        chain.table = op.inputs[1];
        chain.interleaved = op.Int(AttrKey::kInterleaved);
        chain.out = out;
        chain.dim = static_cast<uint32_t>(op.Int(AttrKey::kHeadDim));
      } else {
        chain.state = op.inputs[1];
        chain.part = static_cast<uint32_t>(op.Int(AttrKey::kPart));
        SAMARA_ASSIGN_OR_RETURN(const StateArg state, StateOf(chain.state, chain.part));
        chain.dim = state.dim;
      }
      chain.heads = static_cast<uint32_t>(cols / chain.dim);
      product.chains.push_back(chain);
      return EmitHeads(product);
    }
    default: {
      ElementwiseArgs args = {};
      args.step = Step();
      args.code = code;
      SAMARA_RETURN_IF_ERROR(Tensor(out, &args.out));
      for (size_t k = 0; k < 3 && k < op.inputs.size(); ++k) {
        SAMARA_RETURN_IF_ERROR(Tensor(op.inputs[k], &args.in[k]));
      }
      Emit(i, FindKernel(Kernel::kElementwise), Blocks(n, 256), 1, 0, args);
      return {};
    }
  }
}

}  // namespace samara::cuda
