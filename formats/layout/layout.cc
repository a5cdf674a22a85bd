#include "formats/layout/layout.h"

#include <bit>
#include <cstring>

#include "formats/layout/units.h"
#include "formats/quant/blocks.h"

namespace samara {
namespace {

constexpr uint64_t kBlock = 32;
constexpr uint64_t kScaleLine =
    64;  // 32 f16: the scales of two blocks, or scales and minimums of one

// What kRows16 knows of a quantized codec.
struct Rows16Form {
  bool eight_bits;
  bool five_bits;
  bool affine;  // has a minimum
  uint64_t body() const { return eight_bits ? 512 : five_bits ? 320 : 256; }
  uint64_t header() const { return affine ? 4 : 2; }  // bytes of f16 in a row-major block
};

bool FindForm(DType dtype, Rows16Form* form) {
  switch (dtype) {
    case DType::kQ8_0:
      *form = {true, false, false};
      return true;
    case DType::kQ4_0:
      *form = {false, false, false};
      return true;
    case DType::kQ4_1:
      *form = {false, false, true};
      return true;
    case DType::kQ5_0:
      *form = {false, true, false};
      return true;
    case DType::kQ5_1:
      *form = {false, true, true};
      return true;
    default:
      return false;
  }
}

uint64_t CeilDiv(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }
bool Multiply(uint64_t a, uint64_t b, uint64_t* out) { return !__builtin_mul_overflow(a, b, out); }
bool Add(uint64_t a, uint64_t b, uint64_t* out) { return !__builtin_add_overflow(a, b, out); }

// Values of magnitude below 2^-56 have a biased exponent below 127 - 56.
uint16_t FlushTinyBf16(uint16_t bits) { return (bits >> 7 & 255) < 71 ? 0 : bits; }

uint64_t ElementBytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

void PackBlock(const Rows16Form& form, DType dtype, const uint8_t* block, uint64_t b, uint64_t row,
               uint8_t* tile) {
  const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
  std::memcpy(tile + at.scales + 2 * row, block, 2);
  if (form.affine) std::memcpy(tile + at.minimums + 2 * row, block + 2, 2);
  block += form.header();
  if (form.eight_bits) {
    for (uint64_t g = 0; g < 8; ++g) {
      std::memcpy(tile + at.quants + (g * 16 + row) * 4, block + 4 * g, 4);
    }
    return;
  }
  if (form.five_bits) {
    uint32_t high;
    std::memcpy(&high, block, 4);
    block += 4;
    for (uint64_t g = 0; g < 8; ++g) {
      uint64_t word;
      std::memcpy(&word, tile + at.high_bits + 8 * g, 8);
      word |= static_cast<uint64_t>(high >> (4 * g) & 15) << (4 * row);
      std::memcpy(tile + at.high_bits + 8 * g, &word, 8);
    }
  }
  // Byte j of a block's nibbles holds elements j and 16 + j, and so does byte j of the packed
  // groups.
  for (uint64_t g = 0; g < 4; ++g) {
    std::memcpy(tile + at.quants + (g * 16 + row) * 4, block + 4 * g, 4);
  }
}

void UnpackBlock(const Rows16Form& form, DType dtype, const uint8_t* tile, uint64_t b, uint64_t row,
                 uint8_t* block) {
  const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
  std::memcpy(block, tile + at.scales + 2 * row, 2);
  if (form.affine) std::memcpy(block + 2, tile + at.minimums + 2 * row, 2);
  block += form.header();
  if (form.five_bits) {
    uint32_t high = 0;
    for (uint64_t g = 0; g < 8; ++g) {
      uint64_t word;
      std::memcpy(&word, tile + at.high_bits + 8 * g, 8);
      high |= static_cast<uint32_t>(word >> (4 * row) & 15) << (4 * g);
    }
    std::memcpy(block, &high, 4);
    block += 4;
  }
  const uint64_t groups = form.eight_bits ? 8 : 4;
  for (uint64_t g = 0; g < groups; ++g) {
    std::memcpy(block + 4 * g, tile + at.quants + (g * 16 + row) * 4, 4);
  }
}

}  // namespace

const char* LayoutName(Layout layout) {
  switch (layout) {
    case Layout::kRowMajor:
      return "row_major";
    case Layout::kRows32:
      return "rows32";
    case Layout::kRows32Pairs:
      return "rows32_pairs";
    case Layout::kRows16:
      return "rows16";
    case Layout::kInvalid:
      break;
  }
  return "unknown";
}

Layout MatmulLayout(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF16:
      return Layout::kRows32;
    case DType::kBF16:
      return Layout::kRows32Pairs;
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
      return Layout::kRows16;
    default:
      return FindRows16Unit(dtype) != nullptr ? Layout::kRows16 : Layout::kInvalid;
  }
}

uint32_t LayoutTileRows(Layout layout) {
  switch (layout) {
    case Layout::kRows32:
    case Layout::kRows32Pairs:
      return 32;
    case Layout::kRows16:
      return 16;
    default:
      return 1;
  }
}

bool LayoutHolds(Layout layout, DType dtype) {
  const Layout matmul = MatmulLayout(dtype);
  return matmul != Layout::kInvalid && (layout == Layout::kRowMajor || layout == matmul);
}

bool LayoutTileBytes(Layout layout, DType dtype, uint64_t cols, uint64_t* bytes) {
  const DTypeInfo* info = FindDType(dtype);
  if (info == nullptr || !LayoutHolds(layout, dtype)) return false;
  switch (layout) {
    case Layout::kRowMajor:
      return Multiply(CeilDiv(cols, info->block_elements), info->block_bytes, bytes);
    case Layout::kRows32:
      return Multiply(cols, 32 * ElementBytes(dtype), bytes);
    case Layout::kRows32Pairs:
      return Multiply(CeilDiv(cols, 2), 32 * 4, bytes);
    case Layout::kRows16: {
      const uint64_t blocks = CeilDiv(cols, kBlock);
      uint64_t bodies, lines;
      if (const Rows16Unit* unit = FindRows16Unit(dtype)) {
        return Multiply(blocks, unit->body, &bodies) &&
               Multiply(CeilDiv(blocks, unit->blocks), unit->header, &lines) &&
               Add(bodies, lines, bytes);
      }
      Rows16Form form;
      if (!FindForm(dtype, &form)) return false;
      return Multiply(blocks, form.body(), &bodies) &&
             Multiply(form.affine ? blocks : CeilDiv(blocks, 2), kScaleLine, &lines) &&
             Add(bodies, lines, bytes);
    }
    case Layout::kInvalid:
      break;
  }
  return false;
}

bool LayoutBytes(Layout layout, DType dtype, uint64_t rows, uint64_t cols, uint64_t* bytes) {
  uint64_t tile;
  return LayoutTileBytes(layout, dtype, cols, &tile) &&
         Multiply(CeilDiv(rows, LayoutTileRows(layout)), tile, bytes);
}

Rows16Offsets Rows16BlockOffsets(DType dtype, uint64_t block) {
  if (const Rows16Unit* unit = FindRows16Unit(dtype)) {
    const uint64_t header = block / unit->blocks * unit->bytes();
    return {header, 0, 0, header + unit->header + block % unit->blocks * unit->body};
  }
  Rows16Form form;
  if (!FindForm(dtype, &form)) return {};
  Rows16Offsets at = {};
  uint64_t body;
  if (form.affine) {
    at.scales = block * (kScaleLine + form.body());
    at.minimums = at.scales + 32;
    body = at.scales + kScaleLine;
  } else {
    const uint64_t pair = block / 2 * (kScaleLine + 2 * form.body());
    at.scales = pair + block % 2 * 32;
    body = pair + kScaleLine + block % 2 * form.body();
  }
  at.high_bits = form.five_bits ? body : 0;
  at.quants = body + (form.five_bits ? 64 : 0);
  return at;
}

void PackRows(Layout layout, DType dtype, const uint8_t* rows, uint64_t row_bytes, uint64_t n_rows,
              uint64_t cols, uint8_t* out) {
  uint64_t tile_bytes, total;
  if (!LayoutTileBytes(layout, dtype, cols, &tile_bytes)) return;
  if (!LayoutBytes(layout, dtype, n_rows, cols, &total) || total == 0) return;
  if (layout == Layout::kRowMajor) {
    for (uint64_t r = 0; r < n_rows; ++r) {
      std::memcpy(out + r * tile_bytes, rows + r * row_bytes, tile_bytes);
    }
    return;
  }
  std::memset(out, 0, total);
  const uint64_t tile_rows = LayoutTileRows(layout);
  Rows16Form form = {};
  const Rows16Unit* unit = FindRows16Unit(dtype);
  if (unit == nullptr) FindForm(dtype, &form);
  const uint64_t blocks = CeilDiv(cols, kBlock);
  const DTypeInfo* info = FindDType(dtype);
  for (uint64_t r = 0; r < n_rows; ++r) {
    const uint8_t* in = rows + r * row_bytes;
    uint8_t* tile = out + r / tile_rows * tile_bytes;
    const uint64_t lane = r % tile_rows;
    if (layout == Layout::kRows32) {
      const uint64_t size = ElementBytes(dtype);
      for (uint64_t k = 0; k < cols; ++k) {
        std::memcpy(tile + (k * 32 + lane) * size, in + k * size, size);
      }
    } else if (layout == Layout::kRows32Pairs) {
      for (uint64_t k = 0; k < cols; ++k) {
        uint16_t bits;
        std::memcpy(&bits, in + 2 * k, 2);
        bits = FlushTinyBf16(bits);
        std::memcpy(tile + ((k / 2 * 32 + lane) * 2 + k % 2) * 2, &bits, 2);
      }
    } else if (unit != nullptr) {
      PackCodesRow(*unit, in, cols, lane, tile);
    } else {
      for (uint64_t b = 0; b < blocks; ++b) {
        PackBlock(form, dtype, in + b * info->block_bytes, b, lane, tile);
      }
    }
  }
}

void UnpackRow(Layout layout, DType dtype, const uint8_t* packed, uint64_t row, uint64_t cols,
               uint8_t* out) {
  uint64_t tile_bytes;
  if (!LayoutTileBytes(layout, dtype, cols, &tile_bytes) || tile_bytes == 0) return;
  const uint64_t tile_rows = LayoutTileRows(layout);
  const uint8_t* tile = packed + row / tile_rows * tile_bytes;
  const uint64_t lane = row % tile_rows;
  switch (layout) {
    case Layout::kRowMajor:
      std::memcpy(out, tile, tile_bytes);
      return;
    case Layout::kRows32: {
      const uint64_t size = ElementBytes(dtype);
      for (uint64_t k = 0; k < cols; ++k) {
        std::memcpy(out + k * size, tile + (k * 32 + lane) * size, size);
      }
      return;
    }
    case Layout::kRows32Pairs:
      for (uint64_t k = 0; k < cols; ++k) {
        std::memcpy(out + 2 * k, tile + ((k / 2 * 32 + lane) * 2 + k % 2) * 2, 2);
      }
      return;
    case Layout::kRows16: {
      if (const Rows16Unit* unit = FindRows16Unit(dtype)) {
        return UnpackCodesRow(*unit, tile, cols, lane, out);
      }
      Rows16Form form;
      if (!FindForm(dtype, &form)) return;
      const uint64_t block_bytes = FindDType(dtype)->block_bytes;
      for (uint64_t b = 0; b < CeilDiv(cols, kBlock); ++b) {
        UnpackBlock(form, dtype, tile, b, lane, out + b * block_bytes);
      }
      return;
    }
    case Layout::kInvalid:
      return;
  }
}

void DequantizePackedRow(Layout layout, DType dtype, const uint8_t* packed, uint64_t row,
                         uint64_t cols, float* out) {
  uint64_t tile_bytes;
  if (!LayoutTileBytes(layout, dtype, cols, &tile_bytes) || tile_bytes == 0) return;
  const uint64_t tile_rows = LayoutTileRows(layout);
  const uint8_t* tile = packed + row / tile_rows * tile_bytes;
  const uint64_t lane = row % tile_rows;
  switch (layout) {
    case Layout::kRowMajor:
      DequantizeRow(dtype, tile, cols, out);
      return;
    case Layout::kRows32:
    case Layout::kRows32Pairs: {
      const uint64_t size = ElementBytes(dtype);
      for (uint64_t k = 0; k < cols; ++k) {
        const uint64_t at =
            layout == Layout::kRows32 ? k * 32 + lane : (k / 2 * 32 + lane) * 2 + k % 2;
        DequantizeRow(dtype, tile + at * size, 1, out + k);
      }
      return;
    }
    case Layout::kRows16: {
      if (const Rows16Unit* unit = FindRows16Unit(dtype)) {
        return DequantizeUnitsRow(*unit, tile, cols, lane, out);
      }
      Rows16Form form;
      if (!FindForm(dtype, &form)) return;
      uint8_t block[64];  // the largest row-major block has 34 bytes
      for (uint64_t b = 0; b * kBlock < cols; ++b) {
        UnpackBlock(form, dtype, tile, b, lane, block);
        const uint64_t left = cols - b * kBlock;
        DequantizeRow(dtype, block, left < kBlock ? left : kBlock, out + b * kBlock);
      }
      return;
    }
    case Layout::kInvalid:
      return;
  }
}

}  // namespace samara
