// Calls of attention and of the operators that read and write states.
#include <cstring>

#include "backends/cpu/plan.h"
#include "formats/operators.h"
#include "formats/quant/blocks.h"

namespace samara::cpu {
namespace {

uint64_t PoolSlots(const Builder& b, const State& state) {
  return uint64_t{b.spec().step_layout->pool_blocks[state.group]} * kBlockSlots;
}

// --- state_write

struct WriteCall : Call {
  StepDim n_tokens;
  Operand x;
  StateWriteFn fn;
  StateWriteArgs args;
};
struct WriteJob {
  StateWriteFn fn;
  StateWriteArgs args;
  uint64_t n_tokens;
};
void WriteTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const WriteJob& job = *static_cast<const WriteJob*>(context);
  job.fn(job.args, job.n_tokens, begin, end);
}
bool RunWrite(const Call* base, RunContext* context) {
  const WriteCall& call = *static_cast<const WriteCall*>(base);
  WriteJob job = {call.fn, call.args, static_cast<uint64_t>(call.n_tokens.At(*context))};
  job.args.x = call.x.At<const float>(*context);
  job.args.x_stride = call.x.stride;
  job.args.step = ResolveAccess(call.args.step, *context);
  return RunRows(context, call.args.heads, call.args.dim * job.n_tokens, WriteTask, &job);
}

Status AddWrite(Builder* b, const Op& op) {
  WriteCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunWrite));
  SAMARA_RETURN_IF_ERROR(b->DimOf(op.inputs[0], 0, &call->n_tokens));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.inputs[0], &call->x));
  Builder::Pool pool;
  SAMARA_RETURN_IF_ERROR(b->BindState(op.inputs[1], &pool));
  const int64_t part = op.Int(AttrKey::kPart);
  if (part < 0 || part > 1) return Unsupported("state part %lld", static_cast<long long>(part));
  call->fn = pool.dtype == DType::kF32    ? b->kernels().state_write_f32
             : pool.dtype == DType::kF16  ? b->kernels().state_write_f16
             : pool.dtype == DType::kQ8_0 ? b->kernels().state_write_q8_0
                                          : b->kernels().state_write_q4_0;
  call->args.step = pool.access;
  call->args.part = pool.parts[part];
  call->args.heads = pool.state->parts[static_cast<size_t>(part)].heads;
  call->args.dim = pool.state->parts[static_cast<size_t>(part)].dim;
  call->args.transposed = part == 0;
  return Status();
}

// --- state_read

struct ReadCall : Call {
  Operand y;
  const uint8_t* part;
  DType dtype;
  uint64_t slots, heads, dim;
  bool transposed;
};
void ReadTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const ReadCall& call = *static_cast<const ReadCall*>(context);
  float* y = reinterpret_cast<float*>(call.y.base);
  for (uint64_t slot = begin; slot < end; ++slot) {
    for (uint64_t h = 0; h < call.heads; ++h) {
      const uint8_t* head =
          call.part + (slot / kBlockSlots * call.heads + h) * KvHeadBytes(call.dtype, call.dim);
      const uint64_t width = KvSlotElements(call.dtype, call.dim);
      const auto* scales = reinterpret_cast<const uint16_t*>(head + width * kBlockSlots);
      const uint64_t j = slot % kBlockSlots;
      float* row = reinterpret_cast<float*>(reinterpret_cast<uint8_t*>(y) + slot * call.y.stride) +
                   h * call.dim;
      for (uint64_t d = 0; d < call.dim; ++d) {
        const uint64_t at = call.transposed ? d * kBlockSlots + j : j * call.dim + d;
        if (call.dtype == DType::kF32) {
          row[d] = reinterpret_cast<const float*>(head)[at];
        } else if (call.dtype == DType::kF16) {
          row[d] = FloatFromHalf(reinterpret_cast<const uint16_t*>(head)[at]);
        } else if (call.dtype == DType::kQ8_0) {
          row[d] = FloatFromHalf(scales[d / kKvRun * kBlockSlots + j]) *
                   static_cast<float>(static_cast<int8_t>(head[at]));
        } else {
          const uint64_t i = d / kKvRun * (kKvRun / 2) + d % (kKvRun / 2);
          const int pair = head[call.transposed ? i * kBlockSlots + j : j * width + i];
          const int nibble = (d % kKvRun < kKvRun / 2 ? pair : pair >> 4) & 15;
          row[d] = FloatFromHalf(scales[d / kKvRun * kBlockSlots + j]) *
                   static_cast<float>((nibble ^ 8) - 8);
        }
      }
    }
  }
}
bool RunRead(const Call* base, RunContext* context) {
  const ReadCall& call = *static_cast<const ReadCall*>(base);
  return RunRows(context, call.slots, call.heads * call.dim, ReadTask, &call);
}

Status AddRead(Builder* b, const Op& op) {
  ReadCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunRead));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.outputs[0], &call->y));
  Builder::Pool pool;
  SAMARA_RETURN_IF_ERROR(b->BindState(op.inputs[0], &pool));
  const int64_t part = op.Int(AttrKey::kPart);
  if (part < 0 || part > 1) return Unsupported("state part %lld", static_cast<long long>(part));
  SAMARA_RETURN_IF_ERROR(b->ConstantDim(op.outputs[0], 0, &call->slots));
  if (call->slots != PoolSlots(*b, *pool.state)) {
    return Internal("a pool of %llu slots read as %llu",
                    static_cast<unsigned long long>(PoolSlots(*b, *pool.state)),
                    static_cast<unsigned long long>(call->slots));
  }
  call->part = pool.parts[part];
  call->dtype = pool.dtype;
  call->heads = pool.state->parts[static_cast<size_t>(part)].heads;
  call->dim = pool.state->parts[static_cast<size_t>(part)].dim;
  call->transposed = part == 0;
  return Status();
}

// --- state_visible

struct VisibleCall : Call {
  StepDim n_tokens;
  Operand y;
  uint64_t slots;
  uint64_t window;
  uint32_t group, blocks_per_seq;
};
bool RunVisible(const Call* base, RunContext* context) {
  const VisibleCall& call = *static_cast<const VisibleCall*>(base);
  const StepView step = {context->step, context->layout};
  const int64_t n = call.n_tokens.At(*context);
  for (int64_t t = 0; t < n; ++t) {
    uint8_t* row = call.y.At<uint8_t>(*context) + static_cast<uint64_t>(t) * call.y.stride;
    std::memset(row, 0, call.slots);
    const TokenParams& token = step.tokens()[t];
    const uint32_t* table = step.block_tables() + step.seqs()[token.seq].block_table[call.group];
    uint64_t lo = token.visible_begin;
    const uint64_t hi = token.visible_end;
    if (call.window != 0 && hi > call.window && hi - call.window > lo) lo = hi - call.window;
    for (uint64_t s = lo; s < hi; ++s) {
      const uint64_t slot =
          uint64_t{table[s / kBlockSlots % call.blocks_per_seq]} * kBlockSlots + s % kBlockSlots;
      if (slot >= call.slots) {
        context->error.store(RunError::kBlock);
        return false;
      }
      row[slot] = 1;
    }
  }
  return true;
}

Status AddVisible(Builder* b, const Op& op) {
  VisibleCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunVisible));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.outputs[0], &call->y));
  SAMARA_RETURN_IF_ERROR(b->DimOf(op.outputs[0], 0, &call->n_tokens));
  SAMARA_RETURN_IF_ERROR(b->ConstantDim(op.outputs[0], 1, &call->slots));
  Builder::Pool pool;
  SAMARA_RETURN_IF_ERROR(b->BindState(op.inputs[0], &pool));
  call->window = static_cast<uint64_t>(op.Int(AttrKey::kWindow));
  call->group = pool.state->group;
  call->blocks_per_seq = pool.access.blocks_per_seq;
  return Status();
}

// --- attention

struct AttentionCall : Call {
  StepDim n_tokens;
  Operand q, y;
  AttentionFn fn;
  AttentionArgs args;
};
struct AttentionJob {
  AttentionFn fn;
  AttentionArgs args;
};
void AttentionTask(const void* context, uint64_t begin, uint64_t end, uint32_t worker) {
  const AttentionJob& job = *static_cast<const AttentionJob*>(context);
  job.fn(job.args, begin, end, worker);
}
bool RunAttention(const Call* base, RunContext* context) {
  const AttentionCall& call = *static_cast<const AttentionCall*>(base);
  AttentionJob job = {call.fn, call.args};
  const uint64_t n = static_cast<uint64_t>(call.n_tokens.At(*context));
  if (n == 0) return true;
  AttentionArgs& args = job.args;
  args.q = call.q.At<const float>(*context);
  args.q_stride = call.q.stride;
  args.y = call.y.At<float>(*context);
  args.y_stride = call.y.stride;
  args.step = ResolveAccess(call.args.step, *context);
  args.n_tokens = n;
  const uint64_t tasks = (n + args.tokens_per_task - 1) / args.tokens_per_task * args.kv_heads;
  // The last token sees the most, as a rule; an estimate is enough.
  const StepView step = {context->step, context->layout};
  const TokenParams& last = step.tokens()[n - 1];
  uint64_t visible = last.visible_end - last.visible_begin;
  if (args.window != 0 && args.window < visible) visible = args.window;
  const uint64_t tokens = n < args.tokens_per_task ? n : args.tokens_per_task;
  const uint64_t work =
      (visible + 64) * tokens * (args.heads / args.kv_heads) * (args.key_dim + args.value_dim) / 8;
  return RunRows(context, tasks, work, AttentionTask, &job);
}

Status AddAttention(Builder* b, const Op& op) {
  AttentionCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunAttention));
  SAMARA_RETURN_IF_ERROR(b->DimOf(op.outputs[0], 0, &call->n_tokens));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.inputs[0], &call->q));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.outputs[0], &call->y));
  Builder::Pool pool;
  SAMARA_RETURN_IF_ERROR(b->BindState(op.inputs[1], &pool));
  AttentionArgs& args = call->args;
  if (op.inputs.size() > 2)
    SAMARA_RETURN_IF_ERROR(b->BindOptionalFloats(op.inputs[2], &args.sinks));
  call->fn = pool.dtype == DType::kF32    ? b->kernels().attention_f32
             : pool.dtype == DType::kF16  ? b->kernels().attention_f16
             : pool.dtype == DType::kQ8_0 ? b->kernels().attention_q8_0
                                          : b->kernels().attention_q4_0;
  args.step = pool.access;
  args.keys = pool.parts[0];
  args.values = pool.parts[1];
  args.heads = static_cast<uint64_t>(op.Int(AttrKey::kHeads));
  args.kv_heads = static_cast<uint64_t>(op.Int(AttrKey::kKvHeads));
  args.key_dim = static_cast<uint64_t>(op.Int(AttrKey::kKeyDim));
  args.value_dim = static_cast<uint64_t>(op.Int(AttrKey::kValueDim));
  const auto& parts = pool.state->parts;
  if (args.kv_heads == 0 || args.heads % args.kv_heads != 0 || parts[0].heads != args.kv_heads ||
      parts[1].heads != args.kv_heads || parts[0].dim != args.key_dim ||
      parts[1].dim != args.value_dim) {
    return InvalidFile("attention of %llu heads over %llu does not fit state %s",
                       static_cast<unsigned long long>(args.heads),
                       static_cast<unsigned long long>(args.kv_heads),
                       Quoted(pool.state->name).c_str());
  }
  args.scale = static_cast<float>(op.Float(AttrKey::kScale, 1));
  args.softcap = static_cast<float>(op.Float(AttrKey::kSoftcap));
  args.window = static_cast<uint64_t>(op.Int(AttrKey::kWindow));
  const uint64_t group = args.heads / args.kv_heads;
  args.tokens_per_task = group >= kAttentionRows ? 1 : kAttentionRows / group;
  args.scratch_floats =
      AttentionScratchFloats(args.key_dim, args.value_dim, KvHasScales(pool.dtype));
  args.scratch = b->Scratch<float>(args.scratch_floats * b->spec().n_threads);
  return Status();
}

}  // namespace

Status AddState(Builder* b, const Op& op) {
  switch (op.code) {
    case OpCode::kAttention:
      return AddAttention(b, op);
    case OpCode::kStateWrite:
      return AddWrite(b, op);
    case OpCode::kStateRead:
      return AddRead(b, op);
    case OpCode::kStateVisible:
      return AddVisible(b, op);
    default:
      return Internal("not a state operator");
  }
}

}  // namespace samara::cpu
