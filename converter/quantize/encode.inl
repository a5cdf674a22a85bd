// The search of an encoder, for each instruction set: 16 candidates for the scale (and minimum) of a sub-block are tried at
// once, one a lane, in GNU vector types, which any target compiles to the same roundings. Included by one file each,
// which defines SAMARA_ENCODE.
#include "converter/quantize/encode.h"
#include "formats/quant/blocks.h"

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
    const Lanes bottom = Splat(low), top = Splat(high);
    y = y < bottom ? bottom : y;
    y = y > top ? top : y;
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

// Sums over a sub-block of v, the value of each element's quant, with weights.
struct Sums {
  Lanes vv, v, vx, error;
};
// Quants with x = scale * v + offset, and the error of that.
template <typename Grid>
SAMARA_INLINE void Try(const Grid& grid, const float* x, const float* w, int n, const Lanes& scale,
                       const Lanes& offset, Sums* sums) {
  const Lanes inverse = Inverse(scale);
  Lanes vv = Splat(0.0f), v = vv, vx = vv, error = vv;
  for (int k = 0; k < n; ++k) {
    const Lanes own = Splat(x[k]), weight = Splat(w[k]);
    const Lanes q = grid.Nearest((own - offset) * inverse);
    const Lanes weighted = q * weight;
    vv = vv + weighted * q;
    v = v + weighted;
    vx = vx + weighted * own;
    const Lanes e = scale * q + offset - own;
    error = error + e * e * weight;
  }
  sums->vv = vv;
  sums->v = v;
  sums->vx = vx;
  sums->error = error;
}

SAMARA_INLINE int Best(const Lanes& error) {
  int best = 0;
  for (int i = 1; i < kLanes; ++i) {
    if (error[i] < error[best]) best = i;
  }
  return best;
}

// Scale and offset of a sub-block, before they are made codes.
struct Fitted {
  float scale = 0, offset = 0;
};

// The least squares' scale and offset of each lane for its quants; offset at most 0. w, wx: sums of the
// weights and of weighted elements.
SAMARA_INLINE void Solve(const Sums& s, float w, float wx, bool affine, Lanes* scale,
                         Lanes* offset) {
  const Lanes zero = Splat(0.0f), one = Splat(1.0f);
  const Lanes alone = s.vv > zero ? s.vx / (s.vv > zero ? s.vv : one) : zero;
  *scale = alone;
  *offset = zero;
  if (!affine) return;
  const Lanes determinant = s.vv * Splat(w) - s.v * s.v;
  const Lanes divisor = determinant > zero ? determinant : one;
  const Lanes a = (Splat(w) * s.vx - s.v * Splat(wx)) / divisor;
  const Lanes b = (s.vv * Splat(wx) - s.v * s.vx) / divisor;
  const Lanes both = determinant > zero ? b : one;  // above 0: no use
  *scale = both <= zero ? a : alone;
  *offset = both <= zero ? b : zero;
}

// rounds: how often the scale of the best quants is taken for new quants.
template <typename Grid>
SAMARA_INLINE Fitted Fit(const Grid& grid, const float* x, const float* w, int n, bool affine,
                         float low, float high, int rounds) {
  float least = 0, most = 0, extreme = 0, weight = 0, wx = 0;
  for (int k = 0; k < n; ++k) {
    least = x[k] < least ? x[k] : least;
    most = x[k] > most ? x[k] : most;
    weight += w[k];
    wx += w[k] * x[k];
  }
  extreme = -least > most ? least : most;
  if (extreme == 0) return {};
  const Lanes number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  Lanes scale, offset;
  if (affine) {
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
  for (int round = 0; round <= rounds; ++round) {
    Try(grid, x, w, n, scale, offset, &sums);
    best_scale = sums.error < best_error ? scale : best_scale;
    best_offset = sums.error < best_error ? offset : best_offset;
    best_error = sums.error < best_error ? sums.error : best_error;
    if (round < rounds) Solve(sums, weight, wx, affine, &scale, &offset);
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
  float low, high;            // values of quants
};

template <typename Grid>
SAMARA_INLINE void Encode(const CodeForm& form, const Grid& grid, const Ranges& range,
                          const float* x, const float* w, int n_subs, int rounds,
                          BlockCodes* codes) {
  const int sub = form.sub;
  const bool affine = form.minimum;
  const bool coded = form.elements > form.sub;  // scales are codes times d
  Fitted fitted[16];
  float scale_top = 0, minimum_top = 0;  // the scale of largest magnitude, with its sign
  for (int s = 0; s < n_subs; ++s) {
    fitted[s] = Fit(grid, x + s * sub, w + s * sub, sub, affine, range.low, range.high, rounds);
    const float magnitude = __builtin_fabsf(fitted[s].scale);
    if (magnitude > __builtin_fabsf(scale_top)) scale_top = fitted[s].scale;
    if (-fitted[s].offset > minimum_top) minimum_top = -fitted[s].offset;
  }
  // The end of the code range that reaches farther takes the largest scale.
  const int end = range.scale_low < -range.scale_high ? range.scale_low : range.scale_high;
  float d = coded ? scale_top / static_cast<float>(end) : scale_top;
  float m = affine ? minimum_top / static_cast<float>(range.minimum_high) : 0;
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
      const float* xs = x + s * sub;
      const float* ws = w + s * sub;
      const int scale_near =
          coded ? Clamped(fitted[s].scale * d_inverse, range.scale_low, range.scale_high) : 1;
      const int minimum_near =
          affine ? Clamped(-fitted[s].offset * m_inverse, 0, range.minimum_high) : 0;
      const Lanes around = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};
      const Lanes around_scale = {0, -1, 1, 0, -1, 1, 0, -1, 1, 0, -1, 1, 0, -1, 1, 0};
      const Lanes around_minimum = {0, 0, 0, -1, -1, -1, 1, 1, 1, -2, -2, -2, 2, 2, 2, 0};
      Lanes scale_codes = Splat(static_cast<float>(scale_near));
      Lanes minimum_codes = Splat(static_cast<float>(minimum_near));
      if (affine) {
        scale_codes = scale_codes + around_scale;
        minimum_codes = minimum_codes + around_minimum;
        const Lanes top = Splat(static_cast<float>(range.minimum_high)), zero = Splat(0.0f);
        minimum_codes = minimum_codes < zero ? zero : minimum_codes;
        minimum_codes = minimum_codes > top ? top : minimum_codes;
      } else if (coded) {
        scale_codes = scale_codes + around;
      }
      if (coded) {
        const Lanes bottom = Splat(static_cast<float>(range.scale_low));
        const Lanes top = Splat(static_cast<float>(range.scale_high));
        scale_codes = scale_codes < bottom ? bottom : scale_codes;
        scale_codes = scale_codes > top ? top : scale_codes;
      }
      const Lanes scale = Splat(dh) * scale_codes;
      const Lanes offset = Splat(-mh) * minimum_codes;
      Sums sums;
      Try(grid, xs, ws, sub, scale, offset, &sums);
      const int best = Best(sums.error);
      const float sc = scale_codes[best], mc = minimum_codes[best];
      now.scale[s] = static_cast<uint8_t>(coded ? static_cast<int>(sc) + form.scale_bias : 0);
      now.minimum[s] = static_cast<uint8_t>(static_cast<int>(mc));
      error += sums.error[best];
      float wx = 0, ww = 0;
      for (int k = 0; k < sub; ++k) {
        ww += ws[k];
        wx += ws[k] * xs[k];
      }
      aa += sc * sc * sums.vv[best];
      ab += sc * mc * sums.v[best];
      bb += mc * mc * ww;
      ax += sc * sums.vx[best];
      bx += mc * wx;
    }
    if (!(error < best_error)) return;
    best_error = error;
    *codes = now;
    // w = d * a - m * b
    const float determinant = aa * bb - ab * ab;
    if (affine && bb > 0 && determinant > 0) {
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
SAMARA_INLINE void EncodeFp4(const Table& table, const float* x, const float* w, BlockCodes* codes) {
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
  Sums sums;
  Try(table, x, w, 32, scale, offset, &sums);
  codes->d = static_cast<uint16_t>(e[Best(sums.error)]);
}

}  // namespace

void SAMARA_ENCODE(const CodeForm& form, const float* x, const float* weights, uint64_t n,
                   BlockCodes* codes) {
  static constexpr float kIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
  static constexpr float kFp4[15] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};
  float padded[256], w[256];
  const uint64_t end = (n + 31) / 32 * 32;
  for (uint64_t k = 0; k < end; ++k) {
    padded[k] = k < n ? x[k] : 0.0f;
    w[k] = k >= n ? 0.0f : weights != nullptr ? weights[k] : 1.0f;
  }
  *codes = {};
  const Table iq4 = {kIq4, 16}, fp4 = {kFp4, 15};
  const int n_subs = static_cast<int>(end / form.sub);
  switch (form.dtype) {
    case DType::kQ2_K:
      Encode(form, Uniform{0, 3}, {0, 15, 15, 0, 3}, padded, w, n_subs, 2, codes);
      break;
    case DType::kQ4_K:
      Encode(form, Uniform{0, 15}, {0, 63, 63, 0, 15}, padded, w, n_subs, 1, codes);
      break;
    case DType::kQ5_K:
      Encode(form, Uniform{0, 31}, {0, 63, 63, 0, 31}, padded, w, n_subs, 1, codes);
      break;
    case DType::kQ3_K:
      Encode(form, Uniform{-4, 3}, {-32, 31, 0, -4, 3}, padded, w, n_subs, 2, codes);
      break;
    case DType::kQ6_K:
      Encode(form, Uniform{-32, 31}, {-128, 127, 0, -32, 31}, padded, w, n_subs, 1, codes);
      break;
    case DType::kIQ4_NL:
      Encode(form, iq4, {1, 1, 0, -127, 113}, padded, w, n_subs, 2, codes);
      break;
    case DType::kIQ4_XS:
      Encode(form, iq4, {-32, 31, 0, -127, 113}, padded, w, n_subs, 1, codes);
      break;
    case DType::kMXFP4:
      EncodeFp4(fp4, padded, w, codes);
      break;
    default:
      return;
  }
  // The quants, as Try found them for the chosen scales.
  const float low = static_cast<float>(-form.quant_bias);
  const float high = static_cast<float>((1 << form.bits) - 1 - form.quant_bias);
  for (int s = 0; s < n_subs; ++s) {
    const float offset = form.minimum ? SubOffset(form, *codes, static_cast<uint32_t>(s)) : 0.0f;
    const float inverse = Inverse(SubScale(form, *codes, static_cast<uint32_t>(s)));
    const float* own = padded + s * form.sub;
    uint8_t* q = codes->q + s * form.sub;
    for (int k = 0; k < form.sub; ++k) {
      const float y = (own[k] - offset) * inverse;
      if (form.dtype == DType::kMXFP4) {
        // 0 to 7 are the positive values, 8 to 15 the negative ones.
        const int at = NearestIndex(kFp4, 15, y);
        q[k] = static_cast<uint8_t>(at >= 7 ? at - 7 : 15 - at);
      } else if (form.values != nullptr) {
        q[k] = static_cast<uint8_t>(NearestIndex(kIq4, 16, y));
      } else {
        float v = y < low ? low : y > high ? high : y;
        v = v + kRounder;
        v = v - kRounder;
        q[k] = static_cast<uint8_t>(static_cast<int>(v) + form.quant_bias);
      }
    }
  }
}

}  // namespace samara::quantize
