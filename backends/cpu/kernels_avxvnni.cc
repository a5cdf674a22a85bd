// The int8 products with AVX-VNNI; the other kernels of this table are those of kernels_avx2.cc.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/avx2.h"
#include "formats/math_constants.h"

#define SAMARA_CODES_PARTS kAvx2CodesParts

namespace samara::cpu {
namespace {
// clang-format off
#include "backends/cpu/kernels/common.inl"
#include "backends/cpu/kernels/pack_quant.inl"
#include "backends/cpu/kernels/linear_quant.inl"
#include "backends/cpu/kernels/linear_codes.inl"
// clang-format on
}  // namespace

#if defined(__AVXVNNI__)
const QuantKernels* AvxVnniQuantKernels() {
#else
const QuantKernels* AvxVnniAsAvx512QuantKernels() {
#endif
  static constexpr QuantKernels kernels = {{SAMARA_QUANT_PACKS, SAMARA_CODES_PACKS},
                                           {SAMARA_QUANT_LINEARS, SAMARA_CODES_LINEARS}};
  return &kernels;
}

}  // namespace samara::cpu
