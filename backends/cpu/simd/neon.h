// 16 lanes of f32 on AArch64: four registers. Included by one kernel file each.
#ifndef SAMARA_BACKENDS_CPU_SIMD_NEON_H_
#define SAMARA_BACKENDS_CPU_SIMD_NEON_H_

#include <arm_neon.h>

#include <cstdint>

#define SAMARA_INLINE inline __attribute__((always_inline))
#define SAMARA_QUADS for (int i = 0; i < 4; ++i)

namespace samara::cpu {
namespace {

struct F32x16 {
  float32x4_t v[4];
};
struct I32x16 {
  int32x4_t v[4];
};
struct I8x64 {
  uint8x16_t v[4];
};
struct Mask16 {
  uint32x4_t v[4];
};

SAMARA_INLINE F32x16 Load(const float* p) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vld1q_f32(p + 4 * i);
  return r;
}
SAMARA_INLINE F32x16 LoadPartial(const float* p, uint64_t n) {
  if (n >= 16) return Load(p);
  float lanes[16] = {};
  for (uint64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return Load(lanes);
}
SAMARA_INLINE void Store(float* p, F32x16 a) { SAMARA_QUADS vst1q_f32(p + 4 * i, a.v[i]); }
SAMARA_INLINE void StorePartial(float* p, F32x16 a, uint64_t n) {
  if (n >= 16) return Store(p, a);
  float lanes[16];
  Store(lanes, a);
  for (uint64_t i = 0; i < n; ++i) p[i] = lanes[i];
}
SAMARA_INLINE F32x16 LoadHalf(const uint16_t* p) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
  return r;
}
SAMARA_INLINE F32x16 LoadHalfPartial(const uint16_t* p, uint64_t n) {
  if (n >= 16) return LoadHalf(p);
  uint16_t lanes[16] = {};
  for (uint64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return LoadHalf(lanes);
}
SAMARA_INLINE void StoreHalf(uint16_t* p, F32x16 a) {
  SAMARA_QUADS vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}
SAMARA_INLINE void StoreHalfPartial(uint16_t* p, F32x16 a, uint64_t n) {
  if (n >= 16) return StoreHalf(p, a);
  uint16_t lanes[16];
  StoreHalf(lanes, a);
  for (uint64_t i = 0; i < n; ++i) p[i] = lanes[i];
}
// Signed bytes.
SAMARA_INLINE F32x16 LoadInt8(const int8_t* p) {
  const int8x16_t bytes = vld1q_s8(p);
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
           vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
SAMARA_INLINE F32x16 Set(float x) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vdupq_n_f32(x);
  return r;
}
SAMARA_INLINE F32x16 Fma(F32x16 a, F32x16 b, F32x16 c) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vfmaq_f32(c.v[i], a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Add(F32x16 a, F32x16 b) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vaddq_f32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Sub(F32x16 a, F32x16 b) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vsubq_f32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Mul(F32x16 a, F32x16 b) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vmulq_f32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Div(F32x16 a, F32x16 b) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vdivq_f32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Sqrt(F32x16 a) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vsqrtq_f32(a.v[i]);
  return r;
}
// a > b ? a : b; the instruction of that name treats zeros and NaN otherwise.
SAMARA_INLINE F32x16 Max(F32x16 a, F32x16 b) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Rint(F32x16 a) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vrndnq_f32(a.v[i]);
  return r;
}
SAMARA_INLINE Mask16 Less(F32x16 a, F32x16 b) {
  Mask16 r;
  SAMARA_QUADS r.v[i] = vcltq_f32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE F32x16 Select(Mask16 m, F32x16 a, F32x16 b) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vbslq_f32(m.v[i], a.v[i], b.v[i]);
  return r;
}
// Lanes lo <= i < hi, 0 <= lo <= hi <= 16.
SAMARA_INLINE Mask16 LaneRange(int lo, int hi) {
  const int32_t first[4] = {0, 1, 2, 3};
  Mask16 r;
  SAMARA_QUADS {
    const int32x4_t lane = vaddq_s32(vld1q_s32(first), vdupq_n_s32(4 * i));
    r.v[i] = vandq_u32(vcgeq_s32(lane, vdupq_n_s32(lo)), vcltq_s32(lane, vdupq_n_s32(hi)));
  }
  return r;
}

SAMARA_INLINE I32x16 AsInt(F32x16 a) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vreinterpretq_s32_f32(a.v[i]);
  return r;
}
SAMARA_INLINE F32x16 AsFloat(I32x16 a) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vreinterpretq_f32_s32(a.v[i]);
  return r;
}
SAMARA_INLINE I32x16 SetInt(int32_t x) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vdupq_n_s32(x);
  return r;
}
SAMARA_INLINE I32x16 LoadUint16(const uint16_t* p) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p + 4 * i)));
  return r;
}
SAMARA_INLINE I32x16 LoadUint8(const uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  uint16_t words[16];
  vst1q_u16(words, vmovl_u8(vget_low_u8(bytes)));
  vst1q_u16(words + 8, vmovl_high_u8(bytes));
  return LoadUint16(words);
}
SAMARA_INLINE I32x16 LoadInt(const void* p) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t*>(p) + 16 * i));
  return r;
}
SAMARA_INLINE void StoreInt(int32_t* p, I32x16 a) { SAMARA_QUADS vst1q_s32(p + 4 * i, a.v[i]); }
SAMARA_INLINE I32x16 AddInt(I32x16 a, I32x16 b) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vaddq_s32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE I32x16 SubInt(I32x16 a, I32x16 b) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vsubq_s32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE I32x16 AndInt(I32x16 a, I32x16 b) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vandq_s32(a.v[i], b.v[i]);
  return r;
}
SAMARA_INLINE I32x16 OrInt(I32x16 a, I32x16 b) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vorrq_s32(a.v[i], b.v[i]);
  return r;
}
template <int kN>
SAMARA_INLINE I32x16 ShiftLeft(I32x16 a) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vshlq_n_s32(a.v[i], kN);
  return r;
}
template <int kN>
SAMARA_INLINE I32x16 ShiftRight(I32x16 a) {  // arithmetic
  I32x16 r;
  SAMARA_QUADS r.v[i] = vshrq_n_s32(a.v[i], kN);
  return r;
}
SAMARA_INLINE Mask16 NonZero(I32x16 a) {
  Mask16 r;
  SAMARA_QUADS r.v[i] = vtstq_s32(a.v[i], a.v[i]);
  return r;
}
SAMARA_INLINE I32x16 ToInt(F32x16 a) {
  I32x16 r;
  SAMARA_QUADS r.v[i] = vcvtq_s32_f32(a.v[i]);
  return r;
}
SAMARA_INLINE F32x16 ToFloat(I32x16 a) {
  F32x16 r;
  SAMARA_QUADS r.v[i] = vcvtq_f32_s32(a.v[i]);
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
SAMARA_INLINE int32_t MaxOf(I32x16 a) {
  int32_t lanes[16];
  StoreInt(lanes, a);
  int32_t top = lanes[0];
  for (int i = 1; i < 16; ++i) top = lanes[i] > top ? lanes[i] : top;
  return top;
}
SAMARA_INLINE int32_t SumOf(I32x16 a) {
  int32_t lanes[16];
  StoreInt(lanes, a);
  uint32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += static_cast<uint32_t>(lanes[i]);
  return static_cast<int32_t>(sum);
}
// The low byte of each lane.
SAMARA_INLINE void StoreLowBytes(int8_t* p, I32x16 a) {
  int32_t lanes[16];
  StoreInt(lanes, a);
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(lanes[i]);
}

SAMARA_INLINE void Prefetch(const void* p) { __builtin_prefetch(p); }
SAMARA_INLINE void PrefetchFar(const void* p) {  // past the first cache
  __builtin_prefetch(p, 0, 2);
}

// --- int8 dots: a register holds 4 bytes of each of 4 rows

SAMARA_INLINE I8x64 LoadBytes(const uint8_t* p) {
  I8x64 r;
  SAMARA_QUADS r.v[i] = vld1q_u8(p + 16 * i);
  return r;
}
SAMARA_INLINE I8x64 LowNibbles(I8x64 a) {
  I8x64 r;
  SAMARA_QUADS r.v[i] = vandq_u8(a.v[i], vdupq_n_u8(15));
  return r;
}
SAMARA_INLINE I8x64 HighNibbles(I8x64 a) {
  I8x64 r;
  SAMARA_QUADS r.v[i] = vshrq_n_u8(a.v[i], 4);
  return r;
}
SAMARA_INLINE void StoreBytes(uint8_t* p, I8x64 a) { SAMARA_QUADS vst1q_u8(p + 16 * i, a.v[i]); }
SAMARA_INLINE I8x64 OrBytes(I8x64 a, I8x64 b) {
  I8x64 r;
  SAMARA_QUADS r.v[i] = vorrq_u8(a.v[i], b.v[i]);
  return r;
}
// a >> right (or << -right) & mask of each byte.
SAMARA_INLINE I8x64 Field(I8x64 a, int right, int mask) {
  const uint8x16_t m = vdupq_n_u8(static_cast<uint8_t>(mask));
  I8x64 r;
  SAMARA_QUADS r.v[i] = vandq_u8(right >= 0 ? a.v[i] >> right : a.v[i] << -right, m);
  return r;
}
// The table's entry for each byte below 16.
SAMARA_INLINE I8x64 Lookup(const int8_t* table, I8x64 a) {
  const uint8x16_t t = vreinterpretq_u8_s8(vld1q_s8(table));
  I8x64 r;
  SAMARA_QUADS r.v[i] = vqtbl1q_u8(t, a.v[i]);
  return r;
}
SAMARA_INLINE I8x64 AddHighBits(I8x64 a, uint64_t bits);
// 0xf0 in each byte whose bit is set.
SAMARA_INLINE I8x64 HighOnes(uint64_t bits) {
  I8x64 r;
  SAMARA_QUADS r.v[i] = vdupq_n_u8(0);
  r = AddHighBits(r, bits);
  SAMARA_QUADS r.v[i] = vreinterpretq_u8_s8(vnegq_s8(vreinterpretq_s8_u8(r.v[i])));
  return r;
}
// Adds 16 to the bytes whose bit is set.
SAMARA_INLINE I8x64 AddHighBits(I8x64 a, uint64_t bits) {
  const uint8_t bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t which = vld1q_u8(bit);
  I8x64 r;
  SAMARA_QUADS {
    const uint8x16_t bytes = vcombine_u8(vdup_n_u8(static_cast<uint8_t>(bits >> 16 * i)),
                                         vdup_n_u8(static_cast<uint8_t>(bits >> (16 * i + 8))));
    r.v[i] = vorrq_u8(a.v[i], vandq_u8(vtstq_u8(bytes, which), vdupq_n_u8(16)));
  }
  return r;
}
struct I8x4 {
  int8x16_t v;
};
SAMARA_INLINE I8x4 Broadcast4(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, 4);
  return {vreinterpretq_s8_s32(vdupq_n_s32(word))};
}

// Products are of signed bytes; unsigned weights below 32 are signed bytes too.
inline constexpr int32_t kOffset8 = 0;
using Weights8 = I8x64;
SAMARA_INLINE Weights8 Prepare8(I8x64 w) { return w; }

#if defined(__ARM_FEATURE_DOTPROD)
struct Dot8 {
  I32x16 acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value; }
  SAMARA_INLINE void Add(I8x64 w, I8x4 a) {
    SAMARA_QUADS acc.v[i] = vdotq_s32(acc.v[i], vreinterpretq_s8_u8(w.v[i]), a.v);
  }
  // With token kToken of the four in `a`.
  template <int kToken>
  SAMARA_INLINE void AddOf4(I8x64 w, int8x16_t a) {
    SAMARA_QUADS acc.v[i] = vdotq_laneq_s32(acc.v[i], vreinterpretq_s8_u8(w.v[i]), a, kToken);
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return acc; }
};
inline constexpr int kInt8Vectors = 1;
inline constexpr int kInt8Tokens = 4;
inline constexpr int kInt8Kept = 2;
#else
// Without the dot instruction a product of 8 bytes (128 * 127 fits 16 bits) is added in pairs: two
// lanes a row.
struct Dot8 {
  int32x4_t low[4], high[4];
  I32x16 start;
  SAMARA_INLINE void Start(I32x16 value) {
    start = value;
    SAMARA_QUADS low[i] = high[i] = vdupq_n_s32(0);
  }
  SAMARA_INLINE void Add(I8x64 w, I8x4 a) {
    SAMARA_QUADS {
      const int8x16_t s = vreinterpretq_s8_u8(w.v[i]);
      low[i] = vpadalq_s16(low[i], vmull_s8(vget_low_s8(s), vget_low_s8(a.v)));
      high[i] = vpadalq_s16(high[i], vmull_high_s8(s, a.v));
    }
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const {
    I32x16 r;
    SAMARA_QUADS r.v[i] = vaddq_s32(vpaddq_s32(low[i], high[i]), start.v[i]);
    return r;
  }
};
inline constexpr int kInt8Vectors = 1;
inline constexpr int kInt8Tokens = 2;
inline constexpr int kInt8Kept = 2;
#endif
using Dot5 = Dot8;
using Dot4 = Dot8;
using Dot6 = Dot8;

#if defined(__ARM_FEATURE_MATMUL_INT8)
// Dots of 16 rows and 2 tokens, 8 bytes each at a time: the instruction multiplies 2 rows by 2
// tokens.
struct WeightPairs {
  int8x16_t v[8];  // 8 bytes of row 2i, 8 of row 2i + 1
};
SAMARA_INLINE WeightPairs PairGroups(I8x64 a, I8x64 b) {
  WeightPairs r;
  SAMARA_QUADS {
    const uint32x4_t x = vreinterpretq_u32_u8(a.v[i]), y = vreinterpretq_u32_u8(b.v[i]);
    r.v[2 * i] = vreinterpretq_s8_u32(vzip1q_u32(x, y));
    r.v[2 * i + 1] = vreinterpretq_s8_u32(vzip2q_u32(x, y));
  }
  return r;
}
struct DotPair {
  int32x4_t acc[8];  // row 2i of both tokens, row 2i + 1 of both
  SAMARA_INLINE void Start(int32_t first, int32_t second) {
    const int32_t values[4] = {first, second, first, second};
    for (int i = 0; i < 8; ++i) acc[i] = vld1q_s32(values);
  }
  SAMARA_INLINE void Add(const WeightPairs& w, const int8_t* tokens) {
    const int8x16_t a = vld1q_s8(tokens);
    for (int i = 0; i < 8; ++i) acc[i] = vmmlaq_s32(acc[i], w.v[i], a);
  }
  SAMARA_INLINE I32x16 First() const {
    I32x16 r;
    SAMARA_QUADS r.v[i] = vuzp1q_s32(acc[2 * i], acc[2 * i + 1]);
    return r;
  }
  SAMARA_INLINE I32x16 Second() const {
    I32x16 r;
    SAMARA_QUADS r.v[i] = vuzp2q_s32(acc[2 * i], acc[2 * i + 1]);
    return r;
  }
};
inline constexpr uint64_t kInt8TokenBytes = 8;
#else
inline constexpr uint64_t kInt8TokenBytes = 4;
#endif

// Register blocking: vectors and tokens (or rows) held at once.
inline constexpr int kFloatRowVectors = 1;
inline constexpr int kFloatTokens = 4;
inline constexpr int kScoreVectors = 1;
inline constexpr int kScoreRows = 4;

}  // namespace
}  // namespace samara::cpu

#undef SAMARA_QUADS

#endif  // SAMARA_BACKENDS_CPU_SIMD_NEON_H_
