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

// The ranges, one after the other, as sources and pieces of a weight whose size is *count.
void AddRanges(const std::string& tensor, const TensorInfo* info,
               const std::vector<RowRange>& ranges, uint64_t* count, Weight* weight,
               WeightPlan* plan) {
  *count = 0;
  for (const RowRange& range : ranges) {
    WeightSource source;
    source.tensor = tensor;
    source.first_row = *count;
    source.n_rows = static_cast<uint64_t>(range.count);
    source.source_row = static_cast<uint64_t>(range.first);
    *count += source.n_rows;
    plan->pieces.push_back(
        {.tensor = info, .source_row = source.source_row, .n_rows = source.n_rows});
    weight->sources.push_back(std::move(source));
  }
}

// "q8_0, q4_0, ...": what this build has.
std::string QuantizedTypes() {
  std::string names;
  for (int number = 0; number < 64; ++number) {
    const DTypeInfo* info = FindDType(static_cast<DType>(number));
    if (info != nullptr && info->is_weight && info->is_quantized)
      names += (names.empty() ? "" : ", ") + std::string(info->name);
  }
  return names;
}

}  // namespace

std::vector<RowRange> Strided(int64_t first, int64_t count, int64_t stride, int64_t groups) {
  std::vector<RowRange> ranges;
  for (int64_t g = 0; g < groups; ++g) ranges.push_back({first + g * stride, count});
  return ranges;
}

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

const TensorInfo* GraphBuilder::Take(const std::string& tensor, std::vector<uint64_t> shape) {
  if (failed()) return nullptr;
  used_.insert(tensor);
  const TensorInfo* info = checkpoint_->Find(tensor);
  if (info == nullptr) {
    // All missing ones are reported together, by Finish: the graph goes on with the shape that it
    // wants.
    missing_.insert(tensor);
    return nullptr;
  }
  TensorInfo wanted;
  wanted.shape = std::move(shape);
  if (info->shape != wanted.shape) {
    Fail(InvalidFile("tensor %s: got shape %s, wanted %s", tensor.c_str(), ShapeText(*info).c_str(),
                     ShapeText(wanted).c_str()));
  } else if (info->dtype == DType::kInvalid) {
    Fail(Unsupported("tensor %s: got type %s, wanted F32, F16 or BF16, or in GGUF one of %s",
                     tensor.c_str(), info->type.c_str(), QuantizedTypes().c_str()));
  } else if (wanted.shape.size() == 1 && FindDType(info->dtype)->is_quantized) {
    Fail(Unsupported("tensor %s: got type %s, wanted F32, F16 or BF16 for a vector", tensor.c_str(),
                     info->type.c_str()));
  }
  return failed() ? nullptr : info;
}

ValueId GraphBuilder::AddWeight(const std::string& name, Weight weight, WeightPlan plan) {
  weight.name = name;
  const auto rows = static_cast<int64_t>(weight.rows), columns = static_cast<int64_t>(weight.cols);
  const Shape shape = weight.is_vector ? Shape::Of({Dim::Of(columns)})
                                       : Shape::Of({Dim::Of(rows), Dim::Of(columns)});
  const auto index = static_cast<int32_t>(model_.package.weights.size());
  model_.package.weights.push_back(std::move(weight));
  model_.plans.push_back(std::move(plan));
  return weights_[name] = writer_.AddValue(ValueKind::kWeight, name, DType::kF32, shape, index);
}

ValueId GraphBuilder::Matrix(const std::string& tensor, int64_t rows, int64_t columns,
                             bool transposed) {
  const auto r = static_cast<uint64_t>(rows), c = static_cast<uint64_t>(columns);
  const TensorInfo* found = checkpoint_->Find(tensor);
  transposed = transposed && !(found != nullptr && found->transposed);
  const TensorInfo* info =
      Take(tensor, transposed ? std::vector<uint64_t>{c, r} : std::vector<uint64_t>{r, c});
  if (failed()) return kNoValue;
  if (const auto known = weights_.find(tensor); known != weights_.end()) return known->second;
  Weight weight;
  weight.rows = r;
  weight.cols = c;
  WeightSource source;
  source.tensor = tensor;
  source.n_rows = r;
  if (transposed) source.transform = SourceTransform::kTransposed;
  if (info != nullptr && !info->rows.empty()) source.transform = SourceTransform::kPermutedRotary;
  weight.sources.push_back(source);
  WeightPlan plan;
  plan.pieces.push_back({.tensor = info, .n_rows = r, .transposed = transposed});
  return AddWeight(tensor, std::move(weight), std::move(plan));
}

ValueId GraphBuilder::Vector(const std::string& tensor, int64_t size, bool add_one) {
  const auto n = static_cast<uint64_t>(size);
  const TensorInfo* info = Take(tensor, {n});
  if (failed()) return kNoValue;
  if (const auto known = weights_.find(tensor); known != weights_.end()) return known->second;
  Weight weight;
  weight.rows = 1;
  weight.cols = n;
  weight.is_vector = true;
  WeightSource source;
  source.tensor = tensor;
  source.n_rows = n;
  if (add_one) source.transform = SourceTransform::kAddedOne;
  if (info != nullptr && !info->rows.empty()) source.transform = SourceTransform::kPermutedRotary;
  weight.sources.push_back(source);
  WeightPlan plan;
  if (info != nullptr && info->plus_one) {
    Want(add_one, tensor, "a weight with one added", "one as it is");
    add_one = false;
  }
  plan.pieces.push_back({.tensor = info, .n_rows = n, .add_one = add_one});
  return AddWeight(tensor, std::move(weight), std::move(plan));
}

ValueId GraphBuilder::MatrixRows(const std::string& tensor, const std::string& name, int64_t total,
                                 int64_t columns, const std::vector<RowRange>& ranges) {
  const TensorInfo* info =
      Take(tensor, {static_cast<uint64_t>(total), static_cast<uint64_t>(columns)});
  if (failed()) return kNoValue;
  Weight weight;
  weight.cols = static_cast<uint64_t>(columns);
  WeightPlan plan;
  AddRanges(tensor, info, ranges, &weight.rows, &weight, &plan);
  return AddWeight(name, std::move(weight), std::move(plan));
}

ValueId GraphBuilder::VectorRows(const std::string& tensor, const std::string& name, int64_t total,
                                 const std::vector<RowRange>& ranges) {
  const TensorInfo* info = Take(tensor, {static_cast<uint64_t>(total)});
  if (failed()) return kNoValue;
  Weight weight;
  weight.rows = 1;
  weight.is_vector = true;
  WeightPlan plan;
  AddRanges(tensor, info, ranges, &weight.cols, &weight, &plan);
  return AddWeight(name, std::move(weight), std::move(plan));
}

ValueId GraphBuilder::VectorList(const std::string& path, int64_t count, int64_t size) {
  Weight weight;
  weight.rows = 1;
  weight.is_vector = true;
  WeightPlan plan;
  for (int64_t i = 0; i < count && !failed(); ++i) {
    WeightSource source;
    source.tensor = path + "." + std::to_string(i) + ".weight";
    source.first_row = weight.cols;
    source.n_rows = static_cast<uint64_t>(size);
    plan.pieces.push_back(
        {.tensor = Take(source.tensor, {source.n_rows}), .n_rows = source.n_rows});
    weight.cols += source.n_rows;
    weight.sources.push_back(std::move(source));
  }
  if (failed()) return kNoValue;
  return AddWeight(path + ".weight", std::move(weight), std::move(plan));
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
  weight.rows = 1;
  weight.cols = values.size();
  weight.is_vector = true;
  WeightSource source;
  source.n_rows = weight.cols;
  source.transform = SourceTransform::kComputed;
  weight.sources.push_back(source);
  WeightPlan plan;
  plan.values = values;
  return AddWeight(unique, std::move(weight), std::move(plan));
}

ValueId GraphBuilder::Scalar(double value) {
  const auto [at, added] = scalars_.emplace(value, kNoValue);
  if (added) {
    const std::string name = "constant." + std::to_string(scalars_.size() - 1);
    at->second = writer_.Emit(OpCode::kConstant, name, {}, DType::kF32, Shape(),
                              {FloatAttr(AttrKey::kValue, value)});
  }
  return at->second;
}

void GraphBuilder::LimitContext(int64_t context) {
  for (Symbol& symbol : model_.package.symbols) {
    if (symbol.kind == SymbolKind::kContext)
      symbol.max = std::min(symbol.max, static_cast<uint64_t>(context));
  }
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
  return states_[name] = writer_.AddValue(ValueKind::kState, name, DType::kInvalid, Shape(),
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
