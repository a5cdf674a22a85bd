// What operators demand of their operands and attributes beyond types.
#ifndef SAMARA_FORMATS_OPERANDS_H_
#define SAMARA_FORMATS_OPERANDS_H_

#include <string>

#include "formats/graph.h"

namespace samara {

// Functions may call functions so deep, and a graph may become so large when all of them are
// inlined.
inline constexpr int kMaxFunctionDepth = 16;
inline constexpr uint64_t kMaxInlinedOps = uint64_t{1} << 17;

enum class OperandUse : uint8_t {
  kPlain,   // any value; a weight must be F32 with a row-major placement
  kMatrix,  // a weight of any codec, with a placement in the codec's matmul layout
  kVector,  // a weight that is a vector: F32 with a row-major placement
  kTable,   // a weight of any codec and layout, or any F32 value
  kState,
};
OperandUse UseOfOperand(OpCode code, size_t input);

// The state that a value stands for (itself, or a parameter's example), nullptr if it is no state.
const State* StateOfValue(const Package& package, const Value& value);

// `operator "name" (linear)`, for messages.
std::string OpText(const Op& op);

// Code, version and attribute keys are known to this build.
bool IsKnown(const Op& op);

// For known operators: number of inputs and outputs, absent operands, attributes (present, single,
// in range). Operand ids must be in range already.
Status CheckForm(const Op& op);

}  // namespace samara

#endif  // SAMARA_FORMATS_OPERANDS_H_
