#include "converter/builder.h"

#include <algorithm>
#include <utility>

namespace samara {
namespace {

// Limits of the symbols: far above what memory allows, low enough that no product of a few
// overflows.
constexpr uint64_t kMaxTokens = uint64_t{1} << 20;
constexpr uint64_t kMaxContext = uint64_t{1} << 30;
constexpr uint64_t kMaxSlots = uint64_t{1} << 36;

constexpr size_t kListed = 5;  // names in an error about many tensors

bool Matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

std::string List(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kListed; ++i) text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > kListed) text += " and " + std::to_string(names.size() - kListed) + " more";
  return text;
}

}  // namespace

// --- Scope
// ----------------------------------------------------------------------------------------------

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

Tensor Scope::Linear(Tensor x, std::string_view name, int64_t rows, bool bias) {
  const std::string path = Join(name);
  const int64_t columns = builder_->Columns(x, path);
  std::vector<ValueId> inputs = {x.id_, builder_->Matrix(path + ".weight", rows, columns)};
  if (bias) inputs.push_back(builder_->Vector(path + ".bias", rows));
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(OpCode::kLinear, path, std::move(inputs), DType::kF32,
                                       Shape::Of({builder_->ShapeOf(x).dims[0], Dim::Of(rows)})));
}

Tensor Scope::TiedLinear(Tensor x, std::string_view name, int64_t rows) {
  const std::string path = Join(name);
  const int64_t columns = builder_->Columns(x, path);
  const ValueId table = builder_->Matrix(path + ".weight", rows, columns);
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(OpCode::kLinear, path + ".tied", {x.id_, table}, DType::kF32,
                                       Shape::Of({builder_->ShapeOf(x).dims[0], Dim::Of(rows)})));
}

Tensor Scope::RmsNorm(Tensor x, std::string_view name, double eps, int64_t group) {
  const std::string path = Join(name);
  const int64_t columns = builder_->Columns(x, path);
  const int64_t size = group > 0 ? group : columns;
  builder_->Want(columns % std::max<int64_t>(size, 1) == 0, path,
                 std::to_string(columns) + " columns", "a multiple of " + std::to_string(size));
  const ValueId weight = builder_->Vector(path + ".weight", size);
  if (builder_->failed()) return Tensor();
  return Tensor(builder_->writer_.Emit(
      OpCode::kRmsNorm, path, {x.id_, weight}, DType::kF32, Shape(builder_->ShapeOf(x)),
      {FloatAttr(AttrKey::kEps, eps), IntAttr(AttrKey::kGroup, group)}));
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
  const ValueId frequencies = builder_->Constant("rope.inv_freq", settings.inv_freq);
  if (builder_->failed()) return Tensor();
  GraphWriter& w = builder_->writer_;
  const std::string base = w.value(x.id_).name;
  const ValueId table =
      w.Emit(OpCode::kRopeTable, base + ".rope_table", {builder_->positions_, frequencies},
             DType::kF32, Shape::Of({builder_->tokens_, Dim::Of(rotated)}),
             {FloatAttr(AttrKey::kFactor, settings.factor)});
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

Tensor Scope::Attention(Tensor q, Tensor k, Tensor v, const AttentionSettings& s,
                        std::string_view sinks) {
  const auto want = [&](Tensor x, const char* what, int64_t heads, int64_t dim) {
    const int64_t columns = builder_->Columns(x, Join(what));
    builder_->Want(columns == heads * dim, Join(what), std::to_string(columns) + " columns",
                   std::to_string(heads) + " heads of " + std::to_string(dim));
  };
  want(q, "query", s.heads, s.key_dim);
  want(k, "key", s.kv_heads, s.key_dim);
  want(v, "value", s.kv_heads, s.value_dim);
  builder_->Want(s.kv_heads > 0 && s.heads % std::max<int64_t>(s.kv_heads, 1) == 0, path_,
                 std::to_string(s.heads) + " heads",
                 "a multiple of the " + std::to_string(s.kv_heads) + " K/V heads");
  const ValueId sink = sinks.empty() ? kNoValue : builder_->Vector(Join(sinks), s.heads);
  if (builder_->failed()) return Tensor();
  const ValueId state = builder_->StateValue(Join("kv"), s);
  GraphWriter& w = builder_->writer_;
  w.AddOp(OpCode::kStateWrite, Join("write_k"), {k.id_, state}, {IntAttr(AttrKey::kPart, 0)});
  w.AddOp(OpCode::kStateWrite, Join("write_v"), {v.id_, state}, {IntAttr(AttrKey::kPart, 1)});
  std::vector<ValueId> inputs = {q.id_, state};
  if (sink != kNoValue) inputs.push_back(sink);
  return Tensor(
      w.Emit(OpCode::kAttention, Join("attention"), std::move(inputs), DType::kF32,
             Shape::Of({builder_->tokens_, Dim::Of(s.heads * s.value_dim)}),
             {IntAttr(AttrKey::kHeads, s.heads), IntAttr(AttrKey::kKvHeads, s.kv_heads),
              IntAttr(AttrKey::kKeyDim, s.key_dim), IntAttr(AttrKey::kValueDim, s.value_dim),
              FloatAttr(AttrKey::kScale, s.scale), FloatAttr(AttrKey::kSoftcap, s.softcap),
              IntAttr(AttrKey::kWindow, static_cast<int64_t>(s.window))}));
}

// --- GraphBuilder
// ----------------------------------------------------------------------------------------

GraphBuilder::GraphBuilder(const Checkpoint* checkpoint)
    : checkpoint_(checkpoint), writer_(nullptr) {
  Package& package = model_.package;
  package.entries.resize(1);
  package.entries[0].name = "generate";
  writer_ = GraphWriter(&package.entries[0]);
  const auto symbol = [&package](const char* name, SymbolKind kind, uint64_t min, uint64_t max) {
    package.symbols.push_back({name, kind, 0, min, max});
    return Dim::Sym(static_cast<uint32_t>(package.symbols.size() - 1));
  };
  tokens_ = symbol("n_tokens", SymbolKind::kTokens, 1, kMaxTokens);
  outputs_ = symbol("n_outputs", SymbolKind::kOutputs, 0, kMaxTokens);
  context_ = symbol("n_ctx", SymbolKind::kContext, 1, kMaxContext);
  chunk_ = symbol("n_chunk", SymbolKind::kChunk, 1, kMaxTokens);
  const auto input = [this](const char* name, const Dim& size, InputRole role) {
    const ValueId id = writer_.AddValue(ValueKind::kInput, name, DType::kI32, Shape::Of({size}));
    writer_.graph().inputs.push_back({id, role});
    return id;
  };
  ids_ = input("token_ids", tokens_, InputRole::kTokenIds);
  positions_ = input("positions", tokens_, InputRole::kPositions);
  rows_ = input("output_rows", outputs_, InputRole::kOutputRows);
}

void GraphBuilder::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void GraphBuilder::Want(bool condition, const std::string& path, const std::string& got,
                        const std::string& wanted) {
  if (condition || failed()) return;
  Fail(InvalidFile("%s: got %s, wanted %s", path.c_str(), got.c_str(), wanted.c_str()));
}

int64_t GraphBuilder::Columns(Tensor x, const std::string& user) {
  if (!x.ok()) {
    if (!failed()) Fail(Internal("%s: operand without a value", user.c_str()));
    return -1;
  }
  return writer_.shape(x.id_).dims[1].constant;  // every Tensor is [rows, constant columns]
}

ValueId GraphBuilder::WeightValue(const std::string& tensor, bool vector, int64_t rows,
                                  int64_t columns) {
  if (failed()) return kNoValue;
  const TensorInfo* info = checkpoint_->Find(tensor);
  if (info == nullptr) {
    // All missing ones are reported together, by Finish: the graph goes on with the shape that it
    // wants.
    missing_.insert(tensor);
  } else {
    TensorInfo wanted;
    wanted.shape = {static_cast<uint64_t>(columns)};
    if (!vector) wanted.shape.insert(wanted.shape.begin(), static_cast<uint64_t>(rows));
    if (info->shape != wanted.shape) {
      Fail(InvalidFile("tensor %s: got shape %s, wanted %s", tensor.c_str(),
                       ShapeText(*info).c_str(), ShapeText(wanted).c_str()));
      return kNoValue;
    }
    if (info->dtype == DType::kInvalid) {
      Fail(Unsupported("tensor %s: got type %s, wanted F32, F16 or BF16", tensor.c_str(),
                       info->type.c_str()));
      return kNoValue;
    }
  }
  used_.insert(tensor);
  if (const auto known = weights_.find(tensor); known != weights_.end()) return known->second;
  Weight weight;
  weight.name = tensor;
  weight.rows = vector ? 1 : static_cast<uint64_t>(rows);
  weight.cols = static_cast<uint64_t>(columns);
  weight.is_vector = vector;
  WeightSource source;
  source.tensor = tensor;
  source.n_rows = vector ? weight.cols : weight.rows;
  weight.sources.push_back(source);
  WeightPlan plan;
  plan.pieces.push_back({info, 0, vector ? weight.cols : weight.rows});
  const auto index = static_cast<int32_t>(model_.package.weights.size());
  model_.package.weights.push_back(std::move(weight));
  model_.plans.push_back(std::move(plan));
  const Shape shape =
      vector ? Shape::Of({Dim::Of(columns)}) : Shape::Of({Dim::Of(rows), Dim::Of(columns)});
  return weights_[tensor] = writer_.AddValue(ValueKind::kWeight, tensor, DType::kF32, shape, index);
}

ValueId GraphBuilder::Matrix(const std::string& tensor, int64_t rows, int64_t columns) {
  return WeightValue(tensor, false, rows, columns);
}

ValueId GraphBuilder::Vector(const std::string& tensor, int64_t size) {
  return WeightValue(tensor, true, 1, size);
}

ValueId GraphBuilder::Constant(const std::string& name, const std::vector<float>& values) {
  for (size_t i = 0; i < model_.plans.size(); ++i) {
    if (model_.plans[i].pieces.empty() && model_.plans[i].values == values) {
      return weights_[model_.package.weights[i].name];
    }
  }
  std::string unique = name;
  for (int n = 1; weights_.count(unique) > 0; ++n) unique = name + "." + std::to_string(n);
  Weight weight;
  weight.name = unique;
  weight.rows = 1;
  weight.cols = values.size();
  weight.is_vector = true;
  WeightSource source;
  source.n_rows = weight.cols;
  source.transform = SourceTransform::kComputed;
  weight.sources.push_back(source);
  WeightPlan plan;
  plan.values = values;
  const auto index = static_cast<int32_t>(model_.package.weights.size());
  model_.package.weights.push_back(std::move(weight));
  model_.plans.push_back(std::move(plan));
  const Shape shape = Shape::Of({Dim::Of(static_cast<int64_t>(values.size()))});
  return weights_[unique] = writer_.AddValue(ValueKind::kWeight, unique, DType::kF32, shape, index);
}

uint32_t GraphBuilder::Group(uint64_t window) {
  Package& package = model_.package;
  for (size_t i = 0; i < package.groups.size(); ++i) {
    if (package.groups[i].window == window) return static_cast<uint32_t>(i);
  }
  const auto number = static_cast<uint32_t>(package.groups.size());
  StateGroup group;
  group.window = window;
  if (window == 0) {
    group.name = "full";
    group.slots = context_;
    group.rewind_limit = UINT64_MAX;
  } else {
    group.name = "window" + std::to_string(window);
    group.rewind_limit = kWindowRewind;
    group.slots = chunk_;
    group.slots.constant = static_cast<int64_t>(window + kWindowRewind - 1);
  }
  package.symbols.push_back({"n_slots." + group.name, SymbolKind::kSlots, number, 1, kMaxSlots});
  package.groups.push_back(std::move(group));
  return number;
}

ValueId GraphBuilder::StateValue(const std::string& name, const AttentionSettings& s) {
  State state;
  state.name = name;
  state.kind = StateKind::kKeyValue;
  state.group = Group(s.window);
  state.parts = {{static_cast<uint32_t>(s.kv_heads), static_cast<uint32_t>(s.key_dim)},
                 {static_cast<uint32_t>(s.kv_heads), static_cast<uint32_t>(s.value_dim)}};
  model_.package.states.push_back(std::move(state));
  return writer_.AddValue(ValueKind::kState, name, DType::kInvalid, Shape(),
                          static_cast<int32_t>(model_.package.states.size() - 1));
}

Tensor GraphBuilder::SelectOutputs(Tensor x) {
  const int64_t columns = Columns(x, "output_rows");
  if (failed()) return Tensor();
  return Tensor(writer_.Emit(OpCode::kGather, "output_rows", {x.id_, rows_}, DType::kF32,
                             Shape::Of({outputs_, Dim::Of(columns)})));
}

void GraphBuilder::SetLogits(Tensor logits) {
  const int64_t columns = Columns(logits, "logits");
  if (failed()) return;
  Want(ShapeOf(logits).dims[0] == outputs_, "logits", "a row for each token",
       "the rows of SelectOutputs");
  model_.package.vocab = static_cast<uint32_t>(columns);
  writer_.graph().outputs.push_back({logits.id_, OutputRole::kLogits});
}

void GraphBuilder::SetHidden(Tensor hidden) {
  static_cast<void>(Columns(hidden, "hidden"));
  if (failed()) return;
  Want(ShapeOf(hidden).dims[0] == outputs_, "hidden", "a row for each token",
       "the rows of SelectOutputs");
  writer_.graph().outputs.push_back({hidden.id_, OutputRole::kHidden});
}

void GraphBuilder::Drop(std::string pattern, std::string reason) {
  dropped_.push_back({std::move(pattern), std::move(reason), 0});
}

Status GraphBuilder::Finish(Model* model, std::vector<Dropped>* dropped) {
  SAMARA_RETURN_IF_ERROR(status_);
  if (!missing_.empty()) {
    const std::vector<std::string> names(missing_.begin(), missing_.end());
    return InvalidFile("checkpoint: got no tensor %s, which the model needs (%zu missing)",
                       List(names).c_str(), names.size());
  }
  std::vector<std::string> unused;
  for (const TensorInfo& tensor : checkpoint_->tensors()) {
    if (used_.count(tensor.name) > 0) continue;
    const auto rule = std::find_if(dropped_.begin(), dropped_.end(), [&](const Dropped& d) {
      return Matches(d.pattern, tensor.name);
    });
    if (rule == dropped_.end()) {
      unused.push_back(tensor.name);
    } else {
      ++rule->count;
    }
  }
  if (!unused.empty()) {
    return Unsupported("checkpoint: got tensor %s, which this model has no use for (%zu unused)",
                       List(unused).c_str(), unused.size());
  }
  if (writer_.graph().outputs.empty()) return Internal("model file set no logits");
  std::erase_if(dropped_, [](const Dropped& d) { return d.count == 0; });
  *dropped = std::move(dropped_);
  *model = std::move(model_);
  return Status();
}

}  // namespace samara
