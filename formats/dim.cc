#include "formats/dim.h"

#include <algorithm>

namespace samara {
namespace {

// Ceiling division for divisor > 0, numerator >= 0.
uint64_t CeilDivide(int64_t numerator, int64_t divisor) {
  return static_cast<uint64_t>(numerator / divisor + (numerator % divisor != 0 ? 1 : 0));
}

// A product of symbols, as a sorted list; and a sum of such products. Dimensions with a divisor are
// replaced by a pseudo symbol: 2^32 + the index of their first occurrence.
struct Monomial {
  std::vector<uint64_t> factors;
  int64_t coefficient = 0;
};
using Polynomial = std::vector<Monomial>;
constexpr size_t kMaxMonomials = 64;

bool Accumulate(Monomial term, Polynomial* sum) {
  for (Monomial& present : *sum) {
    if (present.factors == term.factors) {
      return !__builtin_add_overflow(present.coefficient, term.coefficient, &present.coefficient);
    }
  }
  if (sum->size() == kMaxMonomials) return false;
  sum->push_back(std::move(term));
  return true;
}

Polynomial FromDim(const Dim& dim, std::vector<Dim>* opaque) {
  Polynomial sum;
  if (dim.divisor != 1) {
    size_t i = std::find(opaque->begin(), opaque->end(), dim) - opaque->begin();
    if (i == opaque->size()) opaque->push_back(dim);
    sum.push_back({{(uint64_t{1} << 32) + i}, 1});
    return sum;
  }
  if (dim.constant != 0) sum.push_back({{}, dim.constant});
  for (uint32_t i = 0; i < dim.n_terms; ++i) {
    sum.push_back({{dim.terms[i].symbol}, dim.terms[i].coefficient});
  }
  return sum;
}

bool Elements(const Shape& shape, std::vector<Dim>* opaque, Polynomial* product) {
  product->assign(1, Monomial{{}, 1});
  for (int d = 0; d < shape.rank; ++d) {
    Polynomial factor = FromDim(shape.dims[d], opaque);
    Polynomial next;
    for (const Monomial& a : *product) {
      for (const Monomial& b : factor) {
        Monomial term;
        if (__builtin_mul_overflow(a.coefficient, b.coefficient, &term.coefficient)) return false;
        std::merge(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(),
                   std::back_inserter(term.factors));
        if (!Accumulate(std::move(term), &next)) return false;
      }
    }
    *product = std::move(next);
  }
  std::erase_if(*product, [](const Monomial& m) { return m.coefficient == 0; });
  std::sort(product->begin(), product->end(),
            [](const Monomial& a, const Monomial& b) { return a.factors < b.factors; });
  return true;
}

}  // namespace

bool IsNormal(const Dim& dim) {
  if (dim.divisor < 1 || dim.n_terms > kMaxTerms) return false;
  if (dim.n_terms == 0 && dim.divisor != 1) return false;
  for (uint32_t i = 0; i < dim.terms.size(); ++i) {
    const Dim::Term& term = dim.terms[i];
    if (i >= dim.n_terms) {
      if (!(term == Dim::Term{})) return false;
      continue;
    }
    if (term.coefficient == 0) return false;
    if (i > 0 && dim.terms[i - 1].symbol >= term.symbol) return false;
  }
  return true;
}

bool AddDims(const Dim& a, const Dim& b, Dim* sum) {
  // ceil(x / d) + c is ceil((x + c * d) / d); two divisors have no common form.
  if (a.divisor != 1 && b.divisor != 1) return false;
  if (a.divisor == 1 && b.divisor != 1) return AddDims(b, a, sum);
  if (a.divisor != 1 && !b.IsConstant()) return false;
  Dim result;
  result.divisor = a.divisor;
  int64_t scaled = 0;
  if (__builtin_mul_overflow(b.constant, a.divisor, &scaled) ||
      __builtin_add_overflow(a.constant, scaled, &result.constant)) {
    return false;
  }
  uint32_t i = 0, j = 0;
  while (i < a.n_terms || j < b.n_terms) {
    bool from_a = j == b.n_terms || (i < a.n_terms && a.terms[i].symbol <= b.terms[j].symbol);
    bool from_b = i == a.n_terms || (j < b.n_terms && b.terms[j].symbol <= a.terms[i].symbol);
    Dim::Term term = from_a ? a.terms[i] : b.terms[j];
    if (from_a && from_b &&
        __builtin_add_overflow(term.coefficient, b.terms[j].coefficient, &term.coefficient)) {
      return false;
    }
    i += from_a;
    j += from_b;
    if (term.coefficient == 0) continue;
    if (result.n_terms == kMaxTerms) return false;
    result.terms[result.n_terms++] = term;
  }
  *sum = result;
  return true;
}

bool MultiplyDims(const Dim& a, const Dim& b, Dim* product) {
  if (!a.IsConstant()) return b.IsConstant() && MultiplyDims(b, a, product);
  if (b.divisor != 1 && a.constant != 1) return false;
  if (a.constant == 0) {
    *product = Dim();
    return true;
  }
  Dim result = b;
  if (__builtin_mul_overflow(a.constant, b.constant, &result.constant)) return false;
  for (uint32_t i = 0; i < b.n_terms; ++i) {
    if (__builtin_mul_overflow(a.constant, b.terms[i].coefficient, &result.terms[i].coefficient)) {
      return false;
    }
  }
  *product = result;
  return true;
}

std::string DimText(const Dim& dim, const std::vector<Symbol>& symbols) {
  std::string text;
  for (uint32_t i = 0; i < dim.n_terms && i < kMaxTerms; ++i) {
    const Dim::Term& term = dim.terms[i];
    if (!text.empty() && term.coefficient >= 0) text += '+';
    if (term.coefficient == -1) {
      text += '-';
    } else if (term.coefficient != 1) {
      text += std::to_string(term.coefficient) + "*";
    }
    if (term.symbol < symbols.size() && !symbols[term.symbol].name.empty()) {
      std::string name = Quoted(symbols[term.symbol].name, 40);
      text.append(name, 1, name.rfind('"') - 1);
    } else {
      text += "symbol" + std::to_string(term.symbol);
    }
  }
  if (text.empty()) {
    text = std::to_string(dim.constant);
  } else if (dim.constant != 0) {
    if (dim.constant > 0) text += '+';
    text += std::to_string(dim.constant);
  }
  if (dim.divisor == 1) return text;
  return "ceil((" + text + ")/" + std::to_string(dim.divisor) + ")";
}

bool DimRange(const Dim& dim, const std::vector<Symbol>& symbols, uint64_t* least,
              uint64_t* greatest) {
  if (!IsNormal(dim)) return false;
  int64_t low = dim.constant, high = dim.constant;
  for (uint32_t i = 0; i < dim.n_terms; ++i) {
    const Dim::Term& term = dim.terms[i];
    if (term.symbol >= symbols.size()) return false;
    const Symbol& symbol = symbols[term.symbol];
    if (symbol.min > symbol.max || symbol.max > INT64_MAX) return false;
    int64_t at_low = 0, at_high = 0;
    uint64_t low_value = term.coefficient > 0 ? symbol.min : symbol.max;
    uint64_t high_value = term.coefficient > 0 ? symbol.max : symbol.min;
    if (__builtin_mul_overflow(term.coefficient, static_cast<int64_t>(low_value), &at_low) ||
        __builtin_mul_overflow(term.coefficient, static_cast<int64_t>(high_value), &at_high) ||
        __builtin_add_overflow(low, at_low, &low) || __builtin_add_overflow(high, at_high, &high)) {
      return false;
    }
  }
  if (low < 0) return false;
  *least = CeilDivide(low, dim.divisor);
  *greatest = CeilDivide(high, dim.divisor);
  return true;
}

bool SameElements(const Shape& a, const Shape& b) {
  std::vector<Dim> opaque;
  Polynomial left, right;
  if (!Elements(a, &opaque, &left) || !Elements(b, &opaque, &right)) return false;
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const Monomial& x, const Monomial& y) {
                      return x.coefficient == y.coefficient && x.factors == y.factors;
                    });
}

}  // namespace samara
