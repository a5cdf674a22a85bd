// Lowering: from a stored graph to a partition spec with every operand bound.
//
// Decides which operators run fused and which by their decomposition, which slices and reshapes are
// views, where operators work in place, and where in the activation arena every value and every
// scratch lies.
#ifndef SAMARA_RUNTIME_LOWER_H_
#define SAMARA_RUNTIME_LOWER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "runtime/backend.h"
#include "runtime/planner.h"

namespace samara {

struct LowerRequest {
  const Package* package = nullptr;
  const Graph* graph = nullptr;
  const Backend* backend = nullptr;
  const StepLayout* step_layout = nullptr;
  uint32_t bucket_tokens = 1;
  uint32_t max_outputs = 1;
  uint64_t n_ctx = 0;
  uint64_t n_chunk = 0;
  DType kv_type = DType::kF16;
  uint32_t n_threads = 1;
  bool decompose = false;    // every composite that carries a decomposition runs by it
  bool keep_values = false;  // no memory is used twice
};

struct LoweredGraph {
  Graph graph;  // after decomposition; values of the stored graph keep their numbers
  uint32_t bucket_tokens = 0;
  SymbolValues capacity;
  std::vector<uint8_t> is_view;      // per op
  std::vector<ValueBinding> values;  // per value
  std::vector<uint64_t> scratch_offsets;
  PartitionMeasure measure;
  std::vector<PlanItem> items;  // what was planned: values that are no views, then scratch
  MemoryPlan plan;
  uint64_t arena_bytes = 0;
  uint32_t n_decomposed = 0;  // operators of the stored graph that run by decomposition
};

// Symbols at the capacity of a bucket. Refuses kinds it does not know and values outside a symbol's
// range.
Status CapacitySymbols(const LowerRequest& request, SymbolValues* values);

Status LowerGraph(const LowerRequest& request, LoweredGraph* lowered);

// The spec for Measure and, once the caller has put bindings of weights, states and arena in, for
// Compile.
PartitionSpec SpecOf(const LowerRequest& request, const LoweredGraph& lowered);

// Bytes of one element of an activation.
uint32_t ActivationBytes(DType dtype);

}  // namespace samara

#endif  // SAMARA_RUNTIME_LOWER_H_
