// The graph builder: what a model file writes with.
//
//   Tensor Mlp(Scope b, Tensor x, const DecoderConfig& c) {
//     Tensor gate = b.Linear(x, "gate_proj", c.intermediate);       // [n_tokens, intermediate]
//     ...
//
// A Scope is a place in the checkpoint's name tree; it names the weights that it reads and the
// operators that it makes. Shapes are inferred and checked here against the checkpoint's tensors.
// Errors are sticky: after the first one every call does nothing and gives an empty Tensor, and
// GraphBuilder::Finish reports it with its scope path, so a model file needs no error handling.
// Weights are references; no value is read before the package is written. What comes out is naive:
// as the checkpoint's own code reads. Passes (passes/) make it fast.
#ifndef SAMARA_CONVERTER_BUILDER_H_
#define SAMARA_CONVERTER_BUILDER_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "converter/graph_writer.h"
#include "converter/safetensors.h"
#include "formats/graph.h"

namespace samara {

// Tokens that can be taken back from a state with a window.
inline constexpr uint64_t kWindowRewind = 64;

// Where the values of Package::weights[i] come from: rows of checkpoint tensors, one piece after
// the other, in the order of Weight::sources; or, without pieces, `values` (vectors only).
struct WeightPlan {
  struct Piece {
    const TensorInfo* tensor = nullptr;
    uint64_t source_row = 0;  // elements, for vectors
    uint64_t n_rows = 0;
    bool transposed = false;  // matrices: the tensor is [columns, rows]; source_row is a column
    bool add_one = false;     // vectors: 1 is added to each element
  };
  std::vector<Piece> pieces;
  std::vector<float> values;
};

// A package without bytes, and how to fill it. The graph is package.entries[0].
struct Model {
  Package package;
  std::vector<WeightPlan> plans;  // one for each of package.weights
  // Matrices of another type than the one asked for: how many, and what they have in common.
  struct TypeNote {
    DType dtype = DType::kInvalid;
    std::string what;
    uint64_t count = 0;
  };
  std::vector<TypeNote> type_notes;

  Graph& graph() { return package.entries[0]; }
  const Graph& graph() const { return package.entries[0]; }
};

class GraphBuilder;

// A value of the graph: F32 [rows, columns], where rows are the tokens of a step or its outputs.
class Tensor {
 public:
  Tensor() = default;
  bool ok() const { return id_ != kNoValue; }

 private:
  friend class Scope;
  friend class GraphBuilder;
  explicit Tensor(ValueId id) : id_(id) {}
  ValueId id_ = kNoValue;
};

// Frequencies of a rotary embedding; all uses with equal numbers share one weight and, after the
// passes, one table.
struct RopeSettings {
  std::vector<float> inv_freq;  // one for each pair of dimensions
  double factor = 1;            // on cosine and sine
  bool interleaved = false;
  // Frequencies that take over in models that are loaded with a context of more than `long_from`.
  std::vector<float> long_inv_freq = {};
  int64_t long_from = 0;
  // Contexts beyond this have frequencies that depend on the text's length; 0: none has.
  int64_t max_context = 0;
};

struct AttentionSettings {
  int64_t heads = 0, kv_heads = 0, key_dim = 0, value_dim = 0;
  double scale = 1;
  double softcap = 0;   // 0: none
  uint64_t window = 0;  // 0: the whole context
};

// How a norm uses its weight.
enum class NormWeight { kPlain, kPlusOne, kNone };

// Rows [first, first + count) of a checkpoint's matrix.
struct RowRange {
  int64_t first = 0, count = 0;
};
// `groups` runs of `count` rows, `stride` apart: what one head after the other owns of a matrix that
// holds queries, keys and values by turns.
std::vector<RowRange> Strided(int64_t first, int64_t count, int64_t stride, int64_t groups);

class Scope {
 public:
  Scope In(std::string_view name) const;                  // "self_attn"
  Scope In(std::string_view name, int64_t number) const;  // "layers.3"
  const std::string& path() const { return path_; }

  // Rows of the table `name`.weight for the step's tokens.
  Tensor Embedding(std::string_view name, int64_t rows, int64_t columns);
  // x W^T + b: W is `name`.weight, b `name`.bias.
  Tensor Linear(Tensor x, std::string_view name, int64_t rows, bool bias = false);
  // The same for a tensor that holds W^T ([columns, rows]) under the same name.
  Tensor TransposedLinear(Tensor x, std::string_view name, int64_t rows, bool bias = false);
  // The same with some rows of W, and of b, in the order of `ranges`; W has `total` rows. `part`
  // names the result.
  Tensor LinearRows(Tensor x, std::string_view name, std::string_view part, int64_t total,
                    const std::vector<RowRange>& ranges, bool bias = false);
  // The product with a table that Embedding reads too: tied embeddings.
  Tensor TiedLinear(Tensor x, std::string_view name, int64_t rows);
  // Rows of the table `name`.weight for the step's positions. Bounds the context by `rows`.
  Tensor PositionEmbedding(std::string_view name, int64_t rows, int64_t columns);
  // Over runs of `group` columns (0: all) with the weight `name`.weight.
  Tensor RmsNorm(Tensor x, std::string_view name, double eps, int64_t group = 0,
                 NormWeight weight = NormWeight::kPlain);
  // With the weight `name`.weight and the bias `name`.bias.
  Tensor LayerNorm(Tensor x, std::string_view name, double eps, bool bias = true);
  // Over runs of `group` columns, each with a weight of its own: `name`.0.weight, `name`.1.weight...
  Tensor LayerNormByHead(Tensor x, std::string_view name, double eps, int64_t group);
  Tensor Rope(Tensor x, int64_t head_dim, const RopeSettings& settings);
  Tensor Glu(Tensor gate, Tensor up, Activation activation);
  Tensor Activate(Tensor x, Activation activation);
  Tensor Add(Tensor x, Tensor y);
  // x * factor; x itself if that is 1.
  Tensor Scale(Tensor x, double factor);
  // x times the tensor `name` of one element.
  Tensor ScaleBy(Tensor x, std::string_view name);
  // cap * tanh(x / cap), from x / cap.
  Tensor Softcap(Tensor scaled, double cap);
  // Columns [first, first + count).
  Tensor Columns(Tensor x, int64_t first, int64_t count);
  // x * (1 + beta * log(1 + floor(position / length))).
  Tensor ScaleByPosition(Tensor x, double beta, int64_t length);
  // Writes k and v to a state of this scope, then attends. Sinks: `sinks` names a vector of one
  // number a head.
  Tensor Attention(Tensor q, Tensor k, Tensor v, const AttentionSettings& settings,
                   std::string_view sinks = "");
  // Attends to what an Attention of scope `owner`, written before, has stored.
  Tensor SharedAttention(Tensor q, const Scope& owner, const AttentionSettings& settings);

 private:
  friend class GraphBuilder;
  Scope(GraphBuilder* builder, std::string path) : builder_(builder), path_(std::move(path)) {}
  std::string Join(std::string_view name) const;
  Tensor Attend(Tensor q, ValueId state, const AttentionSettings& settings, std::string_view sinks);
  Tensor LinearOf(Tensor x, const std::string& path, ValueId matrix, ValueId bias);
  // cos and sin of the step's positions: [n_tokens, 2 * frequencies].
  ValueId RopeTable(const std::string& base, const RopeSettings& settings) const;

  GraphBuilder* builder_;
  std::string path_;
};

class GraphBuilder {
 public:
  // The checkpoint outlives the builder and the Model.
  explicit GraphBuilder(const Checkpoint* checkpoint);

  Scope Root() { return Scope(this, ""); }
  bool failed() const { return !status_.ok(); }
  void Fail(Status status);  // kept if it is the first

  bool Has(std::string_view tensor) const { return checkpoint_->Find(tensor) != nullptr; }
  // No model of this package can be loaded with a longer context.
  void LimitContext(int64_t context);

  // Rows of x whose results are wanted, then the rest of the graph works on those.
  Tensor SelectOutputs(Tensor x);
  void SetLogits(Tensor logits);
  // The last hidden states, of selected rows: what embeddings are made of. Costs a run nothing but
  // that they stay in the arena.
  void SetHidden(Tensor hidden);

  // Tensors that this family leaves out: `pattern` with one '*' for anything. Missing ones are no
  // error.
  struct Dropped {
    std::string pattern, reason;
    uint64_t count = 0;
  };
  void Drop(std::string pattern, std::string reason);

  // The model, or the first error. Tensors of the checkpoint that are neither used nor dropped are
  // an error.
  Status Finish(Model* model, std::vector<Dropped>* dropped);

 private:
  friend class Scope;

  ValueId Matrix(const std::string& tensor, int64_t rows, int64_t columns, bool transposed = false);
  ValueId Vector(const std::string& tensor, int64_t size, bool add_one = false);
  // Rows, or elements, of a tensor that has `total`.
  ValueId MatrixRows(const std::string& tensor, const std::string& name, int64_t total,
                     int64_t columns, const std::vector<RowRange>& ranges);
  // `count` vectors of `size` elements, `path`.<number>.weight, one after the other.
  ValueId VectorList(const std::string& path, int64_t count, int64_t size);
  ValueId VectorRows(const std::string& tensor, const std::string& name, int64_t total,
                     const std::vector<RowRange>& ranges);
  ValueId Constant(const std::string& name, const std::vector<float>& values);
  ValueId Scalar(double value);
  // The checkpoint's tensor, marked as used; nullptr if it is missing or (an error) has another
  // shape or type.
  const TensorInfo* Take(const std::string& tensor, std::vector<uint64_t> shape);
  ValueId AddWeight(const std::string& name, Weight weight, WeightPlan plan);
  ValueId StateValue(const std::string& name, const AttentionSettings& settings);
  uint32_t Group(uint64_t window);
  // Columns of a [rows, columns] value; -1 (and an error) if it has another form.
  int64_t Columns(Tensor x, const std::string& user);
  const Shape& ShapeOf(Tensor x) { return writer_.shape(x.id_); }
  void Want(bool condition, const std::string& path, const std::string& got,
            const std::string& wanted);

  const Checkpoint* checkpoint_;
  Model model_;
  GraphWriter writer_;
  Status status_;
  std::map<std::string, ValueId> weights_;  // by name
  std::map<std::string, ValueId> states_;   // by name
  std::map<double, ValueId> scalars_;
  std::set<std::string> used_;
  std::vector<Dropped> dropped_;
  std::set<std::string> missing_;
  Dim tokens_, outputs_, context_, chunk_;
  ValueId ids_, positions_, rows_;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_BUILDER_H_
