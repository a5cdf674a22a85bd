// What an operator of the reference backends sees while it runs.
#ifndef SAMARA_BACKENDS_REFERENCE_TENSOR_H_
#define SAMARA_BACKENDS_REFERENCE_TENSOR_H_

#include <atomic>
#include <cstdint>

#include "backends/reference/plan.h"
#include "runtime/step_params.h"

namespace samara::reference {

// A strided view; strides count elements. T of Data is float or double for F32, int32_t for I32 and
// uint8_t for Bool.
struct Tensor {
  DType dtype = DType::kInvalid;
  uint32_t rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t strides[kMaxRank] = {};
  void* data = nullptr;                // nullptr: absent, a packed weight or a state
  const WeightPlan* weight = nullptr;  // packed
  StatePlan* state = nullptr;

  bool present() const { return data != nullptr || weight != nullptr; }
  template <typename T>
  T* Data() const {
    return static_cast<T*>(data);
  }
  // Row r of the first dimension; what lies inside a row is contiguous.
  template <typename T>
  T* Row(int64_t r) const {
    return Data<T>() + r * strides[0];
  }
  int64_t Elements() const {
    int64_t n = 1;
    for (uint32_t i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
};

struct OpRun {
  const OpParams* params;
  OpCode code;
  const Tensor* in;
  uint32_t n_in;
  const Tensor* out;
  StepView step;
  uint8_t* scratch;
  const std::atomic<bool>* cancelled;

  bool Cancelled() const { return cancelled->load(std::memory_order_relaxed); }
};

// Calls f(index) for every index of a shape, last dimension fastest.
template <typename F>
void ForEachIndex(uint32_t rank, const int64_t* dims, F f) {
  int64_t index[kMaxRank] = {};
  for (uint32_t i = 0; i < rank; ++i) {
    if (dims[i] == 0) return;
  }
  for (;;) {
    f(static_cast<const int64_t*>(index));
    uint32_t axis = rank;
    for (;;) {
      if (axis == 0) return;
      --axis;
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
    }
  }
}

inline int64_t Offset(uint32_t rank, const int64_t* index, const int64_t* strides) {
  int64_t offset = 0;
  for (uint32_t i = 0; i < rank; ++i) offset += index[i] * strides[i];
  return offset;
}

// Physical slot of a sequence's logical slot, in slots from the start of the pool; -1 if the table
// is broken.
inline int64_t PhysicalSlot(const StepView& step, uint32_t group, uint32_t seq, uint32_t slot) {
  const StepLayout& layout = *step.layout;
  const SeqParams& s = step.seqs()[seq];
  const uint32_t entry = slot / kBlockSlots % layout.blocks_per_seq[group];
  const uint32_t block = step.block_tables()[s.block_table[group] + entry];
  if (block >= layout.pool_blocks[group]) return -1;
  return static_cast<int64_t>(block) * kBlockSlots + slot % kBlockSlots;
}

// Element d of a head of a physical slot: doubles in float64 mode, else the KV type.
template <typename T>
T LoadState(const StatePlan& s, int part, uint64_t slot, uint32_t head, uint32_t d);
// All elements of a head of a slot.
void StoreState(const StatePlan& s, int part, uint64_t slot, uint32_t head, const float* values);
void StoreState(const StatePlan& s, int part, uint64_t slot, uint32_t head, const double* values);

// The visible slots of a token: [begin, end), narrowed to the last `window` ones if window > 0.
inline void VisibleRange(const TokenParams& token, int64_t window, uint32_t* begin, uint32_t* end) {
  *begin = token.visible_begin;
  *end = token.visible_end;
  if (window > 0 && *end > window && *begin < *end - window) {
    *begin = static_cast<uint32_t>(*end - window);
  }
}

// The operators, by file. T is float (exact) or double.
template <typename T>
Status RunCoreOp(const OpRun& op);
Status RunMatmul(const OpRun& op, float);  // matmul and linear
Status RunMatmul(const OpRun& op, double);
Status RunComposite(const OpRun& op, float);  // every composite but linear
Status RunComposite(const OpRun& op, double);

// Scratch that matmul and linear need for x [t, cols] and attention for `slots` visible slots.
uint64_t MatmulScratch(Mode mode, DType weight, uint64_t t, uint64_t cols);
uint64_t AttentionScratch(Mode mode, const OpParams& params, uint64_t slots);
// A row of a weight as numbers, by way of a float row in `row` (cols floats).
template <typename T>
void DequantizeWeightRow(const WeightPlan& w, uint64_t r, float* row, T* out);

}  // namespace samara::reference

#endif  // SAMARA_BACKENDS_REFERENCE_TENSOR_H_
