// A checkpoint on disk, opened and built, for tests of the builder, the passes and the
// decompositions.
#ifndef SAMARA_TESTS_CONVERTER_MODEL_KIT_H_
#define SAMARA_TESTS_CONVERTER_MODEL_KIT_H_

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "converter/builder.h"
#include "converter/convert.h"
#include "converter/passes/passes.h"
#include "converter/source.h"
#include "tests/converter/checkpoint.h"

namespace samara {

// The naive model of a family, before passes.
struct NaiveModel {
  TemporaryDirectory dir;
  Source source;
  Model model;
  std::vector<GraphBuilder::Dropped> dropped;
  Status status;

  explicit NaiveModel(const TestCheckpoint& checkpoint) {
    WriteCheckpoint(dir / "m", checkpoint);
    status = OpenSource(dir / "m", &source);
    if (!status.ok()) return;
    GraphBuilder builder(&source.checkpoint);
    uint64_t context = 0;
    status = source.family->build(source.config.root(), &builder, &context);
    if (status.ok()) status = builder.Finish(&model, &dropped);
    model.package.trained_context = context;
  }
};

inline int CountOps(const Graph& graph, OpCode code) {
  int n = 0;
  for (const Op& op : graph.ops) n += op.code == code;
  return n;
}

// "code name(operand names) attrs -> results", one line an operator: equal texts are equal graphs
// but for numbering.
inline std::string GraphText(const Package& package, const Graph& graph) {
  std::string text;
  for (const Op& op : graph.ops) {
    text += op.type_name + " " + op.name + "(";
    for (const ValueId id : op.inputs) {
      text += id == kNoValue ? "-," : graph.values[static_cast<size_t>(id)].name + ",";
    }
    text += ")";
    for (const Attr& attr : op.attrs) {
      text += " " + std::to_string(static_cast<int>(attr.key)) + "=" + std::to_string(attr.i) +
              "/" + std::to_string(static_cast<int64_t>(attr.f * 1e6));
    }
    for (const ValueId id : op.outputs) {
      const Value& value = graph.values[static_cast<size_t>(id)];
      text += " -> " + value.name + ShapeText(value.shape, package.symbols);
    }
    text += "\n";
  }
  return text;
}

// A package whose bytes are imagined: one segment that holds every placement.
inline Status CheckWithoutBytes(Package package) {
  uint64_t bytes = 64;
  for (const Weight& weight : package.weights) {
    bytes = std::max(bytes, weight.placements[0].offset + weight.placements[0].bytes);
  }
  Segment segment;
  segment.name = "weights";
  segment.offset = kSegmentAlignment;
  segment.bytes = bytes;
  segment.chunk_sha256.resize(32 * ((bytes + kHashChunkBytes - 1) / kHashChunkBytes));
  package.segments = {segment};
  package.tokenizer_vocab = package.vocab;
  return CheckPackage(package);
}

}  // namespace samara

#endif  // SAMARA_TESTS_CONVERTER_MODEL_KIT_H_
