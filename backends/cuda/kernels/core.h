// The core set beside products: elementwise, copies, reductions, gather, batched product, reads of states. Simple
// loops over elements; models meet most of them only where a composite is not known.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_CORE_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_CORE_H_

#include "backends/cuda/kernels/matrix.h"
#include "backends/cuda/kernels/tensor.h"
#include "formats/operators.h"

namespace samara::cuda {

inline constexpr uint32_t kCoreThreads = 256;

SAMARA_DEVICE int32_t TruncateToInt(float x) {
  if (!(x >= -2147483648.0f && x < 2147483648.0f)) return -2147483647 - 1;
  return static_cast<int32_t>(x);
}

SAMARA_DEVICE float UnaryOf(uint32_t code, float x) {
  switch (static_cast<OpCode>(code)) {
    case OpCode::kNeg:
      return -x;
    case OpCode::kExp:
      return Exp(x);
    case OpCode::kLog:
      return Log(x);
    case OpCode::kSqrt:
      return SquareRoot(x);
    case OpCode::kSin:
      return Sin(x);
    case OpCode::kCos:
      return Cos(x);
    case OpCode::kTanh:
      return Tanh(x);
    case OpCode::kErf:
      return Erf(x);
    default:
      return Floor(x);
  }
}
SAMARA_DEVICE float BinaryOf(uint32_t code, float x, float y) {
  switch (static_cast<OpCode>(code)) {
    case OpCode::kAdd:
      return x + y;
    case OpCode::kSub:
      return x - y;
    case OpCode::kMul:
      return x * y;
    case OpCode::kDiv:
      return x / y;
    case OpCode::kMin:
      return x < y ? x : y;
    default:
      return x > y ? x : y;
  }
}
template <typename T>
SAMARA_DEVICE bool Compare(uint32_t code, T x, T y) {
  switch (static_cast<OpCode>(code)) {
    case OpCode::kEq:
      return x == y;
    case OpCode::kNe:
      return x != y;
    case OpCode::kLt:
      return x < y;
    default:
      return x <= y;
  }
}

template <typename T>
SAMARA_DEVICE T& At(const View& view, int64_t offset) {
  return reinterpret_cast<T*>(view.data)[offset];
}

SAMARA_KERNEL(kCoreThreads, ElementwiseKernel, ElementwiseArgs) {
  GridTrigger();
  GridWait();
  View out, x, y, z;
  MakeView(a.step, a.out, &out);
  MakeView(a.step, a.in[0], &x);
  MakeView(a.step, a.in[1], &y);
  MakeView(a.step, a.in[2], &z);
  const OpCode code = static_cast<OpCode>(a.code);
  const int64_t n = ElementsOf(out);
  for (int64_t i = FirstElement(); i < n; i += ElementStep()) {
    int64_t index[kMaxTensorRank];
    IndexOf(out, i, index);
    const int64_t to = OffsetOf(out, index), from = BroadcastOffset(x, out, index);
    if (code == OpCode::kCast) {
      if (a.out.type == kI32) {
        At<int32_t>(out, to) = TruncateToInt(At<float>(x, from));
      } else if (a.in[0].type == kI32) {
        At<float>(out, to) = static_cast<float>(At<int32_t>(x, from));
      } else {
        At<float>(out, to) = At<uint8_t>(x, from) != 0 ? 1.0f : 0.0f;
      }
    } else if (code == OpCode::kSelect) {
      At<float>(out, to) = At<uint8_t>(x, from) != 0 ? At<float>(y, BroadcastOffset(y, out, index))
                                                     : At<float>(z, BroadcastOffset(z, out, index));
    } else if (code >= OpCode::kNeg) {
      At<float>(out, to) = UnaryOf(a.code, At<float>(x, from));
    } else {
      const int64_t second = BroadcastOffset(y, out, index);
      if (code < OpCode::kEq) {
        At<float>(out, to) = BinaryOf(a.code, At<float>(x, from), At<float>(y, second));
      } else if (a.in[0].type == kI32) {
        out.data[to] = Compare(a.code, At<int32_t>(x, from), At<int32_t>(y, second));
      } else {
        out.data[to] = Compare(a.code, At<float>(x, from), At<float>(y, second));
      }
    }
  }
}

SAMARA_KERNEL(kCoreThreads, FillKernel, FillArgs) {
  GridTrigger();
  GridWait();
  View out;
  MakeView(a.step, a.out, &out);
  const int64_t n = ElementsOf(out);
  for (int64_t i = FirstElement(); i < n; i += ElementStep()) {
    int64_t index[kMaxTensorRank];
    IndexOf(out, i, index);
    const int64_t to = OffsetOf(out, index);
    if (static_cast<OpCode>(a.code) == OpCode::kConstant) {
      At<float>(out, to) = a.value;
      continue;
    }
    SAMARA_UNROLL
    for (uint32_t d = 0; d < kMaxTensorRank; ++d) {
      if (d == a.axis) At<int32_t>(out, to) = static_cast<int32_t>(index[d]);
    }
  }
}

// For each element of the smaller side (concat: of the input) its partner.
SAMARA_KERNEL(kCoreThreads, CopyKernel, CopyArgs) {
  GridTrigger();
  GridWait();
  View out, in;
  MakeView(a.step, a.out, &out);
  MakeView(a.step, a.in, &in);
  const OpCode code = static_cast<OpCode>(a.code);
  int64_t begin = static_cast<int64_t>(a.begin);
  for (uint32_t j = 0; j < a.n_before; ++j) begin += DimValue(a.step, a.before[j]);
  const int64_t n = ElementsOf(code == OpCode::kConcat ? in : out);
  for (int64_t i = FirstElement(); i < n; i += ElementStep()) {
    int64_t index[kMaxTensorRank];
    int64_t to, from;
    if (code == OpCode::kReshape) {
      IndexOf(out, i, index);
      to = OffsetOf(out, index);
      IndexOf(in, i, index);
      from = OffsetOf(in, index);
    } else if (code == OpCode::kTranspose) {
      IndexOf(out, i, index);
      to = OffsetOf(out, index);
      from = 0;
      SAMARA_UNROLL
      for (uint32_t d = 0; d < kMaxTensorRank; ++d) {
        SAMARA_UNROLL
        for (uint32_t k = 0; k < kMaxTensorRank; ++k) {
          if (d < out.rank && a.perm[d] == k) from += index[d] * in.strides[k];
        }
      }
    } else if (code == OpCode::kSlice) {
      IndexOf(out, i, index);
      to = OffsetOf(out, index);
      from = OffsetOf(in, index);
      SAMARA_UNROLL
      for (uint32_t d = 0; d < kMaxTensorRank; ++d) {
        if (d == a.axis) from += begin * in.strides[d];
      }
    } else {
      IndexOf(in, i, index);
      from = OffsetOf(in, index);
      to = OffsetOf(out, index);
      SAMARA_UNROLL
      for (uint32_t d = 0; d < kMaxTensorRank; ++d) {
        if (d == a.axis) to += begin * out.strides[d];
      }
    }
    if (a.out.type == kBool) {
      out.data[to] = in.data[from];
    } else {
      At<uint32_t>(out, to) = At<uint32_t>(in, from);
    }
  }
}

// A warp an output element; sums in a fixed order.
SAMARA_KERNEL(kCoreThreads, ReduceKernel, ReduceArgs) {
  GridTrigger();
  GridWait();
  View out, in;
  MakeView(a.step, a.out, &out);
  MakeView(a.step, a.in, &in);
  int64_t length = 0, stride = 0;
  SAMARA_UNROLL
  for (uint32_t d = 0; d < kMaxTensorRank; ++d) {
    if (d == a.axis) {
      length = in.dims[d];
      stride = in.strides[d];
    }
  }
  const bool sum = static_cast<OpCode>(a.code) == OpCode::kReduceSum;
  const int64_t n = ElementsOf(out), step = ElementStep() / kWarp;
  for (int64_t i = FirstElement() / kWarp; i < n; i += step) {
    int64_t index[kMaxTensorRank];
    IndexOf(out, i, index);
    const int64_t first = OffsetOf(in, index);  // index[axis] is 0
    float value = sum ? 0.0f : At<float>(in, first);
    for (int64_t k = Lane(); k < length; k += kWarp) {
      const float x = At<float>(in, first + k * stride);
      value = sum ? value + x : (x > value ? x : value);
    }
    value = sum ? WarpSum(value) : WarpMax(value);
    if (Lane() == 0) At<float>(out, OffsetOf(out, index)) = value;
  }
}

SAMARA_KERNEL(kCoreThreads, GatherKernel, GatherArgs) {
  GridTrigger();
  GridWait();
  View out, table, rows;
  MakeView(a.step, a.out, &out);
  MakeView(a.step, a.rows, &rows);
  const bool from_matrix = a.table.data == nullptr;
  if (!from_matrix) MakeView(a.step, a.table, &table);
  const int64_t n_rows = from_matrix ? a.matrix.rows : table.dims[0];
  const int64_t n = out.dims[0] * out.dims[1];
  for (int64_t i = FirstElement(); i < n; i += ElementStep()) {
    const int64_t t = i / out.dims[1], k = i % out.dims[1];
    const int64_t row = At<int32_t>(rows, t * rows.strides[0]);
    float value = NotANumber();
    if (row < 0 || row >= n_rows) {
      Report(a.step, kFaultGatherRow);
    } else if (from_matrix) {
      value = MatrixElement(a.matrix, static_cast<uint32_t>(row), static_cast<uint32_t>(k));
    } else {
      value = At<float>(table, row * table.strides[0] + k * table.strides[1]);
    }
    At<float>(out, t * out.strides[0] + k) = value;
  }
}

SAMARA_KERNEL(kCoreThreads, BatchMatmulKernel, BatchMatmulArgs) {
  GridTrigger();
  GridWait();
  View out, x, y;
  MakeView(a.step, a.out, &out);
  MakeView(a.step, a.x, &x);
  MakeView(a.step, a.y, &y);
  const uint32_t m_axis = out.rank - 2, n_axis = out.rank - 1;
  const int64_t n = ElementsOf(out);
  for (int64_t i = FirstElement(); i < n; i += ElementStep()) {
    int64_t index[kMaxTensorRank];
    IndexOf(out, i, index);
    int64_t x_at = 0, y_at = 0, depth = 0, x_step = 0, y_step = 0;
    SAMARA_UNROLL
    for (uint32_t d = 0; d < kMaxTensorRank; ++d) {
      if (d < m_axis) {
        x_at += index[d] * x.strides[d];
        y_at += index[d] * y.strides[d];
      } else if (d == m_axis) {
        x_at += index[d] * x.strides[d];
        y_step = y.strides[d];
      } else if (d == n_axis) {
        y_at += index[d] * y.strides[d];
        x_step = x.strides[d];
        depth = x.dims[d];
      }
    }
    float acc = 0.0f;
    for (int64_t k = 0; k < depth; ++k) {
      acc = Fma(At<float>(x, x_at + k * x_step), At<float>(y, y_at + k * y_step), acc);
    }
    At<float>(out, OffsetOf(out, index)) = acc;
  }
}

SAMARA_KERNEL(kCoreThreads, StateReadKernel, StateReadArgs) {
  GridTrigger();
  GridWait();
  View out;
  MakeView(a.step, a.out, &out);
  const int64_t n = ElementsOf(out);
  for (int64_t i = FirstElement(); i < n; i += ElementStep()) {
    int64_t index[kMaxTensorRank];
    IndexOf(out, i, index);
    const uint32_t slot = static_cast<uint32_t>(index[0]);
    uint8_t* head = HeadOf(a.state, slot / kBlockSlots, static_cast<uint32_t>(index[1]));
    At<float>(out, OffsetOf(out, index)) =
        LoadElement(a.state, head, slot % kBlockSlots, static_cast<uint32_t>(index[2]));
  }
}

// A block a row; the row is cleared first.
SAMARA_KERNEL(kCoreThreads, StateVisibleKernel, StateVisibleArgs) {
  GridTrigger();
  GridWait();
  View out;
  MakeView(a.step, a.out, &out);
  const uint32_t t = BlockX();
  if (t >= out.dims[0]) return;
  uint8_t* row = out.data + t * out.strides[0];
  for (int64_t s = Tid(); s < out.dims[1]; s += BlockThreads()) row[s] = 0;
  SyncBlock();
  const TokenParams& token = Token(a.step, t);
  uint32_t begin, end;
  VisibleSlots(token, a.window, &begin, &end);
  for (uint32_t s = begin + Tid(); s < end; s += BlockThreads()) {
    const uint32_t block = PhysicalBlock(a.step, a.state, token.seq, s);
    if (block >= a.state.pool_blocks) {
      Report(a.step, kFaultBlock);
    } else {
      row[static_cast<int64_t>(block) * kBlockSlots + s % kBlockSlots] = 1;
    }
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_CORE_H_
