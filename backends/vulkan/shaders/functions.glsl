// exp, sin and their kin as formats/numerics.md has them: a driver's own are only good to some thousandths.
// Fused multiply-add is not fused everywhere, so nothing here relies on it.

#define kInfinity uintBitsToFloat(0x7f800000u)
#define kNan uintBitsToFloat(0x7fc00000u)

bool IsFinite(float x) { return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u; }
bool IsNan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }
// a > b ? a : b, with b where either is not a number.
float Max(float a, float b) { return a > b ? a : b; }

float PowerOfTwo(int n) { return uintBitsToFloat(uint(n + 127) << 23); }

float Exp(float x) {
  if (IsNan(x)) return x;
  if (x > 88.7228317) return kInfinity;
  if (x < -87.3365402) return 0.0;
  const float n = roundEven(x * 1.44269502);
  // n * 0.693145752 is exact: 7 bits times 15.
  precise float r = x - n * 0.693145752;
  r = r - n * 1.42860677e-06;
  // Precise: the same bits wherever it is inlined.
  precise float h = 1.98412701e-04;
  h = h * r + 1.38888892e-03;
  h = h * r + 8.33333377e-03;
  h = h * r + 4.16666679e-02;
  h = h * r + 0.166666672;
  h = h * r + 0.5;
  h = h * r + 1.0;
  precise float y = h * r + 1.0;
  const int whole = int(n);
  const int half_ = whole >> 1;
  return (y * PowerOfTwo(half_)) * PowerOfTwo(whole - half_);
}

// 2 / pi as 192 binary digits behind the point.
const uint kTwoOverPi[6] =
    uint[](0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u);

// x = quadrant * pi / 2 + rest, |rest| <= pi / 4, in integers: exact for all |x| up to 2^23.
float Reduce(float x, out uint quadrant) {
  const uint bits = floatBitsToUint(x);
  const int exponent = int(bits >> 23 & 255u) - 150;  // x = mantissa * 2^exponent
  quadrant = 0u;
  if (abs(x) < 0.785398185) return x;
  const uint mantissa = (bits & 0x7fffffu) | 0x800000u;
  // exponent is -24 .. 0 here. product = mantissa * (2 / pi) * 2^exponent has its point behind bit 2^0; taken are
  // 96 digits of 2 / pi, of which 24 + 8 may lie before the point.
  uint h0, l0, h1, l1, h2, l2;
  umulExtended(mantissa, kTwoOverPi[0], h0, l0);
  umulExtended(mantissa, kTwoOverPi[1], h1, l1);
  umulExtended(mantissa, kTwoOverPi[2], h2, l2);
  // The sum as words w[0] (whole numbers), w[1], w[2], w[3] behind the point, of mantissa * 2 / pi.
  uint carry1, carry2, w2, w1, w0;
  w2 = uaddCarry(l1, h2, carry2);
  uint c = carry2;
  w1 = uaddCarry(l0, h1, carry1);
  uint c2;
  w1 = uaddCarry(w1, c, c2);
  w0 = h0 + carry1 + c2;
  const uint w3 = l2;
  // Shift right by s = -exponent.
  const uint s = uint(-exponent);
  uint f1, f2;  // digits behind the point
  uint whole;
  if (s == 0u) {
    whole = w0;
    f1 = w1;
    f2 = w2;
  } else {
    whole = w0 >> s;
    f1 = w1 >> s | w0 << (32u - s);
    f2 = w2 >> s | w1 << (32u - s);
  }
  // Round to the nearest quadrant: the rest is a signed fraction.
  const bool up = (f1 & 0x80000000u) != 0u;
  whole += up ? 1u : 0u;
  if (up) {
    f1 = ~f1;
    f2 = ~f2;  // off by one digit of 2^-64
  }
  precise float fraction = float(f1) * 2.32830644e-10 + float(f2) * 5.42101086e-20;
  // Where the first word is small its digits do not fill a float: take them from both.
  if (f1 < 0x01000000u) {
    const uint top = f1 << 8 | f2 >> 24, low = f2 << 8;
    fraction = float(top) * 9.09494702e-13 + float(low) * 2.11758237e-22;
  }
  float rest = fraction * 1.57079637;
  const bool negative = (bits >> 31) != 0u;
  if (up) rest = -rest;
  if (negative) {
    rest = -rest;
    whole = 0u - whole;
  }
  quadrant = whole & 3u;
  return rest;
}

float SinCos(float x, uint shift) {
  if (!(abs(x) <= 8388608.0)) return kNan;
  uint q;
  const float r = Reduce(x, q);
  const float z = r * r;
  const float s =
      ((-1.95152956e-04 * z + 8.33216123e-03) * z - 0.166666552) * z * r + r;
  const float c = ((2.44331568e-05 * z - 1.38873165e-03) * z + 4.16666456e-02) * z * z +
                  (1.0 - 0.5 * z);
  q = (q + shift) & 3u;
  const float y = (q & 1u) != 0u ? c : s;
  return (q & 2u) != 0u ? -y : y;
}
float Sin(float x) { return SinCos(x, 0u); }
float Cos(float x) { return SinCos(x, 1u); }

float CopySign(float y, float x) {
  return uintBitsToFloat((floatBitsToUint(y) & 0x7fffffffu) | (floatBitsToUint(x) & 0x80000000u));
}

float Tanh(float x) {
  const float a = abs(x);
  float y;
  if (a < 0.625) {
    const float z = a * a;
    float h = -5.70498873e-03;
    h = h * z + 2.0639088e-02;
    h = h * z - 5.37397154e-02;
    h = h * z + 0.133314416;
    h = h * z - 0.333332807;
    y = h * z * a + a;
  } else if (a > 9.02000046) {
    y = 1.0;
  } else {
    y = 1.0 - 2.0 / (Exp(a + a) + 1.0);
  }
  return IsNan(x) ? x : CopySign(y, x);
}

float Erf(float x) {
  const float a = abs(x);
  float y;
  if (a < 0.5) {
    const float z = a * a;
    float h = -8.54832702e-04;
    h = h * z + 5.22397785e-03;
    h = h * z - 2.68661715e-02;
    h = h * z + 0.112837918;
    h = h * z - 0.376126379;
    h = h * z + 1.12837923;
    y = h * a;
  } else {
    const float t = 1.0 / (0.327591091 * a + 1.0);
    float h = 1.06140542;
    h = h * t - 1.45315206;
    h = h * t + 1.42141378;
    h = h * t - 0.284496725;
    h = h * t + 0.254829586;
    y = 1.0 - h * t * Exp(-(a * a));
  }
  return IsNan(x) ? x : CopySign(y, x);
}

float Log(float x) {
  if (IsNan(x) || x < 0.0) return kNan;
  uint bits = floatBitsToUint(x);
  if (bits << 1 == 0u) return -kInfinity;
  if (bits == 0x7f800000u) return x;
  int e = 0;
  if (bits < 0x00800000u) {  // subnormal, whatever the device's arithmetic makes of them
    const int top = findMSB(bits);
    e = top - 148;
    bits <<= uint(23 - top);
  } else {
    e = int(bits >> 23) - 126;
  }
  float m = uintBitsToFloat((bits & 0x007fffffu) | 0x3f000000u);
  if (m < 0.707106769) {
    e -= 1;
    m = m + m;
  }
  const float f = m - 1.0;
  const float z = f * f;
  float h = 7.03768358e-02;
  h = h * f - 0.115146101;
  h = h * f + 0.116769984;
  h = h * f - 0.124201410;
  h = h * f + 0.142493233;
  h = h * f - 0.166680574;
  h = h * f + 0.200007141;
  h = h * f - 0.249999940;
  h = h * f + 0.333333313;
  float y = h * f * z;
  y = y - float(e) * 2.12194442e-04;
  y = y - 0.5 * z;
  return float(e) * 0.693359375 + (f + y);
}

float Activate(uint activation, float x) {
  if (activation == 0u) return x / (1.0 + Exp(-x));
  if (activation == 1u) {
    const float c = 0.0447149985 * x;
    const float u = 0.797884583 * (c * (x * x) + x);
    return (0.5 * x) * (1.0 + Tanh(u));
  }
  if (activation == 2u) return (0.5 * x) * (1.0 + Erf(x * 0.707106769));
  return x > 0.0 ? x : (IsNan(x) ? x : 0.0);
}

// Binary16, to nearest even; an overflow is an infinity.
uint HalfBits(float value) {
  const uint bits = floatBitsToUint(value), sign = bits >> 16 & 0x8000u;
  const uint a = bits & 0x7fffffffu;
  if (a > 0x7f800000u) return sign | 0x7e00u;
  if (a >= 0x477ff000u) return sign | 0x7c00u;
  if (a < 0x33000001u) return sign;  // half of the least subnormal, or less
  if (a < 0x38800000u) {
    // A subnormal half: shift the mantissa to units of 2^-24.
    const uint mantissa = (a & 0x7fffffu) | 0x800000u;
    const uint shift = 126u - (a >> 23);  // 14 .. 24
    const uint kept = mantissa >> shift, rest = mantissa & ((1u << shift) - 1u);
    const uint half_ = 1u << (shift - 1u);
    return sign | (kept + (rest > half_ || (rest == half_ && (kept & 1u) != 0u) ? 1u : 0u));
  }
  const uint rounded = a + 0xfffu + (a >> 13 & 1u);
  return sign | ((rounded - 0x38000000u) >> 13);
}
// Exact, subnormals included, also where the device flushes those of its own arithmetic.
float HalfValue(uint half_) {
  const uint exponent = half_ & 0x7c00u;
  const uint normal =
      ((half_ & 0x7fffu) << 13) + (exponent == 0x7c00u ? 0x70000000u : 0x38000000u);
  const uint small = floatBitsToUint(float(half_ & 0x3ffu) * 5.96046448e-08);
  return uintBitsToFloat((exponent == 0u ? small : normal) | (half_ & 0x8000u) << 16);
}
