#include "converter/passes/rewrite.h"

namespace samara {

std::vector<int> CountUses(const Graph& graph) {
  std::vector<int> uses(graph.values.size(), 0);
  for (const Op& op : graph.ops) {
    for (const ValueId id : op.inputs) {
      if (id != kNoValue) ++uses[static_cast<size_t>(id)];
    }
  }
  for (const GraphOutput& output : graph.outputs) ++uses[static_cast<size_t>(output.value)];
  return uses;
}

std::vector<int> FindProducers(const Graph& graph) {
  std::vector<int> producers(graph.values.size(), -1);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const ValueId id : graph.ops[i].outputs)
      producers[static_cast<size_t>(id)] = static_cast<int>(i);
  }
  return producers;
}

void ReplaceUses(ValueId from, ValueId to, Graph* graph) {
  for (Op& op : graph->ops) {
    for (ValueId& id : op.inputs) {
      if (id == from) id = to;
    }
  }
  for (GraphOutput& output : graph->outputs) {
    if (output.value == from) output.value = to;
  }
}

}  // namespace samara
