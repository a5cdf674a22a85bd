#include "backends/cuda/kernel_table.h"
#include "backends/cuda/kernels/gemm_float.h"
#include "backends/cuda/kernels/gemm_int8.h"

namespace samara::cuda {
namespace {

template <uint32_t kType>
Entry Int8() {
  return {SAMARA_ENTRY(GemmArgs, GemmInt8Kernel<kType>), kGemmThreads,
          2 * Int8Stage<kType>::kBytes};
}
template <uint32_t kType>
Entry Half() {
  return {SAMARA_ENTRY(GemmArgs, GemmHalfKernel<kType>), kGemmThreads, 2 * kHalfStage<kType>};
}

}  // namespace

Entry FindGemm(uint32_t type) {
  switch (type) {
    case kF32:
      return {SAMARA_ENTRY(GemmArgs, GemmFloatKernel), kGemmFloatThreads, kGemmFloatShared};
    case kF16:
      return Half<kF16>();
    case kBF16:
      return Half<kBF16>();
    case kQ8_0:
      return Int8<kQ8_0>();
    case kQ4_0:
      return Int8<kQ4_0>();
    case kQ4_1:
      return Int8<kQ4_1>();
    case kQ5_0:
      return Int8<kQ5_0>();
    case kQ5_1:
      return Int8<kQ5_1>();
    default:
      return FindGemmCodes(type);
  }
}

}  // namespace samara::cuda
