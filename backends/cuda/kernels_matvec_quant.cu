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

Entry FindMatVecQuant(uint32_t type, bool several) {
  switch (type) {
    case kQ8_0:
      return MatVec<kQ8_0>(several);
    case kQ4_0:
      return MatVec<kQ4_0>(several);
    case kQ4_1:
      return MatVec<kQ4_1>(several);
    case kQ5_0:
      return MatVec<kQ5_0>(several);
    case kQ5_1:
      return MatVec<kQ5_1>(several);
    default:
      return FindMatVecCodes(type, several);
  }
}

}  // namespace samara::cuda
