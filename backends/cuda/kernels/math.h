// Functions of formats/numerics.md on the device, operation by operation.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_MATH_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_MATH_H_

#include "backends/cuda/simt.h"
#include "formats/math_constants.h"

namespace samara::cuda {

// Constants are passed as literals of constexpr arrays: each is folded into an instruction.
template <int kCount>
SAMARA_DEVICE float Horner(const float (&c)[kCount], float z) {
  float h = c[0];
  SAMARA_UNROLL
  for (int i = 1; i < kCount; ++i) h = Fma(h, z, c[i]);
  return h;
}

SAMARA_DEVICE float Infinity() { return FloatOfBits(0x7f800000u); }
SAMARA_DEVICE float NotANumber() { return FloatOfBits(0x7fc00000u); }
SAMARA_DEVICE bool IsNan(float x) { return !(x == x); }
SAMARA_DEVICE bool IsFinite(float x) { return (BitsOfFloat(x) & 0x7f800000u) != 0x7f800000u; }

// 2^n for n in the range of normal numbers.
SAMARA_DEVICE float PowerOfTwo(int32_t n) {
  return FloatOfBits(static_cast<uint32_t>(n + 127) << 23);
}

SAMARA_DEVICE float Exp(float x) {
  constexpr float c[] = {math::kExpC[0], math::kExpC[1], math::kExpC[2],
                         math::kExpC[3], math::kExpC[4], math::kExpC[5]};
  if (x > math::kExpOverflow) return Infinity();
  if (x < math::kExpUnderflow) return 0.0f;
  if (IsNan(x)) return x;
  const float n = Round(x * math::kLog2E);
  float r = Fma(n, -math::kLn2High, x);
  r = Fma(n, -math::kLn2Low, r);
  float h = Horner(c, r);
  h = Fma(h, r, 1.0f);
  const float y = Fma(h, r, 1.0f);
  const int32_t whole = static_cast<int32_t>(n);
  const int32_t half = whole >> 1;
  return (y * PowerOfTwo(half)) * PowerOfTwo(whole - half);
}

SAMARA_DEVICE float SinCos(float x, int32_t shift) {
  constexpr float s_c[] = {math::kSinC[0], math::kSinC[1], math::kSinC[2]};
  constexpr float c_c[] = {math::kCosC[0], math::kCosC[1], math::kCosC[2]};
  if (!(Absolute(x) <= math::kTrigLimit)) return NotANumber();
  const float j = Round(x * math::kTwoOverPi);
  float r = Fma(j, -math::kPio2Part1, x);
  r = Fma(j, -math::kPio2Part2, r);
  r = Fma(j, -math::kPio2Part3, r);
  const float z = r * r;
  const float s = Fma(Horner(s_c, z) * z, r, r);
  const float c = Fma(Horner(c_c, z) * z, z, Fma(z, -0.5f, 1.0f));
  const int32_t q = (static_cast<int32_t>(j) + shift) & 3;
  const float y = (q & 1) != 0 ? c : s;
  return (q & 2) != 0 ? -y : y;
}
SAMARA_DEVICE float Sin(float x) { return SinCos(x, 0); }
SAMARA_DEVICE float Cos(float x) { return SinCos(x, 1); }

SAMARA_DEVICE float Tanh(float x) {
  constexpr float c[] = {math::kTanhC[0], math::kTanhC[1], math::kTanhC[2], math::kTanhC[3],
                         math::kTanhC[4]};
  const float a = Absolute(x);
  float y;
  if (a < math::kTanhSmall) {
    const float z = a * a;
    y = Fma(Horner(c, z) * z, a, a);
  } else if (a > math::kTanhLarge) {
    y = 1.0f;
  } else {
    y = 1.0f - 2.0f / (Exp(a + a) + 1.0f);
  }
  return CopySign(y, x);
}

SAMARA_DEVICE float Erf(float x) {
  constexpr float small[] = {math::kErfSmallC[0], math::kErfSmallC[1], math::kErfSmallC[2],
                             math::kErfSmallC[3], math::kErfSmallC[4], math::kErfSmallC[5]};
  constexpr float large[] = {math::kErfLargeC[0], math::kErfLargeC[1], math::kErfLargeC[2],
                             math::kErfLargeC[3], math::kErfLargeC[4]};
  const float a = Absolute(x);
  float y;
  if (a < 0.5f) {
    y = Horner(small, a * a) * a;
  } else {
    const float t = 1.0f / Fma(math::kErfP, a, 1.0f);
    y = Fma(-(Horner(large, t) * t), Exp(-(a * a)), 1.0f);
  }
  return CopySign(y, x);
}

SAMARA_DEVICE float Log(float x) {
  constexpr float c[] = {math::kLogC[0], math::kLogC[1], math::kLogC[2],
                         math::kLogC[3], math::kLogC[4], math::kLogC[5],
                         math::kLogC[6], math::kLogC[7], math::kLogC[8]};
  if (IsNan(x) || x < 0.0f) return NotANumber();
  if (x == 0.0f) return -Infinity();
  if (!IsFinite(x)) return x;
  int32_t exponent = 0;
  if (x < FloatOfBits(0x00800000u)) {  // subnormal: times 2^24
    x *= 16777216.0f;
    exponent = -24;
  }
  const uint32_t bits = BitsOfFloat(x);
  exponent += static_cast<int32_t>(bits >> 23) - 126;
  float m = FloatOfBits((bits & 0x007fffffu) | 0x3f000000u);  // in [0.5, 1)
  if (m < math::kSqrtHalf) {
    exponent -= 1;
    m = m + m;
  }
  const float e = static_cast<float>(exponent);
  const float f = m - 1.0f;
  const float z = f * f;
  float y = (Horner(c, f) * f) * z;
  y = Fma(e, -math::kLn2LogLow, y);
  y = Fma(z, -0.5f, y);
  return Fma(e, math::kLn2LogHigh, f + y);
}

// `activation` is formats/operators.h's Activation.
SAMARA_DEVICE float Activate(uint32_t activation, float x) {
  if (activation == 0) return x / (1.0f + Exp(-x));
  if (activation == 1) {
    const float c = math::kGeluC * x;
    const float u = math::kGeluScale * Fma(c, x * x, x);
    return (0.5f * x) * (1.0f + Tanh(u));
  }
  if (activation == 2) return (0.5f * x) * (1.0f + Erf(x * math::kSqrtHalf));
  return x > 0.0f ? x : 0.0f;
}

SAMARA_DEVICE float Bf16Operand(float x) {
  const float y = FloatOfBits(static_cast<uint32_t>(Bf16OfFloat(x)) << 16);
  return Absolute(y) < math::kBf16Tiny ? 0.0f : y;
}

// The int8 form of a block of 32 activations from the largest magnitude's bits: not finite where one of them is not.
struct Quantizer {
  float scale;    // of the int8 values
  float inverse;  // values times it, rounded, are the int8 values
};
SAMARA_DEVICE Quantizer QuantizerOf(uint32_t largest_bits) {
  const float amax = FloatOfBits(largest_bits);
  if (largest_bits >= 0x7f800000u) return {amax, 0.0f};
  if (amax < math::kQ8Tiny) return {0.0f, 0.0f};
  return {amax / 127.0f, 127.0f / amax};
}
SAMARA_DEVICE uint32_t MagnitudeBits(float x) { return BitsOfFloat(x) & 0x7fffffffu; }
SAMARA_DEVICE int32_t QuantizeValue(float x, const Quantizer& q) {
  // Where the block is not finite its scale says so, whatever the values.
  return q.inverse == 0.0f ? 0 : static_cast<int32_t>(Round(x * q.inverse));
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_MATH_H_
