// Weights as the shaders read them.
//
// Row-major F32 (vectors, tables, constants) stays as it is. Every other weight lies in tiles of 16 rows:
//   quants   [chunks][16 rows][16 bytes]   a chunk: 4 values of F32, 8 of F16 and BF16, 16 of Q8_0, 32 of the others
//   high     [blocks][16 rows] u32         5-bit types: bit k is bit 4 of value k of the block
//   scales   [blocks][16 rows] f16 d       Q8_0, Q4_0, Q5_0
//            [blocks][16 rows] f16 d, m    Q4_1, Q5_1
// so that 16 lanes read 256 bytes in a row, each 16 bytes of its own row. Word g of a chunk of 4-bit values holds in
// byte j the values 4g + j (low nibble) and 16 + 4g + j (high nibble). Ends of rows are padded with zeros, and so are rows.
#ifndef SAMARA_BACKENDS_VULKAN_WEIGHTS_H_
#define SAMARA_BACKENDS_VULKAN_WEIGHTS_H_

#include <array>
#include <cstdint>

#include "formats/graph.h"

namespace samara::vulkan {

inline constexpr uint32_t kTileRows = 16;

struct WeightLayout {
  bool tiled = false;
  uint32_t chunk_values = 0;  // values of a chunk
  uint32_t chunks = 0;        // of a row
  uint32_t blocks = 0;        // of a row, 0 for plain types
  uint64_t high_at = 0, scales_at = 0;
  uint64_t tile_bytes = 0;
  uint64_t tiles = 0;
  uint64_t bytes = 0;

  // Push constants: words of a tile, chunks, blocks, words before the high bits and the scales.
  std::array<uint32_t, 5> Words() const {
    return {static_cast<uint32_t>(tile_bytes / 4), chunks, blocks,
            static_cast<uint32_t>(high_at / 4), static_cast<uint32_t>(scales_at / 4)};
  }
};
// Pure. A matrix so large that 64 bits overflow has `bytes` UINT64_MAX.
WeightLayout LayoutOf(const Weight& weight, const WeightPlacement& placement);

// Writes tile `tile` from the bytes of the placement.
void PackTile(const Weight& weight, const WeightPlacement& placement, const WeightLayout& layout,
              uint64_t tile, const uint8_t* host, uint8_t* out);

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_WEIGHTS_H_
