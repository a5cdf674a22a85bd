// Loops that do nothing but one kind of arithmetic: what this processor can do at most, for comparison.
#ifndef SAMARA_APPS_BENCH_PEAKS_H_
#define SAMARA_APPS_BENCH_PEAKS_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace samara::apps {

inline constexpr size_t kPeakBufferBytes = 8192;  // of every loop's second operand: lies in L1

struct Peak {
  const char* instruction;  // "avx512 vpdpbusd"
  // Passes over `buffer` (kPeakBufferBytes, 64-aligned, no two pages one) `rounds` times. The result is of no use.
  uint64_t (*run)(const uint8_t* buffer, uint64_t rounds);
  double operations;  // of a round, multiplications and additions
};

// The best that this machine has of each kind; nullptr: it has no such instruction.
struct Peaks {
  const Peak* int8 = nullptr;  // int8 products summed to 32 bits, one operand from L1
  const Peak* fma = nullptr;   // F32 multiply and add, operands in registers
  const Peak* bf16 = nullptr;  // bf16 products summed to F32, operands in registers
};
Peaks MachinePeaks();

// Every loop that this machine can run.
std::span<const Peak* const> RunnablePeaks();

}  // namespace samara::apps

#endif  // SAMARA_APPS_BENCH_PEAKS_H_
