// Quantizes rows and packs them into a weight layout in one pass: the converter's inner loop.
//
// The result is, bit for bit and on every instruction set, what DequantizeRow (source codec),
// QuantizeRow, EncodeBlocks or EncodeRow (encode.h) and PackRows give (formats/quant/blocks.h, formats/layout/layout.h);
// only the speed differs.
#ifndef SAMARA_CONVERTER_QUANTIZE_QUANTIZE_H_
#define SAMARA_CONVERTER_QUANTIZE_QUANTIZE_H_

#include <cstdint>

#include "formats/dtypes.h"
#include "formats/layout/layout.h"

namespace samara {

enum class QuantizeIsa : uint8_t { kScalar = 0, kAvx2 = 1, kAvx512 = 2 };

const char* QuantizeIsaName(QuantizeIsa isa);
bool QuantizeIsaAvailable(QuantizeIsa isa);
QuantizeIsa BestQuantizeIsa();

enum class QuantizeProblem : uint8_t {
  kNone = 0,
  kNotFinite = 1,    // the source holds an infinity or a NaN
  kOutOfRange = 2,   // finite, but too large for the target: an infinite element, scale or minimum
                     // would result
  kUnsupported = 3,  // the layout does not hold the target, or the source is no weight codec
};

struct QuantizeResult {
  QuantizeProblem problem = QuantizeProblem::kNone;
  // First bad element in row-major order; for quantized types kOutOfRange names the first column of
  // its block.
  uint64_t row = 0, col = 0;
  // Nonzero values that the layout of BF16 stores as zero because their magnitude is below 2^-56.
  uint64_t flushed = 0;
};

// Takes `n_rows` source rows in the row-major form of `from` and writes ceil(n_rows / tile rows)
// whole tiles (LayoutBytes(layout, to, n_rows, cols)) to `out`; the first row is the first of a
// tile. `from` may be any weight codec, `to` itself included (then rows are only packed). Rows need
// no alignment. `importance`, one weight of squared errors a column or nullptr, is for the types that
// search: those of encode.h and, given importance, Q4_0 to Q5_1. A false return leaves `out` unspecified and says why in `result`, which may not be
// null. No allocation, about 32 KiB of stack; thread-safe.
bool QuantizeAndPack(QuantizeIsa isa, Layout layout, DType to, DType from,
                     const uint8_t* const* rows, uint64_t n_rows, uint64_t cols, uint8_t* out,
                     QuantizeResult* result, const float* importance = nullptr);

// The same for rows `row_stride` bytes apart.
bool QuantizeAndPack(QuantizeIsa isa, Layout layout, DType to, DType from, const uint8_t* rows,
                     uint64_t row_stride, uint64_t n_rows, uint64_t cols, uint8_t* out,
                     QuantizeResult* result, const float* importance = nullptr);

// Nonzero values of a BF16 row (in row-major form) whose magnitude is below 2^-56.
uint64_t CountFlushedBf16(const uint8_t* row, uint64_t cols);

}  // namespace samara

#endif  // SAMARA_CONVERTER_QUANTIZE_QUANTIZE_H_
