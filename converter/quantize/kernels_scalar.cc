#include <bit>
#include <cstring>

#include "converter/quantize/kernels.h"
#include "formats/quant/blocks.h"

namespace samara::quantize {
namespace {

template <DType kSource>
void Widen(const uint8_t* in, uint64_t n, float* out) {
  DequantizeRow(kSource, in, n, out);
}

template <DType kTarget>
void Narrow(const float* in, uint64_t n, uint8_t* out) {
  QuantizeRow(kTarget, in, n, out);
}

// QuantizeRow is for finite input only; a NaN as scale marks a block that is not.
template <DType kTarget>
void Encode(const float* in, uint64_t n_blocks, uint8_t* out) {
  const uint64_t block_bytes = RowBytes(kTarget, 32);
  for (uint64_t b = 0; b < n_blocks; ++b, in += 32, out += block_bytes) {
    uint32_t amax = 0;
    for (int i = 0; i < 32; ++i) {
      const uint32_t magnitude = std::bit_cast<uint32_t>(in[i]) & 0x7fffffffu;
      amax = magnitude > amax ? magnitude : amax;
    }
    if (amax >= 0x7f800000u) {
      std::memset(out, 0, block_bytes);
      std::memset(out, 0x7f, 2);
    } else {
      QuantizeRow(kTarget, in, 32, out);
    }
  }
}

}  // namespace

const Kernels kScalarKernels = {
    Widen<DType::kF16>,   Widen<DType::kBF16>,  Narrow<DType::kF16>,
    Narrow<DType::kBF16>, Encode<DType::kQ8_0>, Encode<DType::kQ4_0>,
    Encode<DType::kQ4_1>, Encode<DType::kQ5_0>, Encode<DType::kQ5_1>,
};

}  // namespace samara::quantize
