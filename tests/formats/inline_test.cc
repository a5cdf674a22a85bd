#include <doctest/doctest.h>

#include "formats/operands.h"
#include "tests/formats/graph_fixture.h"

namespace samara {
namespace {

using test::AddValue;
using test::MakeOp;

constexpr OpCode kTwice = static_cast<OpCode>(2000), kFourTimes = static_cast<OpCode>(2001);

struct ByCode : DecomposeChoice {
  explicit ByCode(int least) : least_code(least) {}
  bool Decompose(const Graph& graph, const Op& op) override {
    for (ValueId id : op.inputs)
      in_range = in_range && static_cast<size_t>(id) < graph.values.size();
    return static_cast<int>(op.code) >= least_code;
  }
  int least_code;
  bool in_range = true;  // operators are shown with operands of the graph that they are shown in
};

// (x) -> x + x, and (x) -> twice(twice(x)) + w, with a weight of the package.
Package TwoFunctions() {
  test::GraphFixture f;
  Shape shape = Shape::Of({f.T(), f.N(8)});
  Graph twice;
  twice.name = "twice";
  ValueId x = AddValue(&twice, ValueKind::kInput, DType::kF32, shape);
  ValueId y = AddValue(&twice, ValueKind::kActivation, DType::kF32, shape);
  twice.ops.push_back(MakeOp(OpCode::kAdd, "sum", {x, x}, {y}));
  twice.inputs.push_back({x, InputRole::kParameter});
  twice.outputs.push_back({y, OutputRole::kResult});
  Graph four;
  four.name = "four_times";
  x = AddValue(&four, ValueKind::kInput, DType::kF32, shape);
  ValueId w = AddValue(&four, ValueKind::kWeight, DType::kF32, Shape::Of({f.N(8)}), 0);
  ValueId a = AddValue(&four, ValueKind::kActivation, DType::kF32, shape);
  ValueId b = AddValue(&four, ValueKind::kActivation, DType::kF32, shape);
  ValueId c = AddValue(&four, ValueKind::kActivation, DType::kF32, shape);
  four.ops.push_back(MakeOp(kTwice, "first", {x}, {a}));
  four.ops.push_back(MakeOp(kTwice, "second", {a}, {b}));
  four.ops.push_back(MakeOp(OpCode::kAdd, "shift", {b, w}, {c}));
  four.ops[0].decomposition = four.ops[1].decomposition = 0;
  four.inputs.push_back({x, InputRole::kParameter});
  four.outputs.push_back({c, OutputRole::kResult});
  f.package.functions = {twice, four};
  x = AddValue(&f.graph, ValueKind::kInput, DType::kF32, shape);
  ValueId y1 = f.F32(shape), y2 = f.F32(shape);
  f.graph.ops.push_back(MakeOp(kFourTimes, "block.0", {x}, {y1}));
  f.graph.ops.push_back(MakeOp(kFourTimes, "block.1", {y1}, {y2}));
  f.graph.ops[0].decomposition = f.graph.ops[1].decomposition = 1;
  f.graph.outputs.push_back({y2, OutputRole::kLogits});
  f.package.entries.push_back(f.graph);
  return f.package;
}

std::vector<std::string> Names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Op& op : graph.ops) names.push_back(op.name);
  return names;
}

TEST_CASE("inline: nested functions, shared weights, names of scopes") {
  Package package = TwoFunctions();
  const Graph& entry = package.entries[0];
  Graph out;
  ByCode all(2000);
  REQUIRE(InlineDecompositions(package, entry, &all, &out).ok());
  CHECK(all.in_range);
  CHECK(Names(out) == std::vector<std::string>{"block.0/first/sum", "block.0/second/sum",
                                               "block.0/shift", "block.1/first/sum",
                                               "block.1/second/sum", "block.1/shift"});
  // Every value is computed once, before its use, and one weight value serves both blocks.
  std::vector<int> defined(out.values.size());
  int weights = 0;
  for (size_t v = 0; v < out.values.size(); ++v) {
    defined[v] = out.values[v].kind != ValueKind::kActivation;
    weights += out.values[v].kind == ValueKind::kWeight;
  }
  for (const Op& op : out.ops) {
    CHECK(op.code == OpCode::kAdd);
    for (ValueId id : op.inputs) CHECK(defined[id] == 1);
    for (ValueId id : op.outputs) CHECK(defined[id]++ == 0);
  }
  CHECK(weights == 1);
  // Values of the graph keep their numbers.
  for (size_t v = 0; v < entry.values.size(); ++v) CHECK(out.values[v] == entry.values[v]);
  CHECK(out.outputs == entry.outputs);
  CHECK(out.ops.back().outputs[0] == entry.outputs[0].value);
}

TEST_CASE("inline: only what is chosen") {
  Package package = TwoFunctions();
  Graph out;
  ByCode none(9999), outer(2001);
  REQUIRE(InlineDecompositions(package, package.entries[0], &none, &out).ok());
  CHECK(out == package.entries[0]);
  REQUIRE(InlineDecompositions(package, package.entries[0], &outer, &out).ok());
  CHECK(Names(out) == std::vector<std::string>{"block.0/first", "block.0/second", "block.0/shift",
                                               "block.1/first", "block.1/second", "block.1/shift"});
}

TEST_CASE("inline: what cannot be decomposed is named") {
  Package package = TwoFunctions();
  Graph out;
  ByCode all(2000);
  package.functions[1].ops[0].decomposition = -1;
  package.functions[1].ops[0].type_name = "twice";
  Status status = InlineDecompositions(package, package.entries[0], &all, &out);
  CHECK(status.code() == StatusCode::kUnsupported);
  CHECK(std::string(status.message()).find("\"block.0/first\" (\"twice\") version 1") !=
        std::string::npos);

  package = TwoFunctions();
  package.functions[0].inputs.clear();
  CHECK(InlineDecompositions(package, package.entries[0], &all, &out).code() ==
        StatusCode::kInvalidFile);
  package = TwoFunctions();
  package.entries[0].ops[0].decomposition = 7;
  CHECK(InlineDecompositions(package, package.entries[0], &all, &out).code() ==
        StatusCode::kInvalidFile);
  // A function that calls itself ends too.
  package = TwoFunctions();
  package.functions[0].ops[0] = MakeOp(kTwice, "again", {0}, {1});
  package.functions[0].ops[0].decomposition = 0;
  status = InlineDecompositions(package, package.entries[0], &all, &out);
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(std::string(status.message()).find("nested") != std::string::npos);
}

TEST_CASE("inline: the size of the result is bounded") {
  // Fifteen functions, each calling the one before it eight times: 8^15 operators.
  Package package = TwoFunctions();
  Graph base = package.functions[0];
  package.functions.resize(1);
  for (int level = 1; level < 15; ++level) {
    Graph next = base;
    next.name = "level";
    next.ops.clear();
    ValueId at = 0;
    for (int i = 0; i < 8; ++i) {
      ValueId to =
          i == 7 ? 1 : AddValue(&next, ValueKind::kActivation, DType::kF32, base.values[0].shape);
      next.ops.push_back(MakeOp(kTwice, "call" + std::to_string(i), {at}, {to}));
      next.ops.back().decomposition = level - 1;
      at = to;
    }
    package.functions.push_back(next);
  }
  package.entries[0].ops[0].decomposition = package.entries[0].ops[1].decomposition = 14;
  Graph out;
  ByCode all(2000);
  CHECK(InlineDecompositions(package, package.entries[0], &all, &out).code() ==
        StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace samara
