// kRows16 of the types of formats/quant/codes.h: tiles of 16 rows as units of a header and bodies (layout.h).
#ifndef SAMARA_FORMATS_LAYOUT_UNITS_H_
#define SAMARA_FORMATS_LAYOUT_UNITS_H_

#include <cstdint>

#include "formats/quant/codes.h"

namespace samara {

struct Rows16Unit {
  DType dtype;
  uint16_t blocks;  // of 32 k
  uint16_t header, body;
  uint64_t bytes() const { return header + uint64_t{blocks} * body; }
};
// nullptr: not one of these types.
const Rows16Unit* FindRows16Unit(DType dtype);

// Puts the codes of one block (super-block) of row `row` into a zeroed tile; the first of its 32-blocks is
// number `first` of the tile, of `count` 32-blocks in all. Codes of columns past those are left out.
void PutCodes(const Rows16Unit& unit, const BlockCodes& codes, uint64_t first, uint64_t count,
              uint64_t row, uint8_t* tile);
// The inverse; codes of columns past the end are 0.
void GetCodes(const Rows16Unit& unit, const uint8_t* tile, uint64_t first, uint64_t count,
              uint64_t row, BlockCodes* codes);
// Codes of columns past `count` 32-blocks become 0, as GetCodes gives them.
void ClearCodesPast(const CodeForm& form, uint64_t count, BlockCodes* codes);

// One row of row-major blocks into a zeroed tile, back, and to F32.
void PackCodesRow(const Rows16Unit& unit, const uint8_t* blocks, uint64_t cols, uint64_t row,
                  uint8_t* tile);
void UnpackCodesRow(const Rows16Unit& unit, const uint8_t* tile, uint64_t cols, uint64_t row,
                    uint8_t* blocks);
void DequantizeUnitsRow(const Rows16Unit& unit, const uint8_t* tile, uint64_t cols, uint64_t row,
                        float* out);

}  // namespace samara

#endif  // SAMARA_FORMATS_LAYOUT_UNITS_H_
