// Data for the tests of quantization and layouts. Seeded: the same numbers on every machine.
#ifndef SAMARA_TESTS_SUPPORT_QUANT_DATA_H_
#define SAMARA_TESTS_SUPPORT_QUANT_DATA_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "formats/dtypes.h"

namespace samara::test {

inline constexpr DType kWeightTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                                         DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1};
inline constexpr DType kCodeTypes[] = {DType::kQ2_K,  DType::kQ3_K,   DType::kQ4_K,   DType::kQ5_K,
                                       DType::kQ6_K,  DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};
inline constexpr DType kQuantizedTypes[] = {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                                            DType::kQ5_1};

// SplitMix64: short, and not a library's distribution, whose numbers differ between libraries.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint64_t Below(uint64_t n) { return Next() % n; }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // Box-Muller.
  float Gaussian() {
    const double r = std::sqrt(-2 * std::log(1 - Uniform()));
    return static_cast<float>(r * std::cos(6.283185307179586 * Uniform()));
  }

 private:
  uint64_t state_;
};

// Blocks of 32 with what quantizers stumble on: every scale that F16 can hold, ties, equal
// elements, zeros of both signs, subnormals, and (with `extreme`) scales beyond F16 as well.
inline std::vector<float> MakeBlocks(uint64_t n_blocks, uint64_t seed, bool extreme = false) {
  Random random(seed);
  std::vector<float> out(n_blocks * 32);
  for (uint64_t b = 0; b < n_blocks; ++b) {
    float* x = out.data() + b * 32;
    const uint64_t kind = random.Below(extreme ? 10 : 8);
    const int exponent = static_cast<int>(random.Below(24)) - 14;
    const float level = random.Gaussian();
    for (int i = 0; i < 32; ++i) {
      switch (kind) {
        case 0:
        case 1:
        case 2:
          x[i] = std::ldexp(random.Gaussian(), exponent);
          break;
        case 3:  // ties of magnitude and halves of the step
          x[i] = static_cast<float>(static_cast<int>(random.Below(511)) - 255) * 0.5f;
          break;
        case 4:  // few values, both zeros
          x[i] = static_cast<float>(random.Below(2)) * (random.Below(2) != 0 ? 0.5f : -0.5f);
          break;
        case 5:  // constant
          x[i] = level;
          break;
        case 6:  // zeros of both signs with some positive values, so that the minimum is a zero
          x[i] = random.Below(3) != 0 ? (random.Below(2) != 0 ? 0.0f : -0.0f) : std::fabs(level);
          break;
        case 7:  // one sign
          x[i] = std::copysign(std::fabs(random.Gaussian()) + 1, level);
          break;
        case 8:  // subnormal floats and everything below F16
          x[i] = std::ldexp(random.Gaussian(), -100 - static_cast<int>(random.Below(50)));
          break;
        default:  // still finite scales, but far apart
          x[i] = std::ldexp(random.Gaussian(), static_cast<int>(random.Below(100)) - 88);
          break;
      }
    }
    if (kind == 9) x[random.Below(32)] = 1.0f;
  }
  return out;
}

inline uint64_t Fnv1a(const void* data, uint64_t n) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint64_t i = 0; i < n; ++i) hash = (hash ^ p[i]) * 0x100000001b3u;
  return hash;
}

inline bool SameBits(const float* a, const float* b, uint64_t n) {
  return n == 0 || std::memcmp(a, b, n * sizeof(float)) == 0;
}

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_QUANT_DATA_H_
