#include "formats/layout/units.h"

#include <cstring>

namespace samara {
namespace {

constexpr Rows16Unit kUnits[] = {
    {DType::kQ2_K, 8, 320, 128},  {DType::kQ3_K, 8, 256, 192}, {DType::kQ4_K, 8, 256, 256},
    {DType::kQ5_K, 8, 256, 320},  {DType::kQ6_K, 8, 320, 384}, {DType::kIQ4_NL, 2, 64, 256},
    {DType::kIQ4_XS, 8, 128, 256}, {DType::kMXFP4, 4, 64, 256},
};

// Moves fields between codes and tile, one way or the other.
struct Put {
  static void Bits(uint8_t* code, int low, int n, uint8_t* byte, int shift) {
    *byte = static_cast<uint8_t>(*byte | (*code >> low & ((1 << n) - 1)) << shift);
  }
  static void Half(uint16_t* code, uint8_t* at) {
    at[0] = static_cast<uint8_t>(*code);
    at[1] = static_cast<uint8_t>(*code >> 8);
  }
};
struct Get {
  static void Bits(uint8_t* code, int low, int n, const uint8_t* byte, int shift) {
    *code = static_cast<uint8_t>(*code | (*byte >> shift & ((1 << n) - 1)) << low);
  }
  static void Half(uint16_t* code, const uint8_t* at) {
    *code = static_cast<uint16_t>(at[0] | at[1] << 8);
  }
};

// 32-blocks of a type's block.
uint64_t BlocksOf(const CodeForm& form) { return form.elements / 32; }

// Header of the unit: what belongs to 32-block i of it, whose codes begin at sub-block `sub`.
template <typename Move, typename Byte>
void MoveScales(DType dtype, Byte* header, uint64_t row, uint64_t i, uint64_t sub,
                BlockCodes* codes) {
  uint8_t* s = codes->scale + sub;
  uint8_t* m = codes->minimum + sub;
  // Nibble i, or bits 2i and 2i + 1 from bit `from` on, of word `line` of this row.
  const auto nibble = [&](uint8_t* code, uint64_t line) {
    Move::Bits(code, 0, 4, header + line * 64 + row * 4 + i / 2, static_cast<int>(i % 2 * 4));
  };
  const auto high = [&](uint8_t* code, uint64_t line, uint64_t from) {
    const uint64_t bit = from + 2 * i;
    Move::Bits(code, 4, 2, header + line * 64 + row * 4 + bit / 8, static_cast<int>(bit % 8));
  };
  if (dtype == DType::kMXFP4) {
    uint8_t e = static_cast<uint8_t>(codes->d);
    Move::Bits(&e, 0, 8, header + 16 * i + row, 0);
    codes->d = e;
    return;
  }
  Move::Half(&codes->d, header + 2 * row + (dtype == DType::kIQ4_NL ? 32 * i : 0));
  switch (dtype) {
    case DType::kQ2_K:
      Move::Half(&codes->m, header + 32 + 2 * row);
      for (uint64_t h = 0; h < 2; ++h) {
        nibble(s + h, 1 + h);
        nibble(m + h, 3 + h);
      }
      return;
    case DType::kQ3_K:
      for (uint64_t h = 0; h < 2; ++h) {
        nibble(s + h, 1 + h);
        high(s + h, 3, 16 * h);
      }
      return;
    case DType::kQ4_K:
    case DType::kQ5_K:
      Move::Half(&codes->m, header + 32 + 2 * row);
      nibble(s, 1);
      nibble(m, 2);
      high(s, 3, 0);
      high(m, 3, 16);
      return;
    case DType::kQ6_K:
      for (uint64_t h = 0; h < 2; ++h) Move::Bits(s + h, 0, 8, header + 64 + (2 * i + h) * 16 + row, 0);
      return;
    case DType::kIQ4_XS:
      nibble(s, 1);
      Move::Bits(s, 4, 2, header + 32 + 2 * row + i / 4, static_cast<int>(i % 4 * 2));
      return;
    default:
      return;
  }
}

// The body of a 32-block.
template <typename Move, typename Byte>
void MoveQuants(const CodeForm& form, Byte* body, uint64_t row, uint8_t* q) {
  for (uint64_t k = 0; k < 32; ++k) {
    const uint64_t h = k / 16, g = k % 16 / 4, j = k % 4;
    const uint64_t byte = row * 4 + j;
    if (form.bits <= 3) {
      if (form.bits == 3) Move::Bits(q + k, 2, 1, body + byte, static_cast<int>(4 * h + g));
      Byte* low = body + (form.bits == 3 ? 64 : 0);
      Move::Bits(q + k, 0, 2, low + h * 64 + byte, static_cast<int>(2 * g));
      continue;
    }
    Byte* nibbles = body;
    if (form.bits == 5) {
      const uint64_t bit = (4 * h + g) * 64 + byte;
      Move::Bits(q + k, 4, 1, body + bit / 8, static_cast<int>(bit % 8));
      nibbles += 64;
    } else if (form.bits == 6) {
      Move::Bits(q + k, 4, 2, body + h * 64 + byte, static_cast<int>(2 * g));
      nibbles += 128;
    }
    Move::Bits(q + k, 0, 4, nibbles + g * 64 + byte, static_cast<int>(4 * h));
  }
}

template <typename Move, typename Byte>
void MoveCodes(const Rows16Unit& unit, BlockCodes* codes, uint64_t first, uint64_t count,
               uint64_t row, Byte* tile) {
  const CodeForm& form = *FindCodeForm(unit.dtype);
  for (uint64_t b = 0; b < BlocksOf(form) && first + b < count; ++b) {
    Byte* header = tile + (first + b) / unit.blocks * unit.bytes();
    const uint64_t i = (first + b) % unit.blocks;
    MoveScales<Move>(unit.dtype, header, row, i, b * 32 / form.sub, codes);
    MoveQuants<Move>(form, header + unit.header + i * unit.body, row, codes->q + 32 * b);
  }
}

}  // namespace

const Rows16Unit* FindRows16Unit(DType dtype) {
  for (const Rows16Unit& unit : kUnits) {
    if (unit.dtype == dtype) return &unit;
  }
  return nullptr;
}

void PutCodes(const Rows16Unit& unit, const BlockCodes& codes, uint64_t first, uint64_t count,
              uint64_t row, uint8_t* tile) {
  BlockCodes copy = codes;
  MoveCodes<Put>(unit, &copy, first, count, row, tile);
}

void GetCodes(const Rows16Unit& unit, const uint8_t* tile, uint64_t first, uint64_t count,
              uint64_t row, BlockCodes* codes) {
  std::memset(codes, 0, sizeof(*codes));
  MoveCodes<Get>(unit, codes, first, count, row, tile);
}

void ClearCodesPast(const CodeForm& form, uint64_t count, BlockCodes* codes) {
  for (uint64_t s = count * 32 / form.sub; s < form.subs(); ++s) {
    codes->scale[s] = codes->minimum[s] = 0;
  }
  for (uint64_t k = count * 32; k < form.elements; ++k) codes->q[k] = 0;
}

void PackCodesRow(const Rows16Unit& unit, const uint8_t* blocks, uint64_t cols, uint64_t row,
                  uint8_t* tile) {
  const CodeForm& form = *FindCodeForm(unit.dtype);
  const uint64_t count = cols / 32 + (cols % 32 != 0 ? 1 : 0);
  BlockCodes codes;
  for (uint64_t b = 0; b < count; b += BlocksOf(form)) {
    SplitBlock(form, blocks, &codes);
    PutCodes(unit, codes, b, count, row, tile);
    blocks += FindDType(unit.dtype)->block_bytes;
  }
}

void UnpackCodesRow(const Rows16Unit& unit, const uint8_t* tile, uint64_t cols, uint64_t row,
                    uint8_t* blocks) {
  const CodeForm& form = *FindCodeForm(unit.dtype);
  const uint64_t count = cols / 32 + (cols % 32 != 0 ? 1 : 0);
  BlockCodes codes;
  for (uint64_t b = 0; b < count; b += BlocksOf(form)) {
    GetCodes(unit, tile, b, count, row, &codes);
    JoinBlock(form, codes, blocks);
    blocks += FindDType(unit.dtype)->block_bytes;
  }
}

void DequantizeUnitsRow(const Rows16Unit& unit, const uint8_t* tile, uint64_t cols, uint64_t row,
                        float* out) {
  const CodeForm& form = *FindCodeForm(unit.dtype);
  const uint64_t count = cols / 32 + (cols % 32 != 0 ? 1 : 0);
  BlockCodes codes;
  for (uint64_t b = 0; b < count; b += BlocksOf(form)) {
    GetCodes(unit, tile, b, count, row, &codes);
    const uint64_t left = cols - b * 32;
    DequantizeCodes(form, codes, left < form.elements ? left : form.elements, out + b * 32);
  }
}

}  // namespace samara
