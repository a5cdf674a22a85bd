// mma.sync under emulation: which element of which matrix a lane's registers hold, from the PTX ISA ("Matrix fragments
// for mma.m16n8k16" and "mma.m16n8k32"). D[16, 8] = A[16, K] * B[K, 8] + C[16, 8]. With g = lane / 4, w = lane % 4:
//
//   int8, K = 32, four bytes a register, byte j in bits 8j..8j+7:
//     A  a[0]: row g,     k = 4w + j          a[1]: row g + 8, k = 4w + j
//        a[2]: row g,     k = 16 + 4w + j     a[3]: row g + 8, k = 16 + 4w + j
//     B  b[0]: k = 4w + j,      column g      b[1]: k = 16 + 4w + j, column g
//   f16 and bf16, K = 16, two elements a register, element j in bits 16j..16j+15:
//     A  a[0]: row g,     k = 2w + j          a[1]: row g + 8, k = 2w + j
//        a[2]: row g,     k = 8 + 2w + j      a[3]: row g + 8, k = 8 + 2w + j
//     B  b[0]: k = 2w + j,      column g      b[1]: k = 8 + 2w + j,  column g
//   C and D, all types:
//        c[0]: row g, column 2w     c[1]: row g, column 2w + 1
//        c[2]: row g + 8, column 2w c[3]: row g + 8, column 2w + 1
//
// The order in which the hardware sums a product of 16 terms is not specified; here it is exact up to one rounding.
#ifndef SAMARA_BACKENDS_CUDA_EMULATION_MMA_H_
#define SAMARA_BACKENDS_CUDA_EMULATION_MMA_H_

#include <cstdint>

namespace samara::cuda::emulation {

template <typename C>
struct MmaLane {
  uint32_t a[4], b[2];
  C c[4];
};

void MmaInt8Lanes(const uint8_t (*in)[48], uint8_t (*out)[48]);
void MmaHalfLanes(const uint8_t (*in)[48], uint8_t (*out)[48]);
void MmaBf16Lanes(const uint8_t (*in)[48], uint8_t (*out)[48]);

}  // namespace samara::cuda::emulation

#endif  // SAMARA_BACKENDS_CUDA_EMULATION_MMA_H_
