#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/neon.h"
#include "formats/math_constants.h"
// After the lanes:
#include "backends/cpu/kernels/all.inl"

namespace samara::cpu {

const KernelTable* NeonKernels() {
  static constexpr KernelTable table = {Isa::kNeon,        "neon",        64, 4,
                                        uint64_t{1} << 22, SAMARA_KERNELS};
  return &table;
}

}  // namespace samara::cpu
