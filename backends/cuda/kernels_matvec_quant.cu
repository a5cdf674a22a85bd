#include "backends/cuda/kernel_table.h"
#include "backends/cuda/kernels/matvec.h"

namespace samara::cuda {
namespace {

template <uint32_t kType>
Entry MatVec(uint32_t tokens) {
  Entry entry;
  entry.threads = kMatVecThreads;
  entry.function = tokens == 1   ? SAMARA_ENTRY(MatVecArgs, MatVecKernel<kType, 1>)
                   : tokens == 4 ? SAMARA_ENTRY(MatVecArgs, MatVecKernel<kType, 4>)
                                 : SAMARA_ENTRY(MatVecArgs, MatVecKernel<kType, 8>);
  return entry;
}

}  // namespace

Entry FindMatVecQuant(uint32_t type, uint32_t tokens) {
  switch (type) {
    case kQ8_0:
      return MatVec<kQ8_0>(tokens);
    case kQ4_0:
      return MatVec<kQ4_0>(tokens);
    case kQ4_1:
      return MatVec<kQ4_1>(tokens);
    case kQ5_0:
      return MatVec<kQ5_0>(tokens);
    case kQ5_1:
      return MatVec<kQ5_1>(tokens);
    default:
      return {};
  }
}

}  // namespace samara::cuda
