// Seeded random numbers for tests: the same on every platform. A test prints its seed on failure.
#ifndef SAMARA_TESTS_SUPPORT_RANDOM_H_
#define SAMARA_TESTS_SUPPORT_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <vector>

namespace samara::test {

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }
  // Uniform in [-1, 1), 24 bits.
  float Signed() { return static_cast<float>(Next() >> 40) * 0x1p-23f - 1.0f; }
  // Sum of four uniform numbers: near enough to a normal distribution of variance 1.
  float Normal() { return (Signed() + Signed() + Signed() + Signed()) * 0.866f; }
  std::vector<float> Floats(uint64_t n, float scale = 1) {
    std::vector<float> values(n);
    for (float& v : values) v = Normal() * scale;
    return values;
  }
  // 0..n-1 in random order.
  std::vector<uint32_t> Permutation(uint32_t n) {
    std::vector<uint32_t> p(n);
    for (uint32_t i = 0; i < n; ++i) p[i] = i;
    for (uint32_t i = n; i > 1; --i) std::swap(p[i - 1], p[Below(i)]);
    return p;
  }

 private:
  uint64_t state_;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_RANDOM_H_
