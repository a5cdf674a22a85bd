// A small valid package of a Llama-like model with random weights, and a sink in memory.
//
//   TinySpec spec;
//   spec.dtype = DType::kQ8_0;
//   TinyPackage tiny;
//   REQUIRE(MakeTinyPackage(spec, &tiny).ok());   // tiny.package, tiny.file
//
// Header only, on formats/ alone. Decompositions come from spec.decompose, which a test that links
// the converter sets to AddDecompositions.
#ifndef SAMARA_TESTS_FORMATS_TINY_PACKAGE_H_
#define SAMARA_TESTS_FORMATS_TINY_PACKAGE_H_

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "formats/graph.h"
#include "formats/layout/layout.h"
#include "formats/package_format.h"
#include "formats/quant/blocks.h"
#include "tests/support/plain_codes.h"

namespace samara::test {

class MemorySink : public ByteSink {
 public:
  Status Write(const void* data, uint64_t n) override {
    const uint8_t* from = static_cast<const uint8_t*>(data);
    bytes.insert(bytes.end(), from, from + n);
    return Status();
  }
  Status Overwrite(uint64_t offset, const void* data, uint64_t n) override {
    if (offset > bytes.size() || n > bytes.size() - offset)
      return Internal("overwrite beyond the end");
    std::memcpy(bytes.data() + offset, data, n);
    return Status();
  }
  Status Truncate(uint64_t n) override {
    if (n > bytes.size()) return Internal("truncate beyond the end");
    bytes.resize(n);
    return Status();
  }

  std::vector<uint8_t> bytes;
};

struct TinySpec {
  uint32_t vocab = 320, hidden = 64, layers = 2, heads = 4, kv_heads = 2, head_dim = 16, inter = 96;
  DType dtype = DType::kF32;  // of every matrix
  bool tied = true;           // the embedding is the output matrix too
  bool qk_norm = false;       // rms_norm over each head of q and k
  bool qkv_bias = false;
  bool hidden_output = false;  // a second output, role kHidden
  uint64_t window = 0;         // of every layer; 0: none
  uint64_t rewind_limit = 8;   // with a window
  uint64_t trained_context = 256;
  double rms_eps = 1e-5;
  double rope_theta = 10000;
  double head_scale = 1;  // of the final norm's weights, so of the logits
  uint64_t seed = 1;
  std::function<Status(Package*)> decompose;  // may be empty
  std::vector<uint8_t> tokenizer;             // compiled tables of `vocab` ids; empty: none
};

struct TinyPackage {
  Package package;
  std::vector<uint8_t> file;
};

// Builds the package; the file's bytes go to `out->file`.
class TinyBuilder {
 public:
  explicit TinyBuilder(const TinySpec& spec) : spec_(spec), random_(spec.seed), writer_(&sink_) {}

  Status Build(TinyPackage* out) {
    SAMARA_RETURN_IF_ERROR(writer_.Begin());
    SAMARA_RETURN_IF_ERROR(writer_.BeginSegment("weights"));
    AddSymbols();
    package_.name = "tiny";
    package_.vocab = spec_.vocab;
    package_.tokenizer_vocab = spec_.vocab;
    package_.trained_context = spec_.trained_context;
    package_.sampling.eos_ids = {static_cast<int32_t>(spec_.vocab - 1)};
    package_.provenance.converter = "tiny_package";
    package_.provenance.license = "none";
    graph_.name = "generate";
    BuildGraph();
    SAMARA_RETURN_IF_ERROR(status_);
    package_.entries.push_back(std::move(graph_));
    SAMARA_RETURN_IF_ERROR(writer_.EndSegment());
    if (!spec_.tokenizer.empty()) {
      SAMARA_RETURN_IF_ERROR(writer_.BeginSegment("tokenizer"));
      package_.tokenizer_segment = static_cast<int32_t>(writer_.segment_index());
      SAMARA_RETURN_IF_ERROR(writer_.Append(spec_.tokenizer.data(), spec_.tokenizer.size()));
      SAMARA_RETURN_IF_ERROR(writer_.EndSegment());
    }
    if (spec_.decompose) SAMARA_RETURN_IF_ERROR(spec_.decompose(&package_));
    uint64_t file_bytes = 0;
    SAMARA_RETURN_IF_ERROR(writer_.Finish(&package_, &file_bytes));
    if (file_bytes != sink_.bytes.size()) return Internal("the writer miscounts its bytes");
    out->package = std::move(package_);
    out->file = std::move(sink_.bytes);
    return Status();
  }

 private:
  using Attrs = std::vector<std::pair<AttrKey, double>>;

  void AddSymbols() {
    constexpr uint64_t kMost = uint64_t{1} << 24;
    package_.symbols = {{"n_tokens", SymbolKind::kTokens, 0, 1, kMost},
                        {"n_outputs", SymbolKind::kOutputs, 0, 0, kMost},
                        {"n_seqs", SymbolKind::kSeqs, 0, 1, kMost},
                        {"n_ctx", SymbolKind::kContext, 0, 1, kMost},
                        {"n_chunk", SymbolKind::kChunk, 0, 1, kMost},
                        {"n_slots.kv", SymbolKind::kSlots, 0, 1, kMost}};
    StateGroup group;
    group.name = "kv";
    group.slots = Dim::Sym(3);
    group.rewind_limit = UINT64_MAX;
    if (spec_.window > 0) {
      group.window = spec_.window;
      group.rewind_limit = spec_.rewind_limit;
      group.slots = Dim::Sym(4, 1, static_cast<int64_t>(spec_.window + spec_.rewind_limit) - 1);
    }
    package_.groups.push_back(group);
  }

  // SplitMix64, as a number in [-1, 1).
  double Next() {
    uint64_t z = random_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
  }

  void Keep(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  ValueId AddValue(std::string name, ValueKind kind, DType dtype, const Shape& shape,
                   int32_t index = -1) {
    Value value;
    value.name = std::move(name);
    value.kind = kind;
    value.dtype = dtype;
    value.shape = shape;
    value.index = index;
    graph_.values.push_back(std::move(value));
    return static_cast<ValueId>(graph_.values.size() - 1);
  }

  ValueId AddInput(const char* name, uint32_t symbol, InputRole role) {
    ValueId id = AddValue(name, ValueKind::kInput, DType::kI32, Shape::Of({Dim::Sym(symbol)}));
    graph_.inputs.push_back({id, role});
    return id;
  }

  ValueId AddWeight(const std::string& name, DType dtype, Layout layout, uint64_t rows,
                    uint64_t cols, bool is_vector, const std::vector<uint8_t>& bytes) {
    Keep(writer_.Align(64));
    Weight weight;
    weight.name = name;
    weight.dtype = dtype;
    weight.rows = rows;
    weight.cols = cols;
    weight.is_vector = is_vector;
    weight.placements.push_back(
        {layout, kLayoutVersion, writer_.segment_index(), writer_.segment_bytes(), bytes.size()});
    WeightSource source;
    source.tensor = name;
    source.n_rows = rows;
    weight.sources.push_back(source);
    Keep(writer_.Append(bytes.data(), bytes.size()));
    package_.weights.push_back(std::move(weight));
    Dim r = Dim::Of(static_cast<int64_t>(rows)), c = Dim::Of(static_cast<int64_t>(cols));
    return AddValue(name, ValueKind::kWeight, DType::kF32,
                    is_vector ? Shape::Of({c}) : Shape::Of({r, c}),
                    static_cast<int32_t>(package_.weights.size() - 1));
  }

  ValueId Matrix(const std::string& name, uint64_t rows, uint64_t cols, bool gather_only = false) {
    uint64_t row_bytes = RowBytes(spec_.dtype, cols), bytes = 0;
    std::vector<uint8_t> plain(rows * row_bytes);
    std::vector<float> row(cols);
    double scale = 1 / std::sqrt(static_cast<double>(cols));
    for (uint64_t r = 0; r < rows; ++r) {
      for (float& x : row) x = static_cast<float>(Next() * scale * 1.7);
      test::QuantizeAny(spec_.dtype, row.data(), cols, plain.data() + r * row_bytes);
    }
    Layout layout = gather_only ? Layout::kRowMajor : MatmulLayout(spec_.dtype);
    if (!LayoutBytes(layout, spec_.dtype, rows, cols, &bytes))
      Keep(Internal("layout of %s", name.c_str()));
    std::vector<uint8_t> packed(bytes);
    PackRows(layout, spec_.dtype, plain.data(), row_bytes, rows, cols, packed.data());
    return AddWeight(name, spec_.dtype, layout, rows, cols, false, packed);
  }

  ValueId Vector(const std::string& name, const std::vector<float>& values) {
    std::vector<uint8_t> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return AddWeight(name, DType::kF32, Layout::kRowMajor, 1, values.size(), true, bytes);
  }
  ValueId RandomVector(const std::string& name, uint64_t size, double middle, double width) {
    std::vector<float> values(size);
    for (float& x : values) x = static_cast<float>(middle + width * Next());
    return Vector(name, values);
  }

  // Appends an operator and gives its result (kNoValue if it has none).
  ValueId Add(OpCode code, const std::string& name, std::vector<ValueId> inputs,
              const Attrs& attrs = {}) {
    Op op;
    const OpInfo* info = FindOp(code);
    op.code = code;
    op.version = info->version;
    op.type_name = info->name;
    op.name = name;
    op.inputs = std::move(inputs);
    for (const auto& [key, number] : attrs) {
      Attr attr;
      attr.key = key;
      bool is_float = false;
      for (int i = 0; i < info->n_attrs; ++i) {
        is_float |= info->attrs[i].key == key && info->attrs[i].type == AttrType::kFloat;
      }
      if (is_float) {
        attr.f = number;
      } else {
        attr.i = static_cast<int64_t>(number);
      }
      op.attrs.push_back(attr);
    }
    if (info->outputs > 0)
      op.outputs.push_back(AddValue(name, ValueKind::kActivation, DType::kF32, Shape()));
    std::vector<ValueType> types;
    Keep(InferTypes(package_, graph_, op, &types));
    for (size_t i = 0; i < types.size() && status_.ok(); ++i) {
      graph_.values[op.outputs[i]].dtype = types[i].dtype;
      graph_.values[op.outputs[i]].shape = types[i].shape;
    }
    graph_.ops.push_back(op);
    return op.outputs.empty() ? kNoValue : op.outputs[0];
  }

  ValueId RmsNorm(const std::string& name, ValueId x, uint64_t size, bool grouped = false) {
    ValueId weight =
        RandomVector(name + ".weight", size, name == "norm" ? spec_.head_scale : 1, 0.3);
    return Add(OpCode::kRmsNorm, name, {x, weight},
               {{AttrKey::kEps, spec_.rms_eps},
                {AttrKey::kGroup, grouped ? static_cast<double>(size) : 0}});
  }

  ValueId Slice(const std::string& name, ValueId x, uint64_t begin, uint64_t length) {
    return Add(OpCode::kSlice, name, {x},
               {{AttrKey::kAxis, 1},
                {AttrKey::kBegin, static_cast<double>(begin)},
                {AttrKey::kLength, static_cast<double>(length)}});
  }

  ValueId Layer(const std::string& scope, ValueId x, ValueId table) {
    const uint64_t q_cols = uint64_t{spec_.heads} * spec_.head_dim;
    const uint64_t kv_cols = uint64_t{spec_.kv_heads} * spec_.head_dim;
    const uint64_t qkv_cols = q_cols + 2 * kv_cols;
    const double head_dim = spec_.head_dim;

    State state;
    state.name = scope + "kv";
    state.kind = StateKind::kKeyValue;
    state.parts = {{spec_.kv_heads, spec_.head_dim}, {spec_.kv_heads, spec_.head_dim}};
    package_.states.push_back(state);
    ValueId kv = AddValue(state.name, ValueKind::kState, DType::kInvalid, Shape(),
                          static_cast<int32_t>(package_.states.size() - 1));

    ValueId h = RmsNorm(scope + "input_norm", x, spec_.hidden);
    ValueId bias = spec_.qkv_bias ? RandomVector(scope + "qkv.bias", qkv_cols, 0, 0.2) : kNoValue;
    ValueId qkv = Add(OpCode::kLinear, scope + "qkv",
                      {h, Matrix(scope + "qkv.weight", qkv_cols, spec_.hidden), bias, kNoValue});
    ValueId q = Slice(scope + "q", qkv, 0, q_cols), k = Slice(scope + "k", qkv, q_cols, kv_cols);
    ValueId v = Slice(scope + "v", qkv, q_cols + kv_cols, kv_cols);
    if (spec_.qk_norm) {
      q = RmsNorm(scope + "q_norm", q, spec_.head_dim, true);
      k = RmsNorm(scope + "k_norm", k, spec_.head_dim, true);
    }
    const Attrs rope = {{AttrKey::kHeadDim, head_dim}, {AttrKey::kInterleaved, 0}};
    q = Add(OpCode::kRope, scope + "q_rope", {q, table}, rope);
    k = Add(OpCode::kRope, scope + "k_rope", {k, table}, rope);
    Add(OpCode::kStateWrite, scope + "write_k", {k, kv}, {{AttrKey::kPart, 0}});
    Add(OpCode::kStateWrite, scope + "write_v", {v, kv}, {{AttrKey::kPart, 1}});
    ValueId a = Add(OpCode::kAttention, scope + "attention", {q, kv},
                    {{AttrKey::kHeads, static_cast<double>(spec_.heads)},
                     {AttrKey::kKvHeads, static_cast<double>(spec_.kv_heads)},
                     {AttrKey::kKeyDim, head_dim},
                     {AttrKey::kValueDim, head_dim},
                     {AttrKey::kScale, 1 / std::sqrt(head_dim)},
                     {AttrKey::kSoftcap, 0},
                     {AttrKey::kWindow, static_cast<double>(spec_.window)}});
    x = Add(OpCode::kLinear, scope + "o",
            {a, Matrix(scope + "o.weight", spec_.hidden, q_cols), kNoValue, x});
    h = RmsNorm(scope + "post_norm", x, spec_.hidden);
    h = Add(OpCode::kLinear, scope + "gate_up",
            {h, Matrix(scope + "gate_up.weight", 2 * uint64_t{spec_.inter}, spec_.hidden), kNoValue,
             kNoValue});
    h = Add(OpCode::kGlu, scope + "glu", {h},
            {{AttrKey::kActivation, static_cast<double>(Activation::kSilu)}});
    return Add(OpCode::kLinear, scope + "down",
               {h, Matrix(scope + "down.weight", spec_.hidden, spec_.inter), kNoValue, x});
  }

  void BuildGraph() {
    ValueId ids = AddInput("ids", 0, InputRole::kTokenIds);
    ValueId positions = AddInput("positions", 0, InputRole::kPositions);
    ValueId rows = AddInput("output_rows", 1, InputRole::kOutputRows);
    std::vector<float> frequencies(spec_.head_dim / 2);
    for (size_t i = 0; i < frequencies.size(); ++i) {
      frequencies[i] = static_cast<float>(
          std::pow(spec_.rope_theta, -2.0 * static_cast<double>(i) / spec_.head_dim));
    }
    ValueId embedding = Matrix("embed.weight", spec_.vocab, spec_.hidden, !spec_.tied);
    ValueId inv_freq = Vector("inv_freq", frequencies);
    ValueId x = Add(OpCode::kGather, "embed", {embedding, ids});
    ValueId table =
        Add(OpCode::kRopeTable, "rope_table", {positions, inv_freq}, {{AttrKey::kFactor, 1}});
    for (uint32_t layer = 0; layer < spec_.layers; ++layer) {
      x = Layer("layers." + std::to_string(layer) + ".", x, table);
    }
    x = Add(OpCode::kGather, "select_outputs", {x, rows});
    x = RmsNorm("norm", x, spec_.hidden);
    ValueId output = spec_.tied ? embedding : Matrix("lm_head.weight", spec_.vocab, spec_.hidden);
    ValueId logits = Add(OpCode::kLinear, "lm_head", {x, output, kNoValue, kNoValue});
    graph_.outputs.push_back({logits, OutputRole::kLogits});
    if (spec_.hidden_output) graph_.outputs.push_back({x, OutputRole::kHidden});
  }

  const TinySpec& spec_;
  uint64_t random_;
  MemorySink sink_;
  PackageWriter writer_;
  Package package_;
  Graph graph_;
  Status status_;
};

inline Status MakeTinyPackage(const TinySpec& spec, TinyPackage* out) {
  return TinyBuilder(spec).Build(out);
}

}  // namespace samara::test

#endif  // SAMARA_TESTS_FORMATS_TINY_PACKAGE_H_
