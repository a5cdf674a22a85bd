// What kernels and host must know of a weight type: one row of facts. The kernels are templates over the type that look
// nowhere else, so a type with a body and a scale rule that are here already is its row (and its place in the lists of
// the tables of kernels).
//
// On the device a matrix has rows of 16-byte units; element k of a block of 32 is h = k / 16, g = k % 16 / 4, j = k % 4:
//   8 bits  two units a block, word g of unit h, byte j
//   4 bits  a unit a block, word g, byte j: bits 4h
//   2 bits  a unit two blocks, two words each, word h, byte j: bits 2g
// then high bits of the quants, words of a block:
//   1 bit   byte j, bit 4h + g        2 bits  two words, word h, byte j: bits 2g
// then scales: entries of some blocks, and for some types one more number of 8 blocks ("super"). Nothing is computed
// when a weight is uploaded: these are the bits of its blocks.
#ifndef SAMARA_BACKENDS_CUDA_CODECS_H_
#define SAMARA_BACKENDS_CUDA_CODECS_H_

#include <cstdint>

#include "backends/cuda/args.h"

#ifdef __CUDACC__
#define SAMARA_HOST_DEVICE __host__ __device__
#else
#define SAMARA_HOST_DEVICE
#endif

namespace samara::cuda {

enum class ScaleRule : uint8_t {
  kNone,      // F32, F16, BF16
  kHalf,      // f16 d
  kPair,      // f16 d, f16 minimum (added)
  kExponent,  // u8 e: 2^(e - 128)
  kWords,  // of 8 blocks: f16 d, f16 dmin; words A, B of nibbles, C of 2 bits each (formats/layout/layout.h)
  kShort,  // of 8 blocks: f16 d, u16 of 2 high bits each; word of nibbles
  kNibbles,  // of 2 blocks, 16 bits each: scales of both halves, minimums of both halves; super: f16 d, f16 dmin
  kBytes,  // i8 scales of both halves; super: f16 d
};
enum class Values : uint8_t {
  kPlain,
  kIq4,
  kFp4
};  // of quant codes: themselves, or places in a table

struct CodecFacts {
  uint8_t bits = 0;       // of a quant in the units; of an element for plain types
  uint8_t high_bits = 0;  // beside them
  ScaleRule rule = ScaleRule::kNone;
  bool halves = false;  // scales for each 16 elements instead of 32
  bool minimum = false;
  uint8_t offset = 0;      // subtracted from quants
  uint8_t scale_bias = 0;  // subtracted from scale codes
  Values values = Values::kPlain;
  uint8_t scale_bytes = 0, scale_blocks = 1;  // an entry, and the blocks that it is for
  uint8_t super_bytes = 0;
  // Of tiles in a package (Layout::kRows16): blocks of a unit and bytes of its header.
  uint8_t tile_blocks = 0;
  uint16_t tile_header = 0;

  SAMARA_HOST_DEVICE constexpr bool quantized() const { return rule != ScaleRule::kNone; }
  SAMARA_HOST_DEVICE constexpr uint32_t unit() const {
    return 128u / bits;
  }  // elements of a 16-byte unit
  SAMARA_HOST_DEVICE constexpr uint32_t tile_body() const { return 64u * (bits + high_bits); }
  // Blocks of a row are counted in whole groups of these: entries and supers of a stage of 4 blocks are aligned.
  SAMARA_HOST_DEVICE constexpr uint32_t row_blocks() const {
    return super_bytes == 2 ? 16 : scale_blocks == 8 || super_bytes != 0 ? 8 : 4;
  }
};

SAMARA_HOST_DEVICE constexpr CodecFacts FactsOf(uint32_t type) {
  using R = ScaleRule;
  using V = Values;
  switch (type) {
    //       bits high rule          halves minim. offs. bias values   entry blocks super  tile
    case kF32:
      return {32};
    case kF16:
    case kBF16:
      return {16};
    case kQ8_0:
      return {8, 0, R::kHalf, false, false, 0, 0, V::kPlain, 2, 1, 0, 2, 64};
    case kQ4_0:
      return {4, 0, R::kHalf, false, false, 8, 0, V::kPlain, 2, 1, 0, 2, 64};
    case kQ4_1:
      return {4, 0, R::kPair, false, true, 0, 0, V::kPlain, 4, 1, 0, 1, 64};
    case kQ5_0:
      return {4, 1, R::kHalf, false, false, 16, 0, V::kPlain, 2, 1, 0, 2, 64};
    case kQ5_1:
      return {4, 1, R::kPair, false, true, 0, 0, V::kPlain, 4, 1, 0, 1, 64};
    case kQ2_K:
      return {2, 0, R::kNibbles, true, true, 0, 0, V::kPlain, 4, 2, 4, 8, 320};
    case kQ3_K:
      return {2, 1, R::kWords, true, false, 4, 32, V::kPlain, 16, 8, 0, 8, 256};
    case kQ4_K:
      return {4, 0, R::kWords, false, true, 0, 0, V::kPlain, 16, 8, 0, 8, 256};
    case kQ5_K:
      return {4, 1, R::kWords, false, true, 0, 0, V::kPlain, 16, 8, 0, 8, 256};
    case kQ6_K:
      return {4, 2, R::kBytes, true, false, 32, 0, V::kPlain, 2, 1, 2, 8, 320};
    case kIQ4_NL:
      return {4, 0, R::kHalf, false, false, 0, 0, V::kIq4, 2, 1, 0, 2, 64};
    case kIQ4_XS:
      return {4, 0, R::kShort, false, false, 0, 32, V::kIq4, 8, 8, 0, 8, 128};
    case kMXFP4:
      return {4, 0, R::kExponent, false, false, 0, 0, V::kFp4, 4, 4, 0, 4, 64};
    default:
      return {};
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_CODECS_H_
