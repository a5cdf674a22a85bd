// A tiny package in which every field of the format is in use, and how to parse metadata by itself.
#ifndef SAMARA_TESTS_FORMATS_FULL_PACKAGE_H_
#define SAMARA_TESTS_FORMATS_FULL_PACKAGE_H_

#include <cstring>
#include <string>
#include <vector>

#include "tests/formats/graph_fixture.h"
#include "tests/formats/tiny_package.h"

namespace samara::test {

inline constexpr OpCode kPeekCode = static_cast<OpCode>(2000),
                        kTwiceCode = static_cast<OpCode>(2001);

// Functions of the package that FillPackage makes.
enum FullFunction { kMatmulFunction = 0, kPeekFunction = 1, kTwiceFunction = 2 };

inline size_t FindOpIndex(const Graph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (graph.ops[i].name == name) return i;
  }
  return graph.ops.size();
}

inline Status FillPackage(Package* package) {
  Package& p = *package;
  Graph& g = p.entries[0];
  const Shape rows_of_slots = Shape::Of({Dim::Sym(0), Dim::Sym(5)});

  // A decomposition of one linear: parameters are an activation and a weight.
  Op& qkv = g.ops[FindOpIndex(g, "layers.0.qkv")];
  Graph matmul;
  matmul.name = "linear.0";
  ValueId x = AddValue(&matmul, ValueKind::kInput, DType::kF32, g.values[qkv.inputs[0]].shape);
  ValueId w = AddValue(&matmul, ValueKind::kInput, DType::kF32, g.values[qkv.inputs[1]].shape);
  ValueId y =
      AddValue(&matmul, ValueKind::kActivation, DType::kF32, g.values[qkv.outputs[0]].shape);
  matmul.ops.push_back(MakeOp(OpCode::kMatmul, "matmul", {x, w}, {y}));
  matmul.inputs = {{x, InputRole::kParameter}, {w, InputRole::kParameter}};
  matmul.outputs = {{y, OutputRole::kResult}};
  qkv.decomposition = kMatmulFunction;

  // An operator of the future that looks at a state, and one that calls another function.
  Graph peek;
  peek.name = "peek";
  ValueId state = AddValue(&peek, ValueKind::kInput, DType::kInvalid, Shape(), 0);
  ValueId visible = AddValue(&peek, ValueKind::kActivation, DType::kBool, rows_of_slots);
  peek.ops.push_back(MakeOp(OpCode::kStateVisible, "visible", {state}, {visible},
                            {IntAttribute(AttrKey::kWindow, p.groups[0].window)}));
  peek.inputs = {{state, InputRole::kParameter}};
  peek.outputs = {{visible, OutputRole::kResult}};
  const Shape hidden = g.values[qkv.inputs[0]].shape;
  Graph twice;
  twice.name = "twice";
  x = AddValue(&twice, ValueKind::kInput, DType::kF32, hidden);
  y = AddValue(&twice, ValueKind::kActivation, DType::kF32, hidden);
  twice.ops.push_back(MakeOp(OpCode::kAdd, "sum", {x, x}, {y}));
  twice.inputs = {{x, InputRole::kParameter}};
  twice.outputs = {{y, OutputRole::kResult}};
  p.functions = {matmul, peek, twice};

  ValueId kv = kNoValue;
  for (size_t v = 0; v < g.values.size(); ++v) {
    if (g.values[v].kind == ValueKind::kState) kv = static_cast<ValueId>(v);
  }
  Op op = MakeOp(kPeekCode, "peek.0", {kv},
                 {AddValue(&g, ValueKind::kActivation, DType::kBool, rows_of_slots)});
  op.type_name = "peek";
  op.version = 3;
  op.decomposition = kPeekFunction;
  g.ops.push_back(op);
  op = MakeOp(kTwiceCode, "twice.0", {qkv.inputs[0]},
              {AddValue(&g, ValueKind::kActivation, DType::kF32, hidden)},
              {FloatAttribute(static_cast<AttrKey>(500), 0.25)});
  op.type_name = "twice";
  op.decomposition = kTwiceFunction;
  g.ops.push_back(op);
  const Shape transposed = Shape::Of({hidden.dims[1], hidden.dims[0]});
  g.ops.push_back(MakeOp(OpCode::kTranspose, "transpose.0", {qkv.inputs[0]},
                         {AddValue(&g, ValueKind::kActivation, DType::kF32, transposed)},
                         {IntsAttribute(AttrKey::kPerm, {1, 0})}));
  Dim blocks = Dim::Sym(3, 1, 63);
  blocks.divisor = 64;
  g.ops.push_back(MakeOp(OpCode::kIota, "iota.0", {},
                         {AddValue(&g, ValueKind::kActivation, DType::kI32, Shape::Of({blocks}))},
                         {IntAttribute(AttrKey::kAxis, 0)}));

  // A second entry point over the same weights: rows of the embedding.
  Graph embed;
  embed.name = "embed";
  const Op& gather = g.ops[FindOpIndex(g, "embed")];
  const Value& table = g.values[gather.inputs[0]];
  const Shape tokens = Shape::Of({Dim::Sym(0)}), outputs = Shape::Of({Dim::Sym(1)});
  ValueId ids = AddValue(&embed, ValueKind::kInput, DType::kI32, tokens);
  ValueId rows = AddValue(&embed, ValueKind::kInput, DType::kI32, outputs);
  w = AddValue(&embed, ValueKind::kWeight, DType::kF32, table.shape, table.index);
  x = AddValue(&embed, ValueKind::kActivation, DType::kF32, hidden);
  y = AddValue(&embed, ValueKind::kActivation, DType::kF32,
               Shape::Of({Dim::Sym(1), hidden.dims[1]}));
  embed.ops.push_back(MakeOp(OpCode::kGather, "embed", {w, ids}, {x}));
  embed.ops.push_back(MakeOp(OpCode::kGather, "select", {x, rows}, {y}));
  embed.inputs = {{ids, InputRole::kTokenIds}, {rows, InputRole::kOutputRows}};
  embed.outputs = {{y, OutputRole::kHidden}};
  p.entries.push_back(embed);

  p.tokenizer_segment = 0;
  p.tokenizer_vocab = p.vocab - 1;
  p.templates = {{"default", "{{ messages }}", {1, 2, 3}}, {"tool_use", "{{ tools }}", {}}};
  p.template_variables = {{"bos_token", "<s>"}, {"eos_token", ""}};
  ConversationGolden conversation;
  conversation.name = "plain";
  conversation.json = "[]";
  conversation.time = -1;
  conversation.results = {{0, false, "hello", 5, std::vector<uint8_t>(32, 1)},
                          {1, true, "", 70000, std::vector<uint8_t>(32, 2)}};
  p.conversations = {conversation, {"empty", "", 1, {}}};
  p.sampling = {0.7f, 40, 0.9f, 0.05f, 1.1f, {1, 2}};
  Golden golden;
  golden.entry = "generate";
  golden.ids = {1, 2, 3, 4, 5, 6, 7, 8};
  golden.logits_sha256.assign(32, 0xAB);
  golden.top_ids = {3, 1};
  golden.top_logits = {2.5f, -1.25f};
  golden.ops = {{1, 0, 12.5, {0, 7, 9}, {0.5f, -0.5f, 3}}, {0, 0, 0, {}, {}}};
  p.goldens = {golden};
  p.provenance.source_sha256 = {{"model.safetensors", "00ff"}, {"config.json", ""}};
  p.provenance.options = {{"quant", "q8_0"}};
  p.metadata = {{"author", "nobody"}, {"note", "line\nbreak"}};
  p.weights[0].sources[0].transform = SourceTransform::kScaled;
  p.weights[0].sources[0].scale = 0.5;
  p.weights[0].sources[0].source_row = 17;
  return Status();
}

// As small as a package can be that still uses everything.
inline TinySpec FullSpec() {
  TinySpec spec;
  spec.vocab = 33;
  spec.hidden = 32;
  spec.layers = 1;
  spec.heads = 2;
  spec.kv_heads = 1;
  spec.head_dim = 8;
  spec.inter = 32;
  spec.dtype = DType::kQ8_0;
  spec.decompose = FillPackage;
  return spec;
}

// 8-aligned bytes.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::span<const uint8_t> bytes)
      : words_(bytes.size() / 8 + 1), size_(bytes.size()) {
    if (size_ > 0) std::memcpy(words_.data(), bytes.data(), size_);
  }
  std::span<uint8_t> span() { return {reinterpret_cast<uint8_t*>(words_.data()), size_}; }

 private:
  std::vector<uint64_t> words_;
  size_t size_;
};

// Parses metadata under a header that fits it: what a file looks like whose hash an attacker has
// set.
inline Status ParseWithHash(std::span<const uint8_t> metadata, FileHeader header,
                            Package* package) {
  AlignedBytes copy(metadata);
  Sha256 hash;
  uint8_t digest[32];
  hash.Update(metadata.data(), metadata.size());
  hash.Finish(digest);
  std::memcpy(header.metadata_sha256, digest, sizeof header.metadata_sha256);
  header.metadata_bytes = metadata.size();
  return ParseMetadata(copy.span(), header, package);
}
inline Status ParseWithHash(const std::string& metadata, const FileHeader& header,
                            Package* package) {
  return ParseWithHash({reinterpret_cast<const uint8_t*>(metadata.data()), metadata.size()}, header,
                       package);
}

}  // namespace samara::test

#endif  // SAMARA_TESTS_FORMATS_FULL_PACKAGE_H_
