// Arithmetic on symbolic dimensions. All of it is checked: what cannot be expressed is refused,
// never rounded.
#ifndef SAMARA_FORMATS_DIM_H_
#define SAMARA_FORMATS_DIM_H_

#include <string>
#include <vector>

#include "formats/graph.h"

namespace samara {

// The normal form that graph.h describes; only normal dimensions may be compared.
bool IsNormal(const Dim& dim);

// A total order, for maps.
struct DimOrder {
  bool operator()(const Dim& a, const Dim& b) const;
};

// False if the result has no normal form of this kind (too many terms, two divisors, symbol times
// symbol) or overflows.
bool AddDims(const Dim& a, const Dim& b, Dim* sum);
bool MultiplyDims(const Dim& a, const Dim& b, Dim* product);

// "n_tokens", "2*n_tokens+3", "ceil((n_ctx+63)/64)"; a symbol that `symbols` lacks is
// "symbol<number>".
std::string DimText(const Dim& dim, const std::vector<Symbol>& symbols);

// Least and greatest value over the symbols' ranges; false on overflow, an unknown symbol or a
// value below 0.
bool DimRange(const Dim& dim, const std::vector<Symbol>& symbols, uint64_t* least,
              uint64_t* greatest);

// True if both shapes have the same number of elements for every value of the symbols. Exact,
// except that a dimension with a divisor counts as a symbol of its own.
bool SameElements(const Shape& a, const Shape& b);

}  // namespace samara

#endif  // SAMARA_FORMATS_DIM_H_
