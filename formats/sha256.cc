#include <algorithm>
#include <bit>
#include <cstring>

#include "formats/package_format.h"
#include "formats/sha256_blocks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__) && !defined(__clang__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

namespace samara {
namespace {

alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t BigEndian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

void BlocksPortable(uint32_t h[8], const uint8_t* data, uint64_t blocks) {
  for (; blocks > 0; --blocks, data += 64) {
    uint32_t w[64];
    for (int t = 0; t < 16; ++t) w[t] = BigEndian(data + 4 * t);
    for (int t = 16; t < 64; ++t) {
      uint32_t x = w[t - 15], y = w[t - 2];
      uint32_t s0 = std::rotr(x, 7) ^ std::rotr(x, 18) ^ x >> 3;
      uint32_t s1 = std::rotr(y, 17) ^ std::rotr(y, 19) ^ y >> 10;
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    uint32_t v[8];
    std::memcpy(v, h, sizeof v);
    for (int t = 0; t < 64; t += 8) {
      // Unrolled, the working variables change their names instead of their places.
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        auto at = [&](int i) -> uint32_t& { return v[(i + 8 - j) % 8]; };
        uint32_t a = at(0), e = at(4);
        uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
        uint32_t t1 = at(7) + s1 + ((e & at(5)) ^ (~e & at(6))) + kRound[t + j] + w[t + j];
        uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
        at(3) += t1;
        at(7) = t1 + s0 + ((a & at(1)) ^ (a & at(2)) ^ (at(1) & at(2)));
      }
    }
    for (int i = 0; i < 8; ++i) h[i] += v[i];
  }
}

#if defined(__x86_64__)

__attribute__((target("sha,sse4.1,ssse3"))) void BlocksShaNi(uint32_t h[8], const uint8_t* data,
                                                             uint64_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  // The instructions want the state as (A B E F) and (C D G H), A and C in the highest lane.
  auto lanes = [&](int a, int b, int c, int d) __attribute__((target("sha,sse4.1,ssse3"))) {
    return _mm_set_epi32(static_cast<int>(h[a]), static_cast<int>(h[b]), static_cast<int>(h[c]),
                         static_cast<int>(h[d]));
  };
  __m128i abef = lanes(0, 1, 4, 5), cdgh = lanes(2, 3, 6, 7);
  for (; blocks > 0; --blocks, data += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[16];
    // Unrolled, so that w stays in registers.
#pragma GCC unroll 16
    for (int g = 0; g < 16; ++g) {
      if (g < 4) {
        const __m128i* from = reinterpret_cast<const __m128i*>(data + 16 * g);
        w[g] = _mm_shuffle_epi8(_mm_loadu_si128(from), swap);
      } else {
        __m128i next = _mm_sha256msg1_epu32(w[g - 4], w[g - 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(w[g - 1], w[g - 2], 4));
        w[g] = _mm_sha256msg2_epu32(next, w[g - 1]);
      }
      __m128i wk =
          _mm_add_epi32(w[g], _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * g)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0E));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  alignas(16) uint32_t first[4], second[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(first), abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(second), cdgh);
  h[0] = first[3], h[1] = first[2], h[4] = first[1], h[5] = first[0];
  h[2] = second[3], h[3] = second[2], h[6] = second[1], h[7] = second[0];
}

Sha256Blocks FindHardware() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return nullptr;
  constexpr unsigned kSsse3 = 1u << 9, kSse41 = 1u << 19, kSha = 1u << 29;
  if ((ecx & kSsse3) == 0 || (ecx & kSse41) == 0) return nullptr;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (ebx & kSha) == 0) return nullptr;
  return BlocksShaNi;
}

#elif defined(__aarch64__) && defined(__linux__) && !defined(__clang__)
// clang declares these intrinsics only where the whole file may use them.

__attribute__((target("+crypto"))) void BlocksArm(uint32_t h[8], const uint8_t* data,
                                                  uint64_t blocks) {
  uint32x4_t abcd = vld1q_u32(h), efgh = vld1q_u32(h + 4);
  for (; blocks > 0; --blocks, data += 64) {
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    uint32x4_t w[16];
#pragma GCC unroll 16
    for (int g = 0; g < 16; ++g) {
      w[g] = g < 4 ? vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * g)))
                   : vsha256su1q_u32(vsha256su0q_u32(w[g - 4], w[g - 3]), w[g - 2], w[g - 1]);
      const uint32x4_t wk = vaddq_u32(w[g], vld1q_u32(kRound + 4 * g));
      const uint32x4_t abcd_old = abcd;
      abcd = vsha256hq_u32(abcd, efgh, wk);
      efgh = vsha256h2q_u32(efgh, abcd_old, wk);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(h, abcd);
  vst1q_u32(h + 4, efgh);
}

Sha256Blocks FindHardware() {
  constexpr unsigned long kHwcapSha2 = 1ul << 6;
  return (getauxval(AT_HWCAP) & kHwcapSha2) != 0 ? BlocksArm : nullptr;
}

#else

Sha256Blocks FindHardware() { return nullptr; }

#endif

Sha256Blocks Best() {
  static const Sha256Blocks best = FindHardware() != nullptr ? FindHardware() : BlocksPortable;
  return best;
}

}  // namespace

Sha256Blocks PortableSha256() { return BlocksPortable; }
Sha256Blocks HardwareSha256() { return FindHardware(); }

Sha256::Sha256() : length_(0), buffer_{} {
  static constexpr uint32_t kInitial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::memcpy(h_, kInitial, sizeof h_);
}

void Sha256::Update(const void* data, uint64_t bytes) {
  const uint8_t* from = static_cast<const uint8_t*>(data);
  uint64_t held = length_ % 64;
  length_ += bytes;
  if (held > 0) {
    uint64_t take = std::min(bytes, 64 - held);
    if (take > 0) std::memcpy(buffer_ + held, from, take);
    from += take;
    bytes -= take;
    if (held + take < 64) return;
    Best()(h_, buffer_, 1);
  }
  if (bytes >= 64) {
    Best()(h_, from, bytes / 64);
    from += bytes / 64 * 64;
    bytes %= 64;
  }
  if (bytes > 0) std::memcpy(buffer_, from, bytes);
}

void Sha256::Finish(uint8_t digest[32]) {
  uint64_t bits = length_ * 8;
  uint8_t padding[72] = {0x80};
  uint64_t zeros = (length_ % 64 < 56 ? 56 : 120) - length_ % 64;
  for (int i = 0; i < 8; ++i) padding[zeros + i] = static_cast<uint8_t>(bits >> (56 - 8 * i));
  Update(padding, zeros + 8);
  for (int i = 0; i < 32; ++i) digest[i] = static_cast<uint8_t>(h_[i / 4] >> (24 - 8 * (i % 4)));
}

}  // namespace samara
