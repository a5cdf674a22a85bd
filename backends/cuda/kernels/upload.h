// The kernels that bring weights into the device's layout, from pieces as they lie in a package.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_UPLOAD_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_UPLOAD_H_

#include "backends/cuda/kernels/matrix.h"
#include "formats/layout/layout.h"

namespace samara::cuda {

SAMARA_DEVICE uint32_t Byte(const uint8_t* p, uint64_t at) { return p[at]; }
SAMARA_DEVICE uint32_t Bytes2(const uint8_t* p, uint64_t at) {
  return Byte(p, at) | Byte(p, at + 1) << 8;
}
SAMARA_DEVICE uint32_t Bytes4(const uint8_t* p, uint64_t at) {
  return Bytes2(p, at) | Bytes2(p, at + 2) << 16;
}

// Word i (four bytes) of a unit of plain elements: `size` bytes each, k the first column of the word.
SAMARA_DEVICE uint32_t PlainWord(const UploadArgs& a, const uint8_t* tile, uint32_t lane,
                                 uint32_t k) {
  const uint32_t size = a.to.type == kF32 ? 4 : 2;
  uint32_t word = 0;
  for (uint32_t e = 0; e < 4 / size; ++e) {
    const uint64_t col = k + e;
    if (col >= a.to.cols) break;
    uint64_t at = 0;
    switch (static_cast<Layout>(a.layout)) {
      case Layout::kRowMajor:
        at = col * size;
        break;
      case Layout::kRows32:
        at = (col * 32 + lane) * size;
        break;
      default:  // kRows32Pairs
        at = ((col / 2 * 32 + lane) * 2 + col % 2) * size;
        break;
    }
    word |= (size == 4 ? Bytes4(tile, at) : Bytes2(tile, at)) << (16 * e);
  }
  return word;
}

// --- Blocks in the layouts of a package ----------------------------------------------------------------------

// Where a block of 32 lies: in tiles of kRows16, or row-major in ggml's blocks (formats/quant), of which the first byte
// of the block, or of the super-block that it is in, is given.
struct RawBlock {
  const uint8_t* p;       // row-major
  const uint8_t* header;  // tiles: of the unit
  const uint8_t* body;
  uint32_t lane, block;
};

SAMARA_DEVICE bool OfSupers(uint32_t type) {
  return (type >= kQ2_K && type <= kQ6_K) || type == kIQ4_XS;
}

// Bytes of a block of ggml, and where the parts lie in it.
struct RawPlaces {
  uint32_t bytes, quants, high, scales, d;
};
SAMARA_DEVICE RawPlaces PlacesOf(uint32_t type) {
  switch (type) {
    case kQ8_0:
      return {34, 2, 0, 0, 0};
    case kQ4_0:
    case kIQ4_NL:
      return {18, 2, 0, 0, 0};
    case kQ4_1:
      return {20, 4, 0, 0, 0};
    case kQ5_0:
      return {22, 6, 2, 0, 0};
    case kQ5_1:
      return {24, 8, 4, 0, 0};
    case kQ2_K:
      return {84, 16, 0, 0, 80};
    case kQ3_K:
      return {110, 32, 0, 96, 108};
    case kQ4_K:
      return {144, 16, 0, 4, 0};
    case kQ5_K:
      return {176, 48, 16, 4, 0};
    case kQ6_K:
      return {210, 0, 128, 192, 208};
    case kIQ4_XS:
      return {136, 8, 0, 4, 0};
    default:  // MXFP4
      return {17, 1, 0, 0, 0};
  }
}

// Code of element k of the block.
SAMARA_DEVICE uint32_t RawCode(uint32_t type, const RawBlock& raw, uint32_t k) {
  const RawPlaces at = PlacesOf(type);
  const uint32_t i = raw.block % 8, e = 32 * i + k;  // place in a super-block
  const uint8_t* q = raw.p + at.quants;
  const uint8_t* high = raw.p + at.high;
  switch (type) {
    case kQ8_0:
      return q[k];
    case kQ5_0:
    case kQ5_1:
      return (q[k % 16] >> k / 16 * 4 & 15u) | (high[k / 8] >> k % 8 & 1u) << 4;
    case kQ2_K:
      return q[e / 128 * 32 + k] >> i % 4 * 2 & 3u;
    case kQ3_K:
      return (q[e / 128 * 32 + k] >> i % 4 * 2 & 3u) | (high[k] >> i & 1u) << 2;
    case kQ4_K:
      return q[e / 64 * 32 + k] >> i % 2 * 4 & 15u;
    case kQ5_K:
      return (q[e / 64 * 32 + k] >> i % 2 * 4 & 15u) | (high[k] >> i & 1u) << 4;
    case kQ6_K:
      return (q[e / 128 * 64 + e % 64] >> e % 128 / 64 * 4 & 15u) |
             (high[e / 128 * 32 + k] >> i % 4 * 2 & 3u) << 4;
    case kIQ4_XS:
      return q[i * 16 + k % 16] >> k / 16 * 4 & 15u;
    default:
      return q[k % 16] >> k / 16 * 4 & 15u;
  }
}

// Codes 16h + 4g .. + 3 of a block, a byte each.
SAMARA_DEVICE uint32_t FourCodes(const CodecFacts& facts, uint32_t type, const RawBlock& raw,
                                 uint32_t h, uint32_t g) {
  uint32_t four = 0;
  if (raw.p != nullptr) {
    for (uint32_t j = 0; j < 4; ++j) four |= RawCode(type, raw, 16 * h + 4 * g + j) << 8 * j;
    return four;
  }
  const uint32_t lane = raw.lane;
  const uint8_t* quants = raw.body + 64 * facts.high_bits;
  if (facts.bits == 8) return Bytes4(quants, ((4 * h + g) * 16 + lane) * 4);
  if (facts.bits == 4) {
    four = Bytes4(quants, (g * 16 + lane) * 4) >> 4 * h & 0x0f0f0f0fu;
  } else {
    four = Bytes4(quants, h * 64 + lane * 4) >> 2 * g & 0x03030303u;
  }
  if (facts.high_bits == 2) {
    four |= (Bytes4(raw.body, h * 64 + lane * 4) >> 2 * g & 0x03030303u) << 4;
  } else if (facts.high_bits == 1 && facts.bits == 2) {
    four |= (Bytes4(raw.body, lane * 4) >> (4 * h + g) & 0x01010101u) << 2;
  } else if (facts.high_bits == 1) {
    const uint32_t bits = Byte(raw.body, (4 * h + g) * 8 + lane / 2) >> lane % 2 * 4;
    four |= ((bits & 15u) * 0x00204081u & 0x01010101u) << 4;
  }
  return four;
}

// Scale codes of sub-block s of a super-block of Q3_K, Q4_K and Q5_K; `minimum`: of the other ones.
SAMARA_DEVICE uint32_t SixBits(uint32_t type, const uint8_t* scales, uint32_t s, bool minimum) {
  if (type == kQ3_K) {
    return (scales[s % 8] >> s / 8 * 4 & 15u) | (scales[8 + s % 4] >> s / 4 * 2 & 3u) << 4;
  }
  const uint32_t m = minimum ? 1 : 0;
  if (s < 4) return scales[4 * m + s] & 63u;
  return (scales[4 + s] >> 4 * m & 15u) | (scales[4 * m + s - 4] >> 6 & 3u) << 4;
}

// The entry of scales that block `raw.block` begins, and its super-block's number. `blocks`: how many it has.
struct RawScales {
  uint32_t words[4], super;
};
SAMARA_DEVICE RawScales ScalesOfRaw(const CodecFacts& facts, uint32_t type, const RawBlock& raw,
                                    uint32_t raw_block_bytes, uint32_t blocks) {
  RawScales out = {};
  const bool row_major = raw.p != nullptr;
  const RawPlaces at = PlacesOf(type);
  const uint32_t lane = raw.lane, i = raw.block % 8;
  const uint8_t* header = raw.header;
  // f16 d and minimum of a super-block.
  uint32_t pair = 0;
  if (OfSupers(type)) {
    pair = row_major ? Bytes2(raw.p, at.d) : Bytes2(header, 2 * lane);
    if (facts.minimum || facts.rule == ScaleRule::kShort) {
      pair |= (row_major ? Bytes2(raw.p, at.d + 2) : Bytes2(header, 32 + 2 * lane)) << 16;
    }
  }
  switch (facts.rule) {
    case ScaleRule::kHalf:
      out.words[0] = row_major ? Bytes2(raw.p, 0) : Bytes2(header, raw.block % 2 * 32 + 2 * lane);
      break;
    case ScaleRule::kPair:
      out.words[0] = row_major ? Bytes4(raw.p, 0)
                               : Bytes2(header, 2 * lane) | Bytes2(header, 32 + 2 * lane) << 16;
      break;
    case ScaleRule::kExponent:
      for (uint32_t b = 0; b < blocks; ++b) {
        const uint32_t e =
            row_major ? Byte(raw.p, b * raw_block_bytes) : Byte(header, 16 * b + lane);
        out.words[0] |= e << 8 * b;
      }
      break;
    case ScaleRule::kWords:
      out.words[0] = pair;
      for (uint32_t w = 1; w < 4 && !row_major; ++w)
        out.words[w] = Bytes4(header, 64 * w + 4 * lane);
      for (uint32_t b = 0; b < 8 && row_major; ++b) {
        const uint8_t* scales = raw.p + at.scales;
        const uint32_t first = SixBits(type, scales, facts.halves ? 2 * b : b, false);
        const uint32_t second = SixBits(type, scales, facts.halves ? 2 * b + 1 : b, true);
        out.words[1] |= (first & 15u) << 4 * b;
        out.words[2] |= (second & 15u) << 4 * b;
        out.words[3] |= first >> 4 << 2 * b | second >> 4 << (16 + 2 * b);
      }
      break;
    case ScaleRule::kShort:
      out.words[0] = pair;
      out.words[1] = row_major ? Bytes4(raw.p, at.scales) : Bytes4(header, 64 + 4 * lane);
      break;
    case ScaleRule::kNibbles:
      out.super = pair;
      for (uint32_t b = 0; b < 2; ++b) {
        for (uint32_t n = 0; n < 4; ++n) {  // scales of both halves, then minimums
          const uint32_t code = row_major
                                    ? Byte(raw.p, at.scales + 2 * (i + b) + n % 2) >> n / 2 * 4
                                    : Bytes4(header, 64 * (1 + n) + 4 * lane) >> 4 * (i + b);
          out.words[0] |= (code & 15u) << (16 * b + 4 * n);
        }
      }
      break;
    default:  // kBytes
      out.super = pair;
      out.words[0] = row_major ? Bytes2(raw.p, at.scales + 2 * i)
                               : Byte(header, 64 + 2 * i * 16 + lane) |
                                     Byte(header, 64 + (2 * i + 1) * 16 + lane) << 8;
      break;
  }
  return out;
}

// Blocks first .. first + 7 of a row.
SAMARA_DEVICE void UploadEight(const UploadArgs& a, const uint8_t* tile, uint32_t lane,
                               uint64_t row, uint32_t first) {
  const uint32_t type = a.to.type;
  const CodecFacts facts = FactsOf(type);
  const bool row_major = static_cast<Layout>(a.layout) == Layout::kRowMajor;
  const uint32_t raw_bytes = PlacesOf(type).bytes;
  uint32_t* units = reinterpret_cast<uint32_t*>(const_cast<uint8_t*>(UnitOf(a.to, 0, 0))) +
                    row * a.to.units_per_row * 4;
  const uint64_t row_blocks = row * a.to.scale_blocks;
  uint32_t* high = reinterpret_cast<uint32_t*>(const_cast<uint8_t*>(a.to.high));
  uint8_t* scales = const_cast<uint8_t*>(a.to.scales);
  uint8_t* supers = const_cast<uint8_t*>(a.to.supers);
  const uint32_t last = Least(first + 8, a.to.units_per_row * facts.unit() / 32);
  for (uint32_t block = first; block < last; ++block) {
    RawBlock raw = {nullptr, nullptr, nullptr, lane, block};
    if (row_major) {
      raw.p = tile + static_cast<uint64_t>(OfSupers(type) ? block / 8 : block) * raw_bytes;
    } else {
      const uint64_t unit_bytes = facts.tile_header + facts.tile_blocks * facts.tile_body();
      raw.header = tile + block / facts.tile_blocks * unit_bytes;
      raw.body = raw.header + facts.tile_header + block % facts.tile_blocks * facts.tile_body();
    }
    uint32_t words[8] = {}, bits[2] = {0, 0};
    // A unit of two blocks may have only one.
    for (uint32_t i = 0; i < 8 && block < a.to.blocks; ++i) {
      const uint32_t h = i / 4, g = i % 4, four = FourCodes(facts, type, raw, h, g);
      if (facts.bits == 8) {
        words[i] = four;
      } else if (facts.bits == 4) {
        words[g] |= (four & 0x0f0f0f0fu) << 4 * h;
      } else {
        words[h] |= (four & 0x03030303u) << 2 * g;
      }
      if (facts.high_bits == 1) bits[0] |= (four >> facts.bits & 0x01010101u) << i;
      if (facts.high_bits == 2) bits[h] |= (four >> 4 & 0x03030303u) << 2 * g;
    }
    for (uint32_t i = 0; i < facts.bits; ++i) {
      units[static_cast<uint64_t>(block) * facts.bits + i] = words[i];
    }
    for (uint32_t i = 0; i < facts.high_bits; ++i) {
      high[(row_blocks + block) * facts.high_bits + i] = bits[i];
    }
    if (block >= a.to.blocks || block % facts.scale_blocks != 0) continue;
    const uint32_t of_entry = Least<uint32_t>(facts.scale_blocks, a.to.blocks - block);
    const RawScales made = ScalesOfRaw(facts, type, raw, raw_bytes, of_entry);
    const uint64_t at = (row_blocks + block) / facts.scale_blocks;
    if (facts.scale_bytes == 2) {
      reinterpret_cast<uint16_t*>(scales)[at] = static_cast<uint16_t>(made.words[0]);
    }
    for (uint32_t i = 0; i < facts.scale_bytes / 4u; ++i) {
      reinterpret_cast<uint32_t*>(scales)[at * (facts.scale_bytes / 4) + i] = made.words[i];
    }
    if (block != first || facts.super_bytes == 0) continue;
    const uint64_t super = (row_blocks + block) / 8;
    if (facts.super_bytes == 2) {
      reinterpret_cast<uint16_t*>(supers)[super] = static_cast<uint16_t>(made.super);
    } else {
      reinterpret_cast<uint32_t*>(supers)[super] = made.super;
    }
  }
}

// One thread makes a unit of 16 bytes of plain elements, or eight blocks.
SAMARA_KERNEL(256, UploadKernel, UploadArgs) {
  const uint32_t type = a.to.type;
  const uint32_t pieces = type < kQ8_0 ? a.to.units_per_row : CeilDiv(a.to.blocks, 8);  // of a row
  const uint64_t n = static_cast<uint64_t>(a.n_rows) * pieces;
  const uint64_t step = static_cast<uint64_t>(GridX()) * BlockThreads();
  for (uint64_t i = static_cast<uint64_t>(BlockX()) * BlockThreads() + Tid(); i < n; i += step) {
    const uint32_t r = static_cast<uint32_t>(i / pieces);
    const uint32_t piece = static_cast<uint32_t>(i % pieces);
    const bool row_major = static_cast<Layout>(a.layout) == Layout::kRowMajor;
    const uint32_t tile_rows = row_major                                          ? 1
                               : static_cast<Layout>(a.layout) == Layout::kRows16 ? 16
                                                                                  : 32;
    const uint8_t* tile = a.raw + r / tile_rows * a.tile_bytes;
    const uint32_t lane = r % tile_rows;
    const uint64_t row = static_cast<uint64_t>(a.first_row) + r;
    if (type >= kQ8_0) {
      UploadEight(a, tile, lane, row, piece * 8);
      continue;
    }
    const uint32_t columns = type == kF32 ? 1 : 2;  // of a word
    Word4 made;
    for (uint32_t w = 0; w < 4; ++w) {
      made.w[w] = PlainWord(a, tile, lane, (4 * piece + w) * columns);
    }
    *reinterpret_cast<Word4*>(const_cast<uint8_t*>(a.to.units) +
                              (row * a.to.units_per_row + piece) * 16) = made;
  }
}

SAMARA_KERNEL(256, UploadVectorKernel, UploadVectorArgs) {
  for (uint32_t i = BlockX() * BlockThreads() + Tid(); i < a.n; i += GridX() * BlockThreads()) {
    float value;
    if (a.type == kF32) {
      value = FloatOfBits(Bytes4(a.raw, uint64_t{4} * i));
    } else if (a.type == kF16) {
      value = FloatOfHalf(static_cast<uint16_t>(Bytes2(a.raw, uint64_t{2} * i)));
    } else {
      value = FloatOfBits(Bytes2(a.raw, uint64_t{2} * i) << 16);
    }
    a.to[i] = value;
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_UPLOAD_H_
