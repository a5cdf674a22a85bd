// AVX-512 (F, BW, DQ, VL). Products and sums are rounded one by one as in formats/quant/blocks.cc;
// the build turns contraction off.
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cstring>

#include "converter/quantize/kernels.h"
#include "formats/quant/blocks.h"

#define SAMARA_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,f16c")))

namespace samara::quantize {
namespace {

SAMARA_AVX512 inline __mmask16 TailMask(uint64_t n) {
  return static_cast<__mmask16>((1u << n) - 1);
}

SAMARA_AVX512 void WidenF16(const uint8_t* in, uint64_t n, float* out) {
  uint64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 2 * i));
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(half));
  }
  if (i < n) {
    const __mmask16 tail = TailMask(n - i);
    _mm512_mask_storeu_ps(out + i, tail,
                          _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(tail, in + 2 * i)));
  }
}

SAMARA_AVX512 inline __m512 FromBf16(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

SAMARA_AVX512 void WidenBf16(const uint8_t* in, uint64_t n, float* out) {
  uint64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 2 * i));
    _mm512_storeu_ps(out + i, FromBf16(bits));
  }
  if (i < n) {
    const __mmask16 tail = TailMask(n - i);
    _mm512_mask_storeu_ps(out + i, tail, FromBf16(_mm256_maskz_loadu_epi16(tail, in + 2 * i)));
  }
}

SAMARA_AVX512 void NarrowF16(const float* in, uint64_t n, uint8_t* out) {
  uint64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i half = _mm512_cvtps_ph(_mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * i), half);
  }
  if (i < n) {
    const __mmask16 tail = TailMask(n - i);
    const __m256i half =
        _mm512_cvtps_ph(_mm512_maskz_loadu_ps(tail, in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm256_mask_storeu_epi16(out + 2 * i, tail, half);
  }
}

SAMARA_AVX512 inline __m256i ToBf16(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7fff));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_blend_epi32(nan, rounded, quiet), 16));
}

SAMARA_AVX512 void NarrowBf16(const float* in, uint64_t n, uint8_t* out) {
  uint64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * i), ToBf16(_mm512_loadu_ps(in + i)));
  }
  if (i < n) {
    const __mmask16 tail = TailMask(n - i);
    _mm256_mask_storeu_epi16(out + 2 * i, tail, ToBf16(_mm512_maskz_loadu_ps(tail, in + i)));
  }
}

// Bits of the largest magnitude among 32 elements; NaN and infinity come out on top.
SAMARA_AVX512 inline uint32_t MaxMagnitude(__m512i a, __m512i b) {
  const __m512i max = _mm512_max_epi32(a, b);
  const __m256i m8 =
      _mm256_max_epi32(_mm512_castsi512_si256(max), _mm512_extracti64x4_epi64(max, 1));
  __m128i m4 = _mm_max_epi32(_mm256_castsi256_si128(m8), _mm256_extracti128_si256(m8, 1));
  m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0x4e));
  m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(m4));
}

SAMARA_AVX512 inline __m512i Magnitude(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

SAMARA_AVX512 inline void StoreHalf(float value, uint8_t* out) {
  const __m128i half = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
  const uint16_t bits = static_cast<uint16_t>(_mm_cvtsi128_si32(half));
  std::memcpy(out, &bits, 2);
}

inline float Inverse(float d) {
  const float inverse = 1.0f / d;
  return (std::bit_cast<uint32_t>(inverse) & 0x7fffffffu) < 0x7f800000u ? inverse : 0.0f;
}

// Half away from zero: adding the float below one half, with the sign of x, and cutting is exact
// below 2^22.
SAMARA_AVX512 inline __m128i RoundToBytes(__m512 x) {
  const __m512i sign = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(INT32_MIN));
  const __m512i half = _mm512_or_si512(sign, _mm512_castps_si512(_mm512_set1_ps(0x1.fffffep-2f)));
  return _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(_mm512_add_ps(x, _mm512_castsi512_ps(half))));
}

SAMARA_AVX512 void EncodeQ8_0(const float* in, uint64_t n_blocks, uint8_t* out) {
  for (uint64_t b = 0; b < n_blocks; ++b, in += 32, out += 34) {
    const __m512 x0 = _mm512_loadu_ps(in), x1 = _mm512_loadu_ps(in + 16);
    const float d = std::bit_cast<float>(MaxMagnitude(Magnitude(x0), Magnitude(x1))) / 127.0f;
    const __m512 inverse = _mm512_set1_ps(Inverse(d));
    StoreHalf(d, out);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2), RoundToBytes(_mm512_mul_ps(x0, inverse)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 18),
                     RoundToBytes(_mm512_mul_ps(x1, inverse)));
  }
}

SAMARA_AVX512 inline void StoreQuants(__m512i q0, __m512i q1, bool five_bits, uint8_t* out) {
  if (five_bits) {
    const __m512i bit = _mm512_set1_epi32(16);
    const uint32_t high = static_cast<uint32_t>(_mm512_test_epi32_mask(q0, bit)) |
                          static_cast<uint32_t>(_mm512_test_epi32_mask(q1, bit)) << 16;
    std::memcpy(out, &high, 4);
    out += 4;
    q0 = _mm512_and_si512(q0, _mm512_set1_epi32(15));
  }
  const __m512i both = _mm512_or_si512(q0, _mm512_slli_epi32(q1, 4));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_cvtepi32_epi8(both));
}

template <bool kFiveBits>
SAMARA_AVX512 void EncodeSymmetric(const float* in, uint64_t n_blocks, uint8_t* out) {
  for (uint64_t b = 0; b < n_blocks; ++b, in += 32, out += kFiveBits ? 22 : 18) {
    const __m512 x0 = _mm512_loadu_ps(in), x1 = _mm512_loadu_ps(in + 16);
    const __m512i a0 = Magnitude(x0), a1 = Magnitude(x1);
    const uint32_t amax = MaxMagnitude(a0, a1);
    // The first element of that magnitude gives the sign.
    const __m512i wanted = _mm512_set1_epi32(static_cast<int32_t>(amax));
    const uint32_t equal = static_cast<uint32_t>(_mm512_cmpeq_epi32_mask(a0, wanted)) |
                           static_cast<uint32_t>(_mm512_cmpeq_epi32_mask(a1, wanted)) << 16;
    const float extreme = in[__builtin_ctz(equal)];
    const float d = extreme * (kFiveBits ? -0x1p-4f : -0x1p-3f);
    const __m512 inverse = _mm512_set1_ps(Inverse(d));
    const __m512 half = _mm512_set1_ps(kFiveBits ? 16.5f : 8.5f);
    const __m512i max = _mm512_set1_epi32(kFiveBits ? 31 : 15);
    const __m512i q0 = _mm512_cvttps_epi32(_mm512_add_ps(_mm512_mul_ps(x0, inverse), half));
    const __m512i q1 = _mm512_cvttps_epi32(_mm512_add_ps(_mm512_mul_ps(x1, inverse), half));
    StoreHalf(d, out);
    StoreQuants(_mm512_min_epi32(q0, max), _mm512_min_epi32(q1, max), kFiveBits, out + 2);
  }
}

template <bool kFiveBits>
SAMARA_AVX512 void EncodeAffine(const float* in, uint64_t n_blocks, uint8_t* out) {
  constexpr float kSteps = kFiveBits ? 31.0f : 15.0f;
  for (uint64_t b = 0; b < n_blocks; ++b, in += 32, out += kFiveBits ? 24 : 20) {
    const __m512 x0 = _mm512_loadu_ps(in), x1 = _mm512_loadu_ps(in + 16);
    const __m512i limit = _mm512_set1_epi32(0x7f800000);
    const __mmask16 bad =
        _mm512_cmpge_epi32_mask(_mm512_max_epi32(Magnitude(x0), Magnitude(x1)), limit);
    float min = _mm512_reduce_min_ps(_mm512_min_ps(x0, x1));
    float max = _mm512_reduce_max_ps(_mm512_max_ps(x0, x1));
    if (min == 0) {  // of zeros the first one's sign counts
      const __m512 zero = _mm512_setzero_ps();
      const uint32_t equal = static_cast<uint32_t>(_mm512_cmp_ps_mask(x0, zero, _CMP_EQ_OQ)) |
                             static_cast<uint32_t>(_mm512_cmp_ps_mask(x1, zero, _CMP_EQ_OQ)) << 16;
      min = in[__builtin_ctz(equal | 1u << 31)];
      if (max == 0) max = min;
    }
    const float d = bad != 0 ? __builtin_nanf("") : (max - min) / kSteps;
    const float inverse = Inverse(d);
    StoreHalf(d, out);
    StoreHalf(min, out + 2);
    __m512i q0 = _mm512_setzero_si512(), q1 = q0;
    if (inverse != 0) {
      const __m512 scale = _mm512_set1_ps(inverse), half = _mm512_set1_ps(0.5f);
      const __m512 start = _mm512_set1_ps(min);
      const __m512i top = _mm512_set1_epi32(kFiveBits ? 31 : 15);
      q0 = _mm512_cvttps_epi32(_mm512_add_ps(_mm512_mul_ps(_mm512_sub_ps(x0, start), scale), half));
      q1 = _mm512_cvttps_epi32(_mm512_add_ps(_mm512_mul_ps(_mm512_sub_ps(x1, start), scale), half));
      q0 = _mm512_min_epi32(q0, top);
      q1 = _mm512_min_epi32(q1, top);
    }
    StoreQuants(q0, q1, kFiveBits, out + 4);
  }
}

}  // namespace

const Kernels kAvx512Kernels = {
    WidenF16,
    WidenBf16,
    NarrowF16,
    NarrowBf16,
    EncodeQ8_0,
    EncodeSymmetric<false>,
    EncodeAffine<false>,
    EncodeSymmetric<true>,
    EncodeAffine<true>,
};

}  // namespace samara::quantize

#endif  // defined(__x86_64__)
