// Activations as int8 in blocks of 32 (formats/numerics.md, "Activation blocks"), by 8 lanes a block.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_QUANTIZE_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_QUANTIZE_H_

#include "backends/cuda/kernels/tensor.h"

namespace samara::cuda {

// Elements 4i..4i+3 of a row of `cols`, zeros behind its end. `aligned`: the row begins at a multiple of 16.
SAMARA_DEVICE void LoadFour(const float* row, uint32_t i, uint32_t cols, bool aligned,
                            float (&x)[4]) {
  if (aligned && 4 * i + 4 <= cols) {
    const Word4 v = *reinterpret_cast<const Word4*>(row + 4 * i);
    SAMARA_UNROLL
    for (int j = 0; j < 4; ++j) x[j] = FloatOfBits(v.w[j]);
    return;
  }
  SAMARA_UNROLL
  for (uint32_t j = 0; j < 4; ++j) x[j] = 4 * i + j < cols ? row[4 * i + j] : 0.0f;
}

// Four values of a block by each of 8 neighbouring lanes; all lanes of the warp take part, those that have no block
// with `store` false. `bytes`: of the block; `meta`: its QuantMeta.
SAMARA_DEVICE void QuantizeFour(const float (&x)[4], bool store, int8_t* bytes, QuantMeta* meta) {
  uint32_t largest = 0;
  SAMARA_UNROLL
  for (int j = 0; j < 4; ++j) largest = Most(largest, MagnitudeBits(x[j]));
  const Quantizer quantizer = QuantizerOf(GroupMax<8>(largest));
  uint32_t word = 0;
  int32_t sum = 0;
  SAMARA_UNROLL
  for (int j = 0; j < 4; ++j) {
    const int32_t q = QuantizeValue(x[j], quantizer);
    sum += q;
    word |= (static_cast<uint32_t>(q) & 255u) << 8 * j;
  }
  const uint32_t lane = Lane() % 8;
  const int32_t sums = GroupSum<8>(lane < 4 ? sum : sum * 65536);
  if (!store) return;
  reinterpret_cast<uint32_t*>(bytes)[lane] = word;
  if (lane == 0) *meta = {quantizer.scale, sums};
}

// One value of a block by each of 32 lanes.
SAMARA_DEVICE void QuantizeOne(float x, bool store, int8_t* bytes, QuantMeta* meta) {
  const Quantizer quantizer = QuantizerOf(WarpMax(MagnitudeBits(x)));
  const int32_t q = QuantizeValue(x, quantizer);
  const int32_t sums = WarpSum(Lane() < 16 ? q : q * 65536);
  if (!store) return;
  bytes[Lane()] = static_cast<int8_t>(q);
  if (Lane() == 0) *meta = {quantizer.scale, sums};
}

// 1 / rms of a row, by the whole block; `work` has a float for each warp. Ends with a barrier.
SAMARA_DEVICE float InverseRms(const float* row, uint32_t cols, bool aligned, float eps,
                               float* work) {
  float sum = 0.0f;
  for (uint32_t i = Tid(); 4 * i < cols; i += BlockThreads()) {
    float x[4];
    LoadFour(row, i, cols, aligned, x);
    SAMARA_UNROLL
    for (int j = 0; j < 4; ++j) sum = Fma(x[j], x[j], sum);
  }
  sum = WarpSum(sum);
  if (Lane() == 0) work[WarpIndex()] = sum;
  SyncBlock();
  float total = 0.0f;
  for (uint32_t w = 0; w < BlockThreads() / kWarp; ++w) total += work[w];
  SyncBlock();
  return 1.0f / SquareRoot(total / static_cast<float>(cols) + eps);
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_QUANTIZE_H_
