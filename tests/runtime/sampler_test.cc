#include "runtime/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tests/support/random.h"
#include "tests/support/status.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

class Sampler {
 public:
  explicit Sampler(std::vector<float> logits, uint64_t seed = 0)
      : logits_(std::move(logits)), work_(SamplerWorkBytes(vocab()) / 8, 0) {
    generator_.Seed(seed);
  }
  uint32_t vocab() const { return static_cast<uint32_t>(logits_.size()); }
  int32_t Draw(const SamplingParams& params, const std::vector<int32_t>& history = {}) {
    return SampleToken(logits_.data(), vocab(), params, history.data(), history.size(), &generator_,
                       work_.data());
  }

 private:
  std::vector<float> logits_;
  std::vector<double> work_;
  Pcg32 generator_;
};

SamplingParams Params(float temperature, uint32_t top_k = 0, float top_p = 1, float min_p = 0) {
  SamplingParams params;
  params.temperature = temperature;
  params.top_k = top_k;
  params.top_p = top_p;
  params.min_p = min_p;
  return params;
}

// The ids that may be drawn and their probabilities, straight from the header's text, by full
// sorts.
std::vector<double> Probabilities(const std::vector<float>& logits, const SamplingParams& params) {
  const size_t n = logits.size();
  const float largest = *std::max_element(logits.begin(), logits.end());
  std::vector<float> y(n);
  for (size_t i = 0; i < n; ++i) y[i] = (logits[i] - largest) / params.temperature;
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return y[a] > y[b]; });
  if (params.top_k != 0 && params.top_k < n) order.resize(params.top_k);
  std::vector<double> w(n, 0);
  double sum = 0;
  for (size_t id : order) w[id] = std::exp(static_cast<double>(y[id]));
  for (double x : w) sum += x;
  if (params.top_p < 1) {
    double have = 0;
    size_t kept = 0;
    while (kept < order.size() && (kept == 0 || have < static_cast<double>(params.top_p) * sum)) {
      have += w[order[kept++]];
    }
    for (size_t i = kept; i < order.size(); ++i) w[order[i]] = 0;
  }
  for (double& x : w) x = x < static_cast<double>(params.min_p) ? 0 : x;
  sum = std::accumulate(w.begin(), w.end(), 0.0);
  for (double& x : w) x /= sum;
  return w;
}

TEST_CASE("sampler: Ln64 against the C library") {
  Random random(5);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double x =
        i < 1000 ? 1 + i * 0x1p-40 : std::exp(10 + 10 * static_cast<double>(random.Signed()));
    const double want = std::log(x);
    const double error = std::fabs(Ln64(x) - want);
    worst = std::max(worst, want == 0 ? error : error / want);
  }
  CHECK(Ln64(1) == 0);
  CHECK(worst <= tolerance::kSamplerLn);
  MESSAGE("largest relative error: " << worst);
}

TEST_CASE("sampler: the generator is PCG32") {
  // Published test vectors are for another increment; these numbers follow from the header's text.
  Pcg32 a, b, c;
  a.Seed(42);
  b.Seed(42);
  c.Seed(43);
  uint64_t state = 0;
  auto step = [&] { state = state * 6364136223846793005u + 1442695040888963407u; };
  step();
  state += 42;
  step();
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t s = state;
    step();
    const uint32_t x = static_cast<uint32_t>(((s >> 18) ^ s) >> 27);
    const unsigned r = static_cast<unsigned>(s >> 59);
    const uint32_t want = r == 0 ? x : (x >> r) | (x << (32 - r));
    const uint32_t got = a.Next();
    CHECK(got == want);
    CHECK(got == b.Next());
    differs = differs || got != c.Next();
  }
  CHECK(differs);
}

TEST_CASE("sampler: exp") {
  CHECK(Exp64(0) == 1);
  CHECK(Exp64(-701) == 0);
  CHECK(Exp64(-std::numeric_limits<double>::infinity()) == 0);
  for (double x = 0; x > -700; x -= 0.37) {
    CHECK(std::abs(Exp64(x) / std::exp(x) - 1) <= tolerance::kSamplerExp);
  }
}

TEST_CASE("sampler: greedy takes the first maximum") {
  for (size_t n : {1, 2, 7, 8, 9, 100, 1001}) {
    for (size_t at : {size_t{0}, n / 2, n - 1}) {
      std::vector<float> logits(n, -3);
      logits[at] = 2;
      if (at + 1 < n) logits[n - 1] = 2;
      CHECK(Sampler(logits).Draw(Params(0)) == static_cast<int32_t>(at));
    }
  }
  CHECK(Sampler({-0.0f, 0.0f}).Draw(Params(0)) == 0);
}

TEST_CASE("sampler: only what the parameters leave is drawn, as often as it should") {
  Random random(5);
  for (const SamplingParams& params :
       {Params(1), Params(0.7f, 5), Params(1.3f, 0, 0.6f), Params(1, 0, 1, 0.2f),
        Params(0.9f, 20, 0.8f, 0.1f), Params(1, 1), Params(1, 0, 1e-6f), Params(1, 1000)}) {
    CAPTURE(params.top_k);
    CAPTURE(params.top_p);
    CAPTURE(params.min_p);
    std::vector<float> logits = random.Floats(40, 1.5f);
    logits[7] = logits[3];  // ties
    logits[30] = logits[3];
    const std::vector<double> want = Probabilities(logits, params);
    Sampler sampler(logits, 99);
    constexpr int kDraws = 20000;
    std::vector<int> count(logits.size(), 0);
    for (int i = 0; i < kDraws; ++i) ++count[static_cast<size_t>(sampler.Draw(params))];
    for (size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      if (want[i] == 0) CHECK(count[i] == 0);
      // Five standard deviations, and one for the rounding of small counts.
      const double sigma = std::sqrt(kDraws * want[i] * (1 - want[i]));
      CHECK(std::abs(count[i] - kDraws * want[i]) <= 5 * sigma + 1);
    }
  }
}

TEST_CASE("sampler: equal seeds, equal tokens") {
  Random random(6);
  const std::vector<float> logits = random.Floats(1000, 2);
  Sampler a(logits, 7), b(logits, 7), c(logits, 8);
  bool differs = false;
  for (int i = 0; i < 200; ++i) {
    const int32_t id = a.Draw(Params(1, 50, 0.9f));
    CHECK(id == b.Draw(Params(1, 50, 0.9f)));
    differs = differs || id != c.Draw(Params(1, 50, 0.9f));
  }
  CHECK(differs);
}

TEST_CASE("sampler: penalties") {
  SamplingParams params = Params(0);
  params.penalty_window = 3;
  const std::vector<float> logits = {4, 3.5f, -1, 3};
  CHECK(Sampler(logits).Draw(params, {0, 0, 0}) == 0);  // all off
  params.repetition_penalty = 2;
  CHECK(Sampler(logits).Draw(params, {0}) == 1);
  CHECK(Sampler(logits).Draw(params, {0, 1}) == 3);
  CHECK(Sampler(logits).Draw(params, {0, 2, 2, 2}) == 0);  // out of the window
  params.repetition_penalty = 1;
  params.frequency_penalty = 0.3f;
  CHECK(Sampler(logits).Draw(params, {0}) == 0);
  CHECK(Sampler(logits).Draw(params, {0, 0}) == 1);
  params.frequency_penalty = 0;
  params.presence_penalty = 0.6f;
  CHECK(Sampler(logits).Draw(params, {0, 0}) == 1);
  CHECK(Sampler(logits).Draw(params, {0, 0, 1}) == 0);
  // Counts are zero again: the same work area gives the same result.
  Sampler again(logits);
  for (int i = 0; i < 3; ++i) CHECK(again.Draw(params, {0, 0}) == 1);
  // Negative logits move away from zero.
  params.presence_penalty = 0;
  params.repetition_penalty = 3;
  CHECK(Sampler({-1, -2}).Draw(params, {0}) == 1);
}

TEST_CASE("sampler: extremes") {
  constexpr float kMost = std::numeric_limits<float>::max();
  const std::vector<float> logits = {kMost, -kMost, 0, kMost / 2};
  CHECK(Sampler(logits).Draw(Params(1e-30f)) == 0);
  CHECK(Sampler(logits).Draw(Params(kMost, 0, 1, 1)) == 0);
  CHECK(Sampler({5}).Draw(Params(1, 3, 0.5f, 0.5f)) == 0);
  const SamplingParams off[] = {Params(-1),        Params(NAN),        Params(INFINITY),
                                Params(1, 0, 0),   Params(1, 0, 1.1f), Params(1, 0, 1, -0.1f),
                                Params(1, 0, 1, 2)};
  for (const SamplingParams& params : off) {
    CHECK(CheckSampling(params).code() == StatusCode::kInvalidArgument);
  }
  SamplingParams params;
  params.repetition_penalty = 0;
  CHECK(!CheckSampling(params).ok());
  CHECK_OK(CheckSampling({}));
}

}  // namespace
}  // namespace samara::test
