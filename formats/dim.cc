#include "formats/dim.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace samara {
namespace {

// Ceiling division for divisor > 0, numerator >= 0.
uint64_t CeilDivide(int64_t numerator, int64_t divisor) {
  return static_cast<uint64_t>(numerator / divisor + (numerator % divisor != 0 ? 1 : 0));
}

// Takes the greatest common divisor and the sign out of an affine dimension.
int64_t TakeContent(Dim* dim) {
  int64_t content = std::gcd(dim->constant, int64_t{0});
  for (uint32_t i = 0; i < dim->n_terms; ++i)
    content = std::gcd(content, dim->terms[i].coefficient);
  if (dim->terms[0].coefficient < 0) content = -content;
  dim->constant /= content;
  for (uint32_t i = 0; i < dim->n_terms; ++i) dim->terms[i].coefficient /= content;
  return content;
}

// An element count as an integer times prime factors. Affine dimensions without common divisor are
// primes among the polynomials with integer coefficients, so equal polynomials have equal factors.
struct Product {
  int64_t content = 1;
  std::vector<Dim> factors;
};

bool Elements(const Shape& shape, Product* product) {
  for (int d = 0; d < shape.rank; ++d) {
    Dim dim = shape.dims[d];
    if (!IsNormal(dim) || dim.constant == INT64_MIN) return false;
    int64_t content = 1;
    if (dim.IsConstant()) {
      content = dim.constant;
    } else {
      for (uint32_t i = 0; i < dim.n_terms; ++i) {
        if (dim.terms[i].coefficient == INT64_MIN) return false;
      }
      if (dim.divisor == 1) content = TakeContent(&dim);
      product->factors.push_back(dim);
    }
    if (__builtin_mul_overflow(product->content, content, &product->content)) return false;
  }
  std::sort(product->factors.begin(), product->factors.end(), DimOrder());
  return true;
}

}  // namespace

bool DimOrder::operator()(const Dim& a, const Dim& b) const {
  auto key = [](const Dim& d) { return std::tie(d.constant, d.divisor, d.n_terms); };
  if (key(a) != key(b)) return key(a) < key(b);
  auto less = [](const Dim::Term& x, const Dim::Term& y) {
    return std::tie(x.symbol, x.coefficient) < std::tie(y.symbol, y.coefficient);
  };
  return std::lexicographical_compare(a.terms.begin(), a.terms.end(), b.terms.begin(),
                                      b.terms.end(), less);
}

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
  Product left, right;
  if (!Elements(a, &left) || !Elements(b, &right)) return false;
  return left.content == right.content && left.factors == right.factors;
}

}  // namespace samara
