// What this machine can do at most, measured in this process: plain reads of a mapped file, int8 and float products.
#ifndef SAMARA_APPS_BENCH_LIMITS_H_
#define SAMARA_APPS_BENCH_LIMITS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/status.h"

namespace samara::apps {

// Of all threads together.
struct Limits {
  uint32_t threads = 0;
  double bandwidth = 0;  // bytes a second
  double int8 = 0, fma = 0;
  double bf16 = 0;  // operations a second; 0: no such instruction

  // The peak for products with matrices of this type ("q4_0", "bf16", ...; "" means F32), and its name.
  double PeakOf(const char* type) const;
  static const char* PeakName(const char* type, bool has_bf16);
};

struct LoopSpeed {
  const char* instruction;
  double operations;  // a second
};
// Of every loop of products that this machine can run.
std::vector<LoopSpeed> MeasureLoops(uint32_t threads, uint32_t repetitions);

uint32_t UsableThreads();  // CPUs that this process may use

class LimitMeter {
 public:
  LimitMeter() = default;
  ~LimitMeter();
  LimitMeter(const LimitMeter&) = delete;
  LimitMeter& operator=(const LimitMeter&) = delete;

  // A file without a name in $TMPDIR, else /tmp, far larger than the caches; mapped and read once.
  Status Open();
  // Medians of `repetitions` passes of all threads, each from the first start to the last end.
  Limits Measure(uint32_t threads, uint32_t repetitions) const;
  double Bandwidth(uint32_t threads, uint32_t repetitions) const;
  // Of products with matrices of this type.
  double PeakFor(const char* type, uint32_t threads, uint32_t repetitions) const;
  uint64_t bytes() const { return bytes_; }  // 0: not open

 private:
  uint8_t* map_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_LIMITS_H_
