// Tests: `value is name`.
#include "runtime/template/evaluator.h"

namespace samara::template_runtime {

namespace test = template_test;

bool Evaluator::Test(uint8_t id, const Value& v, const Value* p, uint32_t n, bool* out) {
  static constexpr struct {
    uint8_t test;
    uint32_t op;
  } kComparisons[] = {{test::kEq, kCompareEq}, {test::kNe, kCompareNe}, {test::kLt, kCompareLt},
                      {test::kLe, kCompareLe}, {test::kGt, kCompareGt}, {test::kGe, kCompareGe},
                      {test::kIn, kCompareIn}};
  for (const auto& comparison : kComparisons) {
    if (id != comparison.test) continue;
    if (n == 0) return Fail("a test without the value to compare with");
    return Compare(comparison.op, v, p[0], out);
  }
  const bool list = v.Is(Kind::kList);
  switch (id) {
    case test::kDefined:
      *out = !v.Is(Kind::kUndefined);
      return true;
    case test::kUndefined:
      *out = v.Is(Kind::kUndefined);
      return true;
    case test::kNone:
      *out = v.Is(Kind::kNone);
      return true;
    case test::kBoolean:
      *out = v.Is(Kind::kBool);
      return true;
    case test::kTrue:
    case test::kFalse:
      *out = v.Is(Kind::kBool) && (v.i != 0) == (id == test::kTrue);
      return true;
    case test::kInteger:
      *out = v.Is(Kind::kInt) || v.Is(Kind::kBigInt);
      return true;
    case test::kFloat:
      *out = v.Is(Kind::kFloat);
      return true;
    case test::kNumber:
      *out = v.IsNumber();
      return true;
    case test::kString:
      *out = v.IsString();
      return true;
    case test::kMapping:
      *out = v.Is(Kind::kDict);
      return true;
    case test::kSequence:
      *out = v.IsString() || v.Is(Kind::kDict) || v.Is(Kind::kRange) || v.Is(Kind::kUndefined) ||
             (list && v.list->kind <= ListKind::kTuple);
      return true;
    case test::kIterable:
      *out = v.IsString() || v.Is(Kind::kDict) || v.Is(Kind::kRange) || v.Is(Kind::kUndefined) ||
             v.Is(Kind::kLoop) || list;
      return true;
    case test::kCallable:
      *out = v.Is(Kind::kMacro) || v.Is(Kind::kFunction) || v.Is(Kind::kMethod) ||
             v.Is(Kind::kLoop) || v.Is(Kind::kUndefined);
      return true;
    case test::kEscaped:
      *out = v.IsString() && (v.flags & kFlagMarkup) != 0;
      return true;
    case test::kSameAs:
      *out = v.kind == p[0].kind &&
             (v.Is(Kind::kNone) || (v.i == p[0].i && (!v.IsString() || v.n == p[0].n)));
      return true;
    case test::kLower:
    case test::kUpper: {
      Value text, result;
      if (!ToString(v, &text) ||
          !IsMethod(text,
                    id == test::kLower ? template_method::kIsLower : template_method::kIsUpper,
                    &result)) {
        return false;
      }
      *out = Truth(result);
      return true;
    }
    default: {  // odd, even, divisibleby
      const Value by = id == test::kDivisibleBy && n > 0 ? p[0] : Int(2);
      Value rest;
      return Binary(kBinaryModulo, v, by, &rest) && Equal(rest, Int(id == test::kOdd ? 1 : 0), out);
    }
  }
}

}  // namespace samara::template_runtime
