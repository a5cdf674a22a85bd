// Helpers of the passes.
#ifndef SAMARA_CONVERTER_PASSES_REWRITE_H_
#define SAMARA_CONVERTER_PASSES_REWRITE_H_

#include <vector>

#include "formats/graph.h"

namespace samara {

// How often each value is read, by operators and as an output of the graph.
std::vector<int> CountUses(const Graph& graph);
// The operator that defines each value; -1: an input, weight or state.
std::vector<int> FindProducers(const Graph& graph);
// Every reader of `from` reads `to`.
void ReplaceUses(ValueId from, ValueId to, Graph* graph);

inline bool HasOperand(const Op& op, size_t i) {
  return i < op.inputs.size() && op.inputs[i] != kNoValue;
}

}  // namespace samara

#endif  // SAMARA_CONVERTER_PASSES_REWRITE_H_
