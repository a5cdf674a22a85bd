// 16 lanes of f32 on AVX2 + FMA + F16C: two registers. Included by one kernel file.
#ifndef SAMARA_BACKENDS_CPU_SIMD_AVX2_H_
#define SAMARA_BACKENDS_CPU_SIMD_AVX2_H_

#include <immintrin.h>

#include <cstdint>

#define SAMARA_INLINE inline __attribute__((always_inline))

namespace samara::cpu {
namespace {

struct F32x16 {
  __m256 a, b;
};
struct I32x16 {
  __m256i a, b;
};
struct I8x64 {
  __m256i a, b;
};
struct Mask16 {
  __m256 a, b;
};  // all bits of a lane

// Lane i of half h is set where i + 8h < n.
SAMARA_INLINE __m256i FirstLanes(uint64_t n, int half) {
  const __m256i lane =
      _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(8 * half));
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

SAMARA_INLINE F32x16 Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
SAMARA_INLINE F32x16 LoadPartial(const float* p, uint64_t n) {
  if (n >= 16) return Load(p);
  return {_mm256_maskload_ps(p, FirstLanes(n, 0)), _mm256_maskload_ps(p + 8, FirstLanes(n, 1))};
}
SAMARA_INLINE void Store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
SAMARA_INLINE void StorePartial(float* p, F32x16 x, uint64_t n) {
  if (n >= 16) return Store(p, x);
  _mm256_maskstore_ps(p, FirstLanes(n, 0), x.a);
  _mm256_maskstore_ps(p + 8, FirstLanes(n, 1), x.b);
}
SAMARA_INLINE F32x16 LoadHalf(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
SAMARA_INLINE F32x16 LoadHalfPartial(const uint16_t* p, uint64_t n) {
  uint16_t lanes[16] = {};
  for (uint64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return LoadHalf(lanes);
}
SAMARA_INLINE void StoreHalf(uint16_t* p, F32x16 x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8),
                   _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}
SAMARA_INLINE void StoreHalfPartial(uint16_t* p, F32x16 x, uint64_t n) {
  if (n >= 16) return StoreHalf(p, x);
  uint16_t lanes[16];
  StoreHalf(lanes, x);
  for (uint64_t i = 0; i < n; ++i) p[i] = lanes[i];
}
// Signed bytes.
SAMARA_INLINE F32x16 LoadInt8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes)))};
}
SAMARA_INLINE F32x16 Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
SAMARA_INLINE F32x16 Fma(F32x16 x, F32x16 y, F32x16 z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
SAMARA_INLINE F32x16 Add(F32x16 x, F32x16 y) {
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
SAMARA_INLINE F32x16 Sub(F32x16 x, F32x16 y) {
  return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}
SAMARA_INLINE F32x16 Mul(F32x16 x, F32x16 y) {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
SAMARA_INLINE F32x16 Div(F32x16 x, F32x16 y) {
  return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}
SAMARA_INLINE F32x16 Sqrt(F32x16 x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
// The instruction is a > b ? a : b, the contract's max.
SAMARA_INLINE F32x16 Max(F32x16 x, F32x16 y) {
  return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}
SAMARA_INLINE F32x16 Rint(F32x16 x) {
  return {_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
SAMARA_INLINE Mask16 Less(F32x16 x, F32x16 y) {
  return {_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}
SAMARA_INLINE F32x16 Select(Mask16 m, F32x16 x, F32x16 y) {
  return {_mm256_blendv_ps(y.a, x.a, m.a), _mm256_blendv_ps(y.b, x.b, m.b)};
}
// Lanes lo <= i < hi, 0 <= lo <= hi <= 16.
SAMARA_INLINE Mask16 LaneRange(int lo, int hi) {
  const auto below = static_cast<uint64_t>(lo), to = static_cast<uint64_t>(hi);
  return {_mm256_castsi256_ps(_mm256_andnot_si256(FirstLanes(below, 0), FirstLanes(to, 0))),
          _mm256_castsi256_ps(_mm256_andnot_si256(FirstLanes(below, 1), FirstLanes(to, 1)))};
}

SAMARA_INLINE I32x16 AsInt(F32x16 x) {
  return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)};
}
SAMARA_INLINE F32x16 AsFloat(I32x16 x) {
  return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)};
}
SAMARA_INLINE I32x16 SetInt(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
SAMARA_INLINE I32x16 LoadInt(const void* p) {
  const auto* q = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
SAMARA_INLINE I32x16 LoadUint8(const uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes))};
}
SAMARA_INLINE I32x16 LoadUint16(const uint16_t* p) {
  const auto* q = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtepu16_epi32(_mm_loadu_si128(q)), _mm256_cvtepu16_epi32(_mm_loadu_si128(q + 1))};
}
SAMARA_INLINE void StoreInt(int32_t* p, I32x16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
}
SAMARA_INLINE I32x16 AddInt(I32x16 x, I32x16 y) {
  return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
SAMARA_INLINE I32x16 SubInt(I32x16 x, I32x16 y) {
  return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)};
}
SAMARA_INLINE I32x16 AndInt(I32x16 x, I32x16 y) {
  return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}
SAMARA_INLINE I32x16 OrInt(I32x16 x, I32x16 y) {
  return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
}
template <int kN>
SAMARA_INLINE I32x16 ShiftLeft(I32x16 x) {
  return {_mm256_slli_epi32(x.a, kN), _mm256_slli_epi32(x.b, kN)};
}
template <int kN>
SAMARA_INLINE I32x16 ShiftRight(I32x16 x) {  // arithmetic
  return {_mm256_srai_epi32(x.a, kN), _mm256_srai_epi32(x.b, kN)};
}
SAMARA_INLINE Mask16 NonZero(I32x16 x) {
  const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi32(-1);
  return {_mm256_castsi256_ps(_mm256_xor_si256(_mm256_cmpeq_epi32(x.a, zero), ones)),
          _mm256_castsi256_ps(_mm256_xor_si256(_mm256_cmpeq_epi32(x.b, zero), ones))};
}
SAMARA_INLINE I32x16 ToInt(F32x16 x) {
  return {_mm256_cvttps_epi32(x.a), _mm256_cvttps_epi32(x.b)};
}
SAMARA_INLINE F32x16 ToFloat(I32x16 x) {
  return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}

// tree16 of the contract.
SAMARA_INLINE float Tree16(F32x16 x) {
  const __m256 a = _mm256_add_ps(x.a, x.b);
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
// The largest lane; which zero of several is not specified.
SAMARA_INLINE float MaxLane(F32x16 x) {
  const __m256 a = _mm256_max_ps(x.a, x.b);
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

// Integers of any order of evaluation: exact.
SAMARA_INLINE int32_t MaxOf(I32x16 x) {
  const __m256i top = _mm256_max_epi32(x.a, x.b);
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtsi128_si32(m);
}
SAMARA_INLINE int32_t SumOf(I32x16 x) {
  const __m256i sum = _mm256_add_epi32(x.a, x.b);
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
  return _mm_cvtsi128_si32(s);
}
// The low byte of each lane.
SAMARA_INLINE void StoreLowBytes(int8_t* p, I32x16 x) {
  const __m256i low = _mm256_set1_epi32(255);
  // Packing works inside 128-bit halves: words 0-3 8-11 | 4-7 12-15, then bytes in that order
  // twice.
  const __m256i words = _mm256_packus_epi32(_mm256_and_si256(x.a, low), _mm256_and_si256(x.b, low));
  const __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_shuffle_epi32(bytes, 0xd8));
}

SAMARA_INLINE void Prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}
SAMARA_INLINE void PrefetchFar(const void* p) {  // past the first cache
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

// --- int8 dots: 4 bytes of each of 16 rows

SAMARA_INLINE I8x64 LoadBytes(const uint8_t* p) {
  const auto* q = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
SAMARA_INLINE I8x64 LowNibbles(I8x64 x) {
  const __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
SAMARA_INLINE I8x64 HighNibbles(I8x64 x) {
  const __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(_mm256_srli_epi16(x.a, 4), mask),
          _mm256_and_si256(_mm256_srli_epi16(x.b, 4), mask)};
}
SAMARA_INLINE void StoreBytes(uint8_t* p, I8x64 x) {
  auto* q = reinterpret_cast<__m256i*>(p);
  _mm256_storeu_si256(q, x.a);
  _mm256_storeu_si256(q + 1, x.b);
}
SAMARA_INLINE I8x64 OrBytes(I8x64 x, I8x64 y) {
  return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
}
// x >> right (or << -right) & mask of each byte, for masks that see no bit of another one.
SAMARA_INLINE I8x64 Field(I8x64 x, int right, int mask) {
  const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
  typedef uint16_t Words __attribute__((vector_size(32)));
  const Words a = (Words)x.a, b = (Words)x.b;
  const Words low = right >= 0 ? a >> right : a << -right;
  const Words high = right >= 0 ? b >> right : b << -right;
  return {_mm256_and_si256((__m256i)low, m), _mm256_and_si256((__m256i)high, m)};
}
// The table's entry for each byte below 16.
SAMARA_INLINE I8x64 Lookup(const int8_t* table, I8x64 x) {
  const __m256i t =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm256_shuffle_epi8(t, x.a), _mm256_shuffle_epi8(t, x.b)};
}
// 16 in each byte whose bit is set.
SAMARA_INLINE __m256i Sixteens(uint32_t bits) {
  // Byte i gets the byte of `bits` that holds bit i, then keeps that bit only.
  const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2,
                                          2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201ull));
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), spread);
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit),
                          _mm256_set1_epi8(16));
}
// 0xf0 in each byte whose bit is set.
SAMARA_INLINE I8x64 HighOnes(uint64_t bits) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i a = Sixteens(static_cast<uint32_t>(bits));
  const __m256i b = Sixteens(static_cast<uint32_t>(bits >> 32));
  return {_mm256_sub_epi8(zero, a), _mm256_sub_epi8(zero, b)};
}
SAMARA_INLINE I8x64 AddHighBits(I8x64 x, uint64_t bits) {
  return {_mm256_or_si256(x.a, Sixteens(static_cast<uint32_t>(bits))),
          _mm256_or_si256(x.b, Sixteens(static_cast<uint32_t>(bits >> 32)))};
}
struct I8x4 {
  __m256i v;
};
SAMARA_INLINE I8x4 Broadcast4(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, 4);
  return {_mm256_set1_epi32(word)};
}

#if defined(__AVXVNNI__) || defined(__AVX512VNNI__)
// u8 times s8, sums of four: the instruction of AVX-VNNI or, the same in another encoding, of
// AVX-512 VNNI with VL.
SAMARA_INLINE __m256i DotBytes(__m256i acc, __m256i w, __m256i x) {
#if defined(__AVXVNNI__)
  return _mm256_dpbusd_avx_epi32(acc, w, x);
#else
  return _mm256_dpbusd_epi32(acc, w, x);
#endif
}
// Weights are made unsigned, which adds kOffset8 * (sum of activations); the caller takes it away.
inline constexpr int32_t kOffset8 = 128;
struct Weights8 {
  __m256i a, b;
};
SAMARA_INLINE Weights8 Prepare8(I8x64 w) {
  const __m256i sign = _mm256_set1_epi8(static_cast<char>(0x80));
  return {_mm256_xor_si256(w.a, sign), _mm256_xor_si256(w.b, sign)};
}
struct Dot8 {
  I32x16 acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value; }
  SAMARA_INLINE void Add(Weights8 w, I8x4 x) {
    acc = {DotBytes(acc.a, w.a, x.v), DotBytes(acc.b, w.b, x.v)};
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return acc; }
};
// Unsigned weights below 32.
struct Dot5 {
  I32x16 acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value; }
  SAMARA_INLINE void Add(I8x64 w, I8x4 x) {
    acc = {DotBytes(acc.a, w.a, x.v), DotBytes(acc.b, w.b, x.v)};
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return acc; }
};
using Dot4 = Dot5;
using Dot6 = Dot5;
inline constexpr int kInt8Tokens = 4;
#else
// There is no dot of u8 and s8 without saturation: |w| times the activation with w's sign, 2 * 128
// * 127 fits.
inline constexpr int32_t kOffset8 = 0;
struct Weights8 {
  __m256i a, b, abs_a, abs_b;
};
SAMARA_INLINE Weights8 Prepare8(I8x64 w) {
  return {w.a, w.b, _mm256_abs_epi8(w.a), _mm256_abs_epi8(w.b)};
}
SAMARA_INLINE __m256i PairSums(__m256i pairs) {
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
struct Dot8 {
  I32x16 acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value; }
  SAMARA_INLINE void Add(Weights8 w, I8x4 x) {
    acc.a = _mm256_add_epi32(acc.a,
                             PairSums(_mm256_maddubs_epi16(w.abs_a, _mm256_sign_epi8(x.v, w.a))));
    acc.b = _mm256_add_epi32(acc.b,
                             PairSums(_mm256_maddubs_epi16(w.abs_b, _mm256_sign_epi8(x.v, w.b))));
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return acc; }
};
// Unsigned weights below 32: sums of 4 groups (4 * 2 * 31 * 127) fit 16 bits; Half() empties them.
struct Dot5 {
  I32x16 acc;
  __m256i pairs_a, pairs_b;
  SAMARA_INLINE void Start(I32x16 value) {
    acc = value;
    pairs_a = pairs_b = _mm256_setzero_si256();
  }
  SAMARA_INLINE void Add(I8x64 w, I8x4 x) {
    pairs_a = _mm256_add_epi16(pairs_a, _mm256_maddubs_epi16(w.a, x.v));
    pairs_b = _mm256_add_epi16(pairs_b, _mm256_maddubs_epi16(w.b, x.v));
  }
  SAMARA_INLINE void Half() {
    acc = Sum();
    pairs_a = pairs_b = _mm256_setzero_si256();
  }
  SAMARA_INLINE I32x16 Sum() const {
    return {_mm256_add_epi32(acc.a, PairSums(pairs_a)), _mm256_add_epi32(acc.b, PairSums(pairs_b))};
  }
};
// Unsigned weights below 16: all 8 groups (8 * 2 * 15 * 127) fit.
struct Dot4 : Dot5 {
  SAMARA_INLINE void Half() {}
};
// Unsigned weights below 64: a group is all that fits.
struct Dot6 {
  I32x16 acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value; }
  SAMARA_INLINE void Add(I8x64 w, I8x4 x) {
    acc.a = _mm256_add_epi32(acc.a, PairSums(_mm256_maddubs_epi16(w.a, x.v)));
    acc.b = _mm256_add_epi32(acc.b, PairSums(_mm256_maddubs_epi16(w.b, x.v)));
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return acc; }
};
inline constexpr int kInt8Tokens = 2;
#endif

// Register blocking: vectors and tokens (or rows) held at once.
inline constexpr int kFloatRowVectors = 1;
inline constexpr int kFloatTokens = 4;
inline constexpr int kInt8Vectors = 1;
inline constexpr uint64_t kInt8TokenBytes = 4;
inline constexpr int kInt8Kept = 2;
inline constexpr int kScoreVectors = 1;
inline constexpr int kScoreRows = 4;

}  // namespace
}  // namespace samara::cpu

#endif  // SAMARA_BACKENDS_CPU_SIMD_AVX2_H_
