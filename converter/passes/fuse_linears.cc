#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "converter/passes/passes.h"
#include "converter/passes/rewrite.h"

namespace samara {
namespace {

// "a.b.{q_proj}" and "a.b.{k_proj}" with what is common written once: "a.b.q_proj+k_proj".
std::string JoinNames(const std::vector<std::string>& names, const std::string& suffix) {
  const size_t dot = names[0].rfind('.');
  const std::string scope = dot == std::string::npos ? "" : names[0].substr(0, dot + 1);
  std::string joined = scope;
  for (size_t i = 0; i < names.size(); ++i) {
    joined += (i > 0 ? "+" : "") +
              (names[i].starts_with(scope) ? names[i].substr(scope.size()) : names[i]);
  }
  return joined + suffix;
}

// One weight of all rows (matrices) or elements (vectors) of `parts`.
ValueId JoinWeights(const std::vector<ValueId>& parts, const std::string& name, Model* model) {
  Graph& graph = model->graph();
  Package& package = model->package;
  Weight joined;
  WeightPlan plan;
  joined.name = name;
  for (const ValueId id : parts) {
    const auto index = static_cast<size_t>(graph.values[static_cast<size_t>(id)].index);
    const Weight& part = package.weights[index];
    joined.dtype = part.dtype;
    joined.is_vector = part.is_vector;
    const uint64_t before = part.is_vector ? joined.cols : joined.rows;
    for (WeightSource source : part.sources) {
      source.first_row += before;
      joined.sources.push_back(std::move(source));
    }
    if (part.is_vector) {
      joined.rows = 1;
      joined.cols += part.cols;
    } else {
      joined.rows += part.rows;
      joined.cols = part.cols;
    }
    for (const WeightPlan::Piece& piece : model->plans[index].pieces) plan.pieces.push_back(piece);
  }
  Value value;
  value.name = name;
  value.kind = ValueKind::kWeight;
  value.dtype = DType::kF32;
  const Dim size = Dim::Of(static_cast<int64_t>(joined.is_vector ? joined.cols : joined.rows));
  value.shape = joined.is_vector ? Shape::Of({size})
                                 : Shape::Of({size, Dim::Of(static_cast<int64_t>(joined.cols))});
  value.index = static_cast<int32_t>(package.weights.size());
  package.weights.push_back(std::move(joined));
  model->plans.push_back(std::move(plan));
  graph.values.push_back(std::move(value));
  return static_cast<ValueId>(graph.values.size() - 1);
}

const Weight* WeightOf(const Model& model, ValueId id) {
  const Value& value = model.graph().values[static_cast<size_t>(id)];
  return value.kind == ValueKind::kWeight ? &model.package.weights[static_cast<size_t>(value.index)]
                                          : nullptr;
}

// A weight that is read once and comes from the checkpoint can become part of another.
bool CanJoin(const Model& model, const std::vector<int>& uses, ValueId id) {
  const Weight* weight = WeightOf(model, id);
  return weight != nullptr && uses[static_cast<size_t>(id)] == 1 &&
         !model.plans[static_cast<size_t>(model.graph().values[static_cast<size_t>(id)].index)]
              .pieces.empty();
}

// Concatenations of slices that together are their whole source.
void DropConcats(Graph* graph) {
  const std::vector<int> producers = FindProducers(*graph);
  for (const Op& concat : graph->ops) {
    if (concat.code != OpCode::kConcat) continue;
    const int64_t axis = concat.Int(AttrKey::kAxis);
    int64_t end = 0;
    ValueId source = kNoValue;
    bool whole = true;
    for (const ValueId id : concat.inputs) {
      const int at = producers[static_cast<size_t>(id)];
      const Op* slice = at >= 0 ? &graph->ops[static_cast<size_t>(at)] : nullptr;
      whole = whole && slice != nullptr && slice->code == OpCode::kSlice &&
              slice->Int(AttrKey::kAxis) == axis && slice->Int(AttrKey::kBegin) == end &&
              (source == kNoValue || source == slice->inputs[0]);
      if (!whole) break;
      source = slice->inputs[0];
      end += slice->Int(AttrKey::kLength);
    }
    if (!whole ||
        !(graph->values[static_cast<size_t>(source)].shape.dims[static_cast<size_t>(axis)] ==
          Dim::Of(end))) {
      continue;
    }
    ReplaceUses(concat.outputs[0], source, graph);
  }
}

}  // namespace

void FuseLinears(Model* model) {
  Graph& graph = model->graph();
  const std::vector<int> uses = CountUses(graph);
  // Linears that can stand in one matrix: one input, one codec before and after conversion.
  std::map<std::tuple<ValueId, bool, DType, DType>, std::vector<size_t>> groups;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    if (op.code != OpCode::kLinear || HasOperand(op, 3) || !CanJoin(*model, uses, op.inputs[1]))
      continue;
    const bool bias = HasOperand(op, 2);
    if (bias && !CanJoin(*model, uses, op.inputs[2])) continue;
    const Value& matrix = graph.values[static_cast<size_t>(op.inputs[1])];
    const DType from = model->plans[static_cast<size_t>(matrix.index)].pieces[0].tensor->dtype;
    groups[{op.inputs[0], bias, WeightOf(*model, op.inputs[1])->dtype, from}].push_back(i);
  }
  std::map<size_t, const std::vector<size_t>*> by_first;
  std::vector<bool> fused(graph.ops.size(), false);
  for (const auto& [key, members] : groups) {
    if (members.size() < 2) continue;
    by_first[members[0]] = &members;
    for (const size_t i : members) fused[i] = true;
  }
  std::vector<Op> ops;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (!fused[i]) {
      ops.push_back(graph.ops[i]);
      continue;
    }
    if (by_first.count(i) == 0) continue;
    std::vector<std::string> names;
    std::vector<ValueId> matrices, biases;
    for (const size_t m : *by_first[i]) {
      const Op& op = graph.ops[m];
      names.push_back(op.name);
      matrices.push_back(op.inputs[1]);
      if (HasOperand(op, 2)) biases.push_back(op.inputs[2]);
    }
    Graph scratch;  // the writer appends to it; the operators move to `ops`, in order
    GraphWriter w(&scratch);
    std::vector<ValueId> inputs = {graph.ops[i].inputs[0],
                                   JoinWeights(matrices, JoinNames(names, ".weight"), model)};
    if (!biases.empty()) inputs.push_back(JoinWeights(biases, JoinNames(names, ".bias"), model));
    Value result = graph.values[static_cast<size_t>(graph.ops[i].outputs[0])];
    result.name = JoinNames(names, "");
    result.shape.dims[1] = graph.values[static_cast<size_t>(inputs[1])].shape.dims[0];
    graph.values.push_back(result);
    const auto output = static_cast<ValueId>(graph.values.size() - 1);
    w.AddOp(OpCode::kLinear, result.name, std::move(inputs)).outputs = {output};
    int64_t begin = 0;
    for (const size_t m : *by_first[i]) {
      const Op& op = graph.ops[m];
      const int64_t length =
          graph.values[static_cast<size_t>(op.outputs[0])].shape.dims[1].constant;
      w.AddOp(OpCode::kSlice, op.name, {output},
              {IntAttr(AttrKey::kAxis, 1), IntAttr(AttrKey::kBegin, begin),
               IntAttr(AttrKey::kLength, length)})
          .outputs = op.outputs;
      begin += length;
    }
    for (Op& op : scratch.ops) ops.push_back(std::move(op));
  }
  graph.ops = std::move(ops);
  DropConcats(&graph);
}

}  // namespace samara
