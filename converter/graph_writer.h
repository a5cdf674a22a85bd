// Appends values and operators to a graph of the IR. The level below the builder: no checks but
// shapes.
#ifndef SAMARA_CONVERTER_GRAPH_WRITER_H_
#define SAMARA_CONVERTER_GRAPH_WRITER_H_

#include <string>
#include <vector>

#include "formats/graph.h"

namespace samara {

Attr IntAttr(AttrKey key, int64_t value);
Attr FloatAttr(AttrKey key, double value);
Attr IntsAttr(AttrKey key, std::vector<int64_t> values);

class GraphWriter {
 public:
  explicit GraphWriter(Graph* graph) : graph_(graph) {}

  Graph& graph() { return *graph_; }
  const Value& value(ValueId id) const { return graph_->values[static_cast<size_t>(id)]; }
  const Shape& shape(ValueId id) const { return value(id).shape; }

  ValueId AddValue(ValueKind kind, std::string name, DType dtype, const Shape& shape,
                   int32_t index = -1);
  // Appends an operator of the version that this build runs.
  Op& AddOp(OpCode code, std::string name, std::vector<ValueId> inputs,
            std::vector<Attr> attrs = {});
  // The same with one output.
  ValueId Emit(OpCode code, std::string name, std::vector<ValueId> inputs, DType dtype,
               const Shape& shape, std::vector<Attr> attrs = {});

 private:
  Graph* graph_;
};

// Core operators with their shapes, for decompositions: a value in, a value out. Operators are
// named after their position ("3.mul"), as a function has no scope.
class CoreWriter : public GraphWriter {
 public:
  using GraphWriter::GraphWriter;

  ValueId Constant(double value);
  ValueId Unary(OpCode code, ValueId x);
  ValueId Binary(OpCode code, ValueId x, ValueId y);  // F32, numpy broadcasting
  ValueId Select(ValueId condition, ValueId a, ValueId b);
  ValueId Reduce(OpCode code, ValueId x, int axis);
  ValueId Reshape(ValueId x, const Shape& shape);  // x itself if it has the shape
  ValueId Transpose(ValueId x, std::vector<int64_t> perm);
  ValueId Slice(ValueId x, int axis, int64_t begin, int64_t length);
  ValueId Concat(std::vector<ValueId> parts, int axis);
  ValueId BatchMatmul(ValueId a, ValueId b);

  ValueId Add(ValueId x, ValueId y) { return Binary(OpCode::kAdd, x, y); }
  ValueId Sub(ValueId x, ValueId y) { return Binary(OpCode::kSub, x, y); }
  ValueId Mul(ValueId x, ValueId y) { return Binary(OpCode::kMul, x, y); }
  ValueId Div(ValueId x, ValueId y) { return Binary(OpCode::kDiv, x, y); }
  ValueId Max(ValueId x, ValueId y) { return Binary(OpCode::kMax, x, y); }

  // Any core operator, named as above.
  ValueId Core(OpCode code, std::vector<ValueId> inputs, DType dtype, const Shape& shape,
               std::vector<Attr> attrs = {});
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_GRAPH_WRITER_H_
