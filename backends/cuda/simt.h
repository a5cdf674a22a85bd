// What a kernel may use: thread indices, barriers, warp operations, tensor cores, conversions. One name for each on
// the device (nvcc) and in the emulation (a plain C++ compiler), so that a kernel is one text.
//
//   SAMARA_KERNEL(256, Scale, ScaleArgs) { ... a.factor ... }
//
// A kernel takes ONE struct by value, named `a`. Blocks are one-dimensional; all shared memory is dynamic.
// Warp operations need all 32 lanes; barriers need all threads of the block: the emulation reports who is missing.
#ifndef SAMARA_BACKENDS_CUDA_SIMT_H_
#define SAMARA_BACKENDS_CUDA_SIMT_H_

#include <cstdint>

#include "backends/cuda/args.h"

#ifdef __CUDACC__
#define SAMARA_DEVICE __device__ __forceinline__
#define SAMARA_KERNEL(threads, name, Args) \
  __global__ void __launch_bounds__(threads, 1) name(const __grid_constant__ Args a)
#define SAMARA_UNROLL _Pragma("unroll")
#define SAMARA_UNROLL_4 _Pragma("unroll 4")
#else
#define SAMARA_DEVICE inline
#define SAMARA_KERNEL(threads, name, Args) inline void name(const Args& a)
#define SAMARA_UNROLL
#define SAMARA_UNROLL_4
#endif

namespace samara::cuda {

inline constexpr uint32_t kWarp = 32;

// 16 bytes that travel in one load.
struct alignas(16) Word4 {
  uint32_t w[4];
};

}  // namespace samara::cuda

#ifdef __CUDACC__
#include "backends/cuda/simt_device.h"
#else
#include "backends/cuda/emulation/simt_host.h"
#endif

namespace samara::cuda {

SAMARA_DEVICE uint32_t Lane() { return Tid() % kWarp; }
SAMARA_DEVICE uint32_t WarpIndex() { return Tid() / kWarp; }
template <typename T>
SAMARA_DEVICE T WarpSum(T value) {
  return GroupSum<kWarp>(value);
}
template <typename T>
SAMARA_DEVICE T WarpMax(T value) {
  return GroupMax<kWarp>(value);
}

// Sums of four products of signed bytes.
SAMARA_DEVICE int32_t Dot4(uint32_t a, uint32_t b, int32_t c) { return Dp4a(a, b, c); }

template <typename T>
SAMARA_DEVICE T Least(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
SAMARA_DEVICE T Most(T a, T b) {
  return b > a ? b : a;
}
SAMARA_DEVICE uint32_t CeilDiv(uint32_t a, uint32_t b) { return (a + b - 1) / b; }
}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_SIMT_H_
