// Replaces operators by their decompositions.
#include <map>

#include "formats/graph.h"
#include "formats/operands.h"

namespace samara {
namespace {

class Inliner {
 public:
  Inliner(const Package& package, DecomposeChoice* choice, Graph* out)
      : package_(package), choice_(choice), out_(out) {}

  Status Run(const Graph& graph) {
    *out_ = Graph();
    out_->name = graph.name;
    out_->values = graph.values;  // they keep their numbers
    out_->inputs = graph.inputs;
    out_->outputs = graph.outputs;
    for (size_t v = 0; v < graph.values.size(); ++v) {
      if (graph.values[v].kind == ValueKind::kWeight) {
        weights_.emplace(graph.values[v].index, static_cast<ValueId>(v));
      }
    }
    for (const Op& op : graph.ops) SAMARA_RETURN_IF_ERROR(Add(op, 0));
    return Status();
  }

 private:
  // `op` speaks of values of *out_.
  Status Add(const Op& op, int depth) {
    if (!choice_->Decompose(*out_, op)) {
      if (out_->ops.size() == kMaxInlinedOps) {
        return ResourceExhausted("more than %llu operators after decomposition",
                                 static_cast<unsigned long long>(kMaxInlinedOps));
      }
      out_->ops.push_back(op);
      return Status();
    }
    if (op.decomposition < 0) {
      return Unsupported("%s version %u: not supported here, and it carries no decomposition",
                         OpText(op).c_str(), op.version);
    }
    if (static_cast<size_t>(op.decomposition) >= package_.functions.size()) {
      return InvalidFile("%s: decomposition is function %d of %zu", OpText(op).c_str(),
                         op.decomposition, package_.functions.size());
    }
    if (depth == kMaxFunctionDepth) {
      return InvalidFile("%s: decompositions are nested more than %d deep", OpText(op).c_str(),
                         kMaxFunctionDepth);
    }
    return Expand(op, package_.functions[op.decomposition], depth);
  }

  Status Expand(const Op& op, const Graph& function, int depth) {
    std::vector<ValueId> map(function.values.size(), kNoValue);
    auto valid = [&](ValueId id) { return id >= 0 && static_cast<size_t>(id) < map.size(); };
    auto mismatch = [&] {
      return InvalidFile("%s: operands or outputs do not match function %s", OpText(op).c_str(),
                         Quoted(function.name).c_str());
    };
    size_t parameter = 0;
    for (ValueId operand : op.inputs) {
      if (operand == kNoValue) continue;
      if (parameter == function.inputs.size() || !valid(function.inputs[parameter].value)) {
        return mismatch();
      }
      map[function.inputs[parameter++].value] = operand;
    }
    if (parameter != function.inputs.size() || op.outputs.size() != function.outputs.size()) {
      return mismatch();
    }
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      if (!valid(function.outputs[i].value)) return mismatch();
      map[function.outputs[i].value] = op.outputs[i];
    }
    for (size_t v = 0; v < map.size(); ++v) {
      if (map[v] == kNoValue) map[v] = Import(op, function.values[v]);
    }
    for (const Op& inner : function.ops) {
      Op copy = inner;
      copy.name = op.name + "/" + inner.name;
      for (std::vector<ValueId>* ids : {&copy.inputs, &copy.outputs}) {
        for (ValueId& id : *ids) {
          if (id == kNoValue) continue;
          if (!valid(id)) return mismatch();
          id = map[id];
        }
      }
      SAMARA_RETURN_IF_ERROR(Add(copy, depth + 1));
    }
    return Status();
  }

  // A value of a function that is neither parameter nor result. Weights are shared.
  ValueId Import(const Op& op, const Value& value) {
    ValueId id = static_cast<ValueId>(out_->values.size());
    if (value.kind == ValueKind::kWeight) {
      auto [found, is_new] = weights_.emplace(value.index, id);
      if (!is_new) return found->second;
    }
    out_->values.push_back(value);
    if (value.kind != ValueKind::kWeight) out_->values.back().name = op.name + "/" + value.name;
    return id;
  }

  const Package& package_;
  DecomposeChoice* choice_;
  Graph* out_;
  std::map<int32_t, ValueId> weights_;
};

}  // namespace

Status InlineDecompositions(const Package& package, const Graph& graph, DecomposeChoice* choice,
                            Graph* out) {
  return Inliner(package, choice, out).Run(graph);
}

}  // namespace samara
