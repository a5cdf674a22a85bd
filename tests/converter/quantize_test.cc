#include "converter/quantize/quantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "converter/quantize/kernels.h"
#include "formats/quant/blocks.h"
#include "tests/support/quant_data.h"

namespace samara {
namespace {

using test::kWeightTypes;
using test::MakeBlocks;

std::vector<QuantizeIsa> AvailableIsas() {
  std::vector<QuantizeIsa> out;
  for (const QuantizeIsa isa : {QuantizeIsa::kScalar, QuantizeIsa::kAvx2, QuantizeIsa::kAvx512}) {
    if (QuantizeIsaAvailable(isa)) out.push_back(isa);
  }
  return out;
}

struct Kernels {
  std::string name;
  const quantize::Kernels* kernels;
};

std::vector<Kernels> VectorKernels() {
  std::vector<Kernels> out;
#if defined(__x86_64__)
  if (QuantizeIsaAvailable(QuantizeIsa::kAvx2)) out.push_back({"avx2", &quantize::kAvx2Kernels});
  if (QuantizeIsaAvailable(QuantizeIsa::kAvx512))
    out.push_back({"avx512", &quantize::kAvx512Kernels});
#endif
  return out;
}

// Rows in the row-major form of `dtype`.
std::vector<uint8_t> MakeSource(DType dtype, uint64_t rows, uint64_t cols, uint64_t seed) {
  const uint64_t padded = (cols + 31) / 32 * 32;
  const std::vector<float> x = MakeBlocks(rows * padded / 32, seed, /*extreme=*/true);
  const uint64_t row_bytes = RowBytes(dtype, cols);
  std::vector<uint8_t> out(rows * row_bytes);
  for (uint64_t r = 0; r < rows; ++r) {
    QuantizeRow(dtype, x.data() + r * padded, cols, out.data() + r * row_bytes);
  }
  return out;
}

// The definition: widen, quantize, pack, each by its own plain function.
std::vector<uint8_t> Expected(Layout layout, DType to, DType from,
                              const std::vector<uint8_t>& source, uint64_t rows, uint64_t cols) {
  const uint64_t from_bytes = RowBytes(from, cols), to_bytes = RowBytes(to, cols);
  std::vector<uint8_t> codes(rows * to_bytes);
  std::vector<float> wide(cols);
  for (uint64_t r = 0; r < rows; ++r) {
    if (from == to) {
      std::copy_n(source.data() + r * from_bytes, from_bytes, codes.data() + r * to_bytes);
    } else {
      DequantizeRow(from, source.data() + r * from_bytes, cols, wide.data());
      QuantizeRow(to, wide.data(), cols, codes.data() + r * to_bytes);
    }
  }
  uint64_t bytes = 0;
  REQUIRE(LayoutBytes(layout, to, rows, cols, &bytes));
  std::vector<uint8_t> out(bytes);
  PackRows(layout, to, codes.data(), to_bytes, rows, cols, out.data());
  return out;
}

TEST_CASE("the fast path equals QuantizeRow and PackRows bit for bit, on every instruction set") {
  const std::vector<QuantizeIsa> isas = AvailableIsas();
  for (const DType from : kWeightTypes) {
    for (const DType to : kWeightTypes) {
      for (const Layout layout : {MatmulLayout(to), Layout::kRowMajor}) {
        for (const uint64_t cols : {1, 2, 7, 31, 32, 33, 64, 128, 129, 172, 256, 257, 545}) {
          for (const uint64_t rows : {1, 16, 37}) {
            const uint64_t seed = cols * 100 + rows;
            const std::vector<uint8_t> source = MakeSource(from, rows, cols, seed);
            const std::vector<uint8_t> want = Expected(layout, to, from, source, rows, cols);
            // Misaligned by one byte, as rows in a safetensors file may be, and given last first.
            std::vector<uint8_t> shifted(source.size() + 1);
            std::copy(source.begin(), source.end(), shifted.begin() + 1);
            std::vector<const uint8_t*> pointers(rows);
            for (uint64_t r = 0; r < rows; ++r)
              pointers[r] = shifted.data() + 1 + r * RowBytes(from, cols);
            for (const QuantizeIsa isa : isas) {
              CAPTURE(std::string(DTypeName(from)));
              CAPTURE(std::string(DTypeName(to)));
              CAPTURE(std::string(LayoutName(layout)));
              CAPTURE(std::string(QuantizeIsaName(isa)));
              CAPTURE(cols);
              CAPTURE(rows);
              CAPTURE(seed);
              std::vector<uint8_t> got(want.size() + 64, 0xa5);
              QuantizeResult result;
              REQUIRE(QuantizeAndPack(isa, layout, to, from, pointers.data(), rows, cols,
                                      got.data(), &result));
              const auto end = got.begin() + static_cast<int64_t>(want.size());
              REQUIRE(std::equal(want.begin(), want.end(), got.begin()));
              REQUIRE(std::all_of(end, got.end(), [](uint8_t b) { return b == 0xa5; }));
              std::fill(got.begin(), got.end(), uint8_t{0xa5});
              REQUIRE(QuantizeAndPack(isa, layout, to, from, source.data(), RowBytes(from, cols),
                                      rows, cols, got.data(), &result));
              REQUIRE(std::equal(want.begin(), want.end(), got.begin()));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("block kernels equal QuantizeRow on a hundred thousand odd blocks") {
  constexpr uint64_t kBlocks = 100000, kSeed = 41;
  CAPTURE(kSeed);
  const std::vector<float> x = MakeBlocks(kBlocks, kSeed, /*extreme=*/true);
  for (const Kernels& vector : VectorKernels()) {
    CAPTURE(vector.name);
    const std::pair<DType, quantize::EncodeFunction> encoders[] = {
        {DType::kQ8_0, vector.kernels->q8_0},
        {DType::kQ4_0, vector.kernels->q4_0},
        {DType::kQ4_1, vector.kernels->q4_1},
        {DType::kQ5_0, vector.kernels->q5_0},
        {DType::kQ5_1, vector.kernels->q5_1}};
    for (const auto& encoder : encoders) {
      CAPTURE(std::string(DTypeName(encoder.first)));
      std::vector<uint8_t> want(RowBytes(encoder.first, x.size())), got(want.size());
      QuantizeRow(encoder.first, x.data(), x.size(), want.data());
      encoder.second(x.data(), kBlocks, got.data());
      CHECK(want == got);
    }
  }
}

TEST_CASE("conversion kernels equal the scalar conversions, NaN included") {
  std::vector<uint16_t> halves(65536);
  for (uint32_t i = 0; i < 65536; ++i) halves[i] = static_cast<uint16_t>(i);
  // Floats around every rounding boundary of both 16-bit types.
  std::vector<float> floats;
  for (uint32_t i = 0; i < 65536; ++i) {
    for (const uint32_t low :
         {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu, 0x1000u, 0x0fffu, 0x1001u, 0x3000u}) {
      floats.push_back(std::bit_cast<float>(i << 16 | low));
    }
  }
  floats.resize(floats.size() - 3);  // not a whole number of vectors
  auto bytes = [](const std::vector<uint16_t>& v) {
    return reinterpret_cast<const uint8_t*>(v.data());
  };
  const quantize::Kernels& scalar = quantize::kScalarKernels;
  for (const Kernels& vector : VectorKernels()) {
    CAPTURE(vector.name);
    const std::pair<quantize::WidenFunction, quantize::WidenFunction> widens[] = {
        {scalar.widen_f16, vector.kernels->widen_f16},
        {scalar.widen_bf16, vector.kernels->widen_bf16}};
    for (int type = 0; type < 2; ++type) {
      std::vector<float> want(65535), got(65535);
      widens[type].first(bytes(halves), want.size(), want.data());
      widens[type].second(bytes(halves), got.size(), got.data());
      uint64_t wrong = 0;
      for (uint32_t i = 0; i < want.size(); ++i) {
        const uint32_t a = std::bit_cast<uint32_t>(want[i]), b = std::bit_cast<uint32_t>(got[i]);
        // A signalling NaN may stay one in BF16, where widening is a shift.
        wrong += std::isnan(want[i]) ? !std::isnan(got[i]) || (a | 0x400000u) != (b | 0x400000u)
                                     : a != b;
      }
      CHECK(wrong == 0);
    }
    std::vector<uint16_t> want(floats.size()), got(floats.size());
    scalar.narrow_f16(floats.data(), floats.size(), reinterpret_cast<uint8_t*>(want.data()));
    vector.kernels->narrow_f16(floats.data(), floats.size(),
                               reinterpret_cast<uint8_t*>(got.data()));
    CHECK(want == got);
    scalar.narrow_bf16(floats.data(), floats.size(), reinterpret_cast<uint8_t*>(want.data()));
    vector.kernels->narrow_bf16(floats.data(), floats.size(),
                                reinterpret_cast<uint8_t*>(got.data()));
    CHECK(want == got);
  }
}

// Writes one element of a row-major plain row.
void Poke(DType dtype, float value, uint64_t col, uint8_t* row) {
  const uint64_t size = FindDType(dtype)->block_bytes;
  QuantizeRow(dtype, &value, 1, row + col * size);
}

TEST_CASE("the first element that is not finite is named") {
  constexpr uint64_t kRows = 50, kCols = 300, kSeed = 9;
  const float bad_values[] = {
      std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
      std::numeric_limits<float>::quiet_NaN(), std::bit_cast<float>(0xffffffffu)};
  test::Random random(kSeed);
  for (const DType from : {DType::kF32, DType::kF16, DType::kBF16}) {
    const std::vector<uint8_t> clean = MakeSource(from, kRows, kCols, 77);
    const uint64_t row_bytes = RowBytes(from, kCols);
    for (const DType to : kWeightTypes) {
      for (const QuantizeIsa isa : AvailableIsas()) {
        for (int round = 0; round < 24; ++round) {
          std::vector<uint8_t> source = clean;
          uint64_t first = kRows * kCols;
          for (uint64_t i = 0; i < 1 + random.Below(3); ++i) {
            const uint64_t at = random.Below(kRows * kCols);
            Poke(from, bad_values[random.Below(4)], at % kCols,
                 source.data() + at / kCols * row_bytes);
            first = std::min(first, at);
          }
          CAPTURE(std::string(DTypeName(from)));
          CAPTURE(std::string(DTypeName(to)));
          CAPTURE(std::string(QuantizeIsaName(isa)));
          CAPTURE(round);
          const Layout layout = round % 2 == 0 ? MatmulLayout(to) : Layout::kRowMajor;
          uint64_t bytes = 0;
          REQUIRE(LayoutBytes(layout, to, kRows, kCols, &bytes));
          std::vector<uint8_t> out(bytes);
          QuantizeResult result;
          REQUIRE(!QuantizeAndPack(isa, layout, to, from, source.data(), row_bytes, kRows, kCols,
                                   out.data(), &result));
          REQUIRE(result.problem == QuantizeProblem::kNotFinite);
          REQUIRE(result.row * kCols + result.col == first);
        }
      }
    }
  }
}

TEST_CASE("finite values that the target cannot hold are named") {
  constexpr uint64_t kRows = 20, kCols = 70;
  struct Case {
    DType to;
    float value;
    bool fits;
  };
  const Case cases[] = {
      {DType::kF16, 65519.0f, true},    {DType::kF16, 65520.0f, false},
      {DType::kBF16, 3.38e38f, true},   {DType::kBF16, 3.4e38f, false},
      {DType::kQ8_0, 8e6f, true},       {DType::kQ8_0, -8.4e6f, false},
      {DType::kQ4_0, -5.2e5f, true},    {DType::kQ4_0, 5.3e5f, false},
      {DType::kQ5_0, 1.04e6f, true},    {DType::kQ5_0, -1.05e6f, false},
      {DType::kQ4_1, 9.8e5f, true},     {DType::kQ4_1, 9.9e5f, false},
      {DType::kQ4_1, -65519.0f, true},  {DType::kQ4_1, -65530.0f, false},
      {DType::kQ5_1, 2.02e6f, true},    {DType::kQ5_1, 2.04e6f, false},
      {DType::kQ5_1, -65530.0f, false}, {DType::kQ4_1, 3.4e38f, false},
      {DType::kF32, 3.4e38f, true},     {DType::kQ8_0, 3.4e38f, false},
  };
  for (const Case& c : cases) {
    for (const QuantizeIsa isa : AvailableIsas()) {
      CAPTURE(std::string(DTypeName(c.to)));
      CAPTURE(c.value);
      CAPTURE(std::string(QuantizeIsaName(isa)));
      std::vector<float> source(kRows * kCols, 0.0f);
      source[17 * kCols + 41] = c.value;
      uint64_t bytes = 0;
      REQUIRE(LayoutBytes(MatmulLayout(c.to), c.to, kRows, kCols, &bytes));
      std::vector<uint8_t> out(bytes);
      QuantizeResult result;
      const bool ok = QuantizeAndPack(isa, MatmulLayout(c.to), c.to, DType::kF32,
                                      reinterpret_cast<const uint8_t*>(source.data()), kCols * 4,
                                      kRows, kCols, out.data(), &result);
      CHECK(ok == c.fits);
      if (c.fits) continue;
      CHECK(result.problem == QuantizeProblem::kOutOfRange);
      CHECK(result.row == 17);
      CHECK(result.col == (FindDType(c.to)->is_quantized ? 32 : 41));
    }
  }
}

TEST_CASE("quantized sources with an infinite scale are refused") {
  for (const DType dtype : test::kQuantizedTypes) {
    std::vector<uint8_t> source = MakeSource(dtype, 3, 96, 5);
    const uint64_t row_bytes = RowBytes(dtype, 96);
    uint8_t* block = source.data() + 2 * row_bytes + FindDType(dtype)->block_bytes;
    block[0] = 0x00;
    block[1] = 0x7c;
    uint64_t bytes = 0;
    REQUIRE(LayoutBytes(Layout::kRows16, dtype, 3, 96, &bytes));
    std::vector<uint8_t> out(bytes);
    QuantizeResult result;
    CAPTURE(std::string(DTypeName(dtype)));
    CHECK(!QuantizeAndPack(BestQuantizeIsa(), Layout::kRows16, dtype, dtype, source.data(),
                           row_bytes, 3, 96, out.data(), &result));
    CHECK(result.problem == QuantizeProblem::kNotFinite);
    CHECK(result.row == 2);
    CHECK(result.col == 32);
  }
}

TEST_CASE("flushed BF16 values are counted, zeros are not") {
  constexpr uint64_t kRows = 35, kCols = 333;
  std::vector<float> source(kRows * kCols);
  test::Random random(8);
  uint64_t want = 0;
  for (float& x : source) {
    const float values[] = {1.0f,        0.0f,      -0.0f,     0x1p-56f,
                            0x1.fcp-57f, -0x1p-57f, 0x1p-130f, -0x1p-56f};
    x = values[random.Below(8)];
    want += x != 0 && std::fabs(x) < 0x1p-56f;
  }
  std::vector<uint8_t> bf16(source.size() * 2);
  QuantizeRow(DType::kBF16, source.data(), source.size(), bf16.data());
  CHECK(CountFlushedBf16(bf16.data(), source.size()) == want);
  uint64_t bytes = 0;
  REQUIRE(LayoutBytes(Layout::kRows32Pairs, DType::kBF16, kRows, kCols, &bytes));
  std::vector<uint8_t> out(bytes);
  for (const QuantizeIsa isa : AvailableIsas()) {
    QuantizeResult result;
    REQUIRE(QuantizeAndPack(isa, Layout::kRows32Pairs, DType::kBF16, DType::kBF16, bf16.data(),
                            kCols * 2, kRows, kCols, out.data(), &result));
    CHECK(result.flushed == want);
    REQUIRE(QuantizeAndPack(isa, Layout::kRows32Pairs, DType::kBF16, DType::kF32,
                            reinterpret_cast<const uint8_t*>(source.data()), kCols * 4, kRows,
                            kCols, out.data(), &result));
    CHECK(result.flushed == want);
  }
}

TEST_CASE("pairs that make no sense are refused") {
  uint8_t byte = 0;
  QuantizeResult result;
  const QuantizeIsa isa = BestQuantizeIsa();
  CHECK(!QuantizeAndPack(isa, Layout::kRows16, DType::kF32, DType::kF32, &byte, 0, 0, 32, &byte,
                         &result));
  CHECK(result.problem == QuantizeProblem::kUnsupported);
  CHECK(!QuantizeAndPack(isa, Layout::kRowMajor, DType::kF32, DType::kI32, &byte, 0, 0, 32, &byte,
                         &result));
  CHECK(result.problem == QuantizeProblem::kUnsupported);
  CHECK(!QuantizeAndPack(isa, Layout::kInvalid, DType::kF32, DType::kF32, &byte, 0, 0, 32, &byte,
                         &result));
  CHECK(QuantizeAndPack(isa, Layout::kRows16, DType::kQ8_0, DType::kF32, &byte, 0, 0, 32, &byte,
                        &result));
  CHECK(QuantizeAndPack(isa, Layout::kRows16, DType::kQ8_0, DType::kF32, &byte, 0, 3, 0, &byte,
                        &result));
}

}  // namespace
}  // namespace samara
