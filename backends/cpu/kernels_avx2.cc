#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/avx2.h"
#include "formats/math_constants.h"
// After the lanes:
#include "backends/cpu/kernels/all.inl"

namespace samara::cpu {

constexpr CodesParts kAvx2CodesParts[kNumCodesCodecs] = SAMARA_CODES_PARTS_TABLE;

const KernelTable* Avx2Kernels() {
  static constexpr KernelTable table = {Isa::kAvx2,        "avx2",        64, 4,
                                        uint64_t{1} << 22, SAMARA_KERNELS};
  return &table;
}

}  // namespace samara::cpu
