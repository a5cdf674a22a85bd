// Row-major codec blocks, equal in value and bit layout to ggml's blocks of the same name, so that GGUF
// imports without loss. Source of the layout: the GGUF/ggml format description (public format facts).
//
//   F32, F16, BF16   little-endian elements
//   Q8_0  34 bytes   f16 d; int8 q[32]                           w = d * q
//   Q4_0  18 bytes   f16 d; u8 qs[16]                            w = d * (q - 8)
//   Q4_1  20 bytes   f16 d; f16 m; u8 qs[16]                     w = d * q + m
//   Q5_0  22 bytes   f16 d; u32 qh; u8 qs[16]                    w = d * (q - 16)
//   Q5_1  24 bytes   f16 d; f16 m; u32 qh; u8 qs[16]             w = d * q + m
//     qs[j] low nibble is element j, high nibble element j + 16; bit j of qh is bit 4 of element j.
//   Q2_K ... Q6_K, IQ4_NL, IQ4_XS, MXFP4: formats/quant/codes.h
//
// The value of an element is the f32 arithmetic above with d and m widened exactly: product rounded once,
// then the sum rounded once (no fma).
#ifndef SAMARA_FORMATS_QUANT_BLOCKS_H_
#define SAMARA_FORMATS_QUANT_BLOCKS_H_

#include <cstdint>

#include "formats/dtypes.h"

namespace samara {

// Exact conversions; HalfFromFloat and Bf16FromFloat round to nearest even, NaN stays NaN (quieted).
float FloatFromHalf(uint16_t half);
uint16_t HalfFromFloat(float value);
float FloatFromBf16(uint16_t bits);
uint16_t Bf16FromFloat(float value);

// Bytes of one row of `cols` elements: whole blocks, the last one zero-padded.
uint64_t RowBytes(DType dtype, uint64_t cols);
// cols rounded up to whole blocks.
uint64_t PaddedCols(DType dtype, uint64_t cols);

// F32 -> codec, one row; the padding of the last block is quantized from zeros. Finite input only (the caller
// checks), default floating-point environment. Deterministic on every ISA, every operation rounded once (no fma);
// equal, bit for bit, to the types' reference quantizers:
//   Q8_0        d = amax / 127                                   q = round half away (x * (1/d))
//   Q4_0, Q5_0  d = m / -8, m / -16, m the first element of      q = min(15 or 31, trunc(x * (1/d) + 8.5 or 16.5))
//               largest magnitude with its sign
//   Q4_1, Q5_1  m = min, d = (max - min) / 15, / 31              q = min(15 or 31, trunc((x - m) * (1/d) + 0.5))
// d is binary32 here and rounded to f16 when stored. Where 1/d is not finite, 0 takes its place.
// The types of formats/quant/codes.h have no rule but a search, which only the converter has
// (converter/quantize/encode.h): for them nothing is written here.
void QuantizeRow(DType dtype, const float* in, uint64_t cols, uint8_t* out);
// codec -> F32, one row of `cols` elements.
void DequantizeRow(DType dtype, const uint8_t* in, uint64_t cols, float* out);

}  // namespace samara

#endif  // SAMARA_FORMATS_QUANT_BLOCKS_H_
