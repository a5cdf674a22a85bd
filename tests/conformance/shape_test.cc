// reshape, transpose, slice, concat, gather: values that move but do not change.
#include <doctest/doctest.h>

#include "tests/conformance/harness.h"
#include "tests/tolerances.h"

namespace samara::test {
namespace {

Dim T() { return TestModel::Tokens(); }
Dim N(int64_t n) { return Dim::Of(n); }

TEST_CASE("reshape and transpose") {
  Case c;
  c.name = "reshape, transpose";
  TestModel& m = c.model;
  const ValueId x = m.Input("x", Shape::Of({T(), N(24)}));
  const ValueId heads = m.Op(OpCode::kReshape, {x}, {}, Shape::Of({T(), N(4), N(6)}));
  const ValueId by_head = m.Op(OpCode::kTranspose, {heads}, {IntsAttr(AttrKey::kPerm, {1, 0, 2})});
  const ValueId last = m.Op(OpCode::kTranspose, {heads}, {IntsAttr(AttrKey::kPerm, {2, 1, 0})});
  const ValueId back = m.Op(OpCode::kTranspose, {by_head}, {IntsAttr(AttrKey::kPerm, {1, 0, 2})});
  const ValueId flat = m.Op(OpCode::kReshape, {back}, {}, Shape::Of({T(), N(24)}));
  const ValueId tall = m.Op(OpCode::kReshape, {by_head}, {}, Shape::Of({Dim::Sym(0, 4), N(6)}));
  const ValueId i = m.Input("i", Shape::Of({T(), N(6)}), DType::kI32);
  const ValueId turned = m.Op(OpCode::kTranspose, {i}, {IntsAttr(AttrKey::kPerm, {1, 0})});
  c.outputs = {by_head, last, back, flat, tall, turned};
  c.inputs = {{x}, {i, Fill::kIndex, 100}};
  c.Tokens({8, 1, 5});
  CheckCase(c, 21);
}

TEST_CASE("slice and concat") {
  Case c;
  c.name = "slice, concat";
  TestModel& m = c.model;
  const ValueId x = m.Input("x", Shape::Of({T(), N(70)}));
  auto slice = [&](ValueId v, int64_t axis, int64_t begin, int64_t length) {
    return m.Op(OpCode::kSlice, {v},
                {IntAttr(AttrKey::kAxis, axis), IntAttr(AttrKey::kBegin, begin),
                 IntAttr(AttrKey::kLength, length)});
  };
  auto concat = [&](const std::vector<ValueId>& v, int64_t axis) {
    return m.Op(OpCode::kConcat, v, {IntAttr(AttrKey::kAxis, axis)});
  };
  const ValueId a = slice(x, 1, 0, 33), b = slice(x, 1, 33, 37), inner = slice(b, 1, 3, 4);
  const ValueId cube = m.Op(OpCode::kReshape, {x}, {}, Shape::Of({T(), N(7), N(10)}));
  const ValueId middle = slice(cube, 1, 2, 3), tail = slice(cube, 2, 9, 1), row = slice(x, 0, 0, 1);
  const ValueId bits = m.Input("bits", Shape::Of({T(), N(5)}), DType::kBool);
  c.outputs = {concat({b, a, inner}, 1),
               concat({x, x, row}, 0),
               concat({middle, cube}, 1),
               concat({tail, cube, tail}, 2),
               slice(bits, 1, 1, 3),
               concat({bits, bits}, 1),
               inner};
  // A strided view read by operators that take one.
  c.outputs.push_back(m.Op(OpCode::kGlu, {slice(x, 1, 5, 40)}, {IntAttr(AttrKey::kActivation, 0)}));
  c.inputs = {{x}, {bits, Fill::kBool}};
  c.Tokens({1, 6});
  c.Bounds(tolerance::kF32Norm, tolerance::kF32Element);
  CheckCase(c, 22);
}

TEST_CASE("gather") {
  uint64_t seed = 500;
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                      DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ2_K, DType::kQ3_K,
                      DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS,
                      DType::kMXFP4}) {
    for (Layout layout : {Layout::kRowMajor, MatmulLayout(dtype)}) {
      for (int64_t cols : {1, 64, 100, 290}) {
        Random random(seed);
        Case c;
        c.name = std::string("gather ") + DTypeName(dtype) + " " + LayoutName(layout);
        const ValueId table =
            c.model.Weight("table", dtype, 45, static_cast<uint64_t>(cols),
                           random.Floats(static_cast<uint64_t>(45 * cols)), layout);
        const ValueId rows = c.model.Input("rows", Shape::Of({T()}), DType::kI32);
        c.outputs = {c.model.Op(OpCode::kGather, {table, rows})};
        c.inputs = {{rows, Fill::kIndex, 45}};
        c.Tokens({1, 40});
        CheckCase(c, seed++);
      }
    }
  }
  Case c;
  c.name = "gather of activations, by the step's own rows";
  TestModel& m = c.model;
  const ValueId x = m.Input("x", Shape::Of({T(), N(19)}));
  const ValueId rows = m.OutputRows(), ids = m.TokenIds(), positions = m.Positions();
  const ValueId picked = m.Op(OpCode::kGather, {x, rows});
  Random random(9);
  const ValueId table = m.Weight("table", DType::kF32, 50, 8, random.Floats(400));
  const ValueId embedded = m.Op(OpCode::kGather, {table, ids});
  const ValueId placed = m.Op(OpCode::kGather, {table, positions});
  c.outputs = {picked, embedded, placed};
  c.inputs = {{x}};
  c.steps = {{{.n_tokens = 3, .ids = {4, 49, 0}, .outputs = {2}},
              {.first_slot = 20, .n_tokens = 2, .ids = {1, 2}, .outputs = {0, 1}}},
             {{.n_tokens = 1, .ids = {7}}}};
  c.options.groups = {};
  CheckCase(c, 23);
}

}  // namespace
}  // namespace samara::test
