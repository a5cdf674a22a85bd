// Speed of prompt processing and generation.
#ifndef SAMARA_APPS_BENCH_MEASURE_H_
#define SAMARA_APPS_BENCH_MEASURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apps/common/cli.h"

namespace samara::apps {

struct MeasureOptions {
  uint32_t n_prompt = 512;  // 0: no such test
  uint32_t n_gen = 128;     // 0: no such test
  uint32_t depth = 0;       // tokens in the context before a test starts
  uint32_t repetitions = 5;
  uint32_t sessions = 1;  // that share each step
  uint32_t batch = 0;     // most tokens of a step; 0: the library's default
  RunFlags run;
};

struct Measurement {
  std::string name;  // "pp512", "tg128"
  std::string device;
  uint32_t threads = 0, n_prompt = 0, n_gen = 0, depth = 0, sessions = 1;
  double median = 0, min = 0, max = 0;  // tokens a second, of all sessions together
};

// The tests at one number of threads (0: the default), each after one run that is not counted.
// Token ids are random numbers, the same in every run; generation feeds them one by one and does
// not sample. Errors are printed. The exit code.
int Measure(const std::string& path, const MeasureOptions& options, uint32_t threads,
            std::vector<Measurement>* out);

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_MEASURE_H_
