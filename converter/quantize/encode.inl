// The search of an encoder, for each instruction set: 16 candidates for the scale (and minimum) of a sub-block are tried at
// once, one a lane, in GNU vector types, which any target compiles to the same roundings. Included by one file each,
// which defines SAMARA_ENCODE_NAME(function): its name there.
#include "converter/quantize/encode.h"
#include "formats/quant/blocks.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define SAMARA_INLINE inline __attribute__((always_inline))

namespace samara::quantize {
namespace {

typedef float Lanes __attribute__((vector_size(64)));
constexpr int kLanes = 16;
constexpr float kHuge = 3.402823466e+38f;

SAMARA_INLINE Lanes Splat(float value) {
  return Lanes{value, value, value, value, value, value, value, value,
               value, value, value, value, value, value, value, value};
}
// a < b ? a : b and a > b ? a : b; compilers make no single instruction of them by themselves.
SAMARA_INLINE Lanes Min(const Lanes& a, const Lanes& b) {
#if defined(__AVX512F__)
  return (Lanes)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
#else
  return a < b ? a : b;
#endif
}
SAMARA_INLINE Lanes Max(const Lanes& a, const Lanes& b) {
#if defined(__AVX512F__)
  return (Lanes)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
#else
  return a > b ? a : b;
#endif
}
typedef int32_t Integers __attribute__((vector_size(64)));
SAMARA_INLINE Lanes Load(const float* x) {
  Lanes lanes;
  __builtin_memcpy(&lanes, x, sizeof lanes);
  return lanes;
}
// Lane i with lane i ^ 8, then 4, 2 and 1: the whole in every lane.
#define SAMARA_TREE(v, Combine)                                                                \
  v = Combine(                                                                                 \
      v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)); \
  v = Combine(                                                                                 \
      v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)); \
  v = Combine(                                                                                 \
      v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)); \
  v = Combine(v,                                                                               \
              __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14))
SAMARA_INLINE Lanes Plus(const Lanes& a, const Lanes& b) { return a + b; }
SAMARA_INLINE Integers Less(const Integers& a, const Integers& b) {
#if defined(__AVX512F__)
  return (Integers)_mm512_maskz_min_epi32(0xffff, (__m512i)a, (__m512i)b);
#else
  return a < b ? a : b;
#endif
}
SAMARA_INLINE float Total(Lanes v) {
  SAMARA_TREE(v, Plus);
  return v[0];
}
SAMARA_INLINE float Least(Lanes v) {
  SAMARA_TREE(v, Min);
  return v[0];
}
SAMARA_INLINE float Most(Lanes v) {
  SAMARA_TREE(v, Max);
  return v[0];
}
// 1 / s, 0 where that is no finite number.
SAMARA_INLINE float Inverse(float s) {
  const float inverse = 1.0f / s;
  return inverse <= kHuge && inverse >= -kHuge ? inverse : 0.0f;
}
SAMARA_INLINE Lanes Inverse(Lanes s) {
  const Lanes inverse = Splat(1.0f) / s, zero = Splat(0.0f);
  const Lanes below = inverse <= Splat(kHuge) ? inverse : zero;
  return below >= Splat(-kHuge) ? below : zero;
}
// Added and taken away, it rounds a number below 2^22 to the nearest integer, ties to even.
constexpr float kRounder = 12582912.0f;

// Grids: the value of the quant nearest to y.
struct Uniform {
  float low, high;
  SAMARA_INLINE Lanes Nearest(Lanes y) const {
    y = Min(Max(y, Splat(low)), Splat(high));
    y = y + Splat(kRounder);
    return y - Splat(kRounder);
  }
};
// A table in ascending order, as steps at the middles between its entries.
struct Table {
  const float* values;
  int n;
  SAMARA_INLINE Lanes Nearest(Lanes y) const {
    Lanes value = Splat(values[0]);
    for (int i = 1; i < n; ++i) {
      value = y > Splat((values[i - 1] + values[i]) * 0.5f) ? Splat(values[i]) : value;
    }
    return value;
  }
};

// Of a sub-block: sums of weights, weighted elements and weighted squares.
struct Moments {
  float w = 0, wx = 0, wxx = 0;
};
// Elements of a sub-block with their weights. Plain: all weights are 1.
template <bool kPlain>
struct Elements {
  const float* x;
  const float* w;
  int n;

  // n is 16 or 32.
  SAMARA_INLINE Lanes X(int k) const { return Load(x + k); }
  SAMARA_INLINE Lanes W(int k) const { return kPlain ? Splat(1.0f) : Load(w + k); }
  SAMARA_INLINE Moments Measure() const {
    Lanes weight = W(0), wx = weight * X(0), wxx = wx * X(0);
    if (n == 32) {
      const Lanes more = W(16) * X(16);
      weight = weight + W(16);
      wx = wx + more;
      wxx = wxx + more * X(16);
    }
    return {kPlain ? static_cast<float>(n) : Total(weight), Total(wx), Total(wxx)};
  }
  // From 0 on.
  SAMARA_INLINE void Range(float* least, float* most) const {
    const Lanes zero = Splat(0.0f), second = n == 32 ? X(16) : zero;
    *least = Least(Min(Min(X(0), second), zero));
    *most = Most(Max(Max(X(0), second), zero));
  }
};

// Sums over a sub-block of v, the value of each element's quant, with weights.
struct Sums {
  Lanes vv, v, vx;

  // The weighted squared error of x = scale * v + offset. Some digits cancel, few enough to choose by.
  SAMARA_INLINE Lanes Error(const Moments& m, const Lanes& scale, const Lanes& offset) const {
    const Lanes two = Splat(2.0f);
    return Splat(m.wxx) + scale * (scale * vv + two * (offset * v - vx)) +
           offset * (offset * Splat(m.w) - two * Splat(m.wx));
  }
};
// Quants with x = scale * v + offset.
template <bool kAffine, bool kPlain, typename Grid>
SAMARA_INLINE void Try(const Grid& grid, const Elements<kPlain>& e, const Lanes& scale,
                       const Lanes& offset, Sums* sums) {
  const Lanes inverse = Inverse(scale);
  Lanes vv = Splat(0.0f), v = vv, vx = vv;
  for (int k = 0; k < e.n; ++k) {
    const Lanes own = Splat(e.x[k]);
    const Lanes q = grid.Nearest(kAffine ? (own - offset) * inverse : own * inverse);
    const Lanes weighted = kPlain ? q : q * Splat(e.w[k]);
    vv = vv + weighted * q;
    if (kAffine) v = v + weighted;
    vx = vx + weighted * own;
  }
  sums->vv = vv;
  sums->v = v;
  sums->vx = vx;
}

// The lane with the least error, the lowest of nearly equal ones: the lane's number takes the place of the last bits.
SAMARA_INLINE int Best(const Lanes& error) {
  const Lanes positive = Max(error, Splat(0.0f));
  const Integers number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Integers bits;
  __builtin_memcpy(&bits, &positive, sizeof bits);
  bits = (bits & 0x7ffffff0) | number;
  SAMARA_TREE(bits, Less);
  return bits[0] & 15;
}

// Scale and offset of a sub-block, before they are made codes.
struct Fitted {
  float scale = 0, offset = 0;
};

// The least squares' scale and offset of each lane for its quants; offset at most 0.
template <bool kAffine>
SAMARA_INLINE void Solve(const Sums& s, const Moments& m, Lanes* scale, Lanes* offset) {
  const Lanes zero = Splat(0.0f), one = Splat(1.0f);
  const Lanes alone = s.vv > zero ? s.vx / (s.vv > zero ? s.vv : one) : zero;
  *scale = alone;
  *offset = zero;
  if (!kAffine) return;
  const Lanes determinant = s.vv * Splat(m.w) - s.v * s.v;
  const Lanes divisor = determinant > zero ? determinant : one;
  const Lanes a = (Splat(m.w) * s.vx - s.v * Splat(m.wx)) / divisor;
  const Lanes b = (s.vv * Splat(m.wx) - s.v * s.vx) / divisor;
  const Lanes both = determinant > zero ? b : one;  // above 0: no use
  *scale = both <= zero ? a : alone;
  *offset = both <= zero ? b : zero;
}

// rounds: how often the scales of the least squares are taken for new quants.
template <bool kAffine, bool kPlain, typename Grid>
SAMARA_INLINE Fitted Fit(const Grid& grid, const Elements<kPlain>& e, float low, float high,
                         int rounds, const Moments& moments) {
  float least, most;
  e.Range(&least, &most);
  const float extreme = -least > most ? least : most;
  if (extreme == 0) return {};
  const Lanes number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Lanes scale, offset;
  if (kAffine) {
    const float step = high < 8 ? 0.11f : 0.125f;
    scale = Splat(most - least) / (Splat(high - (high < 8 ? 0.4f : 0.75f)) + Splat(step) * number);
    offset = Splat(least);
  } else {
    // Half of the lanes put the largest element at one end of the grid, half at the other.
    const float spread = high < 8 ? 0.16f : high < 64 ? 0.12f : 1.6f;
    const Lanes first = Splat(low - 4 * spread) + Splat(spread) * number;
    const Lanes second = Splat(high - 12 * spread) + Splat(spread) * number;
    scale = Splat(extreme) / (number < Splat(8) ? first : second);
    offset = Splat(0.0f);
  }
  Sums sums;
  Lanes best_scale = scale, best_offset = offset, best_error = Splat(kHuge);
  for (int round = 0; round < rounds; ++round) {
    Try<kAffine>(grid, e, scale, offset, &sums);
    Solve<kAffine>(sums, moments, &scale, &offset);
    const Lanes error = sums.Error(moments, scale, offset);
    best_scale = error < best_error ? scale : best_scale;
    best_offset = error < best_error ? offset : best_offset;
    best_error = error < best_error ? error : best_error;
  }
  const int best = Best(best_error);
  return {best_scale[best], best_offset[best]};
}

SAMARA_INLINE int Clamped(float code, int low, int high) {
  const float top = static_cast<float>(high), bottom = static_cast<float>(low);
  if (!(code > bottom)) return low;
  if (code >= top) return high;
  const float up = code >= 0 ? code + 0.5f : code - 0.5f;
  return static_cast<int>(up);
}

// How often d and m are fitted to the codes and these chosen again.
constexpr int kRefits = 2;

// What Encode knows of a type.
struct Ranges {
  int scale_low, scale_high;  // of scale codes, bias taken off
  int minimum_high;
  float low, high;  // values of quants
};

template <bool kAffine, bool kPlain, typename Grid>
SAMARA_INLINE void Encode(const CodeForm& form, const Grid& grid, const Ranges& range,
                          const float* x, const float* w, int n_subs, int rounds,
                          BlockCodes* codes) {
  const int sub = form.sub;
  const bool coded = form.elements > form.sub;  // scales are codes times d
  Fitted fitted[16];
  Moments moments[16];
  float scale_top = 0, minimum_top = 0;  // the scale of largest magnitude, with its sign
  for (int s = 0; s < n_subs; ++s) {
    const Elements<kPlain> own = {x + s * sub, w + s * sub, sub};
    moments[s] = own.Measure();
    fitted[s] = Fit<kAffine>(grid, own, range.low, range.high, rounds, moments[s]);
    const float magnitude = __builtin_fabsf(fitted[s].scale);
    if (magnitude > __builtin_fabsf(scale_top)) scale_top = fitted[s].scale;
    if (-fitted[s].offset > minimum_top) minimum_top = -fitted[s].offset;
  }
  // The end of the code range that reaches farther takes the largest scale.
  const int end = range.scale_low < -range.scale_high ? range.scale_low : range.scale_high;
  float d = coded ? scale_top / static_cast<float>(end) : scale_top;
  float m = kAffine ? minimum_top / static_cast<float>(range.minimum_high) : 0;
  float best_error = kHuge;
  for (int round = 0; round < kRefits; ++round) {
    BlockCodes now = {};
    now.d = HalfFromFloat(d);
    now.m = HalfFromFloat(m);
    const float dh = FloatFromHalf(now.d), mh = FloatFromHalf(now.m);
    if (!(dh <= kHuge && dh >= -kHuge && mh <= kHuge)) {
      if (round == 0) {
        codes->d = now.d;
        codes->m = now.m;
      }
      return;
    }
    const float d_inverse = Inverse(dh), m_inverse = Inverse(mh);
    // Of the least squares for d and m.
    float aa = 0, ab = 0, bb = 0, ax = 0, bx = 0, error = 0;
    for (int s = 0; s < n_subs; ++s) {
      const int scale_near =
          coded ? Clamped(fitted[s].scale * d_inverse, range.scale_low, range.scale_high) : 1;
      const int minimum_near =
          kAffine ? Clamped(-fitted[s].offset * m_inverse, 0, range.minimum_high) : 0;
      const Lanes around = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};
      const Lanes around_scale = {0, -1, 1, 0, -1, 1, 0, -1, 1, 0, -1, 1, 0, -1, 1, 0};
      const Lanes around_minimum = {0, 0, 0, -1, -1, -1, 1, 1, 1, -2, -2, -2, 2, 2, 2, 0};
      Lanes scale_codes = Splat(static_cast<float>(scale_near));
      Lanes minimum_codes = Splat(static_cast<float>(minimum_near));
      if (kAffine) {
        scale_codes = scale_codes + around_scale;
        minimum_codes = minimum_codes + around_minimum;
        minimum_codes =
            Min(Max(minimum_codes, Splat(0.0f)), Splat(static_cast<float>(range.minimum_high)));
      } else if (coded) {
        scale_codes = scale_codes + around;
      }
      if (coded) {
        scale_codes = Min(Max(scale_codes, Splat(static_cast<float>(range.scale_low))),
                          Splat(static_cast<float>(range.scale_high)));
      }
      const Lanes scale = Splat(dh) * scale_codes;
      const Lanes offset = Splat(-mh) * minimum_codes;
      Sums sums;
      Try<kAffine>(grid, Elements<kPlain>{x + s * sub, w + s * sub, sub}, scale, offset, &sums);
      const Lanes errors = sums.Error(moments[s], scale, offset);
      const int best = Best(errors);
      const float sc = scale_codes[best], mc = minimum_codes[best];
      now.scale[s] = static_cast<uint8_t>(coded ? static_cast<int>(sc) + form.scale_bias : 0);
      now.minimum[s] = static_cast<uint8_t>(static_cast<int>(mc));
      error += errors[best];
      aa += sc * sc * sums.vv[best];
      ab += sc * mc * sums.v[best];
      bb += mc * mc * moments[s].w;
      ax += sc * sums.vx[best];
      bx += mc * moments[s].wx;
    }
    if (!(error < best_error)) return;
    best_error = error;
    *codes = now;
    // w = d * a - m * b
    const float determinant = aa * bb - ab * ab;
    if (kAffine && bb > 0 && determinant > 0) {
      d = (bb * ax - ab * bx) / determinant;
      m = (ab * ax - aa * bx) / determinant;
      if (!(m > 0)) m = mh;
    } else {
      d = aa > 0 ? ax / aa : dh;
    }
    if (!(d * dh > 0)) return;
  }
}

SAMARA_INLINE int NearestIndex(const float* values, int n, float y) {
  int at = 0;
  for (int i = 1; i < n; ++i) at += y > (values[i - 1] + values[i]) * 0.5f;
  return at;
}

// MXFP4: scales are powers of two; each lane tries one.
template <bool kPlain>
SAMARA_INLINE void EncodeFp4(const Table& table, const float* x, const float* w,
                             BlockCodes* codes) {
  float top = 0;
  for (int k = 0; k < 32; ++k) top = __builtin_fabsf(x[k]) > top ? __builtin_fabsf(x[k]) : top;
  uint32_t bits;
  __builtin_memcpy(&bits, &top, 4);
  const int exponent = static_cast<int>(bits >> 23);  // top is below 2^(exponent - 126)
  const CodeForm* form = FindCodeForm(DType::kMXFP4);
  Lanes scale, offset = Splat(0.0f);
  int e[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    // 12 * 2^(e - 128) is around the largest.
    const int own = exponent - 4 + i % 4;
    e[i] = own < 0 ? 0 : own > 254 ? 254 : own;
    BlockCodes one;
    one.d = static_cast<uint16_t>(e[i]);
    scale[i] = SubScale(*form, one, 0);
  }
  const Elements<kPlain> own = {x, w, 32};
  Sums sums;
  Try<false>(table, own, scale, offset, &sums);
  codes->d = static_cast<uint16_t>(e[Best(sums.Error(own.Measure(), scale, offset))]);
}

constexpr float kIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                            1,    13,   25,  38,  53,  69,  89,  113};
constexpr float kFp4[15] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};

// Everything but the quants.
template <bool kPlain>
SAMARA_INLINE void EncodeScales(const CodeForm& form, const float* x, const float* w, int n_subs,
                                BlockCodes* codes) {
  const Table iq4 = {kIq4, 16}, fp4 = {kFp4, 15};
  switch (form.dtype) {
    case DType::kQ2_K:
      return Encode<true, kPlain>(form, Uniform{0, 3}, {0, 15, 15, 0, 3}, x, w, n_subs, 2, codes);
    case DType::kQ4_K:
      return Encode<true, kPlain>(form, Uniform{0, 15}, {0, 63, 63, 0, 15}, x, w, n_subs, 1, codes);
    case DType::kQ5_K:
      return Encode<true, kPlain>(form, Uniform{0, 31}, {0, 63, 63, 0, 31}, x, w, n_subs, 1, codes);
    case DType::kQ3_K:
      return Encode<false, kPlain>(form, Uniform{-4, 3}, {-32, 31, 0, -4, 3}, x, w, n_subs, 2,
                                   codes);
    case DType::kQ6_K:
      return Encode<false, kPlain>(form, Uniform{-32, 31}, {-128, 127, 0, -32, 31}, x, w, n_subs, 1,
                                   codes);
    case DType::kIQ4_NL:
      return Encode<false, kPlain>(form, iq4, {1, 1, 0, -127, 113}, x, w, n_subs, 2, codes);
    case DType::kIQ4_XS:
      return Encode<false, kPlain>(form, iq4, {-32, 31, 0, -127, 113}, x, w, n_subs, 1, codes);
    case DType::kMXFP4:
      return EncodeFp4<kPlain>(fp4, x, w, codes);
    default:
      return;
  }
}

// One block of Q4_0, Q5_0, Q4_1 or Q5_1: a fit, then the best of the f16 numbers around its scale.
template <bool kAffine>
SAMARA_INLINE void EncodePlainBlock(float low, float high, bool five, const float* x,
                                    const float* w, uint8_t* out) {
  const Elements<false> own = {x, w, 32};
  const Uniform grid = {low, high};
  const Moments moments = own.Measure();
  const Fitted fitted = Fit<kAffine>(grid, own, low, high, 2, moments);
  const uint16_t d = HalfFromFloat(fitted.scale), m = HalfFromFloat(fitted.offset);
  Lanes scale, offset = Splat(FloatFromHalf(m));
  uint16_t near[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    const int magnitude = (d & 0x7fff) + i - 8;
    near[i] = static_cast<uint16_t>((d & 0x8000) | (magnitude < 0 ? 0 : magnitude));
    // A scale that is not finite stays so: whoever calls will see it.
    if ((d & 0x7c00) == 0x7c00) near[i] = d;
    scale[i] = FloatFromHalf(near[i]);
  }
  Sums sums;
  Try<kAffine>(grid, own, scale, offset, &sums);
  const int best = Best(sums.Error(moments, scale, offset));
  const float inverse = Inverse(scale[best]), start = offset[best];
  uint8_t* at = out;
  *at++ = static_cast<uint8_t>(near[best]);
  *at++ = static_cast<uint8_t>(near[best] >> 8);
  if (kAffine) {
    *at++ = static_cast<uint8_t>(m);
    *at++ = static_cast<uint8_t>(m >> 8);
  }
  uint32_t fifth = 0;
  uint8_t q[32];
  for (int k = 0; k < 32; ++k) {
    const float y = (x[k] - start) * inverse;
    float v = y < low ? low : y > high ? high : y;
    v = v + kRounder;
    v = v - kRounder;
    q[k] = static_cast<uint8_t>(static_cast<int>(v - low));
    fifth |= static_cast<uint32_t>(q[k] >> 4 & 1) << k;
  }
  if (five) {
    for (int b = 0; b < 4; ++b) *at++ = static_cast<uint8_t>(fifth >> 8 * b);
  }
  for (int k = 0; k < 16; ++k) *at++ = static_cast<uint8_t>((q[k] & 15) | q[k + 16] << 4);
}

}  // namespace

void SAMARA_ENCODE_NAME(EncodeCodes)(const CodeForm& form, const float* x, const float* weights,
                                     uint64_t n, BlockCodes* codes) {
  float padded[256], w[256];
  const uint64_t end = (n + 31) / 32 * 32;
  for (uint64_t k = 0; k < end; ++k) {
    padded[k] = k < n ? x[k] : 0.0f;
    w[k] = k >= n ? 0.0f : weights != nullptr ? weights[k] : 1.0f;
  }
  *codes = {};
  const int n_subs = static_cast<int>(end / form.sub);
  if (weights == nullptr && n == end) {
    EncodeScales<true>(form, padded, w, n_subs, codes);
  } else {
    EncodeScales<false>(form, padded, w, n_subs, codes);
  }
  // The quants, as Try found them for the chosen scales.
  const float low = static_cast<float>(-form.quant_bias);
  const float high = static_cast<float>((1 << form.bits) - 1 - form.quant_bias);
  for (int s = 0; s < n_subs; ++s) {
    const float offset = form.minimum ? SubOffset(form, *codes, static_cast<uint32_t>(s)) : 0.0f;
    const float inverse = Inverse(SubScale(form, *codes, static_cast<uint32_t>(s)));
    const float* own = padded + s * form.sub;
    uint8_t* q = codes->q + s * form.sub;
    if (form.dtype == DType::kMXFP4) {
      for (int k = 0; k < 32; ++k) {
        // 0 to 7 are the positive values, 8 to 15 the negative ones.
        const int at = NearestIndex(kFp4, 15, (own[k] - offset) * inverse);
        q[k] = static_cast<uint8_t>(at >= 7 ? at - 7 : 15 - at);
      }
      continue;
    }
    if (form.values != nullptr) {
      for (int k = 0; k < 32; ++k)
        q[k] = static_cast<uint8_t>(NearestIndex(kIq4, 16, (own[k] - offset) * inverse));
      continue;
    }
    for (int k = 0; k < form.sub; ++k) {
      const float y = (own[k] - offset) * inverse;
      float v = y < low ? low : y > high ? high : y;
      v = v + kRounder;
      v = v - kRounder;
      q[k] = static_cast<uint8_t>(static_cast<int>(v) + form.quant_bias);
    }
  }
}

bool SAMARA_ENCODE_NAME(EncodeBlocks)(DType dtype, const float* x, const float* weights, uint64_t n,
                                      uint8_t* out) {
  for (uint64_t k = 0; k < n; k += 32) {
    float padded[32], w[32];
    for (uint64_t i = 0; i < 32; ++i) {
      padded[i] = k + i < n ? x[k + i] : 0.0f;
      w[i] = k + i < n ? weights[k + i] : 0.0f;
    }
    switch (dtype) {
      case DType::kQ4_0:
        EncodePlainBlock<false>(-8, 7, false, padded, w, out);
        out += 18;
        break;
      case DType::kQ5_0:
        EncodePlainBlock<false>(-16, 15, true, padded, w, out);
        out += 22;
        break;
      case DType::kQ4_1:
        EncodePlainBlock<true>(0, 15, false, padded, w, out);
        out += 20;
        break;
      case DType::kQ5_1:
        EncodePlainBlock<true>(0, 31, true, padded, w, out);
        out += 24;
        break;
      default:
        return false;
    }
  }
  return true;
}

}  // namespace samara::quantize
