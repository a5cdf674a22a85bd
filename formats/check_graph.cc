// CheckGraphs: every graph by itself, then how functions are called.
#include <algorithm>
#include <unordered_set>

#include "formats/check.h"
#include "formats/dim.h"
#include "formats/operands.h"

namespace samara {
namespace {

// What the operators of a function demand of one of its parameters.
struct Demand {
  bool matrix = false;  // a weight that is multiplied
  bool vector = false;  // a weight that is a vector
  bool plain = false;   // read as F32
};

bool HasPlacement(const Weight& weight, Layout layout) {
  return std::any_of(
      weight.placements.begin(), weight.placements.end(),
      [&](const WeightPlacement& p) { return p.layout == layout && IsKnownPlacement(weight, p); });
}

// A function that was checked: what its callers need to know.
struct Function {
  enum { kNew, kOpen, kDone } progress = kNew;
  int depth = 0;
  uint64_t ops = 0;             // when everything in it is inlined
  std::vector<Demand> demands;  // per parameter
};

class GraphChecker {
 public:
  GraphChecker(const Package& package, std::vector<Function>* functions)
      : package_(package), functions_(functions) {}

  Status CheckFunction(size_t index, int nesting);
  Status CheckEntry(const Graph& graph);

 private:
  Status Fail(const Graph& graph, const std::string& what) const {
    return InvalidFile("graph %s: %s", Quoted(graph.name).c_str(), what.c_str());
  }
  std::string TypeText(const Value& value) const {
    return std::string(DTypeName(value.dtype)) + " " + ShapeText(value.shape, package_.symbols);
  }
  bool IsState(const Value& value) const { return StateOfValue(package_, value) != nullptr; }

  Status CheckCalls(const Graph& graph, int nesting, int* depth, uint64_t* ops);
  Status CheckValue(const Graph& graph, const Value& value, bool is_function) const;
  Status CheckGraph(const Graph& graph, bool is_function, std::vector<Demand>* demands);
  Status CheckInputs(const Graph& graph, bool is_function, std::vector<bool>* defined) const;
  Status CheckEntryInput(const Graph& graph, const GraphInput& input) const;
  Status CheckOp(const Graph& graph, const Op& op, std::vector<bool>* defined) const;
  Status CheckTypes(const Graph& graph, const Op& op) const;
  Status CheckOperands(const Graph& graph, const Op& op, std::vector<Demand>* demands) const;
  Status CheckOperand(const Graph& graph, const Op& op, size_t input, const Demand& demand,
                      std::vector<Demand>* demands) const;
  Status CheckSignature(const Graph& graph, const Op& op) const;
  Status CheckWindow(const Graph& graph, const Op& op) const;
  Status CheckGatherRows(const Graph& graph, const Op& op) const;
  Status CheckOutputs(const Graph& graph, bool is_function) const;

  // The dimension that is the one symbol of this kind; false if there is none.
  bool SymbolDim(SymbolKind kind, Dim* dim, uint64_t* greatest) const {
    for (size_t s = 0; s < package_.symbols.size(); ++s) {
      if (package_.symbols[s].kind != kind) continue;
      *dim = Dim::Sym(static_cast<uint32_t>(s));
      *greatest = package_.symbols[s].max;
      return true;
    }
    return false;
  }

  const Package& package_;
  std::vector<Function>* functions_;
  // Of the function that CheckGraph is at: which parameter a value is.
  std::vector<uint32_t> parameter_of_;
};

Status GraphChecker::CheckFunction(size_t index, int nesting) {
  Function& function = (*functions_)[index];
  const Graph& graph = package_.functions[index];
  if (function.progress == Function::kDone) return Status();
  if (function.progress == Function::kOpen) return Fail(graph, "the function calls itself");
  function.progress = Function::kOpen;
  SAMARA_RETURN_IF_ERROR(CheckCalls(graph, nesting, &function.depth, &function.ops));
  function.demands.resize(graph.inputs.size());
  SAMARA_RETURN_IF_ERROR(CheckGraph(graph, true, &function.demands));
  function.progress = Function::kDone;
  return Status();
}

Status GraphChecker::CheckEntry(const Graph& graph) {
  int depth = 0;
  uint64_t ops = 0;
  SAMARA_RETURN_IF_ERROR(CheckCalls(graph, 0, &depth, &ops));
  return CheckGraph(graph, false, nullptr);
}

// Checks the functions that a graph calls, before the graph itself.
Status GraphChecker::CheckCalls(const Graph& graph, int nesting, int* depth, uint64_t* ops) {
  if (nesting > kMaxFunctionDepth) {
    return Fail(graph, "decompositions are nested more than " + std::to_string(kMaxFunctionDepth) +
                           " deep");
  }
  for (const Op& op : graph.ops) {
    uint64_t inlined = 1;
    if (op.decomposition >= 0) {
      size_t callee = static_cast<size_t>(op.decomposition);
      if (callee >= package_.functions.size()) {
        return InvalidFile("%s: decomposition is function %d of %zu", OpText(op).c_str(),
                           op.decomposition, package_.functions.size());
      }
      SAMARA_RETURN_IF_ERROR(CheckFunction(callee, nesting + 1));
      *depth = std::max(*depth, (*functions_)[callee].depth + 1);
      inlined = std::max<uint64_t>(1, (*functions_)[callee].ops);
    } else if (op.decomposition != -1) {
      return InvalidFile("%s: decomposition is function %d", OpText(op).c_str(), op.decomposition);
    }
    *ops += inlined;  // both at most kMaxInlinedOps
    if (*ops > kMaxInlinedOps) {
      return Fail(graph,
                  "more than " + std::to_string(kMaxInlinedOps) + " operators after decomposition");
    }
  }
  if (*depth <= kMaxFunctionDepth) return Status();
  return Fail(graph,
              "decompositions are nested more than " + std::to_string(kMaxFunctionDepth) + " deep");
}

Status GraphChecker::CheckValue(const Graph& graph, const Value& value, bool is_function) const {
  std::string name = "value " + Quoted(value.name);
  if (value.shape.rank < 0 || value.shape.rank > kMaxRank) {
    return Fail(graph, name + " has rank " + std::to_string(value.shape.rank));
  }
  for (int d = 0; d < value.shape.rank; ++d) {
    uint64_t least = 0, greatest = 0;
    const Dim& dim = value.shape.dims[d];
    if (!DimRange(dim, package_.symbols, &least, &greatest) || greatest == 0) {
      return Fail(graph, name + ": dimension " + DimText(dim, package_.symbols) +
                             " is not in normal form, may be negative, is 0 or overflows");
    }
  }
  if (value.kind == ValueKind::kState) {
    if (is_function) return Fail(graph, name + ": a function takes states as parameters");
    if (!IsState(value) || value.dtype != DType::kInvalid || value.shape.rank != 0) {
      return Fail(graph, name + ": state " + std::to_string(value.index) + " of " +
                             std::to_string(package_.states.size()) + ", without type and shape");
    }
    return Status();
  }
  if (value.kind == ValueKind::kWeight) {
    if (value.index < 0 || static_cast<size_t>(value.index) >= package_.weights.size()) {
      return Fail(graph, name + ": weight " + std::to_string(value.index) + " of " +
                             std::to_string(package_.weights.size()));
    }
    const Weight& weight = package_.weights[value.index];
    Dim rows = Dim::Of(static_cast<int64_t>(weight.rows)),
        cols = Dim::Of(static_cast<int64_t>(weight.cols));
    Shape want = weight.is_vector ? Shape::Of({cols}) : Shape::Of({rows, cols});
    if (value.dtype == DType::kF32 && value.shape == want) return Status();
    return Fail(graph, name + " is " + TypeText(value) + ", want f32 " + ShapeText(want, {}));
  }
  bool is_parameter = is_function && value.kind == ValueKind::kInput;
  if (is_parameter && value.dtype == DType::kInvalid) {
    if (IsState(value) && value.shape.rank == 0) return Status();
    return Fail(graph, name + ": parameter without type that names no state");
  }
  if (value.dtype == DType::kF32 || value.dtype == DType::kI32 || value.dtype == DType::kBool)
    return Status();
  return Fail(graph, name + " has type " + DTypeName(value.dtype) + ", want f32, i32 or bool");
}

Status GraphChecker::CheckEntryInput(const Graph& graph, const GraphInput& input) const {
  const Value& value = graph.values[input.value];
  SymbolKind kind =
      input.role == InputRole::kOutputRows ? SymbolKind::kOutputs : SymbolKind::kTokens;
  Dim dim;
  uint64_t greatest = 0;
  if (input.role == InputRole::kParameter || !SymbolDim(kind, &dim, &greatest)) {
    return Fail(graph, "input " + Quoted(value.name) + ": role " +
                           std::to_string(static_cast<int>(input.role)) +
                           " cannot be filled in an entry point");
  }
  for (const GraphInput& other : graph.inputs) {
    if (&other != &input && other.role == input.role) {
      return Fail(graph, "two inputs have role " + std::to_string(static_cast<int>(input.role)));
    }
  }
  Shape want = Shape::Of({dim});
  if (value.dtype == DType::kI32 && value.shape == want) return Status();
  return Fail(graph, "input " + Quoted(value.name) + " is " + TypeText(value) + ", want i32 " +
                         ShapeText(want, package_.symbols));
}

Status GraphChecker::CheckInputs(const Graph& graph, bool is_function,
                                 std::vector<bool>* defined) const {
  for (const GraphInput& input : graph.inputs) {
    if (input.value < 0 || static_cast<size_t>(input.value) >= graph.values.size() ||
        graph.values[input.value].kind != ValueKind::kInput) {
      return Fail(graph, "value " + std::to_string(input.value) + " is no input");
    }
    if ((*defined)[input.value]) {
      return Fail(graph, "input " + Quoted(graph.values[input.value].name) + " is listed twice");
    }
    (*defined)[input.value] = true;
    if (!is_function) {
      SAMARA_RETURN_IF_ERROR(CheckEntryInput(graph, input));
    } else if (input.role != InputRole::kParameter) {
      return Fail(graph, "input " + Quoted(graph.values[input.value].name) + " is no parameter");
    }
  }
  return Status();
}

Status GraphChecker::CheckOp(const Graph& graph, const Op& op, std::vector<bool>* defined) const {
  if (op.version == 0) return InvalidFile("%s has version 0", OpText(op).c_str());
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    ValueId id = op.inputs[i];
    if (id == kNoValue) continue;
    if (id < 0 || static_cast<size_t>(id) >= graph.values.size()) {
      return InvalidFile("%s: input %zu is value %d of %zu", OpText(op).c_str(), i, id,
                         graph.values.size());
    }
    if (!(*defined)[id]) {
      return InvalidFile("%s: input %zu %s is used before it is computed", OpText(op).c_str(), i,
                         Quoted(graph.values[id].name).c_str());
    }
  }
  for (ValueId id : op.outputs) {
    if (id < 0 || static_cast<size_t>(id) >= graph.values.size() ||
        graph.values[id].kind != ValueKind::kActivation) {
      return InvalidFile("%s: output is value %d of %zu, want an activation", OpText(op).c_str(),
                         id, graph.values.size());
    }
    if ((*defined)[id]) {
      return InvalidFile("%s: output %s is computed twice", OpText(op).c_str(),
                         Quoted(graph.values[id].name).c_str());
    }
    (*defined)[id] = true;
  }
  return Status();
}

Status GraphChecker::CheckTypes(const Graph& graph, const Op& op) const {
  std::vector<ValueType> types;
  SAMARA_RETURN_IF_ERROR(InferTypes(package_, graph, op, &types));
  for (size_t i = 0; i < types.size(); ++i) {
    const Value& value = graph.values[op.outputs[i]];
    if (value.dtype == types[i].dtype && value.shape == types[i].shape) continue;
    return InvalidFile("%s: output %s is declared %s, its operands make it %s %s",
                       OpText(op).c_str(), Quoted(value.name).c_str(), TypeText(value).c_str(),
                       DTypeName(types[i].dtype),
                       ShapeText(types[i].shape, package_.symbols).c_str());
  }
  return Status();
}

// Slots that left a group's window may be overwritten: nothing may look at them.
Status GraphChecker::CheckWindow(const Graph& graph, const Op& op) const {
  size_t input = op.code == OpCode::kAttention ? 1 : 0;
  if (op.code != OpCode::kAttention && op.code != OpCode::kStateVisible) return Status();
  const State* state = StateOfValue(package_, graph.values[op.inputs[input]]);
  uint64_t window = op.Int(AttrKey::kWindow), most = package_.groups[state->group].window;
  if (most == 0 || (window > 0 && window <= most)) return Status();
  return InvalidFile("%s: window %llu in a state group of window %llu", OpText(op).c_str(),
                     static_cast<unsigned long long>(window),
                     static_cast<unsigned long long>(most));
}

// Rows that the step itself names are checked against these limits when they are fed.
Status GraphChecker::CheckGatherRows(const Graph& graph, const Op& op) const {
  if (op.code != OpCode::kGather) return Status();
  const Dim& rows = graph.values[op.inputs[0]].shape.dims[0];
  for (const GraphInput& input : graph.inputs) {
    if (input.value != op.inputs[1]) continue;
    Dim dim;
    uint64_t greatest = 0;
    bool valid = true;
    if (input.role == InputRole::kOutputRows) {
      valid = SymbolDim(SymbolKind::kTokens, &dim, &greatest) && rows == dim;
    } else if (input.role == InputRole::kTokenIds) {
      valid = rows.IsConstant() && rows.constant >= package_.vocab;
    } else if (input.role == InputRole::kPositions) {
      valid = SymbolDim(SymbolKind::kContext, &dim, &greatest) && rows.IsConstant() &&
              static_cast<uint64_t>(rows.constant) >= greatest;
    }
    if (!valid) {
      return InvalidFile("%s: a table of %s rows has not a row for each value of input %s",
                         OpText(op).c_str(), DimText(rows, package_.symbols).c_str(),
                         Quoted(graph.values[input.value].name).c_str());
    }
  }
  return Status();
}

Status GraphChecker::CheckSignature(const Graph& graph, const Op& op) const {
  const Graph& function = package_.functions[op.decomposition];
  auto fail = [&](const std::string& what) {
    return InvalidFile("%s: decomposition %s %s", OpText(op).c_str(), Quoted(function.name).c_str(),
                       what.c_str());
  };
  std::vector<ValueId> present;
  for (ValueId id : op.inputs) {
    if (id != kNoValue) present.push_back(id);
  }
  if (present.size() != function.inputs.size()) {
    return fail("has " + std::to_string(function.inputs.size()) + " parameters, want " +
                std::to_string(present.size()));
  }
  if (op.outputs.size() != function.outputs.size()) {
    return fail("has " + std::to_string(function.outputs.size()) + " results, want " +
                std::to_string(op.outputs.size()));
  }
  for (size_t i = 0; i < present.size(); ++i) {
    const Value& operand = graph.values[present[i]];
    const Value& parameter = function.values[function.inputs[i].value];
    const State *a = StateOfValue(package_, operand), *b = StateOfValue(package_, parameter);
    bool equal = operand.dtype == parameter.dtype && operand.shape == parameter.shape &&
                 (a == nullptr) == (b == nullptr);
    if (equal && a != nullptr) {
      equal = a->group == b->group && a->kind == b->kind &&
              std::equal(a->parts.begin(), a->parts.end(), b->parts.begin(), b->parts.end(),
                         [](const StatePart& x, const StatePart& y) {
                           return x.heads == y.heads && x.dim == y.dim;
                         });
    }
    if (!equal) {
      return fail("parameter " + std::to_string(i) + " is " + TypeText(parameter) + ", want " +
                  TypeText(operand) +
                  (a != nullptr ? " (a state of the same group and parts)" : ""));
    }
  }
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    const Value& output = graph.values[op.outputs[i]];
    const Value& result = function.values[function.outputs[i].value];
    if (output.dtype != result.dtype || !(output.shape == result.shape)) {
      return fail("result " + std::to_string(i) + " is " + TypeText(result) + ", want " +
                  TypeText(output));
    }
  }
  return Status();
}

Status GraphChecker::CheckOperand(const Graph& graph, const Op& op, size_t input,
                                  const Demand& demand, std::vector<Demand>* demands) const {
  const Value& value = graph.values[op.inputs[input]];
  auto fail = [&](const char* want) {
    return InvalidFile("%s: input %zu %s, want %s", OpText(op).c_str(), input,
                       Quoted(value.name).c_str(), want);
  };
  if (value.kind == ValueKind::kActivation && (demand.matrix || demand.vector)) {
    return fail("a weight");
  }
  if (value.kind == ValueKind::kInput && demands != nullptr) {
    Demand& of_parameter = (*demands)[parameter_of_[op.inputs[input]]];
    of_parameter.matrix |= demand.matrix;
    of_parameter.vector |= demand.vector;
    of_parameter.plain |= demand.plain;
  }
  if (value.kind != ValueKind::kWeight) return Status();
  const Weight& weight = package_.weights[value.index];
  if (demand.matrix && !HasPlacement(weight, MatmulLayout(weight.dtype))) {
    return fail("a weight with a placement for products");
  }
  if ((demand.vector || demand.plain) &&
      (weight.dtype != DType::kF32 || !HasPlacement(weight, Layout::kRowMajor))) {
    return fail("an f32 weight with a row-major placement");
  }
  return Status();
}

Status GraphChecker::CheckOperands(const Graph& graph, const Op& op,
                                   std::vector<Demand>* demands) const {
  bool known = IsKnown(op);
  size_t parameter = 0;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    if (op.inputs[i] == kNoValue) continue;
    Demand demand;
    if (op.decomposition >= 0) demand = (*functions_)[op.decomposition].demands[parameter++];
    if (known) {
      OperandUse use = UseOfOperand(op.code, i);
      demand.matrix |= use == OperandUse::kMatrix;
      demand.vector |= use == OperandUse::kVector;
      demand.plain |= use == OperandUse::kPlain;
    }
    SAMARA_RETURN_IF_ERROR(CheckOperand(graph, op, i, demand, demands));
  }
  return Status();
}

Status GraphChecker::CheckOutputs(const Graph& graph, bool is_function) const {
  std::unordered_set<ValueId> values;
  std::unordered_set<int> roles;
  for (const GraphOutput& output : graph.outputs) {
    if (output.value < 0 || static_cast<size_t>(output.value) >= graph.values.size() ||
        graph.values[output.value].kind != ValueKind::kActivation) {
      return Fail(graph, "output is value " + std::to_string(output.value) + " of " +
                             std::to_string(graph.values.size()) + ", want an activation");
    }
    const Value& value = graph.values[output.value];
    std::string name = "output " + Quoted(value.name);
    if (!values.insert(output.value).second) return Fail(graph, name + " is listed twice");
    if ((output.role == OutputRole::kResult) != is_function) {
      return Fail(graph, name + ": role " + std::to_string(static_cast<int>(output.role)));
    }
    if (is_function) continue;
    if (!roles.insert(static_cast<int>(output.role)).second) {
      return Fail(graph, "two outputs have role " + std::to_string(static_cast<int>(output.role)));
    }
    Dim rows;
    uint64_t greatest = 0;
    bool valid = SymbolDim(SymbolKind::kOutputs, &rows, &greatest) && value.dtype == DType::kF32 &&
                 value.shape.rank == 2 && value.shape.dims[0] == rows &&
                 value.shape.dims[1].IsConstant();
    if (valid && output.role == OutputRole::kLogits) {
      valid = value.shape.dims[1].constant == package_.vocab;
    }
    if (!valid) {
      return Fail(graph, name + " is " + TypeText(value) + ", want f32, a row for each output" +
                             (output.role == OutputRole::kLogits ? ", a column for each id" : ""));
    }
  }
  if (is_function || graph.name != "generate" ||
      roles.count(static_cast<int>(OutputRole::kLogits)) > 0) {
    return Status();
  }
  return Fail(graph, "no output has the logits");
}

Status GraphChecker::CheckGraph(const Graph& graph, bool is_function,
                                std::vector<Demand>* demands) {
  if (graph.name.empty()) return InvalidFile("a graph has no name");
  if (graph.values.size() > INT32_MAX) return Fail(graph, "too many values");
  std::vector<bool> defined(graph.values.size());
  for (const Value& value : graph.values)
    SAMARA_RETURN_IF_ERROR(CheckValue(graph, value, is_function));
  for (size_t v = 0; v < graph.values.size(); ++v) {
    ValueKind kind = graph.values[v].kind;
    defined[v] = kind == ValueKind::kWeight || kind == ValueKind::kState;
  }
  SAMARA_RETURN_IF_ERROR(CheckInputs(graph, is_function, &defined));
  parameter_of_.assign(graph.values.size(), 0);
  for (size_t p = 0; p < graph.inputs.size(); ++p) {
    parameter_of_[graph.inputs[p].value] = static_cast<uint32_t>(p);
  }
  std::unordered_set<std::string_view> names;
  for (const Op& op : graph.ops) {
    if (op.name.empty() || !names.insert(op.name).second) {
      return Fail(graph, OpText(op) + ": its name is empty or taken");
    }
    SAMARA_RETURN_IF_ERROR(CheckOp(graph, op, &defined));
    if (IsKnown(op)) {
      SAMARA_RETURN_IF_ERROR(CheckTypes(graph, op));
      SAMARA_RETURN_IF_ERROR(CheckWindow(graph, op));
      if (!is_function) SAMARA_RETURN_IF_ERROR(CheckGatherRows(graph, op));
    }
    if (op.decomposition >= 0) SAMARA_RETURN_IF_ERROR(CheckSignature(graph, op));
    SAMARA_RETURN_IF_ERROR(CheckOperands(graph, op, demands));
  }
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (!defined[v])
      return Fail(graph, "value " + Quoted(graph.values[v].name) + " is never computed");
  }
  return CheckOutputs(graph, is_function);
}

}  // namespace

Status CheckGraphs(const Package& package) {
  std::vector<Function> functions(package.functions.size());
  GraphChecker checker(package, &functions);
  for (size_t f = 0; f < functions.size(); ++f) SAMARA_RETURN_IF_ERROR(checker.CheckFunction(f, 1));
  if (package.entries.empty() || package.entries[0].name != "generate") {
    return InvalidFile("the first entry point is not \"generate\"");
  }
  std::unordered_set<std::string_view> names;
  for (const Graph& entry : package.entries) {
    if (!names.insert(entry.name).second) {
      return InvalidFile("two entry points have the name %s", Quoted(entry.name).c_str());
    }
    SAMARA_RETURN_IF_ERROR(checker.CheckEntry(entry));
  }
  return Status();
}

}  // namespace samara
