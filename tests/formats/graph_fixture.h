// A package and a graph to put single operators into.
#ifndef SAMARA_TESTS_FORMATS_GRAPH_FIXTURE_H_
#define SAMARA_TESTS_FORMATS_GRAPH_FIXTURE_H_

#include <string>
#include <utility>
#include <vector>

#include "formats/graph.h"

namespace samara::test {

inline Attr IntAttribute(AttrKey key, int64_t i) {
  Attr attr;
  attr.key = key;
  attr.i = i;
  return attr;
}
inline Attr FloatAttribute(AttrKey key, double f) {
  Attr attr;
  attr.key = key;
  attr.f = f;
  return attr;
}
inline Attr IntsAttribute(AttrKey key, std::vector<int64_t> ints) {
  Attr attr;
  attr.key = key;
  attr.ints = std::move(ints);
  return attr;
}

inline ValueId AddValue(Graph* graph, ValueKind kind, DType dtype, const Shape& shape,
                        int32_t index = -1) {
  Value value;
  value.name = "v" + std::to_string(graph->values.size());
  value.kind = kind;
  value.dtype = dtype;
  value.shape = shape;
  value.index = index;
  graph->values.push_back(value);
  return static_cast<ValueId>(graph->values.size() - 1);
}

inline Op MakeOp(OpCode code, std::string name, std::vector<ValueId> inputs,
                 std::vector<ValueId> outputs, std::vector<Attr> attrs = {}) {
  Op op;
  op.code = code;
  if (const OpInfo* info = FindOp(code)) op.type_name = info->name;
  op.name = std::move(name);
  op.inputs = std::move(inputs);
  op.outputs = std::move(outputs);
  op.attrs = std::move(attrs);
  return op;
}

// Symbols: 0 n_tokens, 1 n_outputs, 2 n_ctx, 3 n_slots.kv. One state: 2 heads, keys of 8, values
// of 4.
struct GraphFixture {
  Package package;
  Graph graph;

  GraphFixture() {
    package.symbols = {{"n_tokens", SymbolKind::kTokens, 0, 1, 512},
                       {"n_outputs", SymbolKind::kOutputs, 0, 0, 512},
                       {"n_ctx", SymbolKind::kContext, 0, 1, 4096},
                       {"n_slots.kv", SymbolKind::kSlots, 0, 1, 4096}};
    StateGroup group;
    group.name = "kv";
    group.slots = Dim::Sym(2);
    group.rewind_limit = UINT64_MAX;
    package.groups.push_back(group);
    package.states.push_back({"kv.0", StateKind::kKeyValue, 0, {{2, 8}, {2, 4}}});
    graph.name = "generate";
  }

  static Dim T() { return Dim::Sym(0); }
  static Dim N(int64_t n) { return Dim::Of(n); }
  ValueId F32(const Shape& shape) {
    return AddValue(&graph, ValueKind::kActivation, DType::kF32, shape);
  }
  ValueId I32(const Shape& shape) {
    return AddValue(&graph, ValueKind::kActivation, DType::kI32, shape);
  }
  ValueId Bool(const Shape& shape) {
    return AddValue(&graph, ValueKind::kActivation, DType::kBool, shape);
  }
  ValueId Weight(const Shape& shape) {
    return AddValue(&graph, ValueKind::kWeight, DType::kF32, shape, 0);
  }
  ValueId KeyValues() { return AddValue(&graph, ValueKind::kState, DType::kInvalid, Shape(), 0); }

  // Infers an operator with one output of the declared type; its types go to `types`.
  Status Infer(OpCode code, std::vector<ValueId> inputs, std::vector<Attr> attrs = {},
               const Shape& declared = Shape()) {
    std::vector<ValueId> outputs;
    const OpInfo* info = FindOp(code);
    if (info == nullptr || info->outputs > 0) outputs.push_back(F32(declared));
    return InferTypes(package, graph,
                      MakeOp(code, "op", std::move(inputs), outputs, std::move(attrs)), &types);
  }
  std::vector<ValueType> types;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_FORMATS_GRAPH_FIXTURE_H_
