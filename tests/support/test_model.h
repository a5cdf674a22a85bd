// A package with one graph, built in a test, with the bytes of its weights.
//
//   TestModel m;
//   ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(64)}));
//   ValueId y = m.Op(OpCode::kLinear, {x, m.Weight("w", DType::kQ8_0, 48, 64, values), kNoValue,
//   kNoValue}); m.Output(y);
//
// A mistake in building fails the test that made it.
#ifndef SAMARA_TESTS_SUPPORT_TEST_MODEL_H_
#define SAMARA_TESTS_SUPPORT_TEST_MODEL_H_

#include <doctest/doctest.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "formats/quant/blocks.h"
#include "tests/support/plain_codes.h"
#include "tests/support/random.h"
#include "tests/support/status.h"

namespace samara::test {

// 64-aligned bytes followed by kSegmentTailBytes zeros.
class WeightBytes {
 public:
  explicit WeightBytes(uint64_t bytes)
      : bytes_(bytes), storage_(new (std::align_val_t{64}) uint8_t[bytes + kSegmentTailBytes]()) {}
  uint8_t* data() const { return storage_.get(); }
  uint64_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  uint64_t bytes_;
  std::unique_ptr<uint8_t[], Free> storage_;
};

inline Attr IntAttr(AttrKey key, int64_t value) {
  Attr attr;
  attr.key = key;
  attr.i = value;
  return attr;
}
inline Attr FloatAttr(AttrKey key, double value) {
  Attr attr;
  attr.key = key;
  attr.f = value;
  return attr;
}
inline Attr IntsAttr(AttrKey key, std::vector<int64_t> values) {
  Attr attr;
  attr.key = key;
  attr.ints = std::move(values);
  return attr;
}

class TestModel {
 public:
  Package package;
  Graph graph;
  std::vector<WeightBytes> weight_bytes;  // per weight, its only placement

  TestModel() {
    graph.name = "generate";
    AddSymbol("n_tokens", SymbolKind::kTokens, 0);
    AddSymbol("n_outputs", SymbolKind::kOutputs, 0);
    AddSymbol("n_seqs", SymbolKind::kSeqs, 0);
    AddSymbol("n_ctx", SymbolKind::kContext, 0);
    AddSymbol("n_chunk", SymbolKind::kChunk, 0);
  }
  static Dim Tokens() { return Dim::Sym(0); }
  static Dim Outputs() { return Dim::Sym(1); }
  static Dim Context() { return Dim::Sym(3); }

  // An input that the test fills through the arena.
  ValueId Input(const std::string& name, const Shape& shape, DType dtype = DType::kF32) {
    return AddInput(name, shape, dtype, InputRole::kParameter);
  }
  // Inputs that come from StepParams.
  ValueId TokenIds() {
    return AddInput("ids", Shape::Of({Tokens()}), DType::kI32, InputRole::kTokenIds);
  }
  ValueId Positions() {
    return AddInput("positions", Shape::Of({Tokens()}), DType::kI32, InputRole::kPositions);
  }
  ValueId OutputRows() {
    return AddInput("output_rows", Shape::Of({Outputs()}), DType::kI32, InputRole::kOutputRows);
  }

  // A matrix [rows, cols] quantized from `values` and packed; kInvalid: the codec's matmul layout.
  ValueId Weight(const std::string& name, DType dtype, uint64_t rows, uint64_t cols,
                 const std::vector<float>& values, Layout layout = Layout::kInvalid) {
    if (layout == Layout::kInvalid) layout = MatmulLayout(dtype);
    REQUIRE(values.size() == rows * cols);
    const uint64_t row_bytes = RowBytes(dtype, cols);
    std::vector<uint8_t> row_major(rows * row_bytes);
    for (uint64_t r = 0; r < rows; ++r) {
      QuantizeAny(dtype, values.data() + r * cols, cols, row_major.data() + r * row_bytes);
    }
    uint64_t bytes = 0;
    REQUIRE(LayoutBytes(layout, dtype, rows, cols, &bytes));
    WeightBytes packed(bytes);
    PackRows(layout, dtype, row_major.data(), row_bytes, rows, cols, packed.data());
    return AddWeight(name, dtype, rows, cols, false, layout, std::move(packed));
  }
  // An F32 vector [values.size()].
  ValueId Vector(const std::string& name, const std::vector<float>& values) {
    WeightBytes bytes(values.size() * sizeof(float));
    for (size_t i = 0; i < values.size(); ++i)
      reinterpret_cast<float*>(bytes.data())[i] = values[i];
    return AddWeight(name, DType::kF32, 1, values.size(), true, Layout::kRowMajor,
                     std::move(bytes));
  }

  // A state group; its pool's symbol is "n_slots.<name>".
  uint32_t Group(const std::string& name, uint64_t window = 0) {
    const auto index = static_cast<uint32_t>(package.groups.size());
    StateGroup group;
    group.name = name;
    group.slots = Context();
    group.window = window;
    package.groups.push_back(group);
    AddSymbol("n_slots." + name, SymbolKind::kSlots, index);
    return index;
  }
  ValueId KeyValueState(const std::string& name, uint32_t group, uint32_t heads, uint32_t key_dim,
                        uint32_t value_dim) {
    State state;
    state.name = name;
    state.kind = StateKind::kKeyValue;
    state.group = group;
    state.parts = {{heads, key_dim}, {heads, value_dim}};
    package.states.push_back(state);
    Value value;
    value.name = name;
    value.kind = ValueKind::kState;
    value.index = static_cast<int32_t>(package.states.size() - 1);
    return AddValue(value);
  }

  // Adds an operator; its output's type is inferred. `declared` is for reshape and iota.
  ValueId Op(OpCode code, const std::vector<ValueId>& inputs, const std::vector<Attr>& attrs = {},
             const Shape& declared = {}) {
    const OpInfo* info = FindOp(code);
    REQUIRE(info != nullptr);
    samara::Op op;
    op.code = code;
    op.version = info->version;
    op.type_name = info->name;
    op.name = std::string(info->name) + "." + std::to_string(graph.ops.size());
    op.inputs = inputs;
    op.attrs = attrs;
    for (int i = 0; i < info->outputs; ++i) {
      Value value;
      value.name = op.name;
      value.kind = ValueKind::kActivation;
      value.dtype = code == OpCode::kIota ? DType::kI32 : DType::kF32;
      value.shape = declared;
      op.outputs.push_back(AddValue(value));
    }
    std::vector<ValueType> types;
    REQUIRE_OK(InferTypes(package, graph, op, &types));
    REQUIRE(types.size() == op.outputs.size());
    for (size_t i = 0; i < types.size(); ++i) {
      graph.values[op.outputs[i]].dtype = types[i].dtype;
      graph.values[op.outputs[i]].shape = types[i].shape;
    }
    graph.ops.push_back(op);
    return op.outputs.empty() ? kNoValue : op.outputs[0];
  }
  void Output(ValueId value, OutputRole role = OutputRole::kResult) {
    graph.outputs.push_back({value, role});
  }
  const Value& value(ValueId id) const { return graph.values[id]; }

 private:
  void AddSymbol(const std::string& name, SymbolKind kind, uint32_t group) {
    Symbol symbol;
    symbol.name = name;
    symbol.kind = kind;
    symbol.group = group;
    symbol.max = uint64_t{1} << 20;
    package.symbols.push_back(symbol);
  }
  ValueId AddValue(const Value& value) {
    graph.values.push_back(value);
    return static_cast<ValueId>(graph.values.size() - 1);
  }
  ValueId AddInput(const std::string& name, const Shape& shape, DType dtype, InputRole role) {
    Value value;
    value.name = name;
    value.kind = ValueKind::kInput;
    value.dtype = dtype;
    value.shape = shape;
    const ValueId id = AddValue(value);
    graph.inputs.push_back({id, role});
    return id;
  }
  ValueId AddWeight(const std::string& name, DType dtype, uint64_t rows, uint64_t cols,
                    bool is_vector, Layout layout, WeightBytes bytes) {
    samara::Weight weight;
    weight.name = name;
    weight.dtype = dtype;
    weight.rows = rows;
    weight.cols = cols;
    weight.is_vector = is_vector;
    WeightPlacement placement;
    placement.layout = layout;
    placement.version = kLayoutVersion;
    placement.bytes = bytes.size();
    weight.placements.push_back(placement);
    package.weights.push_back(weight);
    weight_bytes.push_back(std::move(bytes));
    Value value;
    value.name = name;
    value.kind = ValueKind::kWeight;
    value.dtype = DType::kF32;
    value.shape =
        is_vector
            ? Shape::Of({Dim::Of(static_cast<int64_t>(cols))})
            : Shape::Of({Dim::Of(static_cast<int64_t>(rows)), Dim::Of(static_cast<int64_t>(cols))});
    value.index = static_cast<int32_t>(package.weights.size() - 1);
    return AddValue(value);
  }
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_TEST_MODEL_H_
