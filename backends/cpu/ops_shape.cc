// Calls of the core operators that move or gather elements, and batch_matmul.
#include <cstring>

#include "backends/cpu/plan.h"
#include "backends/cpu/view.h"
#include "formats/layout/layout.h"
#include "formats/operators.h"

namespace samara::cpu {
namespace {

// --- Shape

struct MoveCall : Call {
  const Tensor* in;  // concat: n_in of them
  int n_in;
  Tensor out;
  OpCode code;
  int axis;
  int64_t begin;
  int perm[kMaxRank];
};

bool RunMove(const Call* base, RunContext* context) {
  const MoveCall& call = *static_cast<const MoveCall*>(base);
  EachJob job = {};
  job.inner = CopyInner(call.out.dtype);
  job.n_in = 1;
  const View out = ViewOf(call.out, *context);
  int64_t done = 0;
  for (int i = 0; i < call.n_in; ++i) {
    const View in = ViewOf(call.in[i], *context);
    job.out = out;
    job.in[0] = out;
    job.in[0].data = in.data;
    for (int a = 0; a < out.rank; ++a) {
      job.in[0].strides[a] = in.strides[call.code == OpCode::kTranspose ? call.perm[a] : a];
    }
    if (call.code == OpCode::kSlice) job.in[0].data += call.begin * in.strides[call.axis];
    if (call.code == OpCode::kConcat) {
      job.out.data += done * out.strides[call.axis];
      job.out.dims[call.axis] = in.dims[call.axis];
      done += in.dims[call.axis];
    }
    if (!RunEachJob(job, context)) return false;
  }
  return true;
}

// Elements keep their row-major order; rows of either side may be strided.
bool RunReshape(const Call* base, RunContext* context) {
  const MoveCall& call = *static_cast<const MoveCall*>(base);
  const View in = ViewOf(call.in[0], *context), out = ViewOf(call.out, *context);
  const int64_t total = Elements(out);
  const uint64_t bytes = ElementBytes(call.out.dtype);
  // Runs that are contiguous on both sides: to the end of a row of either.
  const int64_t in_row = in.rank > 0 ? Elements(in) / (in.dims[0] > 0 ? in.dims[0] : 1) : 1;
  const int64_t out_row = out.rank > 0 ? total / (out.dims[0] > 0 ? out.dims[0] : 1) : 1;
  for (int64_t i = 0; i < total;) {
    const int64_t a = in_row - i % in_row, b = out_row - i % out_row;
    const int64_t run = a < b ? a : b;
    std::memcpy(out.data + OffsetOf(i, out.rank, out.dims, out.strides),
                in.data + OffsetOf(i, in.rank, in.dims, in.strides),
                static_cast<uint64_t>(run) * bytes);
    i += run;
  }
  return true;
}

// --- gather

struct GatherCall : Call {
  StepDim n;
  Operand rows, y, table;
  StepDim table_rows;
  const uint8_t* weight;  // nullptr: the table is an activation
  DType dtype;
  Layout layout;
  uint64_t cols;
};
struct GatherJob {
  const GatherCall* call;
  RunContext* context;
  int64_t limit;
};
void GatherTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const GatherJob& job = *static_cast<const GatherJob*>(context);
  const GatherCall& call = *job.call;
  for (uint64_t t = begin; t < end; ++t) {
    const int32_t row =
        Get<int32_t>(call.rows.At<const uint8_t>(*job.context) + t * call.rows.stride);
    float* y = reinterpret_cast<float*>(call.y.At<uint8_t>(*job.context) + t * call.y.stride);
    // Row numbers may come from arithmetic on a package's own values: never trusted.
    if (row < 0 || row >= job.limit) {
      job.context->error.store(RunError::kGatherRow, std::memory_order_relaxed);
      continue;
    }
    if (call.weight != nullptr) {
      DequantizePackedRow(call.layout, call.dtype, call.weight, static_cast<uint64_t>(row),
                          call.cols, y);
    } else {
      std::memcpy(y,
                  call.table.At<const uint8_t>(*job.context) +
                      static_cast<uint64_t>(row) * call.table.stride,
                  call.cols * 4);
    }
  }
}
bool RunGather(const Call* base, RunContext* context) {
  const GatherCall& call = *static_cast<const GatherCall*>(base);
  const GatherJob job = {&call, context, call.table_rows.At(*context)};
  if (!RunRows(context, static_cast<uint64_t>(call.n.At(*context)), call.cols * 4, GatherTask,
               &job))
    return false;
  return context->error.load(std::memory_order_relaxed) == RunError::kNone;
}

// --- batch_matmul

struct BatchCall : Call {
  Tensor a, b, y;
  BatchMatmulFn fn;
};
struct BatchJob {
  View a, b, y;
  BatchMatmulFn fn;
};
// Task = row of one batch entry.
void BatchTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const BatchJob& job = *static_cast<const BatchJob*>(context);
  const int outer = job.y.rank - 2;
  const uint64_t m = static_cast<uint64_t>(job.y.dims[outer]);
  BatchMatmulArgs args = {};
  args.m = m;
  args.k = static_cast<uint64_t>(job.a.dims[outer + 1]);
  args.n = static_cast<uint64_t>(job.y.dims[outer + 1]);
  args.a_stride = static_cast<uint64_t>(job.a.strides[outer]);
  args.b_stride = static_cast<uint64_t>(job.b.strides[outer]);
  args.y_stride = static_cast<uint64_t>(job.y.strides[outer]);
  while (begin < end) {
    const int64_t batch = static_cast<int64_t>(begin / m);
    const uint64_t first = begin % m;
    const uint64_t last = first + (end - begin) < m ? first + (end - begin) : m;
    args.a = reinterpret_cast<const float*>(job.a.data +
                                            OffsetOf(batch, outer, job.y.dims, job.a.strides));
    args.b = reinterpret_cast<const float*>(job.b.data +
                                            OffsetOf(batch, outer, job.y.dims, job.b.strides));
    args.y =
        reinterpret_cast<float*>(job.y.data + OffsetOf(batch, outer, job.y.dims, job.y.strides));
    job.fn(args, first, last);
    begin += last - first;
  }
}
bool RunBatch(const Call* base, RunContext* context) {
  const BatchCall& call = *static_cast<const BatchCall*>(base);
  const BatchJob job = {ViewOf(call.a, *context), ViewOf(call.b, *context),
                        ViewOf(call.y, *context), call.fn};
  const int64_t n = job.y.dims[job.y.rank - 1];
  if (Elements(job.y) == 0) return true;
  const int64_t work = n * job.a.dims[job.y.rank - 1];
  return RunRows(context, static_cast<uint64_t>(Elements(job.y) / n), static_cast<uint64_t>(work),
                 BatchTask, &job);
}

}  // namespace

Status AddMove(Builder* b, const Op& op) {
  MoveCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, op.code == OpCode::kReshape ? RunReshape : RunMove));
  call->code = op.code;
  call->n_in = static_cast<int>(op.inputs.size());
  Tensor* in = nullptr;
  SAMARA_RETURN_IF_ERROR(b->New(op.inputs.size(), &in));
  for (size_t i = 0; i < op.inputs.size(); ++i)
    SAMARA_RETURN_IF_ERROR(b->BindTensor(op.inputs[i], in + i));
  call->in = in;
  SAMARA_RETURN_IF_ERROR(b->BindTensor(op.outputs[0], &call->out));
  call->axis = static_cast<int>(op.Int(AttrKey::kAxis));
  call->begin = op.Int(AttrKey::kBegin);
  if (const Attr* perm = op.Find(AttrKey::kPerm)) {
    for (size_t i = 0; i < perm->ints.size() && i < kMaxRank; ++i)
      call->perm[i] = static_cast<int>(perm->ints[i]);
  }
  return Status();
}

Status AddGather(Builder* b, const Op& op) {
  GatherCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunGather));
  SAMARA_RETURN_IF_ERROR(b->DimOf(op.outputs[0], 0, &call->n));
  SAMARA_RETURN_IF_ERROR(b->ConstantDim(op.outputs[0], 1, &call->cols));
  SAMARA_RETURN_IF_ERROR(b->DimOf(op.inputs[0], 0, &call->table_rows));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.inputs[1], &call->rows));
  SAMARA_RETURN_IF_ERROR(b->Bind(op.outputs[0], &call->y));
  const Value& table = b->ValueOf(op.inputs[0]);
  if (table.kind != ValueKind::kWeight) return b->Bind(op.inputs[0], &call->table);
  const size_t index = static_cast<size_t>(table.index);
  call->dtype = b->spec().package->weights[index].dtype;
  if (!b->measuring()) {
    call->weight = static_cast<const uint8_t*>(b->spec().weights[index].host);
    call->layout = b->spec().weights[index].placement->layout;
  }
  return Status();
}

Status AddBatchMatmul(Builder* b, const Op& op) {
  BatchCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunBatch));
  SAMARA_RETURN_IF_ERROR(b->BindTensor(op.inputs[0], &call->a));
  SAMARA_RETURN_IF_ERROR(b->BindTensor(op.inputs[1], &call->b));
  call->fn = b->kernels().batch_matmul;
  return b->BindTensor(op.outputs[0], &call->y);
}

}  // namespace samara::cpu
