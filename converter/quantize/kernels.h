// The inner loops of QuantizeAndPack, one table an instruction set.
#ifndef SAMARA_CONVERTER_QUANTIZE_KERNELS_H_
#define SAMARA_CONVERTER_QUANTIZE_KERNELS_H_

#include <cstdint>

namespace samara::quantize {

// Row-major F16 or BF16 elements to F32 and back (round to nearest even). Any n; 16-bit sides need
// no alignment.
using WidenFunction = void (*)(const uint8_t* in, uint64_t n, float* out);
using NarrowFunction = void (*)(const float* in, uint64_t n, uint8_t* out);
// F32 to row-major blocks of 32. Where an element is not finite, the scale of its block is not
// either.
using EncodeFunction = void (*)(const float* in, uint64_t n_blocks, uint8_t* out);

struct Kernels {
  WidenFunction widen_f16, widen_bf16;
  NarrowFunction narrow_f16, narrow_bf16;
  EncodeFunction q8_0, q4_0, q4_1, q5_0, q5_1;
};

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;    // needs AVX2 and F16C
extern const Kernels kAvx512Kernels;  // needs AVX-512 F, BW, DQ, VL
#endif

}  // namespace samara::quantize

#endif  // SAMARA_CONVERTER_QUANTIZE_KERNELS_H_
