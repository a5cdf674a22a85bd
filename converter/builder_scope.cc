// What a model file writes with: each method makes one operator or a few.
#include <algorithm>
#include <utility>

#include "converter/builder.h"

namespace samara {

std::string Scope::Join(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

Scope Scope::In(std::string_view name) const { return Scope(builder_, Join(name)); }

Scope Scope::In(std::string_view name, int64_t number) const {
  return Scope(builder_, Join(name) + "." + std::to_string(number));
}

Tensor Scope::Embedding(std::string_view name, int64_t rows, int64_t columns) {
  const std::string path = Join(name);
  const ValueId table = builder_->Matrix(path + ".weight", rows, columns);
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(OpCode::kGather, path, {table, builder_->ids_}, DType::kF32,
                                       Shape::Of({builder_->tokens_, Dim::Of(columns)})));
}

Tensor Scope::LinearOf(Tensor x, const std::string& path, ValueId matrix, ValueId bias) {
  if (builder_->failed()) return Tensor();
  std::vector<ValueId> inputs = {x.id_, matrix};
  if (bias != kNoValue) inputs.push_back(bias);
  const Dim rows = builder_->writer_.shape(matrix).dims[0];
  return Tensor(builder_->writer_.Emit(OpCode::kLinear, path, std::move(inputs), DType::kF32,
                                       Shape::Of({builder_->ShapeOf(x).dims[0], rows})));
}

Tensor Scope::Linear(Tensor x, std::string_view name, int64_t rows, bool bias) {
  const std::string path = Join(name);
  const ValueId matrix = builder_->Matrix(path + ".weight", rows, builder_->Columns(x, path));
  return LinearOf(x, path, matrix, bias ? builder_->Vector(path + ".bias", rows) : kNoValue);
}

Tensor Scope::TransposedLinear(Tensor x, std::string_view name, int64_t rows, bool bias) {
  const std::string path = Join(name);
  const ValueId matrix = builder_->Matrix(path + ".weight", rows, builder_->Columns(x, path), true);
  return LinearOf(x, path, matrix, bias ? builder_->Vector(path + ".bias", rows) : kNoValue);
}

Tensor Scope::LinearRows(Tensor x, std::string_view name, std::string_view part, int64_t total,
                         const std::vector<RowRange>& ranges, bool bias) {
  const std::string path = Join(name), own = path + "." + std::string(part);
  const ValueId matrix = builder_->MatrixRows(path + ".weight", own + ".weight", total,
                                              builder_->Columns(x, path), ranges);
  const ValueId offset =
      bias ? builder_->VectorRows(path + ".bias", own + ".bias", total, ranges) : kNoValue;
  return LinearOf(x, own, matrix, offset);
}

Tensor Scope::TiedLinear(Tensor x, std::string_view name, int64_t rows) {
  const std::string path = Join(name);
  const ValueId table = builder_->Matrix(path + ".weight", rows, builder_->Columns(x, path));
  return LinearOf(x, path + ".tied", table, kNoValue);
}

Tensor Scope::PositionEmbedding(std::string_view name, int64_t rows, int64_t columns) {
  const std::string path = Join(name);
  const ValueId table = builder_->Matrix(path + ".weight", rows, columns);
  if (builder_->failed()) return Tensor();
  builder_->LimitContext(rows);
  return Tensor(builder_->writer_.Emit(OpCode::kGather, path, {table, builder_->positions_},
                                       DType::kF32,
                                       Shape::Of({builder_->tokens_, Dim::Of(columns)})));
}

Tensor Scope::RmsNorm(Tensor x, std::string_view name, double eps, int64_t group,
                      NormWeight weight) {
  const std::string path = Join(name);
  const int64_t columns = builder_->Columns(x, path);
  const int64_t size = group > 0 ? group : columns;
  builder_->Want(columns % std::max<int64_t>(size, 1) == 0, path,
                 std::to_string(columns) + " columns", "a multiple of " + std::to_string(size));
  std::vector<ValueId> inputs = {x.id_};
  if (weight != NormWeight::kNone)
    inputs.push_back(builder_->Vector(path + ".weight", size, weight == NormWeight::kPlusOne));
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(
      OpCode::kRmsNorm, path, std::move(inputs), DType::kF32, Shape(builder_->ShapeOf(x)),
      {FloatAttr(AttrKey::kEps, eps), IntAttr(AttrKey::kGroup, group)}));
}

Tensor Scope::LayerNorm(Tensor x, std::string_view name, double eps, bool bias) {
  const std::string path = Join(name);
  const int64_t columns = builder_->Columns(x, path);
  std::vector<ValueId> inputs = {x.id_, builder_->Vector(path + ".weight", columns)};
  if (bias) inputs.push_back(builder_->Vector(path + ".bias", columns));
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(OpCode::kLayerNorm, path, std::move(inputs), DType::kF32,
                                       Shape(builder_->ShapeOf(x)),
                                       {FloatAttr(AttrKey::kEps, eps)}));
}

Tensor Scope::LayerNormByHead(Tensor x, std::string_view name, double eps, int64_t group) {
  const std::string path = Join(name);
  const int64_t columns = builder_->Columns(x, path);
  builder_->Want(group > 0 && columns % std::max<int64_t>(group, 1) == 0, path,
                 std::to_string(columns) + " columns", "a multiple of " + std::to_string(group));
  if (builder_->failed()) return Tensor();
  const ValueId weight = builder_->VectorList(path, columns / group, group);
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(
      OpCode::kLayerNorm, path, {x.id_, weight}, DType::kF32, Shape(builder_->ShapeOf(x)),
      {FloatAttr(AttrKey::kEps, eps), IntAttr(AttrKey::kGroup, group)}));
}

ValueId Scope::RopeTable(const std::string& base, const RopeSettings& settings) const {
  GraphWriter& w = builder_->writer_;
  const Shape shape =
      Shape::Of({builder_->tokens_, Dim::Of(2 * static_cast<int64_t>(settings.inv_freq.size()))});
  const auto table = [&](const char* name, const std::vector<float>& inv_freq) {
    const ValueId frequencies = builder_->Constant("rope.inv_freq", inv_freq);
    return w.Emit(OpCode::kRopeTable, base + name, {builder_->positions_, frequencies}, DType::kF32,
                  Shape(shape), {FloatAttr(AttrKey::kFactor, settings.factor)});
  };
  const ValueId near = table(".rope_table", settings.inv_freq);
  if (settings.long_inv_freq.empty()) return near;
  const ValueId far = table(".rope_table_long", settings.long_inv_freq);
  // ceil(n_ctx / long_from) numbers, counted from 0: the last is 1 or more for long contexts only.
  Dim count = builder_->context_;
  count.divisor = settings.long_from;
  const std::string own = base + ".long_context";
  const ValueId numbers = w.Emit(OpCode::kIota, own + ".iota", {}, DType::kI32, Shape::Of({count}),
                                 {IntAttr(AttrKey::kAxis, 0)});
  const ValueId floats =
      w.Emit(OpCode::kCast, own + ".cast", {numbers}, DType::kF32, Shape::Of({count}),
             {IntAttr(AttrKey::kDType, static_cast<int64_t>(DType::kF32))});
  const ValueId last = w.Emit(OpCode::kReduceMax, own + ".last", {floats}, DType::kF32,
                              Shape::Of({Dim::Of(1)}), {IntAttr(AttrKey::kAxis, 0)});
  const ValueId is_long =
      w.Emit(OpCode::kLt, own, {builder_->Scalar(0), last}, DType::kBool, Shape::Of({Dim::Of(1)}));
  return w.Emit(OpCode::kSelect, base + ".rope_table_chosen", {is_long, far, near}, DType::kF32,
                Shape(shape));
}

Tensor Scope::Rope(Tensor x, int64_t head_dim, const RopeSettings& settings) {
  const int64_t columns = builder_->Columns(x, Join("rope"));
  const int64_t rotated = 2 * static_cast<int64_t>(settings.inv_freq.size());
  builder_->Want(rotated >= 2 && rotated <= head_dim, path_,
                 std::to_string(rotated) + " rotated dimensions",
                 "2 to head_dim " + std::to_string(head_dim));
  builder_->Want(head_dim > 0 && columns % std::max<int64_t>(head_dim, 1) == 0, path_,
                 std::to_string(columns) + " columns",
                 "a multiple of head_dim " + std::to_string(head_dim));
  if (builder_->failed()) return Tensor();
  builder_->Want(builder_->ShapeOf(x).dims[0] == builder_->tokens_, path_,
                 "rows that are no tokens", "one position a row");
  if (builder_->failed()) return Tensor();
  if (settings.max_context > 0) builder_->LimitContext(settings.max_context);
  GraphWriter& w = builder_->writer_;
  const std::string base = w.value(x.id_).name;
  const ValueId table = RopeTable(base, settings);
  return Tensor(w.Emit(OpCode::kRope, base + ".rope", {x.id_, table}, DType::kF32,
                       Shape(builder_->ShapeOf(x)),
                       {IntAttr(AttrKey::kHeadDim, head_dim),
                        IntAttr(AttrKey::kInterleaved, settings.interleaved)}));
}

Tensor Scope::Glu(Tensor gate, Tensor up, Activation activation) {
  const int64_t columns = builder_->Columns(gate, Join("glu"));
  builder_->Want(columns == builder_->Columns(up, Join("glu")), path_,
                 "gate and up of different sizes", "equal ones");
  if (builder_->failed()) return Tensor();
  GraphWriter& w = builder_->writer_;
  const Dim rows = w.shape(gate.id_).dims[0];
  const ValueId both =
      w.Emit(OpCode::kConcat, Join("gate_up"), {gate.id_, up.id_}, DType::kF32,
             Shape::Of({rows, Dim::Of(2 * columns)}), {IntAttr(AttrKey::kAxis, 1)});
  return Tensor(w.Emit(OpCode::kGlu, Join("glu"), {both}, DType::kF32,
                       Shape::Of({rows, Dim::Of(columns)}),
                       {IntAttr(AttrKey::kActivation, static_cast<int64_t>(activation))}));
}

Tensor Scope::Activate(Tensor x, Activation activation) {
  static_cast<void>(builder_->Columns(x, Join("activation")));
  if (builder_->failed()) return Tensor();
  GraphWriter& w = builder_->writer_;
  return Tensor(w.Emit(OpCode::kActivate, w.value(x.id_).name + ".activation", {x.id_}, DType::kF32,
                       Shape(builder_->ShapeOf(x)),
                       {IntAttr(AttrKey::kActivation, static_cast<int64_t>(activation))}));
}

Tensor Scope::Add(Tensor x, Tensor y) {
  const int64_t columns = builder_->Columns(x, Join("add"));
  builder_->Want(columns == builder_->Columns(y, Join("add")), path_,
                 "a sum of values of different sizes", "equal ones");
  if (builder_->failed()) return Tensor();
  GraphWriter& w = builder_->writer_;
  const std::string name = w.value(y.id_).name + ".add";
  return Tensor(
      w.Emit(OpCode::kAdd, name, {x.id_, y.id_}, DType::kF32, Shape(builder_->ShapeOf(x))));
}

Tensor Scope::Scale(Tensor x, double factor) {
  static_cast<void>(builder_->Columns(x, Join("scale")));
  if (builder_->failed() || factor == 1) return x;
  GraphWriter& w = builder_->writer_;
  const std::string name = w.value(x.id_).name + ".scaled";
  return Tensor(w.Emit(OpCode::kMul, name, {x.id_, builder_->Scalar(factor)}, DType::kF32,
                       Shape(builder_->ShapeOf(x))));
}

Tensor Scope::ScaleBy(Tensor x, std::string_view name) {
  static_cast<void>(builder_->Columns(x, Join(name)));
  const ValueId factor = builder_->Vector(Join(name), 1);
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(OpCode::kMul, Join(name), {x.id_, factor}, DType::kF32,
                                       Shape(builder_->ShapeOf(x))));
}

Tensor Scope::Softcap(Tensor scaled, double cap) {
  static_cast<void>(builder_->Columns(scaled, Join("softcap")));
  if (builder_->failed()) return Tensor();
  GraphWriter& w = builder_->writer_;
  const std::string name = w.value(scaled.id_).name;
  const Shape shape = w.shape(scaled.id_);
  const ValueId bent = w.Emit(OpCode::kTanh, name + ".tanh", {scaled.id_}, DType::kF32, shape);
  return Tensor(w.Emit(OpCode::kMul, name + ".capped", {bent, builder_->Scalar(cap)}, DType::kF32,
                       Shape(shape)));
}

Tensor Scope::Columns(Tensor x, int64_t first, int64_t count) {
  const int64_t columns = builder_->Columns(x, Join("columns"));
  builder_->Want(first >= 0 && count > 0 && first <= columns - count, path_,
                 std::to_string(columns) + " columns",
                 std::to_string(first + count) + " of them or more");
  if (builder_->failed()) return Tensor();
  GraphWriter& w = builder_->writer_;
  const std::string name = w.value(x.id_).name + "." + std::to_string(first);
  return Tensor(w.Emit(OpCode::kSlice, name, {x.id_}, DType::kF32,
                       Shape::Of({w.shape(x.id_).dims[0], Dim::Of(count)}),
                       {IntAttr(AttrKey::kAxis, 1), IntAttr(AttrKey::kBegin, first),
                        IntAttr(AttrKey::kLength, count)}));
}

Tensor Scope::ScaleByPosition(Tensor x, double beta, int64_t length) {
  static_cast<void>(builder_->Columns(x, Join("position_scale")));
  if (builder_->failed()) return Tensor();
  GraphWriter& w = builder_->writer_;
  const std::string base = w.value(x.id_).name + ".position_scale";
  const Shape tokens = Shape::Of({builder_->tokens_}),
              column = Shape::Of({builder_->tokens_, Dim::Of(1)});
  const auto op = [&](OpCode code, const char* name, std::vector<ValueId> inputs) {
    return w.Emit(code, base + name, std::move(inputs), DType::kF32, Shape(tokens));
  };
  const ValueId one = builder_->Scalar(1);
  ValueId s = w.Emit(OpCode::kCast, base + ".cast", {builder_->positions_}, DType::kF32,
                     Shape(tokens), {IntAttr(AttrKey::kDType, static_cast<int64_t>(DType::kF32))});
  s = op(OpCode::kDiv, ".div", {s, builder_->Scalar(static_cast<double>(length))});
  s = op(OpCode::kFloor, ".floor", {s});
  s = op(OpCode::kLog, ".log", {op(OpCode::kAdd, ".add", {s, one})});
  s = op(OpCode::kMul, ".mul", {s, builder_->Scalar(beta)});
  s = op(OpCode::kAdd, ".sum", {s, one});
  s = w.Emit(OpCode::kReshape, base, {s}, DType::kF32, column);
  return Tensor(w.Emit(OpCode::kMul, w.value(x.id_).name + ".scaled", {x.id_, s}, DType::kF32,
                       Shape(builder_->ShapeOf(x))));
}

Tensor Scope::Attention(Tensor q, Tensor k, Tensor v, const AttentionSettings& s,
                        std::string_view sinks) {
  const auto want = [&](Tensor x, const char* what, int64_t dim) {
    const int64_t columns = builder_->Columns(x, Join(what));
    builder_->Want(columns == s.kv_heads * dim, Join(what), std::to_string(columns) + " columns",
                   std::to_string(s.kv_heads) + " heads of " + std::to_string(dim));
  };
  want(k, "key", s.key_dim);
  want(v, "value", s.value_dim);
  if (builder_->failed()) return Tensor();
  const ValueId state = builder_->StateValue(Join("kv"), s);
  GraphWriter& w = builder_->writer_;
  w.AddOp(OpCode::kStateWrite, Join("write_k"), {k.id_, state}, {IntAttr(AttrKey::kPart, 0)});
  w.AddOp(OpCode::kStateWrite, Join("write_v"), {v.id_, state}, {IntAttr(AttrKey::kPart, 1)});
  return Attend(q, state, s, sinks);
}

Tensor Scope::SharedAttention(Tensor q, const Scope& owner, const AttentionSettings& s) {
  if (builder_->failed()) return Tensor();
  const auto state = builder_->states_.find(owner.Join("kv"));
  builder_->Want(state != builder_->states_.end(), path_, "keys and values of " + owner.path_,
                 "an attention that was written before");
  return builder_->failed() ? Tensor() : Attend(q, state->second, s, "");
}

Tensor Scope::Attend(Tensor q, ValueId state, const AttentionSettings& s, std::string_view sinks) {
  const int64_t columns = builder_->Columns(q, Join("query"));
  builder_->Want(columns == s.heads * s.key_dim, Join("query"),
                 std::to_string(columns) + " columns",
                 std::to_string(s.heads) + " heads of " + std::to_string(s.key_dim));
  builder_->Want(s.kv_heads > 0 && s.heads % std::max<int64_t>(s.kv_heads, 1) == 0, path_,
                 std::to_string(s.heads) + " heads",
                 "a multiple of the " + std::to_string(s.kv_heads) + " K/V heads");
  const ValueId sink = sinks.empty() ? kNoValue : builder_->Vector(Join(sinks), s.heads);
  if (builder_->failed()) return Tensor();
  std::vector<ValueId> inputs = {q.id_, state};
  if (sink != kNoValue) inputs.push_back(sink);
  return Tensor(builder_->writer_.Emit(
      OpCode::kAttention, Join("attention"), std::move(inputs), DType::kF32,
      Shape::Of({builder_->tokens_, Dim::Of(s.heads * s.value_dim)}),
      {IntAttr(AttrKey::kHeads, s.heads), IntAttr(AttrKey::kKvHeads, s.kv_heads),
       IntAttr(AttrKey::kKeyDim, s.key_dim), IntAttr(AttrKey::kValueDim, s.value_dim),
       FloatAttr(AttrKey::kScale, s.scale), FloatAttr(AttrKey::kSoftcap, s.softcap),
       IntAttr(AttrKey::kWindow, static_cast<int64_t>(s.window))}));
}

}  // namespace samara
