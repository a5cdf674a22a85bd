// MatVec for the types of formats/quant/codes.h.
#include "backends/cuda/kernel_table.h"
#include "backends/cuda/kernels/matvec.h"

namespace samara::cuda {
namespace {

template <uint32_t kType>
Entry MatVec(bool several) {
  return {several ? SAMARA_ENTRY(MatVecArgs, MatVecKernel<kType, 8>)
                  : SAMARA_ENTRY(MatVecArgs, MatVecKernel<kType, 1>),
          kMatVecThreads};
}

}  // namespace

Entry FindMatVecCodes(uint32_t type, bool several) {
  switch (type) {
    case kQ2_K:
      return MatVec<kQ2_K>(several);
    case kQ3_K:
      return MatVec<kQ3_K>(several);
    case kQ4_K:
      return MatVec<kQ4_K>(several);
    case kQ5_K:
      return MatVec<kQ5_K>(several);
    case kQ6_K:
      return MatVec<kQ6_K>(several);
    case kIQ4_NL:
      return MatVec<kIQ4_NL>(several);
    case kIQ4_XS:
      return MatVec<kIQ4_XS>(several);
    case kMXFP4:
      return MatVec<kMXFP4>(several);
    default:
      return {};
  }
}

}  // namespace samara::cuda
