#include "converter/graph_writer.h"

#include <algorithm>
#include <utility>

#include "formats/dim.h"

namespace samara {

Attr IntAttr(AttrKey key, int64_t value) {
  Attr attr;
  attr.key = key;
  attr.i = value;
  return attr;
}

Attr FloatAttr(AttrKey key, double value) {
  Attr attr;
  attr.key = key;
  attr.f = value;
  return attr;
}

Attr IntsAttr(AttrKey key, std::vector<int64_t> values) {
  Attr attr;
  attr.key = key;
  attr.ints = std::move(values);
  return attr;
}

ValueId GraphWriter::AddValue(ValueKind kind, std::string name, DType dtype, const Shape& shape,
                              int32_t index) {
  Value value;
  value.name = std::move(name);
  value.kind = kind;
  value.dtype = dtype;
  value.shape = shape;
  value.index = index;
  graph_->values.push_back(std::move(value));
  return static_cast<ValueId>(graph_->values.size() - 1);
}

Op& GraphWriter::AddOp(OpCode code, std::string name, std::vector<ValueId> inputs,
                       std::vector<Attr> attrs) {
  const OpInfo* info = FindOp(code);
  Op op;
  op.code = code;
  op.version = info->version;
  op.type_name = info->name;
  op.name = std::move(name);
  op.inputs = std::move(inputs);
  op.attrs = std::move(attrs);
  graph_->ops.push_back(std::move(op));
  return graph_->ops.back();
}

ValueId GraphWriter::Emit(OpCode code, std::string name, std::vector<ValueId> inputs, DType dtype,
                          const Shape& shape, std::vector<Attr> attrs) {
  const ValueId out = AddValue(ValueKind::kActivation, name, dtype, shape);
  AddOp(code, std::move(name), std::move(inputs), std::move(attrs)).outputs = {out};
  return out;
}

ValueId CoreWriter::Core(OpCode code, std::vector<ValueId> inputs, DType dtype, const Shape& shape,
                         std::vector<Attr> attrs) {
  return Emit(code, std::to_string(graph().ops.size()) + "." + FindOp(code)->name,
              std::move(inputs), dtype, shape, std::move(attrs));
}

ValueId CoreWriter::Constant(double value) {
  return Core(OpCode::kConstant, {}, DType::kF32, Shape(), {FloatAttr(AttrKey::kValue, value)});
}

ValueId CoreWriter::Unary(OpCode code, ValueId x) {
  return Core(code, {x}, DType::kF32, Shape(shape(x)));
}

namespace {

Shape Broadcast(const Shape& a, const Shape& b) {
  Shape out;
  out.rank = std::max(a.rank, b.rank);
  for (int i = 0; i < out.rank; ++i) {
    const int ia = i - (out.rank - a.rank), ib = i - (out.rank - b.rank);
    const Dim da = ia >= 0 ? a.dims[static_cast<size_t>(ia)] : Dim::Of(1);
    const Dim db = ib >= 0 ? b.dims[static_cast<size_t>(ib)] : Dim::Of(1);
    out.dims[static_cast<size_t>(i)] = da == Dim::Of(1) ? db : da;
  }
  return out;
}

}  // namespace

ValueId CoreWriter::Binary(OpCode code, ValueId x, ValueId y) {
  return Core(code, {x, y}, DType::kF32, Broadcast(shape(x), shape(y)));
}

ValueId CoreWriter::Select(ValueId condition, ValueId a, ValueId b) {
  return Core(OpCode::kSelect, {condition, a, b}, DType::kF32,
              Broadcast(shape(condition), Broadcast(shape(a), shape(b))));
}

ValueId CoreWriter::Reduce(OpCode code, ValueId x, int axis) {
  Shape out = shape(x);
  out.dims[static_cast<size_t>(axis)] = Dim::Of(1);
  return Core(code, {x}, DType::kF32, out, {IntAttr(AttrKey::kAxis, axis)});
}

ValueId CoreWriter::Reshape(ValueId x, const Shape& to) {
  if (shape(x) == to) return x;
  return Core(OpCode::kReshape, {x}, value(x).dtype, to);
}

ValueId CoreWriter::Transpose(ValueId x, std::vector<int64_t> perm) {
  const Shape from = shape(x);
  Shape out;
  out.rank = from.rank;
  for (int i = 0; i < from.rank; ++i) {
    out.dims[static_cast<size_t>(i)] = from.dims[static_cast<size_t>(perm[static_cast<size_t>(i)])];
  }
  return Core(OpCode::kTranspose, {x}, value(x).dtype, out,
              {IntsAttr(AttrKey::kPerm, std::move(perm))});
}

ValueId CoreWriter::Slice(ValueId x, int axis, int64_t begin, int64_t length) {
  Shape out = shape(x);
  out.dims[static_cast<size_t>(axis)] = Dim::Of(length);
  return Core(OpCode::kSlice, {x}, value(x).dtype, out,
              {IntAttr(AttrKey::kAxis, axis), IntAttr(AttrKey::kBegin, begin),
               IntAttr(AttrKey::kLength, length)});
}

ValueId CoreWriter::Concat(std::vector<ValueId> parts, int axis) {
  if (parts.size() == 1) return parts[0];
  Shape out = shape(parts[0]);
  Dim& sum = out.dims[static_cast<size_t>(axis)];
  // Concatenated sizes are constants of a few terms: the sum always has a normal form.
  for (size_t i = 1; i < parts.size(); ++i) {
    if (!AddDims(sum, shape(parts[i]).dims[static_cast<size_t>(axis)], &sum)) sum = Dim::Of(-1);
  }
  const DType dtype = value(parts[0]).dtype;
  return Core(OpCode::kConcat, std::move(parts), dtype, out, {IntAttr(AttrKey::kAxis, axis)});
}

ValueId CoreWriter::BatchMatmul(ValueId a, ValueId b) {
  Shape out = shape(a);
  const Shape& right = shape(b);
  out.dims[static_cast<size_t>(out.rank - 1)] = right.dims[static_cast<size_t>(right.rank - 1)];
  return Core(OpCode::kBatchMatmul, {a, b}, DType::kF32, out);
}

}  // namespace samara
