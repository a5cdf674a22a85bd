// Weights on the device: their layout, and one element.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_MATRIX_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_MATRIX_H_

#include "backends/cuda/kernels/math.h"

namespace samara::cuda {

// What the kernels must know of a type at compile time.
template <uint32_t kType>
struct Codec {
  static constexpr bool kQuantized = kType >= kQ8_0;
  static constexpr bool kBytes = kType == kQ8_0;                   // 8-bit quants
  static constexpr bool kHigh = kType == kQ5_0 || kType == kQ5_1;  // a fifth bit
  static constexpr bool kMinimum = kType == kQ4_1 || kType == kQ5_1;
  static constexpr int kOffset = kType == kQ4_0 ? 8 : kType == kQ5_0 ? 16 : 0;
  // Columns of a 16-byte unit.
  static constexpr uint32_t kUnit = kType == kF32                     ? 4
                                    : kType == kF16 || kType == kBF16 ? 8
                                    : kType == kQ8_0                  ? 16
                                                                      : 32;
};
SAMARA_DEVICE bool HasMinimum(uint32_t type) { return type == kQ4_1 || type == kQ5_1; }
SAMARA_DEVICE bool HasHighBits(uint32_t type) { return type == kQ5_0 || type == kQ5_1; }

SAMARA_DEVICE const uint8_t* UnitOf(const MatrixArg& m, uint32_t row, uint32_t unit) {
  return m.units + (static_cast<uint64_t>(row) * m.units_per_row + unit) * 16;
}

// An element as the codec defines it (formats/quant/blocks.h): products and sums rounded one by one.
SAMARA_DEVICE float MatrixElement(const MatrixArg& m, uint32_t row, uint32_t col) {
  const uint8_t* units = UnitOf(m, row, 0);
  if (m.type == kF32) return reinterpret_cast<const float*>(units)[col];
  if (m.type == kF16) return FloatOfHalf(reinterpret_cast<const uint16_t*>(units)[col]);
  if (m.type == kBF16) {
    return FloatOfBits(static_cast<uint32_t>(reinterpret_cast<const uint16_t*>(units)[col]) << 16);
  }
  const uint32_t block = col / 32, j = col % 32;
  const uint64_t at = static_cast<uint64_t>(row) * m.scale_blocks + block;
  if (m.type == kQ8_0) {
    const float d = FloatOfHalf(reinterpret_cast<const uint16_t*>(m.scales)[at]);
    return d * static_cast<float>(static_cast<int8_t>(units[col]));
  }
  const uint32_t byte = units[16 * block + j % 16];
  int32_t q = static_cast<int32_t>(j < 16 ? byte & 15u : byte >> 4);
  if (HasHighBits(m.type)) {
    q |= static_cast<int32_t>(reinterpret_cast<const uint32_t*>(m.high)[at] >> j & 1u) << 4;
  }
  if (!HasMinimum(m.type)) {
    const float d = FloatOfHalf(reinterpret_cast<const uint16_t*>(m.scales)[at]);
    return d * static_cast<float>(q - (m.type == kQ4_0 ? 8 : 16));
  }
  const uint16_t* pair = reinterpret_cast<const uint16_t*>(m.scales) + 2 * at;
  const float product = FloatOfHalf(pair[0]) * static_cast<float>(q);
  return product + FloatOfHalf(pair[1]);
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_MATRIX_H_
