// The kernels by number, and what a launch of each needs. Entry points are addresses that gpu.h's Launch takes; they
// mean nothing else to the host.
#ifndef SAMARA_BACKENDS_CUDA_KERNEL_TABLE_H_
#define SAMARA_BACKENDS_CUDA_KERNEL_TABLE_H_

#include <cstdint>

#include "backends/cuda/args.h"

namespace samara::cuda {

enum class Kernel : uint32_t {
  kElementwise,
  kFill,
  kCopy,
  kReduce,
  kGather,
  kBatchMatmul,
  kStateRead,
  kStateVisible,
  kRmsNorm,
  kRopeTable,
  kGlu,
  kPrepare,
  kQuantize,
  kHeads,
  kUpload,
  kUploadVector,
  kDraw,
  kBandwidth,
};
struct Entry {
  const void* function = nullptr;
  uint32_t threads = 0;
  uint32_t shared_bytes = 0;  // where it does not depend on shapes
};

Entry FindKernel(Kernel kernel);
// `several`: for up to eight rows of x a block, instead of one. Shared memory: MatVecShared.
Entry FindMatVec(uint32_t type, bool several);
Entry FindGemm(uint32_t type);
// `vector`: values are read 16 bytes at a time. Threads: 32 a head of the block; shared memory a warp.
Entry FindAttention(uint32_t state_type, bool vector);

// The parts of the table; each file of kernels makes one.
Entry FindRowKernel(Kernel kernel);
Entry FindMatVecQuant(uint32_t type, bool several);
Entry FindMatVecCodes(uint32_t type, bool several);
Entry FindGemmCodes(uint32_t type);

// Bytes of a row of int8 activations.
inline constexpr uint64_t QuantizedRowBytes(uint64_t cols) {
  const uint64_t blocks = (cols + 31) / 32;
  return (blocks * (32 + sizeof(QuantMeta)) + 15) / 16 * 16;
}
// Shared memory of MatVec with `tokens` rows staged.
uint64_t MatVecShared(uint32_t type, uint64_t cols, uint32_t tokens);
// Whole kernels a block may take without asking the driver; with asking, on every chip.
inline constexpr uint64_t kPlainShared = 48 << 10;
inline constexpr uint64_t kMostShared = 64 << 10;

}  // namespace samara::cuda

#ifdef __CUDACC__
#define SAMARA_ENTRY(Args, ...) reinterpret_cast<const void*>(&__VA_ARGS__)
#else
namespace samara::cuda {
template <auto kKernel, typename Args>
void CallKernel(const void* args) {
  kKernel(*static_cast<const Args*>(args));
}
}  // namespace samara::cuda
#define SAMARA_ENTRY(Args, ...) reinterpret_cast<const void*>(&CallKernel<&__VA_ARGS__, Args>)
#endif

#endif  // SAMARA_BACKENDS_CUDA_KERNEL_TABLE_H_
