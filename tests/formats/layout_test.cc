#include "formats/layout/layout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "formats/quant/blocks.h"
#include "tests/support/quant_data.h"

namespace samara {
namespace {

using test::kQuantizedTypes;
using test::kWeightTypes;
using test::MakeBlocks;

constexpr Layout kAllLayouts[] = {Layout::kRowMajor, Layout::kRows32, Layout::kRows32Pairs,
                                  Layout::kRows16};
constexpr uint64_t kRowCounts[] = {1, 15, 16, 17, 32, 33, 50};
constexpr uint64_t kColCounts[] = {1, 2, 31, 32, 33, 64, 65, 96, 172};

// Row-major codec rows of a random matrix.
std::vector<uint8_t> MakeRows(DType dtype, uint64_t rows, uint64_t cols, uint64_t seed) {
  const std::vector<float> x = MakeBlocks(rows * ((cols + 31) / 32), seed);
  const uint64_t row_bytes = RowBytes(dtype, cols);
  std::vector<uint8_t> out(rows * row_bytes);
  for (uint64_t r = 0; r < rows; ++r) {
    QuantizeRow(dtype, x.data() + r * ((cols + 31) / 32) * 32, cols, out.data() + r * row_bytes);
  }
  return out;
}

uint16_t Half(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}

// W[row, k] read from a packed matrix, straight from the words of layout.h and by no function under
// test.
double ReadElement(DType dtype, const uint8_t* packed, uint64_t row, uint64_t k, uint64_t cols) {
  if (dtype == DType::kF32) {
    float v;
    std::memcpy(&v, packed + (row / 32 * cols * 32 + k * 32 + row % 32) * 4, 4);
    return v;
  }
  if (dtype == DType::kF16) {
    return FloatFromHalf(Half(packed + (row / 32 * cols * 32 + k * 32 + row % 32) * 2));
  }
  if (dtype == DType::kBF16) {
    const uint64_t pairs = (cols + 1) / 2;
    const uint64_t word = row / 32 * pairs * 32 + k / 2 * 32 + row % 32;
    return FloatFromBf16(Half(packed + word * 4 + k % 2 * 2));
  }
  const bool affine = dtype == DType::kQ4_1 || dtype == DType::kQ5_1;
  const bool five = dtype == DType::kQ5_0 || dtype == DType::kQ5_1;
  const uint64_t body = dtype == DType::kQ8_0 ? 512 : five ? 64 + 256 : 256;
  const uint64_t blocks = (cols + 31) / 32, lane = row % 16, b = k / 32, i = k % 32;
  const uint64_t lines = affine ? blocks : (blocks + 1) / 2;
  const uint8_t* tile = packed + row / 16 * (lines * 64 + blocks * body);
  const uint8_t* line = tile + (affine ? b * (64 + body) : b / 2 * (64 + 2 * body));
  const uint8_t* start = line + 64 + (affine ? 0 : b % 2 * body);
  const double d = FloatFromHalf(Half(line + (affine ? 0 : b % 2 * 32) + lane * 2));
  if (dtype == DType::kQ8_0) {
    return d * static_cast<int8_t>(start[(i / 4 * 16 + lane) * 4 + i % 4]);
  }
  int q = 0;
  if (five) {
    uint64_t word;
    std::memcpy(&word, start + i / 4 * 8, 8);
    q = static_cast<int>(word >> (4 * lane + i % 4) & 1) << 4;
    start += 64;
  }
  const uint8_t byte = start[(i % 16 / 4 * 16 + lane) * 4 + i % 4];
  q |= i < 16 ? byte & 15 : byte >> 4;
  if (!affine) return d * (q - (five ? 16 : 8));
  const float product = static_cast<float>(d) * static_cast<float>(q);
  return product + FloatFromHalf(Half(line + 32 + lane * 2));
}

// The row as its layout keeps it: kRows32Pairs has no values below 2^-56, negative zero included.
void Flush(Layout layout, uint64_t cols, uint8_t* row) {
  if (layout != Layout::kRows32Pairs) return;
  for (uint64_t k = 0; k < cols; ++k) {
    if (std::fabs(FloatFromBf16(Half(row + 2 * k))) < 0x1p-56f) std::memset(row + 2 * k, 0, 2);
  }
}

TEST_CASE(
    "packing and unpacking give the same rows, and every element lies where the layout says") {
  for (const DType dtype : kWeightTypes) {
    for (const Layout layout : {MatmulLayout(dtype), Layout::kRowMajor}) {
      for (const uint64_t rows : kRowCounts) {
        for (const uint64_t cols : kColCounts) {
          const uint64_t seed = rows * 1000 + cols;
          CAPTURE(std::string(DTypeName(dtype)));
          CAPTURE(std::string(LayoutName(layout)));
          CAPTURE(rows);
          CAPTURE(cols);
          const uint64_t row_bytes = RowBytes(dtype, cols);
          std::vector<uint8_t> source = MakeRows(dtype, rows, cols, seed);
          uint64_t bytes = 0;
          REQUIRE(LayoutBytes(layout, dtype, rows, cols, &bytes));
          std::vector<uint8_t> packed(bytes + 64, 0xa5);
          PackRows(layout, dtype, source.data(), row_bytes, rows, cols, packed.data());
          CHECK(std::all_of(packed.begin() + static_cast<int64_t>(bytes), packed.end(),
                            [](uint8_t b) { return b == 0xa5; }));
          for (uint64_t r = 0; r < rows; ++r) Flush(layout, cols, source.data() + r * row_bytes);
          uint64_t wrong = 0;
          std::vector<uint8_t> row(row_bytes + 8, 0x5a);
          std::vector<float> want(cols), got(cols);
          for (uint64_t r = 0; r < rows; ++r) {
            UnpackRow(layout, dtype, packed.data(), r, cols, row.data());
            wrong += !std::equal(row.begin(), row.begin() + static_cast<int64_t>(row_bytes),
                                 source.data() + r * row_bytes);
            wrong += row[row_bytes] != 0x5a;
            DequantizeRow(dtype, source.data() + r * row_bytes, cols, want.data());
            DequantizePackedRow(layout, dtype, packed.data(), r, cols, got.data());
            wrong += !test::SameBits(want.data(), got.data(), cols);
            if (layout == Layout::kRowMajor) continue;
            for (uint64_t k = 0; k < cols; ++k) {
              wrong +=
                  ReadElement(dtype, packed.data(), r, k, cols) != static_cast<double>(want[k]);
            }
          }
          CHECK(wrong == 0);
        }
      }
    }
  }
}

TEST_CASE("rows and columns past the end are zero bytes") {
  for (const DType dtype : kWeightTypes) {
    const Layout layout = MatmulLayout(dtype);
    const uint64_t lanes = LayoutTileRows(layout);
    for (const uint64_t cols : {1, 33, 172}) {
      CAPTURE(std::string(DTypeName(dtype)));
      CAPTURE(cols);
      const uint64_t row_bytes = RowBytes(dtype, cols);
      const std::vector<uint8_t> source = MakeRows(dtype, lanes, cols, 5);
      uint64_t bytes = 0;
      REQUIRE(LayoutBytes(layout, dtype, lanes, cols, &bytes));
      // A tile with three rows equals a tile whose other rows are zero bytes in row-major form.
      std::vector<uint8_t> three(bytes, 0xff), padded(bytes, 0xff);
      PackRows(layout, dtype, source.data(), row_bytes, 3, cols, three.data());
      std::vector<uint8_t> zeros(source.size());
      std::copy_n(source.begin(), 3 * row_bytes, zeros.begin());
      PackRows(layout, dtype, zeros.data(), row_bytes, lanes, cols, padded.data());
      CHECK(three == padded);
      // Nothing but zeros gives nothing but zeros, the unused half of a scale line included.
      std::vector<uint8_t> nothing(bytes, 0xff);
      std::fill(zeros.begin(), zeros.end(), uint8_t{0});
      PackRows(layout, dtype, zeros.data(), row_bytes, lanes, cols, nothing.data());
      CHECK(std::count(nothing.begin(), nothing.end(), 0) == static_cast<int64_t>(bytes));
    }
  }
}

TEST_CASE("bf16: values below 2^-56 are stored as zero, all others unchanged") {
  std::vector<uint16_t> source(65536);
  for (uint32_t i = 0; i < 65536; ++i) source[i] = static_cast<uint16_t>(i);
  uint64_t bytes = 0;
  REQUIRE(LayoutBytes(Layout::kRows32Pairs, DType::kBF16, 1, 65536, &bytes));
  std::vector<uint8_t> packed(bytes);
  std::vector<uint16_t> got(65536);
  PackRows(Layout::kRows32Pairs, DType::kBF16, reinterpret_cast<const uint8_t*>(source.data()),
           131072, 1, 65536, packed.data());
  UnpackRow(Layout::kRows32Pairs, DType::kBF16, packed.data(), 0, 65536,
            reinterpret_cast<uint8_t*>(got.data()));
  uint64_t wrong = 0;
  for (uint32_t i = 0; i < 65536; ++i) {
    wrong += got[i] != (std::fabs(FloatFromBf16(static_cast<uint16_t>(i))) < 0x1p-56f ? 0 : i);
  }
  CHECK(wrong == 0);
}

TEST_CASE("offsets inside a tile are aligned, ascending and fill the tile") {
  for (const DType dtype : kQuantizedTypes) {
    const bool affine = dtype == DType::kQ4_1 || dtype == DType::kQ5_1;
    const bool five = dtype == DType::kQ5_0 || dtype == DType::kQ5_1;
    const uint64_t quants = dtype == DType::kQ8_0 ? 512 : 256;
    for (uint64_t blocks = 1; blocks <= 9; ++blocks) {
      CAPTURE(std::string(DTypeName(dtype)));
      CAPTURE(blocks);
      uint64_t bytes = 0;
      REQUIRE(LayoutTileBytes(Layout::kRows16, dtype, blocks * 32, &bytes));
      CHECK(bytes % 64 == 0);
      std::vector<uint8_t> used(bytes);  // times that each byte is claimed
      auto claim = [&](uint64_t at, uint64_t n) {
        REQUIRE(at + n <= bytes);
        for (uint64_t i = 0; i < n; ++i) ++used[at + i];
      };
      for (uint64_t b = 0; b < blocks; ++b) {
        const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
        CHECK(at.quants % 64 == 0);
        CHECK(at.scales % 32 == 0);
        claim(at.scales, 32);
        claim(at.quants, quants);
        if (affine) claim(at.minimums, 32);
        if (five) {
          CHECK(at.high_bits % 64 == 0);
          claim(at.high_bits, 64);
        }
        if (!affine && blocks % 2 == 1 && b + 1 == blocks)
          claim(at.scales + 32, 32);  // the unused half
      }
      CHECK(std::count(used.begin(), used.end(), 1) == static_cast<int64_t>(bytes));
    }
  }
}

TEST_CASE("sizes: checked arithmetic agrees with 128-bit arithmetic") {
  using Wide = unsigned __int128;
  const uint64_t max = std::numeric_limits<uint64_t>::max();
  std::vector<uint64_t> numbers = {0,  1,  2,  15,  16,  17,      31,       32,
                                   33, 63, 64, 172, max, max - 1, max - 31, max / 34};
  for (const int bit : {16, 31, 32, 33, 47, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63}) {
    for (const uint64_t offset : {uint64_t{0}, max, uint64_t{1}})
      numbers.push_back((uint64_t{1} << bit) + offset);
  }
  uint64_t overflows = 0, fits = 0;
  for (const DType dtype : kWeightTypes) {
    for (const Layout layout : kAllLayouts) {
      CAPTURE(std::string(DTypeName(dtype)));
      CAPTURE(std::string(LayoutName(layout)));
      if (!LayoutHolds(layout, dtype)) continue;
      const Wide lanes = LayoutTileRows(layout);
      const DTypeInfo& info = *FindDType(dtype);
      const bool affine = dtype == DType::kQ4_1 || dtype == DType::kQ5_1;
      const bool five = dtype == DType::kQ5_0 || dtype == DType::kQ5_1;
      for (const uint64_t cols : numbers) {
        Wide tile;
        const Wide blocks = (Wide{cols} + 31) / 32;
        if (layout == Layout::kRowMajor) {
          tile = (Wide{cols} + info.block_elements - 1) / info.block_elements * info.block_bytes;
        } else if (layout == Layout::kRows32) {
          tile = Wide{cols} * 32 * info.block_bytes;
        } else if (layout == Layout::kRows32Pairs) {
          tile = (Wide{cols} + 1) / 2 * 128;
        } else {
          tile = blocks * (dtype == DType::kQ8_0 ? 512
                           : five                ? 320
                                                 : 256) +
                 (affine ? blocks : (blocks + 1) / 2) * 64;
        }
        uint64_t got = 77;
        const bool tile_fits = tile <= max;
        REQUIRE(LayoutTileBytes(layout, dtype, cols, &got) == tile_fits);
        if (tile_fits) REQUIRE(got == static_cast<uint64_t>(tile));
        for (const uint64_t rows : numbers) {
          CAPTURE(rows);
          CAPTURE(cols);
          const Wide tiles = (Wide{rows} + lanes - 1) / lanes;
          const bool all_fits = tile_fits && (tile == 0 || tiles <= max / tile);
          got = 77;
          REQUIRE(LayoutBytes(layout, dtype, rows, cols, &got) == all_fits);
          if (all_fits) REQUIRE(got == static_cast<uint64_t>(tiles * tile));
          (all_fits ? fits : overflows) += 1;
        }
      }
    }
  }
  CHECK(overflows > 1000);
  CHECK(fits > 1000);
}

TEST_CASE("which layout holds what") {
  for (const DType dtype : kWeightTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    int holders = 0;
    for (const Layout layout : kAllLayouts) holders += LayoutHolds(layout, dtype);
    CHECK(holders == 2);
    CHECK(LayoutHolds(Layout::kRowMajor, dtype));
    CHECK(LayoutHolds(MatmulLayout(dtype), dtype));
    CHECK(MatmulLayout(dtype) != Layout::kRowMajor);
  }
  uint64_t bytes = 0;
  for (const DType dtype : {DType::kInvalid, DType::kI32, DType::kBool, static_cast<DType>(999)}) {
    CHECK(MatmulLayout(dtype) == Layout::kInvalid);
    for (const Layout layout : kAllLayouts) {
      CHECK(!LayoutHolds(layout, dtype));
      CHECK(!LayoutBytes(layout, dtype, 1, 1, &bytes));
    }
  }
  for (const Layout layout : {Layout::kInvalid, static_cast<Layout>(99)}) {
    CHECK(!LayoutHolds(layout, DType::kF32));
    CHECK(!LayoutTileBytes(layout, DType::kF32, 32, &bytes));
  }
  CHECK(!LayoutTileBytes(Layout::kRows32, DType::kBF16, 32, &bytes));
  CHECK(!LayoutTileBytes(Layout::kRows16, DType::kF32, 32, &bytes));
}

}  // namespace
}  // namespace samara
