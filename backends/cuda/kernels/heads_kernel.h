// Heads of tokens: norm, rotation, and where they go: rows, or a slot of a state.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_HEADS_KERNEL_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_HEADS_KERNEL_H_

#include "backends/cuda/kernels/heads.h"

namespace samara::cuda {

inline constexpr uint32_t kHeadsWarps = 4;

// A slot's head in Q8_0: runs of 32 dimensions, lane by lane. Values rounded half away from zero by 1 / d.
SAMARA_DEVICE void StoreQuantizedHead(const StateArg& state, uint8_t* head, uint32_t j,
                                      const float* values) {
  for (uint32_t first = 0; first < state.dim; first += kWarp) {
    const uint32_t d = first + Lane();
    const float x = d < state.dim ? values[d] : 0.0f;
    const uint32_t largest = WarpMax(MagnitudeBits(x));
    const float scale = FloatOfBits(largest) / 127.0f;
    uint16_t stored = HalfOfFloat(scale);
    float inverse = 1.0f / scale;
    if (!IsFinite(inverse)) inverse = 0.0f;
    // A scale that is not finite makes every value of the run not a number, if the quants are 0.
    const bool finite = largest < 0x7f800000u && IsFinite(FloatOfHalf(stored));
    if (largest >= 0x7f800000u) stored = 0x7c00;
    int32_t q = 0;
    if (finite) {
      const float y = x * inverse;
      const float magnitude = Absolute(y);
      const float whole = Floor(magnitude);
      const float rounded = magnitude - whole >= 0.5f ? whole + 1.0f : whole;
      q = static_cast<int32_t>(CopySign(rounded, y));
    }
    if (d < state.dim) head[StateElement(state, j, d)] = static_cast<uint8_t>(q & 255);
    if (Lane() == 0) *ScaleOf(state, head, j, first / kWarp) = stored;
  }
}

// A warp a head of a token. Shared memory: max_dim floats a warp.
SAMARA_KERNEL(kHeadsWarps * 32, HeadsKernel, HeadsArgs) {
  GridTrigger();
  GridWait();
  uint32_t heads = 0;
  for (uint32_t s = 0; s < a.n_segments; ++s) heads += a.segments[s].heads;
  const uint64_t n = static_cast<uint64_t>(DimValue(a.step, a.n_rows)) * heads;
  const uint64_t step = static_cast<uint64_t>(ElementStep()) / kWarp;
  float* work = reinterpret_cast<float*>(Shared()) + WarpIndex() * a.max_dim;
  for (uint64_t i = static_cast<uint64_t>(FirstElement()) / kWarp; i < n; i += step) {
    const uint32_t t = static_cast<uint32_t>(i / heads);
    uint32_t h = static_cast<uint32_t>(i % heads), index = 0;
    while (h >= a.segments[index].heads) h -= a.segments[index++].heads;
    const HeadsSegment& s = a.segments[index];
    const float* x = RowOf<const float>(s.in, t) + h * s.dim;
    float r = 1.0f;
    if (s.normalize != 0) {
      float sum = 0.0f;
      for (uint32_t d = Lane(); d < s.dim; d += kWarp) sum = Fma(x[d], x[d], sum);
      r = 1.0f / SquareRoot(WarpSum(sum) / static_cast<float>(s.dim) + s.eps);
    }
    for (uint32_t d = Lane(); d < s.dim; d += kWarp) {
      float y = x[d];
      if (s.normalize != 0) {
        y = y * r;
        if (s.norm != nullptr) y = y * s.norm[d];
      }
      work[d] = y;
    }
    SyncWarp();
    if (s.rotate != 0) {
      for (uint32_t p = Lane(); p < a.rotation.rotated / 2; p += kWarp) {
        uint32_t first, second;
        PairOf(a.rotation, 1, p, &first, &second);
        float u = work[first], v = work[second];
        Rotate(a.rotation, t, p, &u, &v);
        work[first] = u;
        work[second] = v;
      }
      SyncWarp();
    }
    if (s.target == kToRows) {
      float* to = RowOf<float>(s.out, t) + h * s.dim;
      for (uint32_t d = Lane(); d < s.dim; d += kWarp) to[d] = work[d];
    } else {
      const TokenParams& token = Token(a.step, t);
      const uint32_t block = PhysicalBlock(a.step, s.state, token.seq, token.write_slot);
      if (block >= s.state.pool_blocks) {
        if (Lane() == 0) Report(a.step, kFaultBlock);
      } else {
        uint8_t* head = HeadOf(s.state, block, h);
        const uint32_t j = token.write_slot % kBlockSlots;
        if (s.state.type == kQ8_0) {
          StoreQuantizedHead(s.state, head, j, work);
        } else {
          for (uint32_t d = Lane(); d < s.dim; d += kWarp) {
            StoreElement(s.state, head, j, d, work[d]);
          }
        }
      }
    }
    SyncWarp();
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_HEADS_KERNEL_H_
