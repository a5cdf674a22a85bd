// One token drawn from a row of logits (runtime/sampler.h, steps 2 to 8), by one block.
//
// Probabilities are whole numbers, exp(y) * 2^40, so that sums have no order. top_k and top_p both keep the first ids
// of one order (larger y first, then lower ids): a cut is the last y that is kept and the last id of that y. It is found
// by four passes over eight bits each of y's magnitude (y <= 0: ascending magnitudes are descending y).
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_DRAW_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_DRAW_H_

#include "backends/cuda/kernels/math.h"

namespace samara::cuda {

inline constexpr uint32_t kDrawThreads = 512;
inline constexpr float kDrawOne = 1099511627776.0f;  // 2^40

struct DrawWork {
  uint64_t bins[256];
  uint64_t sums[kDrawThreads];
  float values[32];
  uint32_t ids[32];
  uint64_t base;    // mass before the chosen bin
  uint32_t prefix;  // chosen bins so far
  uint32_t found;
};

struct DrawCut {
  uint32_t magnitude;  // ids of smaller magnitudes are kept,
  uint32_t last;       // and of this one those up to here
};

SAMARA_DEVICE uint64_t WeightOf(uint32_t magnitude) {
  return static_cast<uint64_t>(Exp(-FloatOfBits(magnitude)) * kDrawOne);
}
SAMARA_DEVICE uint32_t MagnitudeOf(const DrawArgs& a, uint32_t id, float largest) {
  return BitsOfFloat((a.logits[id] - largest) / a.temperature) & 0x7fffffffu;
}
SAMARA_DEVICE bool Kept(const DrawCut& cut, uint32_t magnitude, uint32_t id) {
  return magnitude < cut.magnitude || (magnitude == cut.magnitude && id <= cut.last);
}
// Ids of this thread for what goes in ascending order of ids.
SAMARA_DEVICE void Segment(uint32_t vocab, uint32_t* begin, uint32_t* end) {
  const uint32_t each = CeilDiv(vocab, kDrawThreads);
  *begin = Least(Tid() * each, vocab);
  *end = Least(*begin + each, vocab);
}
// Sum over the threads before this one; `total` of all.
SAMARA_DEVICE uint64_t SumBefore(uint64_t value, DrawWork* work, uint64_t* total) {
  work->sums[Tid()] = value;
  SyncBlock();
  for (uint32_t step = 1; step < kDrawThreads; step *= 2) {
    const uint64_t left = Tid() >= step ? work->sums[Tid() - step] : 0;
    SyncBlock();
    work->sums[Tid()] += left;
    SyncBlock();
  }
  *total = work->sums[kDrawThreads - 1];
  const uint64_t before = work->sums[Tid()] - value;
  SyncBlock();
  return before;
}

// The first ids of the order, among those that `cut` keeps, whose mass reaches `target` (their number, or weight).
SAMARA_DEVICE DrawCut CutAt(const DrawArgs& a, float largest, const DrawCut& cut, bool by_weight,
                            uint64_t target, DrawWork* work) {
  uint32_t prefix = 0;
  uint64_t base = 0;
  for (int32_t shift = 24; shift >= 0; shift -= 8) {
    if (Tid() < 256) work->bins[Tid()] = 0;
    SyncBlock();
    for (uint32_t id = Tid(); id < a.vocab; id += kDrawThreads) {
      const uint32_t magnitude = MagnitudeOf(a, id, largest);
      if (!Kept(cut, magnitude, id)) continue;
      if (shift < 24 && magnitude >> (shift + 8) != prefix) continue;
      AtomicAdd(&work->bins[magnitude >> shift & 255u],
                by_weight ? WeightOf(magnitude) : uint64_t{1});
    }
    SyncBlock();
    if (Tid() == 0) {
      // The last bin that holds anything, if rounding keeps the target out of reach.
      uint32_t bin = 0;
      uint64_t before = base;
      for (uint32_t i = 0; i < 256; ++i) {
        if (work->bins[i] == 0) continue;
        bin = i;
        work->base = before;
        before += work->bins[i];
        if (before >= target) break;
      }
      work->prefix = prefix << 8 | bin;
    }
    SyncBlock();
    prefix = work->prefix;
    base = work->base;
    SyncBlock();
  }
  // Ids of equal y, as many as it takes.
  const uint64_t each = by_weight ? Most(WeightOf(prefix), uint64_t{1}) : 1;
  const uint64_t wanted = Most((target - Least(target, base) + each - 1) / each, uint64_t{1});
  uint32_t begin, end;
  Segment(a.vocab, &begin, &end);
  uint64_t mine = 0, total = 0;
  for (uint32_t id = begin; id < end; ++id) {
    const uint32_t magnitude = MagnitudeOf(a, id, largest);
    mine += magnitude == prefix && Kept(cut, magnitude, id) ? 1u : 0u;
  }
  uint64_t count = SumBefore(mine, work, &total);
  if (Tid() == 0) work->found = a.vocab - 1;
  SyncBlock();
  if (count < wanted && count + mine >= wanted) {
    for (uint32_t id = begin; id < end; ++id) {
      const uint32_t magnitude = MagnitudeOf(a, id, largest);
      if (magnitude != prefix || !Kept(cut, magnitude, id)) continue;
      if (++count == wanted) {
        work->found = id;
        break;
      }
    }
  }
  SyncBlock();
  const DrawCut made = {prefix, work->found};
  SyncBlock();
  return made;
}

// The first maximum; -1 where a logit is not finite.
SAMARA_DEVICE int32_t FirstMaximum(const DrawArgs& a, DrawWork* work, float* largest) {
  float best = -Infinity();
  uint32_t best_id = 0xffffffffu, bad = 0;
  for (uint32_t id = Tid(); id < a.vocab; id += kDrawThreads) {
    const float x = a.logits[id];
    bad |= IsFinite(x) ? 0u : 1u;
    if (x > best || best_id == 0xffffffffu) {
      best = x;
      best_id = id;
    }
  }
  for (uint32_t mask = 16; mask > 0; mask /= 2) {
    const float other = ShuffleXor(best, mask);
    const uint32_t other_id = ShuffleXor(best_id, mask);
    bad |= ShuffleXor(bad, mask);
    if (other > best || (other == best && other_id < best_id)) {
      best = other;
      best_id = other_id;
    }
  }
  if (Lane() == 0) {
    work->values[WarpIndex()] = bad != 0 ? NotANumber() : best;
    work->ids[WarpIndex()] = best_id;
  }
  SyncBlock();
  best = work->values[0];
  best_id = work->ids[0];
  bool finite = !IsNan(best);
  for (uint32_t w = 1; w < kDrawThreads / kWarp; ++w) {
    const float other = work->values[w];
    const uint32_t other_id = work->ids[w];
    finite = finite && !IsNan(other);
    if (other > best || (other == best && other_id < best_id)) {
      best = other;
      best_id = other_id;
    }
  }
  SyncBlock();
  *largest = best;
  return finite ? static_cast<int32_t>(best_id) : -1;
}

SAMARA_KERNEL(kDrawThreads, DrawKernel, DrawArgs) {
  GridTrigger();
  GridWait();
  DrawWork* work = reinterpret_cast<DrawWork*>(Shared());
  float largest;
  const int32_t first = FirstMaximum(a, work, &largest);
  if (a.temperature == 0.0f || first < 0) {
    if (Tid() == 0) *a.id = first;
    FenceSystem();
    return;
  }
  DrawCut cut = {0x7fffffffu, a.vocab - 1};  // everything
  if (a.top_k != 0 && a.top_k < a.vocab) cut = CutAt(a, largest, cut, false, a.top_k, work);
  uint32_t begin, end;
  Segment(a.vocab, &begin, &end);
  uint64_t mine = 0, total = 0;
  if (a.top_p < 1.0f) {
    for (uint32_t id = begin; id < end; ++id) {
      const uint32_t magnitude = MagnitudeOf(a, id, largest);
      if (Kept(cut, magnitude, id)) mine += WeightOf(magnitude);
    }
    SumBefore(mine, work, &total);
    const double want = static_cast<double>(a.top_p) * static_cast<double>(total);
    uint64_t target = static_cast<uint64_t>(want);
    if (static_cast<double>(target) < want) ++target;
    cut = CutAt(a, largest, cut, true, Most(target, uint64_t{1}), work);
  }
  const uint64_t least = static_cast<uint64_t>(a.min_p * kDrawOne);
  mine = 0;
  for (uint32_t id = begin; id < end; ++id) {
    const uint32_t magnitude = MagnitudeOf(a, id, largest);
    const uint64_t weight = WeightOf(magnitude);
    if (weight >= least && Kept(cut, magnitude, id)) mine += weight;
  }
  uint64_t running = SumBefore(mine, work, &total);
  // The first id whose running sum passes this; the last one, should rounding reach the end.
  const uint64_t point =
      Least(static_cast<uint64_t>(a.uniform * static_cast<double>(total)), total - 1);
  if (running <= point && point < running + mine) {
    for (uint32_t id = begin; id < end; ++id) {
      const uint32_t magnitude = MagnitudeOf(a, id, largest);
      const uint64_t weight = WeightOf(magnitude);
      if (weight < least || !Kept(cut, magnitude, id)) continue;
      running += weight;
      if (running > point) {
        *a.id = static_cast<int32_t>(id);
        FenceSystem();
        break;
      }
    }
  }
}

// Reads everything once; the sums keep the loads alive.
SAMARA_KERNEL(512, BandwidthKernel, BandwidthArgs) {
  const uint64_t n = a.bytes / 16, step = static_cast<uint64_t>(GridX()) * BlockThreads();
  uint32_t sum = 0;
  SAMARA_UNROLL_4
  for (uint64_t i = static_cast<uint64_t>(BlockX()) * BlockThreads() + Tid(); i < n; i += step) {
    const Word4 v = LoadWeight(a.data + 16 * i);
    sum ^= v.w[0] ^ v.w[1] ^ v.w[2] ^ v.w[3];
  }
  if (sum == 0x5a3a5a3au) *a.sink = sum;
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_DRAW_H_
