// Sampling: the same logits, parameters and seed give the same tokens on every machine.
//
// Steps, on the F32 logits x of one row; only ids below `vocab` (those that can be detokenized)
// take part:
//  0. Biases: x = x + bias in F32, in the order given. A bias of -infinity forbids.
//  1. Penalties, if a token occurs c > 0 times among the last `penalty_window` tokens:
//     repetition r != 1: x = x > 0 ? x / r : x * r; then x = (x - c * frequency) - presence. All in
//     F32.
//  2. Temperature 0: the first maximum. No random number is drawn.
//  3. y = (x - largest x) / temperature in F32; so y <= 0 and the largest is 0.
//  4. top_k: the k largest y stay; of equal ones the lower ids.
//  5. Weights w = exp(y) in binary64 (Exp64 below), Z = sum of w over the ids in ascending
//  order.
//  6. top_p: ids in descending order of y (ties: ascending ids) until their sum of w reaches top_p
//  * Z. At
//     least one stays.
//  7. min_p: ids with w < min_p * (largest w) go.
//  8. One draw u of the generator; t = u / 2^32 * (sum of the remaining w in ascending order of
//  ids); the
//     result is the first id in ascending order whose running sum of w exceeds t.
//
// Generator: PCG32 (O'Neill's PCG-XSH-RR 64/32) with multiplier 6364136223846793005 and increment
// 1442695040888963407. Seeding: state = 0; step; state += seed; step. A draw returns
// rotate_right32(((s >> 18) ^ s) >> 27, s >> 59) of the state s before the step.
#ifndef SAMARA_RUNTIME_SAMPLER_H_
#define SAMARA_RUNTIME_SAMPLER_H_

#include <cstdint>
#include <span>

#include "formats/status.h"

namespace samara {

struct SamplingParams {
  float temperature = 0;
  uint32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;
  float frequency_penalty = 0;
  float presence_penalty = 0;
  uint32_t penalty_window = 0;
  uint64_t seed = 0;
};

// Names the first parameter out of range.
Status CheckSampling(const SamplingParams& params);

class Pcg32 {
 public:
  void Seed(uint64_t seed) {
    state_ = 0;
    Next();
    state_ += seed;
    Next();
  }
  uint32_t Next() {
    const uint64_t s = state_;
    state_ = s * 6364136223846793005u + 1442695040888963407u;
    const uint32_t x = static_cast<uint32_t>(((s >> 18) ^ s) >> 27);
    const uint32_t r = static_cast<uint32_t>(s >> 59);
    return x >> r | x << (-r & 31);
  }

  uint64_t state() const { return state_; }
  void Restore(uint64_t state) { state_ = state; }

 private:
  uint64_t state_ = 0;
};

// exp for x <= 0, within 2 units in the last place; 0 below -700. Multiplications and additions
// only, so that every machine gives the same bits.
double Exp64(double x);

// Work area: 64-aligned, zeroed once; Sample leaves its counts zero.
uint64_t SamplerWorkBytes(uint32_t vocab);

struct TokenBias {
  int32_t id;  // below the vocabulary
  float bias;  // finite and far from overflow, or -infinity
};

// `history`: the sequence's tokens so far, oldest first. Allocates nothing. Logits must be finite.
// -1: every token is forbidden.
int32_t SampleToken(const float* logits, uint32_t vocab, const SamplingParams& params,
                    const int32_t* history, uint64_t n_history, Pcg32* generator, void* work,
                    std::span<const TokenBias> biases = {});

// ln x for finite x >= 1, within 2 units in the last place; the four operations only, as Exp64.
double Ln64(double x);

struct TokenLogprob {
  int32_t id;
  float logprob;
};
// Log-probabilities by the softmax of finite logits, in binary64: x - (m + Ln64(sum of Exp64(x -
// m))) with m the largest x and the sum in ascending order of ids, rounded to F32. Fills `top` with
// the likeliest min(n_top, vocab) ids, ties to the lower one, and returns that of `chosen`.
float Logprobs(const float* logits, uint32_t vocab, int32_t chosen, uint32_t n_top,
               TokenLogprob* top);

}  // namespace samara

#endif  // SAMARA_RUNTIME_SAMPLER_H_
