// Replays one step operator by operator on the reference backend, with the inputs that a device
// produced.
#ifndef SAMARA_RUNTIME_REPLAY_H_
#define SAMARA_RUNTIME_REPLAY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/model.h"

namespace samara {

// How the values of one value of a lowered graph lie in its arena at the step that just ran.
struct ArenaView {
  DType dtype = DType::kInvalid;
  uint64_t offset = 0, stride = 0;  // of rows
  uint64_t rows = 0, row_elements = 0;
  uint64_t elements() const { return rows * row_elements; }
};
// `header`: of the step. Fails for values that lie elsewhere.
Status ViewOf(const Package& package, const LoweredGraph& lowered, ValueId value,
              const StepHeader& header, ArenaView* view);
// An F32 value's elements, row by row. `arena`: a copy of the device's.
std::vector<float> ReadFloats(const std::vector<uint8_t>& arena, const ArenaView& view);

// The last step's arenas, copied: the device's, and the host's where it has a share.
struct Arenas {
  std::vector<uint8_t> of[2];  // per Side
  const std::vector<uint8_t>& operator[](Side side) const { return of[static_cast<size_t>(side)]; }
};
Status DownloadArenas(const Model& model, const ModelPlan& plan, uint32_t n_tokens, Arenas* arenas);
// What ran on a side in a step of so many tokens.
const LoweredGraph& LoweringOf(const ModelPlan& plan, Side side, uint32_t n_tokens);

// `model` was loaded with keep_values and has just run one step (from empty states) of trace.plan's
// bucket for its tokens. Compares every operator's outputs with the reference backend's: bit by bit
// if the model's backend is exact, else by relative L2 error. *finding names the first operator
// that is off, its type and by how much; empty if none is.
Status FindFirstDeviation(const Model& model, const LoadTrace& trace, double tolerance,
                          std::string* finding);

}  // namespace samara

#endif  // SAMARA_RUNTIME_REPLAY_H_
