#include "converter/decompositions.h"

#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "converter/graph_writer.h"
#include "formats/dim.h"

namespace samara {
namespace {

// Below every score of a real model, and far from the edge of binary32: exp(kMasked - max) is 0.
constexpr double kMasked = -1e30;

// One function being written. `in[i]` is the parameter of the operator's operand i, kNoValue if
// that is absent.
struct Function {
  CoreWriter w;
  std::vector<ValueId> in;
  const Op& op;

  Function(Graph* graph, const Op& source) : w(graph), op(source) {}
  const Shape& shape(size_t i) const { return w.shape(in[i]); }
  Dim dim(size_t i, int axis) const { return shape(i).dims[static_cast<size_t>(axis)]; }
  int64_t size(size_t i, int axis) const { return dim(i, axis).constant; }
  bool has(size_t i) const { return i < in.size() && in[i] != kNoValue; }
};

Dim Times(int64_t factor, const Dim& dim) {
  Dim product;
  return MultiplyDims(Dim::Of(factor), dim, &product) ? product : Dim::Of(-1);
}

// matmul, then bias, then residual.
ValueId Linear(Function& f) {
  const Shape out = Shape::Of({f.dim(0, 0), f.dim(1, 0)});
  ValueId y = f.w.Core(OpCode::kMatmul, {f.in[0], f.in[1]}, DType::kF32, out);
  if (f.has(2)) y = f.w.Add(y, f.in[2]);
  if (f.has(3)) y = f.w.Add(y, f.in[3]);
  return y;
}

// x / sqrt(mean(x^2) + eps) * weight, over runs of `group`.
ValueId RmsNorm(Function& f) {
  const Dim tokens = f.dim(0, 0);
  const int64_t n = f.size(0, 1);
  const int64_t group = f.op.Int(AttrKey::kGroup) > 0 ? f.op.Int(AttrKey::kGroup) : n;
  const bool whole = group == n;
  const Shape runs = whole ? f.shape(0) : Shape::Of({tokens, Dim::Of(n / group), Dim::Of(group)});
  const int axis = whole ? 1 : 2;
  const Shape full = f.shape(0);
  const ValueId x = f.w.Reshape(f.in[0], runs);
  const ValueId sum = f.w.Reduce(OpCode::kReduceSum, f.w.Mul(x, x), axis);
  const ValueId mean = f.w.Div(sum, f.w.Constant(static_cast<double>(group)));
  const ValueId norm =
      f.w.Unary(OpCode::kSqrt, f.w.Add(mean, f.w.Constant(f.op.Float(AttrKey::kEps))));
  ValueId y = f.w.Div(x, norm);
  if (f.has(1)) y = f.w.Mul(y, f.in[1]);
  return f.w.Reshape(y, full);
}

// (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * weight + bias, over runs of `group`.
ValueId LayerNorm(Function& f) {
  const Dim tokens = f.dim(0, 0);
  const int64_t n = f.size(0, 1);
  const int64_t group = f.op.Int(AttrKey::kGroup) > 0 ? f.op.Int(AttrKey::kGroup) : n;
  const Shape full = f.shape(0);
  const Shape runs = Shape::Of({tokens, Dim::Of(n / group), Dim::Of(group)});
  const ValueId x = f.w.Reshape(f.in[0], runs), count = f.w.Constant(static_cast<double>(group));
  const ValueId mean = f.w.Div(f.w.Reduce(OpCode::kReduceSum, x, 2), count);
  const ValueId d = f.w.Sub(x, mean);
  const ValueId variance = f.w.Div(f.w.Reduce(OpCode::kReduceSum, f.w.Mul(d, d), 2), count);
  const ValueId deviation =
      f.w.Unary(OpCode::kSqrt, f.w.Add(variance, f.w.Constant(f.op.Float(AttrKey::kEps))));
  ValueId y = f.w.Reshape(f.w.Div(d, deviation), full);
  if (f.has(1)) y = f.w.Mul(y, f.in[1]);
  if (f.has(2)) y = f.w.Add(y, f.in[2]);
  return y;
}

// Cosines, then sines, of position * inv_freq.
ValueId RopeTable(Function& f) {
  const Shape column = Shape::Of({f.dim(0, 0), Dim::Of(1)});
  const ValueId positions = f.w.Core(OpCode::kCast, {f.in[0]}, DType::kF32, Shape(f.shape(0)),
                                     {IntAttr(AttrKey::kDType, static_cast<int64_t>(DType::kF32))});
  const ValueId angles = f.w.Mul(f.w.Reshape(positions, column), f.in[1]);
  const ValueId table =
      f.w.Concat({f.w.Unary(OpCode::kCos, angles), f.w.Unary(OpCode::kSin, angles)}, 1);
  return f.w.Mul(table, f.w.Constant(f.op.Float(AttrKey::kFactor, 1)));
}

// (a, b) -> (a cos - b sin, b cos + a sin) for each pair of the first R dimensions of each head.
ValueId Rope(Function& f) {
  const Dim tokens = f.dim(0, 0);
  const int64_t n = f.size(0, 1), head = f.op.Int(AttrKey::kHeadDim), rotated = f.size(1, 1),
                half = rotated / 2;
  const Dim heads = Dim::Of(n / head);
  const bool interleaved = f.op.Int(AttrKey::kInterleaved) != 0;
  const Shape full = f.shape(0);
  const ValueId x = f.w.Reshape(f.in[0], Shape::Of({tokens, heads, Dim::Of(head)}));
  // Pairs lie `half` apart, or side by side in a last dimension of 2.
  const Shape angles = interleaved ? Shape::Of({tokens, Dim::Of(1), Dim::Of(half), Dim::Of(1)})
                                   : Shape::Of({tokens, Dim::Of(1), Dim::Of(half)});
  const ValueId cos = f.w.Reshape(f.w.Slice(f.in[1], 1, 0, half), angles);
  const ValueId sin = f.w.Reshape(f.w.Slice(f.in[1], 1, half, half), angles);
  const int axis = interleaved ? 3 : 2;
  ValueId pairs = rotated < head ? f.w.Slice(x, 2, 0, rotated) : x;
  if (interleaved)
    pairs = f.w.Reshape(pairs, Shape::Of({tokens, heads, Dim::Of(half), Dim::Of(2)}));
  const int64_t step = interleaved ? 1 : half;
  const ValueId a = f.w.Slice(pairs, axis, 0, step), b = f.w.Slice(pairs, axis, step, step);
  ValueId y = f.w.Concat(
      {f.w.Sub(f.w.Mul(a, cos), f.w.Mul(b, sin)), f.w.Add(f.w.Mul(b, cos), f.w.Mul(a, sin))}, axis);
  y = f.w.Reshape(y, Shape::Of({tokens, heads, Dim::Of(rotated)}));
  if (rotated < head) y = f.w.Concat({y, f.w.Slice(x, 2, rotated, head - rotated)}, 2);
  return f.w.Reshape(y, full);
}

ValueId Activate(CoreWriter& w, ValueId x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return w.Div(x, w.Add(w.Constant(1), w.Unary(OpCode::kExp, w.Unary(OpCode::kNeg, x))));
    case Activation::kGeluTanh: {
      const ValueId cube = w.Mul(w.Mul(x, x), x);
      const ValueId inner = w.Add(x, w.Mul(w.Constant(0.044715), cube));
      const ValueId t =
          w.Unary(OpCode::kTanh, w.Mul(w.Constant(std::sqrt(2 / 3.14159265358979323846)), inner));
      return w.Mul(w.Mul(w.Constant(0.5), x), w.Add(w.Constant(1), t));
    }
    case Activation::kGeluErf: {
      const ValueId e = w.Unary(OpCode::kErf, w.Mul(x, w.Constant(std::sqrt(0.5))));
      return w.Mul(w.Mul(w.Constant(0.5), x), w.Add(w.Constant(1), e));
    }
    case Activation::kRelu:
      return w.Max(x, w.Constant(0));
  }
  return kNoValue;
}

ValueId Glu(Function& f) {
  const int64_t n = f.size(0, 1) / 2;
  const ValueId gate = f.w.Slice(f.in[0], 1, 0, n), up = f.w.Slice(f.in[0], 1, n, n);
  return f.w.Mul(Activate(f.w, gate, static_cast<Activation>(f.op.Int(AttrKey::kActivation))), up);
}

// Softmax over all slots of the pool, those that a token does not see masked. With G K/V heads, R
// query heads for each, T tokens and S slots.
ValueId Attention(Function& f, const Package& package) {
  const int64_t heads = f.op.Int(AttrKey::kHeads), groups = f.op.Int(AttrKey::kKvHeads);
  const int64_t key = f.op.Int(AttrKey::kKeyDim), val = f.op.Int(AttrKey::kValueDim),
                repeat = heads / groups;
  const Dim G = Dim::Of(groups), R = Dim::Of(repeat), T = f.dim(0, 0), RT = Times(repeat, T);
  const State& state = package.states[static_cast<size_t>(f.w.value(f.in[1]).index)];
  Dim S = Dim::Of(-1);
  for (size_t i = 0; i < package.symbols.size(); ++i) {
    const Symbol& symbol = package.symbols[i];
    if (symbol.kind == SymbolKind::kSlots && symbol.group == state.group)
      S = Dim::Sym(static_cast<uint32_t>(i));
  }
  const auto read = [&](int64_t part, int64_t dim) {
    return f.w.Core(OpCode::kStateRead, {f.in[1]}, DType::kF32, Shape::Of({S, G, Dim::Of(dim)}),
                    {IntAttr(AttrKey::kPart, part)});
  };
  const ValueId visible =
      f.w.Core(OpCode::kStateVisible, {f.in[1]}, DType::kBool, Shape::Of({T, S}),
               {IntAttr(AttrKey::kWindow, f.op.Int(AttrKey::kWindow))});
  const Shape rows = Shape::Of({G, RT, S}), cells = Shape::Of({G, R, T, S});

  ValueId q = f.w.Mul(f.in[0], f.w.Constant(f.op.Float(AttrKey::kScale)));
  q = f.w.Transpose(f.w.Reshape(q, Shape::Of({T, G, R, Dim::Of(key)})), {1, 2, 0, 3});
  q = f.w.Reshape(q, Shape::Of({G, RT, Dim::Of(key)}));
  ValueId scores = f.w.BatchMatmul(q, f.w.Transpose(read(0, key), {1, 2, 0}));
  if (const double cap = f.op.Float(AttrKey::kSoftcap); cap > 0) {
    const ValueId c = f.w.Constant(cap);
    scores = f.w.Mul(c, f.w.Unary(OpCode::kTanh, f.w.Div(scores, c)));
  }
  scores = f.w.Select(visible, f.w.Reshape(scores, cells), f.w.Constant(kMasked));

  ValueId most = f.w.Reduce(OpCode::kReduceMax, scores, 3);
  ValueId sinks = kNoValue;
  if (f.has(2)) {
    sinks = f.w.Reshape(f.in[2], Shape::Of({G, R, Dim::Of(1), Dim::Of(1)}));
    most = f.w.Max(most, sinks);
  }
  const ValueId weights = f.w.Unary(OpCode::kExp, f.w.Sub(scores, most));
  ValueId sum = f.w.Reduce(OpCode::kReduceSum, weights, 3);
  if (sinks != kNoValue) sum = f.w.Add(sum, f.w.Unary(OpCode::kExp, f.w.Sub(sinks, most)));

  const ValueId values = f.w.Transpose(read(1, val), {1, 0, 2});
  ValueId out = f.w.BatchMatmul(f.w.Reshape(weights, rows), values);
  out = f.w.Div(f.w.Reshape(out, Shape::Of({G, R, T, Dim::Of(val)})), sum);
  return f.w.Reshape(f.w.Transpose(out, {2, 0, 1, 3}), Shape::Of({T, Dim::Of(heads * val)}));
}

// Equal texts: the operators can share a function.
std::string Signature(const Package& package, const Graph& graph, const Op& op) {
  std::string text = op.type_name + "/" + std::to_string(op.version);
  for (const ValueId id : op.inputs) {
    text += "|";
    if (id == kNoValue) continue;
    const Value& value = graph.values[static_cast<size_t>(id)];
    if (value.kind == ValueKind::kState) {
      const State& state = package.states[static_cast<size_t>(value.index)];
      text += "state " + std::to_string(state.group);
      for (const StatePart& part : state.parts) {
        text += "," + std::to_string(part.heads) + "x" + std::to_string(part.dim);
      }
    } else {
      text +=
          std::to_string(static_cast<int>(value.dtype)) + ShapeText(value.shape, package.symbols);
    }
  }
  for (const Attr& attr : op.attrs) {
    char number[40];
    const std::string f(number, std::to_chars(number, number + sizeof number, attr.f).ptr);
    text +=
        ";" + std::to_string(static_cast<int>(attr.key)) + "=" + std::to_string(attr.i) + "," + f;
    for (const int64_t i : attr.ints) text += "," + std::to_string(i);
  }
  return text;
}

Status WriteFunction(const Package& package, const Graph& graph, const Op& op, Graph* out) {
  Function f(out, op);
  for (const ValueId id : op.inputs) {
    if (id == kNoValue) {
      f.in.push_back(kNoValue);
      continue;
    }
    const Value& value = graph.values[static_cast<size_t>(id)];
    const bool state = value.kind == ValueKind::kState;
    f.in.push_back(f.w.AddValue(ValueKind::kInput, "in" + std::to_string(f.in.size()), value.dtype,
                                value.shape, state ? value.index : -1));
    out->inputs.push_back({f.in.back(), InputRole::kParameter});
  }
  ValueId result = kNoValue;
  switch (op.code) {
    case OpCode::kLinear:
      result = Linear(f);
      break;
    case OpCode::kRmsNorm:
      result = RmsNorm(f);
      break;
    case OpCode::kRopeTable:
      result = RopeTable(f);
      break;
    case OpCode::kRope:
      result = Rope(f);
      break;
    case OpCode::kGlu:
      result = Glu(f);
      break;
    case OpCode::kLayerNorm:
      result = LayerNorm(f);
      break;
    case OpCode::kActivate:
      result = Activate(f.w, f.in[0], static_cast<Activation>(op.Int(AttrKey::kActivation)));
      break;
    case OpCode::kAttention:
      result = Attention(f, package);
      break;
    default:
      return Internal("operator %s: no decomposition of %s", op.name.c_str(), op.type_name.c_str());
  }
  out->outputs.push_back({result, OutputRole::kResult});
  return Status();
}

}  // namespace

Status AddDecompositions(Package* package) {
  package->functions.clear();
  std::map<std::string, int32_t> known;
  std::map<std::string, int> count;
  for (Graph& graph : package->entries) {
    for (Op& op : graph.ops) {
      const OpInfo* info = FindOp(op.code);
      if (info == nullptr || !info->composite) continue;
      const auto [at, added] = known.emplace(Signature(*package, graph, op),
                                             static_cast<int32_t>(package->functions.size()));
      if (added) {
        Graph function;
        function.name = op.type_name + "." + std::to_string(count[op.type_name]++);
        SAMARA_RETURN_IF_ERROR(WriteFunction(*package, graph, op, &function));
        package->functions.push_back(std::move(function));
      }
      op.decomposition = at->second;
    }
  }
  return Status();
}

}  // namespace samara
