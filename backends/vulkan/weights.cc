#include "backends/vulkan/weights.h"

#include <algorithm>
#include <cstring>

#include "backends/vulkan/device.h"
#include "formats/quant/blocks.h"

namespace samara::vulkan {
namespace {

bool FiveBits(DType dtype) { return dtype == DType::kQ5_0 || dtype == DType::kQ5_1; }
bool HasMinimum(DType dtype) { return dtype == DType::kQ4_1 || dtype == DType::kQ5_1; }

struct Source {
  const uint8_t* data;
  uint64_t bytes;  // readable
};

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

// A tile of the CPU's kRows16: words change places, bits do not change but for the high ones.
void PackRows16(DType dtype, const WeightLayout& layout, const uint8_t* tile, uint8_t* out) {
  const uint32_t groups = dtype == DType::kQ8_0 ? 8 : 4;
  const uint32_t chunks_a_block = dtype == DType::kQ8_0 ? 2 : 1;
  for (uint32_t b = 0; b < layout.blocks; ++b) {
    const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
    for (uint32_t g = 0; g < groups; ++g) {
      const uint32_t chunk = b * chunks_a_block + g / 4;
      for (uint32_t r = 0; r < kTileRows; ++r) {
        std::memcpy(out + (chunk * uint64_t{kTileRows} + r) * 16 + g % 4 * 4,
                    tile + at.quants + (g * kTileRows + r) * 4, 4);
      }
    }
    if (FiveBits(dtype)) {
      uint32_t high[kTileRows] = {};
      for (uint32_t g = 0; g < 8; ++g) {
        uint64_t bits;
        std::memcpy(&bits, tile + at.high_bits + g * 8, 8);
        for (uint32_t r = 0; r < kTileRows; ++r) {
          high[r] |= static_cast<uint32_t>(bits >> (4 * r) & 15) << (4 * g);
        }
      }
      std::memcpy(out + layout.high_at + b * sizeof high, high, sizeof high);
    }
    if (HasMinimum(dtype)) {
      for (uint32_t r = 0; r < kTileRows; ++r) {
        uint8_t* to = out + layout.scales_at + (b * uint64_t{kTileRows} + r) * 4;
        std::memcpy(to, tile + at.scales + r * 2, 2);
        std::memcpy(to + 2, tile + at.minimums + r * 2, 2);
      }
    } else {
      std::memcpy(out + layout.scales_at + b * uint64_t{kTileRows} * 2, tile + at.scales,
                  kTileRows * 2);
    }
  }
}

// Rows one after the other in the codec's own blocks (formats/quant/blocks.h).
void PackBlocks(DType dtype, const WeightLayout& layout, uint64_t rows, const uint8_t* data,
                uint64_t row_bytes, uint8_t* out) {
  const uint32_t block_bytes = FindDType(dtype)->block_bytes;
  const bool minimum = HasMinimum(dtype), five = FiveBits(dtype);
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint32_t b = 0; b < layout.blocks; ++b) {
      const uint8_t* block = data + r * row_bytes + uint64_t{b} * block_bytes;
      const uint64_t unit = b * uint64_t{kTileRows} + r;
      std::memcpy(out + layout.scales_at + unit * (minimum ? 4 : 2), block, minimum ? 4 : 2);
      block += minimum ? 4 : 2;
      if (five) {
        std::memcpy(out + layout.high_at + unit * 4, block, 4);
        block += 4;
      }
      if (dtype == DType::kQ8_0) {
        for (uint32_t half = 0; half < 2; ++half) {
          std::memcpy(out + ((2 * b + half) * uint64_t{kTileRows} + r) * 16, block + half * 16, 16);
        }
      } else {
        std::memcpy(out + unit * 16, block, 16);
      }
    }
  }
}

}  // namespace

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
    l.blocks = (cols + 31) / 32;
    l.chunk_values = weight.dtype == DType::kQ8_0 ? 16 : 32;
    l.chunks = l.blocks * (32 / l.chunk_values);
  } else {
    l.chunk_values = 16 / info->block_bytes;
    l.chunks = (cols + l.chunk_values - 1) / l.chunk_values;
  }
  l.high_at = uint64_t{l.chunks} * kTileRows * 16;
  l.scales_at = l.high_at + (FiveBits(weight.dtype) ? uint64_t{l.blocks} * kTileRows * 4 : 0);
  l.tile_bytes = l.scales_at + uint64_t{l.blocks} * kTileRows * (HasMinimum(weight.dtype) ? 4 : 2);
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
    if (quantized) return PackBlocks(weight.dtype, layout, rows, data, row_bytes, out);
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
