// Elementary functions of formats/numerics.md over 16 lanes.

template <int kN>
SAMARA_INLINE F32x16 Horner(const float (&c)[kN], F32x16 z) {
  F32x16 h = Set(c[0]);
  for (int i = 1; i < kN; ++i) h = Fma(h, z, Set(c[i]));
  return h;
}
SAMARA_INLINE F32x16 Abs(F32x16 a) { return AsFloat(AndInt(AsInt(a), SetInt(0x7fffffff))); }
SAMARA_INLINE F32x16 CopySign(F32x16 magnitude, F32x16 sign) {
  return AsFloat(
      OrInt(AndInt(AsInt(magnitude), SetInt(0x7fffffff)), AndInt(AsInt(sign), SetInt(INT32_MIN))));
}
SAMARA_INLINE F32x16 Negate(F32x16 a) {
  // Flips the sign bit, of zeros and NaN too.
  const I32x16 bits = AsInt(a);
  return AsFloat(AddInt(bits, SetInt(INT32_MIN)));
}

SAMARA_INLINE F32x16 PowerOfTwo(I32x16 n) { return AsFloat(ShiftLeft<23>(AddInt(n, SetInt(127)))); }

SAMARA_INLINE F32x16 Exp(F32x16 x) {
  const F32x16 n = Rint(Mul(x, Set(math::kLog2E)));
  F32x16 r = Fma(n, Set(-math::kLn2High), x);
  r = Fma(n, Set(-math::kLn2Low), r);
  F32x16 h = Horner(math::kExpC, r);
  h = Fma(h, r, Set(1.0f));
  F32x16 y = Fma(h, r, Set(1.0f));
  const I32x16 whole = ToInt(n);
  const I32x16 half = ShiftRight<1>(whole);
  y = Mul(Mul(y, PowerOfTwo(half)), PowerOfTwo(SubInt(whole, half)));
  y = Select(Less(Set(math::kExpOverflow), x), Set(__builtin_inff()), y);
  return Select(Less(x, Set(math::kExpUnderflow)), Set(0.0f), y);
}

// The same bits for x <= 0 (and NaN for NaN) with fewer instructions: nothing overflows, and adding
// n to the exponent is exact as the result is a normal number.
SAMARA_INLINE F32x16 ExpNegative(F32x16 x) {
  // Adding 1.5 * 2^23 rounds to an integer, which the low bits then hold.
  const F32x16 shifted = Add(Mul(x, Set(math::kLog2E)), Set(0x1.8p23f));
  const F32x16 n = Sub(shifted, Set(0x1.8p23f));
  F32x16 r = Fma(n, Set(-math::kLn2High), x);
  r = Fma(n, Set(-math::kLn2Low), r);
  F32x16 h = Horner(math::kExpC, r);
  h = Fma(h, r, Set(1.0f));
  const F32x16 y = Fma(h, r, Set(1.0f));
  const F32x16 scaled = AsFloat(AddInt(AsInt(y), ShiftLeft<23>(AsInt(shifted))));
  // A NaN's exponent may have been added to; x * 0 brings it back, and is 0 else.
  return Select(Less(x, Set(math::kExpUnderflow)), Set(0.0f), Fma(x, Set(0.0f), scaled));
}

SAMARA_INLINE void SinCos(F32x16 x, F32x16* sin, F32x16* cos) {
  const F32x16 j = Rint(Mul(x, Set(math::kTwoOverPi)));
  F32x16 r = Fma(j, Set(-math::kPio2Part1), x);
  r = Fma(j, Set(-math::kPio2Part2), r);
  r = Fma(j, Set(-math::kPio2Part3), r);
  const F32x16 z = Mul(r, r);
  const F32x16 s = Fma(Mul(Horner(math::kSinC, z), z), r, r);
  const F32x16 c = Fma(Mul(Horner(math::kCosC, z), z), z, Fma(z, Set(-0.5f), Set(1.0f)));
  const I32x16 q = ToInt(j);
  const Mask16 odd = NonZero(AndInt(q, SetInt(1)));
  const F32x16 y_sin = Select(odd, c, s), y_cos = Select(odd, s, c);
  const Mask16 bad = Less(Set(math::kTrigLimit), Abs(x));
  const F32x16 nan = Set(__builtin_nanf(""));
  *sin = Select(bad, nan, Select(NonZero(AndInt(q, SetInt(2))), Negate(y_sin), y_sin));
  *cos = Select(bad, nan,
                Select(NonZero(AndInt(AddInt(q, SetInt(1)), SetInt(2))), Negate(y_cos), y_cos));
}
SAMARA_INLINE F32x16 Sin(F32x16 x) {
  F32x16 s, c;
  SinCos(x, &s, &c);
  return s;
}
SAMARA_INLINE F32x16 Cos(F32x16 x) {
  F32x16 s, c;
  SinCos(x, &s, &c);
  return c;
}

SAMARA_INLINE F32x16 Tanh(F32x16 x) {
  const F32x16 a = Abs(x);
  const F32x16 z = Mul(a, a);
  const F32x16 small = Fma(Mul(Horner(math::kTanhC, z), z), a, a);
  F32x16 y = Sub(Set(1.0f), Div(Set(2.0f), Add(Exp(Add(a, a)), Set(1.0f))));
  y = Select(Less(Set(math::kTanhLarge), a), Set(1.0f), y);
  y = Select(Less(a, Set(math::kTanhSmall)), small, y);
  return CopySign(y, x);
}

SAMARA_INLINE F32x16 Erf(F32x16 x) {
  const F32x16 a = Abs(x);
  const F32x16 small = Mul(Horner(math::kErfSmallC, Mul(a, a)), a);
  const F32x16 t = Div(Set(1.0f), Fma(Set(math::kErfP), a, Set(1.0f)));
  const F32x16 large =
      Fma(Negate(Mul(Horner(math::kErfLargeC, t), t)), Exp(Negate(Mul(a, a))), Set(1.0f));
  return CopySign(Select(Less(a, Set(0.5f)), small, large), x);
}

SAMARA_INLINE F32x16 Log(F32x16 x) {
  const Mask16 subnormal = Less(x, Set(0x1p-126f));  // and what is not positive, replaced below
  const I32x16 bits = AsInt(Select(subnormal, Mul(x, Set(0x1p24f)), x));
  F32x16 e = ToFloat(SubInt(ShiftRight<23>(bits), SetInt(126)));
  e = Select(subnormal, Sub(e, Set(24.0f)), e);
  F32x16 m = AsFloat(OrInt(AndInt(bits, SetInt(0x007fffff)), SetInt(0x3f000000)));
  const Mask16 low = Less(m, Set(math::kSqrtHalf));
  e = Select(low, Sub(e, Set(1.0f)), e);
  m = Select(low, Add(m, m), m);
  const F32x16 f = Sub(m, Set(1.0f));
  const F32x16 z = Mul(f, f);
  F32x16 y = Mul(Mul(Horner(math::kLogC, f), f), z);
  y = Fma(e, Set(-math::kLn2LogLow), y);
  y = Fma(z, Set(-0.5f), y);
  y = Fma(e, Set(math::kLn2LogHigh), Add(f, y));
  // +inf and NaN pass through; zeros give -inf; less gives NaN.
  const F32x16 inf = Set(__builtin_inff());
  y = Select(Less(x, inf), y, x);
  y = Select(Less(Set(0.0f), x), y,
             Select(Less(x, Set(0.0f)), Set(__builtin_nanf("")),
                    Select(Less(x, inf), Set(-__builtin_inff()), y)));
  return y;
}

struct Silu {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Div(x, Add(Set(1.0f), Exp(Negate(x)))); }
};
struct GeluTanh {
  static SAMARA_INLINE F32x16 Of(F32x16 x) {
    const F32x16 c = Mul(Set(math::kGeluC), x);
    const F32x16 u = Mul(Set(math::kGeluScale), Fma(c, Mul(x, x), x));
    return Mul(Mul(Set(0.5f), x), Add(Set(1.0f), Tanh(u)));
  }
};
struct GeluErf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) {
    return Mul(Mul(Set(0.5f), x), Add(Set(1.0f), Erf(Mul(x, Set(math::kSqrtHalf)))));
  }
};
struct Relu {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Select(Less(Set(0.0f), x), x, Set(0.0f)); }
};
