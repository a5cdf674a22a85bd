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

Entry FindMatVec(uint32_t type, uint32_t tokens) {
  switch (type) {
    case kF32:
      return MatVec<kF32>(tokens);
    case kF16:
      return MatVec<kF16>(tokens);
    case kBF16:
      return MatVec<kBF16>(tokens);
    default:
      return FindMatVecQuant(type, tokens);
  }
}

uint64_t MatVecShared(uint32_t type, uint64_t cols, uint32_t tokens) {
  const uint64_t row = type >= kQ8_0 ? QuantizedRowBytes(cols) : (cols + 31) / 32 * 128;
  return kMatVecHeader + row * tokens;
}

}  // namespace samara::cuda
