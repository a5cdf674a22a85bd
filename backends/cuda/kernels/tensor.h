// Views of tensors, the step block, and states, as kernels see them.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_TENSOR_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_TENSOR_H_

#include "backends/cuda/kernels/math.h"

namespace samara::cuda {

SAMARA_DEVICE uint32_t DimValue(const StepArgs& step, uint32_t index) {
  return reinterpret_cast<const uint32_t*>(step.base + step.dims)[index];
}
SAMARA_DEVICE const TokenParams& Token(const StepArgs& step, uint32_t t) {
  return reinterpret_cast<const TokenParams*>(step.base + step.tokens)[t];
}
SAMARA_DEVICE void Report(const StepArgs& step, Fault fault) {
  *step.fault = fault;
  FenceSystem();
}

// Element strides; sizes in elements.
struct View {
  uint8_t* data;
  uint32_t rank;
  int64_t dims[kMaxTensorRank];
  int64_t strides[kMaxTensorRank];
};
SAMARA_DEVICE uint32_t ElementBytes(uint32_t type) { return type == kBool ? 1 : 4; }

SAMARA_DEVICE void MakeView(const StepArgs& step, const TensorArg& arg, View* view) {
  view->data = arg.data;
  view->rank = arg.rank;
  int64_t stride = 1;
  SAMARA_UNROLL
  for (uint32_t j = 0; j < kMaxTensorRank; ++j) {
    const uint32_t i = kMaxTensorRank - 1 - j;
    view->dims[i] = 1;
    view->strides[i] = 0;
    if (i >= arg.rank) continue;
    view->dims[i] = DimValue(step, arg.dims[i]);
    view->strides[i] = stride;
    stride *= view->dims[i];
  }
  if (arg.rank > 0) {
    view->strides[0] = static_cast<int64_t>(arg.row_bytes / ElementBytes(arg.type));
  }
}
SAMARA_DEVICE int64_t ElementsOf(const View& view) {
  int64_t n = 1;
  SAMARA_UNROLL
  for (uint32_t i = 0; i < kMaxTensorRank; ++i) n *= view.dims[i];
  return n;
}
// Index of element `flat` in row-major order.
SAMARA_DEVICE void IndexOf(const View& view, int64_t flat, int64_t (&index)[kMaxTensorRank]) {
  SAMARA_UNROLL
  for (uint32_t j = 0; j < kMaxTensorRank; ++j) {
    const uint32_t i = kMaxTensorRank - 1 - j;
    index[i] = 0;
    if (i >= view.rank) continue;
    index[i] = flat % view.dims[i];
    flat /= view.dims[i];
  }
}
SAMARA_DEVICE int64_t OffsetOf(const View& view, const int64_t (&index)[kMaxTensorRank]) {
  int64_t offset = 0;
  SAMARA_UNROLL
  for (uint32_t i = 0; i < kMaxTensorRank; ++i) offset += index[i] * view.strides[i];
  return offset;
}
// The same element of an operand of lower rank or with dimensions of 1 (numpy broadcasting).
SAMARA_DEVICE int64_t BroadcastOffset(const View& in, const View& out,
                                      const int64_t (&index)[kMaxTensorRank]) {
  const uint32_t lead = out.rank - in.rank;
  int64_t offset = 0;
  SAMARA_UNROLL
  for (uint32_t i = 0; i < kMaxTensorRank; ++i) {
    if (i < lead || i >= out.rank) continue;
    SAMARA_UNROLL
    for (uint32_t k = 0; k < kMaxTensorRank; ++k) {
      // k = i - lead, with indices that are known at compile time
      if (k + lead == i && in.dims[k] != 1) offset += index[i] * in.strides[k];
    }
  }
  return offset;
}

// A loop over elements of a grid; at most 2^31 blocks of work.
SAMARA_DEVICE int64_t FirstElement() {
  return static_cast<int64_t>(BlockX()) * BlockThreads() + Tid();
}
SAMARA_DEVICE int64_t ElementStep() { return static_cast<int64_t>(GridX()) * BlockThreads(); }

template <typename T>
SAMARA_DEVICE T* RowOf(const RowsArg& rows, uint32_t row) {
  return reinterpret_cast<T*>(rows.data + row * rows.row_bytes);
}

// Bytes of a row of int8 activations: the values, padded to whole blocks, then their QuantMeta; rows are 16-aligned.
SAMARA_DEVICE const QuantMeta* MetaOf(const int8_t* row, uint32_t cols) {
  return reinterpret_cast<const QuantMeta*>(row + CeilDiv(cols, 32) * 32);
}
SAMARA_DEVICE QuantMeta* MetaOf(int8_t* row, uint32_t cols) {
  return reinterpret_cast<QuantMeta*>(row + CeilDiv(cols, 32) * 32);
}

// Sums of both halves of a block.
SAMARA_DEVICE void HalfSums(const QuantMeta& meta, int32_t (&sums)[2]) {
  sums[0] = static_cast<int16_t>(meta.sums & 0xffff);
  sums[1] = (meta.sums - sums[0]) >> 16;
}

// --- States ------------------------------------------------------------------------------------------------

// The block that holds a sequence's slot, or pool_blocks if the table is broken.
SAMARA_DEVICE uint32_t PhysicalBlock(const StepArgs& step, const StateArg& state, uint32_t seq,
                                     uint32_t slot) {
  const SeqParams& s = reinterpret_cast<const SeqParams*>(step.base + step.seqs)[seq];
  const uint32_t* tables = reinterpret_cast<const uint32_t*>(step.base + step.block_tables);
  uint32_t first = 0;
  SAMARA_UNROLL
  for (uint32_t g = 0; g < kMaxStateGroups; ++g) {
    if (g == state.group) first = s.block_table[g];
  }
  return tables[first + slot / kBlockSlots % state.blocks_per_seq];
}
SAMARA_DEVICE uint8_t* HeadOf(const StateArg& state, uint32_t block, uint32_t head) {
  return state.data + (static_cast<uint64_t>(block) * state.heads + head) * state.head_bytes;
}
// Element d of slot j, in elements from the start of a head.
SAMARA_DEVICE uint32_t StateElement(const StateArg& state, uint32_t j, uint32_t d) {
  return state.part == 0 ? d * kBlockSlots + j : j * state.dim + d;
}
SAMARA_DEVICE uint16_t* ScaleOf(const StateArg& state, uint8_t* head, uint32_t j, uint32_t run) {
  return reinterpret_cast<uint16_t*>(head + state.dim * kBlockSlots) + run * kBlockSlots + j;
}
SAMARA_DEVICE void StoreElement(const StateArg& state, uint8_t* head, uint32_t j, uint32_t d,
                                float x) {
  const uint32_t at = StateElement(state, j, d);
  if (state.type == kF32) {
    reinterpret_cast<float*>(head)[at] = x;
  } else {
    reinterpret_cast<uint16_t*>(head)[at] = HalfOfFloat(x);
  }
}
SAMARA_DEVICE float LoadElement(const StateArg& state, uint8_t* head, uint32_t j, uint32_t d) {
  const uint32_t at = StateElement(state, j, d);
  if (state.type == kF32) return reinterpret_cast<const float*>(head)[at];
  if (state.type == kF16) return FloatOfHalf(reinterpret_cast<const uint16_t*>(head)[at]);
  return FloatOfHalf(*ScaleOf(state, head, j, d / 32)) *
         static_cast<float>(static_cast<int8_t>(head[at]));
}
// The visible slots of a token, narrowed to the last `window` ones.
SAMARA_DEVICE void VisibleSlots(const TokenParams& token, uint64_t window, uint32_t* begin,
                                uint32_t* end) {
  *begin = token.visible_begin;
  *end = token.visible_end;
  if (window > 0 && *end > window && *begin < *end - window) {
    *begin = static_cast<uint32_t>(*end - window);
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_TENSOR_H_
