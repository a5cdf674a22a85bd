// The rotation of a head, by pairs of its elements.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_HEADS_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_HEADS_H_

#include "backends/cuda/kernels/tensor.h"

namespace samara::cuda {

// Where element 2i and its partner of a head lie: dimensions beyond the rotated ones go in neighbouring pairs.
SAMARA_DEVICE void PairOf(const RotationArg& rotation, uint32_t rotate, uint32_t i, uint32_t* first,
                          uint32_t* second) {
  const uint32_t half = rotation.rotated / 2;
  if (rotate == 0 || rotation.interleaved != 0 || i >= half) {
    *first = 2 * i;
    *second = 2 * i + 1;
  } else {
    *first = i;
    *second = i + half;
  }
}
// Turns a pair by entry i of a table row.
SAMARA_DEVICE void Rotate(const RotationArg& rotation, uint32_t t, uint32_t i, float* x, float* y) {
  const uint32_t half = rotation.rotated / 2;
  const float* table = RowOf<const float>(rotation.table, t);
  const float c = table[i], s = table[half + i];
  const float turned = Fma(*x, c, -(*y * s));
  *y = Fma(*y, c, *x * s);
  *x = turned;
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_HEADS_H_
