// Calls of the core operators: elementwise, constants, reductions. Elementary functions come from
// the kernel table; everything else here is exact or rounds once per element, so no instruction set
// matters.
#include <cmath>
#include <cstring>

#include "backends/cpu/plan.h"
#include "backends/cpu/view.h"
#include "formats/operators.h"

namespace samara::cpu {
namespace {

struct EachCall : Call {
  Tensor in[3], out;
  int n_in;
  InnerFn inner;
  const void* kernel;  // of the map operators
  float value;
};
void EachTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const EachJob& job = *static_cast<const EachJob*>(context);
  const int outer = job.out.rank > 0 ? job.out.rank - 1 : 0;
  const int64_t n = job.out.rank > 0 ? job.out.dims[outer] : 1;
  for (uint64_t i = begin; i < end; ++i) {
    const int64_t flat = static_cast<int64_t>(i);
    Lane lanes[3] = {};
    for (int j = 0; j < job.n_in; ++j) {
      lanes[j].data = job.in[j].data + OffsetOf(flat, outer, job.out.dims, job.in[j].strides);
      lanes[j].stride = job.out.rank > 0 ? job.in[j].strides[outer] : 0;
    }
    job.inner(job.kernel, job.out.data + OffsetOf(flat, outer, job.out.dims, job.out.strides),
              job.out.rank > 0 ? job.out.strides[outer] : 0, lanes, n);
  }
}

bool RunEach(const Call* base, RunContext* context) {
  const EachCall& call = *static_cast<const EachCall*>(base);
  EachJob job = {};
  job.inner = call.inner;
  job.kernel = call.kernel;
  job.out = ViewOf(call.out, *context);
  job.n_in = call.n_in;
  for (int i = 0; i < call.n_in; ++i) job.in[i] = Broadcast(ViewOf(call.in[i], *context), job.out);
  return RunEachJob(job, context);
}

// F gives one element from two.
template <typename In, typename Out, typename F>
void Binary(const void*, uint8_t* y, int64_t y_stride, const Lane* in, int64_t n) {
  const uint8_t *a = in[0].data, *b = in[1].data;
  const int64_t sa = in[0].stride, sb = in[1].stride;
  if (sa == sizeof(In) && sb == sizeof(In) && y_stride == sizeof(Out)) {
    const In* pa = reinterpret_cast<const In*>(a);
    const In* pb = reinterpret_cast<const In*>(b);
    Out* py = reinterpret_cast<Out*>(y);
    for (int64_t i = 0; i < n; ++i) py[i] = F::Of(pa[i], pb[i]);
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    Put<Out>(y + i * y_stride, F::Of(Get<In>(a + i * sa), Get<In>(b + i * sb)));
}
template <typename In, typename Out, typename F>
void Unary(const void*, uint8_t* y, int64_t y_stride, const Lane* in, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    Put<Out>(y + i * y_stride, F::Of(Get<In>(in[0].data + i * in[0].stride)));
}

struct AddOf {
  static float Of(float a, float b) { return a + b; }
};
struct SubOf {
  static float Of(float a, float b) { return a - b; }
};
struct MulOf {
  static float Of(float a, float b) { return a * b; }
};
struct DivOf {
  static float Of(float a, float b) { return a / b; }
};
struct MinOf {
  static float Of(float a, float b) { return a < b ? a : b; }
};
struct MaxOf {
  static float Of(float a, float b) { return a > b ? a : b; }
};
template <typename T>
struct EqOf {
  static uint8_t Of(T a, T b) { return a == b; }
};
template <typename T>
struct NeOf {
  static uint8_t Of(T a, T b) { return a != b; }
};
template <typename T>
struct LtOf {
  static uint8_t Of(T a, T b) { return a < b; }
};
template <typename T>
struct LeOf {
  static uint8_t Of(T a, T b) { return a <= b; }
};
struct NegOf {
  static float Of(float a) { return -a; }
};
struct FloorOf {
  static float Of(float a) { return std::floor(a); }
};
struct IntToFloat {
  static float Of(int32_t a) { return static_cast<float>(a); }
};
struct BoolToFloat {
  static float Of(uint8_t a) { return a != 0 ? 1.0f : 0.0f; }
};
struct FloatToInt {
  static int32_t Of(float a) {
    return a >= -0x1p31f && a < 0x1p31f ? static_cast<int32_t>(a) : INT32_MIN;
  }
};
template <typename T>
struct Same {
  static T Of(T a) { return a; }
};

void SelectInner(const void*, uint8_t* y, int64_t y_stride, const Lane* in, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const Lane& from = in[0].data[i * in[0].stride] != 0 ? in[1] : in[2];
    Put(y + i * y_stride, Get<float>(from.data + i * from.stride));
  }
}

// Elementary functions of the kernel table; what is not contiguous goes through a small buffer.
void MapInner(const void* kernel, uint8_t* y, int64_t y_stride, const Lane* in, int64_t n) {
  MapFn fn;
  std::memcpy(&fn, kernel, sizeof fn);
  if (in[0].stride == 4 && y_stride == 4) {
    return fn(reinterpret_cast<const float*>(in[0].data), reinterpret_cast<float*>(y),
              static_cast<uint64_t>(n));
  }
  float buffer[16];
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t lanes = n - i < 16 ? n - i : 16;
    for (int64_t j = 0; j < lanes; ++j) buffer[j] = Get<float>(in[0].data + (i + j) * in[0].stride);
    fn(buffer, buffer, static_cast<uint64_t>(lanes));
    for (int64_t j = 0; j < lanes; ++j) Put(y + (i + j) * y_stride, buffer[j]);
  }
}

template <template <typename> class F>
InnerFn CompareInner(DType dtype) {
  return dtype == DType::kI32 ? Binary<int32_t, uint8_t, F<int32_t>>
                              : Binary<float, uint8_t, F<float>>;
}

InnerFn EachInner(const Op& op, DType in, DType out) {
  switch (op.code) {
    case OpCode::kAdd:
      return Binary<float, float, AddOf>;
    case OpCode::kSub:
      return Binary<float, float, SubOf>;
    case OpCode::kMul:
      return Binary<float, float, MulOf>;
    case OpCode::kDiv:
      return Binary<float, float, DivOf>;
    case OpCode::kMin:
      return Binary<float, float, MinOf>;
    case OpCode::kMax:
      return Binary<float, float, MaxOf>;
    case OpCode::kEq:
      return CompareInner<EqOf>(in);
    case OpCode::kNe:
      return CompareInner<NeOf>(in);
    case OpCode::kLt:
      return CompareInner<LtOf>(in);
    case OpCode::kLe:
      return CompareInner<LeOf>(in);
    case OpCode::kSelect:
      return SelectInner;
    case OpCode::kNeg:
      return Unary<float, float, NegOf>;
    case OpCode::kFloor:
      return Unary<float, float, FloorOf>;
    case OpCode::kCast:
      if (out == DType::kI32)
        return in == DType::kI32 ? CopyInner(in) : Unary<float, int32_t, FloatToInt>;
      if (in == DType::kI32) return Unary<int32_t, float, IntToFloat>;
      return in == DType::kBool ? Unary<uint8_t, float, BoolToFloat> : CopyInner(in);
    case OpCode::kExp:
    case OpCode::kLog:
    case OpCode::kSqrt:
    case OpCode::kSin:
    case OpCode::kCos:
    case OpCode::kTanh:
    case OpCode::kErf:
      return MapInner;
    default:
      return nullptr;
  }
}

int MapIndex(OpCode code) {
  switch (code) {
    case OpCode::kExp:
      return static_cast<int>(MapOp::kExp);
    case OpCode::kLog:
      return static_cast<int>(MapOp::kLog);
    case OpCode::kSqrt:
      return static_cast<int>(MapOp::kSqrt);
    case OpCode::kSin:
      return static_cast<int>(MapOp::kSin);
    case OpCode::kCos:
      return static_cast<int>(MapOp::kCos);
    case OpCode::kTanh:
      return static_cast<int>(MapOp::kTanh);
    case OpCode::kErf:
      return static_cast<int>(MapOp::kErf);
    default:
      return -1;
  }
}

Status AddEach(Builder* b, const Op& op, InnerFn inner) {
  EachCall* call = nullptr;
  SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunEach));
  call->n_in = static_cast<int>(op.inputs.size());
  for (int i = 0; i < call->n_in; ++i)
    SAMARA_RETURN_IF_ERROR(b->BindTensor(op.inputs[static_cast<size_t>(i)], &call->in[i]));
  SAMARA_RETURN_IF_ERROR(b->BindTensor(op.outputs[0], &call->out));
  call->inner = inner;
  if (MapIndex(op.code) >= 0) call->kernel = &b->kernels().map[MapIndex(op.code)];
  return Status();
}

// --- constant, iota

bool RunConstant(const Call* base, RunContext* context) {
  const EachCall& call = *static_cast<const EachCall*>(base);
  Put(call.out.operand.At<uint8_t>(*context), call.value);
  return true;
}

struct IotaCall : Call {
  Tensor out;
  int axis;
};
bool RunIota(const Call* base, RunContext* context) {
  const IotaCall& call = *static_cast<const IotaCall*>(base);
  const View out = ViewOf(call.out, *context);
  const int64_t total = Elements(out);
  int64_t inside = 1;
  for (int i = call.axis + 1; i < out.rank; ++i) inside *= out.dims[i];
  for (int64_t i = 0; i < total; ++i) {
    Put(out.data + OffsetOf(i, out.rank, out.dims, out.strides),
        static_cast<int32_t>(i / inside % out.dims[call.axis]));
  }
  return true;
}

// --- Reductions

struct ReduceCall : Call {
  Tensor in, out;
  int axis;
  bool sum;
};
struct ReduceJob {
  View in, out;
  int axis;
  bool sum;
};
void ReduceTask(const void* context, uint64_t begin, uint64_t end, uint32_t) {
  const ReduceJob& job = *static_cast<const ReduceJob*>(context);
  const int64_t n = job.in.dims[job.axis], stride = job.in.strides[job.axis];
  for (uint64_t i = begin; i < end; ++i) {
    const int64_t flat = static_cast<int64_t>(i);
    // The axis has size 1 in `out`, so that its index is 0 in both.
    const uint8_t* x = job.in.data + OffsetOf(flat, job.out.rank, job.out.dims, job.in.strides);
    float result;
    if (job.sum) {
      float p[16] = {};
      for (int64_t k = 0; k < n; ++k) p[k % 16] = p[k % 16] + Get<float>(x + k * stride);
      for (int w = 8; w > 0; w /= 2) {
        for (int j = 0; j < w; ++j) p[j] = p[j] + p[j + w];
      }
      result = p[0];
    } else {
      result = n > 0 ? Get<float>(x) : 0.0f;
      for (int64_t k = 1; k < n; ++k) {
        const float v = Get<float>(x + k * stride);
        result = result > v ? result : v;
      }
    }
    Put(job.out.data + OffsetOf(flat, job.out.rank, job.out.dims, job.out.strides), result);
  }
}
bool RunReduce(const Call* base, RunContext* context) {
  const ReduceCall& call = *static_cast<const ReduceCall*>(base);
  const ReduceJob job = {ViewOf(call.in, *context), ViewOf(call.out, *context), call.axis,
                         call.sum};
  const int64_t n = job.in.dims[job.axis];
  return RunRows(context, static_cast<uint64_t>(Elements(job.out)), static_cast<uint64_t>(n),
                 ReduceTask, &job);
}

}  // namespace

bool RunEachJob(const EachJob& job, RunContext* context) {
  const int64_t total = Elements(job.out);
  if (total == 0) return true;
  const int64_t n = job.out.rank > 0 ? job.out.dims[job.out.rank - 1] : 1;
  return RunRows(context, static_cast<uint64_t>(total / n), static_cast<uint64_t>(n) * 2, EachTask,
                 &job);
}

InnerFn CopyInner(DType dtype) {
  return ElementBytes(dtype) == 4 ? Unary<uint32_t, uint32_t, Same<uint32_t>>
                                  : Unary<uint8_t, uint8_t, Same<uint8_t>>;
}

Status AddCore(Builder* b, const Op& op) {
  const DType out = b->ValueOf(op.outputs[0]).dtype;
  const DType in = op.inputs.empty() ? DType::kInvalid : b->ValueOf(op.inputs[0]).dtype;
  if (const InnerFn inner = EachInner(op, in, out)) return AddEach(b, op, inner);
  switch (op.code) {
    case OpCode::kConstant: {
      EachCall* call = nullptr;
      SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunConstant));
      call->value = static_cast<float>(op.Float(AttrKey::kValue));
      return b->BindTensor(op.outputs[0], &call->out);
    }
    case OpCode::kIota: {
      IotaCall* call = nullptr;
      SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunIota));
      call->axis = static_cast<int>(op.Int(AttrKey::kAxis));
      return b->BindTensor(op.outputs[0], &call->out);
    }
    case OpCode::kReduceSum:
    case OpCode::kReduceMax: {
      ReduceCall* call = nullptr;
      SAMARA_RETURN_IF_ERROR(b->NewCall(&call, RunReduce));
      call->axis = static_cast<int>(op.Int(AttrKey::kAxis));
      call->sum = op.code == OpCode::kReduceSum;
      SAMARA_RETURN_IF_ERROR(b->BindTensor(op.inputs[0], &call->in));
      return b->BindTensor(op.outputs[0], &call->out);
    }
    case OpCode::kReshape:
    case OpCode::kTranspose:
    case OpCode::kSlice:
    case OpCode::kConcat:
      return AddMove(b, op);
    case OpCode::kGather:
      return AddGather(b, op);
    case OpCode::kBatchMatmul:
      return AddBatchMatmul(b, op);
    default:
      return Unsupported("operator %s", op.type_name.c_str());
  }
}

}  // namespace samara::cpu
