#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/formats/graph_fixture.h"

namespace samara {
namespace {

using test::FloatAttribute;
using test::GraphFixture;
using test::IntAttribute;
using test::IntsAttribute;

// The operator's one result has this type.
#define CHECK_TYPE(fixture, status, dtype_, ...)                        \
  do {                                                                  \
    Status status_of_case = status;                                     \
    INFO(std::string(status_of_case.message()));                        \
    REQUIRE(status_of_case.ok());                                       \
    REQUIRE(fixture.types.size() == 1);                                 \
    CHECK(fixture.types[0].dtype == dtype_);                            \
    CHECK(ShapeText(fixture.types[0].shape, fixture.package.symbols) == \
          ShapeText(Shape::Of(__VA_ARGS__), fixture.package.symbols));  \
  } while (false)

// It is refused as a bad file, in these words.
#define CHECK_REFUSED(status, text)                                               \
  do {                                                                            \
    Status status_of_case = status;                                               \
    INFO(std::string(status_of_case.message()));                                  \
    CHECK(status_of_case.code() == StatusCode::kInvalidFile);                     \
    CHECK(std::string(status_of_case.message()).find(text) != std::string::npos); \
  } while (false)

struct F : GraphFixture {};

TEST_CASE("inference: elementwise operators broadcast") {
  F f;
  ValueId x = f.F32(Shape::Of({f.T(), f.N(4), f.N(16)})), row = f.F32(Shape::Of({f.N(16)}));
  ValueId column = f.F32(Shape::Of({f.N(4), f.N(1)})), scalar = f.F32(Shape());
  ValueId ints = f.I32(Shape::Of({f.T()})), bools = f.Bool(Shape::Of({f.T(), f.N(1), f.N(1)}));
  for (OpCode code :
       {OpCode::kAdd, OpCode::kSub, OpCode::kMul, OpCode::kDiv, OpCode::kMin, OpCode::kMax}) {
    CHECK_TYPE(f, f.Infer(code, {x, row}), DType::kF32, {f.T(), f.N(4), f.N(16)});
    CHECK_TYPE(f, f.Infer(code, {row, column}), DType::kF32, {f.N(4), f.N(16)});
    CHECK_TYPE(f, f.Infer(code, {scalar, x}), DType::kF32, {f.T(), f.N(4), f.N(16)});
    CHECK_REFUSED(f.Infer(code, {x, ints}), "want f32");
  }
  CHECK_REFUSED(f.Infer(OpCode::kAdd, {row, f.F32(Shape::Of({f.N(15)}))}), "do not broadcast");
  CHECK_REFUSED(f.Infer(OpCode::kAdd, {f.F32(Shape::Of({f.T()})), f.F32(Shape::Of({Dim::Sym(1)}))}),
                "[n_tokens] and [n_outputs] do not broadcast");
  for (OpCode code : {OpCode::kEq, OpCode::kNe, OpCode::kLt, OpCode::kLe}) {
    CHECK_TYPE(f, f.Infer(code, {x, row}), DType::kBool, {f.T(), f.N(4), f.N(16)});
    CHECK_TYPE(f, f.Infer(code, {ints, ints}), DType::kBool, {f.T()});
    CHECK_REFUSED(f.Infer(code, {ints, x}), "want i32");
    CHECK_REFUSED(f.Infer(code, {bools, bools}), "is bool, want f32");
  }
  for (OpCode code : {OpCode::kNeg, OpCode::kExp, OpCode::kLog, OpCode::kSqrt, OpCode::kSin,
                      OpCode::kCos, OpCode::kTanh, OpCode::kErf, OpCode::kFloor}) {
    CHECK_TYPE(f, f.Infer(code, {x}), DType::kF32, {f.T(), f.N(4), f.N(16)});
    CHECK_REFUSED(f.Infer(code, {ints}), "want f32");
  }
  CHECK_TYPE(f, f.Infer(OpCode::kSelect, {bools, x, scalar}), DType::kF32,
             {f.T(), f.N(4), f.N(16)});
  CHECK_TYPE(f, f.Infer(OpCode::kSelect, {bools, scalar, scalar}), DType::kF32,
             {f.T(), f.N(1), f.N(1)});
  CHECK_REFUSED(f.Infer(OpCode::kSelect, {x, x, x}), "want bool");
  CHECK_REFUSED(f.Infer(OpCode::kSelect, {bools, ints, x}), "want f32");
}

TEST_CASE("inference: cast, constant, iota") {
  F f;
  ValueId x = f.F32(Shape::Of({f.T()})), ints = f.I32(Shape::Of({f.T()})),
          bools = f.Bool(Shape::Of({f.T()}));
  auto to = [](DType dtype) {
    return std::vector<Attr>{IntAttribute(AttrKey::kDType, static_cast<int64_t>(dtype))};
  };
  CHECK_TYPE(f, f.Infer(OpCode::kCast, {ints}, to(DType::kF32)), DType::kF32, {f.T()});
  CHECK_TYPE(f, f.Infer(OpCode::kCast, {bools}, to(DType::kF32)), DType::kF32, {f.T()});
  CHECK_TYPE(f, f.Infer(OpCode::kCast, {x}, to(DType::kI32)), DType::kI32, {f.T()});
  CHECK_REFUSED(f.Infer(OpCode::kCast, {x}, to(DType::kF32)), "no cast from f32 to f32");
  CHECK_REFUSED(f.Infer(OpCode::kCast, {bools}, to(DType::kI32)), "no cast");
  CHECK_REFUSED(f.Infer(OpCode::kCast, {x}, to(DType::kF16)), "no cast");
  CHECK_REFUSED(f.Infer(OpCode::kCast, {x}), "attribute dtype is missing");
  CHECK_TYPE(f, f.Infer(OpCode::kConstant, {}, {FloatAttribute(AttrKey::kValue, -INFINITY)}),
             DType::kF32, {});
  CHECK_REFUSED(f.Infer(OpCode::kConstant, {}, {FloatAttribute(AttrKey::kValue, std::nan(""))}),
                "value");
  CHECK_TYPE(
      f, f.Infer(OpCode::kIota, {}, {IntAttribute(AttrKey::kAxis, 1)}, Shape::Of({f.T(), f.N(3)})),
      DType::kI32, {f.T(), f.N(3)});
  CHECK_REFUSED(
      f.Infer(OpCode::kIota, {}, {IntAttribute(AttrKey::kAxis, 2)}, Shape::Of({f.T(), f.N(3)})),
      "axis 2");
}

TEST_CASE("inference: reductions") {
  F f;
  ValueId x = f.F32(Shape::Of({f.T(), f.N(16)})),
          outputs = f.F32(Shape::Of({Dim::Sym(1), f.N(16)}));
  for (OpCode code : {OpCode::kReduceSum, OpCode::kReduceMax}) {
    CHECK_TYPE(f, f.Infer(code, {x}, {IntAttribute(AttrKey::kAxis, 1)}), DType::kF32,
               {f.T(), f.N(1)});
    CHECK_TYPE(f, f.Infer(code, {x}, {IntAttribute(AttrKey::kAxis, 0)}), DType::kF32,
               {f.N(1), f.N(16)});
    CHECK_REFUSED(f.Infer(code, {x}, {IntAttribute(AttrKey::kAxis, 2)}), "axis 2");
    CHECK_REFUSED(f.Infer(code, {x}, {IntAttribute(AttrKey::kAxis, -1)}),
                  "axis is -1, want 0 to 5");
    CHECK_REFUSED(f.Infer(code, {outputs}, {IntAttribute(AttrKey::kAxis, 0)}), "may be empty");
  }
}

TEST_CASE("inference: reshape, transpose, slice, concat") {
  F f;
  ValueId x = f.F32(Shape::Of({f.T(), f.N(4), f.N(16)}));
  CHECK_TYPE(f, f.Infer(OpCode::kReshape, {x}, {}, Shape::Of({f.T(), f.N(64)})), DType::kF32,
             {f.T(), f.N(64)});
  CHECK_REFUSED(f.Infer(OpCode::kReshape, {x}, {}, Shape::Of({f.T(), f.N(63)})),
                "same number of elements");
  CHECK_REFUSED(f.Infer(OpCode::kReshape, {x}, {}, Shape::Of({Dim::Sym(1), f.N(64)})),
                "same number of elements");

  auto perm = [](std::vector<int64_t> p) {
    return std::vector<Attr>{IntsAttribute(AttrKey::kPerm, std::move(p))};
  };
  CHECK_TYPE(f, f.Infer(OpCode::kTranspose, {x}, perm({1, 0, 2})), DType::kF32,
             {f.N(4), f.T(), f.N(16)});
  CHECK_TYPE(f, f.Infer(OpCode::kTranspose, {x}, perm({2, 0, 1})), DType::kF32,
             {f.N(16), f.T(), f.N(4)});
  CHECK_REFUSED(f.Infer(OpCode::kTranspose, {x}, perm({1, 1, 2})), "no permutation");
  CHECK_REFUSED(f.Infer(OpCode::kTranspose, {x}, perm({1, 0})), "no permutation");
  CHECK_REFUSED(f.Infer(OpCode::kTranspose, {x}, perm({0, 1, 3})), "no permutation");
  CHECK_REFUSED(f.Infer(OpCode::kTranspose, {x}, perm({0, 1, 6})), "perm is 6");

  auto slice = [](int64_t axis, int64_t begin, int64_t length) {
    return std::vector<Attr>{IntAttribute(AttrKey::kAxis, axis),
                             IntAttribute(AttrKey::kBegin, begin),
                             IntAttribute(AttrKey::kLength, length)};
  };
  CHECK_TYPE(f, f.Infer(OpCode::kSlice, {x}, slice(2, 4, 12)), DType::kF32,
             {f.T(), f.N(4), f.N(12)});
  CHECK_TYPE(f, f.Infer(OpCode::kSlice, {x}, slice(0, 0, 1)), DType::kF32,
             {f.N(1), f.N(4), f.N(16)});
  CHECK_REFUSED(f.Infer(OpCode::kSlice, {x}, slice(2, 5, 12)), "elements 5 to 17 of dimension 16");
  CHECK_REFUSED(f.Infer(OpCode::kSlice, {x}, slice(0, 0, 2)),
                "of dimension n_tokens");  // n_tokens may be 1
  CHECK_REFUSED(f.Infer(OpCode::kSlice, {x}, slice(2, 0, 0)), "length is 0");
  CHECK_REFUSED(f.Infer(OpCode::kSlice, {x}, slice(2, INT64_MAX, INT64_MAX)), "begin is");

  ValueId y = f.F32(Shape::Of({f.T(), f.N(4), f.N(3)})),
          z = f.F32(Shape::Of({Dim::Sym(0, 2), f.N(4), f.N(16)}));
  auto axis = [](int64_t a) { return std::vector<Attr>{IntAttribute(AttrKey::kAxis, a)}; };
  CHECK_TYPE(f, f.Infer(OpCode::kConcat, {x, y, y}, axis(2)), DType::kF32,
             {f.T(), f.N(4), f.N(22)});
  CHECK_TYPE(f, f.Infer(OpCode::kConcat, {x, z}, axis(0)), DType::kF32,
             {Dim::Sym(0, 3), f.N(4), f.N(16)});
  CHECK_REFUSED(f.Infer(OpCode::kConcat, {x, y}, axis(1)), "beside the axis");
  CHECK_REFUSED(f.Infer(OpCode::kConcat, {x}, axis(0)), "has 1 inputs, want 2");
  CHECK_REFUSED(f.Infer(OpCode::kConcat, {x, kNoValue}, axis(0)), "input 1 is absent");
  CHECK_REFUSED(f.Infer(OpCode::kConcat, {x, f.I32(Shape::Of({f.T(), f.N(4), f.N(3)}))}, axis(2)),
                "is i32");
}

TEST_CASE("inference: gather and products") {
  F f;
  ValueId x = f.F32(Shape::Of({f.T(), f.N(32)})), ids = f.I32(Shape::Of({f.T()}));
  ValueId table = f.Weight(Shape::Of({f.N(100), f.N(32)})), bias = f.Weight(Shape::Of({f.N(100)}));
  ValueId residual = f.F32(Shape::Of({f.T(), f.N(100)}));
  CHECK_TYPE(f, f.Infer(OpCode::kGather, {table, ids}), DType::kF32, {f.T(), f.N(32)});
  CHECK_TYPE(f, f.Infer(OpCode::kGather, {x, f.I32(Shape::Of({Dim::Sym(1)}))}), DType::kF32,
             {Dim::Sym(1), f.N(32)});
  CHECK_REFUSED(f.Infer(OpCode::kGather, {table, x}), "want i32");
  CHECK_REFUSED(f.Infer(OpCode::kGather, {bias, ids}), "want rank 2");

  CHECK_TYPE(f, f.Infer(OpCode::kMatmul, {x, table}), DType::kF32, {f.T(), f.N(100)});
  CHECK_REFUSED(f.Infer(OpCode::kMatmul, {x, f.Weight(Shape::Of({f.N(100), f.N(31)}))}),
                "want 32 columns");
  CHECK_REFUSED(f.Infer(OpCode::kMatmul, {x, x}), "is computed, want a weight");
  CHECK_TYPE(f, f.Infer(OpCode::kLinear, {x, table}), DType::kF32, {f.T(), f.N(100)});
  CHECK_TYPE(f, f.Infer(OpCode::kLinear, {x, table, bias, residual}), DType::kF32,
             {f.T(), f.N(100)});
  CHECK_TYPE(f, f.Infer(OpCode::kLinear, {x, table, kNoValue, residual}), DType::kF32,
             {f.T(), f.N(100)});
  CHECK_REFUSED(f.Infer(OpCode::kLinear, {x, table, f.Weight(Shape::Of({f.N(99)})), kNoValue}),
                "want [100]");
  CHECK_REFUSED(f.Infer(OpCode::kLinear, {x, table, kNoValue, x}), "want [n_tokens, 100]");
  CHECK_REFUSED(f.Infer(OpCode::kLinear, {x, kNoValue}), "input 1 is absent");
  CHECK_REFUSED(f.Infer(OpCode::kLinear, {f.F32(Shape::Of({f.N(32), f.T()})), table}),
                "constant last dimension");

  ValueId a = f.F32(Shape::Of({f.N(4), f.T(), f.N(8)})),
          b = f.F32(Shape::Of({f.N(4), f.N(8), Dim::Sym(3)}));
  CHECK_TYPE(f, f.Infer(OpCode::kBatchMatmul, {a, b}), DType::kF32, {f.N(4), f.T(), Dim::Sym(3)});
  CHECK_REFUSED(f.Infer(OpCode::kBatchMatmul, {b, b}), "do not multiply");
  CHECK_REFUSED(f.Infer(OpCode::kBatchMatmul, {x, b}), "do not multiply");
}

TEST_CASE("inference: states") {
  F f;
  ValueId kv = f.KeyValues(), keys = f.F32(Shape::Of({f.T(), f.N(16)}));
  auto part = [](int64_t p) { return std::vector<Attr>{IntAttribute(AttrKey::kPart, p)}; };
  CHECK(f.Infer(OpCode::kStateWrite, {keys, kv}, part(0)).ok());
  CHECK(f.types.empty());
  CHECK_REFUSED(f.Infer(OpCode::kStateWrite, {keys, kv}, part(1)), "want 8 columns");
  CHECK_REFUSED(f.Infer(OpCode::kStateWrite, {keys, kv}, part(2)), "part 2");
  CHECK_REFUSED(f.Infer(OpCode::kStateWrite, {keys, keys}, part(0)), "want a state");
  CHECK_REFUSED(
      f.Infer(OpCode::kStateWrite, {f.F32(Shape::Of({Dim::Sym(1), f.N(16)})), kv}, part(0)),
      "one row for each token");
  CHECK_TYPE(f, f.Infer(OpCode::kStateRead, {kv}, part(1)), DType::kF32,
             {Dim::Sym(3), f.N(2), f.N(4)});
  CHECK_TYPE(f, f.Infer(OpCode::kStateVisible, {kv}), DType::kBool, {f.T(), Dim::Sym(3)});
  CHECK_REFUSED(f.Infer(OpCode::kAdd, {kv, kv}), "is a state, want a value");
  f.package.symbols[3].kind = SymbolKind::kSeqs;
  CHECK_REFUSED(f.Infer(OpCode::kStateRead, {kv}, part(1)), "no symbol for the slots of group 0");
}

TEST_CASE("inference: composites") {
  F f;
  ValueId x = f.F32(Shape::Of({f.T(), f.N(64)}));
  auto norm = [](int64_t group) {
    return std::vector<Attr>{FloatAttribute(AttrKey::kEps, 1e-5),
                             IntAttribute(AttrKey::kGroup, group)};
  };
  CHECK_TYPE(f, f.Infer(OpCode::kRmsNorm, {x, f.Weight(Shape::Of({f.N(64)}))}, norm(0)),
             DType::kF32, {f.T(), f.N(64)});
  CHECK_TYPE(f, f.Infer(OpCode::kRmsNorm, {x, f.Weight(Shape::Of({f.N(16)}))}, norm(16)),
             DType::kF32, {f.T(), f.N(64)});
  CHECK_TYPE(f, f.Infer(OpCode::kRmsNorm, {x}, norm(0)), DType::kF32, {f.T(), f.N(64)});
  CHECK_REFUSED(f.Infer(OpCode::kRmsNorm, {x}, norm(48)), "no multiple of group 48");
  CHECK_REFUSED(f.Infer(OpCode::kRmsNorm, {x, f.Weight(Shape::Of({f.N(64)}))}, norm(16)),
                "want [16]");
  CHECK_REFUSED(f.Infer(OpCode::kRmsNorm, {x}, {FloatAttribute(AttrKey::kEps, -1)}), "eps is -1");
  CHECK_REFUSED(f.Infer(OpCode::kRmsNorm, {x},
                        {FloatAttribute(AttrKey::kEps, 0), FloatAttribute(AttrKey::kEps, 0)}),
                "given twice");

  ValueId positions = f.I32(Shape::Of({f.T()})), inv_freq = f.Weight(Shape::Of({f.N(8)}));
  auto factor = std::vector<Attr>{FloatAttribute(AttrKey::kFactor, 1)};
  CHECK_TYPE(f, f.Infer(OpCode::kRopeTable, {positions, inv_freq}, factor), DType::kF32,
             {f.T(), f.N(16)});
  CHECK_REFUSED(f.Infer(OpCode::kRopeTable, {x, inv_freq}, factor), "want i32");
  ValueId table = f.F32(Shape::Of({f.T(), f.N(16)}));
  auto head = [](int64_t dim) { return std::vector<Attr>{IntAttribute(AttrKey::kHeadDim, dim)}; };
  CHECK_TYPE(f, f.Infer(OpCode::kRope, {x, table}, head(16)), DType::kF32, {f.T(), f.N(64)});
  CHECK_TYPE(f, f.Infer(OpCode::kRope, {x, table}, head(32)), DType::kF32, {f.T(), f.N(64)});
  CHECK_REFUSED(f.Infer(OpCode::kRope, {x, table}, head(8)), "an even number up to 8");
  CHECK_REFUSED(f.Infer(OpCode::kRope, {x, table}, head(48)), "no multiple of head_dim 48");
  CHECK_REFUSED(f.Infer(OpCode::kRope, {x, f.F32(Shape::Of({Dim::Sym(1), f.N(16)}))}, head(16)),
                "as many rows");

  auto act = [](int64_t a) { return std::vector<Attr>{IntAttribute(AttrKey::kActivation, a)}; };
  CHECK_TYPE(f, f.Infer(OpCode::kGlu, {x}, act(0)), DType::kF32, {f.T(), f.N(32)});
  CHECK_REFUSED(f.Infer(OpCode::kGlu, {x}, act(4)), "activation is 4");
  CHECK_REFUSED(f.Infer(OpCode::kGlu, {f.F32(Shape::Of({f.T(), f.N(63)}))}, act(0)),
                "even number of columns");
  CHECK_TYPE(f, f.Infer(OpCode::kActivate, {x}, act(3)), DType::kF32, {f.T(), f.N(64)});
  CHECK_REFUSED(f.Infer(OpCode::kActivate, {x}, act(-1)), "activation is -1");

  // Weight and bias of layer_norm are as wide as x, whatever the group.
  const ValueId w64 = f.Weight(Shape::Of({f.N(64)})), w16 = f.Weight(Shape::Of({f.N(16)}));
  CHECK_TYPE(f, f.Infer(OpCode::kLayerNorm, {x, w64, w64}, norm(16)), DType::kF32,
             {f.T(), f.N(64)});
  CHECK_TYPE(f, f.Infer(OpCode::kLayerNorm, {x}, norm(0)), DType::kF32, {f.T(), f.N(64)});
  CHECK_REFUSED(f.Infer(OpCode::kLayerNorm, {x, w16}, norm(16)), "want [64]");
  CHECK_REFUSED(f.Infer(OpCode::kLayerNorm, {x, w64, w16}, norm(0)), "want [64]");
  CHECK_REFUSED(f.Infer(OpCode::kLayerNorm, {x}, norm(48)), "no multiple of group 48");
}

TEST_CASE("inference: attention") {
  F f;
  ValueId kv = f.KeyValues(), q = f.F32(Shape::Of({f.T(), f.N(48)}));  // 6 heads of 8
  auto attrs = [](int64_t heads, int64_t kv_heads, int64_t key_dim, int64_t value_dim) {
    return std::vector<Attr>{
        IntAttribute(AttrKey::kHeads, heads), IntAttribute(AttrKey::kKvHeads, kv_heads),
        IntAttribute(AttrKey::kKeyDim, key_dim), IntAttribute(AttrKey::kValueDim, value_dim),
        FloatAttribute(AttrKey::kScale, 0.5)};
  };
  CHECK_TYPE(f, f.Infer(OpCode::kAttention, {q, kv}, attrs(6, 2, 8, 4)), DType::kF32,
             {f.T(), f.N(24)});
  CHECK_TYPE(f,
             f.Infer(OpCode::kAttention, {q, kv, f.Weight(Shape::Of({f.N(6)}))}, attrs(6, 2, 8, 4)),
             DType::kF32, {f.T(), f.N(24)});
  CHECK_REFUSED(
      f.Infer(OpCode::kAttention, {q, kv, f.Weight(Shape::Of({f.N(5)}))}, attrs(6, 2, 8, 4)),
      "want [6]");
  CHECK_REFUSED(f.Infer(OpCode::kAttention, {q, kv}, attrs(6, 4, 8, 4)),
                "no multiple of 4 kv_heads");
  CHECK_REFUSED(f.Infer(OpCode::kAttention, {q, kv}, attrs(6, 3, 8, 4)), "differ from state");
  CHECK_REFUSED(f.Infer(OpCode::kAttention, {q, kv}, attrs(6, 2, 8, 8)), "differ from state");
  CHECK_REFUSED(f.Infer(OpCode::kAttention, {q, kv}, attrs(12, 2, 8, 4)), "want [n_tokens, 96]");
  CHECK_REFUSED(f.Infer(OpCode::kAttention, {q, kv}, attrs(6, 0, 8, 4)), "kv_heads is 0");
  std::vector<Attr> bad = attrs(6, 2, 8, 4);
  bad[4].f = std::numeric_limits<double>::quiet_NaN();
  CHECK_REFUSED(f.Infer(OpCode::kAttention, {q, kv}, bad), "scale");
}

TEST_CASE("inference: what this build does not know, and ids out of range") {
  F f;
  ValueId x = f.F32(Shape::Of({f.T(), f.N(64)}));
  CHECK(f.Infer(static_cast<OpCode>(1999), {x}).code() == StatusCode::kUnsupported);
  Op op = test::MakeOp(OpCode::kAdd, "sum", {x, x}, {x});
  op.version = 2;
  Status status = InferTypes(f.package, f.graph, op, &f.types);
  CHECK(status.code() == StatusCode::kUnsupported);
  CHECK(std::string(status.message()).find("\"sum\" (add) version 2") != std::string::npos);
  CHECK(f.Infer(OpCode::kNeg, {x}, {IntAttribute(static_cast<AttrKey>(999), 1)}).code() ==
        StatusCode::kUnsupported);
  CHECK_REFUSED(f.Infer(OpCode::kNeg, {1000}), "value 1000");
  CHECK_REFUSED(f.Infer(OpCode::kNeg, {-2}), "value -2");
  CHECK_REFUSED(f.Infer(OpCode::kNeg, {x, x}), "has 2 inputs");
  CHECK_REFUSED(InferTypes(f.package, f.graph, test::MakeOp(OpCode::kNeg, "n", {x}, {}), &f.types),
                "has 0 outputs");
  CHECK_REFUSED(
      InferTypes(f.package, f.graph, test::MakeOp(OpCode::kNeg, "n", {x}, {77}), &f.types),
      "value 77");
}

TEST_CASE("inference: every operator of the table has its function") {
  F f;
  int count = 0;
  const OpInfo* ops = AllOps(&count);
  for (int i = 0; i < count; ++i) {
    CAPTURE(ops[i].name);
    std::vector<ValueId> inputs(ops[i].min_inputs, f.F32(Shape::Of({f.T(), f.N(8)})));
    std::vector<Attr> attrs;
    for (int a = 0; a < ops[i].n_attrs; ++a) {
      Attr attr = IntAttribute(ops[i].attrs[a].key,
                               static_cast<int64_t>(std::max(ops[i].attrs[a].min, 0.0)));
      attr.ints = {1, 0};
      attrs.push_back(attr);
    }
    CHECK(f.Infer(ops[i].code, inputs, attrs, Shape::Of({f.T(), f.N(8)})).code() !=
          StatusCode::kInternal);
  }
}

}  // namespace
}  // namespace samara
