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

Entry FindMatVec(uint32_t type, bool several) {
  switch (type) {
    case kF32:
      return MatVec<kF32>(several);
    case kF16:
      return MatVec<kF16>(several);
    case kBF16:
      return MatVec<kBF16>(several);
    default:
      return FindMatVecQuant(type, several);
  }
}

uint64_t MatVecShared(uint32_t type, uint64_t cols, uint32_t tokens) {
  const uint64_t row = type >= kQ8_0 ? QuantizedRowBytes(cols) : (cols + 31) / 32 * 128;
  return kMatVecHeader + row * tokens;
}

}  // namespace samara::cuda
