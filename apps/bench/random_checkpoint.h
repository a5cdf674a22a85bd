// A checkpoint with random numbers in place of a trained model's: config.json, tokenizer.json and
// model.safetensors.
#ifndef SAMARA_APPS_BENCH_RANDOM_CHECKPOINT_H_
#define SAMARA_APPS_BENCH_RANDOM_CHECKPOINT_H_

#include <cstdint>
#include <span>
#include <string>

#include "formats/status.h"

namespace samara::apps {

struct RandomShape {
  const char* name;  // as on the command line
  const char* architecture;
  uint32_t hidden, intermediate, layers, heads, kv_heads, head_dim, vocab, context;
  double rope_theta;
  bool bias;  // of query, key and value
  bool tied;  // the embedding is the output matrix
};

// Real shapes, and one that converts in no time.
std::span<const RandomShape> RandomShapes();

// Matrices are BF16, uniform with deviation 1/sqrt(columns); norms are 1. The tokenizer is a
// stand-in: 256 byte-level tokens and dummy words up to the vocabulary's size. The same seed gives
// the same bytes. `directory` exists.
Status WriteRandomCheckpoint(const RandomShape& shape, uint64_t seed, const std::string& directory);

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_RANDOM_CHECKPOINT_H_
