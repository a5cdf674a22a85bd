// The core set: elementwise, compare, reductions, shape operators, gather, batch_matmul, states.
#include <cstring>

#include "backends/reference/numbers.h"
#include "backends/reference/tensor.h"

namespace samara::reference {

namespace {

// Strides of `in` seen through the shape of `out`: numpy broadcasting.
void BroadcastStrides(const Tensor& in, const Tensor& out, int64_t* strides) {
  const uint32_t lead = out.rank - in.rank;
  for (uint32_t i = 0; i < out.rank; ++i) {
    strides[i] = i < lead || in.dims[i - lead] == 1 ? 0 : in.strides[i - lead];
  }
}

template <typename In, typename Out, typename F>
void Binary(const OpRun& op, F f) {
  const Tensor& out = op.out[0];
  int64_t a_strides[kMaxRank], b_strides[kMaxRank];
  BroadcastStrides(op.in[0], out, a_strides);
  BroadcastStrides(op.in[1], out, b_strides);
  const In* a = op.in[0].Data<In>();
  const In* b = op.in[1].Data<In>();
  ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
    out.Data<Out>()[Offset(out.rank, i, out.strides)] =
        f(a[Offset(out.rank, i, a_strides)], b[Offset(out.rank, i, b_strides)]);
  });
}

template <typename In, typename Out, typename F>
void Unary(const OpRun& op, F f) {
  const Tensor& in = op.in[0];
  const Tensor& out = op.out[0];
  ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
    out.Data<Out>()[Offset(out.rank, i, out.strides)] =
        f(in.Data<In>()[Offset(in.rank, i, in.strides)]);
  });
}

template <typename In>
void Compare(const OpRun& op) {
  switch (op.code) {
    case OpCode::kEq:
      Binary<In, uint8_t>(op, [](In a, In b) -> uint8_t { return a == b; });
      break;
    case OpCode::kNe:
      Binary<In, uint8_t>(op, [](In a, In b) -> uint8_t { return a != b; });
      break;
    case OpCode::kLt:
      Binary<In, uint8_t>(op, [](In a, In b) -> uint8_t { return a < b; });
      break;
    default:
      Binary<In, uint8_t>(op, [](In a, In b) -> uint8_t { return a <= b; });
      break;
  }
}

template <typename T>
void Select(const OpRun& op) {
  const Tensor& out = op.out[0];
  int64_t strides[3][kMaxRank];
  for (int j = 0; j < 3; ++j) BroadcastStrides(op.in[j], out, strides[j]);
  ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
    const bool condition = op.in[0].Data<uint8_t>()[Offset(out.rank, i, strides[0])] != 0;
    const int j = condition ? 1 : 2;
    out.Data<T>()[Offset(out.rank, i, out.strides)] =
        op.in[j].Data<T>()[Offset(out.rank, i, strides[j])];
  });
}

template <typename T>
void Cast(const OpRun& op) {
  const DType from = op.in[0].dtype, to = op.out[0].dtype;
  if (to == DType::kI32) {
    Unary<T, int32_t>(op, [](T x) { return TruncateToInt(x); });
  } else if (from == DType::kI32) {
    Unary<int32_t, T>(op, [](int32_t x) { return static_cast<T>(x); });
  } else {
    Unary<uint8_t, T>(op, [](uint8_t x) { return static_cast<T>(x != 0); });
  }
}

template <typename T>
void Reduce(const OpRun& op) {
  const Tensor& in = op.in[0];
  const Tensor& out = op.out[0];
  const int64_t axis = op.params->axis, n = in.dims[axis], step = in.strides[axis];
  ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
    // index[axis] is 0 here: the axis stays with size 1.
    const T* x = in.Data<T>() + Offset(in.rank, i, in.strides);
    T* y = out.Data<T>() + Offset(out.rank, i, out.strides);
    if (op.code == OpCode::kReduceSum) {
      Sum16<T> sum;
      for (int64_t k = 0; k < n; ++k) sum.Add(k, x[k * step]);
      *y = sum.Result();
    } else {
      T max = x[0];
      for (int64_t k = 1; k < n; ++k) max = Max(max, x[k * step]);
      *y = max;
    }
  });
}

// Copies `in` to `out` where index i of `out` comes from offset(i) in `in`.
template <typename E, typename F>
void CopyElements(const Tensor& out, const void* in, F offset) {
  ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
    out.Data<E>()[Offset(out.rank, i, out.strides)] = static_cast<const E*>(in)[offset(i)];
  });
}

template <typename T, typename F>
void CopyOf(DType dtype, const Tensor& out, const void* in, F offset) {
  if (dtype == DType::kF32) {
    CopyElements<T>(out, in, offset);
  } else if (dtype == DType::kI32) {
    CopyElements<int32_t>(out, in, offset);
  } else {
    CopyElements<uint8_t>(out, in, offset);
  }
}

// Elements in row-major order keep their order.
template <typename T>
void Reshape(const OpRun& op) {
  const Tensor& in = op.in[0];
  const Tensor& out = op.out[0];
  CopyOf<T>(out.dtype, out, in.data, [&](const int64_t* i) {
    int64_t flat = 0;
    for (uint32_t a = 0; a < out.rank; ++a) flat = flat * out.dims[a] + i[a];
    int64_t offset = 0;
    for (uint32_t a = in.rank; a > 0; --a) {
      offset += flat % in.dims[a - 1] * in.strides[a - 1];
      flat /= in.dims[a - 1];
    }
    return offset;
  });
}

template <typename T>
void Transpose(const OpRun& op) {
  const Tensor& in = op.in[0];
  const Tensor& out = op.out[0];
  CopyOf<T>(out.dtype, out, in.data, [&](const int64_t* i) {
    int64_t offset = 0;
    for (uint32_t a = 0; a < out.rank; ++a) offset += i[a] * in.strides[op.params->perm[a]];
    return offset;
  });
}

template <typename T>
void Slice(const OpRun& op) {
  const Tensor& in = op.in[0];
  const Tensor& out = op.out[0];
  const int64_t start = op.params->begin * in.strides[op.params->axis];
  CopyOf<T>(out.dtype, out, in.data,
            [&](const int64_t* i) { return start + Offset(in.rank, i, in.strides); });
}

template <typename T>
void Concat(const OpRun& op) {
  const int64_t axis = op.params->axis;
  int64_t begin = 0;
  for (uint32_t j = 0; j < op.n_in; ++j) {
    const Tensor& in = op.in[j];
    Tensor part = op.out[0];
    const uint64_t bytes = part.dtype == DType::kF32   ? sizeof(T)
                           : part.dtype == DType::kI32 ? 4
                                                       : 1;
    part.data = static_cast<uint8_t*>(part.data) + begin * part.strides[axis] * bytes;
    part.dims[axis] = in.dims[axis];
    CopyOf<T>(part.dtype, part, in.data,
              [&](const int64_t* i) { return Offset(in.rank, i, in.strides); });
    begin += in.dims[axis];
  }
}

template <typename T>
Status Gather(const OpRun& op) {
  const Tensor& table = op.in[0];
  const Tensor& rows = op.in[1];
  const Tensor& out = op.out[0];
  for (int64_t t = 0; t < out.dims[0]; ++t) {
    const int64_t row = rows.Data<int32_t>()[t * rows.strides[0]];
    if (row < 0 || row >= table.dims[0]) {
      return Internal("gather: row %lld of a table of %lld rows", static_cast<long long>(row),
                      static_cast<long long>(table.dims[0]));
    }
    if (table.weight != nullptr) {
      DequantizeWeightRow(*table.weight, row, reinterpret_cast<float*>(op.scratch), out.Row<T>(t));
    } else {
      for (int64_t k = 0; k < out.dims[1]; ++k) out.Row<T>(t)[k] = table.Row<T>(row)[k];
    }
  }
  return Status();
}

template <typename T>
Status BatchMatmul(const OpRun& op) {
  const Tensor& a = op.in[0];
  const Tensor& b = op.in[1];
  const Tensor& out = op.out[0];
  const uint32_t m_axis = out.rank - 2, n_axis = out.rank - 1;
  const int64_t k_count = a.dims[n_axis];
  Status status;
  ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
    if (!status.ok()) return;
    if (i[n_axis] == 0 && op.Cancelled()) {
      status = Cancelled("cancelled");
      return;
    }
    const T* x = a.Data<T>() + Offset(m_axis, i, a.strides) + i[m_axis] * a.strides[m_axis];
    const T* y = b.Data<T>() + Offset(m_axis, i, b.strides) + i[n_axis] * b.strides[n_axis];
    T acc = 0;
    for (int64_t k = 0; k < k_count; ++k) {
      acc = std::fma(x[k * a.strides[n_axis]], y[k * b.strides[m_axis]], acc);
    }
    out.Data<T>()[Offset(out.rank, i, out.strides)] = acc;
  });
  return status;
}

template <typename T>
Status StateWrite(const OpRun& op) {
  const Tensor& x = op.in[0];
  const StatePlan& state = *op.in[1].state;
  const int part = static_cast<int>(op.params->part);
  const uint32_t dim = state.dim[part];
  for (int64_t t = 0; t < x.dims[0]; ++t) {
    const TokenParams& token = op.step.tokens()[t];
    const int64_t slot = PhysicalSlot(op.step, state.group, token.seq, token.write_slot);
    if (slot < 0) return Internal("state_write: a block outside of the pool");
    for (uint32_t h = 0; h < state.heads[part]; ++h) {
      StoreState(state, part, static_cast<uint64_t>(slot), h, x.Row<T>(t) + h * dim);
    }
  }
  return Status();
}

template <typename T>
void StateRead(const OpRun& op) {
  const StatePlan& state = *op.in[0].state;
  const int part = static_cast<int>(op.params->part);
  const Tensor& out = op.out[0];
  ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
    out.Data<T>()[Offset(out.rank, i, out.strides)] =
        LoadState<T>(state, part, static_cast<uint64_t>(i[0]), static_cast<uint32_t>(i[1]),
                     static_cast<uint32_t>(i[2]));
  });
}

Status StateVisible(const OpRun& op) {
  const StatePlan& state = *op.in[0].state;
  const Tensor& out = op.out[0];
  for (int64_t t = 0; t < out.dims[0]; ++t) {
    uint8_t* row = out.Row<uint8_t>(t);
    std::memset(row, 0, out.dims[1]);
    const TokenParams& token = op.step.tokens()[t];
    uint32_t begin, end;
    VisibleRange(token, op.params->window, &begin, &end);
    for (uint32_t s = begin; s < end; ++s) {
      const int64_t slot = PhysicalSlot(op.step, state.group, token.seq, s);
      if (slot < 0 || slot >= out.dims[1])
        return Internal("state_visible: a block outside of the pool");
      row[slot] = 1;
    }
  }
  return Status();
}

template <typename T>
Status RunStateOp(const OpRun& op) {
  if (op.code == OpCode::kStateWrite) return StateWrite<T>(op);
  if (op.code == OpCode::kStateVisible) return StateVisible(op);
  StateRead<T>(op);
  return Status();
}

}  // namespace

template <typename T>
Status RunCoreOp(const OpRun& op) {
  switch (op.code) {
    case OpCode::kAdd:
      Binary<T, T>(op, [](T a, T b) { return a + b; });
      break;
    case OpCode::kSub:
      Binary<T, T>(op, [](T a, T b) { return a - b; });
      break;
    case OpCode::kMul:
      Binary<T, T>(op, [](T a, T b) { return a * b; });
      break;
    case OpCode::kDiv:
      Binary<T, T>(op, [](T a, T b) { return a / b; });
      break;
    case OpCode::kMin:
      Binary<T, T>(op, [](T a, T b) { return Min(a, b); });
      break;
    case OpCode::kMax:
      Binary<T, T>(op, [](T a, T b) { return Max(a, b); });
      break;
    case OpCode::kEq:
    case OpCode::kNe:
    case OpCode::kLt:
    case OpCode::kLe:
      if (op.in[0].dtype == DType::kI32) {
        Compare<int32_t>(op);
      } else {
        Compare<T>(op);
      }
      break;
    case OpCode::kSelect:
      Select<T>(op);
      break;
    case OpCode::kNeg:
      Unary<T, T>(op, [](T x) { return -x; });
      break;
    case OpCode::kExp:
      Unary<T, T>(op, [](T x) { return Exp(x); });
      break;
    case OpCode::kLog:
      Unary<T, T>(op, [](T x) { return Log(x); });
      break;
    case OpCode::kSqrt:
      Unary<T, T>(op, [](T x) { return std::sqrt(x); });
      break;
    case OpCode::kSin:
      Unary<T, T>(op, [](T x) { return Sin(x); });
      break;
    case OpCode::kCos:
      Unary<T, T>(op, [](T x) { return Cos(x); });
      break;
    case OpCode::kTanh:
      Unary<T, T>(op, [](T x) { return Tanh(x); });
      break;
    case OpCode::kErf:
      Unary<T, T>(op, [](T x) { return Erf(x); });
      break;
    case OpCode::kFloor:
      Unary<T, T>(op, [](T x) { return std::floor(x); });
      break;
    case OpCode::kCast:
      Cast<T>(op);
      break;
    case OpCode::kConstant:
      // The value is a binary32 in both modes.
      op.out[0].template Data<T>()[0] = static_cast<T>(static_cast<float>(op.params->value));
      break;
    case OpCode::kIota: {
      const Tensor& out = op.out[0];
      ForEachIndex(out.rank, out.dims, [&](const int64_t* i) {
        out.template Data<int32_t>()[Offset(out.rank, i, out.strides)] =
            static_cast<int32_t>(i[op.params->axis]);
      });
      break;
    }
    case OpCode::kReduceSum:
    case OpCode::kReduceMax:
      Reduce<T>(op);
      break;
    case OpCode::kReshape:
      Reshape<T>(op);
      break;
    case OpCode::kTranspose:
      Transpose<T>(op);
      break;
    case OpCode::kSlice:
      Slice<T>(op);
      break;
    case OpCode::kConcat:
      Concat<T>(op);
      break;
    case OpCode::kGather:
      return Gather<T>(op);
    case OpCode::kBatchMatmul:
      return BatchMatmul<T>(op);
    case OpCode::kStateWrite:
    case OpCode::kStateRead:
    case OpCode::kStateVisible:
      return RunStateOp<T>(op);
    default:
      return Internal("operator %d is not of the core set", static_cast<int>(op.code));
  }
  return Status();
}
template Status RunCoreOp<float>(const OpRun&);
template Status RunCoreOp<double>(const OpRun&);

}  // namespace samara::reference
