// Elementwise operators, comparisons, select, cast, reductions.
#include <doctest/doctest.h>

#include "tests/conformance/harness.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

struct UnaryCase {
  OpCode code;
  Fill fill;
  float scale;
};

TEST_CASE("unary operators") {
  const UnaryCase cases[] = {
      {OpCode::kNeg, Fill::kNormal, 1},     {OpCode::kExp, Fill::kNormal, 1},
      {OpCode::kExp, Fill::kNormal, 12},    {OpCode::kExp, Fill::kSubnormal, 1},
      {OpCode::kLog, Fill::kPositive, 1},   {OpCode::kLog, Fill::kPositive, 1e-41f},
      {OpCode::kSqrt, Fill::kPositive, 1},  {OpCode::kSqrt, Fill::kPositive, 1e-41f},
      {OpCode::kSin, Fill::kNormal, 2},     {OpCode::kSin, Fill::kNormal, 5000},
      {OpCode::kCos, Fill::kNormal, 2},     {OpCode::kCos, Fill::kNormal, 5000},
      {OpCode::kTanh, Fill::kNormal, 1},    {OpCode::kTanh, Fill::kNormal, 8},
      {OpCode::kTanh, Fill::kSubnormal, 1}, {OpCode::kErf, Fill::kNormal, 1},
      {OpCode::kErf, Fill::kSubnormal, 1},  {OpCode::kFloor, Fill::kNormal, 100},
      {OpCode::kFloor, Fill::kTies, 1},     {OpCode::kNeg, Fill::kTies, 1},
  };
  uint64_t seed = 100;
  for (const UnaryCase& u : cases) {
    Case c;
    c.name =
        std::string(FindOp(u.code)->name) + " fill " + std::to_string(static_cast<int>(u.fill));
    const ValueId x = c.model.Input("x", Shape::Of({c.model.Tokens(), Dim::Of(5), Dim::Of(37)}));
    c.outputs = {c.model.Op(u.code, {x})};
    c.inputs = {{x, u.fill, u.scale}};
    c.Tokens({1, 7});
    c.Bounds(tolerance::kF32Norm * 3, tolerance::kF32Element * 2);
    CheckCase(c, seed++);
  }
}

struct Operand {
  std::vector<int64_t> dims;  // 0: n_tokens
};

Shape ShapeOf(const std::vector<int64_t>& dims) {
  Shape shape;
  shape.rank = static_cast<int>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    shape.dims[i] = dims[i] == 0 ? TestModel::Tokens() : Dim::Of(dims[i]);
  }
  return shape;
}

const std::vector<std::pair<std::vector<int64_t>, std::vector<int64_t>>> kBroadcasts = {
    {{0, 37}, {0, 37}}, {{0, 37}, {37}},          {{0, 37}, {0, 1}}, {{0, 1}, {0, 37}},
    {{37}, {0, 37}},    {{0, 3, 1}, {0, 1, 5}},   {{}, {0, 19}},     {{0, 2, 3, 4}, {3, 1}},
    {{0, 16}, {}},      {{0, 33, 2}, {1, 33, 1}},
};

TEST_CASE("binary operators broadcast") {
  uint64_t seed = 200;
  for (OpCode code :
       {OpCode::kAdd, OpCode::kSub, OpCode::kMul, OpCode::kDiv, OpCode::kMin, OpCode::kMax}) {
    for (const auto& [a, b] : kBroadcasts) {
      for (Fill fill : {Fill::kNormal, Fill::kTies, Fill::kSubnormal}) {
        // No division by zero: its infinities and NaN are another matter.
        if (code == OpCode::kDiv && fill != Fill::kNormal) continue;
        Case c;
        c.name = FindOp(code)->name;
        const ValueId x = c.model.Input("x", ShapeOf(a)), y = c.model.Input("y", ShapeOf(b));
        c.outputs = {c.model.Op(code, {x, y})};
        c.inputs = {{x, fill, 1}, {y, fill, 1}};
        c.Tokens({5});
        c.Bounds(tolerance::kF32Norm, tolerance::kF32Element);
        CheckCase(c, seed++);
      }
    }
  }
}

TEST_CASE("a vector weight and a constant are operands like any other") {
  Random random(7);
  Case c;
  c.name = "x * w + 0.5";
  const ValueId x = c.model.Input("x", Shape::Of({c.model.Tokens(), Dim::Of(70)}));
  const ValueId w = c.model.Vector("w", random.Floats(70));
  const ValueId half = c.model.Op(OpCode::kConstant, {}, {FloatAttr(AttrKey::kValue, 0.5)});
  c.outputs = {c.model.Op(OpCode::kAdd, {c.model.Op(OpCode::kMul, {x, w}), half})};
  c.inputs = {{x}};
  c.Tokens({1, 3});
  c.Bounds(tolerance::kF32Norm, tolerance::kF32Element);
  CheckCase(c, 7);
}

TEST_CASE("comparisons and select") {
  uint64_t seed = 300;
  for (OpCode code : {OpCode::kEq, OpCode::kNe, OpCode::kLt, OpCode::kLe}) {
    for (DType dtype : {DType::kF32, DType::kI32}) {
      for (const auto& [a, b] : kBroadcasts) {
        Case c;
        c.name = std::string(FindOp(code)->name) + " " + DTypeName(dtype);
        const ValueId x = c.model.Input("x", ShapeOf(a), dtype);
        const ValueId y = c.model.Input("y", ShapeOf(b), dtype);
        c.outputs = {c.model.Op(code, {x, y})};
        const Fill fill = dtype == DType::kF32 ? Fill::kTies : Fill::kIndex;
        c.inputs = {{x, fill, 5}, {y, fill, 5}};
        c.Tokens({3});
        CheckCase(c, seed++);
      }
    }
  }
  for (const auto& [a, b] : kBroadcasts) {
    Case c;
    c.name = "select";
    const ValueId condition = c.model.Input("c", ShapeOf({0, 1}), DType::kBool);
    if (a.size() > 2 || b.size() > 2) continue;  // the condition's rank is 2
    const ValueId x = c.model.Input("x", ShapeOf(a)), y = c.model.Input("y", ShapeOf(b));
    c.outputs = {c.model.Op(OpCode::kSelect, {condition, x, y})};
    c.inputs = {{condition, Fill::kBool}, {x}, {y}};
    c.Tokens({6});
    CheckCase(c, seed++);
  }
}

TEST_CASE("casts, iota") {
  Case c;
  c.name = "cast";
  auto cast = [&](ValueId x, DType to) {
    return c.model.Op(OpCode::kCast, {x}, {IntAttr(AttrKey::kDType, static_cast<int64_t>(to))});
  };
  const Shape shape = Shape::Of({c.model.Tokens(), Dim::Of(45)});
  const ValueId f = c.model.Input("f", shape), wide = c.model.Input("wide", shape);
  const ValueId i = c.model.Input("i", shape, DType::kI32);
  const ValueId b = c.model.Input("b", shape, DType::kBool);
  const ValueId iota0 = c.model.Op(OpCode::kIota, {}, {IntAttr(AttrKey::kAxis, 0)}, shape);
  const ValueId iota1 = c.model.Op(OpCode::kIota, {}, {IntAttr(AttrKey::kAxis, 1)}, shape);
  c.outputs = {cast(f, DType::kI32),
               cast(wide, DType::kI32),
               cast(i, DType::kF32),
               cast(b, DType::kF32),
               iota0,
               iota1};
  c.inputs = {{f, Fill::kNormal, 1000},
              {wide, Fill::kWide, 100000},
              {i, Fill::kIndex, 2147483647.0f},
              {b, Fill::kBool}};
  c.Tokens({1, 8});
  c.Bounds(tolerance::kF32Norm, tolerance::kF32Element);
  CheckCase(c, 11);
}

TEST_CASE("reductions") {
  uint64_t seed = 400;
  for (OpCode code : {OpCode::kReduceSum, OpCode::kReduceMax}) {
    for (const std::vector<int64_t>& dims : std::vector<std::vector<int64_t>>{{0, 1},
                                                                              {0, 15},
                                                                              {0, 16},
                                                                              {0, 17},
                                                                              {0, 1000},
                                                                              {0, 5, 33},
                                                                              {3, 0, 40},
                                                                              {0, 2, 3, 4, 5, 6}}) {
      for (size_t axis = 0; axis < dims.size(); ++axis) {
        for (Fill fill : {Fill::kNormal, Fill::kTies}) {
          Case c;
          c.name = std::string(FindOp(code)->name) + " axis " + std::to_string(axis);
          const ValueId x = c.model.Input("x", ShapeOf(dims));
          c.outputs = {
              c.model.Op(code, {x}, {IntAttr(AttrKey::kAxis, static_cast<int64_t>(axis))})};
          c.inputs = {{x, fill, 1}};
          c.Tokens({1, 20});
          c.Bounds(tolerance::kF32DotNorm, tolerance::kF32DotElement);
          CheckCase(c, seed++);
        }
      }
    }
  }
}

}  // namespace
}  // namespace samara::test
