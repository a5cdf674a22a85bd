// Encoders of the types of formats/quant/codes.h: scales, minimums and quants by search for the least squared error.
// The same bits on every instruction set and machine.
#ifndef SAMARA_CONVERTER_QUANTIZE_ENCODE_H_
#define SAMARA_CONVERTER_QUANTIZE_ENCODE_H_

#include <cstdint>

#include "formats/quant/codes.h"

namespace samara::quantize {

// Codes of one block (super-block), whose columns past n are not there: what belongs to 32-blocks past the end is 0.
// `weights` weigh the squared errors, one for each element; nullptr: all alike. Finite input only; too large for
// the type gives a scale that is not finite.
using EncodeCodesFunction = void (*)(const CodeForm& form, const float* x, const float* weights,
                                     uint64_t n, BlockCodes* codes);
void EncodeCodesScalar(const CodeForm& form, const float* x, const float* weights, uint64_t n,
                       BlockCodes* codes);
#if defined(__x86_64__)
void EncodeCodesAvx2(const CodeForm& form, const float* x, const float* weights, uint64_t n,
                     BlockCodes* codes);
void EncodeCodesAvx512(const CodeForm& form, const float* x, const float* weights, uint64_t n,
                       BlockCodes* codes);
#endif

// Blocks of Q4_0, Q4_1, Q5_0 and Q5_1 by such a search, for where weights are known: a row of n elements, the last
// block zero-padded. Without weights, and in Q8_0, QuantizeRow's rule holds. False: another type.
using EncodeBlocksFunction = bool (*)(DType dtype, const float* x, const float* weights, uint64_t n,
                                      uint8_t* out);
bool EncodeBlocksScalar(DType dtype, const float* x, const float* weights, uint64_t n,
                        uint8_t* out);
#if defined(__x86_64__)
bool EncodeBlocksAvx2(DType dtype, const float* x, const float* weights, uint64_t n, uint8_t* out);
bool EncodeBlocksAvx512(DType dtype, const float* x, const float* weights, uint64_t n,
                        uint8_t* out);
#endif

// QuantizeRow for these types: one row of `cols` elements to row-major blocks.
void EncodeRow(const CodeForm& form, const float* in, const float* weights, uint64_t cols,
               uint8_t* out);

}  // namespace samara::quantize

#endif  // SAMARA_CONVERTER_QUANTIZE_ENCODE_H_
