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
#include "tools/encoder_rows.h"

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

TEST_CASE("root mean square errors are at most those of the types' best known encoder") {
  std::vector<EncoderRows> all = {RandomRows(false), RandomRows(true)};
  const Status loaded =
      LoadRows(SAMARA_SOURCE_DIR "/models/demo/checkpoint/model.safetensors", &all);
  CAPTURE(std::string(loaded.message()));
  REQUIRE(loaded.ok());
  REQUIRE(all.size() == 4);
  REQUIRE(all[2].cols == 768);
  REQUIRE(all[3].cols == 2304);
  for (size_t i = 0; i < all.size(); ++i) {
    const EncoderRows& x = all[i];
    const std::vector<float> weights = RandomImportance(x.cols);
    for (const auto& peer : tolerance::kPeerRmse) {
      for (const bool weighed : {false, true}) {
        CAPTURE(x.name);
        CAPTURE(std::string(DTypeName(peer.dtype)));
        CAPTURE(weighed);
        std::vector<uint8_t> blocks(RowBytes(peer.dtype, x.cols) * x.n);
        QuantizeResult result;
        REQUIRE(QuantizeAndPack(BestQuantizeIsa(), Layout::kRowMajor, peer.dtype, DType::kF32,
                                reinterpret_cast<const uint8_t*>(x.values.data()), x.cols * 4, x.n,
                                x.cols, blocks.data(), &result,
                                weighed ? weights.data() : nullptr));
        const double got = RelativeRmse(x, peer.dtype, blocks, weighed ? &weights : nullptr);
        const double most = weighed ? peer.weighed[i] : peer.plain[i];
        CHECK(got <= most + tolerance::kPeerRmseDigit);
        // Nor so far below that something else is measured.
        CHECK(got > 0.8 * most);
      }
    }
  }
}

TEST_CASE("Q4_0 to Q5_1 with importance: the same bytes on every instruction set, none without") {
  for (const DType to : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0}) {
    for (const uint64_t cols : {1, 33, 320}) {
      const uint64_t rows = 19, padded = (cols + 31) / 32 * 32, seed = cols;
      CAPTURE(std::string(DTypeName(to)));
      CAPTURE(cols);
      const std::vector<float> x = MakeBlocks(rows * padded / 32, seed);
      const std::vector<float> importance = Importance(cols, seed);
      const uint64_t stride = RowBytes(to, cols);
      std::vector<uint8_t> codes(rows * stride);
      for (uint64_t r = 0; r < rows; ++r) {
        const float* row = x.data() + r * padded;
        uint8_t* out = codes.data() + r * stride;
        if (!quantize::EncodeBlocksScalar(to, row, importance.data(), cols, out)) {
          CHECK(to == DType::kQ8_0);
          QuantizeRow(to, row, cols, out);
        }
      }
      uint64_t bytes = 0;
      REQUIRE(LayoutBytes(Layout::kRows16, to, rows, cols, &bytes));
      std::vector<uint8_t> want(bytes);
      PackRows(Layout::kRows16, to, codes.data(), stride, rows, cols, want.data());
      for (const QuantizeIsa isa : AvailableIsas()) {
        CAPTURE(std::string(QuantizeIsaName(isa)));
        std::vector<uint8_t> got(bytes);
        QuantizeResult result;
        REQUIRE(QuantizeAndPack(isa, Layout::kRows16, to, DType::kF32,
                                reinterpret_cast<const uint8_t*>(x.data()), padded * 4, rows, cols,
                                got.data(), &result, importance.data()));
        CHECK(want == got);
      }
    }
    for (const QuantizeIsa isa : AvailableIsas()) {
      for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf(""), 1e30f}) {
        std::vector<float> x(96, 0.25f), ones(96, 1.0f);
        x[70] = bad;
        uint8_t out[256];
        QuantizeResult result;
        CHECK(!QuantizeAndPack(isa, Layout::kRowMajor, to, DType::kF32,
                               reinterpret_cast<const uint8_t*>(x.data()), 384, 1, 96, out, &result,
                               ones.data()));
        CHECK(result.problem ==
              (std::isfinite(bad) ? QuantizeProblem::kOutOfRange : QuantizeProblem::kNotFinite));
        CHECK(result.col == (std::isfinite(bad) ? 64u : 70u));
      }
    }
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
