// The comparison that `./dev bench` prints: random models of known shapes, each test in several rounds, a sample of the
// machine's limits beside each, and another runtime's benchmark program in the same rounds if one is named (peer.h).
#ifndef SAMARA_APPS_BENCH_SUITE_H_
#define SAMARA_APPS_BENCH_SUITE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apps/common/cli.h"
#include "formats/status.h"

namespace samara::apps {

struct SuiteOptions {
  std::vector<std::string> shapes;  // A: 135M, B: 0.5B, C: 1B
  std::vector<std::string> types = {"q8_0", "q4_0", "f16"};
  std::vector<uint32_t> threads;  // empty: 1 and 2, or 1 where there is one CPU
  uint32_t rounds = 3;
  std::string folder = ".";  // models are made there once; bench.json goes there
};
void AddSuiteFlags(CLI::App* app, SuiteOptions* options);

// Errors are printed. The exit code.
int RunSuite(const SuiteOptions& options);

// What one token of a package takes.
struct TokenWork {
  double matrix_bytes = 0;  // of all matrices that it is multiplied with
  double parameters = 0;    // of those but the output matrix
  double slot_bytes = 0;    // keys and values of one position
};
// K/V elements take `kv_bytes`.
StatusOr<TokenWork> WorkOfPackage(const std::string& path, double kv_bytes);

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_SUITE_H_
