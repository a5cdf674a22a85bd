// simt.h on the device. Only nvcc includes this.
#ifndef SAMARA_BACKENDS_CUDA_SIMT_DEVICE_H_
#define SAMARA_BACKENDS_CUDA_SIMT_DEVICE_H_

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace samara::cuda {

SAMARA_DEVICE uint32_t Tid() { return threadIdx.x; }
SAMARA_DEVICE uint32_t BlockThreads() { return blockDim.x; }
SAMARA_DEVICE uint32_t BlockX() { return blockIdx.x; }
SAMARA_DEVICE uint32_t BlockY() { return blockIdx.y; }
SAMARA_DEVICE uint32_t GridX() { return gridDim.x; }
SAMARA_DEVICE uint32_t GridY() { return gridDim.y; }

extern __shared__ __align__(128) uint8_t samara_shared[];
SAMARA_DEVICE uint8_t* Shared() { return samara_shared; }

SAMARA_DEVICE void SyncBlock() { __syncthreads(); }
SAMARA_DEVICE void SyncWarp() { __syncwarp(); }
template <typename T>
SAMARA_DEVICE T ShuffleXor(T value, uint32_t mask) {
  return __shfl_xor_sync(0xffffffffu, value, static_cast<int>(mask));
}
template <typename T>
SAMARA_DEVICE T ShuffleFrom(T value, uint32_t lane) {
  return __shfl_sync(0xffffffffu, value, static_cast<int>(lane));
}
// Over each group of `kLanes` neighbouring lanes, a power of two.
template <uint32_t kLanes, typename T>
SAMARA_DEVICE T GroupSum(T value) {
  SAMARA_UNROLL
  for (uint32_t mask = kLanes / 2; mask > 0; mask /= 2) value += ShuffleXor(value, mask);
  return value;
}
template <uint32_t kLanes, typename T>
SAMARA_DEVICE T GroupMax(T value) {
  SAMARA_UNROLL
  for (uint32_t mask = kLanes / 2; mask > 0; mask /= 2) {
    const T other = ShuffleXor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}

// Programmatic dependent launch: the next kernel of the stream may start as soon as every block has called
// GridTrigger; nothing that an earlier kernel wrote may be read, and nothing written, before GridWait. Every thread
// calls both, so that "the kernel before is complete" also holds for all kernels before that one.
SAMARA_DEVICE void GridTrigger() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
SAMARA_DEVICE void GridWait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Weights: read once, never written while kernels run. The only loads that may take the read-only path.
SAMARA_DEVICE Word4 LoadWeight(const void* p) {
  Word4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
               : "l"(p));
  return v;
}
SAMARA_DEVICE void LoadWeight64(const void* p, uint32_t* v) {
  asm volatile("ld.global.nc.v2.u32 {%0,%1}, [%2];" : "=r"(v[0]), "=r"(v[1]) : "l"(p));
}
SAMARA_DEVICE uint32_t LoadWeight32(const void* p) {
  uint32_t v;
  asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(v) : "l"(p));
  return v;
}
SAMARA_DEVICE uint32_t LoadWeight16(const void* p) {
  uint16_t v;
  asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(v) : "l"(p));
  return v;
}

// What other blocks of the same grid wrote: from the cache that all of them share.
SAMARA_DEVICE float LoadFresh(const float* p) { return __ldcg(p); }

// Copies from global to shared memory that go on in the background; 4, 8 or 16 bytes.
template <int kBytes>
SAMARA_DEVICE void CopyAsync(void* shared, const void* global) {
#if __CUDA_ARCH__ >= 800
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(global), "n"(kBytes)
                 : "memory");
  }
#else
  SAMARA_UNROLL
  for (int i = 0; i < kBytes / 4; ++i) {
    static_cast<uint32_t*>(shared)[i] = static_cast<const uint32_t*>(global)[i];
  }
#endif
}
SAMARA_DEVICE void CommitCopies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most `kPending` committed groups are on their way. A barrier must follow.
template <int kPending>
SAMARA_DEVICE void WaitCopies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

SAMARA_DEVICE int32_t Dp4a(uint32_t a, uint32_t b, int32_t c) {
  return __dp4a(static_cast<int>(a), static_cast<int>(b), c);
}

// Four of the eight bytes of `low` and `high`: nibble i of `places` says which one is byte i; its bit 3 is 0.
SAMARA_DEVICE uint32_t PickBytes(uint32_t low, uint32_t high, uint32_t places) {
  return __byte_perm(low, high, places);
}

// Tensor cores; the fragments are described in emulation/mma.h, which the emulation follows.
SAMARA_DEVICE void MmaInt8(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  // Turing has m8n8k16: rows 0..7 and 8..15, first and second half of k.
  SAMARA_UNROLL
  for (int k = 0; k < 2; ++k) {
    SAMARA_UNROLL
    for (int m = 0; m < 2; ++m) {
      asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
                   : "+r"(c[2 * m]), "+r"(c[2 * m + 1])
                   : "r"(a[2 * k + m]), "r"(b[k]));
    }
  }
#endif
}
// The same with one half of k: a[0] and a[1] or a[2] and a[3], b[0] or b[1].
SAMARA_DEVICE void MmaInt8Half(int32_t (&c)[4], uint32_t a0, uint32_t a1, uint32_t b) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a0), "r"(a1), "r"(b));
#else
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+r"(c[0]), "+r"(c[1])
               : "r"(a0), "r"(b));
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+r"(c[2]), "+r"(c[3])
               : "r"(a1), "r"(b));
#endif
}
SAMARA_DEVICE void MmaHalf(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  SAMARA_UNROLL
  for (int k = 0; k < 2; ++k) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[2 * k]), "r"(a[2 * k + 1]), "r"(b[k]));
  }
#endif
}
// Chips before sm_80 lack it; the host launches no kernel that needs it there.
SAMARA_DEVICE void MmaBf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

SAMARA_DEVICE uint32_t AtomicAdd(uint32_t* p, uint32_t v) { return atomicAdd(p, v); }
SAMARA_DEVICE uint64_t AtomicAdd(uint64_t* p, uint64_t v) {
  return atomicAdd(reinterpret_cast<unsigned long long*>(p), static_cast<unsigned long long>(v));
}
SAMARA_DEVICE void Fence() { __threadfence(); }
// To memory that the host reads.
SAMARA_DEVICE void FenceSystem() { __threadfence_system(); }

SAMARA_DEVICE float FloatOfHalf(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
SAMARA_DEVICE uint16_t HalfOfFloat(float x) { return __half_as_ushort(__float2half_rn(x)); }
SAMARA_DEVICE float FloatOfBits(uint32_t bits) { return __uint_as_float(bits); }
SAMARA_DEVICE uint32_t BitsOfFloat(float x) { return __float_as_uint(x); }
SAMARA_DEVICE uint16_t Bf16OfFloat(float x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x)); }

SAMARA_DEVICE float Fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
SAMARA_DEVICE float SquareRoot(float x) { return __fsqrt_rn(x); }
SAMARA_DEVICE float Round(float x) { return rintf(x); }
SAMARA_DEVICE float Floor(float x) { return floorf(x); }
SAMARA_DEVICE float Absolute(float x) { return fabsf(x); }
SAMARA_DEVICE float CopySign(float x, float sign) { return copysignf(x, sign); }

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_SIMT_DEVICE_H_
