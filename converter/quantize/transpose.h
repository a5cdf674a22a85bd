// Moves row-major codes into tiles: lane `r` of word `w` lies at out + w * lanes * word size + r *
// word size.
#ifndef SAMARA_CONVERTER_QUANTIZE_TRANSPOSE_H_
#define SAMARA_CONVERTER_QUANTIZE_TRANSPOSE_H_

#include <cstdint>

namespace samara::quantize {

// `lanes` (16 or 32) rows of n words of 4 or 2 bytes each. Rows need no alignment.
void TransposeWords(const uint8_t* const* rows, uint64_t lanes, uint64_t n, uint8_t* out);
void TransposeHalves(const uint8_t* const* rows, uint64_t lanes, uint64_t n, uint8_t* out);

}  // namespace samara::quantize

#endif  // SAMARA_CONVERTER_QUANTIZE_TRANSPOSE_H_
