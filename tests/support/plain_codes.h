// Blocks of every weight type for tests, without the converter.
#ifndef SAMARA_TESTS_SUPPORT_PLAIN_CODES_H_
#define SAMARA_TESTS_SUPPORT_PLAIN_CODES_H_

#include <cstdint>

#include "formats/quant/codes.h"

namespace samara::test {

// The simplest encoder of a block of formats/quant/codes.h: scales from the extremes, no search. `x` has
// form.elements numbers.
void PlainCodes(const CodeForm& form, const float* x, BlockCodes* codes);
// QuantizeRow for every weight type; PlainCodes where that has no rule.
void QuantizeAny(DType dtype, const float* in, uint64_t cols, uint8_t* out);

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_PLAIN_CODES_H_
