#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace samara {

void FuseResiduals(Model* model) {
  Graph& graph = model->graph();
  const std::vector<int> uses = CountUses(graph);
  const std::vector<int> producers = FindProducers(graph);
  std::vector<bool> gone(graph.ops.size(), false);
  for (Op& add : graph.ops) {
    if (add.code != OpCode::kAdd) continue;
    // The later of two linears: its own operands are defined when the sum is computed either way.
    int best = -1;
    size_t side = 0;
    for (size_t i = 0; i < 2; ++i) {
      const int at = producers[static_cast<size_t>(add.inputs[i])];
      if (at < 0 || at <= best || uses[static_cast<size_t>(add.inputs[i])] != 1) continue;
      const Op& linear = graph.ops[static_cast<size_t>(at)];
      // Equal shapes: linear does not broadcast its residual.
      const Shape& shape = graph.values[static_cast<size_t>(add.outputs[0])].shape;
      const bool equal = graph.values[static_cast<size_t>(add.inputs[0])].shape == shape &&
                         graph.values[static_cast<size_t>(add.inputs[1])].shape == shape;
      if (linear.code != OpCode::kLinear || HasOperand(linear, 3) || !equal ||
          gone[static_cast<size_t>(at)])
        continue;
      best = at;
      side = i;
    }
    if (best < 0) continue;
    const ValueId residual = add.inputs[1 - side];
    const std::vector<ValueId> outputs = add.outputs;
    Op linear = graph.ops[static_cast<size_t>(best)];
    gone[static_cast<size_t>(best)] = true;
    linear.inputs.resize(3, kNoValue);
    linear.inputs.push_back(residual);
    linear.outputs = outputs;
    graph.values[static_cast<size_t>(outputs[0])].name = linear.name;
    add = std::move(linear);
  }
  std::vector<Op> ops;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (!gone[i]) ops.push_back(std::move(graph.ops[i]));
  }
  graph.ops = std::move(ops);
}

}  // namespace samara
