// Keys and values in their pools: the standard layout of runtime/backend.h.
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/reference/tensor.h"
#include "formats/quant/blocks.h"

namespace samara::reference {
namespace {

constexpr uint32_t kQ8Bytes = 34;  // a row-major Q8_0 block: the scale, 32 quants

// A head of a block, and where element d of slot j is in it.
uint8_t* Head(const StatePlan& s, int part, uint64_t slot, uint32_t head, uint64_t head_bytes) {
  return s.data[part] + (slot / kBlockSlots * s.heads[part] + head) * head_bytes;
}
uint64_t Element(const StatePlan& s, int part, uint64_t slot, uint32_t d) {
  const uint64_t j = slot % kBlockSlots;
  if (s.dtype == DType::kQ4_0) {  // the byte
    const uint64_t at = uint64_t{d} / kKvRun * (kKvRun / 2) + d % (kKvRun / 2);
    return part == 0 ? at * kBlockSlots + j : j * KvSlotElements(s.dtype, s.dim[part]) + at;
  }
  return part == 0 ? uint64_t{d} * kBlockSlots + j : j * s.dim[part] + d;
}

// The scale of a run of 32 dims of a slot, behind the quants.
uint16_t* Scale(const StatePlan& s, int part, uint64_t slot, uint8_t* head, uint32_t run) {
  uint16_t* scales =
      reinterpret_cast<uint16_t*>(head + KvSlotElements(s.dtype, s.dim[part]) * kBlockSlots);
  return scales + run * kBlockSlots + slot % kBlockSlots;
}

// A block of Q8_0 or Q4_0. Where the stored scale is not finite all quants are 0, so that what is read
// from the block is not a number.
void QuantizeRun(DType dtype, const float* x, uint32_t n, uint8_t* block) {
  bool finite = true;
  for (uint32_t i = 0; i < n; ++i) finite = finite && std::isfinite(x[i]);
  uint16_t d = HalfFromFloat(std::numeric_limits<float>::infinity());
  if (finite) {
    QuantizeRow(dtype, x, n, block);
    std::memcpy(&d, block, 2);
  }
  if (std::isfinite(FloatFromHalf(d))) return;
  // Of Q4_0 the quant 8 has the value 0.
  std::memset(block, dtype == DType::kQ4_0 ? 0x88 : 0, RowBytes(dtype, kKvRun));
  std::memcpy(block, &d, 2);
}

}  // namespace

template <typename T>
T LoadState(const StatePlan& s, int part, uint64_t slot, uint32_t head, uint32_t d) {
  const uint64_t at = Element(s, part, slot, d);
  if constexpr (sizeof(T) == sizeof(double)) {
    const uint64_t bytes = uint64_t{s.dim[part]} * kBlockSlots * sizeof(double);
    return reinterpret_cast<const double*>(Head(s, part, slot, head, bytes))[at];
  } else {
    uint8_t* from = Head(s, part, slot, head, KvHeadBytes(s.dtype, s.dim[part]));
    if (s.dtype == DType::kF32) return reinterpret_cast<const float*>(from)[at];
    if (s.dtype == DType::kF16) return FloatFromHalf(reinterpret_cast<const uint16_t*>(from)[at]);
    const float scale = FloatFromHalf(*Scale(s, part, slot, from, d / kKvRun));
    if (s.dtype == DType::kQ8_0) return scale * static_cast<float>(static_cast<int8_t>(from[at]));
    const int nibble = from[at] >> (d % kKvRun < kKvRun / 2 ? 0 : 4) & 15;
    return scale * static_cast<float>((nibble ^ 8) - 8);
  }
}
template float LoadState(const StatePlan&, int, uint64_t, uint32_t, uint32_t);
template double LoadState(const StatePlan&, int, uint64_t, uint32_t, uint32_t);

void StoreState(const StatePlan& s, int part, uint64_t slot, uint32_t head, const double* values) {
  const uint64_t bytes = uint64_t{s.dim[part]} * kBlockSlots * sizeof(double);
  double* to = reinterpret_cast<double*>(Head(s, part, slot, head, bytes));
  for (uint32_t d = 0; d < s.dim[part]; ++d) to[Element(s, part, slot, d)] = values[d];
}

void StoreState(const StatePlan& s, int part, uint64_t slot, uint32_t head, const float* values) {
  const uint32_t dim = s.dim[part];
  uint8_t* to = Head(s, part, slot, head, KvHeadBytes(s.dtype, dim));
  if (!KvHasScales(s.dtype)) {
    for (uint32_t d = 0; d < dim; ++d) {
      const uint64_t at = Element(s, part, slot, d);
      if (s.dtype == DType::kF32) {
        reinterpret_cast<float*>(to)[at] = values[d];
      } else {
        reinterpret_cast<uint16_t*>(to)[at] = HalfFromFloat(values[d]);
      }
    }
    return;
  }
  for (uint32_t first = 0; first < dim; first += kKvRun) {
    const uint32_t n = dim - first < kKvRun ? dim - first : kKvRun;
    uint8_t block[kQ8Bytes];
    QuantizeRun(s.dtype, values + first, n, block);
    std::memcpy(Scale(s, part, slot, to, first / kKvRun), block, 2);
    if (s.dtype == DType::kQ4_0) {
      // Less 8, in two's complement: the high bit of each half turned.
      for (uint32_t i = 0; i < kKvRun / 2; ++i)
        to[Element(s, part, slot, first + i)] = static_cast<uint8_t>(block[2 + i] ^ 0x88);
      continue;
    }
    for (uint32_t i = 0; i < n; ++i) to[Element(s, part, slot, first + i)] = block[2 + i];
  }
}

}  // namespace samara::reference
