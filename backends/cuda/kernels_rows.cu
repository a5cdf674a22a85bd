#include "backends/cuda/kernel_table.h"
#include "backends/cuda/kernels/attention.h"
#include "backends/cuda/kernels/heads_kernel.h"
#include "backends/cuda/kernels/rows.h"

namespace samara::cuda {

Entry FindRowKernel(Kernel kernel) {
  switch (kernel) {
    case Kernel::kRmsNorm:
      return {SAMARA_ENTRY(RmsNormArgs, RmsNormKernel), kRowThreads};
    case Kernel::kRopeTable:
      return {SAMARA_ENTRY(RopeTableArgs, RopeTableKernel), kRowThreads};
    case Kernel::kGlu:
      return {SAMARA_ENTRY(GluArgs, GluKernel), kRowThreads};
    case Kernel::kPrepare:
      return {SAMARA_ENTRY(PrepareArgs, PrepareKernel), kRowThreads, kRowShared};
    case Kernel::kQuantize:
      return {SAMARA_ENTRY(PrepareArgs, QuantizeKernel), kRowThreads, kRowShared};
    case Kernel::kHeads:
      return {SAMARA_ENTRY(HeadsArgs, HeadsKernel), kHeadsWarps * 32};
    default:
      return {};
  }
}

Entry FindAttention(uint32_t state_type, bool vector) {
  Entry entry;
  entry.threads = kMaxAttentionWarps * 32;
  entry.shared_bytes = kAttentionWork * sizeof(float);
  if (state_type == kF32) {
    entry.function = vector ? SAMARA_ENTRY(AttentionArgs, AttentionKernel<kF32, 4, 2>)
                            : SAMARA_ENTRY(AttentionArgs, AttentionKernel<kF32, 1, 8>);
  } else if (state_type == kF16) {
    entry.function = vector ? SAMARA_ENTRY(AttentionArgs, AttentionKernel<kF16, 8, 1>)
                            : SAMARA_ENTRY(AttentionArgs, AttentionKernel<kF16, 1, 8>);
  } else {
    entry.function = vector ? SAMARA_ENTRY(AttentionArgs, AttentionKernel<kQ8_0, 16, 1>)
                            : SAMARA_ENTRY(AttentionArgs, AttentionKernel<kQ8_0, 1, 8>);
  }
  return entry;
}

}  // namespace samara::cuda
