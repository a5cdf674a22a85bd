// matmul, linear and batch_matmul for every codec.
#include <doctest/doctest.h>

#include <cmath>

#include "backends/reference/reference_backend.h"
#include "tests/conformance/harness.h"
#include "tests/support/status.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

constexpr DType kCodecs[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                             DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                             DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                             DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};

void SetBounds(DType dtype, Case* c) {
  if (dtype == DType::kF32 || dtype == DType::kF16) {
    c->Bounds(tolerance::kF32DotNorm, tolerance::kF32DotElement);
  } else if (dtype == DType::kBF16) {
    c->Bounds(tolerance::kBf16Norm, tolerance::kBf16Element);
  } else {
    c->Bounds(tolerance::kInt8Norm, tolerance::kInt8Element);
  }
}

TEST_CASE("matmul: rows and columns that fill no tile") {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 32},   {16, 32},  {17, 33},  {40, 172}, {5, 64},
                                                {64, 100}, {33, 577}, {100, 96}, {3, 1000},
                                                {20, 256}, {32, 640}};
  uint64_t seed = 600;
  for (DType dtype : kCodecs) {
    for (const auto& [rows, cols] : shapes) {
      Random random(seed);
      Case c;
      c.name = std::string("matmul ") + DTypeName(dtype) + " " + std::to_string(rows) + "x" +
               std::to_string(cols);
      const ValueId x = c.model.Input("x", Shape::Of({c.model.Tokens(), Dim::Of(cols)}));
      const ValueId w =
          c.model.Weight("w", dtype, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols),
                         random.Floats(static_cast<uint64_t>(rows * cols)));
      c.outputs = {c.model.Op(OpCode::kMatmul, {x, w})};
      c.inputs = {{x}};
      c.Tokens({1, 2, 3, 4, 5, 9, 17});
      SetBounds(dtype, &c);
      // Results of a few rows may cancel, while the error stays that of the terms.
      if (rows < 16) c.Bounds(c.norm_bound * 10, c.element_bound * 10);
      CheckCase(c, seed++);
    }
  }
}

// Ties, subnormals and zeros reach every rounding of the activations.
TEST_CASE("matmul: unusual activations") {
  uint64_t seed = 700;
  for (DType dtype : kCodecs) {
    for (Fill fill : {Fill::kTies, Fill::kSubnormal, Fill::kWide, Fill::kZero}) {
      Random random(seed);
      Case c;
      c.name = std::string("matmul ") + DTypeName(dtype) + " fill " +
               std::to_string(static_cast<int>(fill));
      const ValueId x = c.model.Input("x", Shape::Of({c.model.Tokens(), Dim::Of(80)}));
      const ValueId w = c.model.Weight("w", dtype, 35, 80, random.Floats(35 * 80));
      c.outputs = {c.model.Op(OpCode::kMatmul, {x, w})};
      c.inputs = {{x, fill, 1}};
      c.Tokens({1, 6});
      SetBounds(dtype, &c);
      // Subnormal blocks are zero by the contract, so that the whole result is lost against
      // float64.
      if (fill == Fill::kSubnormal) c.Bounds(1.01, 1.01);
      CheckCase(c, seed++);
    }
  }
}

TEST_CASE("linear: bias, residual, both") {
  uint64_t seed = 800;
  for (DType dtype : kCodecs) {
    for (int parts = 0; parts < 4; ++parts) {
      Random random(seed);
      Case c;
      c.name = std::string("linear ") + DTypeName(dtype) + " parts " + std::to_string(parts);
      TestModel& m = c.model;
      const ValueId wide = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(96)}));
      // A strided operand where views are taken.
      const ValueId x = m.Op(OpCode::kSlice, {wide},
                             {IntAttr(AttrKey::kAxis, 1), IntAttr(AttrKey::kBegin, 12),
                              IntAttr(AttrKey::kLength, 64)});
      const ValueId w = m.Weight("w", dtype, 48, 64, random.Floats(48 * 64));
      const ValueId bias = parts & 1 ? m.Vector("b", random.Floats(48)) : kNoValue;
      const ValueId residual =
          parts & 2 ? m.Input("r", Shape::Of({m.Tokens(), Dim::Of(48)})) : kNoValue;
      c.outputs = {m.Op(OpCode::kLinear, {x, w, bias, residual})};
      c.inputs = {{wide}};
      if (residual != kNoValue) c.inputs.push_back({residual, Fill::kNormal, 4});
      c.Tokens({1, 4, 11});
      SetBounds(dtype, &c);
      CheckCase(c, seed++);
    }
  }
}

TEST_CASE("a value that is not finite is never lost") {
  for (const Variant& variant : Variants()) {
    if (std::string(variant.backend->name()) == "float64") continue;
    for (DType dtype : kCodecs) {
      for (float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
        CAPTURE(variant.name);
        CAPTURE(DTypeName(dtype));
        CAPTURE(bad);
        Random random(5);
        TestModel m;
        const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(70)}));
        const ValueId w = m.Weight("w", dtype, 20, 70, random.Floats(20 * 70));
        const ValueId y = m.Op(OpCode::kMatmul, {x, w});
        RunnerOptions options;
        options.device = variant.device;
        GraphRunner runner;
        REQUIRE_OK(runner.Init(m, variant.backend, options));
        StepBlock step(runner.step_layout());
        step.Add({.n_tokens = 2});
        runner.UseStep(step);
        std::vector<float> values = random.Floats(140), result;
        values[37] = bad;  // row 0; row 1 stays finite
        REQUIRE(runner.Set(x, values).ok());
        REQUIRE(runner.Run().ok());
        REQUIRE(runner.Get(y, &result).ok());
        for (size_t i = 0; i < 40; ++i) CHECK(std::isfinite(result[i]) == (i >= 20));
      }
    }
  }
}

TEST_CASE("batch_matmul") {
  uint64_t seed = 900;
  const Dim t = TestModel::Tokens();
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {Shape::Of({t, Dim::Of(33)}), Shape::Of({Dim::Of(33), Dim::Of(17)})},
      {Shape::Of({Dim::Of(3), t, Dim::Of(40)}), Shape::Of({Dim::Of(3), Dim::Of(40), t})},
      {Shape::Of({t, Dim::Of(2), Dim::Of(1), Dim::Of(7)}),
       Shape::Of({t, Dim::Of(2), Dim::Of(7), Dim::Of(9)})},
      {Shape::Of({Dim::Of(4), Dim::Of(5), t}), Shape::Of({Dim::Of(4), t, Dim::Of(6)})},
  };
  for (const auto& [a, b] : shapes) {
    for (Fill fill : {Fill::kNormal, Fill::kSubnormal}) {
      Case c;
      c.name = "batch_matmul";
      const ValueId x = c.model.Input("x", a), y = c.model.Input("y", b);
      c.outputs = {c.model.Op(OpCode::kBatchMatmul, {x, y})};
      c.inputs = {{x, fill, 1}, {y, Fill::kNormal, 1}};
      c.Tokens({1, 10});
      c.Bounds(tolerance::kF32DotNorm, tolerance::kF32DotElement);
      if (fill == Fill::kSubnormal) c.Bounds(1e-3, 1e-3);  // few bits are left
      CheckCase(c, seed++);
    }
  }
}

}  // namespace
}  // namespace samara::test
