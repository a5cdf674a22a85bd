// The two reference backends: what is right (float64) and what is exact (the numerics contract).
//
//   "reference"  formats/numerics.md as plain scalar loops, written from that page alone.
//   backends/cpu must
//                give the same bits.
//   "float64"    every activation and state in double, weights dequantized exactly, activations
//   never
//                quantized. Inputs of a partition are read from the arena as F32, results are
//                rounded to F32 in the arena; between the operators of a partition nothing is
//                rounded, and states hold doubles (StateHeadBytes is 512 a dim).
//
// Verifying one operator: compile a partition of one operator (first_op = i, n_ops = 1), upload its
// inputs into the arena at their bindings and its states into the pools, Run, and read the outputs
// back. A partition of either mode reads every operand that it does not produce itself from the
// arena, so it needs no other API.
#ifndef SAMARA_BACKENDS_REFERENCE_REFERENCE_BACKEND_H_
#define SAMARA_BACKENDS_REFERENCE_REFERENCE_BACKEND_H_

#include "runtime/backend.h"

namespace samara {

const Backend* ReferenceBackend();
const Backend* Float64Backend();

}  // namespace samara

#endif  // SAMARA_BACKENDS_REFERENCE_REFERENCE_BACKEND_H_
