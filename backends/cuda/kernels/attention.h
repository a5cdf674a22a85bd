// Attention: a warp takes one head of one token over a range of chunks of 64 slots. Warps of the heads that share keys
// and values stand in one block, so all but the first find them in the cache.
//
// Keys of a chunk are [dim][64 slots]: a lane takes 16 bytes, the same slots of every (32 / lanes a row)-th dimension,
// and the scores of its slots are completed by shuffles. Values are [64 slots][dim]: a lane takes 16 bytes of a slot,
// so that lanes in a row cover the dimensions and the rest of the warp further slots.
//
// With several splits a head's range is shared by as many blocks; the last one to finish puts the parts together, in
// ascending order, so the bits do not depend on who was last.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_ATTENTION_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_ATTENTION_H_

#include "backends/cuda/kernels/quantize.h"

namespace samara::cuda {

inline constexpr uint32_t kMaxAttentionWarps = 8;
// Floats of shared memory a warp: query, probabilities of a chunk, sums of the lane groups.
inline constexpr uint32_t kAttentionSums = 512;
inline constexpr uint32_t kAttentionWork = kMaxAttentionDim + kBlockSlots + kAttentionSums;
// A split takes at least so many chunks: putting parts together costs more than a chunk.
inline constexpr uint32_t kMinSplitChunks = 2;

template <uint32_t kType>
inline constexpr uint32_t kStateVector = kType == kF32   ? 4
                                         : kType == kF16 ? 8
                                                         : 16;  // elements of 16 bytes

// Element e of 16 loaded bytes, without a scale.
template <uint32_t kType>
SAMARA_DEVICE float VectorElement(const Word4& v, uint32_t e) {
  if constexpr (kType == kF32) {
    return FloatOfBits(v.w[e]);
  } else if constexpr (kType == kF16) {
    return FloatOfHalf(static_cast<uint16_t>(v.w[e / 2] >> (16 * (e % 2)) & 0xffffu));
  } else {
    return static_cast<float>(static_cast<int8_t>(v.w[e / 4] >> (8 * (e % 4)) & 0xffu));
  }
}

template <uint32_t kType>
SAMARA_DEVICE void ScoreChunk(const StateArg& keys, uint8_t* head, const float* q,
                              float (&s)[kStateVector<kType>]) {
  constexpr uint32_t kVec = kStateVector<kType>, kLanes = kBlockSlots / kVec, kGroups = 32 / kLanes;
  const uint32_t group = Lane() / kLanes, place = Lane() % kLanes;
  SAMARA_UNROLL
  for (uint32_t e = 0; e < kVec; ++e) s[e] = 0.0f;
  if constexpr (kType == kQ8_0) {
    for (uint32_t first = 0; first < keys.dim; first += 32) {
      const uint32_t last = Least(first + 32, keys.dim);
      float run[kVec];
      SAMARA_UNROLL
      for (uint32_t e = 0; e < kVec; ++e) run[e] = 0.0f;
      for (uint32_t d = first + group; d < last; d += kGroups) {
        const Word4 v = *reinterpret_cast<const Word4*>(head + d * kBlockSlots + place * kVec);
        const float x = q[d];
        SAMARA_UNROLL
        for (uint32_t e = 0; e < kVec; ++e) run[e] = Fma(x, VectorElement<kType>(v, e), run[e]);
      }
      const uint16_t* scales = ScaleOf(keys, head, place * kVec, first / 32);
      SAMARA_UNROLL
      for (uint32_t e = 0; e < kVec; ++e) s[e] = Fma(run[e], FloatOfHalf(scales[e]), s[e]);
    }
  } else {
    constexpr uint32_t kSize = 16 / kVec;
    SAMARA_UNROLL_4
    for (uint32_t d = group; d < keys.dim; d += kGroups) {
      const Word4 v =
          *reinterpret_cast<const Word4*>(head + (d * kBlockSlots + place * kVec) * kSize);
      const float x = q[d];
      SAMARA_UNROLL
      for (uint32_t e = 0; e < kVec; ++e) s[e] = Fma(x, VectorElement<kType>(v, e), s[e]);
    }
  }
  SAMARA_UNROLL
  for (uint32_t e = 0; e < kVec; ++e) {
    SAMARA_UNROLL
    for (uint32_t mask = kLanes; mask < 32; mask *= 2) s[e] += ShuffleXor(s[e], mask);
  }
}

// kVec elements of a value at a time, kUnits of them a lane.
template <uint32_t kType, uint32_t kVec, uint32_t kUnits>
SAMARA_DEVICE void AddValues(const StateArg& values, uint8_t* head, const float* p, uint32_t begin,
                             uint32_t end, float (&o)[kUnits][kVec]) {
  const uint32_t units = values.dim / kVec, lanes = Least(units, kWarp), groups = kWarp / lanes;
  const uint32_t group = Lane() / lanes, place = Lane() % lanes;
  if (group >= groups) return;
  SAMARA_UNROLL_4
  for (uint32_t j = begin + group; j < end; j += groups) {
    const float weight = p[j];
    SAMARA_UNROLL
    for (uint32_t u = 0; u < kUnits; ++u) {
      const uint32_t unit = place + u * kWarp;
      if (unit >= units) continue;
      const uint32_t at = j * values.dim + unit * kVec;
      if constexpr (kVec == 1) {
        o[u][0] = Fma(weight, LoadElement(values, head, j, unit), o[u][0]);
      } else {
        constexpr uint32_t kSize = 16 / kVec;
        const Word4 v = *reinterpret_cast<const Word4*>(head + at * kSize);
        float factor = weight;
        if constexpr (kType == kQ8_0) {
          factor *= FloatOfHalf(*ScaleOf(values, head, j, unit * kVec / 32));
        }
        SAMARA_UNROLL
        for (uint32_t e = 0; e < kVec; ++e) {
          o[u][e] = Fma(factor, VectorElement<kType>(v, e), o[u][e]);
        }
      }
    }
  }
}

// The sink, the division, and the row of the output. `o`: value_dim sums in shared memory.
SAMARA_DEVICE void FinishHead(const AttentionArgs& a, uint32_t t, uint32_t h, float m, float l,
                              const float* o) {
  float factor = 1.0f;
  if (a.sinks != nullptr) {
    const float z = a.sinks[h];
    const float largest = m > z ? m : z;
    factor = Exp(m - largest);
    l = Fma(l, factor, Exp(z - largest));
  }
  const float inverse = 1.0f / l;
  if (a.quantize != 0) {
    int8_t* row = RowOf<int8_t>(a.out, t);
    QuantMeta* meta = MetaOf(row, a.heads * a.value_dim);
    for (uint32_t d = 0; d < a.value_dim; d += kWarp) {
      const uint32_t at = h * a.value_dim + d;
      QuantizeOne(o[d + Lane()] * factor * inverse, true, row + at, meta + at / 32);
    }
    return;
  }
  float* row = RowOf<float>(a.out, t) + h * a.value_dim;
  for (uint32_t d = Lane(); d < a.value_dim; d += kWarp) row[d] = o[d] * factor * inverse;
}

// Stores this part; whoever comes last puts all parts of the head together.
SAMARA_DEVICE void MergeSplits(const AttentionArgs& a, uint32_t t, uint32_t h, uint32_t split,
                               uint32_t active, float m, float l, float* o) {
  const uint32_t size = a.value_dim + 2;
  float* parts = a.partials + (static_cast<uint64_t>(t) * a.heads + h) * a.splits * size;
  float* mine = parts + split * size;
  for (uint32_t d = Lane(); d < a.value_dim; d += kWarp) mine[d] = o[d];
  if (Lane() == 0) {
    mine[a.value_dim] = m;
    mine[a.value_dim + 1] = l;
  }
  SyncWarp();
  uint32_t before = 0;
  if (Lane() == 0) {
    Fence();
    before = AtomicAdd(a.tickets + t * a.heads + h, 1u);
    Fence();
  }
  before = ShuffleFrom(before, 0);
  if (before != active - 1) return;
  if (Lane() == 0) a.tickets[t * a.heads + h] = 0;
  float largest = LoadFresh(parts + a.value_dim);
  for (uint32_t s = 1; s < active; ++s) {
    const float other = LoadFresh(parts + s * size + a.value_dim);
    largest = other > largest ? other : largest;
  }
  float sum = 0.0f;
  for (uint32_t s = 0; s < active; ++s) {
    const float* part = parts + s * size;
    sum = Fma(LoadFresh(part + a.value_dim + 1), Exp(LoadFresh(part + a.value_dim) - largest), sum);
  }
  for (uint32_t d = Lane(); d < a.value_dim; d += kWarp) {
    float total = 0.0f;
    for (uint32_t s = 0; s < active; ++s) {
      const float* part = parts + s * size;
      total = Fma(LoadFresh(part + d), Exp(LoadFresh(part + a.value_dim) - largest), total);
    }
    o[d] = total;
  }
  SyncWarp();
  FinishHead(a, t, h, largest, sum, o);
}

template <uint32_t kType, uint32_t kVec, uint32_t kUnits>
SAMARA_KERNEL(kMaxAttentionWarps * 32, AttentionKernel, AttentionArgs) {
  constexpr uint32_t kKeyVec = kStateVector<kType>, kKeyLanes = kBlockSlots / kKeyVec;
  GridTrigger();
  GridWait();
  const uint32_t t = BlockY();
  if (t >= DimValue(a.step, a.n_rows)) return;
  const uint32_t group_heads = a.heads / a.kv_heads;
  const uint32_t tiles = CeilDiv(group_heads, a.heads_per_block);
  const uint32_t split = BlockX() % a.splits, tile = BlockX() / a.splits % tiles;
  const uint32_t kv_head = BlockX() / a.splits / tiles;
  const uint32_t in_group = tile * a.heads_per_block + WarpIndex();
  const uint32_t h = kv_head * group_heads + in_group;
  const TokenParams& token = Token(a.step, t);
  uint32_t begin, end;
  VisibleSlots(token, a.window, &begin, &end);
  if (begin >= end) {
    if (Tid() == 0) Report(a.step, kFaultNothingVisible);
    return;
  }
  const uint32_t first_chunk = begin / kBlockSlots;
  const uint32_t chunks = (end - 1) / kBlockSlots + 1 - first_chunk;
  const uint32_t share = Most(CeilDiv(chunks, a.splits), Least(kMinSplitChunks, chunks));
  const uint32_t active = CeilDiv(chunks, share);
  if (split >= active || in_group >= group_heads) return;

  float* q = reinterpret_cast<float*>(Shared()) + WarpIndex() * kAttentionWork;
  float* p = q + kMaxAttentionDim;
  float* sums = p + kBlockSlots;
  const float* query = RowOf<const float>(a.q, t) + h * a.key_dim;
  for (uint32_t d = Lane(); d < a.key_dim; d += kWarp) q[d] = query[d] * a.scale;
  SyncWarp();

  float m = -Infinity(), l = 0.0f;
  float o[kUnits][kVec];
  SAMARA_UNROLL
  for (uint32_t i = 0; i < kUnits * kVec; ++i) o[i / kVec][i % kVec] = 0.0f;
  const uint32_t last_chunk = first_chunk + Least(chunks, (split + 1) * share);
  for (uint32_t chunk = first_chunk + split * share; chunk < last_chunk; ++chunk) {
    const uint32_t block = PhysicalBlock(a.step, a.keys, token.seq, chunk * kBlockSlots);
    if (block >= a.keys.pool_blocks) {
      if (Lane() == 0) Report(a.step, kFaultBlock);
      return;
    }
    const uint32_t j0 = Most(begin, chunk * kBlockSlots) - chunk * kBlockSlots;
    const uint32_t j1 = Least(end - chunk * kBlockSlots, kBlockSlots);
    float s[kKeyVec];
    ScoreChunk<kType>(a.keys, HeadOf(a.keys, block, kv_head), q, s);
    const uint32_t first = Lane() % kKeyLanes * kKeyVec;  // this lane's slots
    float largest = -Infinity();
    SAMARA_UNROLL
    for (uint32_t e = 0; e < kKeyVec; ++e) {
      if (a.softcap > 0.0f) s[e] = a.softcap * Tanh(s[e] / a.softcap);
      if (first + e >= j0 && first + e < j1) largest = s[e] > largest ? s[e] : largest;
    }
    largest = WarpMax(largest);
    largest = m > largest ? m : largest;
    const float keep = Exp(m - largest);
    float sum = 0.0f;
    SAMARA_UNROLL
    for (uint32_t e = 0; e < kKeyVec; ++e) {
      const bool seen = first + e >= j0 && first + e < j1;
      const float x = seen ? Exp(s[e] - largest) : 0.0f;
      sum += x;
      if (Lane() < kKeyLanes) p[first + e] = x;
    }
    // The groups of lanes hold the same scores.
    l = Fma(l, keep, WarpSum(Lane() < kKeyLanes ? sum : 0.0f));
    m = largest;
    SAMARA_UNROLL
    for (uint32_t i = 0; i < kUnits * kVec; ++i) o[i / kVec][i % kVec] *= keep;
    SyncWarp();
    AddValues<kType, kVec, kUnits>(a.values, HeadOf(a.values, block, kv_head), p, j0, j1, o);
    SyncWarp();
  }

  // The groups of lanes have sums over different slots.
  const uint32_t units = a.value_dim / kVec, lanes = Least(units, kWarp), groups = kWarp / lanes;
  const uint32_t group = Lane() / lanes, place = Lane() % lanes;
  if (group < groups) {
    SAMARA_UNROLL
    for (uint32_t u = 0; u < kUnits; ++u) {
      const uint32_t unit = place + u * kWarp;
      if (unit >= units) continue;
      SAMARA_UNROLL
      for (uint32_t e = 0; e < kVec; ++e) {
        sums[group * a.value_dim + unit * kVec + e] = o[u][e];
      }
    }
  }
  SyncWarp();
  for (uint32_t d = Lane(); d < a.value_dim; d += kWarp) {
    float total = sums[d];
    for (uint32_t g = 1; g < groups; ++g) total += sums[g * a.value_dim + d];
    sums[d] = total;
  }
  SyncWarp();
  if (active == 1) {
    FinishHead(a, t, h, m, l, sums);
  } else {
    MergeSplits(a, t, h, split, active, m, l, sums);
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_ATTENTION_H_
