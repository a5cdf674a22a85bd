// The graph IR: what the converter builds, the writer stores, the reader gives back and backends compile.
//
// Plain data, owned by value, no behaviour. In the runtime it lives only while a model is loaded: compiled
// partitions keep nothing of it. The FlatBuffers form is package.fbs; numbers of enums are stored, so they
// only ever grow.
#ifndef SAMARA_FORMATS_GRAPH_H_
#define SAMARA_FORMATS_GRAPH_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/dtypes.h"
#include "formats/layout/layout.h"
#include "formats/operators.h"
#include "formats/status.h"

namespace samara {

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional operand that is absent
inline constexpr int kMaxRank = 6;
inline constexpr int kMaxTerms = 4;

// --- Symbolic dimensions ------------------------------------------------------------------------------

// What a symbol stands for; the runtime knows how to evaluate these and refuses others by name.
enum class SymbolKind : uint16_t {
  kInvalid = 0,
  kTokens = 1,   // "n_tokens": tokens of this step, 1..chunk
  kOutputs = 2,  // "n_outputs": rows for which logits are computed, 1..max_outputs
  kSeqs = 3,     // "n_seqs": sequences of this step
  kContext = 4,  // "n_ctx": positions a sequence may hold
  kChunk = 5,    // "n_chunk": most tokens of a step
  kSlots = 6,    // "n_slots.<group>": all slots of the pool of state group `group` (state_read)
};

struct Symbol {
  std::string name;
  SymbolKind kind = SymbolKind::kInvalid;
  uint32_t group = 0;  // kSlots only
  uint64_t min = 1;
  uint64_t max = 1;  // inclusive
  bool operator==(const Symbol&) const = default;
};

// ceil((constant + sum coefficient * symbol) / divisor). Normal form: terms sorted by symbol, no zero
// coefficient, divisor 1 when there is no term; so equal means structurally equal.
struct Dim {
  struct Term {
    uint32_t symbol = 0;
    int64_t coefficient = 0;
    bool operator==(const Term&) const = default;
  };
  int64_t constant = 0;
  int64_t divisor = 1;
  uint32_t n_terms = 0;
  std::array<Term, kMaxTerms> terms{};

  static Dim Of(int64_t constant) {
    Dim d;
    d.constant = constant;
    return d;
  }
  static Dim Sym(uint32_t symbol, int64_t coefficient = 1, int64_t constant = 0) {
    Dim d;
    d.constant = constant;
    d.n_terms = 1;
    d.terms[0] = {symbol, coefficient};
    return d;
  }
  bool IsConstant() const { return n_terms == 0; }
  bool operator==(const Dim&) const = default;
};

using SymbolValues = std::vector<uint64_t>;  // one per Package::symbols

// Checked: overflow, a negative result or an unknown symbol is an error that names the dimension.
StatusOr<uint64_t> EvalDim(const Dim& dim, const SymbolValues& symbols);

struct Shape {
  int rank = 0;
  std::array<Dim, kMaxRank> dims{};

  static Shape Of(std::initializer_list<Dim> list);
  bool operator==(const Shape& other) const;
};
std::string ShapeText(const Shape& shape, const std::vector<Symbol>& symbols);  // "[n_tokens, 64]"
StatusOr<uint64_t> EvalElements(const Shape& shape, const SymbolValues& symbols);

// --- Values and operators -----------------------------------------------------------------------------

enum class ValueKind : uint16_t {
  kInvalid = 0,
  kActivation = 1,  // produced by exactly one operator of this graph
  kInput = 2,       // a named input of the entry point, or a parameter of a function
  kWeight = 3,      // index: Package::weights. May stand where any F32 value may, if it is F32 and
                    // has a row-major placement.
  kState = 4,       // index: Package::states; has no dtype or shape
};

struct Value {
  std::string name;  // of the checkpoint's scope, "model.layers.0.self_attn.q"; for people only
  ValueKind kind = ValueKind::kInvalid;
  // Activations: F32, I32 or Bool; weights: kF32 stands for "its values".
  DType dtype = DType::kInvalid;
  Shape shape;
  int32_t index = -1;
  bool operator==(const Value&) const = default;
};

struct Attr {
  AttrKey key = AttrKey::kInvalid;
  int64_t i = 0;
  double f = 0;
  std::vector<int64_t> ints;
  bool operator==(const Attr&) const = default;
};

struct Op {
  OpCode code = OpCode::kInvalid;
  uint32_t version = 1;
  std::string type_name;  // as stored in the file: names an operator that this build does not know
  std::string name;       // scope path, unique in its graph
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<Attr> attrs;
  int32_t decomposition = -1;  // Package::functions; -1: none

  const Attr* Find(AttrKey key) const;
  int64_t Int(AttrKey key, int64_t otherwise = 0) const;
  double Float(AttrKey key, double otherwise = 0) const;
  bool operator==(const Op&) const = default;
};

// What an input of an entry point means to the runtime, which fills it from StepParams.
enum class InputRole : uint16_t {
  kInvalid = 0,
  kTokenIds = 1,    // I32 [n_tokens]
  kPositions = 2,   // I32 [n_tokens]: position[0] of each token
  kOutputRows = 3,  // I32 [n_outputs]: rows of the step whose results are wanted
  kParameter = 4,   // a function's parameter
};
enum class OutputRole : uint16_t {
  kInvalid = 0,
  kLogits = 1,  // F32 [n_outputs, vocab]
  kHidden = 2,  // F32 [n_outputs, dim]: last hidden state after the final norm
  kResult = 3,  // a function's result
};

struct GraphInput {
  ValueId value = kNoValue;
  InputRole role = InputRole::kInvalid;
  bool operator==(const GraphInput&) const = default;
};
struct GraphOutput {
  ValueId value = kNoValue;
  OutputRole role = OutputRole::kInvalid;
  bool operator==(const GraphOutput&) const = default;
};

// Ops stand in execution order; every operand is defined before its use; every value has one definition.
//
// A function has one parameter for each operand of the operator that it decomposes which is present, in order,
// and one result for each of its outputs. Types must be equal. A parameter is a value of kind kInput and role
// kParameter; one that stands for a weight has dtype kF32 and the weight's shape; one that stands for a state
// has dtype kInvalid, and `index` names a state of the same group and parts. Results are activations, all
// different. Functions may also use weights directly (kWeight), but states only through parameters.
struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Op> ops;
  std::vector<GraphInput> inputs;
  std::vector<GraphOutput> outputs;
  bool operator==(const Graph&) const = default;
};

// --- Weights and states -------------------------------------------------------------------------------

struct Segment {
  std::string name;
  uint64_t offset = 0;  // in this file, or in `external`
  uint64_t bytes = 0;  // payload; the file holds at least kSegmentTailBytes readable bytes after it
  std::string external;  // "" = inline; else a file name without directory, beside the package
  std::vector<uint8_t> chunk_sha256;  // 32 bytes for each kHashChunkBytes of payload
  bool operator==(const Segment&) const = default;
};

struct WeightPlacement {
  Layout layout = Layout::kInvalid;
  uint32_t version = 0;
  uint32_t segment = 0;
  uint64_t offset = 0;  // in the segment's payload, a multiple of 64
  uint64_t bytes = 0;
  bool operator==(const WeightPlacement&) const = default;
};

// Where values of a weight came from: so that LoRA and weight updates stay possible.
enum class SourceTransform : uint16_t {
  kNone = 0,
  kPermutedRotary = 1,
  kScaled = 2,
  kAddedOne = 3,
  kComputed = 4,
  kTransposed = 5  // the tensor holds the rows as columns; source_row is a column
};
struct WeightSource {
  std::string tensor;      // name in the checkpoint; "" if computed
  uint64_t first_row = 0;  // rows of the weight that it fills; elements, for vectors
  uint64_t n_rows = 0;
  uint64_t source_row = 0;  // first row in the tensor
  SourceTransform transform = SourceTransform::kNone;
  double scale = 1;
  bool operator==(const WeightSource&) const = default;
};

struct Weight {
  std::string name;
  DType dtype = DType::kInvalid;
  uint64_t rows = 0;  // vectors: rows = 1
  uint64_t cols = 0;
  bool is_vector = false;  // value shape [cols] instead of [rows, cols]
  std::vector<WeightPlacement> placements;
  std::vector<WeightSource> sources;
  bool operator==(const Weight&) const = default;
};

enum class StateKind : uint16_t {
  kInvalid = 0,
  kKeyValue = 1,
  kRecurrent = 2,
  kConvolution = 3
};  // 2, 3 reserved

// Slots are per sequence and group: every state of a group is addressed by the same block table.
struct StateGroup {
  std::string name;
  Dim slots;            // slots a sequence needs: n_ctx, or window + n_chunk + rewind_limit - 1
  uint64_t window = 0;  // 0: the whole context
  uint64_t rewind_limit = 0;  // tokens that can be taken back; UINT64_MAX: all (window 0)
  uint32_t checkpoints = 0;   // reserved for recurrent states; must be 0
  bool operator==(const StateGroup&) const = default;
};

struct StatePart {
  uint32_t heads = 0;
  uint32_t dim = 0;
  bool operator==(const StatePart&) const = default;
};
struct State {
  std::string name;
  StateKind kind = StateKind::kInvalid;
  uint32_t group = 0;
  std::vector<StatePart> parts;  // kKeyValue: [0] keys, [1] values
  bool operator==(const State&) const = default;
};

// --- The package --------------------------------------------------------------------------------------

struct SamplingDefaults {
  float temperature = 0;  // 0: greedy
  uint32_t top_k = 0;     // 0: off
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;
  std::vector<int32_t> eos_ids;
  bool operator==(const SamplingDefaults&) const = default;
};

struct ChatTemplate {
  std::string name;           // "default", "tool_use"
  std::string source;         // text as found in the checkpoint
  std::vector<uint8_t> tree;  // compiled form; empty: not compiled, not renderable
  bool operator==(const ChatTemplate&) const = default;
};

inline constexpr uint32_t kMaxTemplateVariables = 32;

// What a template makes of a conversation.
struct RenderedGolden {
  uint32_t index = 0;           // into Package::templates
  bool refused = false;         // the template raised an error; text is its message
  std::string text;             // "" if it is long
  uint64_t bytes = 0;           // of the text
  std::vector<uint8_t> sha256;  // of the text
  bool operator==(const RenderedGolden&) const = default;
};
struct ConversationGolden {
  std::string name;
  std::string json;  // as samara_render takes it
  int64_t time = 0;  // what strftime_now told, seconds since 1970 without a zone
  std::vector<RenderedGolden> results;
  bool operator==(const ConversationGolden&) const = default;
};

struct OpGolden {
  uint32_t op = 0;  // index into the entry's graph as stored
  uint32_t output = 0;
  double l2 = 0;
  std::vector<uint64_t> indices;  // flat indices of the sampled values
  std::vector<float> values;
  bool operator==(const OpGolden&) const = default;
};
struct Golden {
  std::string entry;
  std::vector<int32_t> ids;  // 8 token ids, fed as one prompt
  // Of the last position's F32 logits, little-endian, CPU contract.
  std::vector<uint8_t> logits_sha256;
  std::vector<int32_t> top_ids;  // best first
  std::vector<float> top_logits;
  std::vector<OpGolden> ops;
  bool operator==(const Golden&) const = default;
};

struct Provenance {
  std::string converter;  // the program and its version
  std::string license;
  // File name, hex; "" where not computed.
  std::vector<std::pair<std::string, std::string>> source_sha256;
  std::vector<std::pair<std::string, std::string>> options;
  bool operator==(const Provenance&) const = default;
};

struct Package {
  std::vector<std::string> required_features;
  std::string name;  // for people: "stories260k"
  uint64_t trained_context = 0;
  uint32_t vocab = 0;  // rows of the logits
  std::vector<Symbol> symbols;
  std::vector<Segment> segments;
  std::vector<Weight> weights;
  std::vector<StateGroup> groups;
  std::vector<State> states;
  std::vector<Graph> functions;  // decompositions
  std::vector<Graph> entries;    // [0] is "generate"
  int32_t tokenizer_segment = -1;
  uint32_t tokenizer_vocab = 0;  // ids below this can be sampled
  std::vector<ChatTemplate> templates;
  SamplingDefaults sampling;
  std::vector<Golden> goldens;
  Provenance provenance;
  std::vector<std::pair<std::string, std::string>> metadata;  // free text pairs, shown by inspect
  // What every template sees: bos_token, eos_token, ... as transformers passes them.
  std::vector<std::pair<std::string, std::string>> template_variables;
  std::vector<ConversationGolden> conversations;  // goldens of the templates
  bool operator==(const Package&) const = default;
};

inline constexpr uint64_t kSegmentAlignment = 16384;
inline constexpr uint64_t kHashChunkBytes = uint64_t{4} << 20;
inline constexpr uint64_t kSegmentTailBytes = 256;  // zero bytes that vector loads may touch

// --- Shape inference and structural checks (formats/shape_inference.cc, formats/check.cc) -----------------

struct ValueType {
  DType dtype = DType::kInvalid;
  Shape shape;
};

// Types of op's outputs from its inputs' types and attributes. For operators of unknown code or version:
// kUnsupported. `graph` gives the operands, `package` weights, states and symbols.
Status InferTypes(const Package& package, const Graph& graph, const Op& op,
                  std::vector<ValueType>* outputs);

// Everything that must hold before any number of the package is trusted as an index or a length: ranges,
// single definition, order, arity, attributes, types equal to inferred types, symbols, weight placements
// inside their segments, states, functions (no recursion), goldens. Operators that this build does not know
// are collected, with unknown features, in one kUnsupported error unless they carry a decomposition.
Status CheckPackage(const Package& package);

// graph with each operator for which `decompose(op)` holds replaced by its function's operators, repeatedly;
// names become "outer/inner". Fails by name if such an operator has no decomposition.
struct DecomposeChoice {
  virtual ~DecomposeChoice() = default;
  virtual bool Decompose(const Graph&, const Op&) = 0;
};
Status InlineDecompositions(const Package& package, const Graph& graph, DecomposeChoice* choice,
                            Graph* out);

}  // namespace samara

#endif  // SAMARA_FORMATS_GRAPH_H_
