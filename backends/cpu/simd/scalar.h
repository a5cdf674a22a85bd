// 16 lanes of f32 as a loop: the path of any machine. The compiler may vectorize; nothing here can
// change a bit.
#ifndef SAMARA_BACKENDS_CPU_SIMD_SCALAR_H_
#define SAMARA_BACKENDS_CPU_SIMD_SCALAR_H_

#include <cstdint>

// Calls are cheaper than the space of a second copy of everything: the compiler decides.
#define SAMARA_INLINE inline
#define SAMARA_LANES for (int i = 0; i < 16; ++i)

namespace samara::cpu {
namespace {

struct F32x16 {
  float v[16];
};
struct I32x16 {
  int32_t v[16];
};
struct I8x64 {
  uint8_t v[64];
};
struct Mask16 {
  bool v[16];
};

SAMARA_INLINE uint32_t FloatBits(float x) {
  uint32_t u;
  __builtin_memcpy(&u, &x, 4);
  return u;
}
SAMARA_INLINE float BitsFloat(uint32_t u) {
  float x;
  __builtin_memcpy(&x, &u, 4);
  return x;
}

SAMARA_INLINE float HalfToFloat(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) return BitsFloat(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  if (magnitude < 0x400) {  // subnormal: magnitude * 2^-24, exact
    return BitsFloat(sign | FloatBits(static_cast<float>(magnitude) * 0x1p-24f));
  }
  return BitsFloat(sign | ((magnitude << 13) + ((127 - 15) << 23)));
}

SAMARA_INLINE uint16_t FloatToHalf(float x) {
  const uint32_t bits = FloatBits(x);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x477ff000)
    return static_cast<uint16_t>(sign | 0x7c00);  // 65520 and more round to infinity
  if (magnitude < 0x38800000) {
    // Subnormal half: adding 0.5 puts the unit of 2^-24 at the last bit, so the addition rounds to
    // nearest even.
    return static_cast<uint16_t>(sign | (FloatBits(BitsFloat(magnitude) + 0.5f) - 0x3f000000));
  }
  const uint32_t rounded = magnitude - ((127 - 15) << 23) + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

SAMARA_INLINE F32x16 Load(const float* p) {
  F32x16 r;
  SAMARA_LANES r.v[i] = p[i];
  return r;
}
SAMARA_INLINE F32x16 LoadPartial(const float* p, uint64_t n) {
  F32x16 r;
  SAMARA_LANES r.v[i] = static_cast<uint64_t>(i) < n ? p[i] : 0.0f;
  return r;
}
SAMARA_INLINE void Store(float* p, const F32x16& a) { SAMARA_LANES p[i] = a.v[i]; }
SAMARA_INLINE void StorePartial(float* p, const F32x16& a, uint64_t n) {
  for (uint64_t i = 0; i < n; ++i) p[i] = a.v[i];
}
SAMARA_INLINE F32x16 LoadHalf(const uint16_t* p) {
  F32x16 r;
  SAMARA_LANES r.v[i] = HalfToFloat(p[i]);
  return r;
}
SAMARA_INLINE F32x16 LoadHalfPartial(const uint16_t* p, uint64_t n) {
  F32x16 r;
  SAMARA_LANES r.v[i] = static_cast<uint64_t>(i) < n ? HalfToFloat(p[i]) : 0.0f;
  return r;
}
SAMARA_INLINE void StoreHalf(uint16_t* p, const F32x16& a) {
  SAMARA_LANES p[i] = FloatToHalf(a.v[i]);
}
SAMARA_INLINE void StoreHalfPartial(uint16_t* p, const F32x16& a, uint64_t n) {
  for (uint64_t i = 0; i < n; ++i) p[i] = FloatToHalf(a.v[i]);
}
SAMARA_INLINE F32x16 LoadInt8(const int8_t* p) {
  F32x16 r;
  SAMARA_LANES r.v[i] = p[i];
  return r;
}
SAMARA_INLINE F32x16 Set(float x) {
  F32x16 r;
  SAMARA_LANES r.v[i] = x;
  return r;
}
// Without an fma instruction each lane is a call: out of line keeps the kernels small.
__attribute__((noinline)) F32x16 Fma(const F32x16& a, const F32x16& b, const F32x16& c) {
  F32x16 r;
  SAMARA_LANES r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Add(const F32x16& a, const F32x16& b) {
  F32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] + b.v[i];
  return r;
}
SAMARA_INLINE F32x16 Sub(const F32x16& a, const F32x16& b) {
  F32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] - b.v[i];
  return r;
}
SAMARA_INLINE F32x16 Mul(const F32x16& a, const F32x16& b) {
  F32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] * b.v[i];
  return r;
}
SAMARA_INLINE F32x16 Div(const F32x16& a, const F32x16& b) {
  F32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] / b.v[i];
  return r;
}
SAMARA_INLINE F32x16 Sqrt(const F32x16& a) {
  F32x16 r;
  SAMARA_LANES r.v[i] = __builtin_sqrtf(a.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Max(const F32x16& a, const F32x16& b) {
  F32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return r;
}
SAMARA_INLINE F32x16 Rint(const F32x16& a) {
  F32x16 r;
  SAMARA_LANES r.v[i] = __builtin_rintf(a.v[i]);
  return r;
}
SAMARA_INLINE Mask16 Less(const F32x16& a, const F32x16& b) {
  Mask16 r;
  SAMARA_LANES r.v[i] = a.v[i] < b.v[i];
  return r;
}
SAMARA_INLINE F32x16 Select(const Mask16& m, const F32x16& a, const F32x16& b) {
  F32x16 r;
  SAMARA_LANES r.v[i] = m.v[i] ? a.v[i] : b.v[i];
  return r;
}
// Lanes lo <= i < hi, 0 <= lo <= hi <= 16.
SAMARA_INLINE Mask16 LaneRange(int lo, int hi) {
  Mask16 r;
  SAMARA_LANES r.v[i] = i >= lo && i < hi;
  return r;
}

SAMARA_INLINE I32x16 AsInt(const F32x16& a) {
  I32x16 r;
  __builtin_memcpy(r.v, a.v, 64);
  return r;
}
SAMARA_INLINE F32x16 AsFloat(const I32x16& a) {
  F32x16 r;
  __builtin_memcpy(r.v, a.v, 64);
  return r;
}
SAMARA_INLINE I32x16 SetInt(int32_t x) {
  I32x16 r;
  SAMARA_LANES r.v[i] = x;
  return r;
}
SAMARA_INLINE I32x16 LoadInt(const void* p) {
  I32x16 r;
  __builtin_memcpy(r.v, p, 64);
  return r;
}
SAMARA_INLINE I32x16 LoadUint8(const uint8_t* p) {
  I32x16 r;
  SAMARA_LANES r.v[i] = p[i];
  return r;
}
SAMARA_INLINE I32x16 LoadUint16(const uint16_t* p) {
  I32x16 r;
  SAMARA_LANES r.v[i] = p[i];
  return r;
}
SAMARA_INLINE void StoreInt(int32_t* p, const I32x16& a) { SAMARA_LANES p[i] = a.v[i]; }
SAMARA_INLINE int32_t Wrap(uint32_t u) { return static_cast<int32_t>(u); }
SAMARA_INLINE uint32_t Bits(int32_t x) { return static_cast<uint32_t>(x); }
SAMARA_INLINE I32x16 AddInt(const I32x16& a, const I32x16& b) {
  I32x16 r;
  SAMARA_LANES r.v[i] = Wrap(Bits(a.v[i]) + Bits(b.v[i]));
  return r;
}
SAMARA_INLINE I32x16 SubInt(const I32x16& a, const I32x16& b) {
  I32x16 r;
  SAMARA_LANES r.v[i] = Wrap(Bits(a.v[i]) - Bits(b.v[i]));
  return r;
}
SAMARA_INLINE I32x16 AndInt(const I32x16& a, const I32x16& b) {
  I32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] & b.v[i];
  return r;
}
SAMARA_INLINE I32x16 OrInt(const I32x16& a, const I32x16& b) {
  I32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] | b.v[i];
  return r;
}
template <int kN>
SAMARA_INLINE I32x16 ShiftLeft(const I32x16& a) {
  I32x16 r;
  SAMARA_LANES r.v[i] = Wrap(Bits(a.v[i]) << kN);
  return r;
}
template <int kN>
SAMARA_INLINE I32x16 ShiftRight(const I32x16& a) {  // arithmetic
  I32x16 r;
  SAMARA_LANES r.v[i] = a.v[i] >> kN;
  return r;
}
SAMARA_INLINE Mask16 NonZero(const I32x16& a) {
  Mask16 r;
  SAMARA_LANES r.v[i] = a.v[i] != 0;
  return r;
}
SAMARA_INLINE I32x16 ToInt(const F32x16& a) {
  I32x16 r;
  SAMARA_LANES r.v[i] =
      a.v[i] >= -0x1p31f && a.v[i] < 0x1p31f ? static_cast<int32_t>(a.v[i]) : INT32_MIN;
  return r;
}
SAMARA_INLINE F32x16 ToFloat(const I32x16& a) {
  F32x16 r;
  SAMARA_LANES r.v[i] = static_cast<float>(a.v[i]);
  return r;
}

// tree16 of the contract.
SAMARA_INLINE float Tree16(F32x16 x) {
  float p[16];
  Store(p, x);
  for (int w = 8; w > 0; w /= 2) {
    for (int i = 0; i < w; ++i) p[i] = p[i] + p[i + w];
  }
  return p[0];
}
// The largest lane; which zero of several is not specified.
SAMARA_INLINE float MaxLane(F32x16 x) {
  float p[16];
  Store(p, x);
  for (int w = 8; w > 0; w /= 2) {
    for (int i = 0; i < w; ++i) p[i] = p[i] > p[i + w] ? p[i] : p[i + w];
  }
  return p[0];
}

// Integers of any order of evaluation: exact.
SAMARA_INLINE int32_t MaxOf(const I32x16& a) {
  int32_t lanes[16];
  StoreInt(lanes, a);
  int32_t top = lanes[0];
  for (int i = 1; i < 16; ++i) top = lanes[i] > top ? lanes[i] : top;
  return top;
}
SAMARA_INLINE int32_t SumOf(const I32x16& a) {
  int32_t lanes[16];
  StoreInt(lanes, a);
  uint32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += static_cast<uint32_t>(lanes[i]);
  return static_cast<int32_t>(sum);
}
// The low byte of each lane.
SAMARA_INLINE void StoreLowBytes(int8_t* p, const I32x16& a) {
  int32_t lanes[16];
  StoreInt(lanes, a);
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(lanes[i]);
}

SAMARA_INLINE void Prefetch(const void* p) { __builtin_prefetch(p); }
SAMARA_INLINE void PrefetchFar(const void*) {}

// --- int8 dots: 4 bytes of each of 16 rows

SAMARA_INLINE I8x64 LoadBytes(const uint8_t* p) {
  I8x64 r;
  __builtin_memcpy(r.v, p, 64);
  return r;
}
SAMARA_INLINE I8x64 LowNibbles(const I8x64& a) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] & 15;
  return r;
}
SAMARA_INLINE I8x64 HighNibbles(const I8x64& a) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] >> 4;
  return r;
}
SAMARA_INLINE void StoreBytes(uint8_t* p, const I8x64& a) { __builtin_memcpy(p, a.v, 64); }
SAMARA_INLINE I8x64 OrBytes(const I8x64& a, const I8x64& b) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] | b.v[i];
  return r;
}
// a >> right (or << -right) & mask of each byte.
SAMARA_INLINE I8x64 Field(const I8x64& a, int right, int mask) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) {
    r.v[i] = static_cast<uint8_t>((right >= 0 ? a.v[i] >> right : a.v[i] << -right) & mask);
  }
  return r;
}
// The table's entry for each byte below 16.
SAMARA_INLINE I8x64 Lookup(const int8_t* table, const I8x64& a) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<uint8_t>(table[a.v[i]]);
  return r;
}
// 0xf0 in each byte whose bit is set.
SAMARA_INLINE I8x64 HighOnes(uint64_t bits) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<uint8_t>((bits >> i & 1) * 0xf0);
  return r;
}
SAMARA_INLINE I8x64 AddHighBits(const I8x64& a, uint64_t bits) {
  I8x64 r;
  for (int i = 0; i < 64; ++i) r.v[i] = static_cast<uint8_t>(a.v[i] + (bits >> i & 1) * 16);
  return r;
}
struct I8x4 {
  int8_t v[4];
};
SAMARA_INLINE I8x4 Broadcast4(const int8_t* p) { return {{p[0], p[1], p[2], p[3]}}; }

inline constexpr int32_t kOffset8 = 0;
using Weights8 = I8x64;
SAMARA_INLINE Weights8 Prepare8(const I8x64& w) { return w; }
struct DotSum {
  I32x16 acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value; }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return acc; }
};
struct Dot8 : DotSum {
  SAMARA_INLINE void Add(const Weights8& w, const I8x4& a) {
    SAMARA_LANES {
      for (int j = 0; j < 4; ++j) acc.v[i] += static_cast<int8_t>(w.v[4 * i + j]) * a.v[j];
    }
  }
};
struct Dot5 : DotSum {
  SAMARA_INLINE void Add(const I8x64& w, const I8x4& a) {
    SAMARA_LANES {
      for (int j = 0; j < 4; ++j) acc.v[i] += w.v[4 * i + j] * a.v[j];
    }
  }
};
using Dot4 = Dot5;
using Dot6 = Dot5;

inline constexpr int kFloatRowVectors = 1;
inline constexpr int kFloatTokens = 1;
inline constexpr int kInt8Vectors = 1;
inline constexpr int kInt8Tokens = 1;
inline constexpr uint64_t kInt8TokenBytes = 4;
inline constexpr int kInt8Kept = 1;
inline constexpr int kScoreVectors = 1;
inline constexpr int kScoreRows = 1;

}  // namespace
}  // namespace samara::cpu

#undef SAMARA_LANES

#endif  // SAMARA_BACKENDS_CPU_SIMD_SCALAR_H_
