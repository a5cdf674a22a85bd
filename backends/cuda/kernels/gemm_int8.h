// Many rows of x times a quantized matrix on the integer tensor cores: prefill.
//
// A block makes 64 matrix rows x 64 rows of x with four warps, each 32 x 32: 2 x 4 tiles of mma.m16n8k32. The depth of
// the instruction is one block of 32, so its exact integer sums are scaled at once and added in F32. Two stages of 128
// columns go through shared memory by asynchronous copies; rows there are 16 bytes longer than their data, so that the
// eight rows of a fragment lie in different banks.
//
// Integer sums come out as floats without a conversion: the accumulator starts as the bits of 1.5 * 2^23, around which
// floats are whole numbers; sums stay below 2^22. Subtracting that constant also subtracts the offset of unsigned
// quants: offset * (sum of the activations) is one number a row of x and block.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_GEMM_INT8_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_GEMM_INT8_H_

#include "backends/cuda/kernels/matrix.h"
#include "backends/cuda/kernels/tensor.h"

namespace samara::cuda {

inline constexpr uint32_t kGemmTile = 64;
inline constexpr uint32_t kGemmThreads = 128;
inline constexpr uint32_t kStageBlocks = 4;          // of 32 columns
inline constexpr uint32_t kMagicBits = 0x4b400000u;  // 1.5 * 2^23

// Offsets in a stage.
template <uint32_t kType>
struct Int8Stage {
  static constexpr CodecFacts kFacts = Codec<kType>::kFacts;
  static constexpr uint32_t kUnits = 128 / kFacts.unit();  // of a matrix row
  static constexpr uint32_t kRowBytes = kUnits * 16 + 16;
  static constexpr uint32_t kXBytes = 128 + 16;
  static constexpr uint32_t kHighBytes =
      kFacts.high_bits * 16;  // of a matrix row, like the following
  // Entries of the stage's blocks, or the one that they share with four others.
  static constexpr uint32_t kEntries =
      kFacts.scale_blocks > kStageBlocks ? 1 : kStageBlocks / kFacts.scale_blocks;
  static constexpr uint32_t kScaleBytes = kEntries * kFacts.scale_bytes;
  static constexpr uint32_t kSuperBytes = kFacts.super_bytes != 0 ? 4 : 0;
  static constexpr uint32_t kX = kGemmTile * kRowBytes;
  static constexpr uint32_t kScales = kX + kGemmTile * kXBytes;
  static constexpr uint32_t kMeta = kScales + kGemmTile * kScaleBytes;
  static constexpr uint32_t kHigh = kMeta + kGemmTile * kStageBlocks * 8;
  static constexpr uint32_t kSuper = kHigh + kGemmTile * kHighBytes;
  static constexpr uint32_t kBytes = kSuper + kGemmTile * kSuperBytes;
};

SAMARA_DEVICE void StoreZeros(uint8_t* to, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes / 4; ++i) reinterpret_cast<uint32_t*>(to)[i] = 0;
}

template <uint32_t kType>
SAMARA_DEVICE void FillInt8Stage(const GemmArgs& a, uint32_t first_row, uint32_t first_x,
                                 uint32_t n_x, uint32_t chunk, uint8_t* stage) {
  using S = Int8Stage<kType>;
  constexpr CodecFacts kFacts = S::kFacts;
  for (uint32_t i = Tid(); i < kGemmTile * S::kUnits; i += kGemmThreads) {
    const uint32_t r = i / S::kUnits, u = i % S::kUnits;
    const uint32_t row = Least(first_row + r, a.matrix.rows - 1), unit = chunk * S::kUnits + u;
    uint8_t* to = stage + r * S::kRowBytes + u * 16;
    if (unit < a.matrix.units_per_row) {
      CopyAsync<16>(to, UnitOf(a.matrix, row, unit));
    } else {
      StoreZeros(to, 16);
    }
  }
  for (uint32_t r = Tid(); r < kGemmTile; r += kGemmThreads) {
    const uint32_t row = Least(first_row + r, a.matrix.rows - 1);
    const uint64_t at = static_cast<uint64_t>(row) * a.matrix.scale_blocks + chunk * kStageBlocks;
    CopyAsync<S::kScaleBytes>(stage + S::kScales + r * S::kScaleBytes,
                              a.matrix.scales + at / kFacts.scale_blocks * kFacts.scale_bytes);
    if constexpr (kFacts.high_bits != 0) {
      SAMARA_UNROLL
      for (uint32_t i = 0; i < S::kHighBytes; i += 16) {
        CopyAsync<16>(stage + S::kHigh + r * S::kHighBytes + i,
                      a.matrix.high + at * (4 * kFacts.high_bits) + i);
      }
    }
    if constexpr (kFacts.super_bytes != 0) {
      // The aligned word that has it.
      CopyAsync<4>(stage + S::kSuper + r * 4,
                   a.matrix.supers + at / 8 * kFacts.super_bytes / 4 * 4);
    }
  }
  const uint32_t padded = a.matrix.blocks * 32;
  for (uint32_t i = Tid(); i < kGemmTile * 8; i += kGemmThreads) {
    const uint32_t t = i / 8, k = chunk * 128 + i % 8 * 16;
    uint8_t* to = stage + S::kX + t * S::kXBytes + i % 8 * 16;
    if (k < padded) {
      CopyAsync<16>(to, RowOf<const uint8_t>(a.x, Least(first_x + t, n_x - 1)) + k);
    } else {
      StoreZeros(to, 16);
    }
  }
  for (uint32_t i = Tid(); i < kGemmTile * kStageBlocks; i += kGemmThreads) {
    const uint32_t t = i / kStageBlocks, block = chunk * kStageBlocks + i % kStageBlocks;
    uint8_t* to = stage + S::kMeta + i * 8;
    if (block < a.matrix.blocks) {
      const int8_t* row = RowOf<const int8_t>(a.x, Least(first_x + t, n_x - 1));
      CopyAsync<8>(to, MetaOf(row, a.matrix.cols) + block);
    } else {
      StoreZeros(to, 8);
    }
  }
}

SAMARA_DEVICE uint32_t Word(const uint8_t* p) { return *reinterpret_cast<const uint32_t*>(p); }

// The fragments of 16 rows, from `row` on, and their scales; this lane has rows g and g + 8.
template <uint32_t kType>
SAMARA_DEVICE void LoadRows(const uint8_t* stage, uint32_t chunk, uint32_t block, uint32_t row,
                            uint32_t (&words)[4], float (&d)[2][2], float (&minimum)[2][2]) {
  using S = Int8Stage<kType>;
  constexpr CodecFacts kFacts = S::kFacts;
  const uint32_t in_super = chunk * kStageBlocks + block;
  SAMARA_UNROLL
  for (uint32_t half = 0; half < 2; ++half) {
    const uint32_t r = row + half * 8 + Lane() / 4;
    const uint32_t* units = reinterpret_cast<const uint32_t*>(stage + r * S::kRowBytes);
    const uint32_t* high = reinterpret_cast<const uint32_t*>(stage + S::kHigh + r * S::kHighBytes);
    QuantsOf<kType>(units + block * kFacts.bits, high + block * kFacts.high_bits, Lane() % 4,
                    &words[half], &words[2 + half]);
    const uint8_t* scales = stage + S::kScales + r * S::kScaleBytes;
    ScaleEntry<kType> entry;
    if constexpr (kFacts.scale_bytes == 2) {
      entry.words[0] = reinterpret_cast<const uint16_t*>(scales)[block];
    } else {
      const uint32_t first = block / kFacts.scale_blocks * kFacts.scale_bytes;
      SAMARA_UNROLL
      for (uint32_t i = 0; i < Codec<kType>::kScaleWords; ++i) {
        entry.words[i] = Word(scales + first + 4 * i);
      }
    }
    if constexpr (kFacts.super_bytes != 0) {
      entry.super = Word(stage + S::kSuper + r * 4);
      if (kFacts.super_bytes == 2 && in_super / 8 % 2 != 0) entry.super >>= 16;
    }
    ScalesOf<kType>(entry, in_super, d[half], minimum[half]);
  }
}

// One block of 32 columns of a stage for the 32 x 32 elements of a warp.
template <uint32_t kType>
SAMARA_DEVICE void MultiplyInt8Block(const uint8_t* stage, uint32_t chunk, uint32_t block,
                                     uint32_t warp_row, uint32_t warp_x, float (&acc)[2][4][4]) {
  using S = Int8Stage<kType>;
  using C = Codec<kType>;
  constexpr uint32_t kParts = C::kHalves ? 2 : 1;  // of the block, with scales of their own
  const uint32_t g = Lane() / 4, w = Lane() % 4;
  uint32_t m_words[2][4];
  float d[2][2][2], minimum[2][2][2];
  SAMARA_UNROLL
  for (uint32_t m = 0; m < 2; ++m) {
    LoadRows<kType>(stage, chunk, block, warp_row + m * 16, m_words[m], d[m], minimum[m]);
  }
  SAMARA_UNROLL
  for (uint32_t n = 0; n < 4; ++n) {
    const uint8_t* x = stage + S::kX + (warp_x + n * 8 + g) * S::kXBytes + block * 32 + w * 4;
    const uint32_t x_words[2] = {Word(x), Word(x + 16)};
    // Of rows 2w and 2w + 1 of x, and of the parts; sums are scaled.
    float scale[2], shift[2][2], sum[2][2];
    SAMARA_UNROLL
    for (uint32_t e = 0; e < 2; ++e) {
      const uint32_t t = warp_x + n * 8 + 2 * w + e;
      const QuantMeta meta =
          reinterpret_cast<const QuantMeta*>(stage + S::kMeta)[t * kStageBlocks + block];
      int32_t sums[2];
      HalfSums(meta, sums);
      if constexpr (!C::kHalves) sums[0] += sums[1];
      scale[e] = meta.scale;
      SAMARA_UNROLL
      for (uint32_t p = 0; p < kParts; ++p) {
        sum[e][p] = meta.scale * static_cast<float>(sums[p]);
        shift[e][p] = FloatOfBits(kMagicBits) + static_cast<float>(C::kOffset * sums[p]);
      }
    }
    SAMARA_UNROLL
    for (uint32_t m = 0; m < 2; ++m) {
      SAMARA_UNROLL
      for (uint32_t p = 0; p < kParts; ++p) {
        int32_t c[4] = {static_cast<int32_t>(kMagicBits), static_cast<int32_t>(kMagicBits),
                        static_cast<int32_t>(kMagicBits), static_cast<int32_t>(kMagicBits)};
        if constexpr (C::kHalves) {
          MmaInt8Half(c, m_words[m][2 * p], m_words[m][2 * p + 1], x_words[p]);
        } else {
          MmaInt8(c, m_words[m], x_words);
        }
        SAMARA_UNROLL
        for (uint32_t i = 0; i < 4; ++i) {
          const uint32_t half = i / 2, e = i % 2;
          const float dot = FloatOfBits(static_cast<uint32_t>(c[i])) - shift[e][p];
          acc[m][n][i] = Fma(d[m][half][p] * scale[e], dot, acc[m][n][i]);
          if constexpr (C::kMinimum) {
            acc[m][n][i] = Fma(minimum[m][half][p], sum[e][p], acc[m][n][i]);
          }
        }
      }
    }
  }
}

// Sums of a warp's 32 x 32 elements, with bias and residual, to their rows. `scaled`: row_scale applies.
SAMARA_DEVICE void StoreTile(const GemmArgs& a, uint32_t first_row, uint32_t first_x, uint32_t n_x,
                             bool scaled, const float (&acc)[2][4][4]) {
  const uint32_t g = Lane() / 4, w = Lane() % 4;
  SAMARA_UNROLL
  for (uint32_t n = 0; n < 4; ++n) {
    SAMARA_UNROLL
    for (uint32_t m = 0; m < 2; ++m) {
      SAMARA_UNROLL
      for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t row = first_row + m * 16 + i / 2 * 8 + g;
        const uint32_t t = first_x + n * 8 + 2 * w + i % 2;
        if (row >= a.matrix.rows || t >= n_x) continue;
        float y = acc[m][n][i];
        if (scaled) y *= a.row_scale[t];
        if (a.bias != nullptr) y += a.bias[row];
        if (a.residual.data != nullptr) y += RowOf<const float>(a.residual, t)[row];
        RowOf<float>(a.out, t)[row] = y;
      }
    }
  }
}

template <uint32_t kType>
SAMARA_KERNEL(kGemmThreads, GemmInt8Kernel, GemmArgs) {
  using S = Int8Stage<kType>;
  GridTrigger();
  GridWait();
  const uint32_t n_x = DimValue(a.step, a.n_rows);
  const uint32_t first_row = BlockX() * kGemmTile, first_x = BlockY() * kGemmTile;
  if (first_x >= n_x) return;
  const uint32_t chunks = CeilDiv(a.matrix.blocks, kStageBlocks);
  const uint32_t warp_row = WarpIndex() / 2 * 32, warp_x = WarpIndex() % 2 * 32;
  float acc[2][4][4];
  SAMARA_UNROLL
  for (uint32_t i = 0; i < 32; ++i) acc[i / 16][i / 4 % 4][i % 4] = 0.0f;
  FillInt8Stage<kType>(a, first_row, first_x, n_x, 0, Shared());
  CommitCopies();
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    if (chunk + 1 < chunks) {
      FillInt8Stage<kType>(a, first_row, first_x, n_x, chunk + 1,
                           Shared() + (chunk + 1) % 2 * S::kBytes);
    }
    CommitCopies();
    WaitCopies<1>();
    SyncBlock();
    SAMARA_UNROLL
    for (uint32_t block = 0; block < kStageBlocks; ++block) {
      MultiplyInt8Block<kType>(Shared() + chunk % 2 * S::kBytes, chunk, block, warp_row, warp_x,
                               acc);
    }
    SyncBlock();
  }
  StoreTile(a, first_row + warp_row, first_x + warp_x, n_x, false, acc);
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_GEMM_INT8_H_
