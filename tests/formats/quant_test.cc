#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>

#include "formats/quant/blocks.h"
#include "tests/support/quant_data.h"
#include "tests/tolerances.h"

namespace samara {
namespace {

using test::kQuantizedTypes;
using test::kWeightTypes;
using test::MakeBlocks;

// The value of a half by its definition, in binary64.
double HalfValue(uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  double value;
  if (exponent == 31) {
    value = mantissa != 0 ? std::nan("") : std::numeric_limits<double>::infinity();
  } else {
    value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  }
  return half & 0x8000 ? -value : value;
}

TEST_CASE("halves: all 65536 widen exactly and come back") {
  uint64_t wrong = 0;
  for (uint32_t h = 0; h < 65536; ++h) {
    const uint16_t half = static_cast<uint16_t>(h);
    const float wide = FloatFromHalf(half);
    const double value = HalfValue(half);
    if (std::isnan(value)) {
      // Quieted, sign and payload kept.
      const uint32_t bits = std::bit_cast<uint32_t>(wide);
      wrong += bits != ((h & 0x8000u) << 16 | 0x7fc00000u | (h & 0x3ffu) << 13);
      wrong += HalfFromFloat(wide) != (half | 0x200);
    } else {
      wrong += static_cast<double>(wide) != value || std::signbit(wide) != ((half & 0x8000) != 0);
      wrong += HalfFromFloat(wide) != half;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("halves: rounding to nearest even between all neighbours") {
  uint64_t wrong = 0;
  const float infinity = std::numeric_limits<float>::infinity();
  for (uint16_t low = 0; low < 0x7c00; ++low) {
    const uint16_t high = static_cast<uint16_t>(low + 1);
    // Above the largest half lies 2^16, which rounding treats like a number and stores as infinity.
    const double upper = high == 0x7c00 ? 65536.0 : HalfValue(high);
    const float middle = static_cast<float>((HalfValue(low) + upper) / 2);  // exact: 12 bits
    const uint16_t even = low % 2 == 0 ? low : high;
    wrong += HalfFromFloat(middle) != even;
    wrong += HalfFromFloat(-middle) != (even | 0x8000);
    wrong += HalfFromFloat(std::nextafter(middle, 0.0f)) != low;
    wrong += HalfFromFloat(std::nextafter(middle, infinity)) != high;
    wrong += HalfFromFloat(-std::nextafter(middle, 0.0f)) != (low | 0x8000);
    wrong += HalfFromFloat(-std::nextafter(middle, infinity)) != (high | 0x8000);
  }
  CHECK(wrong == 0);
  CHECK(HalfFromFloat(infinity) == 0x7c00);
  CHECK(HalfFromFloat(-infinity) == 0xfc00);
  CHECK(HalfFromFloat(std::numeric_limits<float>::max()) == 0x7c00);
  CHECK(HalfFromFloat(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(HalfFromFloat(-std::numeric_limits<float>::denorm_min()) == 0x8000);
  // A NaN whose payload lies in the bits that are cut must not become an infinity.
  CHECK(HalfFromFloat(std::bit_cast<float>(0x7f800001u)) == 0x7e00);
  CHECK(HalfFromFloat(std::bit_cast<float>(0xffbfffffu)) == 0xffff);
}

TEST_CASE("bf16: widening and rounding to nearest even for all 65536 and their neighbours") {
  uint64_t wrong = 0;
  for (uint32_t h = 0; h < 65536; ++h) {
    const uint32_t bits = h << 16;
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    const uint32_t wide = std::bit_cast<uint32_t>(FloatFromBf16(static_cast<uint16_t>(h)));
    wrong += wide != (nan ? bits | 0x400000u : bits);
    for (const uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const uint16_t got = Bf16FromFloat(std::bit_cast<float>(bits | low));
      uint32_t want;
      if (((bits | low) & 0x7fffffffu) > 0x7f800000u) {
        want = h | 0x40u;
      } else {
        want = low < 0x8000u || (low == 0x8000u && h % 2 == 0) ? h : h + 1;
      }
      wrong += got != want;
    }
  }
  CHECK(wrong == 0);
}

std::vector<uint8_t> FromHex(const std::string& text) {
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<uint8_t> out(text.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<uint8_t>(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
  }
  return out;
}

TEST_CASE("blocks equal the reference quantizers bit for bit, and so do their values") {
  std::ifstream file(SAMARA_SOURCE_DIR "/tests/formats/data/quant_golden.txt");
  REQUIRE(file.is_open());
  std::string line;
  float x[32] = {};
  int n_blocks = 0, n_cases = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.find(' ');
    const size_t second = line.find(' ', space + 1);
    const std::string name = line.substr(0, space);
    const std::vector<uint8_t> bytes = FromHex(line.substr(space + 1, second - space - 1));
    if (name == "x") {
      REQUIRE(bytes.size() == sizeof(x));
      std::memcpy(x, bytes.data(), sizeof(x));
      ++n_cases;
      continue;
    }
    const DTypeInfo* info = FindDType(name);
    REQUIRE(info != nullptr);
    REQUIRE(bytes.size() == RowBytes(info->dtype, 32));
    CAPTURE(name);
    CAPTURE(n_cases);
    std::vector<uint8_t> got(bytes.size());
    QuantizeRow(info->dtype, x, 32, got.data());
    CHECK(got == bytes);
    float values[32];
    DequantizeRow(info->dtype, bytes.data(), 32, values);
    char hash[17];
    std::snprintf(hash, sizeof(hash), "%016llx",
                  static_cast<unsigned long long>(test::Fnv1a(values, sizeof(values))));
    CHECK(line.substr(second + 1) == hash);
    ++n_blocks;
  }
  CHECK(n_cases == 50);
  CHECK(n_blocks == 7 * n_cases);
}

// What rounding a number to F16 may add to it.
double HalfError(double value) { return std::max(std::fabs(value) * 0x1p-11, 0x1p-25); }

// The largest |x - value| that the type's rule allows for this element of a block.
double ErrorBound(DType dtype, const float* block, int i) {
  const double slack = 1 + 0x1p-18;  // binary32 roundings of scaling and adding, relative to a step
  float amax = 0, min = block[0], max = block[0];
  for (int j = 0; j < 32; ++j) {
    amax = std::max(amax, std::fabs(block[j]));
    min = std::min(min, block[j]);
    max = std::max(max, block[j]);
  }
  switch (dtype) {
    case DType::kF32:
      return 0;
    case DType::kF16:
      return HalfError(block[i]);
    case DType::kBF16:
      return std::fabs(block[i]) * 0x1p-8;
    case DType::kQ8_0: {
      const double d = amax / 127;
      return d / 2 * slack + 127 * HalfError(d);
    }
    case DType::kQ4_0:
    case DType::kQ5_0: {
      const double n = dtype == DType::kQ4_0 ? 8 : 16;
      const double d = amax / n;
      float extreme = 0;
      for (int j = 31; j >= 0; --j) extreme = std::fabs(block[j]) == amax ? block[j] : extreme;
      // The side opposite to the extreme ends one step early.
      const bool clipped = block[i] * extreme < 0 && std::fabs(block[i]) > (n - 0.51) * d;
      return (clipped ? d : d / 2) * slack + n * HalfError(d);
    }
    default: {
      const double steps = dtype == DType::kQ4_1 ? 15 : 31;
      const double d = (static_cast<double>(max) - min) / steps;
      return d / 2 * slack + steps * HalfError(d) + HalfError(min);
    }
  }
}

TEST_CASE("every element is within its type's bound") {
  constexpr uint64_t kBlocks = 20000, kSeed = 11;
  CAPTURE(kSeed);
  const std::vector<float> x = MakeBlocks(kBlocks, kSeed);
  for (const DType dtype : kWeightTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    std::vector<uint8_t> codes(RowBytes(dtype, x.size()));
    std::vector<float> values(x.size());
    QuantizeRow(dtype, x.data(), x.size(), codes.data());
    DequantizeRow(dtype, codes.data(), x.size(), values.data());
    uint64_t beyond = 0;
    double used = 0;  // the largest part of the bound that was used, for bounds that say nothing
    for (uint64_t i = 0; i < x.size(); ++i) {
      const double error = std::fabs(static_cast<double>(x[i]) - static_cast<double>(values[i]));
      const double bound = ErrorBound(dtype, x.data() + i / 32 * 32, static_cast<int>(i % 32));
      beyond += !(error <= bound);
      if (bound > 0) used = std::max(used, error / bound);
    }
    CHECK(beyond == 0);
    if (dtype != DType::kF32) CHECK(used > 0.9);
  }
}

TEST_CASE("root mean square error on Gaussian data is the reference's") {
  test::Random random(3);
  std::vector<float> x(1 << 20);
  for (float& value : x) value = random.Gaussian();
  for (const auto& entry : tolerance::kGaussianRmse) {
    const DType dtype = entry.first;
    const double expected = entry.second;
    CAPTURE(std::string(DTypeName(dtype)));
    std::vector<uint8_t> codes(RowBytes(dtype, x.size()));
    std::vector<float> values(x.size());
    QuantizeRow(dtype, x.data(), x.size(), codes.data());
    DequantizeRow(dtype, codes.data(), x.size(), values.data());
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double error = static_cast<double>(x[i]) - static_cast<double>(values[i]);
      sum += error * error;
    }
    const double rmse = std::sqrt(sum / static_cast<double>(x.size()));
    CHECK(std::fabs(rmse / expected - 1) < tolerance::kGaussianRmseRelative);
  }
}

TEST_CASE("a last block that is not full is quantized as if zeros followed") {
  for (const DType dtype : kQuantizedTypes) {
    for (const uint64_t cols : {1, 31, 33, 63, 172}) {
      CAPTURE(std::string(DTypeName(dtype)));
      CAPTURE(cols);
      const uint64_t padded = PaddedCols(dtype, cols);
      CHECK(padded == (cols + 31) / 32 * 32);
      std::vector<float> x = MakeBlocks(padded / 32, cols);
      std::vector<uint8_t> got(RowBytes(dtype, cols)), want(RowBytes(dtype, padded));
      CHECK(got.size() == want.size());
      QuantizeRow(dtype, x.data(), cols, got.data());
      std::fill(x.begin() + static_cast<int64_t>(cols), x.end(), 0.0f);
      QuantizeRow(dtype, x.data(), padded, want.data());
      CHECK(got == want);
      // And nothing past the row's end is written when it is dequantized.
      std::vector<float> values(padded + 1, 77.0f), all(padded);
      DequantizeRow(dtype, got.data(), cols, values.data());
      DequantizeRow(dtype, got.data(), padded, all.data());
      CHECK(test::SameBits(values.data(), all.data(), cols));
      CHECK(values[cols] == 77.0f);
    }
  }
}

TEST_CASE("blocks whose step has no finite inverse become zeros of value") {
  for (const DType dtype : kQuantizedTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    for (const float tiny : {std::numeric_limits<float>::denorm_min(), 0x1p-140f, 0x1p-130f}) {
      float x[32] = {};
      x[3] = tiny;
      x[20] = -tiny;
      uint8_t code[64] = {};
      float values[32];
      QuantizeRow(dtype, x, 32, code);
      DequantizeRow(dtype, code, 32, values);
      for (const float value : values) CHECK(value == 0.0f);
    }
  }
}

TEST_CASE("row sizes") {
  for (const DType dtype : kWeightTypes) {
    const DTypeInfo* info = FindDType(dtype);
    REQUIRE(info != nullptr);
    CHECK(RowBytes(dtype, 0) == 0);
    CHECK(RowBytes(dtype, 1) == info->block_bytes);
    CHECK(RowBytes(dtype, 64) == 64 / info->block_elements * info->block_bytes);
    CHECK(PaddedCols(dtype, 64) == 64);
  }
  CHECK(RowBytes(DType::kQ4_0, 33) == 36);
  CHECK(RowBytes(DType::kInvalid, 33) == 0);
  CHECK(PaddedCols(DType::kInvalid, 33) == 0);
}

}  // namespace
}  // namespace samara
