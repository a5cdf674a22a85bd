#include "converter/quantize/transpose.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace samara::quantize {
namespace {

template <uint64_t kBytes>
void TransposePlain(const uint8_t* const* rows, uint64_t lanes, uint64_t begin, uint64_t n,
                    uint8_t* out) {
  for (uint64_t w = begin; w < n; ++w) {
    for (uint64_t r = 0; r < lanes; ++r) {
      std::memcpy(out + (w * lanes + r) * kBytes, rows[r] + w * kBytes, kBytes);
    }
  }
}

#if defined(__SSE2__)
inline __m128i Load(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline void Store(uint8_t* p, __m128i v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }

// The part in whole 4 x 4 squares; returns the words done.
uint64_t TransposeSquares(const uint8_t* const* rows, uint64_t lanes, uint64_t n, uint8_t* out) {
  uint64_t w = 0;
  for (; w + 4 <= n; w += 4) {
    for (uint64_t r = 0; r < lanes; r += 4) {
      const __m128i a = Load(rows[r] + 4 * w), b = Load(rows[r + 1] + 4 * w);
      const __m128i c = Load(rows[r + 2] + 4 * w), d = Load(rows[r + 3] + 4 * w);
      const __m128i ab_low = _mm_unpacklo_epi32(a, b), ab_high = _mm_unpackhi_epi32(a, b);
      const __m128i cd_low = _mm_unpacklo_epi32(c, d), cd_high = _mm_unpackhi_epi32(c, d);
      uint8_t* to = out + (w * lanes + r) * 4;
      Store(to, _mm_unpacklo_epi64(ab_low, cd_low));
      Store(to + lanes * 4, _mm_unpackhi_epi64(ab_low, cd_low));
      Store(to + lanes * 8, _mm_unpacklo_epi64(ab_high, cd_high));
      Store(to + lanes * 12, _mm_unpackhi_epi64(ab_high, cd_high));
    }
  }
  return w;
}

// 8 x 8 squares of halves.
uint64_t TransposeHalfSquares(const uint8_t* const* rows, uint64_t lanes, uint64_t n,
                              uint8_t* out) {
  uint64_t w = 0;
  for (; w + 8 <= n; w += 8) {
    for (uint64_t r = 0; r < lanes; r += 8) {
      __m128i a[8], b[8];
      for (int i = 0; i < 8; ++i) a[i] = Load(rows[r + static_cast<uint64_t>(i)] + 2 * w);
      for (int i = 0; i < 4; ++i) {  // pairs of rows
        b[i] = _mm_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
        b[4 + i] = _mm_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
      }
      for (int i = 0; i < 4;
           ++i) {  // fours: a[2i] holds words 0, 1 (or 4, 5), a[2i + 1] words 2, 3 (6, 7)
        a[2 * i] = _mm_unpacklo_epi32(b[2 * i], b[2 * i + 1]);
        a[2 * i + 1] = _mm_unpackhi_epi32(b[2 * i], b[2 * i + 1]);
      }
      uint8_t* to = out + (w * lanes + r) * 2;
      for (uint64_t i = 0; i < 2; ++i) {
        for (uint64_t j = 0; j < 2; ++j) {
          const __m128i first = a[4 * i + j], second = a[4 * i + 2 + j];
          Store(to + (4 * i + 2 * j) * lanes * 2, _mm_unpacklo_epi64(first, second));
          Store(to + (4 * i + 2 * j + 1) * lanes * 2, _mm_unpackhi_epi64(first, second));
        }
      }
    }
  }
  return w;
}
#endif

}  // namespace

void TransposeWords(const uint8_t* const* rows, uint64_t lanes, uint64_t n, uint8_t* out) {
  uint64_t done = 0;
#if defined(__SSE2__)
  done = TransposeSquares(rows, lanes, n, out);
#endif
  TransposePlain<4>(rows, lanes, done, n, out);
}

void TransposeHalves(const uint8_t* const* rows, uint64_t lanes, uint64_t n, uint8_t* out) {
  uint64_t done = 0;
#if defined(__SSE2__)
  done = TransposeHalfSquares(rows, lanes, n, out);
#endif
  TransposePlain<2>(rows, lanes, done, n, out);
}

}  // namespace samara::quantize
