#include "backends/cuda/kernel_table.h"
#include "backends/cuda/kernels/core.h"
#include "backends/cuda/kernels/draw.h"
#include "backends/cuda/kernels/upload.h"

namespace samara::cuda {

Entry FindKernel(Kernel kernel) {
  switch (kernel) {
    case Kernel::kElementwise:
      return {SAMARA_ENTRY(ElementwiseArgs, ElementwiseKernel), kCoreThreads};
    case Kernel::kFill:
      return {SAMARA_ENTRY(FillArgs, FillKernel), kCoreThreads};
    case Kernel::kCopy:
      return {SAMARA_ENTRY(CopyArgs, CopyKernel), kCoreThreads};
    case Kernel::kReduce:
      return {SAMARA_ENTRY(ReduceArgs, ReduceKernel), kCoreThreads};
    case Kernel::kGather:
      return {SAMARA_ENTRY(GatherArgs, GatherKernel), kCoreThreads};
    case Kernel::kBatchMatmul:
      return {SAMARA_ENTRY(BatchMatmulArgs, BatchMatmulKernel), kCoreThreads};
    case Kernel::kStateRead:
      return {SAMARA_ENTRY(StateReadArgs, StateReadKernel), kCoreThreads};
    case Kernel::kStateVisible:
      return {SAMARA_ENTRY(StateVisibleArgs, StateVisibleKernel), kCoreThreads};
    case Kernel::kUpload:
      return {SAMARA_ENTRY(UploadArgs, UploadKernel), 256};
    case Kernel::kUploadVector:
      return {SAMARA_ENTRY(UploadVectorArgs, UploadVectorKernel), 256};
    case Kernel::kDraw:
      return {SAMARA_ENTRY(DrawArgs, DrawKernel), kDrawThreads, sizeof(DrawWork)};
    case Kernel::kBandwidth:
      return {SAMARA_ENTRY(BandwidthArgs, BandwidthKernel), 512};
    default:
      return FindRowKernel(kernel);
  }
}

}  // namespace samara::cuda
