// A compiled partition of the reference backends: flat arrays in one block of host memory.
#ifndef SAMARA_BACKENDS_REFERENCE_PLAN_H_
#define SAMARA_BACKENDS_REFERENCE_PLAN_H_

#include <cstdint>
#include <vector>

#include "runtime/backend.h"

namespace samara::reference {

enum class Mode : uint8_t { kExact, kFloat64 };

inline constexpr uint64_t AlignUp(uint64_t n) { return (n + 63) & ~uint64_t{63}; }
inline constexpr uint64_t kNowhere = UINT64_MAX;

// Bytes of an element while a partition runs: F32 values are doubles in float64 mode.
inline uint64_t ElementBytes(DType dtype, Mode mode) {
  if (dtype == DType::kF32) return mode == Mode::kExact ? 4 : 8;
  return dtype == DType::kBool ? 1 : 4;
}

// The attributes of every operator, defaults filled in.
struct OpParams {
  int64_t axis, begin, length, part, group, head_dim, interleaved;
  int64_t heads, kv_heads, key_dim, value_dim, window;
  int64_t perm[kMaxRank];
  double value, eps, factor, scale, softcap;
  Activation activation;
  DType cast;
};

struct WeightPlan {
  const uint8_t* data;
  DType dtype;
  Layout layout;
  uint64_t rows, cols;
};

struct StatePlan {
  int32_t state;  // index in the package
  uint32_t group;
  uint32_t heads[2], dim[2];
  DType dtype;
  uint8_t* data[2];
};

// A value of the graph that the partition touches.
struct ValuePlan {
  ValueId id;
  DType dtype;
  BufferKind kind;
  StepField step_field;
  bool from_outside;  // read from the arena as it is when Run begins
  uint32_t rank;
  uint32_t dims[kMaxRank];             // indices into the plan's dims
  uint64_t offset, row_stride, bytes;  // in the arena
  uint64_t shadow;                     // float64: offset in the shadow arena, or kNowhere
  int32_t weight, state;               // indices into the plan's tables, or -1
};

struct OpPlan {
  OpCode code;
  bool is_view;
  uint32_t n_inputs, n_outputs;
  uint32_t
      first_operand;  // inputs, then outputs: indices into values, kAbsent for an absent operand
  uint64_t scratch;   // offset in the arena
  OpParams params;
};
inline constexpr uint32_t kAbsent = UINT32_MAX;

// What BuildPlan makes; the partition copies it into its block.
struct PlanDraft {
  std::vector<OpPlan> ops;
  std::vector<uint32_t> operands;
  std::vector<ValuePlan> values;
  std::vector<WeightPlan> weights;
  std::vector<StatePlan> states;
  std::vector<Dim> dims;
  std::vector<uint64_t> symbols;  // capacities
  std::vector<SymbolKind> symbol_kinds;
  std::vector<uint64_t> scratch_bytes;  // per op
  uint64_t shadow_bytes = 0;
  uint32_t max_operands = 0;
};

// Bindings may be absent (Measure); then the plan has the same sizes and no addresses.
Status BuildPlan(const PartitionSpec& spec, Mode mode, PlanDraft* draft);

// ceil((constant + sum coefficient * symbol) / divisor), checked.
bool EvaluateDim(const Dim& dim, const uint64_t* symbols, uint64_t n_symbols, uint64_t* value);

// True if the kernels take this weight operand in its layout; other operators get it dequantized to
// a tensor.
bool TakesPackedWeight(OpCode code, uint32_t input);

}  // namespace samara::reference

#endif  // SAMARA_BACKENDS_REFERENCE_PLAN_H_
