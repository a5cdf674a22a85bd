#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/scalar.h"
#include "formats/math_constants.h"
// Small: every number of tokens takes the same way.
#define SAMARA_CODES_EXPANDED
// After the lanes:
#include "backends/cpu/kernels/all.inl"

namespace samara::cpu {

const KernelTable* ScalarKernels() {
  static constexpr KernelTable table = {Isa::kScalar,      "scalar",      16, 1,
                                        uint64_t{1} << 18, SAMARA_KERNELS};
  return &table;
}

}  // namespace samara::cpu
