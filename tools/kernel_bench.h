// What the micro-benchmarks share.
#ifndef SAMARA_TOOLS_KERNEL_BENCH_H_
#define SAMARA_TOOLS_KERNEL_BENCH_H_

#include <time.h>

#include <algorithm>
#include <vector>

#include "backends/cpu/kernel_table.h"

namespace samara::cpu::bench {

// Processor time of this thread: what other programs take does not count.
inline double Now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Seconds of the fastest run.
template <typename Function>
double Fastest(double budget, const Function& run) {
  run();
  double best = 1e9;
  const double start = Now();
  for (int i = 0; i < 3 || (Now() - start < budget && i < 100000); ++i) {
    const double begin = Now();
    run();
    best = std::min(best, Now() - begin);
  }
  return best;
}

// One function an entry of the table, of its name: a kernel without a benchmark does not link.
namespace entry {
#define SAMARA_DECLARE(name) void name(const KernelTable& table);
SAMARA_KERNEL_ENTRIES(SAMARA_DECLARE)
#undef SAMARA_DECLARE
}  // namespace entry

}  // namespace samara::cpu::bench

#endif  // SAMARA_TOOLS_KERNEL_BENCH_H_
