// Operators over rows: norms, the table of rotations, gated activations, activations made ready for a product.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_ROWS_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_ROWS_H_

#include "backends/cuda/kernels/quantize.h"

namespace samara::cuda {

inline constexpr uint32_t kRowThreads = 256;
// Shared memory of PrepareKernel and InverseRms: a float for each warp, and one more.
inline constexpr uint32_t kRowShared = 64;

// A warp a group.
SAMARA_KERNEL(kRowThreads, RmsNormKernel, RmsNormArgs) {
  GridTrigger();
  GridWait();
  const uint32_t groups = a.cols / a.group;
  const uint64_t n = static_cast<uint64_t>(DimValue(a.step, a.n_rows)) * groups;
  const uint64_t step = static_cast<uint64_t>(ElementStep()) / kWarp;
  for (uint64_t i = static_cast<uint64_t>(FirstElement()) / kWarp; i < n; i += step) {
    const uint32_t t = static_cast<uint32_t>(i / groups);
    const uint32_t first = static_cast<uint32_t>(i % groups) * a.group;
    const float* x = RowOf<const float>(a.x, t) + first;
    float* y = RowOf<float>(a.out, t) + first;
    float mean = 0.0f;
    if (a.centred != 0) {
      float sum = 0.0f;
      for (uint32_t k = Lane(); k < a.group; k += kWarp) sum += x[k];
      mean = WarpSum(sum) / static_cast<float>(a.group);
    }
    float squares = 0.0f;
    for (uint32_t k = Lane(); k < a.group; k += kWarp) {
      squares = Fma(x[k] - mean, x[k] - mean, squares);
    }
    squares = WarpSum(squares);
    const float r = 1.0f / SquareRoot(squares / static_cast<float>(a.group) + a.eps);
    const uint32_t vector = a.centred != 0 ? first : 0;
    for (uint32_t k = Lane(); k < a.group; k += kWarp) {
      float v = (x[k] - mean) * r;
      if (a.weight != nullptr) v = v * a.weight[vector + k];
      y[k] = a.bias != nullptr ? v + a.bias[vector + k] : v;
    }
  }
}

SAMARA_KERNEL(kRowThreads, RopeTableKernel, RopeTableArgs) {
  GridTrigger();
  GridWait();
  View positions, out;
  MakeView(a.step, a.positions, &positions);
  MakeView(a.step, a.out, &out);
  const int64_t half = out.dims[1] / 2, n = out.dims[0] * half;
  for (int64_t i = FirstElement(); i < n; i += ElementStep()) {
    const int64_t t = i / half, k = i % half;
    const float position = static_cast<float>(
        reinterpret_cast<const int32_t*>(positions.data)[t * positions.strides[0]]);
    const float angle = position * a.inv_freq[k];
    float* row = reinterpret_cast<float*>(out.data) + t * out.strides[0];
    row[k] = Cos(angle) * a.factor;
    row[half + k] = Sin(angle) * a.factor;
  }
}

// Four columns a thread, so that eight neighbours have an int8 block.
SAMARA_KERNEL(kRowThreads, GluKernel, GluArgs) {
  GridTrigger();
  GridWait();
  const uint32_t fours = CeilDiv(a.cols, 32) * 8;
  const uint64_t n = static_cast<uint64_t>(DimValue(a.step, a.n_rows)) * fours;
  const uint64_t rounded = (n + kWarp - 1) / kWarp * kWarp;  // whole warps stay together
  for (uint64_t i = static_cast<uint64_t>(FirstElement()); i < rounded;
       i += static_cast<uint64_t>(ElementStep())) {
    const uint32_t t = static_cast<uint32_t>(i / fours), four = static_cast<uint32_t>(i % fours);
    float y[4] = {};
    if (i < n) {
      const float* x = RowOf<const float>(a.x, t);
      SAMARA_UNROLL
      for (uint32_t j = 0; j < 4; ++j) {
        const uint32_t k = 4 * four + j;
        if (k >= a.cols) continue;
        y[j] = Activate(a.activation, x[k]);
        if (a.gated != 0) y[j] = y[j] * x[a.cols + k];
      }
    }
    if (a.quantize != 0) {
      int8_t* row = i < n ? RowOf<int8_t>(a.out, t) : nullptr;
      QuantizeFour(y, i < n, row == nullptr ? nullptr : row + four / 8 * 32,
                   row == nullptr ? nullptr : MetaOf(row, a.cols) + four / 8);
    } else if (i < n) {
      float* row = RowOf<float>(a.out, t);
      SAMARA_UNROLL
      for (uint32_t j = 0; j < 4; ++j) {
        if (4 * four + j < a.cols) row[4 * four + j] = y[j];
      }
    }
  }
}

// The largest of a block's values, by the whole block; ends with a barrier.
SAMARA_DEVICE uint32_t BlockMax(uint32_t value, uint32_t* work) {
  value = WarpMax(value);
  if (Lane() == 0) work[WarpIndex()] = value;
  SyncBlock();
  uint32_t largest = 0;
  for (uint32_t w = 0; w < BlockThreads() / kWarp; ++w) largest = Most(largest, work[w]);
  SyncBlock();
  return largest;
}

// A block a row.
SAMARA_KERNEL(kRowThreads, PrepareKernel, PrepareArgs) {
  GridTrigger();
  GridWait();
  const uint32_t t = BlockX();
  if (t >= DimValue(a.step, a.n_rows)) return;
  float* work = reinterpret_cast<float*>(Shared());
  const float* x = RowOf<const float>(a.x, t);
  const bool aligned = (reinterpret_cast<uintptr_t>(x) & 15) == 0;
  float r = 1.0f;
  if (a.norm != 0) r = InverseRms(x, a.cols, aligned, a.eps, work);
  const uint32_t padded = CeilDiv(a.cols, 32) * 32;
  // Row values are scaled by a power of two that brings the largest to 2^14, so that f16 holds them.
  float scale = 1.0f, back = 1.0f;
  if (a.form == 1) {
    uint32_t largest = 0;
    for (uint32_t i = Tid(); i < a.cols; i += BlockThreads()) {
      largest = Most(largest, MagnitudeBits(x[i]));
    }
    largest = BlockMax(largest, reinterpret_cast<uint32_t*>(work));
    if (largest < 0x7f800000u && largest != 0) {
      int32_t e = static_cast<int32_t>(largest >> 23) - 127 - 14;
      e = Most(Least(e, 112), -126);
      scale = PowerOfTwo(-e);
      back = PowerOfTwo(e);
    }
    if (Tid() == 0) a.row_scale[t] = back;
  }
  for (uint32_t i = Tid(); i < padded / 4; i += BlockThreads()) {
    float v[4];
    LoadFour(x, i, a.cols, aligned, v);
    if (a.norm != 0) {
      SAMARA_UNROLL
      for (uint32_t j = 0; j < 4; ++j) {
        v[j] = v[j] * r;
        if (a.norm_weight != nullptr && 4 * i + j < a.cols) v[j] = v[j] * a.norm_weight[4 * i + j];
      }
    }
    if (a.form == 1) {
      uint16_t* high = RowOf<uint16_t>(a.out, t);
      uint16_t* low = RowOf<uint16_t>(a.low, t);
      SAMARA_UNROLL
      for (uint32_t j = 0; j < 4; ++j) {
        const float y = v[j] * scale;
        const uint16_t h = HalfOfFloat(y);
        high[4 * i + j] = h;
        low[4 * i + j] = HalfOfFloat(y - FloatOfHalf(h));
      }
    } else {
      uint16_t* row = RowOf<uint16_t>(a.out, t);
      SAMARA_UNROLL
      for (uint32_t j = 0; j < 4; ++j) {
        row[4 * i + j] = static_cast<uint16_t>(BitsOfFloat(Bf16Operand(v[j])) >> 16);
      }
    }
  }
}

// The same for int8 blocks: form 0.
SAMARA_KERNEL(kRowThreads, QuantizeKernel, PrepareArgs) {
  GridTrigger();
  GridWait();
  const uint32_t t = BlockX();
  if (t >= DimValue(a.step, a.n_rows)) return;
  const float* x = RowOf<const float>(a.x, t);
  const bool aligned = (reinterpret_cast<uintptr_t>(x) & 15) == 0;
  float r = 1.0f;
  if (a.norm != 0) {
    r = InverseRms(x, a.cols, aligned, a.eps, reinterpret_cast<float*>(Shared()));
  }
  int8_t* row = RowOf<int8_t>(a.out, t);
  const uint32_t fours = CeilDiv(a.cols, 32) * 8;
  for (uint32_t first = 0; first < fours; first += BlockThreads()) {
    const uint32_t i = first + Tid();
    float v[4] = {};
    if (i < fours) LoadFour(x, i, a.cols, aligned, v);
    if (a.norm != 0) {
      SAMARA_UNROLL
      for (uint32_t j = 0; j < 4; ++j) {
        v[j] = v[j] * r;
        if (a.norm_weight != nullptr && 4 * i + j < a.cols) v[j] = v[j] * a.norm_weight[4 * i + j];
      }
    }
    QuantizeFour(v, i < fours, row + i / 8 * 32, MetaOf(row, a.cols) + i / 8);
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_ROWS_H_
