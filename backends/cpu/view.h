// What the core operators share: tensors of a step as strided views.
#ifndef SAMARA_BACKENDS_CPU_VIEW_H_
#define SAMARA_BACKENDS_CPU_VIEW_H_

#include <cstdint>
#include <cstring>

#include "backends/cpu/plan.h"

namespace samara::cpu {

inline uint64_t ElementBytes(DType dtype) { return dtype == DType::kBool ? 1 : 4; }

// A tensor of this step: dims, byte strides.
struct View {
  uint8_t* data = nullptr;
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};
};

inline View ViewOf(const Tensor& tensor, const RunContext& context) {
  View v;
  v.data = tensor.operand.At<uint8_t>(context);
  v.rank = tensor.rank;
  int64_t stride = static_cast<int64_t>(ElementBytes(tensor.dtype));
  for (int i = tensor.rank - 1; i >= 0; --i) {
    v.dims[i] = tensor.dims[i].At(context);
    v.strides[i] = i == 0 ? static_cast<int64_t>(tensor.operand.stride) : stride;
    stride *= v.dims[i];
  }
  return v;
}

// `in` seen through the shape of `out`: numpy broadcasting.
inline View Broadcast(const View& in, const View& out) {
  View v = out;
  v.data = in.data;
  for (int i = 0; i < out.rank; ++i) {
    const int from = i - (out.rank - in.rank);
    v.strides[i] = from < 0 || in.dims[from] == 1 ? 0 : in.strides[from];
  }
  return v;
}

inline int64_t Elements(const View& v) {
  int64_t n = 1;
  for (int i = 0; i < v.rank; ++i) n *= v.dims[i];
  return n;
}

// Byte offset of flat index `flat` over dimensions [0, rank) of `dims`.
inline int64_t OffsetOf(int64_t flat, int rank, const int64_t* dims, const int64_t* strides) {
  int64_t offset = 0;
  for (int i = rank - 1; i >= 0; --i) {
    offset += flat % dims[i] * strides[i];
    flat /= dims[i];
  }
  return offset;
}

template <typename T>
T Get(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <typename T>
void Put(uint8_t* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

struct Lane {
  const uint8_t* data;
  int64_t stride;
};
// n elements of the last dimension.
using InnerFn = void (*)(const void* kernel, uint8_t* y, int64_t y_stride, const Lane* in,
                         int64_t n);

// An operator over every element: rows of the last dimension go to `inner`.
struct EachJob {
  InnerFn inner;
  const void* kernel;
  View out, in[3];
  int n_in;
};

bool RunEachJob(const EachJob& job, RunContext* context);

// Copies elements: 4 bytes or 1.
InnerFn CopyInner(DType dtype);

// Builders of ops_shape.cc.
Status AddMove(Builder* builder, const Op& op);
Status AddGather(Builder* builder, const Op& op);
Status AddBatchMatmul(Builder* builder, const Op& op);

}  // namespace samara::cpu

#endif  // SAMARA_BACKENDS_CPU_VIEW_H_
