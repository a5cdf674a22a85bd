// Weight layouts: where element (row, k) of a matrix W[rows, cols] lies in its segment.
//
// y[row] = sum over k of W[row, k] * x[k]; rows are outputs, cols (k) the reduction.
//
// A layout is a number and a version, both stored in the package. The CPU kernels read these layouts in
// place, so that a vector lane is a row and a tile is ONE ascending stream of memory.
//
//   kRowMajor v1   rows one after the other, each a whole number of blocks in the codec's row-major form
//                  (formats/quant/blocks.h). For gather-only tables, vectors and inline constants.
//
//   kRows32 v1     F32, F16. Tiles of 32 rows; in a tile: [k][32 rows]. k is not padded.
//
//   kRows32Pairs v1  BF16. Tiles of 32 rows; in a tile: [ceil(cols/2)][32 rows][2], so that a 32-bit lane
//                  holds W[row, 2i] (low half) and W[row, 2i+1] (high half). An odd last column is padded
//                  with zero. Values with magnitude below 2^-56 are stored as zero (numerics.md, "BF16").
//
//   kRows16 v1     quantized, blocks of 32 k. Tiles of 16 rows; B = ceil(cols/32) blocks a row, the last one
//                  padded with zero elements before quantization. "quants" of one block of 16 rows:
//       8-bit  [8 groups g][16 rows][4 bytes j]   signed q(row, 4g+j)                                512 bytes
//       4-bit  [4 groups g][16 rows][4 bytes j]   low nibble q(row, 4g+j), high nibble q(row, 16+4g+j) 256 bytes
//              (nibbles unsigned 0..15, as stored in ggml's blocks)
//       high bits of 5-bit types  [8 groups g] of u64: bit 4*row+j is bit 4 of q(row, 4g+j)           64 bytes
//     Q8_0, Q4_0, Q5_0 (one f16 scale): blocks go in pairs:
//              [2 blocks][16 rows] f16 scales (64 bytes), then block 2p's body, then block 2p+1's.
//              A body is [high bits (5-bit only)][quants]. With B odd the last pair has a full 64-byte scale
//              line (second half zero) and one body.
//     Q4_1, Q5_1 (f16 scale d and minimum m): each block is [16 rows] f16 d, [16 rows] f16 m (64 bytes),
//              then its body.
//     The types of formats/quant/codes.h: units of U sub-blocks of 32 k, each a header of the scales and then U bodies. The last
//     unit has as many bodies as the columns need and a whole header, so that no K-quant is padded to 256 columns.
//              U  header  body
//       Q2_K    8   320   128    d, m, 4 words A = scales of even, B = of odd halves, C, D = minimums of even, odd halves
//       Q3_K    8   256   192    d, -, 3 words, A = low nibbles of scales of even halves, B = of odd halves, C = high bits
//       Q4_K    8   256   256    d, m, 3 words, A = low nibbles of scales, B = of minimums, C = high bits
//       Q5_K    8   256   320    as Q4_K
//       Q6_K    8   320   384    d, -, [16 sub-blocks][16 rows] i8 scales
//       IQ4_XS  8   128   256    d, [16 rows] u16 of 2 high bits a sub-block, 1 word of low nibbles
//       IQ4_NL  2    64   256    [2 sub-blocks][16 rows] f16 d
//       MXFP4   4    64   256    [4 sub-blocks][16 rows] u8 e
//       d, m: [16 rows] f16 each, 64 bytes together (-: zero). A word: [16 rows] u32, nibble i for sub-block (or half of it) i
//       of the unit; C has 2 bits each, those of A from bit 0, of B from bit 16 on. A half is 16 k.
//     Bodies have [2 high bits of 6: 2 halves h][16 rows][4 bytes j], bits 2g of q(row, 16h+4g+j); or the 5th bits as above; then
//     quants of 4 bits as above. Q2_K and Q3_K: [third bit: [16 rows][4 bytes j], bit 4h+g; Q3_K only], then
//     [2 halves h][16 rows][4 bytes j], bits 2g: 2 bits of q(row, 16h+4g+j).
//     Everything is 64-byte aligned inside the tile, and a tile is a multiple of 64 bytes.
//
// Rows past the end of the matrix are zero (scale, minimum and quants 0).
#ifndef SAMARA_FORMATS_LAYOUT_LAYOUT_H_
#define SAMARA_FORMATS_LAYOUT_LAYOUT_H_

#include <cstdint>
#include <span>

#include "formats/dtypes.h"
#include "formats/status.h"

namespace samara {

enum class Layout : uint16_t {
  kInvalid = 0,
  kRowMajor = 1,
  kRows32 = 2,
  kRows32Pairs = 3,
  kRows16 = 4,
};

const char* LayoutName(Layout layout);         // "rows16"
inline constexpr uint32_t kLayoutVersion = 1;  // of every layout above

// The layout in which a matrix of this codec is multiplied on CPU; kInvalid for codecs that are no weight.
Layout MatmulLayout(DType dtype);
// Rows of a tile: 16 or 32, 1 for row-major.
uint32_t LayoutTileRows(Layout layout);
// True where the pair is defined above.
bool LayoutHolds(Layout layout, DType dtype);

// Bytes of one tile / of the whole matrix. Checked arithmetic: false on overflow or undefined pair.
bool LayoutTileBytes(Layout layout, DType dtype, uint64_t cols, uint64_t* bytes);
bool LayoutBytes(Layout layout, DType dtype, uint64_t rows, uint64_t cols, uint64_t* bytes);

// Byte offsets inside one tile of kRows16 for block b of B. Trivial arithmetic, shared by every kernel.
struct Rows16Offsets {
  uint64_t scales;     // 16 f16; for the types of formats/quant/codes.h the header of the block's unit
  uint64_t minimums;   // 16 f16, Q4_1 and Q5_1 only
  uint64_t high_bits;  // 8 u64, 5-bit types only
  uint64_t quants;     // for the types of formats/quant/codes.h the body
};
Rows16Offsets Rows16BlockOffsets(DType dtype, uint64_t block);

// Packs rows [first_row, first_row + n_rows) of a tile-aligned range. `rows`: row-major codec rows
// (ceil(cols/32) blocks each for quantized codecs, cols elements else), `row_bytes` apart. `out` receives
// ceil(n_rows / tile) tiles. first_row must be a multiple of the tile's rows.
void PackRows(Layout layout, DType dtype, const uint8_t* rows, uint64_t row_bytes, uint64_t n_rows,
              uint64_t cols, uint8_t* out);
// The inverse for one row: writes the row-major codec row (same form as PackRows reads).
void UnpackRow(Layout layout, DType dtype, const uint8_t* packed, uint64_t row, uint64_t cols,
               uint8_t* out);
// Dequantizes one row of a packed matrix to F32 (exact: the value of each element as defined by its codec).
void DequantizePackedRow(Layout layout, DType dtype, const uint8_t* packed, uint64_t row,
                         uint64_t cols, float* out);

}  // namespace samara

#endif  // SAMARA_FORMATS_LAYOUT_LAYOUT_H_
