#include "formats/quant/blocks.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "formats/quant/codes.h"

namespace samara {
namespace {

constexpr uint64_t kBlock = 32;

uint16_t Load16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}
uint32_t Load32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
void Store16(uint8_t* p, uint16_t v) { std::memcpy(p, &v, 2); }
void Store32(uint8_t* p, uint32_t v) { std::memcpy(p, &v, 4); }

// 1/d, or 0 where that is no finite number: such a scale is 0 (or infinite) in f16 anyway, and the
// quants must not depend on how an out-of-range float becomes an integer.
float Inverse(float d) {
  const float inverse = 1.0f / d;
  return std::fabs(inverse) <= 3.402823466e+38f ? inverse : 0.0f;
}

int Clamp(int q, int max) { return q > max ? max : q; }

void QuantizeBlockQ8_0(const float* x, uint8_t* out) {
  float amax = 0;
  for (uint64_t i = 0; i < kBlock; ++i) amax = std::fabs(x[i]) > amax ? std::fabs(x[i]) : amax;
  const float d = amax / 127.0f;
  const float inverse = Inverse(d);
  Store16(out, HalfFromFloat(d));
  for (uint64_t i = 0; i < kBlock; ++i) {
    // Half away from zero: a fraction of a number below 128 is exact.
    const float scaled = std::fabs(x[i] * inverse);
    int q = static_cast<int>(scaled);
    if (scaled - static_cast<float>(q) >= 0.5f) ++q;
    out[2 + i] = static_cast<uint8_t>(x[i] < 0 ? -q : q);
  }
}

// Quants of a block that are stored as nibbles (and one high bit each).
void StoreQuants(const uint8_t* q, bool five_bits, uint8_t* out) {
  if (five_bits) {
    uint32_t high = 0;
    for (uint64_t i = 0; i < kBlock; ++i) high |= static_cast<uint32_t>(q[i] >> 4) << i;
    Store32(out, high);
    out += 4;
  }
  for (uint64_t i = 0; i < 16; ++i) {
    out[i] = static_cast<uint8_t>((q[i] & 15) | ((q[i + 16] & 15) << 4));
  }
}

// Q4_0, Q5_0: the element of largest magnitude gets the quant 0, whose value is -8 or -16 times d.
void QuantizeBlockSymmetric(const float* x, bool five_bits, uint8_t* out) {
  float extreme = x[0];
  for (uint64_t i = 1; i < kBlock; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  const float d = extreme / (five_bits ? -16.0f : -8.0f);
  const float inverse = Inverse(d);
  const float half = five_bits ? 16.5f : 8.5f;
  uint8_t q[kBlock];
  for (uint64_t i = 0; i < kBlock; ++i) {
    const float scaled = x[i] * inverse;  // rounded before the addition: no fma
    q[i] = static_cast<uint8_t>(Clamp(static_cast<int>(scaled + half), five_bits ? 31 : 15));
  }
  Store16(out, HalfFromFloat(d));
  StoreQuants(q, five_bits, out + 2);
}

// Q4_1, Q5_1: the range of the block is cut into 15 or 31 steps.
void QuantizeBlockAffine(const float* x, bool five_bits, uint8_t* out) {
  float min = x[0], max = x[0];
  for (uint64_t i = 1; i < kBlock; ++i) {
    if (x[i] < min) min = x[i];
    if (x[i] > max) max = x[i];
  }
  const int steps = five_bits ? 31 : 15;
  const float d = (max - min) / static_cast<float>(steps);
  const float inverse = Inverse(d);
  uint8_t q[kBlock] = {};
  if (inverse != 0) {  // else x - min may be infinite, and infinity times zero is no number
    for (uint64_t i = 0; i < kBlock; ++i) {
      const float scaled = (x[i] - min) * inverse;
      q[i] = static_cast<uint8_t>(Clamp(static_cast<int>(scaled + 0.5f), steps));
    }
  }
  Store16(out, HalfFromFloat(d));
  Store16(out + 2, HalfFromFloat(min));
  StoreQuants(q, five_bits, out + 4);
}

void QuantizeBlock(DType dtype, const float* x, uint8_t* out) {
  switch (dtype) {
    case DType::kQ8_0:
      return QuantizeBlockQ8_0(x, out);
    case DType::kQ4_0:
      return QuantizeBlockSymmetric(x, false, out);
    case DType::kQ5_0:
      return QuantizeBlockSymmetric(x, true, out);
    case DType::kQ4_1:
      return QuantizeBlockAffine(x, false, out);
    case DType::kQ5_1:
      return QuantizeBlockAffine(x, true, out);
    default:
      return;
  }
}

void DequantizeBlock(DType dtype, const uint8_t* in, float* out) {
  const float d = FloatFromHalf(Load16(in));
  if (dtype == DType::kQ8_0) {
    for (uint64_t i = 0; i < kBlock; ++i) {
      out[i] = d * static_cast<float>(static_cast<int8_t>(in[2 + i]));
    }
    return;
  }
  const bool affine = dtype == DType::kQ4_1 || dtype == DType::kQ5_1;
  const bool five_bits = dtype == DType::kQ5_0 || dtype == DType::kQ5_1;
  const float minimum = affine ? FloatFromHalf(Load16(in + 2)) : 0.0f;
  in += affine ? 4 : 2;
  const uint32_t high = five_bits ? Load32(in) : 0;
  in += five_bits ? 4 : 0;
  for (uint32_t i = 0; i < kBlock; ++i) {
    int q = i < 16 ? in[i] & 15 : in[i - 16] >> 4;
    q |= static_cast<int>((high >> i & 1) << 4);
    if (affine) {
      const float product = d * static_cast<float>(q);
      out[i] = product + minimum;
    } else {
      out[i] = d * static_cast<float>(q - (five_bits ? 16 : 8));
    }
  }
}

}  // namespace

float FloatFromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 31) {  // infinity; a NaN keeps its payload and becomes quiet
    const uint32_t quiet = mantissa != 0 ? 0x400000u : 0;
    return std::bit_cast<float>(sign | 0x7f800000u | quiet | mantissa << 13);
  }
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  // Zero and subnormals are mantissa * 2^-24, exact.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint16_t HalfFromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return static_cast<uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  }
  if (magnitude >= 0x477ff000u)
    return static_cast<uint16_t>(sign | 0x7c00u);  // from 65520: infinity
  if (magnitude >= 0x38800000u) {  // normal halves; a carry out of the mantissa raises the exponent
    const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1);
    return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
  }
  if (magnitude <= 0x33000000u) return static_cast<uint16_t>(sign);  // up to 2^-25, a tie with zero
  // Subnormal halves: shift the 24-bit significand down to units of 2^-24.
  const uint32_t shift = 126 - (magnitude >> 23);
  const uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
  const uint32_t quotient = significand >> shift;
  const uint32_t rest = significand & ((1u << shift) - 1);
  const uint32_t tie = 1u << (shift - 1);
  const uint32_t up = rest > tie || (rest == tie && (quotient & 1)) ? 1 : 0;
  return static_cast<uint16_t>(sign | (quotient + up));
}

float FloatFromBf16(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  if ((wide & 0x7fffffffu) > 0x7f800000u) wide |= 0x400000u;
  return std::bit_cast<float>(wide);
}

uint16_t Bf16FromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

uint64_t PaddedCols(DType dtype, uint64_t cols) {
  const DTypeInfo* info = FindDType(dtype);
  if (info == nullptr) return 0;
  const uint64_t n = info->block_elements;
  return (cols / n + (cols % n != 0 ? 1 : 0)) * n;
}

uint64_t RowBytes(DType dtype, uint64_t cols) {
  const DTypeInfo* info = FindDType(dtype);
  if (info == nullptr) return 0;
  const uint64_t n = info->block_elements;
  return (cols / n + (cols % n != 0 ? 1 : 0)) * info->block_bytes;
}

void QuantizeRow(DType dtype, const float* in, uint64_t cols, uint8_t* out) {
  switch (dtype) {
    case DType::kF32:
      if (cols != 0) std::memcpy(out, in, cols * 4);
      return;
    case DType::kF16:
      for (uint64_t i = 0; i < cols; ++i) Store16(out + 2 * i, HalfFromFloat(in[i]));
      return;
    case DType::kBF16:
      for (uint64_t i = 0; i < cols; ++i) Store16(out + 2 * i, Bf16FromFloat(in[i]));
      return;
    default:
      break;
  }
  const DTypeInfo* info = FindDType(dtype);
  if (info == nullptr || !info->is_quantized || FindCodeForm(dtype) != nullptr) return;
  uint64_t i = 0;
  for (; i + kBlock <= cols; i += kBlock, out += info->block_bytes) {
    QuantizeBlock(dtype, in + i, out);
  }
  if (i < cols) {
    float padded[kBlock] = {};
    std::memcpy(padded, in + i, (cols - i) * 4);
    QuantizeBlock(dtype, padded, out);
  }
}

void DequantizeRow(DType dtype, const uint8_t* in, uint64_t cols, float* out) {
  switch (dtype) {
    case DType::kF32:
      if (cols != 0) std::memcpy(out, in, cols * 4);
      return;
    case DType::kF16:
      for (uint64_t i = 0; i < cols; ++i) out[i] = FloatFromHalf(Load16(in + 2 * i));
      return;
    case DType::kBF16:
      for (uint64_t i = 0; i < cols; ++i) out[i] = FloatFromBf16(Load16(in + 2 * i));
      return;
    default:
      break;
  }
  const DTypeInfo* info = FindDType(dtype);
  if (info == nullptr || !info->is_quantized) return;
  if (const CodeForm* form = FindCodeForm(dtype)) {
    BlockCodes codes;
    for (uint64_t i = 0; i < cols; i += form->elements, in += info->block_bytes) {
      SplitBlock(*form, in, &codes);
      DequantizeCodes(*form, codes, cols - i < form->elements ? cols - i : form->elements, out + i);
    }
    return;
  }
  uint64_t i = 0;
  for (; i + kBlock <= cols; i += kBlock, in += info->block_bytes) {
    DequantizeBlock(dtype, in, out + i);
  }
  if (i < cols) {
    float padded[kBlock];
    DequantizeBlock(dtype, in, padded);
    std::memcpy(out + i, padded, (cols - i) * 4);
  }
}

}  // namespace samara
