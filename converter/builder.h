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
  };
  std::vector<Piece> pieces;
  std::vector<float> values;
};

// A package without bytes, and how to fill it. The graph is package.entries[0].
struct Model {
  Package package;
  std::vector<WeightPlan> plans;  // one for each of package.weights

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
};

struct AttentionSettings {
  int64_t heads = 0, kv_heads = 0, key_dim = 0, value_dim = 0;
  double scale = 1;
  double softcap = 0;   // 0: none
  uint64_t window = 0;  // 0: the whole context
};

class Scope {
 public:
  Scope In(std::string_view name) const;                  // "self_attn"
  Scope In(std::string_view name, int64_t number) const;  // "layers.3"
  const std::string& path() const { return path_; }

  // Rows of the table `name`.weight for the step's tokens.
  Tensor Embedding(std::string_view name, int64_t rows, int64_t columns);
  // x W^T + b: W is `name`.weight, b `name`.bias.
  Tensor Linear(Tensor x, std::string_view name, int64_t rows, bool bias = false);
  // The product with a table that Embedding reads too: tied embeddings.
  Tensor TiedLinear(Tensor x, std::string_view name, int64_t rows);
  // Over runs of `group` columns (0: all) with the weight `name`.weight.
  Tensor RmsNorm(Tensor x, std::string_view name, double eps, int64_t group = 0);
  Tensor Rope(Tensor x, int64_t head_dim, const RopeSettings& settings);
  Tensor Glu(Tensor gate, Tensor up, Activation activation);
  Tensor Add(Tensor x, Tensor y);
  // Writes k and v to a state of this scope, then attends. Sinks: `sinks` names a vector of one
  // number a head.
  Tensor Attention(Tensor q, Tensor k, Tensor v, const AttentionSettings& settings,
                   std::string_view sinks = "");

 private:
  friend class GraphBuilder;
  Scope(GraphBuilder* builder, std::string path) : builder_(builder), path_(std::move(path)) {}
  std::string Join(std::string_view name) const;

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

  ValueId Matrix(const std::string& tensor, int64_t rows, int64_t columns);
  ValueId Vector(const std::string& tensor, int64_t size);
  ValueId Constant(const std::string& name, const std::vector<float>& values);
  ValueId WeightValue(const std::string& tensor, bool vector, int64_t rows, int64_t columns);
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
  std::map<std::string, ValueId> weights_;  // by tensor name
  std::set<std::string> used_;
  std::vector<Dropped> dropped_;
  std::set<std::string> missing_;
  Dim tokens_, outputs_, context_, chunk_;
  ValueId ids_, positions_, rows_;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_BUILDER_H_
