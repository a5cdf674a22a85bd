// What the kernel tests share. Every kernel of every instruction set that this machine has is held
// against the scalar one, bit for bit, on memory that ends at a guard page: weights with the padding
// that a segment has (kSegmentTailBytes), everything else with none.
#ifndef SAMARA_TESTS_BACKENDS_CPU_KERNELS_H_
#define SAMARA_TESTS_BACKENDS_CPU_KERNELS_H_

#include <vector>

#include "backends/cpu/kernel_table.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace samara::cpu::kernels_test {

using test::Guarded;
using test::Random;

// Tables other than the scalar one that this machine can run.
std::vector<const KernelTable*> OtherTables();

enum class Kind { kNormal, kTies, kSubnormal, kWide };
inline constexpr Kind kKinds[] = {Kind::kNormal, Kind::kTies, Kind::kSubnormal, Kind::kWide};
std::vector<float> Numbers(Random* random, uint64_t n, Kind kind);

// One function an entry of the table, of its name: a kernel without a test does not link.
namespace check {
#define SAMARA_DECLARE(entry) void entry();
SAMARA_KERNEL_ENTRIES(SAMARA_DECLARE)
#undef SAMARA_DECLARE
}  // namespace check

}  // namespace samara::cpu::kernels_test

#endif  // SAMARA_TESTS_BACKENDS_CPU_KERNELS_H_
