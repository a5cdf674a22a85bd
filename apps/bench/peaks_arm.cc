// Compiled with flags for the dot, matrix and bf16 instructions (apps/CMakeLists.txt): a loop is called only where the
// processor has what it uses, and nothing else may be in this file.
#if defined(__aarch64__)
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "apps/bench/peaks_isa.h"

namespace samara::apps {
namespace {

constexpr int kSums = 16;
constexpr uint64_t kTurns = 512;  // of a round, for loops on registers

#define SAMARA_OPAQUE(a, b) asm volatile("" : "+w"(a), "+w"(b))

// One turn a 16 bytes of the buffer; `step(sum, a, b)` is the instruction.
template <typename Step>
inline __attribute__((always_inline)) uint64_t Int8(const uint8_t* buffer, uint64_t rounds,
                                                    Step step) {
  const int8x16_t b = vdupq_n_s8(static_cast<int8_t>(buffer[0]));
  int32x4_t sums[kSums];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(0);
  for (uint64_t r = 0; r < rounds; ++r) {
    for (size_t i = 0; i < kPeakBufferBytes; i += kSums * 16) {
#pragma GCC unroll 16
      for (size_t k = 0; k < kSums; ++k) {
        sums[k] = step(sums[k], vld1q_s8(reinterpret_cast<const int8_t*>(buffer + i + k * 16)), b);
      }
    }
  }
  for (int k = 1; k < kSums; ++k) sums[0] = vaddq_s32(sums[0], sums[k]);
  return static_cast<uint64_t>(vaddvq_s32(sums[0]));
}

uint64_t Smmla(const uint8_t* buffer, uint64_t rounds) {
  return Int8(buffer, rounds,
              [](int32x4_t s, int8x16_t a, int8x16_t b) { return vmmlaq_s32(s, a, b); });
}
uint64_t Sdot(const uint8_t* buffer, uint64_t rounds) {
  return Int8(buffer, rounds,
              [](int32x4_t s, int8x16_t a, int8x16_t b) { return vdotq_s32(s, a, b); });
}
// Products to 16 bits, in pairs to 32 bits, for both halves.
uint64_t Smull(const uint8_t* buffer, uint64_t rounds) {
  return Int8(buffer, rounds, [](int32x4_t s, int8x16_t a, int8x16_t b) {
    s = vpadalq_s16(s, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(s, vmull_high_s8(a, b));
  });
}

uint64_t Fmla(const uint8_t* buffer, uint64_t rounds) {
  float32x4_t a = vdupq_n_f32(static_cast<float>(buffer[0])), b = vdupq_n_f32(0.5f);
  float32x4_t sums[kSums];
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(0);
  for (uint64_t turn = 0; turn < rounds * kTurns; ++turn) {
#pragma GCC unroll 16
    for (int k = 0; k < kSums; ++k) sums[k] = vfmaq_f32(sums[k], a, b);
    SAMARA_OPAQUE(a, b);
  }
  for (int k = 1; k < kSums; ++k) sums[0] = vaddq_f32(sums[0], sums[k]);
  return static_cast<uint64_t>(vaddvq_f32(sums[0]));
}

uint64_t Bfmmla(const uint8_t* buffer, uint64_t rounds) {
  uint16x8_t a = vdupq_n_u16(static_cast<uint16_t>(0x3f00 | buffer[0])), b = vdupq_n_u16(0x3f80);
  float32x4_t sums[kSums];
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(0);
  for (uint64_t turn = 0; turn < rounds * kTurns; ++turn) {
#pragma GCC unroll 16
    for (int k = 0; k < kSums; ++k) {
      sums[k] = vbfmmlaq_f32(sums[k], vreinterpretq_bf16_u16(a), vreinterpretq_bf16_u16(b));
    }
    SAMARA_OPAQUE(a, b);
  }
  for (int k = 1; k < kSums; ++k) sums[0] = vaddq_f32(sums[0], sums[k]);
  return static_cast<uint64_t>(vaddvq_f32(sums[0]));
}

bool HasDot() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
bool HasI8mm() { return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
bool HasBf16() { return (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0; }
bool Always() { return true; }

constexpr double kInt8Round = 2.0 * kPeakBufferBytes;
constexpr IsaPeak kInt8[] = {
    {{"neon smmla", Smmla, 2 * kInt8Round}, HasI8mm},
    {{"neon sdot", Sdot, kInt8Round}, HasDot},
    {{"neon smull", Smull, kInt8Round}, Always},
};
constexpr IsaPeak kFma[] = {{{"neon fmla", Fmla, 2.0 * 4 * kSums* kTurns}, Always}};
constexpr IsaPeak kBf16[] = {{{"neon bfmmla", Bfmmla, 2.0 * 16 * kSums* kTurns}, HasBf16}};

}  // namespace

std::span<const IsaPeak> Int8Peaks() { return kInt8; }
std::span<const IsaPeak> FmaPeaks() { return kFma; }
std::span<const IsaPeak> Bf16Peaks() { return kBf16; }

}  // namespace samara::apps

#endif
