// What each composite operator means in core operators: the functions that every package carries,
// so that a runtime that does not know a composite can run it. Equal to the composite in meaning;
// rounding may differ.
#ifndef SAMARA_CONVERTER_DECOMPOSITIONS_H_
#define SAMARA_CONVERTER_DECOMPOSITIONS_H_

#include "formats/graph.h"
#include "formats/status.h"

namespace samara {

// Gives every composite operator of every entry point its function. Operators of equal code,
// attributes and operand types share one. Functions that are there already are dropped first.
Status AddDecompositions(Package* package);

}  // namespace samara

#endif  // SAMARA_CONVERTER_DECOMPOSITIONS_H_
