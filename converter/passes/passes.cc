#include "converter/passes/passes.h"

#include <utility>

#include "converter/passes/rewrite.h"
#include "formats/quant/codes.h"

namespace samara {

void RemoveUnused(Model* model) {
  Graph& graph = model->graph();
  Package& package = model->package;
  std::vector<bool> needed(graph.values.size(), false), keep(graph.ops.size(), false);
  for (const GraphOutput& output : graph.outputs) needed[static_cast<size_t>(output.value)] = true;
  for (size_t i = graph.ops.size(); i-- > 0;) {
    const Op& op = graph.ops[i];
    keep[i] = op.outputs.empty();  // writes a state
    for (const ValueId id : op.outputs) keep[i] = keep[i] || needed[static_cast<size_t>(id)];
    for (const ValueId id : op.inputs) {
      if (keep[i] && id != kNoValue) needed[static_cast<size_t>(id)] = true;
    }
  }
  std::vector<Op> ops;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (keep[i]) ops.push_back(std::move(graph.ops[i]));
  }
  graph.ops = std::move(ops);

  std::vector<ValueId> renamed(graph.values.size(), kNoValue);
  std::vector<Value> values;
  std::vector<Weight> weights;
  std::vector<WeightPlan> plans;
  std::vector<State> states;
  const auto take = [&](ValueId* id) {
    if (*id == kNoValue) return;
    ValueId& to = renamed[static_cast<size_t>(*id)];
    if (to == kNoValue) {
      to = static_cast<ValueId>(values.size());
      Value value = std::move(graph.values[static_cast<size_t>(*id)]);
      const auto index = static_cast<size_t>(value.index);
      if (value.kind == ValueKind::kWeight) {
        value.index = static_cast<int32_t>(weights.size());
        weights.push_back(std::move(package.weights[index]));
        plans.push_back(std::move(model->plans[index]));
      } else if (value.kind == ValueKind::kState) {
        value.index = static_cast<int32_t>(states.size());
        states.push_back(std::move(package.states[index]));
      }
      values.push_back(std::move(value));
    }
    *id = to;
  };
  for (GraphInput& input : graph.inputs) take(&input.value);
  for (Op& op : graph.ops) {
    for (ValueId& id : op.inputs) take(&id);
    for (ValueId& id : op.outputs) take(&id);
  }
  for (GraphOutput& output : graph.outputs) take(&output.value);
  graph.values = std::move(values);
  package.weights = std::move(weights);
  package.states = std::move(states);
  model->plans = std::move(plans);
}

Status RunPasses(const QuantChoice& choice, Model* model) {
  SAMARA_RETURN_IF_ERROR(AssignTypes(choice, model));
  ShareDuplicates(model);
  FuseLinears(model);
  FuseResiduals(model);
  RemoveUnused(model);  // before rows are moved: what nobody reads must not count as a reader
  SelectRowsEarly(model);
  RemoveUnused(model);
  return Status();
}

Status AssignPlacements(Model* model) {
  const Graph& graph = model->graph();
  std::vector<bool> multiplied(model->package.weights.size(), false);
  for (const Op& op : graph.ops) {
    const bool product = op.code == OpCode::kLinear || op.code == OpCode::kMatmul;
    const Value* value = product ? &graph.values[static_cast<size_t>(op.inputs[1])] : nullptr;
    if (product && value->kind == ValueKind::kWeight)
      multiplied[static_cast<size_t>(value->index)] = true;
  }
  uint64_t offset = 0;
  for (size_t i = 0; i < multiplied.size(); ++i) {
    Weight& weight = model->package.weights[i];
    WeightPlacement placement;
    placement.layout = multiplied[i] ? MatmulLayout(weight.dtype) : Layout::kRowMajor;
    // Rows of super-blocks are padded to whole ones; tiles are not.
    uint64_t rows = 0, tiles = 0;
    if (LayoutBytes(Layout::kRowMajor, weight.dtype, weight.rows, weight.cols, &rows) &&
        LayoutBytes(MatmulLayout(weight.dtype), weight.dtype, weight.rows, weight.cols, &tiles) &&
        FindCodeForm(weight.dtype) != nullptr && tiles < rows) {
      placement.layout = MatmulLayout(weight.dtype);
    }
    placement.version = kLayoutVersion;
    placement.offset = offset;
    if (!LayoutBytes(placement.layout, weight.dtype, weight.rows, weight.cols, &placement.bytes) ||
        placement.bytes > (uint64_t{1} << 60) - offset) {
      return InvalidFile("weight %s: got %llu rows of %llu, wanted a size that fits in 64 bits",
                         weight.name.c_str(), static_cast<unsigned long long>(weight.rows),
                         static_cast<unsigned long long>(weight.cols));
    }
    offset = (offset + placement.bytes + 63) & ~uint64_t{63};
    weight.placements = {placement};
  }
  return Status();
}

}  // namespace samara
