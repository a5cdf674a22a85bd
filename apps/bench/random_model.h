// Packages of known shapes with random weights, for measuring without a checkpoint.
#ifndef SAMARA_APPS_BENCH_RANDOM_MODEL_H_
#define SAMARA_APPS_BENCH_RANDOM_MODEL_H_

#include <cstdint>
#include <string>

namespace samara::apps {

std::string ShapeNames();  // "tiny, 135M, 0.5B, 1B, 8B"

// Writes the package; the same arguments give the same bytes. Errors are printed. The exit code.
int MakeRandom(const std::string& shape, const std::string& type, uint64_t seed,
               const std::string& output);

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_RANDOM_MODEL_H_
