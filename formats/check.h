// The parts of CheckPackage, and the one check that needs the file.
#ifndef SAMARA_FORMATS_CHECK_H_
#define SAMARA_FORMATS_CHECK_H_

#include "formats/graph.h"
#include "formats/package_format.h"

namespace samara {

// Most state groups that a package may have; the runtime's step block has room for so many.
inline constexpr uint32_t kMaxPackageGroups = 4;

// Inline segments lie in the file, apart from header, metadata and each other, with their tails.
Status CheckFileLayout(const Package& package, const FileHeader& header);

// One kUnsupported error that names every feature, operator, type, layout and kind that this build
// does not know. An operator that carries a decomposition is no hindrance. The other checks come
// after this one.
Status CheckKnown(const Package& package);

bool IsKnownPlacement(const Weight& weight, const WeightPlacement& placement);

// Symbols, segments, weights, states, tokenizer, sampling, templates.
Status CheckTables(const Package& package);

// Graphs: values, operators, functions and how they are called.
Status CheckGraphs(const Package& package);

Status CheckGoldens(const Package& package);

}  // namespace samara

#endif  // SAMARA_FORMATS_CHECK_H_
