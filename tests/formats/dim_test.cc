#include "formats/dim.h"

#include <doctest/doctest.h>

#include "tests/support/random.h"

namespace samara {
namespace {

const std::vector<Symbol> kSymbols = {{"n", SymbolKind::kTokens, 0, 1, 100},
                                      {"m", SymbolKind::kContext, 0, 2, 50}};

TEST_CASE("dimensions: evaluation") {
  CHECK(*EvalDim(Dim::Of(7), {}) == 7);
  CHECK(*EvalDim(Dim::Sym(0, 3, 5), {4}) == 17);
  Dim blocks = Dim::Sym(0, 1, 63);
  blocks.divisor = 64;
  CHECK(*EvalDim(blocks, {0}) == 1);  // ceil(63 / 64)
  CHECK(*EvalDim(blocks, {1}) == 1);
  CHECK(*EvalDim(blocks, {2}) == 2);
}

TEST_CASE("dimensions: what cannot be evaluated is named") {
  StatusOr<uint64_t> result = EvalDim(Dim::Sym(1, 3, 5), {4});
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
  CHECK(std::string(result.status().message()).find("3*symbol1+5") != std::string::npos);
  CHECK(!EvalDim(Dim::Sym(0, 1, -5), {4}).ok());           // negative
  CHECK(!EvalDim(Dim::Sym(0, INT64_MAX), {2}).ok());       // product overflows
  CHECK(!EvalDim(Dim::Sym(0, 1, INT64_MAX), {1}).ok());    // sum overflows
  CHECK(!EvalDim(Dim::Sym(0), {uint64_t{1} << 63}).ok());  // symbol beyond 63 bits
  Dim no_divisor = Dim::Sym(0);
  no_divisor.divisor = 0;
  CHECK(!EvalDim(no_divisor, {1}).ok());
  CHECK(!EvalElements(Shape::Of({Dim::Sym(0), Dim::Sym(0)}), {uint64_t{1} << 33}).ok());
  CHECK(*EvalElements(Shape(), {}) == 1);
}

TEST_CASE("dimensions: normal form") {
  CHECK(IsNormal(Dim::Of(-3)));
  CHECK(IsNormal(Dim::Sym(2, -1)));
  CHECK_FALSE(IsNormal(Dim::Sym(2, 0)));
  Dim unsorted = Dim::Sym(1);
  unsorted.n_terms = 2;
  unsorted.terms[1] = {0, 1};
  CHECK_FALSE(IsNormal(unsorted));
  Dim leftover = Dim::Of(1);
  leftover.terms[0] = {0, 1};
  CHECK_FALSE(IsNormal(leftover));
  Dim divided = Dim::Of(1);
  divided.divisor = 2;
  CHECK_FALSE(IsNormal(divided));
  Dim too_many = Dim::Sym(0);
  too_many.n_terms = kMaxTerms + 1;
  CHECK_FALSE(IsNormal(too_many));
}

TEST_CASE("dimensions: text") {
  CHECK(DimText(Dim::Of(0), kSymbols) == "0");
  CHECK(DimText(Dim::Sym(0), kSymbols) == "n");
  CHECK(DimText(Dim::Sym(1, -2, -3), kSymbols) == "-2*m-3");
  Dim sum;
  REQUIRE(AddDims(Dim::Sym(0, -1), Dim::Sym(1, 1, 63), &sum));
  sum.divisor = 64;
  CHECK(DimText(sum, kSymbols) == "ceil((-n+m+63)/64)");
  CHECK(ShapeText(Shape::Of({Dim::Sym(0), Dim::Of(64)}), kSymbols) == "[n, 64]");
}

TEST_CASE("dimensions: sums and products agree with arithmetic on their values") {
  const uint64_t seed = 20260101;
  CAPTURE(seed);
  test::Random random(seed);
  auto dim = [&] {
    Dim d = Dim::Of(static_cast<int64_t>(random.Below(20)));
    for (uint32_t s = 0; s < 3; ++s) {
      if (random.Below(2) == 0)
        d.terms[d.n_terms++] = {s, static_cast<int64_t>(random.Below(5)) + 1};
    }
    if (d.n_terms > 0 && random.Below(4) == 0)
      d.divisor = static_cast<int64_t>(random.Below(7)) + 1;
    return d;
  };
  int sums = 0, products = 0;
  for (int i = 0; i < 2000; ++i) {
    Dim a = dim(), b = dim(), result;
    SymbolValues values = {random.Below(9), random.Below(9), random.Below(9)};
    uint64_t x = *EvalDim(a, values), y = *EvalDim(b, values);
    if (AddDims(a, b, &result)) {
      ++sums;
      CHECK(IsNormal(result));
      CHECK(*EvalDim(result, values) == x + y);
    }
    if (MultiplyDims(a, b, &result)) {
      ++products;
      CHECK(IsNormal(result));
      CHECK(*EvalDim(result, values) == x * y);
    }
  }
  CHECK(sums > 500);
  CHECK(products > 100);
  Dim result;
  CHECK_FALSE(AddDims(Dim::Of(INT64_MAX), Dim::Of(1), &result));
  CHECK_FALSE(MultiplyDims(Dim::Of(INT64_MAX), Dim::Sym(0, 2), &result));
  CHECK_FALSE(MultiplyDims(Dim::Sym(0), Dim::Sym(0), &result));
  REQUIRE(AddDims(Dim::Sym(0), Dim::Sym(0, -1, 5), &result));
  CHECK(result == Dim::Of(5));
}

TEST_CASE("dimensions: range over the symbols") {
  uint64_t least = 0, greatest = 0;
  REQUIRE(DimRange(Dim::Sym(0, 2, 1), kSymbols, &least, &greatest));
  CHECK(least == 3);
  CHECK(greatest == 201);
  REQUIRE(DimRange(Dim::Sym(1, -1, 50), kSymbols, &least, &greatest));
  CHECK(least == 0);
  CHECK(greatest == 48);
  CHECK_FALSE(DimRange(Dim::Sym(1, -1, 49), kSymbols, &least, &greatest));  // -1 for m = 50
  CHECK_FALSE(DimRange(Dim::Sym(2), kSymbols, &least, &greatest));
  CHECK_FALSE(DimRange(Dim::Sym(0, INT64_MAX / 50), kSymbols, &least, &greatest));
}

TEST_CASE("dimensions: equal element counts") {
  auto same = [](Shape a, Shape b) { return SameElements(a, b) && SameElements(b, a); };
  auto n = [](int64_t coefficient, int64_t constant = 0) {
    return Dim::Sym(0, coefficient, constant);
  };
  auto c = [](int64_t constant) { return Dim::Of(constant); };
  CHECK(same(Shape::Of({n(1), c(64)}), Shape::Of({n(1), c(4), c(16)})));
  CHECK(same(Shape::Of({n(1), c(64)}), Shape::Of({n(64)})));
  CHECK(same(Shape::Of({n(2, 2), c(3)}), Shape::Of({n(1, 1), c(6)})));
  CHECK(same(Shape::Of({n(1), Dim::Sym(1), c(2)}), Shape::Of({Dim::Sym(1, 2), n(1)})));
  CHECK(same(Shape(), Shape::Of({c(1), c(1)})));
  CHECK_FALSE(same(Shape::Of({n(1), c(64)}), Shape::Of({n(1), c(63)})));
  CHECK_FALSE(same(Shape::Of({n(1), c(2)}), Shape::Of({n(1), n(1)})));
  CHECK_FALSE(same(Shape::Of({n(1)}), Shape::Of({Dim::Sym(1)})));
  CHECK_FALSE(same(Shape::Of({n(1, 1)}), Shape::Of({n(1, 2)})));
  CHECK_FALSE(same(Shape::Of({c(INT64_MAX), c(4)}), Shape::Of({c(INT64_MAX), c(4)})));  // overflows
  Dim half = n(1);
  half.divisor = 2;
  CHECK(same(Shape::Of({half, c(6)}), Shape::Of({c(2), half, c(3)})));
  CHECK_FALSE(same(Shape::Of({half, c(2)}), Shape::Of({n(1)})));  // n may be odd
}

}  // namespace
}  // namespace samara
