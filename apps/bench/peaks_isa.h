// The loops of one processor family (peaks_x86.cc, peaks_arm.cc), best first.
#ifndef SAMARA_APPS_BENCH_PEAKS_ISA_H_
#define SAMARA_APPS_BENCH_PEAKS_ISA_H_

#include <span>

#include "apps/bench/peaks.h"

namespace samara::apps {

struct IsaPeak {
  Peak peak;
  bool (*available)();
};
std::span<const IsaPeak> Int8Peaks();
std::span<const IsaPeak> FmaPeaks();
std::span<const IsaPeak> Bf16Peaks();

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_PEAKS_ISA_H_
