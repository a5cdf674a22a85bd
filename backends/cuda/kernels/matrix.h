// Weights on the device: how quants and scales of a block are taken apart (codecs.h), and one element.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_MATRIX_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_MATRIX_H_

#include "backends/cuda/codecs.h"
#include "backends/cuda/kernels/math.h"

namespace samara::cuda {

template <uint32_t kType>
struct Codec {
  static constexpr CodecFacts kFacts = FactsOf(kType);
  static constexpr bool kQuantized = kFacts.quantized();
  static constexpr bool kHalves = kFacts.halves, kMinimum = kFacts.minimum;
  static constexpr int kOffset = kFacts.offset;
  static constexpr uint32_t kUnit = kFacts.unit();  // columns of a 16-byte unit
  static constexpr uint32_t kUnitBlocks = kUnit > 32 ? kUnit / 32 : 1;
  static constexpr uint32_t kHighWords = kFacts.high_bits * kUnitBlocks;  // of a unit
  static constexpr uint32_t kHighStorage = kHighWords > 0 ? kHighWords : 1;
  static constexpr uint32_t kScaleWords = kFacts.scale_bytes > 4 ? kFacts.scale_bytes / 4 : 1;
};

SAMARA_DEVICE const uint8_t* UnitOf(const MatrixArg& m, uint32_t row, uint32_t unit) {
  return m.units + (static_cast<uint64_t>(row) * m.units_per_row + unit) * 16;
}

// --- Quants -------------------------------------------------------------------------------------------------

// The values of eight codes of four bits, those of the low nibbles and those of the high ones.
template <Values kValues>
SAMARA_DEVICE void LookUp(uint32_t word, uint32_t* low, uint32_t* high) {
  // The table, four values a word.
  constexpr bool kIq4 = kValues == Values::kIq4;
  constexpr uint32_t t0 = kIq4 ? 0xbfad9881u : 0x03020100u, t1 = kIq4 ? 0xf6eaddcfu : 0x0c080604u;
  constexpr uint32_t t2 = kIq4 ? 0x26190d01u : 0xfdfeff00u, t3 = kIq4 ? 0x71594535u : 0xf4f8fafcu;
  uint32_t found[2];  // for two bytes of the word: low and high nibble, low and high nibble
  SAMARA_UNROLL
  for (uint32_t i = 0; i < 2; ++i) {
    const uint32_t codes = word >> 16 * i & 0xffffu, places = codes & 0x7777u;
    // The upper half of the table for codes of 8 and more.
    found[i] = PickBytes(PickBytes(t0, t1, places), PickBytes(t2, t3, places),
                         0x3210u | (codes & 0x8888u) >> 1);
  }
  *low = PickBytes(found[0], found[1], 0x6420u);
  *high = PickBytes(found[0], found[1], 0x7531u);
}

// Quants 4g .. 4g + 3 of both halves of a block, a byte each. `units`: the block's words; `high`: those of its high bits.
template <uint32_t kType>
SAMARA_DEVICE void QuantsOf(const uint32_t* units, const uint32_t* high, uint32_t g,
                            uint32_t* first, uint32_t* second) {
  using C = Codec<kType>;
  if constexpr (C::kFacts.values != Values::kPlain) {
    LookUp<C::kFacts.values>(units[g], first, second);
  } else if constexpr (C::kFacts.bits == 8) {
    *first = units[g];
    *second = units[4 + g];
  } else if constexpr (C::kFacts.bits == 4) {
    *first = units[g] & 0x0f0f0f0fu;
    *second = units[g] >> 4 & 0x0f0f0f0fu;
  } else {
    *first = units[0] >> 2 * g & 0x03030303u;
    *second = units[1] >> 2 * g & 0x03030303u;
  }
  if constexpr (C::kFacts.high_bits == 1) {
    *first |= (high[0] >> g & 0x01010101u) << C::kFacts.bits;
    *second |= (high[0] >> (4 + g) & 0x01010101u) << C::kFacts.bits;
  } else if constexpr (C::kFacts.high_bits == 2) {
    *first |= (high[0] >> 2 * g & 0x03030303u) << C::kFacts.bits;
    *second |= (high[1] >> 2 * g & 0x03030303u) << C::kFacts.bits;
  }
}

// --- Scales -------------------------------------------------------------------------------------------------

// The entry that a block's scales are in, and the number of its super-block, as they lie in memory.
template <uint32_t kType>
struct ScaleEntry {
  uint32_t words[Codec<kType>::kScaleWords];
  uint32_t super;
};

template <uint32_t kType>
SAMARA_DEVICE void LoadScales(const MatrixArg& m, uint32_t row, uint32_t block,
                              ScaleEntry<kType>* entry) {
  constexpr CodecFacts kFacts = Codec<kType>::kFacts;
  const uint64_t first = static_cast<uint64_t>(row) * m.scale_blocks;
  const uint8_t* at =
      m.scales + (first / kFacts.scale_blocks + block / kFacts.scale_blocks) * kFacts.scale_bytes;
  if constexpr (kFacts.scale_bytes == 2) {
    entry->words[0] = LoadWeight16(at);
  } else if constexpr (kFacts.scale_bytes == 4) {
    entry->words[0] = LoadWeight32(at);
  } else if constexpr (kFacts.scale_bytes == 8) {
    LoadWeight64(at, entry->words);
  } else {
    const Word4 four = LoadWeight(at);
    SAMARA_UNROLL
    for (uint32_t i = 0; i < 4; ++i) entry->words[i] = four.w[i];
  }
  const uint64_t super = first / 8 + block / 8;
  if constexpr (kFacts.super_bytes == 2) entry->super = LoadWeight16(m.supers + 2 * super);
  if constexpr (kFacts.super_bytes == 4) entry->super = LoadWeight32(m.supers + 4 * super);
}

SAMARA_DEVICE float LowHalf(uint32_t word) {
  return FloatOfHalf(static_cast<uint16_t>(word & 0xffffu));
}
SAMARA_DEVICE float HighHalf(uint32_t word) {
  return FloatOfHalf(static_cast<uint16_t>(word >> 16));
}
// 2^(e - 128), which is subnormal for the least two.
SAMARA_DEVICE float Exponent(uint32_t e) {
  return FloatOfBits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
}

// Scale and what is added to products of both halves of a block; the second is the first's where the type has one.
template <uint32_t kType>
SAMARA_DEVICE void ScalesOf(const ScaleEntry<kType>& entry, uint32_t block, float (&d)[2],
                            float (&minimum)[2]) {
  constexpr CodecFacts kFacts = Codec<kType>::kFacts;
  const uint32_t* w = entry.words;
  minimum[0] = minimum[1] = 0.0f;
  if constexpr (kFacts.rule == ScaleRule::kHalf) {
    d[0] = d[1] = LowHalf(w[0]);
  } else if constexpr (kFacts.rule == ScaleRule::kPair) {
    d[0] = d[1] = LowHalf(w[0]);
    minimum[0] = minimum[1] = HighHalf(w[0]);
  } else if constexpr (kFacts.rule == ScaleRule::kExponent) {
    d[0] = d[1] = Exponent(w[0] >> 8 * (block % 4) & 255u);
  } else if constexpr (kFacts.rule == ScaleRule::kWords) {
    const uint32_t i = block % 8;
    const uint32_t a = (w[1] >> 4 * i & 15u) | (w[3] >> 2 * i & 3u) << 4;
    const uint32_t b = (w[2] >> 4 * i & 15u) | (w[3] >> (16 + 2 * i) & 3u) << 4;
    const float scale = LowHalf(w[0]);
    d[0] = scale * static_cast<float>(static_cast<int32_t>(a) - kFacts.scale_bias);
    if constexpr (kFacts.halves) {
      d[1] = scale * static_cast<float>(static_cast<int32_t>(b) - kFacts.scale_bias);
    } else {
      d[1] = d[0];
      minimum[0] = minimum[1] = -(HighHalf(w[0]) * static_cast<float>(b));
    }
  } else if constexpr (kFacts.rule == ScaleRule::kShort) {
    const uint32_t i = block % 8;
    const uint32_t code = (w[1] >> 4 * i & 15u) | (w[0] >> (16 + 2 * i) & 3u) << 4;
    d[0] = d[1] =
        LowHalf(w[0]) * static_cast<float>(static_cast<int32_t>(code) - kFacts.scale_bias);
  } else if constexpr (kFacts.rule == ScaleRule::kNibbles) {
    const uint32_t codes = w[0] >> 16 * (block % 2);
    SAMARA_UNROLL
    for (uint32_t h = 0; h < 2; ++h) {
      d[h] = LowHalf(entry.super) * static_cast<float>(codes >> 4 * h & 15u);
      minimum[h] = -(HighHalf(entry.super) * static_cast<float>(codes >> (8 + 4 * h) & 15u));
    }
  } else {
    SAMARA_UNROLL
    for (uint32_t h = 0; h < 2; ++h) {
      const int8_t code = static_cast<int8_t>(w[0] >> 8 * h & 255u);
      d[h] = LowHalf(entry.super) * static_cast<float>(code);
    }
  }
}

// --- One element -------------------------------------------------------------------------------------------

// As the codec defines it (formats/quant): products and sums rounded one by one.
template <uint32_t kType>
SAMARA_DEVICE float QuantElement(const MatrixArg& m, uint32_t row, uint32_t col) {
  using C = Codec<kType>;
  const uint32_t block = col / 32, h = col % 32 / 16, g = col % 16 / 4, j = col % 4;
  const uint32_t* units = reinterpret_cast<const uint32_t*>(UnitOf(m, row, 0));
  const uint64_t at = static_cast<uint64_t>(row) * m.scale_blocks + block;
  const uint32_t* high = reinterpret_cast<const uint32_t*>(m.high) + at * C::kFacts.high_bits;
  uint32_t quants[2];
  QuantsOf<kType>(units + block * C::kFacts.bits, high, g, &quants[0], &quants[1]);
  const uint32_t byte = (h == 0 ? quants[0] : quants[1]) >> 8 * j & 255u;
  constexpr bool kSigned = C::kFacts.bits == 8 || C::kFacts.values != Values::kPlain;
  const int32_t q = kSigned ? static_cast<int8_t>(byte) : static_cast<int32_t>(byte) - C::kOffset;
  ScaleEntry<kType> entry;
  LoadScales<kType>(m, row, block, &entry);
  float d[2], minimum[2];
  ScalesOf<kType>(entry, block, d, minimum);
  const float product = (h == 0 ? d[0] : d[1]) * static_cast<float>(q);
  return C::kMinimum ? product + (h == 0 ? minimum[0] : minimum[1]) : product;
}

SAMARA_DEVICE float MatrixElement(const MatrixArg& m, uint32_t row, uint32_t col) {
  switch (m.type) {
    case kF32:
      return reinterpret_cast<const float*>(UnitOf(m, row, 0))[col];
    case kF16:
      return FloatOfHalf(reinterpret_cast<const uint16_t*>(UnitOf(m, row, 0))[col]);
    case kBF16:
      return FloatOfBits(
          static_cast<uint32_t>(reinterpret_cast<const uint16_t*>(UnitOf(m, row, 0))[col]) << 16);
    case kQ8_0:
      return QuantElement<kQ8_0>(m, row, col);
    case kQ4_0:
      return QuantElement<kQ4_0>(m, row, col);
    case kQ4_1:
      return QuantElement<kQ4_1>(m, row, col);
    case kQ5_0:
      return QuantElement<kQ5_0>(m, row, col);
    case kQ5_1:
      return QuantElement<kQ5_1>(m, row, col);
    case kQ2_K:
      return QuantElement<kQ2_K>(m, row, col);
    case kQ3_K:
      return QuantElement<kQ3_K>(m, row, col);
    case kQ4_K:
      return QuantElement<kQ4_K>(m, row, col);
    case kQ5_K:
      return QuantElement<kQ5_K>(m, row, col);
    case kQ6_K:
      return QuantElement<kQ6_K>(m, row, col);
    case kIQ4_NL:
      return QuantElement<kIQ4_NL>(m, row, col);
    case kIQ4_XS:
      return QuantElement<kIQ4_XS>(m, row, col);
    default:
      return QuantElement<kMXFP4>(m, row, col);
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_MATRIX_H_
