// The int8 products with the dot instruction; the other kernels of this table are those of
// kernels_neon.cc.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/neon.h"

namespace samara::cpu {
namespace {
#include "backends/cpu/kernels/common.inl"
#include "backends/cpu/kernels/linear_quant.inl"
}  // namespace

const QuantKernels* NeonDotQuantKernels() {
  static constexpr QuantKernels kernels = {{LinearQuant<CodecQ8_0>, LinearQuant<CodecQ4_0>,
                                            LinearQuant<CodecQ4_1>, LinearQuant<CodecQ5_0>,
                                            LinearQuant<CodecQ5_1>}};
  return &kernels;
}

}  // namespace samara::cpu
