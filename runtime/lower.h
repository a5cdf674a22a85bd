// Lowering: from a split graph (runtime/split.h) to partition specs with every operand bound.
//
// Decides which slices and reshapes are views, where operators work in place, and where in the
// activation arena every value and every scratch lies. Where device and host share the work, each
// has a lowering of its own, with an arena of its own; a value that is made on one side and read on
// the other has a place in both.
#ifndef SAMARA_RUNTIME_LOWER_H_
#define SAMARA_RUNTIME_LOWER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "runtime/backend.h"
#include "runtime/planner.h"
#include "runtime/split.h"

namespace samara {

struct LowerRequest {
  const Package* package = nullptr;
  const Split* split = nullptr;
  Side side = Side::kDevice;
  const Backend* backend = nullptr;  // of that side
  const StepLayout* step_layout = nullptr;
  uint32_t bucket_tokens = 1;
  uint32_t max_outputs = 1;
  uint64_t n_ctx = 0;
  uint64_t n_chunk = 0;
  DType kv_type = DType::kF16;
  uint32_t n_threads = 1;
  bool keep_values = false;  // no memory is used twice
};

// A value that comes from the other side, where it is read for the first time.
struct Import {
  ValueId value = kNoValue;
  uint32_t range = 0;  // of Split::ranges; it must be there before that one runs
};

// One range of this side.
struct LoweredPart {
  uint32_t range = 0;  // of Split::ranges
  uint32_t first_op = 0, n_ops = 0;
  PartitionMeasure measure;
};

struct LoweredGraph {
  Graph graph;  // after decomposition; values of the stored graph keep their numbers
  uint32_t bucket_tokens = 0;
  SymbolValues capacity;
  std::vector<uint8_t> is_view;           // per op
  std::vector<ValueBinding> values;       // per value; kArena where it has a place in this arena
  std::vector<uint64_t> scratch_offsets;  // per op
  std::vector<LoweredPart> parts;
  std::vector<Import> imports;  // by range, ascending
  std::vector<PlanItem> items;  // what was planned: values that are no views, then scratch
  MemoryPlan plan;
  uint64_t arena_bytes = 0;
};

// Symbols at the capacity of a bucket. Refuses kinds it does not know and values outside a symbol's
// range.
Status CapacitySymbols(const LowerRequest& request, SymbolValues* values);

Status LowerGraph(const LowerRequest& request, LoweredGraph* lowered);

// The spec of operators [first_op, first_op + n_ops), for Measure and, once the caller has put
// bindings of weights, states and arena in, for Compile.
PartitionSpec SpecOf(const LowerRequest& request, const LoweredGraph& lowered, uint32_t first_op,
                     uint32_t n_ops);

// Bytes of one element of an activation.
uint32_t ActivationBytes(DType dtype);

}  // namespace samara

#endif  // SAMARA_RUNTIME_LOWER_H_
