// A few rows of x times a matrix: decoding. Bound by the bandwidth of the weights, so everything serves their loads:
// a lane takes 16 bytes of each of two matrix rows at a time, neighbouring lanes neighbouring bytes; the first loads go
// out before the kernel before has ended; the next are always on their way while the last are multiplied.
//
// The head of the kernel (norm, quantization) is done by every block again: x is a few KiB in the cache of the chip,
// and a kernel of its own would cost a launch. The tail (rotation and write of keys and values, gated activation,
// int8 blocks for the next product, bias, residual) is done by the lanes that hold the sums.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_MATVEC_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_MATVEC_H_

#include "backends/cuda/kernels/heads.h"
#include "backends/cuda/kernels/matrix.h"
#include "backends/cuda/kernels/quantize.h"

namespace samara::cuda {

inline constexpr uint32_t kMatVecWarps = 8;
inline constexpr uint32_t kMatVecThreads = kMatVecWarps * 32;
// Units of each of the two rows that a lane loads at once.
inline constexpr uint32_t kMatVecUnits = 2;
inline constexpr uint32_t kMatVecBatch = kMatVecUnits * kWarp;
// Shared memory before the activations: work of the norm, and 32 outputs of up to 8 rows for their int8 blocks.
inline constexpr uint32_t kMatVecHeader = 64 + 8 * 32 * 4;

// Bytes of a row of x in shared memory.
SAMARA_DEVICE uint32_t QuantRowBytes(uint32_t cols) {
  const uint32_t blocks = CeilDiv(cols, 32);
  return (blocks * 40 + 15) / 16 * 16;
}
SAMARA_DEVICE uint32_t FloatRowBytes(uint32_t cols) { return CeilDiv(cols, 32) * 128; }

// A unit of a row, and what is beside it.
template <uint32_t kType>
struct UnitData {
  Word4 unit;
  uint32_t high[Codec<kType>::kHighStorage];
  ScaleEntry<kType> scales;
};
template <uint32_t kType>
struct UnitBatch {
  UnitData<kType> data[2][kMatVecUnits];
};

// Rows of a pair, and for kHeads what happens to them.
struct PairRows {
  uint32_t row[2];
  uint32_t segment, head, first, second, index;
};
SAMARA_DEVICE PairRows RowsOfPair(const MatVecArgs& a, uint32_t pair) {
  PairRows p = {};
  if (a.epilogue == kStore) {
    p.row[0] = 2 * pair;
    p.row[1] = 2 * pair + 1;
  } else if (a.epilogue == kGlu) {
    p.row[0] = pair;
    p.row[1] = pair + a.n_pairs;
  } else {
    uint32_t begin = 0;
    SAMARA_UNROLL
    for (uint32_t s = 1; s < kMaxSegments; ++s) {
      if (s < a.n_segments && pair >= a.segment_pairs[s]) {
        p.segment = s;
        begin = a.segment_pairs[s];
      }
    }
    const HeadsSegment& segment = a.segments[p.segment];
    const uint32_t pairs = segment.dim / 2, local = pair - begin;
    p.head = local / pairs;
    p.index = local % pairs;
    PairOf(a.rotation, segment.rotate, p.index, &p.first, &p.second);
    // Segments follow one another, two rows a pair.
    const uint32_t base = 2 * begin + p.head * segment.dim;
    p.row[0] = base + p.first;
    p.row[1] = base + p.second;
  }
  return p;
}

template <uint32_t kType>
SAMARA_DEVICE void LoadBatch(const MatVecArgs& a, uint32_t pair, uint32_t first_unit,
                             UnitBatch<kType>* batch) {
  using C = Codec<kType>;
  const PairRows p = RowsOfPair(a, pair);
  SAMARA_UNROLL
  for (int r = 0; r < 2; ++r) {
    // The second row of the last pair may not be there: its sums are not stored.
    const uint32_t row = Least(p.row[r], a.matrix.rows - 1);
    const uint64_t first_block = static_cast<uint64_t>(row) * a.matrix.scale_blocks;
    SAMARA_UNROLL
    for (uint32_t i = 0; i < kMatVecUnits; ++i) {
      const uint32_t unit = Least(first_unit + i * kWarp + Lane(), a.matrix.units_per_row - 1);
      UnitData<kType>& data = batch->data[r][i];
      data.unit = LoadWeight(UnitOf(a.matrix, row, unit));
      if constexpr (C::kQuantized) {
        const uint32_t block = unit * C::kUnit / 32;
        LoadScales<kType>(a.matrix, row, block, &data.scales);
        const uint8_t* high = a.matrix.high + (first_block + block) * C::kFacts.high_bits * 4;
        if constexpr (C::kHighWords == 1) data.high[0] = LoadWeight32(high);
        if constexpr (C::kHighWords == 2) LoadWeight64(high, data.high);
      }
    }
  }
}

// What one unit of a row and one row of x add to a sum. `bytes`, `meta`: of the whole row of x; `blocks`: of a row.
template <uint32_t kType>
SAMARA_DEVICE float AddQuantUnit(const UnitData<kType>& data, uint32_t unit, uint32_t blocks,
                                 const int8_t* bytes, const QuantMeta* meta, float acc) {
  using C = Codec<kType>;
  float d[2], minimum[2];
  if constexpr (C::kFacts.bits == 8) {  // half a block
    const Word4 x = *reinterpret_cast<const Word4*>(bytes + unit * 16);
    ScalesOf<kType>(data.scales, unit / 2, d, minimum);
    int32_t sum = 0;
    SAMARA_UNROLL
    for (int i = 0; i < 4; ++i) sum = Dot4(data.unit.w[i], x.w[i], sum);
    return Fma(d[0] * meta[unit / 2].scale, static_cast<float>(sum), acc);
  } else {
    SAMARA_UNROLL
    for (uint32_t b = 0; b < C::kUnitBlocks; ++b) {
      const uint32_t block = unit * C::kUnitBlocks + b;
      if (b > 0 && block >= blocks) break;
      const Word4 x = *reinterpret_cast<const Word4*>(bytes + block * 32);
      const Word4 y = *reinterpret_cast<const Word4*>(bytes + block * 32 + 16);
      const QuantMeta m = meta[block];
      int32_t sums[2] = {0, 0}, x_sums[2];
      SAMARA_UNROLL
      for (uint32_t g = 0; g < 4; ++g) {
        uint32_t first, second;
        QuantsOf<kType>(data.unit.w + b * C::kFacts.bits, data.high + b * C::kFacts.high_bits, g,
                        &first, &second);
        sums[0] = Dot4(first, x.w[g], sums[0]);
        sums[1] = Dot4(second, y.w[g], sums[1]);
      }
      HalfSums(m, x_sums);
      ScalesOf<kType>(data.scales, block, d, minimum);
      if constexpr (!C::kHalves) {
        sums[0] += sums[1];
        x_sums[0] += x_sums[1];
      }
      SAMARA_UNROLL
      for (uint32_t h = 0; h < (C::kHalves ? 2 : 1); ++h) {
        if constexpr (C::kOffset != 0) sums[h] -= C::kOffset * x_sums[h];
        acc = Fma(d[h] * m.scale, static_cast<float>(sums[h]), acc);
        if constexpr (C::kMinimum) {
          acc = Fma(minimum[h], m.scale * static_cast<float>(x_sums[h]), acc);
        }
      }
    }
    return acc;
  }
}

// `x`: the row from element unit * kUnit on. Elements behind the end of the row are not read. `raw`: not staged.
template <uint32_t kType>
SAMARA_DEVICE float AddFloatUnit(const Word4& w, const float* x, uint32_t left, bool raw,
                                 float acc) {
  using C = Codec<kType>;
  SAMARA_UNROLL
  for (uint32_t i = 0; i < C::kUnit; ++i) {
    float weight;
    if constexpr (kType == kF32) {
      weight = FloatOfBits(w.w[i]);
    } else {
      const uint32_t bits = w.w[i / 2] >> (16 * (i % 2)) & 0xffffu;
      weight = kType == kF16 ? FloatOfHalf(static_cast<uint16_t>(bits)) : FloatOfBits(bits << 16);
    }
    if (i >= left) continue;
    acc = Fma(weight, kType == kBF16 && raw ? Bf16Operand(x[i]) : x[i], acc);
  }
  return acc;
}

// Rows of x into shared memory: int8, or F32 padded with zeros to whole units.
template <uint32_t kType>
SAMARA_DEVICE void StageRows(const MatVecArgs& a, uint32_t first_row, uint32_t n_tokens,
                             uint8_t* staged) {
  constexpr bool kQuantized = Codec<kType>::kQuantized;
  const uint32_t cols = a.matrix.cols;
  float* work = reinterpret_cast<float*>(Shared());
  const uint32_t row_bytes = kQuantized ? QuantRowBytes(cols) : FloatRowBytes(cols);
  for (uint32_t t = 0; t < n_tokens; ++t) {
    uint8_t* to = staged + t * row_bytes;
    const float* x = RowOf<const float>(a.x, first_row + t);
    float r = 1.0f;
    if (a.norm != 0) r = InverseRms(x, cols, a.x_aligned != 0, a.eps, work);
    const uint32_t fours = CeilDiv(cols, 32) * 8;
    for (uint32_t first = 0; first < fours; first += kMatVecThreads) {
      const uint32_t i = first + Tid();
      float v[4] = {};
      if (i < fours) LoadFour(x, i, cols, a.x_aligned != 0, v);
      if (a.norm != 0) {
        SAMARA_UNROLL
        for (uint32_t j = 0; j < 4; ++j) {
          v[j] = v[j] * r;
          if (a.norm_weight != nullptr && 4 * i + j < cols) v[j] = v[j] * a.norm_weight[4 * i + j];
        }
      }
      if constexpr (kQuantized) {
        int8_t* row = reinterpret_cast<int8_t*>(to);
        QuantizeFour(v, i < fours, row + i / 8 * 32, MetaOf(row, cols) + i / 8);
      } else if (i < fours) {
        Word4 w;
        SAMARA_UNROLL
        for (int j = 0; j < 4; ++j) {
          w.w[j] = BitsOfFloat(kType == kBF16 ? Bf16Operand(v[j]) : v[j]);
        }
        reinterpret_cast<Word4*>(to)[i] = w;
      }
    }
  }
  SyncBlock();
}

SAMARA_DEVICE void StoreHeadPair(const MatVecArgs& a, const PairRows& p, uint32_t t, float x,
                                 float y) {
  const HeadsSegment& s = a.segments[p.segment];
  if (s.rotate != 0 && p.index < a.rotation.rotated / 2) Rotate(a.rotation, t, p.index, &x, &y);
  if (s.target == kToRows) {
    float* to = RowOf<float>(s.out, t) + p.head * s.dim;
    to[p.first] = x;
    to[p.second] = y;
    return;
  }
  const TokenParams& token = Token(a.step, t);
  const uint32_t block = PhysicalBlock(a.step, s.state, token.seq, token.write_slot);
  if (block >= s.state.pool_blocks) {
    Report(a.step, kFaultBlock);
    return;
  }
  uint8_t* head = HeadOf(s.state, block, p.head);
  const uint32_t j = token.write_slot % kBlockSlots;
  StoreElement(s.state, head, j, p.first, x);
  StoreElement(s.state, head, j, p.second, y);
}

// Sums of a pair for row t of x, by the lane that has them. `local`: the pair's number in its block of 32.
SAMARA_DEVICE void StorePair(const MatVecArgs& a, uint32_t pair, uint32_t t, uint32_t slot,
                             uint32_t local, float x, float y) {
  const PairRows p = RowsOfPair(a, pair);
  if (a.bias != nullptr) {
    x += a.bias[p.row[0]];
    if (p.row[1] < a.matrix.rows) y += a.bias[p.row[1]];
  }
  if (a.epilogue == kHeads) return StoreHeadPair(a, p, t, x, y);
  if (a.epilogue == kGlu) {
    const float z = Activate(a.activation, x) * y;
    if (a.quantize != 0) {
      (reinterpret_cast<float*>(Shared() + 64) + slot * 32)[local] = z;
    } else {
      RowOf<float>(a.out, t)[pair] = z;
    }
    return;
  }
  float* to = RowOf<float>(a.out, t);
  if (a.residual.data != nullptr) {
    const float* residual = RowOf<const float>(a.residual, t);
    x += residual[p.row[0]];
    if (p.row[1] < a.matrix.rows) y += residual[p.row[1]];
  }
  to[p.row[0]] = x;
  if (p.row[1] < a.matrix.rows) to[p.row[1]] = y;
}

template <uint32_t kType, uint32_t kTokens>
SAMARA_KERNEL(kMatVecThreads, MatVecKernel, MatVecArgs) {
  using C = Codec<kType>;
  GridTrigger();
  const uint32_t warp_pair = BlockX() * kMatVecWarps * a.pairs_per_warp + WarpIndex();
  UnitBatch<kType> batch;
  if (warp_pair < a.n_pairs) LoadBatch<kType>(a, warp_pair, 0, &batch);
  GridWait();
  const uint32_t n_rows = DimValue(a.step, a.n_rows), first_row = BlockY() * a.tokens;
  if (first_row >= n_rows) return;
  // Rows of x of this block; the same for all threads of the grid but in the last blocks.
  const uint32_t n_tokens = kTokens == 1 ? 1 : Least(a.tokens, n_rows - first_row);

  const uint32_t cols = a.matrix.cols;
  uint8_t* staged = Shared() + kMatVecHeader;
  const uint8_t* x = staged;
  uint64_t x_step = C::kQuantized ? QuantRowBytes(cols) : FloatRowBytes(cols);
  if (a.source == kSourceFloat) {
    StageRows<kType>(a, first_row, n_tokens, staged);
  } else {
    x = RowOf<const uint8_t>(a.x, first_row);
    x_step = a.x.row_bytes;
  }
  // Direct rows end where they end; staged ones are padded.
  const uint32_t readable = a.source == kSourceDirect ? cols : CeilDiv(cols, 32) * 32;

  for (uint32_t j = 0; j < a.pairs_per_warp; ++j) {
    const uint32_t pair = warp_pair + j * kMatVecWarps;
    if (pair >= a.n_pairs) break;
    float acc[2][kTokens];
    SAMARA_UNROLL
    for (uint32_t t = 0; t < kTokens; ++t) acc[0][t] = acc[1][t] = 0.0f;
    for (uint32_t first = 0; first < a.matrix.units_per_row; first += kMatVecBatch) {
      const UnitBatch<kType> now = batch;
      if (first + kMatVecBatch < a.matrix.units_per_row) {
        LoadBatch<kType>(a, pair, first + kMatVecBatch, &batch);
      } else if (j + 1 < a.pairs_per_warp && pair + kMatVecWarps < a.n_pairs) {
        LoadBatch<kType>(a, pair + kMatVecWarps, 0, &batch);
      }
      SAMARA_UNROLL
      for (uint32_t i = 0; i < kMatVecUnits; ++i) {
        const uint32_t unit = first + i * kWarp + Lane();
        if (unit >= a.matrix.units_per_row) continue;
        SAMARA_UNROLL
        for (uint32_t t = 0; t < kTokens; ++t) {
          if (t >= n_tokens) break;
          const uint8_t* row = x + t * x_step;
          SAMARA_UNROLL
          for (int r = 0; r < 2; ++r) {
            if constexpr (C::kQuantized) {
              const int8_t* bytes = reinterpret_cast<const int8_t*>(row);
              acc[r][t] = AddQuantUnit<kType>(now.data[r][i], unit, a.matrix.blocks, bytes,
                                              MetaOf(bytes, cols), acc[r][t]);
            } else {
              const float* values = reinterpret_cast<const float*>(row) + unit * C::kUnit;
              acc[r][t] =
                  AddFloatUnit<kType>(now.data[r][i].unit, values, readable - unit * C::kUnit,
                                      a.source == kSourceDirect, acc[r][t]);
            }
          }
        }
      }
    }
    // Lane t stores what belongs to row t.
    float mine[2] = {0.0f, 0.0f};
    SAMARA_UNROLL
    for (uint32_t t = 0; t < kTokens; ++t) {
      if (t >= n_tokens) break;
      SAMARA_UNROLL
      for (int r = 0; r < 2; ++r) {
        const float sum = WarpSum(acc[r][t]);
        if (Lane() == t) mine[r] = sum;
      }
    }
    if (Lane() < n_tokens) {
      StorePair(a, pair, first_row + Lane(), Lane(), WarpIndex() + j * kMatVecWarps, mine[0],
                mine[1]);
    }
  }
  if (a.epilogue != kGlu || a.quantize == 0) return;
  // The 32 outputs of this block are one int8 block of each row.
  SyncBlock();
  const uint32_t t = WarpIndex();
  if (t >= n_tokens) return;
  const uint32_t column = BlockX() * 32 + Lane();
  const float z =
      column < a.n_pairs ? (reinterpret_cast<float*>(Shared() + 64) + t * 32)[Lane()] : 0.0f;
  int8_t* row = RowOf<int8_t>(a.out, first_row + t);
  QuantizeOne(z, true, row + BlockX() * 32, MetaOf(row, a.n_pairs) + BlockX());
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_MATVEC_H_
