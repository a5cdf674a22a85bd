// Calls of linear, norms, rotary embedding and gated units.
#include "backends/cpu/plan.h"
#include "formats/operators.h"

namespace samara::cpu {
namespace {

// --- linear, matmul

struct LinearCall : Call {
  StepDim n_tokens;
  Operand x, residual, y;
  PackFn pack;
  LinearFn linear;
  bool pack_single;  // one token is packed too
  uint32_t tokens_per_task, tiles_per_task;
  uint64_t n_tiles, tile_work, products_per_piece;
  PackArgs pack_args;  // without x
  LinearArgs args;     // without x, residual, y
};

struct PackJob {
  PackFn pack;
  PackArgs args;
  uint64_t n_tokens;
};
void PackTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const PackJob& job = *static_cast<const PackJob*>(context);
  end *= kTokenTile;
  job.pack(job.args, begin * kTokenTile, end < job.n_tokens ? end : job.n_tokens);
}

struct LinearJob {
  LinearFn linear;
  LinearArgs args;
  uint64_t n_tokens, n_tiles, tokens_per_task, tiles_per_task, n_blocks;
};
// One block of tokens: task = weight tile. More: task = group of tiles * token blocks + block, so
// that a group's weights and a block's activations stay in the cache together.
void LinearTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const LinearJob& job = *static_cast<const LinearJob*>(context);
  if (job.n_blocks == 1) return job.linear(job.args, begin, end, 0, job.n_tokens);
  for (uint64_t task = begin; task < end; ++task) {
    const uint64_t tile = task / job.n_blocks * job.tiles_per_task;
    const uint64_t tile_end =
        tile + job.tiles_per_task < job.n_tiles ? tile + job.tiles_per_task : job.n_tiles;
    const uint64_t token = task % job.n_blocks * job.tokens_per_task;
    const uint64_t token_end = token + job.tokens_per_task;
    job.linear(job.args, tile, tile_end, token,
               token_end < job.n_tokens ? token_end : job.n_tokens);
  }
}

bool RunLinear(const Call* base, RunContext* context) {
  const LinearCall& call = *static_cast<const LinearCall*>(base);
  const uint64_t n = static_cast<uint64_t>(call.n_tokens.At(*context));
  if (n == 0) return true;
  LinearJob job;
  job.linear = call.linear;
  job.args = call.args;
  const float* x = call.x.At<const float>(*context);
  if (n == 1 && !call.pack_single) {
    job.args.f32 = x;
  } else {
    PackJob pack = {call.pack, call.pack_args, n};
    pack.args.x = x;
    pack.args.x_stride = call.x.stride;
    const uint64_t groups = (n + kTokenTile - 1) / kTokenTile;
    if (!RunRows(context, groups, call.args.cols * kTokenTile, PackTask, &pack)) return false;
  }
  if (call.residual.present()) {
    job.args.residual = call.residual.At<const float>(*context);
    job.args.residual_stride = call.residual.stride;
  }
  job.args.y = call.y.At<float>(*context);
  job.args.y_stride = call.y.stride;
  job.n_tokens = n;
  job.tokens_per_task = call.tokens_per_task;
  job.tiles_per_task = call.tiles_per_task;
  job.n_blocks = (n + call.tokens_per_task - 1) / call.tokens_per_task;
  job.n_tiles = call.n_tiles;
  uint64_t tasks = call.n_tiles, work = call.tile_work * n;
  if (job.n_blocks > 1) {
    tasks = (call.n_tiles + call.tiles_per_task - 1) / call.tiles_per_task * job.n_blocks;
    work = call.tile_work * call.tiles_per_task * call.tokens_per_task;
  }
  const uint64_t max_piece = call.products_per_piece / work + 1;
  return context->pool->Run(tasks, max_piece, LinearTask, &job, *context->cancel);
}

// Both lists have the weight types in one order.
static_assert(static_cast<int>(DType::kMXFP4) - static_cast<int>(DType::kF32) ==
                  static_cast<int>(Codec::kMXFP4) &&
              static_cast<int>(Codec::kMXFP4) + 1 == kNumCodecs);
bool CodecOf(DType dtype, Codec* codec) {
  if (dtype < DType::kF32 || dtype > DType::kMXFP4) return false;
  *codec = static_cast<Codec>(static_cast<int>(dtype) - static_cast<int>(DType::kF32));
  return true;
}

// --- rms_norm, rope_table, rope, glu

template <typename Args, typename Fn>
struct RowCall : Call {
  StepDim n_tokens;
  Operand x, table, y;
  uint64_t work;
  Fn fn;
  Args args;
};
template <typename Args, typename Fn>
struct RowJob {
  Fn fn;
  Args args;
};
template <typename Args, typename Fn>
void RowTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const auto& job = *static_cast<const RowJob<Args, Fn>*>(context);
  job.fn(job.args, begin, end);
}

using RmsNormCall = RowCall<RmsNormArgs, RmsNormFn>;
using RopeTableCall = RowCall<RopeTableArgs, RopeTableFn>;
using RopeCall = RowCall<RopeArgs, RopeFn>;
using GluCall = RowCall<GluArgs, GluFn>;

// The operands of a step in kernel form.
void Resolve(const RmsNormCall& call, const RunContext& context, RmsNormArgs* args) {
  args->x = call.x.At<const float>(context);
  args->x_stride = call.x.stride;
  args->y = call.y.At<float>(context);
  args->y_stride = call.y.stride;
}
void Resolve(const RopeTableCall& call, const RunContext& context, RopeTableArgs* args) {
  args->positions = call.x.At<const uint8_t>(context);
  args->positions_stride = call.x.stride;
  args->y = call.y.At<float>(context);
  args->y_stride = call.y.stride;
}
void Resolve(const RopeCall& call, const RunContext& context, RopeArgs* args) {
  args->x = call.x.At<const float>(context);
  args->x_stride = call.x.stride;
  args->table = call.table.At<const float>(context);
  args->table_stride = call.table.stride;
  args->y = call.y.At<float>(context);
  args->y_stride = call.y.stride;
}
void Resolve(const GluCall& call, const RunContext& context, GluArgs* args) {
  args->x = call.x.At<const float>(context);
  args->x_stride = call.x.stride;
  args->y = call.y.At<float>(context);
  args->y_stride = call.y.stride;
}

template <typename Args, typename Fn>
bool RunRowCall(const Call* base, RunContext* context) {
  const auto& call = *static_cast<const RowCall<Args, Fn>*>(base);
  RowJob<Args, Fn> job = {call.fn, call.args};
  Resolve(call, *context, &job.args);
  const uint64_t n = static_cast<uint64_t>(call.n_tokens.At(*context));
  return RunRows(context, n, call.work, RowTask<Args, Fn>, &job);
}

template <typename Args, typename Fn>
Status NewRowCall(Builder* b, const Op& op, Fn fn, RowCall<Args, Fn>** call) {
  SAMARA_RETURN_IF_ERROR(b->NewCall(call, RunRowCall<Args, Fn>));
  SAMARA_RETURN_IF_ERROR(b->DimOf(op.outputs[0], 0, &(*call)->n_tokens));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.inputs[0], &(*call)->x));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.outputs[0], &(*call)->y));
  uint64_t n;
  SAMARA_RETURN_IF_ERROR(b->ConstantDim(op.outputs[0], 1, &n));
  (*call)->work = n;
  (*call)->fn = fn;
  return Status();
}

Status AddRmsNorm(Builder* b, const Op& op) {
  RmsNormCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(NewRowCall(b, op, b->kernels().rms_norm, &call));
  if (op.inputs.size() > 1)
    SAMARA_RETURN_IF_ERROR(b->BindOptionalFloats(op.inputs[1], &call->args.weight));
  if (op.inputs.size() > 2)
    SAMARA_RETURN_IF_ERROR(b->BindOptionalFloats(op.inputs[2], &call->args.bias));
  call->args.centred = op.code == OpCode::kLayerNorm;
  call->args.cols = call->work;
  const int64_t group = op.Int(AttrKey::kGroup);
  call->args.group = group == 0 ? call->work : static_cast<uint64_t>(group);
  call->args.eps = static_cast<float>(op.Float(AttrKey::kEps));
  return Status();
}

Status AddRopeTable(Builder* b, const Op& op) {
  RopeTableCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(NewRowCall(b, op, b->kernels().rope_table, &call));
  SAMARA_RETURN_IF_ERROR(b->BindFloats(op.inputs[1], &call->args.inv_freq));
  call->args.n = call->work / 2;
  call->args.factor = static_cast<float>(op.Float(AttrKey::kFactor, 1));
  call->work *= 8;
  return Status();
}

Status AddRope(Builder* b, const Op& op) {
  RopeCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(NewRowCall(b, op, b->kernels().rope, &call));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.inputs[1], &call->table));
  SAMARA_RETURN_IF_ERROR(b->ConstantDim(op.inputs[1], 1, &call->args.rotary));
  call->args.head_dim = static_cast<uint64_t>(op.Int(AttrKey::kHeadDim));
  call->args.heads = call->work / call->args.head_dim;
  call->args.interleaved = op.Int(AttrKey::kInterleaved) != 0;
  return Status();
}

Status AddGlu(Builder* b, const Op& op) {
  GluCall* call = nullptr;
  const int64_t act = op.Int(AttrKey::kActivation);
  if (act < 0 || act >= kNumActivations)
    return Unsupported("activation %lld", static_cast<long long>(act));
  SAMARA_RETURN_IF_ERROR(NewRowCall(b, op, b->kernels().glu[act], &call));
  call->args.n = call->work;
  call->args.gated = op.code == OpCode::kGlu;
  call->work *= 4;
  return Status();
}

}  // namespace

Status AddLinear(Builder* b, const Op& op) {
  LinearCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunLinear));
  SAMARA_RETURN_IF_ERROR(b->DimOf(op.outputs[0], 0, &call->n_tokens));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.inputs[0], &call->x));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.outputs[0], &call->y));
  Builder::Matrix matrix;
  SAMARA_RETURN_IF_ERROR(b->BindMatrix(op.inputs[1], &matrix));
  Codec codec;
  if (!CodecOf(matrix.dtype, &codec))
    return Unsupported("weights of type %s", DTypeName(matrix.dtype));
  if (op.inputs.size() > 2)
    SAMARA_RETURN_IF_ERROR(b->BindOptionalFloats(op.inputs[2], &call->args.bias));
  if (op.inputs.size() > 3 && op.inputs[3] != kNoValue)
    SAMARA_RETURN_IF_ERROR(b->Bind(op.inputs[3], &call->residual));

  uint64_t tokens;
  SAMARA_RETURN_IF_ERROR(b->Capacity(op.outputs[0], 0, &tokens));
  const KernelTable& k = b->kernels();
  call->pack = k.pack[static_cast<int>(codec)];
  call->linear = k.linear[static_cast<int>(codec)];
  call->tokens_per_task = k.tokens_per_task;
  call->tiles_per_task = k.tiles_per_task;
  call->products_per_piece = k.products_per_piece;
  call->n_tiles = (matrix.rows + matrix.tile_rows - 1) / matrix.tile_rows;
  call->tile_work = matrix.tile_rows * matrix.cols + 1;
  call->args.weights = matrix.data;
  call->args.tile_bytes = matrix.tile_bytes;
  call->args.rows = matrix.rows;
  call->args.cols = matrix.cols;
  call->pack_args.cols = matrix.cols;
  call->pack_single = codec != Codec::kF32 && codec != Codec::kF16;
  if (codec == Codec::kF32 || codec == Codec::kF16 || codec == Codec::kBF16) {
    const uint64_t padded = codec == Codec::kBF16 ? (matrix.cols + 1) / 2 * 2 : matrix.cols;
    if (call->pack_single || tokens > 1) call->pack_args.f32 = b->Scratch<float>(tokens * padded);
    call->args.f32 = call->pack_args.f32;
  } else {
    const uint64_t blocks = (matrix.cols + 31) / 32;
    call->pack_args.q = b->Scratch<int8_t>(tokens * blocks * 32);
    call->pack_args.d = b->Scratch<float>(tokens * blocks);
    call->pack_args.sums = b->Scratch<int32_t>(tokens * blocks * SumsOfBlock(codec));
    call->args.q = call->pack_args.q;
    call->args.d = call->pack_args.d;
    call->args.sums = call->pack_args.sums;
  }
  return Status();
}

Status AddFused(Builder* b, const Op& op) {
  switch (op.code) {
    case OpCode::kRmsNorm:
    case OpCode::kLayerNorm:
      return AddRmsNorm(b, op);
    case OpCode::kRopeTable:
      return AddRopeTable(b, op);
    case OpCode::kRope:
      return AddRope(b, op);
    case OpCode::kGlu:
    case OpCode::kActivate:
      return AddGlu(b, op);
    default:
      return Internal("not a row operator");
  }
}

}  // namespace samara::cpu
