// Types of an operator's results from those of its operands: one short function an operator.
#include <algorithm>

#include "formats/dim.h"
#include "formats/graph.h"
#include "formats/operands.h"

namespace samara {
namespace {

// One operator during inference. Operand ids are known to be in range.
class Inference {
 public:
  Inference(const Package& package, const Graph& graph, const Op& op,
            std::vector<ValueType>* outputs)
      : package_(package), graph_(graph), op_(op), outputs_(outputs) {}

  Status Run();

 private:
  bool Has(size_t i) const { return i < op_.inputs.size() && op_.inputs[i] != kNoValue; }
  const Value& In(size_t i) const { return graph_.values[op_.inputs[i]]; }
  const Shape& ShapeOf(size_t i) const { return In(i).shape; }
  const Dim& DimOf(size_t i, int d) const { return In(i).shape.dims[d]; }
  std::string Text(const Dim& dim) const { return DimText(dim, package_.symbols); }
  std::string Text(const Shape& shape) const { return ShapeText(shape, package_.symbols); }

  Status Result(DType dtype, Shape shape) {
    outputs_->push_back({dtype, shape});
    return Status();
  }
  Status Fail(const std::string& what) const {
    return InvalidFile("%s: %s", OpText(op_).c_str(), what.c_str());
  }
  Status FailInput(size_t i, const std::string& got, const std::string& want) const {
    return Fail("input " + std::to_string(i) + " " + Quoted(In(i).name, 80) + " is " + got +
                ", want " + want);
  }

  Status WantDType(size_t i, DType dtype) const {
    if (In(i).dtype == dtype) return Status();
    return FailInput(i, DTypeName(In(i).dtype), DTypeName(dtype));
  }
  Status Want(size_t i, DType dtype, int rank) const {
    SAMARA_RETURN_IF_ERROR(WantDType(i, dtype));
    if (ShapeOf(i).rank == rank) return Status();
    return FailInput(i, Text(ShapeOf(i)), "rank " + std::to_string(rank));
  }
  Status WantShape(size_t i, const Shape& shape) const {
    SAMARA_RETURN_IF_ERROR(WantDType(i, DType::kF32));
    if (ShapeOf(i) == shape) return Status();
    return FailInput(i, Text(ShapeOf(i)), Text(shape));
  }
  // A weight, or a function's parameter that stands for one.
  Status WantWeight(size_t i, int rank) const {
    if (In(i).kind != ValueKind::kWeight && In(i).kind != ValueKind::kInput) {
      return FailInput(i, "computed", "a weight");
    }
    SAMARA_RETURN_IF_ERROR(Want(i, DType::kF32, rank));
    for (int d = 0; d < rank; ++d) {
      if (!DimOf(i, d).IsConstant()) return FailInput(i, Text(ShapeOf(i)), "constant dimensions");
    }
    return Status();
  }
  Status WantVector(size_t i, int64_t size) const {
    SAMARA_RETURN_IF_ERROR(WantWeight(i, 1));
    return WantShape(i, Shape::Of({Dim::Of(size)}));
  }
  // Rank 2 with a constant second dimension, which is returned.
  Status WantRows(size_t i, int64_t* columns) const {
    SAMARA_RETURN_IF_ERROR(Want(i, DType::kF32, 2));
    if (!DimOf(i, 1).IsConstant()) {
      return FailInput(i, Text(ShapeOf(i)), "a constant last dimension");
    }
    *columns = DimOf(i, 1).constant;
    return Status();
  }
  Status WantState(size_t i, const State** state) const {
    *state = StateOfValue(package_, In(i));
    if (*state == nullptr) return FailInput(i, "no state", "a state");
    if ((*state)->kind != StateKind::kKeyValue || (*state)->group >= package_.groups.size()) {
      return FailInput(i, "a state of another kind", "a key/value state");
    }
    return Status();
  }
  Status PartOf(const State& state, StatePart* part) const {
    uint64_t index = op_.Int(AttrKey::kPart);
    if (index >= state.parts.size()) {
      return Fail("part " + std::to_string(index) + " of state " + Quoted(state.name, 80) +
                  ", which has " + std::to_string(state.parts.size()));
    }
    *part = state.parts[index];
    return Status();
  }
  // The dimension that is one symbol of this kind (and group).
  Status SymbolDim(SymbolKind kind, uint32_t group, Dim* dim) const {
    for (size_t s = 0; s < package_.symbols.size(); ++s) {
      const Symbol& symbol = package_.symbols[s];
      if (symbol.kind == kind && (kind != SymbolKind::kSlots || symbol.group == group)) {
        *dim = Dim::Sym(static_cast<uint32_t>(s));
        return Status();
      }
    }
    return Fail(kind == SymbolKind::kTokens
                    ? std::string("the package declares no symbol for the tokens of a step")
                    : "the package declares no symbol for the slots of group " +
                          std::to_string(group));
  }
  // First dimension of input i is the tokens of the step.
  Status WantTokens(size_t i) const {
    Dim tokens;
    SAMARA_RETURN_IF_ERROR(SymbolDim(SymbolKind::kTokens, 0, &tokens));
    if (ShapeOf(i).rank > 0 && DimOf(i, 0) == tokens) return Status();
    return FailInput(i, Text(ShapeOf(i)), "one row for each token of the step");
  }
  Status Axis(const Shape& shape, int* axis) const {
    *axis = static_cast<int>(op_.Int(AttrKey::kAxis));
    if (*axis < shape.rank) return Status();
    return Fail("axis " + std::to_string(*axis) + " of a value of shape " + Text(shape));
  }
  Status Broadcast(const Shape& a, const Shape& b, Shape* result) const {
    result->rank = std::max(a.rank, b.rank);
    for (int d = 0; d < result->rank; ++d) {
      int i = d - (result->rank - a.rank), j = d - (result->rank - b.rank);
      Dim left = i < 0 ? Dim::Of(1) : a.dims[i], right = j < 0 ? Dim::Of(1) : b.dims[j];
      if (!(left == right) && !(left == Dim::Of(1)) && !(right == Dim::Of(1))) {
        return Fail("shapes " + Text(a) + " and " + Text(b) + " do not broadcast");
      }
      result->dims[d] = left == Dim::Of(1) ? right : left;
    }
    return Status();
  }
  const Value& Declared() const { return graph_.values[op_.outputs[0]]; }

  Status Elementwise(DType result);
  Status Select();
  Status Cast();
  Status Iota();
  Status Reduce();
  Status Reshape();
  Status Transpose();
  Status Slice();
  Status Concat();
  Status Gather();
  Status Linear();
  Status BatchMatmul();
  Status StateWrite();
  Status StateRead();
  Status StateVisible();
  Status Norm();
  Status RopeTable();
  Status Rope();
  Status Activate();
  Status Glu();
  Status Attention();

  const Package& package_;
  const Graph& graph_;
  const Op& op_;
  std::vector<ValueType>* outputs_;
};

Status Inference::Elementwise(DType result) {
  DType dtype = DType::kF32;
  if (result == DType::kBool && In(0).dtype == DType::kI32) dtype = DType::kI32;
  Shape shape = ShapeOf(0);
  SAMARA_RETURN_IF_ERROR(WantDType(0, dtype));
  for (size_t i = 1; i < op_.inputs.size(); ++i) {
    SAMARA_RETURN_IF_ERROR(WantDType(i, dtype));
    Shape wider;
    SAMARA_RETURN_IF_ERROR(Broadcast(shape, ShapeOf(i), &wider));
    shape = wider;
  }
  return Result(result, shape);
}

Status Inference::Select() {
  SAMARA_RETURN_IF_ERROR(WantDType(0, DType::kBool));
  SAMARA_RETURN_IF_ERROR(WantDType(1, DType::kF32));
  SAMARA_RETURN_IF_ERROR(WantDType(2, DType::kF32));
  Shape values, shape;
  SAMARA_RETURN_IF_ERROR(Broadcast(ShapeOf(1), ShapeOf(2), &values));
  SAMARA_RETURN_IF_ERROR(Broadcast(ShapeOf(0), values, &shape));
  return Result(DType::kF32, shape);
}

Status Inference::Cast() {
  DType to = static_cast<DType>(op_.Int(AttrKey::kDType)), from = In(0).dtype;
  bool allowed = to == DType::kF32 ? from == DType::kI32 || from == DType::kBool
                                   : to == DType::kI32 && from == DType::kF32;
  if (!allowed)
    return Fail(std::string("no cast from ") + DTypeName(from) + " to " + DTypeName(to));
  return Result(to, ShapeOf(0));
}

Status Inference::Iota() {
  int axis = 0;
  SAMARA_RETURN_IF_ERROR(Axis(Declared().shape, &axis));
  return Result(DType::kI32, Declared().shape);
}

Status Inference::Reduce() {
  SAMARA_RETURN_IF_ERROR(WantDType(0, DType::kF32));
  int axis = 0;
  SAMARA_RETURN_IF_ERROR(Axis(ShapeOf(0), &axis));
  uint64_t least = 0, greatest = 0;
  if (!DimRange(DimOf(0, axis), package_.symbols, &least, &greatest) || least == 0) {
    return Fail("reduces dimension " + Text(DimOf(0, axis)) + ", which may be empty");
  }
  Shape shape = ShapeOf(0);
  shape.dims[axis] = Dim::Of(1);
  return Result(DType::kF32, shape);
}

Status Inference::Reshape() {
  if (!SameElements(ShapeOf(0), Declared().shape)) {
    return Fail("shapes " + Text(ShapeOf(0)) + " and " + Text(Declared().shape) +
                " are not known to have the same number of elements");
  }
  return Result(In(0).dtype, Declared().shape);
}

Status Inference::Transpose() {
  const std::vector<int64_t>& perm = op_.Find(AttrKey::kPerm)->ints;
  const Shape& from = ShapeOf(0);
  bool seen[kMaxRank] = {};
  bool valid = perm.size() == static_cast<size_t>(from.rank);
  Shape shape = from;
  for (size_t d = 0; valid && d < perm.size(); ++d) {
    valid = perm[d] < from.rank && !seen[perm[d]];
    if (!valid) break;
    seen[perm[d]] = true;
    shape.dims[d] = from.dims[perm[d]];
  }
  if (!valid) return Fail("perm is no permutation of the dimensions of " + Text(from));
  return Result(In(0).dtype, shape);
}

Status Inference::Slice() {
  int axis = 0;
  SAMARA_RETURN_IF_ERROR(Axis(ShapeOf(0), &axis));
  uint64_t begin = op_.Int(AttrKey::kBegin), length = op_.Int(AttrKey::kLength);
  uint64_t least = 0, greatest = 0;
  if (!DimRange(DimOf(0, axis), package_.symbols, &least, &greatest) || begin + length > least) {
    return Fail("elements " + std::to_string(begin) + " to " + std::to_string(begin + length) +
                " of dimension " + Text(DimOf(0, axis)));
  }
  Shape shape = ShapeOf(0);
  shape.dims[axis] = Dim::Of(static_cast<int64_t>(length));
  return Result(In(0).dtype, shape);
}

Status Inference::Concat() {
  int axis = 0;
  Shape shape = ShapeOf(0);
  SAMARA_RETURN_IF_ERROR(Axis(shape, &axis));
  for (size_t i = 1; i < op_.inputs.size(); ++i) {
    SAMARA_RETURN_IF_ERROR(WantDType(i, In(0).dtype));
    Shape other = ShapeOf(i);
    if (other.rank != shape.rank)
      return FailInput(i, Text(other), "rank " + std::to_string(shape.rank));
    Dim sum;
    if (!AddDims(shape.dims[axis], other.dims[axis], &sum)) {
      return Fail("dimensions " + Text(shape.dims[axis]) + " and " + Text(other.dims[axis]) +
                  " have no sum");
    }
    other.dims[axis] = shape.dims[axis];
    if (!(other == shape)) return FailInput(i, Text(ShapeOf(i)), Text(shape) + " beside the axis");
    shape.dims[axis] = sum;
  }
  return Result(In(0).dtype, shape);
}

Status Inference::Gather() {
  SAMARA_RETURN_IF_ERROR(Want(0, DType::kF32, 2));
  SAMARA_RETURN_IF_ERROR(Want(1, DType::kI32, 1));
  return Result(DType::kF32, Shape::Of({DimOf(1, 0), DimOf(0, 1)}));
}

Status Inference::Linear() {
  int64_t columns = 0;
  SAMARA_RETURN_IF_ERROR(WantRows(0, &columns));
  SAMARA_RETURN_IF_ERROR(WantWeight(1, 2));
  if (DimOf(1, 1).constant != columns) {
    return FailInput(1, Text(ShapeOf(1)), std::to_string(columns) + " columns");
  }
  Shape shape = Shape::Of({DimOf(0, 0), DimOf(1, 0)});
  if (Has(2)) SAMARA_RETURN_IF_ERROR(WantVector(2, DimOf(1, 0).constant));
  if (Has(3)) SAMARA_RETURN_IF_ERROR(WantShape(3, shape));
  return Result(DType::kF32, shape);
}

Status Inference::BatchMatmul() {
  SAMARA_RETURN_IF_ERROR(WantDType(0, DType::kF32));
  SAMARA_RETURN_IF_ERROR(WantDType(1, DType::kF32));
  Shape a = ShapeOf(0), b = ShapeOf(1);
  bool valid = a.rank >= 2 && a.rank == b.rank && a.dims[a.rank - 1] == b.dims[b.rank - 2];
  for (int d = 0; valid && d < a.rank - 2; ++d) valid = a.dims[d] == b.dims[d];
  if (!valid) return Fail("shapes " + Text(a) + " and " + Text(b) + " do not multiply");
  a.dims[a.rank - 1] = b.dims[b.rank - 1];
  return Result(DType::kF32, a);
}

Status Inference::StateWrite() {
  const State* state = nullptr;
  StatePart part;
  SAMARA_RETURN_IF_ERROR(Want(0, DType::kF32, 2));
  SAMARA_RETURN_IF_ERROR(WantTokens(0));
  SAMARA_RETURN_IF_ERROR(WantState(1, &state));
  SAMARA_RETURN_IF_ERROR(PartOf(*state, &part));
  int64_t columns = static_cast<int64_t>(uint64_t{part.heads} * part.dim);
  if (!(DimOf(0, 1) == Dim::Of(columns))) {
    return FailInput(0, Text(ShapeOf(0)), std::to_string(columns) + " columns");
  }
  return Status();
}

Status Inference::StateRead() {
  const State* state = nullptr;
  StatePart part;
  Dim slots;
  SAMARA_RETURN_IF_ERROR(WantState(0, &state));
  SAMARA_RETURN_IF_ERROR(PartOf(*state, &part));
  SAMARA_RETURN_IF_ERROR(SymbolDim(SymbolKind::kSlots, state->group, &slots));
  return Result(DType::kF32, Shape::Of({slots, Dim::Of(part.heads), Dim::Of(part.dim)}));
}

Status Inference::StateVisible() {
  const State* state = nullptr;
  Dim tokens, slots;
  SAMARA_RETURN_IF_ERROR(WantState(0, &state));
  SAMARA_RETURN_IF_ERROR(SymbolDim(SymbolKind::kTokens, 0, &tokens));
  SAMARA_RETURN_IF_ERROR(SymbolDim(SymbolKind::kSlots, state->group, &slots));
  return Result(DType::kBool, Shape::Of({tokens, slots}));
}

Status Inference::Norm() {
  int64_t columns = 0;
  SAMARA_RETURN_IF_ERROR(WantRows(0, &columns));
  int64_t group = op_.Int(AttrKey::kGroup);
  if (group == 0) group = columns;
  if (group == 0 || columns % group != 0) {
    return Fail(std::to_string(columns) + " columns are no multiple of group " +
                std::to_string(group));
  }
  const bool rms = op_.code == OpCode::kRmsNorm;
  for (size_t i = 1; i < 3; ++i) {
    if (Has(i)) SAMARA_RETURN_IF_ERROR(WantVector(i, rms ? group : columns));
  }
  return Result(DType::kF32, ShapeOf(0));
}

Status Inference::RopeTable() {
  SAMARA_RETURN_IF_ERROR(Want(0, DType::kI32, 1));
  SAMARA_RETURN_IF_ERROR(WantWeight(1, 1));
  Dim columns;
  if (!MultiplyDims(Dim::Of(2), DimOf(1, 0), &columns)) return Fail("table is too wide");
  return Result(DType::kF32, Shape::Of({DimOf(0, 0), columns}));
}

Status Inference::Rope() {
  int64_t columns = 0, rotated = 0, head = op_.Int(AttrKey::kHeadDim);
  SAMARA_RETURN_IF_ERROR(WantRows(0, &columns));
  SAMARA_RETURN_IF_ERROR(WantRows(1, &rotated));
  if (!(DimOf(1, 0) == DimOf(0, 0)))
    return FailInput(1, Text(ShapeOf(1)), "as many rows as input 0");
  if (columns % head != 0) {
    return Fail(std::to_string(columns) + " columns are no multiple of head_dim " +
                std::to_string(head));
  }
  if (rotated % 2 != 0 || rotated > head) {
    return FailInput(1, std::to_string(rotated) + " columns",
                     "an even number up to " + std::to_string(head));
  }
  return Result(DType::kF32, ShapeOf(0));
}

Status Inference::Activate() {
  int64_t columns = 0;
  SAMARA_RETURN_IF_ERROR(WantRows(0, &columns));
  return Result(DType::kF32, ShapeOf(0));
}

Status Inference::Glu() {
  int64_t columns = 0;
  SAMARA_RETURN_IF_ERROR(WantRows(0, &columns));
  if (columns % 2 != 0) return FailInput(0, Text(ShapeOf(0)), "an even number of columns");
  return Result(DType::kF32, Shape::Of({DimOf(0, 0), Dim::Of(columns / 2)}));
}

Status Inference::Attention() {
  const State* state = nullptr;
  int64_t heads = op_.Int(AttrKey::kHeads), kv_heads = op_.Int(AttrKey::kKvHeads);
  int64_t key_dim = op_.Int(AttrKey::kKeyDim), value_dim = op_.Int(AttrKey::kValueDim);
  SAMARA_RETURN_IF_ERROR(WantTokens(0));
  SAMARA_RETURN_IF_ERROR(WantShape(0, Shape::Of({DimOf(0, 0), Dim::Of(heads * key_dim)})));
  SAMARA_RETURN_IF_ERROR(WantState(1, &state));
  if (heads % kv_heads != 0) {
    return Fail(std::to_string(heads) + " heads are no multiple of " + std::to_string(kv_heads) +
                " kv_heads");
  }
  const std::vector<StatePart>& parts = state->parts;
  if (parts.size() != 2 || parts[0].heads != kv_heads || parts[1].heads != kv_heads ||
      parts[0].dim != key_dim || parts[1].dim != value_dim) {
    return Fail("kv_heads, key_dim or value_dim differ from state " + Quoted(state->name, 80));
  }
  if (Has(2)) SAMARA_RETURN_IF_ERROR(WantVector(2, heads));
  return Result(DType::kF32, Shape::Of({DimOf(0, 0), Dim::Of(heads * value_dim)}));
}

Status Inference::Run() {
  switch (op_.code) {
    case OpCode::kAdd:
    case OpCode::kSub:
    case OpCode::kMul:
    case OpCode::kDiv:
    case OpCode::kMin:
    case OpCode::kMax:
    case OpCode::kNeg:
    case OpCode::kExp:
    case OpCode::kLog:
    case OpCode::kSqrt:
    case OpCode::kSin:
    case OpCode::kCos:
    case OpCode::kTanh:
    case OpCode::kErf:
    case OpCode::kFloor:
      return Elementwise(DType::kF32);
    case OpCode::kEq:
    case OpCode::kNe:
    case OpCode::kLt:
    case OpCode::kLe:
      return Elementwise(DType::kBool);
    case OpCode::kSelect:
      return Select();
    case OpCode::kCast:
      return Cast();
    case OpCode::kConstant:
      return Result(DType::kF32, Shape());
    case OpCode::kIota:
      return Iota();
    case OpCode::kReduceSum:
    case OpCode::kReduceMax:
      return Reduce();
    case OpCode::kReshape:
      return Reshape();
    case OpCode::kTranspose:
      return Transpose();
    case OpCode::kSlice:
      return Slice();
    case OpCode::kConcat:
      return Concat();
    case OpCode::kGather:
      return Gather();
    case OpCode::kMatmul:
    case OpCode::kLinear:
      return Linear();
    case OpCode::kBatchMatmul:
      return BatchMatmul();
    case OpCode::kStateWrite:
      return StateWrite();
    case OpCode::kStateRead:
      return StateRead();
    case OpCode::kStateVisible:
      return StateVisible();
    case OpCode::kRmsNorm:
    case OpCode::kLayerNorm:
      return Norm();
    case OpCode::kRopeTable:
      return RopeTable();
    case OpCode::kRope:
      return Rope();
    case OpCode::kActivate:
      return Activate();
    case OpCode::kGlu:
      return Glu();
    case OpCode::kAttention:
      return Attention();
    case OpCode::kInvalid:
      break;
  }
  return Internal("%s has no shape inference", OpText(op_).c_str());
}

}  // namespace

Status InferTypes(const Package& package, const Graph& graph, const Op& op,
                  std::vector<ValueType>* outputs) {
  outputs->clear();
  if (!IsKnown(op)) {
    return Unsupported("%s version %u is not known to this build", OpText(op).c_str(), op.version);
  }
  SAMARA_RETURN_IF_ERROR(CheckForm(op));
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    ValueId id = op.inputs[i];
    if (id == kNoValue) continue;
    if (id < 0 || static_cast<size_t>(id) >= graph.values.size()) {
      return InvalidFile("%s: input %zu is value %d of %zu", OpText(op).c_str(), i, id,
                         graph.values.size());
    }
    // A state has no elements; only the operands that are states may be one.
    const Value& value = graph.values[id];
    bool is_state = value.kind == ValueKind::kState || value.dtype == DType::kInvalid;
    if (is_state && UseOfOperand(op.code, i) != OperandUse::kState) {
      return InvalidFile("%s: input %zu %s is a state, want a value", OpText(op).c_str(), i,
                         Quoted(value.name).c_str());
    }
  }
  for (ValueId id : op.outputs) {
    if (id < 0 || static_cast<size_t>(id) >= graph.values.size()) {
      return InvalidFile("%s: output is value %d of %zu", OpText(op).c_str(), id,
                         graph.values.size());
    }
  }
  return Inference(package, graph, op, outputs).Run();
}

}  // namespace samara
