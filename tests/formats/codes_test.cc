#include "formats/quant/codes.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <string>

#include "formats/layout/layout.h"
#include "formats/layout/units.h"
#include "formats/quant/blocks.h"
#include "tests/support/plain_codes.h"
#include "tests/support/quant_data.h"

namespace samara {
namespace {

using test::kCodeTypes;

std::vector<uint8_t> FromHex(const std::string& text) {
  std::vector<uint8_t> out(text.size() / 2);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<uint8_t>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  return out;
}

std::vector<uint8_t> RandomBytes(uint64_t n, uint64_t seed) {
  test::Random random(seed);
  std::vector<uint8_t> out(n);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random.Next() >> 40);
  return out;
}

TEST_CASE("blocks of an independent tool have its values") {
  std::ifstream file(SAMARA_SOURCE_DIR "/tests/formats/data/codes_golden.txt");
  REQUIRE(file.is_open());
  std::map<std::string, int> blocks;
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' '), second = line.find(' ', space + 1);
    const std::string name = line.substr(0, space);
    const std::vector<uint8_t> block = FromHex(line.substr(space + 1, second - space - 1));
    CAPTURE(line);
    const DTypeInfo* info = FindDType(name);
    REQUIRE(info != nullptr);
    REQUIRE(block.size() == info->block_bytes);
    std::vector<float> values(info->block_elements);
    DequantizeRow(info->dtype, block.data(), values.size(), values.data());
    char hash[17];
    std::snprintf(hash, sizeof(hash), "%016llx",
                  static_cast<unsigned long long>(test::Fnv1a(values.data(), values.size() * 4)));
    CHECK(line.substr(second + 1) == hash);
    ++blocks[name];
  }
  CHECK(blocks.size() == std::size(kCodeTypes));
  for (const auto& entry : blocks) CHECK(entry.second == 14);
}

TEST_CASE("every bit of a block is in its codes") {
  for (const DType dtype : kCodeTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    const CodeForm& form = *FindCodeForm(dtype);
    const DTypeInfo& info = *FindDType(dtype);
    CHECK(form.elements == info.block_elements);
    for (uint64_t seed = 0; seed < 50; ++seed) {
      CAPTURE(seed);
      const std::vector<uint8_t> block = RandomBytes(info.block_bytes, seed);
      std::vector<uint8_t> again(block.size(), 0xa5);
      BlockCodes codes;
      SplitBlock(form, block.data(), &codes);
      JoinBlock(form, codes, again.data());
      CHECK(again == block);
    }
  }
}

TEST_CASE("tiles hold every bit of the rows' columns and nothing of those past the end") {
  for (const DType dtype : kCodeTypes) {
    const CodeForm& form = *FindCodeForm(dtype);
    const DTypeInfo& info = *FindDType(dtype);
    for (const uint64_t cols : {1, 32, 33, 64, 172, 256, 257, 576, 640, 896, 1024}) {
      for (const uint64_t rows : {1, 16, 21}) {
        CAPTURE(std::string(DTypeName(dtype)));
        CAPTURE(cols);
        CAPTURE(rows);
        const uint64_t row_bytes = RowBytes(dtype, cols), blocks = (cols + 31) / 32;
        std::vector<uint8_t> source = RandomBytes(rows * row_bytes, cols + rows);
        uint64_t bytes = 0;
        REQUIRE(LayoutBytes(Layout::kRows16, dtype, rows, cols, &bytes));
        std::vector<uint8_t> packed(bytes + 64, 0xa5);
        PackRows(Layout::kRows16, dtype, source.data(), row_bytes, rows, cols, packed.data());
        CHECK(packed[bytes] == 0xa5);
        std::vector<uint8_t> row(row_bytes + 1, 0x5a);
        std::vector<float> want(cols), got(cols);
        uint64_t wrong = 0;
        for (uint64_t r = 0; r < rows; ++r) {
          uint8_t* own = source.data() + r * row_bytes;
          DequantizeRow(dtype, own, cols, want.data());
          // What remains of the last block.
          const uint64_t per_block = form.elements / 32, full = (blocks - 1) / per_block;
          BlockCodes codes;
          SplitBlock(form, own + full * info.block_bytes, &codes);
          ClearCodesPast(form, blocks - full * per_block, &codes);
          JoinBlock(form, codes, own + full * info.block_bytes);
          UnpackRow(Layout::kRows16, dtype, packed.data(), r, cols, row.data());
          wrong += std::memcmp(row.data(), own, row_bytes) != 0;
          wrong += row[row_bytes] != 0x5a;
          DequantizePackedRow(Layout::kRows16, dtype, packed.data(), r, cols, got.data());
          wrong += !test::SameBits(want.data(), got.data(), cols);
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("super-blocks are cut at 32 columns") {
  uint64_t bytes = 0;
  REQUIRE(LayoutTileBytes(Layout::kRows16, DType::kQ4_K, 576, &bytes));
  CHECK(bytes == 3 * 256 + 18 * 256);
  REQUIRE(LayoutTileBytes(Layout::kRows16, DType::kQ6_K, 896, &bytes));
  CHECK(bytes == 4 * 320 + 28 * 384);
  for (const DType dtype : kCodeTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    REQUIRE(LayoutTileBytes(Layout::kRows16, dtype, 1024, &bytes));
    CHECK(bytes % 64 == 0);
    // No more than 6 % above the type's own size.
    CHECK(bytes <= RowBytes(dtype, 1024) * 16 * 106 / 100);
    CHECK(bytes >= RowBytes(dtype, 1024) * 16);
    CHECK(!LayoutTileBytes(Layout::kRows16, dtype, UINT64_MAX, &bytes));
  }
}

TEST_CASE("sizes have no smaller form for other types") {
  for (const DType dtype : test::kWeightTypes) {
    CHECK(FindCodeForm(dtype) == nullptr);
    CHECK(FindRows16Unit(dtype) == nullptr);
  }
}

}  // namespace
}  // namespace samara
