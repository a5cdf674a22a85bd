#include "backends/vulkan/weights.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/vulkan/device.h"
#include "formats/layout/units.h"
#include "formats/quant/blocks.h"

namespace samara::vulkan {
namespace {

enum class ScaleRule : uint32_t { kHalf, kExponent, kBytes, kSixBits };

// A quantized type; formats/quant/codes.h and blocks.h say what its values are.
struct Form {
  uint32_t low_bits, high_bits;  // of a quant
  bool minimum, halves;          // halves: sub-blocks of 16
  ScaleRule rule;
  uint32_t values;                  // 0 none, 1 IQ4, 2 FP4
  uint32_t quant_bias, scale_bias;  // taken from codes
  bool single() const { return !minimum && !halves; }
  uint32_t pair_bytes() const { return minimum ? 4 : 2; }  // d, or d and m
};

Form QuantizedForm(DType dtype) {
  Form f = {};
  if (const CodeForm* codes = FindCodeForm(dtype)) {
    f.low_bits = codes->bits < 4 ? 2 : 4;
    f.high_bits = codes->bits - f.low_bits;
    f.minimum = codes->minimum;
    f.halves = codes->sub == 16;
    f.values = codes->values == kIq4Values ? 1 : codes->values == kFp4Values ? 2 : 0;
    f.quant_bias = static_cast<uint32_t>(codes->quant_bias);
    f.scale_bias = static_cast<uint32_t>(codes->scale_bias);
    f.rule = dtype == DType::kMXFP4  ? ScaleRule::kExponent
             : codes->elements == 32 ? ScaleRule::kHalf
             : dtype == DType::kQ2_K ? ScaleRule::kBytes
             : dtype == DType::kQ6_K ? ScaleRule::kBytes
                                     : ScaleRule::kSixBits;
    return f;
  }
  const bool five = dtype == DType::kQ5_0 || dtype == DType::kQ5_1;
  f.minimum = dtype == DType::kQ4_1 || dtype == DType::kQ5_1;
  f.low_bits = dtype == DType::kQ8_0 ? 8 : 4;
  f.high_bits = five ? 1 : 0;
  f.quant_bias = dtype == DType::kQ4_0 ? 8 : dtype == DType::kQ5_0 ? 16 : 0;
  return f;
}

uint32_t SuperBlocks(const WeightLayout& layout) { return (layout.blocks + 7) / 8; }

// Four bits as bit 0 of four bytes.
uint32_t Spread(uint32_t bits) { return ((bits & 15) * 0x00204081u) & 0x01010101u; }

uint32_t Load(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, 4);
  return word;
}
void Store(uint8_t* p, uint32_t word) { std::memcpy(p, &word, 4); }

// Plain types: value k of row r of the tile is `size` bytes at data + offset(r, k).
template <typename Offset>
void PackPlain(const WeightLayout& layout, uint64_t rows, uint64_t cols, uint32_t size,
               const uint8_t* data, Offset offset, uint8_t* out) {
  for (uint32_t c = 0; c < layout.chunks; ++c) {
    const uint64_t k0 = uint64_t{c} * layout.chunk_values;
    const uint64_t n = std::min<uint64_t>(layout.chunk_values, cols - k0);
    for (uint64_t r = 0; r < rows; ++r) {
      uint8_t* to = out + (c * uint64_t{kTileRows} + r) * 16;
      for (uint64_t i = 0; i < n; ++i) std::memcpy(to + i * size, data + offset(r, k0 + i), size);
    }
  }
}

// Bodies of a tile of the CPU's kRows16: words change places, bits do not change but for those of fifth bits.
void PackBodies(DType dtype, const Form& form, const WeightLayout& layout, const uint8_t* tile,
                uint8_t* out) {
  const uint32_t words = form.low_bits;  // of a block of a row
  for (uint32_t b = 0; b < layout.blocks; ++b) {
    const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
    const bool units = FindCodeForm(dtype) != nullptr;
    const uint8_t* high = tile + (units ? at.quants : at.high_bits);
    const uint8_t* quants = tile + at.quants + (units ? form.high_bits * 64 : 0);
    for (uint32_t r = 0; r < kTileRows; ++r) {
      const uint64_t unit = b * uint64_t{kTileRows} + r;
      for (uint32_t g = 0; g < words; ++g) {
        const uint64_t to = form.low_bits == 8
                                ? ((2 * b + g / 4) * uint64_t{kTileRows} + r) * 16 + g % 4 * 4
                                : (unit * words + g) * 4;
        std::memcpy(out + to, quants + (g * kTileRows + r) * 4, 4);
      }
      uint8_t* to = out + layout.high_at + unit * form.high_bits * 4;
      if (form.high_bits == 2 || (form.high_bits == 1 && form.low_bits == 2)) {
        for (uint32_t h = 0; h < form.high_bits; ++h) {
          std::memcpy(to + h * 4, high + (h * kTileRows + r) * 4, 4);
        }
      } else if (form.high_bits == 1) {
        uint32_t word = 0;
        for (uint32_t g = 0; g < 8; ++g) {
          word |= Spread(high[g * 8 + r / 2] >> (r % 2 * 4)) << g;
        }
        Store(to, word);
      }
    }
  }
}

// Their scales, of the types of formats/quant/codes.h: headers of units (formats/layout/layout.h).
void PackHeaders(DType dtype, const Form& form, const WeightLayout& layout, const uint8_t* tile,
                 uint8_t* out) {
  const uint32_t unit_blocks = FindRows16Unit(dtype)->blocks;
  uint8_t* scales = out + layout.scales_at;
  for (uint32_t first = 0; first < layout.blocks; first += unit_blocks) {
    const uint8_t* header = tile + Rows16BlockOffsets(dtype, first).scales;
    const uint32_t n = std::min(unit_blocks, layout.blocks - first);
    if (form.rule == ScaleRule::kHalf || form.rule == ScaleRule::kExponent) {
      const uint32_t bytes = (form.rule == ScaleRule::kHalf ? 2 : 1) * kTileRows;
      std::memcpy(scales + uint64_t{first} * bytes, header, n * bytes);
      continue;
    }
    for (uint32_t r = 0; r < kTileRows; ++r) {
      const uint64_t row = uint64_t{first} / 8 * kTileRows + r;  // of a super-block
      const uint8_t* words = header + 64 + r * 4;                // 64 bytes from one to the next
      if (form.rule == ScaleRule::kBytes) {
        for (uint32_t i = 0; i < n; ++i) {
          uint8_t* to = scales + ((first + i) * uint64_t{kTileRows} + r) * 2;
          for (uint32_t h = 0; h < 2; ++h) {
            to[h] = form.minimum
                        ? static_cast<uint8_t>((Load(words + h * 64) >> (4 * i) & 15) |
                                               (Load(words + (2 + h) * 64) >> (4 * i) & 15) << 4)
                        : header[64 + (2 * i + h) * kTileRows + r];
          }
        }
        uint8_t* to = scales + layout.blocks * uint64_t{kTileRows} * 2 + row * form.pair_bytes();
        std::memcpy(to, header + r * 2, 2);
        if (form.minimum) std::memcpy(to + 2, header + 32 + r * 2, 2);
        continue;
      }
      uint8_t* to = scales + row * (form.single() ? 8 : 16);
      std::memcpy(to, header + r * 2, 2);
      std::memcpy(to + 2, header + 32 + r * 2, 2);
      for (uint32_t i = 0; i < (form.single() ? 1 : 3); ++i) {
        std::memcpy(to + 4 + i * 4, words + i * 64, 4);
      }
    }
  }
}

void PackRows16(DType dtype, const WeightLayout& layout, const uint8_t* tile, uint8_t* out) {
  const Form form = QuantizedForm(dtype);
  PackBodies(dtype, form, layout, tile, out);
  if (FindCodeForm(dtype) != nullptr) return PackHeaders(dtype, form, layout, tile, out);
  for (uint32_t b = 0; b < layout.blocks; ++b) {
    const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
    for (uint32_t r = 0; r < kTileRows; ++r) {
      uint8_t* to = out + layout.scales_at + (b * uint64_t{kTileRows} + r) * form.pair_bytes();
      std::memcpy(to, tile + at.scales + r * 2, 2);
      if (form.minimum) std::memcpy(to + 2, tile + at.minimums + r * 2, 2);
    }
  }
}

// Rows one after the other in the codec's own blocks (formats/quant/blocks.h).
void PackBlocks(DType dtype, const WeightLayout& layout, uint64_t rows, uint64_t cols,
                const uint8_t* data, uint64_t row_bytes, uint8_t* out) {
  if (const Rows16Unit* unit = FindRows16Unit(dtype)) {
    uint64_t tile_bytes = 0;
    if (!LayoutTileBytes(Layout::kRows16, dtype, cols, &tile_bytes)) return;  // was checked
    std::vector<uint8_t> tile(tile_bytes);
    for (uint64_t r = 0; r < rows; ++r) {
      PackCodesRow(*unit, data + r * row_bytes, cols, r, tile.data());
    }
    return PackRows16(dtype, layout, tile.data(), out);
  }
  const uint32_t block_bytes = FindDType(dtype)->block_bytes;
  const Form form = QuantizedForm(dtype);
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint32_t b = 0; b < layout.blocks; ++b) {
      const uint8_t* block = data + r * row_bytes + uint64_t{b} * block_bytes;
      const uint64_t unit = b * uint64_t{kTileRows} + r;
      std::memcpy(out + layout.scales_at + unit * form.pair_bytes(), block, form.pair_bytes());
      block += form.pair_bytes();
      if (form.high_bits != 0) {
        uint32_t word = 0;
        for (uint32_t g = 0; g < 8; ++g) word |= Spread(Load(block) >> (4 * g)) << g;
        Store(out + layout.high_at + unit * 4, word);
        block += 4;
      }
      if (form.low_bits == 8) {
        for (uint32_t half = 0; half < 2; ++half) {
          std::memcpy(out + ((2 * b + half) * uint64_t{kTileRows} + r) * 16, block + half * 16, 16);
        }
      } else {
        std::memcpy(out + unit * 16, block, 16);
      }
    }
  }
}

// Bytes of the scales of a tile.
uint64_t ScaleBytes(const Form& form, const WeightLayout& layout) {
  const uint64_t blocks = uint64_t{layout.blocks} * kTileRows;
  const uint64_t supers = uint64_t{SuperBlocks(layout)} * kTileRows;
  switch (form.rule) {
    case ScaleRule::kHalf:
      return blocks * form.pair_bytes();
    case ScaleRule::kExponent:
      return blocks;
    case ScaleRule::kBytes:
      return blocks * 2 + supers * form.pair_bytes();
    case ScaleRule::kSixBits:
      break;
  }
  return supers * (form.single() ? 8 : 16);
}

}  // namespace

uint32_t FormOf(DType dtype) {
  if (dtype == DType::kF32) return 0;
  if (dtype == DType::kF16) return 1;
  if (dtype == DType::kBF16) return 2;
  const Form f = QuantizedForm(dtype);
  return 3 | f.low_bits << 2 | f.high_bits << 6 | (f.minimum ? 1u << 8 : 0) |
         (f.halves ? 1u << 9 : 0) | static_cast<uint32_t>(f.rule) << 10 | f.values << 12 |
         f.quant_bias << 14 | f.scale_bias << 20;
}

WeightLayout LayoutOf(const Weight& weight, const WeightPlacement& placement) {
  WeightLayout l;
  const DTypeInfo* info = FindDType(weight.dtype);
  if (info == nullptr || (placement.layout == Layout::kRowMajor && weight.dtype == DType::kF32)) {
    l.bytes = placement.bytes;
    return l;
  }
  l.tiled = true;
  l.tiles = (weight.rows + kTileRows - 1) / kTileRows;
  if (weight.cols > uint64_t{1} << 30) {
    l.bytes = UINT64_MAX;
    return l;
  }
  const uint32_t cols = static_cast<uint32_t>(weight.cols);
  if (info->is_quantized) {
    const Form form = QuantizedForm(weight.dtype);
    l.blocks = l.chunks = (cols + 31) / 32;
    l.chunk_values = 32;
    l.high_at = uint64_t{l.blocks} * kTileRows * form.low_bits * 4;
    l.scales_at = l.high_at + uint64_t{l.blocks} * kTileRows * form.high_bits * 4;
    l.tile_bytes = l.scales_at + ScaleBytes(form, l);
  } else {
    l.chunk_values = 16 / info->block_bytes;
    l.chunks = (cols + l.chunk_values - 1) / l.chunk_values;
    l.high_at = l.scales_at = l.tile_bytes = uint64_t{l.chunks} * kTileRows * 16;
  }
  if (__builtin_mul_overflow(l.tiles, l.tile_bytes, &l.bytes)) l.bytes = UINT64_MAX;
  return l;
}

void PackTile(const Weight& weight, const WeightPlacement& placement, const WeightLayout& layout,
              uint64_t tile, const uint8_t* host, uint8_t* out) {
  std::memset(out, 0, layout.tile_bytes);
  const uint64_t first = tile * kTileRows;
  const uint64_t rows = std::min<uint64_t>(kTileRows, weight.rows - first);
  const uint64_t cols = weight.cols;
  const bool quantized = layout.blocks != 0;
  const uint32_t size = quantized ? 0 : FindDType(weight.dtype)->block_bytes;
  if (placement.layout == Layout::kRowMajor) {
    const uint64_t row_bytes = RowBytes(weight.dtype, cols);
    const uint8_t* data = host + first * row_bytes;
    if (quantized) return PackBlocks(weight.dtype, layout, rows, cols, data, row_bytes, out);
    return PackPlain(
        layout, rows, cols, size, data,
        [=](uint64_t r, uint64_t k) { return r * row_bytes + k * size; }, out);
  }
  // Tiles of the CPU's layouts; its plain types have 32 rows a tile.
  const uint32_t tile_rows = LayoutTileRows(placement.layout);
  uint64_t tile_bytes = 0;
  if (!LayoutTileBytes(placement.layout, weight.dtype, cols, &tile_bytes)) return;  // was checked
  const uint8_t* data = host + first / tile_rows * tile_bytes;
  if (quantized) return PackRows16(weight.dtype, layout, data, out);
  const uint64_t row = first % tile_rows;
  if (placement.layout == Layout::kRows32Pairs) {
    PackPlain(
        layout, rows, cols, size, data,
        [=](uint64_t r, uint64_t k) {
          return (k / 2 * tile_rows * 2 + (row + r) * 2 + k % 2) * size;
        },
        out);
  } else {
    PackPlain(
        layout, rows, cols, size, data,
        [=](uint64_t r, uint64_t k) { return (k * tile_rows + row + r) * size; }, out);
  }
}

// Tiles go through the staging buffer, or straight into memory that the device shares.
Status VulkanDevice::UploadWeight(uint64_t handle, const Weight& weight,
                                  const WeightPlacement& placement, const void* host) {
  const WeightLayout layout = LayoutOf(weight, placement);
  if (!layout.tiled) return Upload(handle, 0, host, placement.bytes);
  const Buffer* buffer = nullptr;
  SAMARA_RETURN_IF_ERROR(Find(handle, 0, layout.bytes, &buffer));
  const uint8_t* from = static_cast<const uint8_t*>(host);
  if (buffer->mapped != nullptr) {
    SAMARA_RETURN_IF_ERROR(Finish());
    for (uint64_t t = 0; t < layout.tiles; ++t) {
      PackTile(weight, placement, layout, t, from, buffer->mapped + t * layout.tile_bytes);
    }
    return Status();
  }
  const Buffer& staging = buffers_[staging_handle_ - 1];
  if (layout.tile_bytes > kStagingBytes) {
    return Unsupported("vulkan: 16 rows of weight %s have %llu bytes, at most %llu",
                       Quoted(weight.name).c_str(),
                       static_cast<unsigned long long>(layout.tile_bytes),
                       static_cast<unsigned long long>(kStagingBytes));
  }
  const uint64_t piece = kStagingBytes / layout.tile_bytes;
  for (uint64_t first = 0; first < layout.tiles; first += piece) {
    const uint64_t n = std::min(piece, layout.tiles - first);
    uint32_t half = 0;
    SAMARA_RETURN_IF_ERROR(BeginTransfer(&half));
    for (uint64_t t = 0; t < n; ++t) {
      PackTile(weight, placement, layout, first + t, from,
               staging.mapped + half * kStagingBytes + t * layout.tile_bytes);
    }
    const VkBufferCopy copy = {half * kStagingBytes, first * layout.tile_bytes,
                               n * layout.tile_bytes};
    context_->api().CmdCopyBuffer(transfers_[half].commands, staging.buffer, buffer->buffer, 1,
                                  &copy);
    SAMARA_RETURN_IF_ERROR(EndTransfer(half));
  }
  return Status();
}

}  // namespace samara::vulkan
