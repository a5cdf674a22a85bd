// A package whose most likely token at position p is script[p], whatever was fed: what a reply says
// is then known beforehand. Logits are 10 for that token and below 1, all different, for the others.
#ifndef SAMARA_TESTS_FORMATS_SCRIPTED_PACKAGE_H_
#define SAMARA_TESTS_FORMATS_SCRIPTED_PACKAGE_H_

#include "tests/formats/tiny_package.h"

namespace samara::test {

struct Script {
  std::vector<int32_t> ids;  // as many as the context may have positions
  uint32_t vocab = 0;
  std::vector<int32_t> eos_ids;
  std::vector<uint8_t> tokenizer;  // compiled tables of `vocab` ids; empty: none
  std::function<Status(Package*)> extend;  // what else the package shall hold; may be empty
};

inline float ScriptedLogit(const Script& script, size_t position, uint32_t id) {
  if (static_cast<uint32_t>(script.ids[position]) == id) return 10;
  const uint64_t scrambled = (position * script.vocab + id + 1) * 0x9e3779b97f4a7c15u;
  return static_cast<float>(scrambled >> 40) * 0x1p-24f;
}

inline Status MakeScriptedPackage(const Script& script, std::vector<uint8_t>* file) {
  constexpr uint64_t kMost = uint64_t{1} << 24;
  const uint64_t rows = script.ids.size(), vocab = script.vocab;
  Package package;
  package.name = "scripted";
  package.vocab = package.tokenizer_vocab = script.vocab;
  package.trained_context = rows;
  package.sampling.eos_ids = script.eos_ids;
  package.symbols = {{"n_tokens", SymbolKind::kTokens, 0, 1, kMost},
                     {"n_outputs", SymbolKind::kOutputs, 0, 0, kMost},
                     {"n_seqs", SymbolKind::kSeqs, 0, 1, kMost},
                     {"n_ctx", SymbolKind::kContext, 0, 1, rows},
                     {"n_chunk", SymbolKind::kChunk, 0, 1, kMost}};
  std::vector<float> table(rows * vocab);
  for (uint64_t p = 0; p < rows; ++p) {
    for (uint32_t id = 0; id < vocab; ++id) table[p * vocab + id] = ScriptedLogit(script, p, id);
  }
  const uint64_t bytes = table.size() * sizeof(float);

  MemorySink sink;
  PackageWriter writer(&sink);
  SAMARA_RETURN_IF_ERROR(writer.Begin());
  SAMARA_RETURN_IF_ERROR(writer.BeginSegment("weights"));
  Weight weight;
  weight.name = "script";
  weight.dtype = DType::kF32;
  weight.rows = rows;
  weight.cols = vocab;
  weight.placements.push_back(
      {Layout::kRowMajor, kLayoutVersion, writer.segment_index(), 0, bytes});
  weight.sources.push_back({"script", 0, rows, 0, SourceTransform::kComputed, 1});
  package.weights.push_back(weight);
  SAMARA_RETURN_IF_ERROR(writer.Append(table.data(), bytes));
  SAMARA_RETURN_IF_ERROR(writer.EndSegment());
  if (!script.tokenizer.empty()) {
    SAMARA_RETURN_IF_ERROR(writer.BeginSegment("tokenizer"));
    package.tokenizer_segment = static_cast<int32_t>(writer.segment_index());
    SAMARA_RETURN_IF_ERROR(writer.Append(script.tokenizer.data(), script.tokenizer.size()));
    SAMARA_RETURN_IF_ERROR(writer.EndSegment());
  }

  Graph graph;
  graph.name = "generate";
  const Dim columns = Dim::Of(static_cast<int64_t>(vocab));
  const Shape tokens = Shape::Of({Dim::Sym(0)}), outputs = Shape::Of({Dim::Sym(1)});
  graph.values = {
      {"ids", ValueKind::kInput, DType::kI32, tokens, -1},
      {"positions", ValueKind::kInput, DType::kI32, tokens, -1},
      {"output_rows", ValueKind::kInput, DType::kI32, outputs, -1},
      {"script", ValueKind::kWeight, DType::kF32,
       Shape::Of({Dim::Of(static_cast<int64_t>(rows)), columns}), 0},
      {"all", ValueKind::kActivation, DType::kF32, Shape::Of({Dim::Sym(0), columns}), -1},
      {"logits", ValueKind::kActivation, DType::kF32, Shape::Of({Dim::Sym(1), columns}), -1}};
  graph.inputs = {
      {0, InputRole::kTokenIds}, {1, InputRole::kPositions}, {2, InputRole::kOutputRows}};
  for (ValueId k = 0; k < 2; ++k) {
    const OpInfo* info = FindOp(OpCode::kGather);
    Op op;
    op.code = OpCode::kGather;
    op.version = info->version;
    op.type_name = info->name;
    op.name = k == 0 ? "read" : "select_outputs";
    op.inputs = {k == 0 ? 3 : 4, k == 0 ? 1 : 2};
    op.outputs = {4 + k};
    graph.ops.push_back(op);
  }
  graph.outputs = {{5, OutputRole::kLogits}};
  package.entries.push_back(graph);
  if (script.extend) SAMARA_RETURN_IF_ERROR(script.extend(&package));
  uint64_t file_bytes = 0;
  SAMARA_RETURN_IF_ERROR(writer.Finish(&package, &file_bytes));
  *file = std::move(sink.bytes);
  return Status();
}

}  // namespace samara::test

#endif  // SAMARA_TESTS_FORMATS_SCRIPTED_PACKAGE_H_
