#include <map>
#include <utility>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace samara {
namespace {

// Operands whose row t alone decides row t of the result; empty: the operator does not work row by
// row.
std::vector<size_t> RowOperands(const Graph& graph, const Op& op) {
  const auto all = [&op] {
    std::vector<size_t> list;
    for (size_t i = 0; i < op.inputs.size(); ++i) list.push_back(i);
    return list;
  };
  switch (op.code) {
    case OpCode::kLinear:
      return HasOperand(op, 3) ? std::vector<size_t>{0, 3} : std::vector<size_t>{0};
    case OpCode::kRmsNorm:
    case OpCode::kLayerNorm:
    case OpCode::kGlu:
    case OpCode::kActivate:
    case OpCode::kTanh:
      return {0};
    case OpCode::kRope:
      return {0, 1};
    case OpCode::kSlice:
    case OpCode::kConcat:
      return op.Int(AttrKey::kAxis) > 0 ? all() : std::vector<size_t>();
    case OpCode::kAdd:
    case OpCode::kMul: {
      const Shape& shape = graph.values[static_cast<size_t>(op.outputs[0])].shape;
      std::vector<size_t> rows;
      for (size_t i = 0; i < op.inputs.size(); ++i) {
        const Shape& own = graph.values[static_cast<size_t>(op.inputs[i])].shape;
        if (own == shape) {
          rows.push_back(i);
        } else if (own.rank > 1) {
          return {};
        }  // else the same for every row
      }
      return rows;
    }
    default:
      return {};
  }
}

bool IsRowSelection(const Graph& graph, const Op& op) {
  return op.code == OpCode::kGather &&
         graph.values[static_cast<size_t>(op.inputs[0])].kind == ValueKind::kActivation &&
         graph.values[static_cast<size_t>(op.inputs[1])].kind == ValueKind::kInput;
}

// Moves one selection above the operator that makes its table. False: there is none that can move.
bool MoveOne(Graph* graph) {
  const std::vector<int> uses = CountUses(*graph);
  const std::vector<int> producers = FindProducers(*graph);
  for (size_t g = 0; g < graph->ops.size(); ++g) {
    const Op gather = graph->ops[g];
    if (!IsRowSelection(*graph, gather) || uses[static_cast<size_t>(gather.inputs[0])] != 1)
      continue;
    const auto p = static_cast<size_t>(producers[static_cast<size_t>(gather.inputs[0])]);
    const std::vector<size_t> rows = RowOperands(*graph, graph->ops[p]);
    if (rows.empty()) continue;
    // The operator takes the selection's place, over selected operands.
    Op moved = graph->ops[p];
    moved.outputs = gather.outputs;
    graph->values[static_cast<size_t>(moved.outputs[0])].name = moved.name;
    std::map<size_t, std::vector<Op>>
        after;  // selections to insert, by the operator that they follow
    for (const size_t i : rows) {
      const ValueId table = moved.inputs[i];
      const auto same = [&](const Op& op) {
        return op.code == OpCode::kGather && op.inputs[0] == table &&
               op.inputs[1] == gather.inputs[1];
      };
      // A selection stands right after its table, so an existing one is defined early enough.
      ValueId selected = kNoValue;
      for (const Op& op : graph->ops) {
        if (same(op)) selected = op.outputs[0];
      }
      for (const auto& [at, ops] : after) {
        for (const Op& op : ops) {
          if (same(op)) selected = op.outputs[0];
        }
      }
      if (selected == kNoValue) {
        GraphWriter w(graph);
        Shape shape = w.shape(table);
        shape.dims[0] = w.shape(gather.outputs[0]).dims[0];
        const std::string name = w.value(table).name + ".rows";
        selected = w.Emit(OpCode::kGather, name, {table, gather.inputs[1]}, DType::kF32, shape);
        after[static_cast<size_t>(producers[static_cast<size_t>(table)])].push_back(
            std::move(graph->ops.back()));
        graph->ops.pop_back();
      }
      moved.inputs[i] = selected;
    }
    std::vector<Op> ops;
    for (size_t i = 0; i < graph->ops.size(); ++i) {
      if (i != p) ops.push_back(i == g ? moved : std::move(graph->ops[i]));
      if (const auto at = after.find(i); at != after.end()) {
        for (Op& op : at->second) ops.push_back(std::move(op));
      }
    }
    graph->ops = std::move(ops);
    return true;
  }
  return false;
}

}  // namespace

void SelectRowsEarly(Model* model) {
  while (MoveOne(&model->graph())) {
  }
}

}  // namespace samara
