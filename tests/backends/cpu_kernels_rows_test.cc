// Row-wise kernels (cpu_kernels.h).
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "tests/backends/cpu_kernels.h"

namespace samara::cpu::kernels_test {

void check::rms_norm() {
  uint64_t seed = 100;
  for (uint64_t group : {1u, 7u, 16u, 40u, 96u, 577u}) {
    for (Kind kind : kKinds) {
      Random random(++seed);
      CAPTURE(seed);
      constexpr uint64_t kRows = 3;
      const uint64_t cols = group * 2;
      const Guarded<float> x(Numbers(&random, kRows * cols, kind)), w(random.Floats(group));
      const Guarded<float> wide(random.Floats(cols)), bias(random.Floats(cols));
      auto run = [&](const KernelTable& table, bool weight, bool centred = false) {
        Guarded<float> y(kRows * cols);
        RmsNormArgs args = {x.data(), cols * 4, weight ? w.data() : nullptr,
                            y.data(), cols * 4, cols,
                            group,    1e-6f};
        if (centred) {
          args.centred = true;
          args.weight = wide.data();
          args.bias = weight ? bias.data() : nullptr;
        }
        table.rms_norm(args, 0, 1);
        table.rms_norm(args, 1, kRows);
        CHECK(y.Untouched());
        return y;
      };
      for (const KernelTable* table : OtherTables()) {
        CAPTURE(std::string(table->name));
        REQUIRE(run(*table, true) == run(*ScalarKernels(), true));
        REQUIRE(run(*table, false) == run(*ScalarKernels(), false));
        REQUIRE(run(*table, true, true) == run(*ScalarKernels(), true, true));
        REQUIRE(run(*table, false, true) == run(*ScalarKernels(), false, true));
      }
    }
  }
}

namespace {

constexpr uint64_t kRotary[] = {2, 8, 32, 80, 96, 128};
constexpr uint64_t kRopeTokens = 5;

Guarded<float> Angles(const KernelTable& table, uint64_t rotary) {
  const Guarded<int32_t> positions(std::vector<int32_t>{0, 1, 77, 131071, 8000000});
  std::vector<float> frequencies(rotary / 2);
  for (uint64_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(10000.0f, -2.0f * static_cast<float>(i) / static_cast<float>(rotary));
  }
  const Guarded<float> inv_freq(frequencies);
  Guarded<float> y(kRopeTokens * rotary);
  const RopeTableArgs args = {reinterpret_cast<const uint8_t*>(positions.data()),
                              4,
                              inv_freq.data(),
                              rotary / 2,
                              1.25f,
                              y.data(),
                              rotary * 4};
  table.rope_table(args, 0, 2);
  table.rope_table(args, 2, kRopeTokens);
  CHECK(y.Untouched());
  return y;
}

}  // namespace

void check::rope_table() {
  for (uint64_t rotary : kRotary) {
    CAPTURE(rotary);
    const Guarded<float> want = Angles(*ScalarKernels(), rotary);
    for (const KernelTable* table : OtherTables()) {
      CAPTURE(std::string(table->name));
      CHECK(Angles(*table, rotary) == want);
    }
  }
}

void check::rope() {
  uint64_t seed = 200;
  for (uint64_t rotary : kRotary) {
    Random random(++seed);
    CAPTURE(seed);
    constexpr uint64_t kHeads = 3;
    const uint64_t dim = rotary + (rotary % 3) * 5, width = kHeads * dim;
    const Guarded<float> angles = Angles(*ScalarKernels(), rotary);
    const Guarded<float> x(random.Floats(kRopeTokens * width));
    auto run = [&](const KernelTable& table, bool interleaved, bool in_place) {
      Guarded<float> y(kRopeTokens * width);
      const float* from = x.data();
      if (in_place) {
        std::memcpy(y.data(), x.data(), y.size() * 4);
        from = y.data();
      }
      table.rope({from, width * 4, angles.data(), rotary * 4, y.data(), width * 4, kHeads, dim,
                  rotary, interleaved},
                 0, kRopeTokens);
      CHECK(y.Untouched());
      return y;
    };
    for (bool interleaved : {false, true}) {
      const Guarded<float> want = run(*ScalarKernels(), interleaved, false);
      CHECK(run(*ScalarKernels(), interleaved, true) == want);
      for (const KernelTable* table : OtherTables()) {
        CAPTURE(std::string(table->name));
        CHECK(run(*table, interleaved, false) == want);
        CHECK(run(*table, interleaved, true) == want);
      }
    }
  }
}

namespace {

// Numbers of several scales that begin with those where branches meet.
template <typename Function>
void ForFunctionInputs(const Function& function) {
  uint64_t seed = 300;
  for (uint64_t n : {1u, 15u, 16u, 17u, 172u, 1000u}) {
    for (float scale : {1.0f, 30.0f, 1e-30f, 1e-40f}) {
      Random random(++seed);
      CAPTURE(seed);
      std::vector<float> values = random.Floats(2 * n, scale);
      const float special[] = {0.0f, -0.0f, 0.625f, -0.625f, 9.0f,    9.1f,
                               0.5f, 88.7f, -87.3f, 89.0f,   -104.0f, 1.0f};
      for (uint64_t i = 0; i < n && i < 12; ++i) values[i] = special[i];
      function(values, n);
    }
  }
}

}  // namespace

void check::glu() {
  ForFunctionInputs([](const std::vector<float>& values, uint64_t n) {
    const Guarded<float> x(values);
    for (const KernelTable* table : OtherTables()) {
      CAPTURE(std::string(table->name));
      for (int act = 0; act < kNumActivations; ++act) {
        CAPTURE(act);
        Guarded<float> want(2 * n), got(2 * n);
        ScalarKernels()->glu[act]({x.data(), 2 * n * 4, want.data(), n * 4, n}, 0, 1);
        table->glu[act]({x.data(), 2 * n * 4, got.data(), n * 4, n}, 0, 1);
        REQUIRE(got == want);
        // activate: the same without a second half.
        ScalarKernels()->glu[act]({x.data(), n * 4, want.data(), n * 4, n, false}, 0, 2);
        table->glu[act]({x.data(), n * 4, got.data(), n * 4, n, false}, 0, 2);
        REQUIRE(got == want);
        CHECK(got.Untouched());
      }
    }
  });
}

void check::map() {
  ForFunctionInputs([](const std::vector<float>& values, uint64_t n) {
    for (const KernelTable* table : OtherTables()) {
      CAPTURE(std::string(table->name));
      for (int map = 0; map < kNumMapOps; ++map) {
        CAPTURE(map);
        Guarded<float> want(n), got(n);
        std::vector<float> inputs(values.begin(), values.begin() + static_cast<int64_t>(n));
        // The bits of NaN are free: logarithms and roots of what has one.
        if (map == static_cast<int>(MapOp::kLog) || map == static_cast<int>(MapOp::kSqrt)) {
          for (float& v : inputs) v = std::fabs(v);
        }
        const Guarded<float> in(inputs);
        ScalarKernels()->map[map](in.data(), want.data(), n);
        table->map[map](in.data(), got.data(), n);
        REQUIRE(got == want);
        CHECK(got.Untouched());
      }
    }
  });
}

void check::batch_matmul() {
  uint64_t seed = 400;
  for (uint64_t n : {1u, 16u, 19u, 70u}) {
    Random random(++seed);
    CAPTURE(seed);
    constexpr uint64_t kM = 3, kK = 37;
    const Guarded<float> a(random.Floats(kM * kK)), b(random.Floats(kK * n));
    auto run = [&](const KernelTable& table) {
      Guarded<float> y(kM * n);
      table.batch_matmul({a.data(), b.data(), y.data(), kM, kK, n, kK * 4, n * 4, n * 4}, 0, kM);
      CHECK(y.Untouched());
      return y;
    };
    for (const KernelTable* table : OtherTables()) {
      CAPTURE(std::string(table->name));
      CHECK(run(*table) == run(*ScalarKernels()));
    }
  }
}

}  // namespace samara::cpu::kernels_test
