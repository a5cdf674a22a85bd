#include "apps/bench/peaks.h"

#include <vector>

#include "apps/bench/peaks_isa.h"

namespace samara::apps {
namespace {

// Machines without vector instructions worth naming: what the compiler makes of it.
template <typename T>
T Scalar(const uint8_t* buffer, uint64_t rounds, T b) {
  T sums[8] = {};
  for (uint64_t r = 0; r < rounds; ++r) {
    asm volatile("" : "+m"(sums));
    for (size_t i = 0; i < kPeakBufferBytes; i += 8) {
      for (size_t j = 0; j < 8; ++j)
        sums[j] += static_cast<T>(static_cast<int8_t>(buffer[i + j])) * b;
    }
  }
  for (size_t j = 1; j < 8; ++j) sums[0] += sums[j];
  return sums[0];
}
uint64_t ScalarInt8(const uint8_t* buffer, uint64_t rounds) {
  return static_cast<uint64_t>(Scalar<int32_t>(buffer, rounds, buffer[0]));
}
uint64_t ScalarF32(const uint8_t* buffer, uint64_t rounds) {
  return static_cast<uint64_t>(Scalar<float>(buffer, rounds, 0.5f));
}
constexpr Peak kScalarInt8 = {"scalar int8", ScalarInt8, 2.0 * kPeakBufferBytes};
constexpr Peak kScalarF32 = {"scalar f32", ScalarF32, 2.0 * kPeakBufferBytes};

struct Found {
  Peaks peaks;
  std::vector<const Peak*> all;
};

const Found& Find() {
  static const Found found = [] {
    Found f;
    const auto offer = [&f](const Peak** best, std::span<const IsaPeak> list) {
      for (const IsaPeak& candidate : list) {
        if (!candidate.available()) continue;
        f.all.push_back(&candidate.peak);
        if (*best == nullptr) *best = &candidate.peak;
      }
    };
    offer(&f.peaks.int8, Int8Peaks());
    offer(&f.peaks.fma, FmaPeaks());
    offer(&f.peaks.bf16, Bf16Peaks());
    f.all.push_back(&kScalarInt8);
    f.all.push_back(&kScalarF32);
    if (f.peaks.int8 == nullptr) f.peaks.int8 = &kScalarInt8;
    if (f.peaks.fma == nullptr) f.peaks.fma = &kScalarF32;
    return f;
  }();
  return found;
}

}  // namespace

Peaks MachinePeaks() { return Find().peaks; }
std::span<const Peak* const> RunnablePeaks() { return Find().all; }

#if !defined(__x86_64__) && !defined(__aarch64__)
std::span<const IsaPeak> Int8Peaks() { return {}; }
std::span<const IsaPeak> FmaPeaks() { return {}; }
std::span<const IsaPeak> Bf16Peaks() { return {}; }
#endif

}  // namespace samara::apps
