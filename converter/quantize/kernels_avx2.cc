// AVX2 with F16C. Products and sums are rounded one by one as in formats/quant/blocks.cc (FMA is
// not enabled).
#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>
#include <cstring>

#include "converter/quantize/kernels.h"
#include "formats/quant/blocks.h"

#define SAMARA_AVX2 __attribute__((target("avx2,f16c")))

namespace samara::quantize {
namespace {

SAMARA_AVX2 void WidenF16(const uint8_t* in, uint64_t n, float* out) {
  uint64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 2 * i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
  }
  DequantizeRow(DType::kF16, in + 2 * i, n - i, out + i);
}

SAMARA_AVX2 void WidenBf16(const uint8_t* in, uint64_t n, float* out) {
  uint64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 2 * i));
    const __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16);
    _mm256_storeu_ps(out + i, _mm256_castsi256_ps(wide));
  }
  DequantizeRow(DType::kBF16, in + 2 * i, n - i, out + i);
}

SAMARA_AVX2 void NarrowF16(const float* in, uint64_t n, uint8_t* out) {
  uint64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i), half);
  }
  QuantizeRow(DType::kF16, in + i, n - i, out + 2 * i);
}

SAMARA_AVX2 void NarrowBf16(const float* in, uint64_t n, uint8_t* out) {
  uint64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 x = _mm256_loadu_ps(in + i);
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7fff));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    const __m256i chosen = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(nan));
    const __m256i high = _mm256_srli_epi32(chosen, 16);
    const __m128i packed =
        _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i), packed);
  }
  QuantizeRow(DType::kBF16, in + i, n - i, out + 2 * i);
}

struct Block {
  __m256 x[4];
};
struct Quants {
  __m256i q[4];
};

SAMARA_AVX2 inline Block Load(const float* in) {
  return {{_mm256_loadu_ps(in), _mm256_loadu_ps(in + 8), _mm256_loadu_ps(in + 16),
           _mm256_loadu_ps(in + 24)}};
}

SAMARA_AVX2 inline __m256i Magnitude(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

// Bits of the largest magnitude; NaN and infinity come out on top.
SAMARA_AVX2 inline uint32_t MaxMagnitude(const Block& block) {
  const __m256i a = _mm256_max_epi32(Magnitude(block.x[0]), Magnitude(block.x[1]));
  const __m256i b = _mm256_max_epi32(Magnitude(block.x[2]), Magnitude(block.x[3]));
  const __m256i m8 = _mm256_max_epi32(a, b);
  __m128i m4 = _mm_max_epi32(_mm256_castsi256_si128(m8), _mm256_extracti128_si256(m8, 1));
  m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0x4e));
  m4 = _mm_max_epi32(m4, _mm_shuffle_epi32(m4, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(m4));
}

SAMARA_AVX2 inline float Lowest(__m256 x) {
  __m128 m4 = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  m4 = _mm_min_ps(m4, _mm_movehl_ps(m4, m4));
  return _mm_cvtss_f32(_mm_min_ss(m4, _mm_movehdup_ps(m4)));
}

SAMARA_AVX2 inline float Highest(__m256 x) {
  __m128 m4 = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  m4 = _mm_max_ps(m4, _mm_movehl_ps(m4, m4));
  return _mm_cvtss_f32(_mm_max_ss(m4, _mm_movehdup_ps(m4)));
}

// Bit i: element i has exactly this magnitude.
SAMARA_AVX2 inline uint32_t MagnitudeMask(const Block& block, uint32_t magnitude) {
  const __m256i wanted = _mm256_set1_epi32(static_cast<int32_t>(magnitude));
  uint32_t mask = 0;
  for (int i = 0; i < 4; ++i) {
    const __m256i equal = _mm256_cmpeq_epi32(Magnitude(block.x[i]), wanted);
    mask |= static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(equal))) << (8 * i);
  }
  return mask;
}

SAMARA_AVX2 inline void StoreHalf(float value, uint8_t* out) {
  const __m128i half = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
  const uint16_t bits = static_cast<uint16_t>(_mm_cvtsi128_si32(half));
  std::memcpy(out, &bits, 2);
}

inline float Inverse(float d) {
  const float inverse = 1.0f / d;
  return (std::bit_cast<uint32_t>(inverse) & 0x7fffffffu) < 0x7f800000u ? inverse : 0.0f;
}

SAMARA_AVX2 void EncodeQ8_0(const float* in, uint64_t n_blocks, uint8_t* out) {
  // Half away from zero: adding the float below one half, with the sign of x, and cutting is exact
  // here.
  const __m256 sign = _mm256_set1_ps(-0.0f), almost_half = _mm256_set1_ps(0x1.fffffep-2f);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (uint64_t b = 0; b < n_blocks; ++b, in += 32, out += 34) {
    const Block block = Load(in);
    const float d = std::bit_cast<float>(MaxMagnitude(block)) / 127.0f;
    const __m256 inverse = _mm256_set1_ps(Inverse(d));
    Quants quants;
    for (int i = 0; i < 4; ++i) {
      const __m256 scaled = _mm256_mul_ps(block.x[i], inverse);
      const __m256 half = _mm256_or_ps(_mm256_and_ps(scaled, sign), almost_half);
      quants.q[i] = _mm256_cvttps_epi32(_mm256_add_ps(scaled, half));
    }
    const __m256i low = _mm256_packs_epi32(quants.q[0], quants.q[1]);
    const __m256i high = _mm256_packs_epi32(quants.q[2], quants.q[3]);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    StoreHalf(d, out);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2), bytes);
  }
}

SAMARA_AVX2 inline void StoreQuants(const Quants& quants, bool five_bits, uint8_t* out) {
  __m256i q0 = quants.q[0], q1 = quants.q[1];
  if (five_bits) {
    uint32_t high = 0;
    for (int i = 0; i < 4; ++i) {  // bit 4 becomes the sign
      const __m256 sign = _mm256_castsi256_ps(_mm256_slli_epi32(quants.q[i], 27));
      high |= static_cast<uint32_t>(_mm256_movemask_ps(sign)) << (8 * i);
    }
    std::memcpy(out, &high, 4);
    out += 4;
    q0 = _mm256_and_si256(q0, _mm256_set1_epi32(15));
    q1 = _mm256_and_si256(q1, _mm256_set1_epi32(15));
  }
  const __m256i byte = _mm256_set1_epi32(255);
  q0 = _mm256_and_si256(_mm256_or_si256(q0, _mm256_slli_epi32(quants.q[2], 4)), byte);
  q1 = _mm256_and_si256(_mm256_or_si256(q1, _mm256_slli_epi32(quants.q[3], 4)), byte);
  // Packing works in 128-bit lanes: elements 0-3, 8-11, 4-7, 12-15 are put in order.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(q0, q1), 0xd8);
  const __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
}

template <bool kFiveBits>
SAMARA_AVX2 void EncodeSymmetric(const float* in, uint64_t n_blocks, uint8_t* out) {
  const __m256 half = _mm256_set1_ps(kFiveBits ? 16.5f : 8.5f);
  const __m256i max = _mm256_set1_epi32(kFiveBits ? 31 : 15);
  for (uint64_t b = 0; b < n_blocks; ++b, in += 32, out += kFiveBits ? 22 : 18) {
    const Block block = Load(in);
    const float extreme = in[__builtin_ctz(MagnitudeMask(block, MaxMagnitude(block)))];
    const float d = extreme * (kFiveBits ? -0x1p-4f : -0x1p-3f);
    const __m256 inverse = _mm256_set1_ps(Inverse(d));
    Quants quants;
    for (int i = 0; i < 4; ++i) {
      const __m256 sum = _mm256_add_ps(_mm256_mul_ps(block.x[i], inverse), half);
      quants.q[i] = _mm256_min_epi32(_mm256_cvttps_epi32(sum), max);
    }
    StoreHalf(d, out);
    StoreQuants(quants, kFiveBits, out + 2);
  }
}

template <bool kFiveBits>
SAMARA_AVX2 void EncodeAffine(const float* in, uint64_t n_blocks, uint8_t* out) {
  constexpr float kSteps = kFiveBits ? 31.0f : 15.0f;
  const __m256i top = _mm256_set1_epi32(kFiveBits ? 31 : 15);
  const __m256 half = _mm256_set1_ps(0.5f);
  for (uint64_t b = 0; b < n_blocks; ++b, in += 32, out += kFiveBits ? 24 : 20) {
    const Block block = Load(in);
    float min = Lowest(_mm256_min_ps(_mm256_min_ps(block.x[0], block.x[1]),
                                     _mm256_min_ps(block.x[2], block.x[3])));
    float max = Highest(_mm256_max_ps(_mm256_max_ps(block.x[0], block.x[1]),
                                      _mm256_max_ps(block.x[2], block.x[3])));
    if (min == 0) {  // of zeros the first one's sign counts
      min = in[__builtin_ctz(MagnitudeMask(block, 0) | 1u << 31)];
      if (max == 0) max = min;
    }
    const bool bad = MaxMagnitude(block) >= 0x7f800000u;
    const float d = bad ? __builtin_nanf("") : (max - min) / kSteps;
    const float inverse = Inverse(d);
    StoreHalf(d, out);
    StoreHalf(min, out + 2);
    Quants quants = {};
    if (inverse != 0) {
      const __m256 scale = _mm256_set1_ps(inverse), start = _mm256_set1_ps(min);
      for (int i = 0; i < 4; ++i) {
        const __m256 scaled = _mm256_mul_ps(_mm256_sub_ps(block.x[i], start), scale);
        quants.q[i] = _mm256_min_epi32(_mm256_cvttps_epi32(_mm256_add_ps(scaled, half)), top);
      }
    }
    StoreQuants(quants, kFiveBits, out + 4);
  }
}

}  // namespace

const Kernels kAvx2Kernels = {
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
