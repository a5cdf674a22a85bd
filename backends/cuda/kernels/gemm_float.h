// Many rows of x times a matrix of F16 or BF16 on the tensor cores, or of F32 by fma.
//
// F16: x is the sum of two f16 numbers, high and low parts after a power of two a row, so nothing of F32's precision
// is lost that a sum of its products would keep; two products for one. BF16: x is rounded to bf16, as the numerics
// contract has it. Tiles as in gemm_int8.h, stages of 32 columns.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_GEMM_FLOAT_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_GEMM_FLOAT_H_

#include "backends/cuda/kernels/gemm_int8.h"
#include "backends/cuda/kernels/quantize.h"

namespace samara::cuda {

inline constexpr uint32_t kHalfRowBytes = 64 + 16;
inline constexpr uint32_t kHalfPart = kGemmTile * kHalfRowBytes;
template <uint32_t kType>
inline constexpr uint32_t kHalfStage = (kType == kF16 ? 3 : 2) * kHalfPart;

template <uint32_t kType>
SAMARA_DEVICE void FillHalfStage(const GemmArgs& a, uint32_t first_row, uint32_t first_x,
                                 uint32_t n_x, uint32_t chunk, uint8_t* stage) {
  for (uint32_t i = Tid(); i < kGemmTile * 4; i += kGemmThreads) {
    const uint32_t r = i / 4, u = i % 4;
    const uint32_t row = Least(first_row + r, a.matrix.rows - 1), unit = chunk * 4 + u;
    const uint32_t t = Least(first_x + r, n_x - 1);
    uint8_t* to = stage + r * kHalfRowBytes + u * 16;
    if (unit < a.matrix.units_per_row) {
      CopyAsync<16>(to, UnitOf(a.matrix, row, unit));
    } else {
      StoreZeros(to, 16);
    }
    // Rows of x are padded to whole stages.
    CopyAsync<16>(to + kHalfPart, RowOf<const uint8_t>(a.x, t) + (chunk * 4 + u) * 16);
    if constexpr (kType == kF16) {
      CopyAsync<16>(to + 2 * kHalfPart, RowOf<const uint8_t>(a.x_low, t) + (chunk * 4 + u) * 16);
    }
  }
}

// 16 columns of a stage.
template <uint32_t kType>
SAMARA_DEVICE void MultiplyHalfStep(const uint8_t* stage, uint32_t step, uint32_t warp_row,
                                    uint32_t warp_x, float (&acc)[2][4][4]) {
  const uint32_t g = Lane() / 4, w = Lane() % 4;
  uint32_t m_words[2][4];
  SAMARA_UNROLL
  for (uint32_t m = 0; m < 2; ++m) {
    SAMARA_UNROLL
    for (uint32_t half = 0; half < 2; ++half) {
      const uint8_t* row =
          stage + (warp_row + m * 16 + half * 8 + g) * kHalfRowBytes + step * 32 + w * 4;
      m_words[m][half] = Word(row);
      m_words[m][2 + half] = Word(row + 16);
    }
  }
  SAMARA_UNROLL
  for (uint32_t n = 0; n < 4; ++n) {
    const uint8_t* x = stage + kHalfPart + (warp_x + n * 8 + g) * kHalfRowBytes + step * 32 + w * 4;
    const uint32_t words[2] = {Word(x), Word(x + 16)};
    SAMARA_UNROLL
    for (uint32_t m = 0; m < 2; ++m) {
      if constexpr (kType == kF16) {
        const uint32_t low[2] = {Word(x + kHalfPart), Word(x + kHalfPart + 16)};
        MmaHalf(acc[m][n], m_words[m], low);
        MmaHalf(acc[m][n], m_words[m], words);
      } else {
        MmaBf16(acc[m][n], m_words[m], words);
      }
    }
  }
}

template <uint32_t kType>
SAMARA_KERNEL(kGemmThreads, GemmHalfKernel, GemmArgs) {
  GridTrigger();
  GridWait();
  const uint32_t n_x = DimValue(a.step, a.n_rows);
  const uint32_t first_row = BlockX() * kGemmTile, first_x = BlockY() * kGemmTile;
  if (first_x >= n_x) return;
  const uint32_t chunks = CeilDiv(a.matrix.cols, 32);
  const uint32_t warp_row = WarpIndex() / 2 * 32, warp_x = WarpIndex() % 2 * 32;
  float acc[2][4][4];
  SAMARA_UNROLL
  for (uint32_t i = 0; i < 32; ++i) acc[i / 16][i / 4 % 4][i % 4] = 0.0f;
  FillHalfStage<kType>(a, first_row, first_x, n_x, 0, Shared());
  CommitCopies();
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    if (chunk + 1 < chunks) {
      FillHalfStage<kType>(a, first_row, first_x, n_x, chunk + 1,
                           Shared() + (chunk + 1) % 2 * kHalfStage<kType>);
    }
    CommitCopies();
    WaitCopies<1>();
    SyncBlock();
    SAMARA_UNROLL
    for (uint32_t step = 0; step < 2; ++step) {
      MultiplyHalfStep<kType>(Shared() + chunk % 2 * kHalfStage<kType>, step, warp_row, warp_x,
                              acc);
    }
    SyncBlock();
  }
  StoreTile(a, first_row + warp_row, first_x + warp_x, n_x, kType == kF16, acc);
}

// F32: 256 threads, each 4 x 4 elements; 16 columns at a time, transposed in shared memory.
inline constexpr uint32_t kGemmFloatThreads = 256;
inline constexpr uint32_t kGemmFloatRow = kGemmTile + 4;
inline constexpr uint32_t kGemmFloatShared = 2 * 16 * kGemmFloatRow * 4;

SAMARA_KERNEL(kGemmFloatThreads, GemmFloatKernel, GemmArgs) {
  GridTrigger();
  GridWait();
  const uint32_t n_x = DimValue(a.step, a.n_rows);
  const uint32_t first_row = BlockX() * kGemmTile, first_x = BlockY() * kGemmTile;
  if (first_x >= n_x) return;
  float* w_tile = reinterpret_cast<float*>(Shared());
  float* x_tile = w_tile + 16 * kGemmFloatRow;
  const uint32_t mine = Tid() / 4, part = Tid() % 4;  // what this thread loads
  const uint32_t row = Least(first_row + mine, a.matrix.rows - 1);
  const float* x = RowOf<const float>(a.x, Least(first_x + mine, n_x - 1));
  const bool aligned = (reinterpret_cast<uintptr_t>(x) & 15) == 0;
  const uint32_t r0 = Tid() % 16 * 4, t0 = Tid() / 16 * 4;  // what it makes
  float acc[4][4] = {};
  for (uint32_t first = 0; first < a.matrix.cols; first += 16) {
    const uint32_t four = first / 4 + part;
    float v[4];
    LoadFour(x, four, a.matrix.cols, aligned, v);
    Word4 w = {{0, 0, 0, 0}};
    if (four < a.matrix.units_per_row) w = LoadWeight(UnitOf(a.matrix, row, four));
    SAMARA_UNROLL
    for (uint32_t j = 0; j < 4; ++j) {
      w_tile[(part * 4 + j) * kGemmFloatRow + mine] = FloatOfBits(w.w[j]);
      x_tile[(part * 4 + j) * kGemmFloatRow + mine] = v[j];
    }
    SyncBlock();
    SAMARA_UNROLL
    for (uint32_t k = 0; k < 16; ++k) {
      SAMARA_UNROLL
      for (uint32_t i = 0; i < 4; ++i) {
        SAMARA_UNROLL
        for (uint32_t j = 0; j < 4; ++j) {
          acc[i][j] = Fma(w_tile[k * kGemmFloatRow + r0 + i], x_tile[k * kGemmFloatRow + t0 + j],
                          acc[i][j]);
        }
      }
    }
    SyncBlock();
  }
  SAMARA_UNROLL
  for (uint32_t j = 0; j < 4; ++j) {
    const uint32_t t = first_x + t0 + j;
    if (t >= n_x) continue;
    SAMARA_UNROLL
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t r = first_row + r0 + i;
      if (r >= a.matrix.rows) continue;
      float y = acc[i][j];
      if (a.bias != nullptr) y += a.bias[r];
      if (a.residual.data != nullptr) y += RowOf<const float>(a.residual, t)[r];
      RowOf<float>(a.out, t)[r] = y;
    }
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_GEMM_FLOAT_H_
