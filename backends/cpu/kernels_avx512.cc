#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/avx512.h"
#include "formats/math_constants.h"
#define SAMARA_NO_CODES
// After the lanes:
#include "backends/cpu/kernels/all.inl"

namespace samara::cpu {

const KernelTable* Avx512Kernels() {
  static constexpr KernelTable table = {Isa::kAvx512,      "avx512",      64, 4,
                                        uint64_t{1} << 22, SAMARA_KERNELS};
  return &table;
}

}  // namespace samara::cpu
