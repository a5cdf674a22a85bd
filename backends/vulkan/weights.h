// Weights as the shaders read them.
//
// Row-major F32 (vectors, tables, constants) stays as it is. Every other weight lies in tiles of 16 rows, so that 16 lanes
// read whole lines, each its own row. Plain types: [chunks][16 rows][16 bytes]. Quantized ones, in blocks of 32 values,
// G = 0 .. 7 the group of values 4G + j, byte j of a word:
//   quants   [blocks][16 rows] of 8 bits: [blocks][2 halves][16 rows][4 words], word g of half h the group 4h + g
//                              of 4 bits: 4 words, word g the groups g (low nibbles) and 4 + g (high nibbles)
//                              of 2 bits: 2 words, word h the groups 4h + g from bit 2g of each byte on
//   high     [blocks][16 rows] 1 bit more: a word, group G in bit G of each byte; 2 bits more: like quants of 2 bits
//   scales   by the type's rule:
//     half      [blocks][16 rows] f16 d; with a minimum pairs d, m
//     exponent  [blocks][16 rows] u8
//     bytes     [blocks][16 rows][2 halves] u8 codes, scale or scale (low nibble) and minimum; then
//               [super-blocks][16 rows] f16 d; with a minimum pairs d, m
//     six bits  [super-blocks][16 rows][4 words]: d, m; nibbles of scales; nibbles of minimums, or of scales of second
//               halves; 2 high bits of each, from bit 0 and from bit 16 on. With one kind of code only [2 words]: d and,
//               from bit 16 on, the high bits; nibbles.
// Ends of rows are padded with zeros, and so are rows.
#ifndef SAMARA_BACKENDS_VULKAN_WEIGHTS_H_
#define SAMARA_BACKENDS_VULKAN_WEIGHTS_H_

#include <array>
#include <cstdint>

#include "formats/graph.h"

namespace samara::vulkan {

inline constexpr uint32_t kTileRows = 16;

struct WeightLayout {
  bool tiled = false;
  uint32_t chunk_values = 0;  // of a chunk: 16 bytes of a plain type, or a block
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
// What shaders know of a type (shaders/weights.glsl), a specialization constant.
uint32_t FormOf(DType dtype);

// Pure. A matrix so large that 64 bits overflow has `bytes` UINT64_MAX.
WeightLayout LayoutOf(const Weight& weight, const WeightPlacement& placement);

// Writes tile `tile` from the bytes of the placement.
void PackTile(const Weight& weight, const WeightPlacement& placement, const WeightLayout& layout,
              uint64_t tile, const uint8_t* host, uint8_t* out);

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_WEIGHTS_H_
