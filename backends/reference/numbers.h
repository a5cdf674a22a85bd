// Scalar functions in the two number types of the reference: float is the numerics contract,
// operation by operation; double is the standard library.
#ifndef SAMARA_BACKENDS_REFERENCE_NUMBERS_H_
#define SAMARA_BACKENDS_REFERENCE_NUMBERS_H_

#include <cmath>
#include <cstdint>
#include <limits>

#include "formats/math_constants.h"
#include "formats/operators.h"

namespace samara::reference {

// --- float: formats/numerics.md, "Building blocks"
// ------------------------------------------------------

// C[0] * z^n + ... + C[n], one fma a step.
template <int kCount>
float Horner(const float (&c)[kCount], float z) {
  float h = c[0];
  for (int i = 1; i < kCount; ++i) h = std::fma(h, z, c[i]);
  return h;
}

// 2^n for n in the range of normal numbers.
inline float PowerOfTwo(int n) { return std::ldexp(1.0f, n); }

inline float Exp(float x) {
  if (x > math::kExpOverflow) return std::numeric_limits<float>::infinity();
  if (x < math::kExpUnderflow) return 0.0f;
  if (std::isnan(x)) return x;
  const float n = std::rint(x * math::kLog2E);
  float r = std::fma(n, -math::kLn2High, x);
  r = std::fma(n, -math::kLn2Low, r);
  float h = Horner(math::kExpC, r);
  h = std::fma(h, r, 1.0f);
  const float y = std::fma(h, r, 1.0f);
  const int whole = static_cast<int>(n);
  const int half = whole >> 1;
  return (y * PowerOfTwo(half)) * PowerOfTwo(whole - half);
}

// sin and cos share the reduction; `shift` is 0 for sin and 1 for cos.
inline float SinCos(float x, int shift) {
  if (!(std::fabs(x) <= math::kTrigLimit)) return std::numeric_limits<float>::quiet_NaN();
  const float j = std::rint(x * math::kTwoOverPi);
  float r = std::fma(j, -math::kPio2Part1, x);
  r = std::fma(j, -math::kPio2Part2, r);
  r = std::fma(j, -math::kPio2Part3, r);
  const float z = r * r;
  const float s = std::fma(Horner(math::kSinC, z) * z, r, r);
  const float c = std::fma(Horner(math::kCosC, z) * z, z, std::fma(z, -0.5f, 1.0f));
  const int q = (static_cast<int>(j) + shift) & 3;
  const float y = (q & 1) != 0 ? c : s;
  return (q & 2) != 0 ? -y : y;
}
inline float Sin(float x) { return SinCos(x, 0); }
inline float Cos(float x) { return SinCos(x, 1); }

inline float Tanh(float x) {
  const float a = std::fabs(x);
  float y;
  if (a < math::kTanhSmall) {
    const float z = a * a;
    y = std::fma(Horner(math::kTanhC, z) * z, a, a);
  } else if (a > math::kTanhLarge) {
    y = 1.0f;
  } else {
    y = 1.0f - 2.0f / (Exp(a + a) + 1.0f);
  }
  return std::copysign(y, x);
}

inline float Erf(float x) {
  const float a = std::fabs(x);
  float y;
  if (a < 0.5f) {
    y = Horner(math::kErfSmallC, a * a) * a;
  } else {
    const float t = 1.0f / std::fma(math::kErfP, a, 1.0f);
    y = std::fma(-(Horner(math::kErfLargeC, t) * t), Exp(-(a * a)), 1.0f);
  }
  return std::copysign(y, x);
}

inline float Log(float x) {
  if (std::isnan(x) || x < 0) return std::numeric_limits<float>::quiet_NaN();
  if (x == 0) return -std::numeric_limits<float>::infinity();
  if (std::isinf(x)) return x;
  int exponent;
  float m = std::frexp(x, &exponent);
  if (m < math::kSqrtHalf) {
    exponent -= 1;
    m = m + m;
  }
  const float e = static_cast<float>(exponent);
  const float f = m - 1.0f;
  const float z = f * f;
  float y = (Horner(math::kLogC, f) * f) * z;
  y = std::fma(e, -math::kLn2LogLow, y);
  y = std::fma(z, -0.5f, y);
  return std::fma(e, math::kLn2LogHigh, f + y);
}

inline float Silu(float x) { return x / (1.0f + Exp(-x)); }
inline float GeluTanh(float x) {
  const float c = math::kGeluC * x;
  const float u = math::kGeluScale * std::fma(c, x * x, x);
  return (0.5f * x) * (1.0f + Tanh(u));
}
inline float GeluErf(float x) { return (0.5f * x) * (1.0f + Erf(x * math::kSqrtHalf)); }

// --- double: the truth
// -----------------------------------------------------------------------------------

inline double Exp(double x) { return std::exp(x); }
inline double Sin(double x) { return std::sin(x); }
inline double Cos(double x) { return std::cos(x); }
inline double Tanh(double x) { return std::tanh(x); }
inline double Erf(double x) { return std::erf(x); }
inline double Log(double x) { return std::log(x); }
inline double Silu(double x) { return x / (1.0 + std::exp(-x)); }
inline double GeluTanh(double x) {
  constexpr double kSqrtTwoOverPi = 0.797884560802865355879892119868763737;
  return 0.5 * x * (1.0 + std::tanh(kSqrtTwoOverPi * (x + 0.044715 * x * x * x)));
}
inline double GeluErf(double x) {
  constexpr double kSqrtHalf = 0.707106781186547524400844362104849039;
  return 0.5 * x * (1.0 + std::erf(x * kSqrtHalf));
}

// --- Both
// ------------------------------------------------------------------------------------------------

// max and min as the contract has them: the second operand where neither is greater, or where one
// is NaN.
template <typename T>
T Max(T a, T b) {
  return a > b ? a : b;
}
template <typename T>
T Min(T a, T b) {
  return a < b ? a : b;
}

template <typename T>
T Activate(Activation activation, T x) {
  switch (activation) {
    case Activation::kSilu:
      return Silu(x);
    case Activation::kGeluTanh:
      return GeluTanh(x);
    case Activation::kGeluErf:
      return GeluErf(x);
    case Activation::kRelu:
      return x > 0 ? x : T(0);
  }
  return std::numeric_limits<T>::quiet_NaN();
}

// sum16: sixteen partial sums, term i into sum i mod 16, and one tree.
template <typename T>
class Sum16 {
 public:
  void Add(uint64_t i, T term) { p_[i % 16] = p_[i % 16] + term; }
  void AddProduct(uint64_t i, T a, T b) { p_[i % 16] = std::fma(a, b, p_[i % 16]); }
  T Result() const {
    T p[16];
    for (int i = 0; i < 16; ++i) p[i] = p_[i];
    for (int w = 8; w >= 1; w /= 2) {
      for (int i = 0; i < w; ++i) p[i] = p[i] + p[i + w];
    }
    return p[0];
  }

 private:
  T p_[16] = {};
};

// F32 to I32, toward zero; INT32_MIN for NaN and whatever does not fit.
template <typename T>
int32_t TruncateToInt(T x) {
  if (!(x > T(-2147483649.0) && x < T(2147483648.0))) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(x);
}

}  // namespace samara::reference

#endif  // SAMARA_BACKENDS_REFERENCE_NUMBERS_H_
