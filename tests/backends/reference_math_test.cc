// The functions of the numerics contract against the C library's doubles, over dense samples.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/reference/numbers.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

using reference::Cos;
using reference::Erf;
using reference::Exp;
using reference::Log;
using reference::Sin;
using reference::Tanh;

constexpr int kSamples = 200000;
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Worst {
  double relative = 0, absolute = 0;
  float relative_at = 0, absolute_at = 0;
  void Add(float x, float got, double want) {
    const double error = std::fabs(got - want);
    if (!(error <= absolute)) {
      absolute = error;
      absolute_at = x;
    }
    if (want != 0 && !(error / std::fabs(want) <= relative)) {
      relative = error / std::fabs(want);
      relative_at = x;
    }
  }
};

// Evenly spaced samples of [low, high].
template <typename F, typename D>
Worst Scan(F f, D truth, double low, double high) {
  Worst worst;
  for (int i = 0; i <= kSamples; ++i) {
    const float x = static_cast<float>(low + (high - low) * i / kSamples);
    worst.Add(x, f(x), truth(static_cast<double>(x)));
  }
  return worst;
}

// Samples of [low, high] evenly spaced in the logarithm, low > 0, times `sign`.
template <typename F, typename D>
Worst ScanMagnitudes(F f, D truth, double low, double high, float sign = 1) {
  Worst worst;
  for (int i = 0; i <= kSamples; ++i) {
    const float x = sign * static_cast<float>(low * std::pow(high / low, double(i) / kSamples));
    worst.Add(x, f(x), truth(static_cast<double>(x)));
  }
  return worst;
}

#define CHECK_RELATIVE(worst, bound) \
  do {                               \
    const Worst w_ = (worst);        \
    CAPTURE(w_.relative_at);         \
    CHECK(w_.relative <= (bound));   \
  } while (0)
#define CHECK_ABSOLUTE(worst, bound) \
  do {                               \
    const Worst w_ = (worst);        \
    CAPTURE(w_.absolute_at);         \
    CHECK(w_.absolute <= (bound));   \
  } while (0)
#define PAIR(F) [](float x) { return F(x); }, [](double x) { return F(x); }

TEST_CASE("exp") {
  CHECK_RELATIVE(Scan(PAIR(Exp), -87.336, 88.722), tolerance::kExpRelative);
  CHECK_RELATIVE(Scan(PAIR(Exp), -1, 1), tolerance::kExpRelative);
  CHECK_RELATIVE(ScanMagnitudes(PAIR(Exp), 1e-40, 1, -1), tolerance::kExpRelative);
  CHECK(Exp(0.0f) == 1.0f);
  CHECK(Exp(-0.0f) == 1.0f);
  CHECK(Exp(math::kExpOverflow) < kInf);
  CHECK(Exp(std::nextafter(math::kExpOverflow, kInf)) == kInf);
  CHECK(Exp(math::kExpUnderflow) >= std::numeric_limits<float>::min());
  CHECK(Exp(std::nextafter(math::kExpUnderflow, -kInf)) == 0.0f);
  CHECK(Exp(kInf) == kInf);
  CHECK(Exp(-kInf) == 0.0f);
  CHECK(std::isnan(Exp(std::nanf(""))));
}

TEST_CASE("sin and cos") {
  for (double limit : {1.0, 4.0, 100.0, 10000.0, 1048576.0}) {
    CAPTURE(limit);
    CHECK_ABSOLUTE(Scan(PAIR(Sin), -limit, limit), tolerance::kSinAbsolute);
    CHECK_ABSOLUTE(Scan(PAIR(Cos), -limit, limit), tolerance::kSinAbsolute);
  }
  CHECK_ABSOLUTE(Scan(PAIR(Sin), -8388608, 8388608), tolerance::kSinFarAbsolute);
  CHECK_ABSOLUTE(Scan(PAIR(Cos), -8388608, 8388608), tolerance::kSinFarAbsolute);
  CHECK_RELATIVE(ScanMagnitudes(PAIR(Sin), 1e-37, 1), tolerance::kSinSmallRelative);
  CHECK(Sin(0.0f) == 0.0f);
  CHECK(Cos(0.0f) == 1.0f);
  CHECK(std::isnan(Sin(std::nextafter(math::kTrigLimit, kInf))));
  CHECK(std::isnan(Cos(-kInf)));
}

TEST_CASE("tanh") {
  CHECK_RELATIVE(Scan(PAIR(Tanh), -12, 12), tolerance::kTanhRelative);
  CHECK_RELATIVE(ScanMagnitudes(PAIR(Tanh), 1e-37, 12), tolerance::kTanhRelative);
  CHECK(Tanh(kInf) == 1.0f);
  CHECK(Tanh(-kInf) == -1.0f);
  CHECK(std::signbit(Tanh(-0.0f)));
  CHECK(std::isnan(Tanh(std::nanf(""))));
}

TEST_CASE("erf") {
  CHECK_RELATIVE(Scan(PAIR(Erf), -5, 5), tolerance::kErfRelative);
  CHECK_RELATIVE(ScanMagnitudes(PAIR(Erf), 1e-37, 5), tolerance::kErfRelative);
  CHECK(Erf(kInf) == 1.0f);
  CHECK(Erf(-kInf) == -1.0f);
  CHECK(std::isnan(Erf(std::nanf(""))));
}

TEST_CASE("log") {
  CHECK_RELATIVE(ScanMagnitudes(PAIR(Log), 1e-44, 3.4e38), tolerance::kLogRelative);
  CHECK_RELATIVE(Scan(PAIR(Log), 0.5, 2), tolerance::kLogRelative);
  CHECK(Log(1.0f) == 0.0f);
  CHECK(Log(0.0f) == -kInf);
  CHECK(Log(-0.0f) == -kInf);
  CHECK(Log(kInf) == kInf);
  CHECK(std::isnan(Log(-1.0f)));
  CHECK(std::isnan(Log(std::nanf(""))));
}

TEST_CASE("activations") {
  for (Activation activation :
       {Activation::kSilu, Activation::kGeluTanh, Activation::kGeluErf, Activation::kRelu}) {
    CAPTURE(static_cast<int>(activation));
    Worst worst = Scan([=](float x) { return reference::Activate(activation, x); },
                       [=](double x) { return reference::Activate(activation, x); }, -20, 20);
    CAPTURE(worst.absolute_at);
    CHECK(worst.absolute <= tolerance::kActivationAbsolute);
  }
}

TEST_CASE("truncation to integers") {
  using reference::TruncateToInt;
  CHECK(TruncateToInt(1.9f) == 1);
  CHECK(TruncateToInt(-1.9f) == -1);
  CHECK(TruncateToInt(2147483520.0f) == 2147483520);
  CHECK(TruncateToInt(2147483648.0f) == std::numeric_limits<int32_t>::min());
  CHECK(TruncateToInt(-2147483648.0f) == std::numeric_limits<int32_t>::min());
  CHECK(TruncateToInt(-kInf) == std::numeric_limits<int32_t>::min());
  CHECK(TruncateToInt(std::nanf("")) == std::numeric_limits<int32_t>::min());
}

}  // namespace
}  // namespace samara::test
