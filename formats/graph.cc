#include "formats/graph.h"

#include "formats/dim.h"

namespace samara {

StatusOr<uint64_t> EvalDim(const Dim& dim, const SymbolValues& symbols) {
  auto fail = [&](const char* why) {
    return InvalidArgument("dimension %s: %s", DimText(dim, {}).c_str(), why);
  };
  if (!IsNormal(dim)) return fail("not in normal form");
  int64_t sum = dim.constant;
  for (uint32_t i = 0; i < dim.n_terms; ++i) {
    const Dim::Term& term = dim.terms[i];
    if (term.symbol >= symbols.size()) return fail("unknown symbol");
    int64_t product = 0;
    if (symbols[term.symbol] > INT64_MAX ||
        __builtin_mul_overflow(term.coefficient, static_cast<int64_t>(symbols[term.symbol]),
                               &product) ||
        __builtin_add_overflow(sum, product, &sum)) {
      return fail("overflows 64 bits");
    }
  }
  if (sum < 0) return fail("negative");
  return static_cast<uint64_t>(sum / dim.divisor) + (sum % dim.divisor != 0 ? 1 : 0);
}

Shape Shape::Of(std::initializer_list<Dim> list) {
  Shape shape;
  for (const Dim& dim : list) {
    if (shape.rank == kMaxRank) break;
    shape.dims[shape.rank++] = dim;
  }
  return shape;
}

bool Shape::operator==(const Shape& other) const {
  if (rank != other.rank) return false;
  for (int i = 0; i < rank; ++i) {
    if (!(dims[i] == other.dims[i])) return false;
  }
  return true;
}

std::string ShapeText(const Shape& shape, const std::vector<Symbol>& symbols) {
  std::string text = "[";
  for (int i = 0; i < shape.rank; ++i) {
    if (i > 0) text += ", ";
    text += DimText(shape.dims[i], symbols);
  }
  return text + "]";
}

StatusOr<uint64_t> EvalElements(const Shape& shape, const SymbolValues& symbols) {
  uint64_t elements = 1;
  for (int i = 0; i < shape.rank; ++i) {
    SAMARA_ASSIGN_OR_RETURN(uint64_t size, EvalDim(shape.dims[i], symbols));
    if (__builtin_mul_overflow(elements, size, &elements)) {
      return InvalidArgument("shape %s: element count overflows 64 bits",
                             ShapeText(shape, {}).c_str());
    }
  }
  return elements;
}

const Attr* Op::Find(AttrKey key) const {
  for (const Attr& attr : attrs) {
    if (attr.key == key) return &attr;
  }
  return nullptr;
}

int64_t Op::Int(AttrKey key, int64_t otherwise) const {
  const Attr* attr = Find(key);
  return attr != nullptr ? attr->i : otherwise;
}

double Op::Float(AttrKey key, double otherwise) const {
  const Attr* attr = Find(key);
  return attr != nullptr ? attr->f : otherwise;
}

}  // namespace samara
