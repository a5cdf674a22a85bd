// 16 lanes of f32 on AVX-512 (F, BW, VL, DQ): one register. Included by one kernel file each.
#ifndef SAMARA_BACKENDS_CPU_SIMD_AVX512_H_
#define SAMARA_BACKENDS_CPU_SIMD_AVX512_H_

#include <immintrin.h>

#include <cstdint>

#define SAMARA_INLINE inline __attribute__((always_inline))

namespace samara::cpu {
namespace {

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct I8x64 {
  __m512i v;
};
using Mask16 = __mmask16;

SAMARA_INLINE __mmask16 FirstLanes(uint64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

SAMARA_INLINE F32x16 Load(const float* p) { return {_mm512_loadu_ps(p)}; }
SAMARA_INLINE F32x16 LoadPartial(const float* p, uint64_t n) {
  return {_mm512_maskz_loadu_ps(FirstLanes(n), p)};
}
SAMARA_INLINE void Store(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
SAMARA_INLINE void StorePartial(float* p, F32x16 a, uint64_t n) {
  _mm512_mask_storeu_ps(p, FirstLanes(n), a.v);
}
SAMARA_INLINE F32x16 LoadHalf(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
SAMARA_INLINE F32x16 LoadHalfPartial(const uint16_t* p, uint64_t n) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(FirstLanes(n), p))};
}
SAMARA_INLINE void StoreHalf(uint16_t* p, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
SAMARA_INLINE void StoreHalfPartial(uint16_t* p, F32x16 a, uint64_t n) {
  _mm256_mask_storeu_epi16(p, FirstLanes(n), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
// Signed bytes.
SAMARA_INLINE F32x16 LoadInt8(const int8_t* p) {
  return {_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
SAMARA_INLINE F32x16 Set(float x) { return {_mm512_set1_ps(x)}; }
SAMARA_INLINE F32x16 Fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
SAMARA_INLINE F32x16 Add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
SAMARA_INLINE F32x16 Sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
SAMARA_INLINE F32x16 Mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
SAMARA_INLINE F32x16 Div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
SAMARA_INLINE F32x16 Sqrt(F32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
// The instruction is a > b ? a : b, the contract's max.
SAMARA_INLINE F32x16 Max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
SAMARA_INLINE F32x16 Rint(F32x16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
SAMARA_INLINE Mask16 Less(F32x16 a, F32x16 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
SAMARA_INLINE F32x16 Select(Mask16 m, F32x16 a, F32x16 b) {
  return {_mm512_mask_blend_ps(m, b.v, a.v)};
}
// Lanes lo <= i < hi, 0 <= lo <= hi <= 16.
SAMARA_INLINE Mask16 LaneRange(int lo, int hi) {
  return static_cast<Mask16>((1u << hi) - (1u << lo));
}

SAMARA_INLINE I32x16 AsInt(F32x16 a) { return {_mm512_castps_si512(a.v)}; }
SAMARA_INLINE F32x16 AsFloat(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
SAMARA_INLINE I32x16 SetInt(int32_t x) { return {_mm512_set1_epi32(x)}; }
SAMARA_INLINE I32x16 LoadInt(const void* p) { return {_mm512_loadu_si512(p)}; }
SAMARA_INLINE I32x16 LoadUint8(const uint8_t* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
SAMARA_INLINE I32x16 LoadUint16(const uint16_t* p) {
  return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
SAMARA_INLINE void StoreInt(int32_t* p, I32x16 a) { _mm512_storeu_si512(p, a.v); }
SAMARA_INLINE I32x16 AddInt(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
SAMARA_INLINE I32x16 SubInt(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
SAMARA_INLINE I32x16 AndInt(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
SAMARA_INLINE I32x16 OrInt(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int kN>
SAMARA_INLINE I32x16 ShiftLeft(I32x16 a) {
  return {_mm512_slli_epi32(a.v, kN)};
}
template <int kN>
SAMARA_INLINE I32x16 ShiftRight(I32x16 a) {
  return {_mm512_srai_epi32(a.v, kN)};
}  // arithmetic
SAMARA_INLINE Mask16 NonZero(I32x16 a) { return _mm512_test_epi32_mask(a.v, a.v); }
SAMARA_INLINE I32x16 ToInt(F32x16 a) { return {_mm512_cvttps_epi32(a.v)}; }
SAMARA_INLINE F32x16 ToFloat(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }

// tree16 of the contract.
SAMARA_INLINE float Tree16(F32x16 x) {
  const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
// The largest lane; which zero of several is not specified.
SAMARA_INLINE float MaxLane(F32x16 x) {
  const __m256 a = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  b = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

// Integers of any order of evaluation: exact.
SAMARA_INLINE int32_t MaxOf(I32x16 a) { return _mm512_reduce_max_epi32(a.v); }
SAMARA_INLINE int32_t SumOf(I32x16 a) { return _mm512_reduce_add_epi32(a.v); }
// The low byte of each lane.
SAMARA_INLINE void StoreLowBytes(int8_t* p, I32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

SAMARA_INLINE void Prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}
SAMARA_INLINE void PrefetchFar(const void* p) {  // past the first cache
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

#if defined(__AVX512BF16__)
// acc + w.odd * a.odd, then + w.even * a.even, of pairs of bf16.
SAMARA_INLINE F32x16 DotBf16(F32x16 acc, I32x16 w, I32x16 a) {
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)w.v, (__m512bh)a.v)};
}
#endif

// --- int8 dots: a register holds 4 bytes of each of 16 rows

SAMARA_INLINE I8x64 LoadBytes(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
SAMARA_INLINE I8x64 LowNibbles(I8x64 a) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(15))}; }
SAMARA_INLINE I8x64 HighNibbles(I8x64 a) {
  return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(15))};
}
SAMARA_INLINE void StoreBytes(uint8_t* p, I8x64 a) { _mm512_storeu_si512(p, a.v); }
SAMARA_INLINE I8x64 OrBytes(I8x64 a, I8x64 b) { return {_mm512_or_si512(a.v, b.v)}; }
// a >> right (or << -right) & mask of each byte, for masks that see no bit of another one.
SAMARA_INLINE I8x64 Field(I8x64 a, int right, int mask) {
  typedef uint16_t Words __attribute__((vector_size(64)));
  const Words words = (Words)a.v;
  const Words shifted = right >= 0 ? words >> right : words << -right;
  return {_mm512_and_si512((__m512i)shifted, _mm512_set1_epi8(static_cast<char>(mask)))};
}
// The table's entry for each byte below 16.
SAMARA_INLINE I8x64 Lookup(const int8_t* table, I8x64 a) {
  const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), a.v)};
}
// 0xf0 in each byte whose bit is set.
SAMARA_INLINE I8x64 HighOnes(uint64_t bits) { return {_mm512_maskz_set1_epi8(bits, -16)}; }
// Adds 16 to the bytes whose bit is set.
SAMARA_INLINE I8x64 AddHighBits(I8x64 a, uint64_t bits) {
  return {_mm512_mask_add_epi8(a.v, bits, a.v, _mm512_set1_epi8(16))};
}
SAMARA_INLINE I8x64 Broadcast4(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, 4);
  return {_mm512_set1_epi32(word)};
}

#if defined(__AVX512VNNI__)
// Weights are made unsigned, which adds kOffset8 * (sum of activations); the caller takes it away.
inline constexpr int32_t kOffset8 = 128;
struct Weights8 {
  __m512i v;
};
SAMARA_INLINE Weights8 Prepare8(I8x64 w) {
  return {_mm512_xor_si512(w.v, _mm512_set1_epi8(static_cast<char>(0x80)))};
}
struct Dot8 {
  __m512i acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value.v; }
  SAMARA_INLINE void Add(Weights8 w, I8x64 a) { acc = _mm512_dpbusd_epi32(acc, w.v, a.v); }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return {acc}; }
};
// Unsigned weights below 32.
struct Dot5 {
  __m512i acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value.v; }
  SAMARA_INLINE void Add(I8x64 w, I8x64 a) { acc = _mm512_dpbusd_epi32(acc, w.v, a.v); }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return {acc}; }
};
using Dot4 = Dot5;
using Dot6 = Dot5;
#else
inline constexpr int32_t kOffset8 = 0;
struct Weights8 {
  __m512i magnitude;
  __mmask64 negative;
};
SAMARA_INLINE Weights8 Prepare8(I8x64 w) {
  return {_mm512_abs_epi8(w.v), _mm512_movepi8_mask(w.v)};
}
struct Dot8 {
  __m512i acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value.v; }
  SAMARA_INLINE void Add(Weights8 w, I8x64 a) {
    // The weight's sign goes to the activation: 2 * 128 * 127 fits 16 bits.
    const __m512i s = _mm512_mask_sub_epi8(a.v, w.negative, _mm512_setzero_si512(), a.v);
    const __m512i pairs = _mm512_maddubs_epi16(w.magnitude, s);
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return {acc}; }
};
// Unsigned weights below 64: a group is all that fits.
struct Dot6 {
  __m512i acc;
  SAMARA_INLINE void Start(I32x16 value) { acc = value.v; }
  SAMARA_INLINE void Add(I8x64 w, I8x64 a) {
    const __m512i pairs = _mm512_maddubs_epi16(w.v, a.v);
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
  SAMARA_INLINE void Half() {}
  SAMARA_INLINE I32x16 Sum() const { return {acc}; }
};
// Unsigned weights below 32: sums of 4 groups (4 * 2 * 31 * 127) fit 16 bits; Half() empties them.
struct Dot5 {
  __m512i acc, pairs;
  SAMARA_INLINE void Start(I32x16 value) {
    acc = value.v;
    pairs = _mm512_setzero_si512();
  }
  SAMARA_INLINE void Add(I8x64 w, I8x64 a) {
    pairs = _mm512_add_epi16(pairs, _mm512_maddubs_epi16(w.v, a.v));
  }
  SAMARA_INLINE void Half() {
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
    pairs = _mm512_setzero_si512();
  }
  SAMARA_INLINE I32x16 Sum() const {
    return {_mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
  }
};
// Unsigned weights below 16: all 8 groups (8 * 2 * 15 * 127) fit.
struct Dot4 : Dot5 {
  SAMARA_INLINE void Half() {}
};
#endif

// Bytes of one token that stand together in packed int8 activations.
inline constexpr uint64_t kInt8TokenBytes = 4;
// Register blocking: vectors and tokens (or rows) held at once.
inline constexpr int kFloatRowVectors = 2;
inline constexpr int kFloatTokens = 8;
#if defined(__AVX512VNNI__)
inline constexpr int kInt8Vectors = 2;
inline constexpr int kInt8Tokens = 16;  // vectors times tokens
inline constexpr int kInt8Kept = 8;     // the same, where accumulators stay in registers too
#else
inline constexpr int kInt8Vectors = 1;
inline constexpr int kInt8Tokens = 4;
inline constexpr int kInt8Kept = 4;
#endif
inline constexpr int kScoreVectors = 2;
inline constexpr int kScoreRows = 8;

}  // namespace
}  // namespace samara::cpu

#endif  // SAMARA_BACKENDS_CPU_SIMD_AVX512_H_
