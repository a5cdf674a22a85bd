#include "backends/cuda/emulation/mma.h"

#include <cstring>

#include "formats/quant/blocks.h"

namespace samara::cuda::emulation {
namespace {

template <typename C>
void Gather(const uint8_t (*in)[48], MmaLane<C>* lanes) {
  static_assert(sizeof(MmaLane<C>) <= 48);
  for (int i = 0; i < 32; ++i) std::memcpy(&lanes[i], in[i], sizeof(MmaLane<C>));
}
// Register of A that holds (row, k), and of B that holds k, in a fragment whose k halves are `half` wide.
int RegisterOfA(int row, int k, int half) { return 2 * (k / half) + row / 8; }

template <typename Float>
void MmaFloats(const uint8_t (*in)[48], uint8_t (*out)[48], Float widen) {
  MmaLane<float> lanes[32];
  Gather(in, lanes);
  float a[16][16], b[16][8];
  for (int k = 0; k < 16; ++k) {
    const int lane_k = k % 8 / 2, shift = 16 * (k % 2);
    for (int row = 0; row < 16; ++row) {
      const uint32_t word = lanes[row % 8 * 4 + lane_k].a[RegisterOfA(row, k, 8)];
      a[row][k] = widen(static_cast<uint16_t>(word >> shift));
    }
    for (int column = 0; column < 8; ++column) {
      b[k][column] = widen(static_cast<uint16_t>(lanes[column * 4 + lane_k].b[k / 8] >> shift));
    }
  }
  for (int i = 0; i < 32; ++i) {
    for (int r = 0; r < 4; ++r) {
      const int row = i / 4 + 8 * (r / 2), column = i % 4 * 2 + r % 2;
      double sum = lanes[i].c[r];
      for (int k = 0; k < 16; ++k) sum += double{a[row][k]} * b[k][column];
      const float d = static_cast<float>(sum);
      std::memcpy(out[i] + 4 * r, &d, 4);
    }
  }
}

}  // namespace

void MmaInt8Lanes(const uint8_t (*in)[48], uint8_t (*out)[48]) {
  MmaLane<int32_t> lanes[32];
  Gather(in, lanes);
  int8_t a[16][32], b[8][32];
  for (int k = 0; k < 32; ++k) {
    const int lane_k = k % 16 / 4, shift = 8 * (k % 4);
    for (int row = 0; row < 16; ++row) {
      const uint32_t word = lanes[row % 8 * 4 + lane_k].a[RegisterOfA(row, k, 16)];
      a[row][k] = static_cast<int8_t>(word >> shift);
    }
    for (int column = 0; column < 8; ++column) {
      b[column][k] = static_cast<int8_t>(lanes[column * 4 + lane_k].b[k / 16] >> shift);
    }
  }
  for (int i = 0; i < 32; ++i) {
    for (int r = 0; r < 4; ++r) {
      const int row = i / 4 + 8 * (r / 2), column = i % 4 * 2 + r % 2;
      int32_t sum = 0;
      for (int k = 0; k < 32; ++k) sum += a[row][k] * b[column][k];
      // Wraps, as the instruction without .satfinite does.
      const uint32_t d = static_cast<uint32_t>(lanes[i].c[r]) + static_cast<uint32_t>(sum);
      std::memcpy(out[i] + 4 * r, &d, 4);
    }
  }
}

void MmaHalfLanes(const uint8_t (*in)[48], uint8_t (*out)[48]) {
  MmaFloats(in, out, FloatFromHalf);
}
void MmaBf16Lanes(const uint8_t (*in)[48], uint8_t (*out)[48]) {
  MmaFloats(in, out, FloatFromBf16);
}

}  // namespace samara::cuda::emulation
