// Gemm for the types of formats/quant/codes.h.
#include "backends/cuda/kernel_table.h"
#include "backends/cuda/kernels/gemm_int8.h"

namespace samara::cuda {
namespace {

template <uint32_t kType>
Entry Int8() {
  return {SAMARA_ENTRY(GemmArgs, GemmInt8Kernel<kType>), kGemmThreads,
          2 * Int8Stage<kType>::kBytes};
}

}  // namespace

Entry FindGemmCodes(uint32_t type) {
  switch (type) {
    case kQ2_K:
      return Int8<kQ2_K>();
    case kQ3_K:
      return Int8<kQ3_K>();
    case kQ4_K:
      return Int8<kQ4_K>();
    case kQ5_K:
      return Int8<kQ5_K>();
    case kQ6_K:
      return Int8<kQ6_K>();
    case kIQ4_NL:
      return Int8<kIQ4_NL>();
    case kIQ4_XS:
      return Int8<kIQ4_XS>();
    case kMXFP4:
      return Int8<kMXFP4>();
    default:
      return {};
  }
}

}  // namespace samara::cuda
