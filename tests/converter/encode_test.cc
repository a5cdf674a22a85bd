// Encoders of the types of formats/quant/codes.h.
#include "converter/quantize/encode.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "converter/quantize/quantize.h"
#include "formats/layout/layout.h"
#include "formats/quant/blocks.h"
#include "tests/support/quant_data.h"
#include "tests/tolerances.h"

namespace samara {
namespace {

using test::kCodeTypes;
using test::MakeBlocks;

std::vector<QuantizeIsa> AvailableIsas() {
  std::vector<QuantizeIsa> out;
  for (const QuantizeIsa isa : {QuantizeIsa::kScalar, QuantizeIsa::kAvx2, QuantizeIsa::kAvx512}) {
    if (QuantizeIsaAvailable(isa)) out.push_back(isa);
  }
  return out;
}

std::vector<float> Importance(uint64_t cols, uint64_t seed) {
  test::Random random(seed);
  std::vector<float> out(cols);
  for (float& w : out) w = std::exp(random.Gaussian());
  out[cols / 2] = 0;
  return out;
}

TEST_CASE("rows are encoded and packed to the same bytes on every instruction set") {
  for (const DType to : kCodeTypes) {
    const CodeForm& form = *FindCodeForm(to);
    for (const DType from : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ6_K, to}) {
      for (const Layout layout : {Layout::kRows16, Layout::kRowMajor}) {
        for (const uint64_t cols : {1, 33, 256, 300, 576}) {
          const uint64_t rows = 19, padded = (cols + 31) / 32 * 32, seed = cols;
          CAPTURE(std::string(DTypeName(to)));
          CAPTURE(std::string(DTypeName(from)));
          CAPTURE(cols);
          const std::vector<float> x = MakeBlocks(rows * padded / 32, seed);
          const std::vector<float> importance = Importance(cols, seed);
          const uint64_t from_bytes = RowBytes(from, cols), to_bytes = RowBytes(to, cols);
          std::vector<uint8_t> source(rows * from_bytes), codes(rows * to_bytes);
          std::vector<float> wide(cols);
          for (uint64_t r = 0; r < rows; ++r) {
            uint8_t* row = source.data() + r * from_bytes;
            if (const CodeForm* own = FindCodeForm(from)) {
              quantize::EncodeRow(*own, x.data() + r * padded, nullptr, cols, row);
            } else {
              QuantizeRow(from, x.data() + r * padded, cols, row);
            }
            DequantizeRow(from, row, cols, wide.data());
            uint8_t* out = codes.data() + r * to_bytes;
            if (from == to) {
              std::copy_n(row, to_bytes, out);
            } else {
              quantize::EncodeRow(form, wide.data(), importance.data(), cols, out);
            }
          }
          uint64_t bytes = 0;
          REQUIRE(LayoutBytes(layout, to, rows, cols, &bytes));
          std::vector<uint8_t> want(bytes);
          PackRows(layout, to, codes.data(), to_bytes, rows, cols, want.data());
          for (const QuantizeIsa isa : AvailableIsas()) {
            CAPTURE(std::string(QuantizeIsaName(isa)));
            std::vector<uint8_t> got(bytes + 64, 0xa5);
            QuantizeResult result;
            REQUIRE(QuantizeAndPack(isa, layout, to, from, source.data(), from_bytes, rows, cols,
                                    got.data(), &result, importance.data()));
            CHECK(std::equal(want.begin(), want.end(), got.begin()));
            CHECK(got[bytes] == 0xa5);
          }
        }
      }
    }
  }
}

// Weighted squared error of a row that was encoded and decoded.
double Error(DType dtype, const std::vector<float>& x, const std::vector<float>& weights,
             const float* importance) {
  const CodeForm& form = *FindCodeForm(dtype);
  std::vector<uint8_t> codes(RowBytes(dtype, x.size()));
  std::vector<float> values(x.size());
  quantize::EncodeRow(form, x.data(), importance, x.size(), codes.data());
  DequantizeRow(dtype, codes.data(), x.size(), values.data());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double e = static_cast<double>(x[i]) - static_cast<double>(values[i]);
    sum += e * e * (weights.empty() ? 1 : static_cast<double>(weights[i]));
  }
  return sum;
}

TEST_CASE("root mean square errors are below those of the types' best known encoder") {
  test::Random random(7);
  std::vector<float> gaussian(1 << 16), laplace(1 << 16);
  double squares[2] = {};
  for (size_t i = 0; i < gaussian.size(); ++i) {
    gaussian[i] = random.Gaussian() * 0.02f;
    const double u = 1 - random.Uniform();
    laplace[i] = static_cast<float>(-std::log(u) * (random.Below(2) != 0 ? 0.02 : -0.02));
    squares[0] += static_cast<double>(gaussian[i]) * static_cast<double>(gaussian[i]);
    squares[1] += static_cast<double>(laplace[i]) * static_cast<double>(laplace[i]);
  }
  for (const auto& peer : tolerance::kPeerRmse) {
    CAPTURE(std::string(DTypeName(peer.dtype)));
    const double got[2] = {std::sqrt(Error(peer.dtype, gaussian, {}, nullptr) / squares[0]),
                           std::sqrt(Error(peer.dtype, laplace, {}, nullptr) / squares[1])};
    CHECK(got[0] < peer.gaussian);
    CHECK(got[1] < peer.laplace);
    // Nor so far below that something else is measured.
    CHECK(got[0] > peer.gaussian * 0.8);
    CHECK(got[1] > peer.laplace * 0.8);
  }
}

TEST_CASE("importance lowers the error that it weighs") {
  test::Random random(9);
  std::vector<float> x(1 << 14);
  for (float& v : x) v = random.Gaussian();
  const std::vector<float> importance = Importance(x.size(), 3);
  for (const DType dtype : kCodeTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    // A power of two leaves few scales to choose from.
    const double most = dtype == DType::kMXFP4 ? 1.0 : 0.98;
    CHECK(Error(dtype, x, importance, importance.data()) <
          most * Error(dtype, x, importance, nullptr));
  }
}

TEST_CASE("odd blocks: errors stay below the largest element") {
  constexpr uint64_t kSeed = 21, kBlocks = 8 * 400;
  CAPTURE(kSeed);
  const std::vector<float> x = MakeBlocks(kBlocks, kSeed);
  for (const DType dtype : kCodeTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    const CodeForm& form = *FindCodeForm(dtype);
    std::vector<uint8_t> codes(RowBytes(dtype, x.size()));
    std::vector<float> values(x.size());
    quantize::EncodeRow(form, x.data(), nullptr, x.size(), codes.data());
    DequantizeRow(dtype, codes.data(), x.size(), values.data());
    uint64_t beyond = 0;
    for (uint64_t b = 0; b < x.size(); b += form.elements) {
      float top = 0;
      for (uint64_t i = b; i < b + form.elements; ++i) top = std::max(top, std::fabs(x[i]));
      // Below that f16 scales lose bits.
      if (top < 0x1p-12f) continue;
      for (uint64_t i = b; i < b + form.elements; ++i)
        beyond += !(std::fabs(x[i] - values[i]) <= top);
    }
    CHECK(beyond == 0);
  }
}

TEST_CASE("zeros stay zeros, and numbers out of range are named") {
  for (const DType dtype : kCodeTypes) {
    CAPTURE(std::string(DTypeName(dtype)));
    const CodeForm& form = *FindCodeForm(dtype);
    std::vector<float> x(300, 0.0f), values(300, 1.0f);
    std::vector<uint8_t> codes(RowBytes(dtype, x.size()));
    quantize::EncodeRow(form, x.data(), nullptr, x.size(), codes.data());
    DequantizeRow(dtype, codes.data(), x.size(), values.data());
    for (const float v : values) CHECK(v == 0.0f);
    uint64_t bytes = 0;
    REQUIRE(LayoutBytes(Layout::kRows16, dtype, 3, 300, &bytes));
    std::vector<uint8_t> out(bytes);
    const float infinity = std::numeric_limits<float>::infinity();
    for (const QuantizeIsa isa : AvailableIsas()) {
      for (const float bad : {infinity, -infinity, std::nanf(""), 1e30f, -1e30f}) {
        CAPTURE(bad);
        std::vector<float> rows(900, 0.25f);
        rows[2 * 300 + 270] = bad;
        QuantizeResult result;
        const bool ok = QuantizeAndPack(isa, Layout::kRows16, dtype, DType::kF32,
                                        reinterpret_cast<const uint8_t*>(rows.data()), 1200, 3, 300,
                                        out.data(), &result);
        if (std::isfinite(bad)) {
          // Powers of two reach that far; no other scale does.
          CHECK(ok == (dtype == DType::kMXFP4));
          if (ok) continue;
          CHECK(result.problem == QuantizeProblem::kOutOfRange);
          CHECK(result.col == 270 / form.elements * form.elements);
        } else {
          CHECK(!ok);
          CHECK(result.problem == QuantizeProblem::kNotFinite);
          CHECK(result.col == 270);
        }
        CHECK(result.row == 2);
      }
    }
  }
}

}  // namespace
}  // namespace samara
