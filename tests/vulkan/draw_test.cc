// Draws on the device against the sampler of the runtime.
#include <doctest/doctest.h>

#include <cmath>

#include "runtime/sampler.h"
#include "tests/support/random.h"
#include "tests/vulkan/device.h"

namespace samara::test {
namespace {

struct Drawer {
  static constexpr uint64_t kBytes = uint64_t{1} << 20;
  static MemoryList List() {
    MemoryList list;
    list.Add("logits", kBytes, 64, MemoryClass::kDevice);
    return list;
  }
  Drawer() : device(List()) {
    REQUIRE_OK(device.Open());
    REQUIRE_OK(device->Allocate(device.ledger(), "logits", kBytes, &handle));
  }
  Status Draw(const std::vector<float>& logits, const SamplingParams& p, uint32_t draw,
              int32_t* id) {
    constexpr uint64_t kAt = 20;  // not aligned to anything but words
    SAMARA_RETURN_IF_ERROR(device->Upload(handle, kAt, logits.data(), logits.size() * 4));
    DrawRequest request;
    request.arena = handle;
    request.offset = kAt;
    request.vocab = static_cast<uint32_t>(logits.size());
    request.temperature = p.temperature;
    request.top_k = p.top_k;
    request.top_p = p.top_p;
    request.min_p = p.min_p;
    request.uniform = draw * 0x1p-32;
    return device->Draw(request, id);
  }

  OpenDevice device;
  uint64_t handle = 0;
};

TEST_CASE("greedy: the first maximum; what is not finite is an error") {
  const Switches set;
  Drawer drawer;
  Random random(1);
  int32_t id = 0;
  for (uint32_t vocab : {1u, 2u, 255u, 256u, 257u, 5000u}) {
    std::vector<float> logits = random.Floats(vocab);
    const uint32_t at = vocab / 2;
    logits[at] = 9;
    logits[vocab - 1] = at == vocab - 1 ? 9.0f : 9.0f;
    REQUIRE_OK(drawer.Draw(logits, {}, 0, &id));
    CHECK(id == static_cast<int32_t>(at));
    for (float bad : {INFINITY, -INFINITY, NAN}) {
      std::vector<float> broken = logits;
      broken[vocab / 3] = bad;
      CHECK(drawer.Draw(broken, {}, 0, &id).code() == StatusCode::kInvalidFile);
      SamplingParams p;
      p.temperature = 1;
      CHECK(drawer.Draw(broken, p, 7, &id).code() == StatusCode::kInvalidFile);
    }
  }
  // -0 and 0 are equal.
  REQUIRE_OK(drawer.Draw({-1, -0.0f, 0.0f, -3}, {}, 0, &id));
  CHECK(id == 1);
}

// The generator of the sampler, so that both draw the same number.
TEST_CASE("temperature, top-k, top-p, min-p: the sampler's tokens") {
  const Switches set;
  Drawer drawer;
  constexpr uint64_t kSeed = 77;
  CAPTURE(kSeed);
  Random random(kSeed);
  struct Setting {
    float temperature;
    uint32_t top_k;
    float top_p, min_p;
  };
  const Setting settings[] = {{1, 0, 1, 0},           {0.7f, 0, 1, 0},          {1, 40, 1, 0},
                              {1, 1, 1, 0},           {2, 0, 0.9f, 0},          {1, 0, 0.1f, 0},
                              {1, 0, 1, 0.05f},       {0.8f, 50, 0.95f, 0.01f}, {100, 0, 0.5f, 0},
                              {0.01f, 3, 0.99f, 0.5f}};
  int different = 0, total = 0;
  for (const Setting& setting : settings) {
    SamplingParams p;
    p.temperature = setting.temperature;
    p.top_k = setting.top_k;
    p.top_p = setting.top_p;
    p.min_p = setting.min_p;
    for (uint32_t vocab : {7u, 320u, 3000u}) {
      std::vector<float> logits(vocab);
      for (float& x : logits) x = random.Normal() * 3;
      // Ties, at the edge of the cuts too.
      for (uint32_t i = 0; i + 3 < vocab; i += 3) logits[i] = std::round(logits[i]);
      std::vector<uint64_t> work(SamplerWorkBytes(vocab) / 8 + 16);
      auto* area = reinterpret_cast<uint8_t*>(work.data());
      area += -reinterpret_cast<uintptr_t>(area) & 63;
      Pcg32 generator;
      generator.Seed(kSeed + vocab);
      for (int i = 0; i < 12; ++i) {
        Pcg32 same = generator;
        const uint32_t draw = same.Next();
        const int32_t want = SampleToken(logits.data(), vocab, p, nullptr, 0, &generator, area, {});
        int32_t got = -1, again = -1;
        REQUIRE_OK(drawer.Draw(logits, p, draw, &got));
        REQUIRE_OK(drawer.Draw(logits, p, draw, &again));
        CHECK(got == again);
        ++total;
        different += got != want;
      }
    }
  }
  // Weights are rounded to 2^-30 there: a draw within that of a border may fall to the other side.
  CHECK(total == 360);
  CHECK(different <= 1);
}

TEST_CASE("a flat row of many: no loop is too long") {
  const Switches set;
  Drawer drawer;
  std::vector<float> logits(150000, 1.5f);
  SamplingParams p;
  p.temperature = 1;
  p.top_p = 0.9f;
  int32_t id = -1;
  REQUIRE_OK(drawer.Draw(logits, p, 0x80000000u, &id));
  CHECK(std::abs(id - 67500) <= 1);
  p.top_k = 1000;
  REQUIRE_OK(drawer.Draw(logits, p, 0xffffffffu, &id));
  CHECK(std::abs(id - 899) <= 1);
}

}  // namespace
}  // namespace samara::test
