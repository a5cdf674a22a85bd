#include "runtime/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace samara {
namespace {

uint64_t Round64(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// The arrays of the work area, each `vocab` long.
struct Work {
  float* logits;
  uint32_t* counts;
  uint32_t* ids;
  double* weights;
};

Work Arrays(void* work, uint32_t vocab) {
  uint8_t* at = static_cast<uint8_t*>(work);
  const uint64_t four = Round64(uint64_t{vocab} * 4);
  return {reinterpret_cast<float*>(at), reinterpret_cast<uint32_t*>(at + four),
          reinterpret_cast<uint32_t*>(at + 2 * four), reinterpret_cast<double*>(at + 3 * four)};
}

float Maximum(const float* x, uint32_t n) {
  // Eight running maxima: one alone is as slow as its latency.
  float best[8];
  std::fill(best, best + 8, x[0]);
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (uint32_t j = 0; j < 8; ++j) best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
  }
  for (; i < n; ++i) best[0] = x[i] > best[0] ? x[i] : best[0];
  return *std::max_element(best, best + 8);
}

uint32_t FirstMaximum(const float* x, uint32_t n) {
  const float best = Maximum(x, n);
  for (uint32_t i = 0; i < n; ++i) {
    if (x[i] == best) return i;
  }
  return 0;
}

bool HasPenalties(const SamplingParams& p) {
  return p.penalty_window > 0 &&
         (p.repetition_penalty != 1 || p.frequency_penalty != 0 || p.presence_penalty != 0);
}

void ApplyPenalties(const SamplingParams& p, const int32_t* history, uint64_t n, uint32_t vocab,
                    Work* w) {
  const uint64_t window = std::min<uint64_t>(n, p.penalty_window);
  const int32_t* recent = history + (n - window);
  for (uint64_t i = 0; i < window; ++i) {
    const uint32_t id = static_cast<uint32_t>(recent[i]);
    if (id < vocab) ++w->counts[id];
  }
  for (uint64_t i = 0; i < window; ++i) {
    const uint32_t id = static_cast<uint32_t>(recent[i]);
    if (id >= vocab || w->counts[id] == 0) continue;
    float x = w->logits[id];
    if (p.repetition_penalty != 1) {
      x = x > 0 ? x / p.repetition_penalty : x * p.repetition_penalty;
    }
    const float frequency = static_cast<float>(w->counts[id]) * p.frequency_penalty;
    w->logits[id] = (x - frequency) - p.presence_penalty;
    w->counts[id] = 0;
  }
}

Status OutOfRange(const char* name, const char* want) {
  return InvalidArgument("sampling parameter %s is out of range, want %s", name, want);
}

}  // namespace

Status CheckSampling(const SamplingParams& p) {
  if (!(std::isfinite(p.temperature) && p.temperature >= 0)) {
    return OutOfRange("temperature", "a finite number from 0");
  }
  if (!(p.top_p > 0 && p.top_p <= 1)) return OutOfRange("top_p", "above 0, at most 1");
  if (!(p.min_p >= 0 && p.min_p <= 1)) return OutOfRange("min_p", "0 to 1");
  if (!(std::isfinite(p.repetition_penalty) && p.repetition_penalty > 0)) {
    return OutOfRange("repetition_penalty", "a finite number above 0");
  }
  if (!std::isfinite(p.frequency_penalty))
    return OutOfRange("frequency_penalty", "a finite number");
  if (!std::isfinite(p.presence_penalty)) return OutOfRange("presence_penalty", "a finite number");
  return {};
}

double Exp64(double x) {
  if (!(x > -700)) return 0;
  // x = n ln 2 + r, |r| <= ln 2 / 2; the high part of ln 2 has 21 zero bits at its end, so n * high
  // is exact.
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  constexpr double kHigh = 0x1.62e42fee00000p-1;
  constexpr double kLow = 0x1.a39ef35793c76p-33;
  constexpr double kRound = 0x1.8p+52;  // adding it rounds to an integer, ties to even
  const double n = (x * kLog2E + kRound) - kRound;
  const double r = (x - n * kHigh) - n * kLow;
  // 1/13! .. 1/2!, then r and 1.
  constexpr double kC[] = {0x1.6124613a86d09p-33, 0x1.1eed8eff8d898p-29, 0x1.ae64567f544e4p-26,
                           0x1.27e4fb7789f5cp-22, 0x1.71de3a556c734p-19, 0x1.a01a01a01a01ap-16,
                           0x1.a01a01a01a01ap-13, 0x1.6c16c16c16c17p-10, 0x1.1111111111111p-7,
                           0x1.5555555555555p-5,  0x1.5555555555555p-3,  0x1p-1};
  double h = kC[0];
  for (size_t i = 1; i < std::size(kC); ++i) h = h * r + kC[i];
  const double y = 1 + (r + r * r * h);
  // n >= -1010: the scale is a normal number, and so is the result.
  return y * std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(n) + 1023) << 52);
}

uint64_t SamplerWorkBytes(uint32_t vocab) {
  return 3 * Round64(uint64_t{vocab} * 4) + Round64(uint64_t{vocab} * 8);
}

double Ln64(double x) {
  // x = 2^n m, sqrt(1/2) <= m < sqrt(2); ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.1716.
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  int64_t n = static_cast<int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    ++n;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  double h = 0;
  for (int k = 23; k >= 3; k -= 2) h = (h + 1.0 / k) * z;
  constexpr double kHigh = 0x1.62e42fee00000p-1;
  constexpr double kLow = 0x1.a39ef35793c76p-33;
  const double e = static_cast<double>(n);
  return e * kHigh + (e * kLow + (2 * s + 2 * s * h));
}

float Logprobs(const float* logits, uint32_t vocab, int32_t chosen, uint32_t n_top,
               TokenLogprob* top) {
  const float largest = Maximum(logits, vocab);
  double sum = 0;
  for (uint32_t i = 0; i < vocab; ++i)
    sum += Exp64(static_cast<double>(logits[i]) - static_cast<double>(largest));
  const double norm = static_cast<double>(largest) + Ln64(sum);
  const auto logprob = [&](uint32_t id) {
    return static_cast<float>(static_cast<double>(logits[id]) - norm);
  };
  n_top = std::min(n_top, vocab);
  uint32_t n = 0;
  for (uint32_t i = 0; i < vocab && n_top != 0; ++i) {
    // Ascending ids: an equal one comes after those that are there.
    if (n == n_top && !(logits[i] > logits[top[n - 1].id])) continue;
    uint32_t at = n < n_top ? n++ : n - 1;
    for (; at > 0 && logits[i] > logits[top[at - 1].id]; --at) top[at] = top[at - 1];
    top[at].id = static_cast<int32_t>(i);
  }
  for (uint32_t i = 0; i < n; ++i) top[i].logprob = logprob(static_cast<uint32_t>(top[i].id));
  return logprob(static_cast<uint32_t>(chosen));
}

int32_t SampleToken(const float* logits, uint32_t vocab, const SamplingParams& params,
                    const int32_t* history, uint64_t n_history, Pcg32* generator, void* work,
                    std::span<const TokenBias> biases) {
  Work w = Arrays(work, vocab);
  const bool penalties = HasPenalties(params);
  if (params.temperature == 0 && !penalties && biases.empty())
    return static_cast<int32_t>(FirstMaximum(logits, vocab));
  std::memcpy(w.logits, logits, uint64_t{vocab} * sizeof(float));
  for (const TokenBias& b : biases) w.logits[b.id] += b.bias;
  if (penalties) ApplyPenalties(params, history, n_history, vocab, &w);

  float* y = w.logits;
  const float largest = Maximum(y, vocab);
  if (!biases.empty() && std::isinf(largest)) return -1;
  if (params.temperature == 0) return static_cast<int32_t>(FirstMaximum(y, vocab));
  for (uint32_t i = 0; i < vocab; ++i) y[i] = (y[i] - largest) / params.temperature;
  for (uint32_t i = 0; i < vocab; ++i) w.ids[i] = i;
  uint32_t n = vocab;
  // A strict total order: whatever algorithm selects or sorts, the result is one.
  auto before = [y](uint32_t a, uint32_t b) { return y[a] != y[b] ? y[a] > y[b] : a < b; };
  if (params.top_k != 0 && params.top_k < n) {
    std::nth_element(w.ids, w.ids + params.top_k, w.ids + n, before);
    n = params.top_k;
    std::sort(w.ids, w.ids + n);
  }
  double sum = 0;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t id = w.ids[i];
    w.weights[id] = Exp64(static_cast<double>(y[id]));
    sum += w.weights[id];
  }
  if (params.top_p < 1) {
    // A heap gives the largest ones in order and leaves the long tail unsorted.
    const double want = static_cast<double>(params.top_p) * sum;
    auto after = [before](uint32_t a, uint32_t b) { return before(b, a); };
    std::make_heap(w.ids, w.ids + n, after);
    double have = 0;
    uint32_t kept = 0;
    while (kept < n && (kept == 0 || have < want)) {
      have += w.weights[w.ids[0]];
      std::pop_heap(w.ids, w.ids + (n - kept), after);
      ++kept;
    }
    // The popped ones stand at the end.
    std::copy(w.ids + (n - kept), w.ids + n, w.ids);
    n = kept;
    std::sort(w.ids, w.ids + n);
  }
  if (params.min_p > 0) {
    const double least = static_cast<double>(params.min_p);  // the largest weight is exp(0) = 1
    n = static_cast<uint32_t>(
        std::remove_if(w.ids, w.ids + n, [&](uint32_t id) { return w.weights[id] < least; }) -
        w.ids);
  }
  double total = 0;
  for (uint32_t i = 0; i < n; ++i) total += w.weights[w.ids[i]];
  const double t = static_cast<double>(generator->Next()) * 0x1p-32 * total;
  double running = 0;
  for (uint32_t i = 0; i < n; ++i) {
    running += w.weights[w.ids[i]];
    if (running > t) return static_cast<int32_t>(w.ids[i]);
  }
  return static_cast<int32_t>(w.ids[n - 1]);
}

}  // namespace samara
