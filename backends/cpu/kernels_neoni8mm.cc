// The int8 products with the matrix instruction; the other kernels of this table are those of
// kernels_neon.cc.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/neon.h"
#include "formats/math_constants.h"

namespace samara::cpu {
namespace {
// clang-format off
#include "backends/cpu/kernels/common.inl"
#include "backends/cpu/kernels/pack_quant.inl"
#include "backends/cpu/kernels/linear_quant.inl"
#include "backends/cpu/kernels/linear_codes.inl"
// clang-format on
}  // namespace

const QuantKernels* NeonI8mmQuantKernels() {
  static constexpr QuantKernels kernels = {{SAMARA_QUANT_PACKS, SAMARA_CODES_PACKS},
                                           {SAMARA_QUANT_LINEARS, SAMARA_CODES_LINEARS}};
  return &kernels;
}

}  // namespace samara::cpu
