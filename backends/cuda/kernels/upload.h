// The kernels that bring weights into the device's layout, from pieces as they lie in a package.
#ifndef SAMARA_BACKENDS_CUDA_KERNELS_UPLOAD_H_
#define SAMARA_BACKENDS_CUDA_KERNELS_UPLOAD_H_

#include "backends/cuda/kernels/matrix.h"
#include "formats/layout/layout.h"

namespace samara::cuda {

SAMARA_DEVICE uint32_t Byte(const uint8_t* p, uint64_t at) { return p[at]; }
SAMARA_DEVICE uint32_t Bytes2(const uint8_t* p, uint64_t at) {
  return Byte(p, at) | Byte(p, at + 1) << 8;
}
SAMARA_DEVICE uint32_t Bytes4(const uint8_t* p, uint64_t at) {
  return Bytes2(p, at) | Bytes2(p, at + 2) << 16;
}

// Word i (four bytes) of a unit of plain elements: `size` bytes each, k the first column of the word.
SAMARA_DEVICE uint32_t PlainWord(const UploadArgs& a, const uint8_t* tile, uint32_t lane,
                                 uint32_t k) {
  const uint32_t size = a.to.type == kF32 ? 4 : 2;
  uint32_t word = 0;
  for (uint32_t e = 0; e < 4 / size; ++e) {
    const uint64_t col = k + e;
    if (col >= a.to.cols) break;
    uint64_t at = 0;
    switch (static_cast<Layout>(a.layout)) {
      case Layout::kRowMajor:
        at = col * size;
        break;
      case Layout::kRows32:
        at = (col * 32 + lane) * size;
        break;
      default:  // kRows32Pairs
        at = ((col / 2 * 32 + lane) * 2 + col % 2) * size;
        break;
    }
    word |= (size == 4 ? Bytes4(tile, at) : Bytes2(tile, at)) << (16 * e);
  }
  return word;
}

// One thread makes one unit of 16 bytes, and the scale of its block if it is the block's first.
SAMARA_KERNEL(256, UploadKernel, UploadArgs) {
  const uint32_t type = a.to.type;
  const uint64_t n = static_cast<uint64_t>(a.n_rows) * a.to.units_per_row;
  const uint64_t step = static_cast<uint64_t>(GridX()) * BlockThreads();
  for (uint64_t i = static_cast<uint64_t>(BlockX()) * BlockThreads() + Tid(); i < n; i += step) {
    const uint32_t r = static_cast<uint32_t>(i / a.to.units_per_row);
    const uint32_t unit = static_cast<uint32_t>(i % a.to.units_per_row);
    const bool row_major = static_cast<Layout>(a.layout) == Layout::kRowMajor;
    const uint32_t tile_rows = row_major                                          ? 1
                               : static_cast<Layout>(a.layout) == Layout::kRows16 ? 16
                                                                                  : 32;
    const uint8_t* tile = a.raw + r / tile_rows * a.tile_bytes;
    const uint32_t lane = r % tile_rows;
    const uint64_t row = static_cast<uint64_t>(a.first_row) + r;
    Word4 made;
    if (type < kQ8_0) {
      const uint32_t columns = type == kF32 ? 1 : 2;  // of a word
      for (uint32_t w = 0; w < 4; ++w) {
        made.w[w] = PlainWord(a, tile, lane, (4 * unit + w) * columns);
      }
    } else {
      const bool bytes = type == kQ8_0, high = HasHighBits(type), minimum = HasMinimum(type);
      const uint32_t block = bytes ? unit / 2 : unit;
      const uint32_t first_group = bytes ? unit % 2 * 4 : 0;
      uint32_t scale = 0, high_bits = 0;
      if (row_major) {
        const uint32_t header = minimum ? 4 : 2;
        const uint64_t at =
            static_cast<uint64_t>(block) * (header + (high ? 4 : 0) + (bytes ? 32 : 16));
        scale = minimum ? Bytes4(tile, at) : Bytes2(tile, at);
        if (high) high_bits = Bytes4(tile, at + header);
        const uint64_t quants = at + header + (high ? 4 : 0);
        for (uint32_t g = 0; g < 4; ++g) made.w[g] = Bytes4(tile, quants + 4 * (first_group + g));
      } else {
        // kRows16, as formats/layout/layout.h describes it.
        const uint64_t body = bytes ? 512 : high ? 320 : 256;
        uint64_t at, scales;
        if (minimum) {
          scales = block * (64 + body);
          at = scales + 64;
        } else {
          const uint64_t pair = block / 2 * (64 + 2 * body);
          scales = pair + block % 2 * 32;
          at = pair + 64 + block % 2 * body;
        }
        scale = Bytes2(tile, scales + 2 * lane);
        if (minimum) scale |= Bytes2(tile, scales + 32 + 2 * lane) << 16;
        if (high) {
          for (uint32_t g = 0; g < 8; ++g) {
            const uint32_t half = Bytes2(tile, at + 8 * g + lane / 4 * 2);
            high_bits |= (half >> lane % 4 * 4 & 15u) << 4 * g;
          }
          at += 64;
        }
        for (uint32_t g = 0; g < 4; ++g) {
          made.w[g] = Bytes4(tile, at + ((first_group + g) * 16 + lane) * 4);
        }
      }
      const uint64_t place = row * a.to.scale_blocks + block;
      if (first_group == 0) {
        if (minimum) {
          reinterpret_cast<uint32_t*>(const_cast<uint8_t*>(a.to.scales))[place] = scale;
        } else {
          reinterpret_cast<uint16_t*>(const_cast<uint8_t*>(a.to.scales))[place] =
              static_cast<uint16_t>(scale);
        }
        if (high) reinterpret_cast<uint32_t*>(const_cast<uint8_t*>(a.to.high))[place] = high_bits;
      }
    }
    *reinterpret_cast<Word4*>(const_cast<uint8_t*>(a.to.units) +
                              (row * a.to.units_per_row + unit) * 16) = made;
  }
}

SAMARA_KERNEL(256, UploadVectorKernel, UploadVectorArgs) {
  for (uint32_t i = BlockX() * BlockThreads() + Tid(); i < a.n; i += GridX() * BlockThreads()) {
    float value;
    if (a.type == kF32) {
      value = FloatOfBits(Bytes4(a.raw, uint64_t{4} * i));
    } else if (a.type == kF16) {
      value = FloatOfHalf(static_cast<uint16_t>(Bytes2(a.raw, uint64_t{2} * i)));
    } else {
      value = FloatOfBits(Bytes2(a.raw, uint64_t{2} * i) << 16);
    }
    a.to[i] = value;
  }
}

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_KERNELS_UPLOAD_H_
