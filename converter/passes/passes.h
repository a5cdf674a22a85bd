// Rewrites of the naive graph. Each keeps the meaning; all but the last two keep every bit of the
// results on CPU too, since a linear's output element depends on its own weight row only.
//
// What is folded where: the attention scale, softcap and window are attributes; rotary frequencies
// are constants; biases and residual sums are operands of linear. RMSNorm weights are NOT folded
// into the next matrix: that would change what is quantized and take away the tensor that an
// adapter or a weight update refers to.
#ifndef SAMARA_CONVERTER_PASSES_PASSES_H_
#define SAMARA_CONVERTER_PASSES_PASSES_H_

#include "converter/builder.h"
#include "converter/passes/recipes.h"
#include "formats/status.h"

namespace samara {

// One operator for equal ones: the rope tables of all layers become one.
void ShareDuplicates(Model* model);

// Linears of one input and one codec (q, k and v; gate and up) become one linear over their
// weights' rows, one after the other, and slices of its result. A concatenation that puts all
// slices together again is its operand.
void FuseLinears(Model* model);

// x + linear(y) becomes linear(y, residual x).
void FuseResiduals(Model* model);

// Rows are selected before, not after, operators that work row by row: the last layer's MLP and the
// final norm are then computed for the wanted rows only.
void SelectRowsEarly(Model* model);

// Drops what no output and no state needs; numbers values, weights and states in the order of their
// use.
void RemoveUnused(Model* model);

// Types, then all of the above.
Status RunPasses(const QuantChoice& choice, Model* model);

// Layout and place of every weight in segment 0, in order, 64-byte aligned: matrices in their
// codec's matmul layout unless they are only gathered from (or that is smaller), everything else
// row-major.
Status AssignPlacements(Model* model);

}  // namespace samara

#endif  // SAMARA_CONVERTER_PASSES_PASSES_H_
