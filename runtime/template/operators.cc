// Truth, comparison and arithmetic with Python's rules.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "runtime/template/evaluator.h"
#include "runtime/template/number.h"

namespace samara::template_runtime {
namespace {

double AsDouble(const Value& v) { return v.Is(Kind::kFloat) ? v.d : static_cast<double>(v.i); }

// -1, 0, 1; 2 where one is no number. Exact for integers and floats of any size.
int CompareIntFloat(int64_t i, double d) {
  if (std::isnan(d)) return 2;
  if (d >= 9223372036854775808.0) return -1;
  if (d < -9223372036854775808.0) return 1;
  const double whole = std::trunc(d);
  const int64_t w = static_cast<int64_t>(whole);
  if (i != w) return i < w ? -1 : 1;
  return d > whole ? -1 : d < whole ? 1 : 0;
}

// Decimal digits beyond 64 bits.
int CompareBig(std::string_view a, std::string_view b) {
  const bool minus_a = a[0] == '-', minus_b = b[0] == '-';
  if (minus_a != minus_b) return minus_a ? -1 : 1;
  int order = a.size() != b.size() ? (a.size() < b.size() ? -1 : 1) : 0;
  if (order == 0) order = a.compare(b);
  order = order < 0 ? -1 : order > 0 ? 1 : 0;
  return minus_a ? -order : order;
}

int CompareNumbers(const Value& a, const Value& b) {
  if (a.Is(Kind::kBigInt) || b.Is(Kind::kBigInt)) {
    if (a.kind == b.kind) return CompareBig(a.text(), b.text());
    const Value& big = a.Is(Kind::kBigInt) ? a : b;
    const Value& other = a.Is(Kind::kBigInt) ? b : a;
    int order = big.s[0] == '-' ? -1 : 1;
    if (other.Is(Kind::kFloat)) {
      double d = 0;
      if (std::from_chars(big.s, big.s + big.n, d).ec != std::errc()) d = order * HUGE_VAL;
      order = std::isnan(other.d) ? 2 : d < other.d ? -1 : d > other.d ? 1 : 0;
    }
    return &big == &a || order == 2 ? order : -order;
  }
  if (a.IsInteger() && b.IsInteger()) return a.i < b.i ? -1 : a.i > b.i ? 1 : 0;
  if (a.IsInteger()) return CompareIntFloat(a.i, b.d);
  if (b.IsInteger()) {
    const int order = CompareIntFloat(b.i, a.d);
    return order == 2 ? 2 : -order;
  }
  return a.d < b.d ? -1 : a.d > b.d ? 1 : a.d == b.d ? 0 : 2;
}

}  // namespace

bool Evaluator::Truth(const Value& v) {
  switch (v.kind) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return v.i != 0;
    case Kind::kFloat:
      return v.d != 0;
    case Kind::kString:
      return v.n != 0;
    case Kind::kList:
      return v.list->kind == ListKind::kIterator || v.list->n != 0;
    case Kind::kDict:
      return v.dict->n != 0;
    case Kind::kRange:
      return v.range->n != 0;
    default:
      return true;
  }
}

bool Evaluator::Equal(const Value& a, const Value& b, bool* out) {
  *out = false;
  if (a.IsNumber() && b.IsNumber()) return *out = CompareNumbers(a, b) == 0, true;
  if (a.kind != b.kind) return true;
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return *out = true, true;
    case Kind::kString:
      *out = a.text() == b.text();
      return a.n != b.n || Work(a.n);
    case Kind::kList: {
      if (a.list == b.list) return *out = true, true;
      if (a.list->kind != b.list->kind || a.list->n != b.list->n ||
          a.list->kind == ListKind::kIterator || a.list->kind == ListKind::kValues) {
        return true;
      }
      if (!Deeper()) return false;
      for (uint32_t i = 0; i < a.list->n; ++i) {
        if (!Equal(a.list->items[i], b.list->items[i], out)) return false;
        if (!*out) break;
      }
      if (a.list->n == 0) *out = true;
      Shallower();
      return Steps(a.list->n);
    }
    case Kind::kDict: {
      if (a.dict == b.dict) return *out = true, true;
      if (a.dict->n != b.dict->n) return true;
      if (!Deeper()) return false;
      *out = true;
      for (uint32_t i = 0; i < a.dict->n && *out; ++i) {
        Entry* other = nullptr;
        if (!DictFind(*b.dict, a.dict->entries[i].key, &other)) return false;
        *out = other != nullptr;
        if (other && !Equal(a.dict->entries[i].value, other->value, out)) return false;
      }
      Shallower();
      return Steps(a.dict->n / 4);
    }
    case Kind::kRange:
      *out = a.range->n == b.range->n &&
             (a.range->n == 0 || (a.range->start == b.range->start &&
                                  (a.range->n == 1 || a.range->step == b.range->step)));
      return true;
    default:
      return *out = a.i == b.i && a.kind != Kind::kMethod, true;  // the same object
  }
}

bool Evaluator::Order(const Value& a, const Value& b, const char* op, int* out) {
  if (a.IsNumber() && b.IsNumber()) return *out = CompareNumbers(a, b), true;
  if (a.IsString() && b.IsString()) {
    const int order = a.text().compare(b.text());
    *out = order < 0 ? -1 : order > 0 ? 1 : 0;
    return Work(std::min(a.n, b.n));
  }
  if (a.Is(Kind::kUndefined)) return FailUndefined(a);
  if (b.Is(Kind::kUndefined)) return FailUndefined(b);
  if (a.Is(Kind::kList) && b.Is(Kind::kList) && a.list->kind == b.list->kind &&
      (a.list->kind == ListKind::kList || a.list->kind == ListKind::kTuple)) {
    if (!Deeper()) return false;
    const uint32_t n = std::min(a.list->n, b.list->n);
    *out = a.list->n < b.list->n ? -1 : a.list->n > b.list->n ? 1 : 0;
    for (uint32_t i = 0; i < n; ++i) {
      bool equal = false;
      if (!Equal(a.list->items[i], b.list->items[i], &equal)) return false;
      if (equal) continue;
      if (!Order(a.list->items[i], b.list->items[i], op, out)) return false;
      break;
    }
    Shallower();
    return true;
  }
  return Fail("'%s' not supported between instances of %s and %s", op, TypeName(a), TypeName(b));
}

bool Evaluator::Compare(uint32_t op, const Value& a, const Value& b, bool* out) {
  static constexpr char kNames[] = "==\0!=\0<\0<=\0>\0>=\0";
  switch (op) {
    case kCompareEq:
      return Equal(a, b, out);
    case kCompareNe:
      if (!Equal(a, b, out)) return false;
      *out = !*out;
      return true;
    case kCompareIn:
    case kCompareNotIn:
      if (!Contains(b, a, out)) return false;
      *out = *out == (op == kCompareIn);
      return true;
    default: {
      int order = 0;
      if (!Order(a, b, WordAt(kNames, op), &order)) return false;
      *out = order != 2 && (op == kCompareLt   ? order < 0
                            : op == kCompareLe ? order <= 0
                            : op == kCompareGt ? order > 0
                                               : order >= 0);
      return true;
    }
  }
}

bool Evaluator::Contains(const Value& container, const Value& v, bool* out) {
  *out = false;
  switch (container.kind) {
    case Kind::kString: {
      if (!v.IsString()) {
        return Fail("'in <string>' requires string as left operand, not %s", TypeName(v));
      }
      size_t at = 0;
      if (!Find(container.text(), v.text(), 0, &at)) return false;
      *out = at != kNotFound;
      return true;
    }
    case Kind::kDict: {
      Entry* entry = nullptr;
      if (!DictFind(*container.dict, v, &entry)) return false;
      *out = entry != nullptr;
      return true;
    }
    case Kind::kRange:
    case Kind::kList:
    case Kind::kUndefined: {
      Sequence sequence;
      if (!Iterate(container, &sequence)) return false;
      Value item;
      for (uint32_t i = 0; i < sequence.n && !*out; ++i) {
        if (!Steps(1) || !At(sequence, i, &item) || !Equal(item, v, out)) return false;
      }
      return true;
    }
    default:
      return Fail("argument of type %s is not iterable", TypeName(container));
  }
}

bool Evaluator::IntOf(const Value& v, const char* what, int64_t* out) {
  if (v.Is(Kind::kUndefined)) return FailUndefined(v);
  if (!v.IsInteger()) return FailType(what, v);
  *out = v.i;
  return true;
}

bool Evaluator::Add(const Value& a, const Value& b, Value* out) {
  if (a.IsString() && b.IsString()) {
    const Value parts[2] = {a, b};
    return Concatenate(parts, 2, out);
  }
  if (a.IsNumber() && b.IsNumber()) return Arithmetic(kTemplateBinaries, a, b, out);
  if (a.Is(Kind::kUndefined)) return FailUndefined(a);
  if (b.Is(Kind::kUndefined)) return FailUndefined(b);
  if (a.Is(Kind::kList) && b.Is(Kind::kList) && a.list->kind == b.list->kind &&
      a.list->kind <= ListKind::kTuple) {
    const size_t mark = Mark();
    for (const List* list : {a.list, b.list}) {
      for (uint32_t i = 0; i < list->n; ++i) {
        if (!Push(list->items[i])) return false;
      }
    }
    return TakeList(mark, a.list->kind, out, a.flags & b.flags & kFlagData);
  }
  if (a.IsString()) return Fail("can only concatenate str (not %s) to str", TypeName(b));
  return Fail("unsupported operand type(s) for +: %s and %s", TypeName(a), TypeName(b));
}

bool Evaluator::Repeat(const Value& sequence, int64_t times, Value* out) {
  const uint64_t n = sequence.IsString() ? sequence.n : sequence.list->n;
  const uint64_t count = times < 0 ? 0 : static_cast<uint64_t>(times);
  if (n > 0 && count > kMaxText / n) return Exhausted();
  if (!Steps(count)) return false;
  if (sequence.IsString()) {
    Buffer buffer;
    if (!Grow(&buffer, n * count)) return false;
    for (uint64_t i = 0; i < count && n > 0; ++i) {
      if (!AppendString(&buffer, sequence)) return false;
    }
    return Finish(buffer, out);
  }
  const size_t mark = Mark();
  for (uint64_t i = 0; i < count; ++i) {
    for (uint64_t k = 0; k < n; ++k) {
      if (!Push(sequence.list->items[k])) return false;
    }
  }
  return TakeList(mark, sequence.list->kind, out, sequence.flags);
}

bool Evaluator::Binary(uint8_t op, const Value& a, const Value& b, Value* out) {
  if (a.IsNumber() && b.IsNumber()) return Arithmetic(op, a, b, out);
  if (op == kBinaryModulo && a.IsString()) return FormatPercent(a, b, out);
  if (a.Is(Kind::kUndefined)) return FailUndefined(a);
  if (b.Is(Kind::kUndefined)) return FailUndefined(b);
  const auto repeatable = [](const Value& v) {
    return v.IsString() || (v.Is(Kind::kList) && v.list->kind <= ListKind::kTuple);
  };
  if (op == kBinaryMultiply && repeatable(a) && b.IsInteger()) return Repeat(a, b.i, out);
  if (op == kBinaryMultiply && repeatable(b) && a.IsInteger()) return Repeat(b, a.i, out);
  static constexpr char kNames[] = "-\0*\0/\0//\0%\0** or pow()\0";
  return Fail("unsupported operand type(s) for %s: %s and %s", WordAt(kNames, op), TypeName(a),
              TypeName(b));
}

bool Evaluator::Arithmetic(uint8_t op, const Value& a, const Value& b, Value* out) {
  if (a.Is(Kind::kBigInt) || b.Is(Kind::kBigInt)) {
    return FailUnsupported("arithmetic with integers beyond 64 bits");
  }
  const uint8_t flags = (a.flags | b.flags) & kFlagData;
  if (op == kBinaryPower) return Power(a, b, out);
  const bool zero = b.IsInteger() ? b.i == 0 : b.d == 0;
  if (zero && op >= kBinaryDivide && op <= kBinaryModulo) return Fail("division by zero");
  if (a.IsInteger() && b.IsInteger() && op != kBinaryDivide) {
    int64_t r = 0;
    bool overflow = false;
    if (op == kTemplateBinaries) {
      overflow = __builtin_add_overflow(a.i, b.i, &r);
    } else if (op == kBinarySubtract) {
      overflow = __builtin_sub_overflow(a.i, b.i, &r);
    } else if (op == kBinaryMultiply) {
      overflow = __builtin_mul_overflow(a.i, b.i, &r);
    } else if (b.i == -1) {  // the quotient may not fit
      overflow = op == kBinaryFloorDivide && __builtin_sub_overflow(int64_t{0}, a.i, &r);
    } else {
      // Rounded down; the remainder has the divisor's sign.
      const int64_t q = a.i / b.i, m = a.i % b.i;
      const bool adjust = m != 0 && (m < 0) != (b.i < 0);
      r = op == kBinaryFloorDivide ? q - adjust : (adjust ? m + b.i : m);
    }
    if (overflow) return FailUnsupported("an integer beyond 64 bits");
    *out = WithFlags(Int(r), flags);
    return true;
  }
  const double x = AsDouble(a), y = AsDouble(b);
  double r = 0;
  switch (op) {
    case kTemplateBinaries:
      r = x + y;
      break;
    case kBinarySubtract:
      r = x - y;
      break;
    case kBinaryMultiply:
      r = x * y;
      break;
    case kBinaryDivide:
      r = x / y;
      break;
    default: {
      double m = std::fmod(x, y);
      double q = (x - m) / y;
      if (m != 0 && (m < 0) != (y < 0)) {
        m += y;
        q -= 1;
      }
      if (m == 0) m = std::copysign(0.0, y);
      if (q != 0) {
        const double floor = std::floor(q);
        q = q - floor > 0.5 ? floor + 1 : floor;
      } else {
        q = std::copysign(0.0, x / y);
      }
      r = op == kBinaryModulo ? m : q;
    }
  }
  *out = WithFlags(Float(r), flags);
  return true;
}

bool Evaluator::Power(const Value& a, const Value& b, Value* out) {
  const uint8_t flags = (a.flags | b.flags) & kFlagData;
  if (a.IsInteger() && b.IsInteger() && b.i >= 0) {
    int64_t r = 1, base = a.i;
    for (uint64_t e = static_cast<uint64_t>(b.i); e > 0; e >>= 1) {
      if ((e & 1) && __builtin_mul_overflow(r, base, &r)) {
        return FailUnsupported("an integer beyond 64 bits");
      }
      if (e > 1 && __builtin_mul_overflow(base, base, &base)) {
        return FailUnsupported("an integer beyond 64 bits");
      }
    }
    *out = WithFlags(Int(r), flags);
    return true;
  }
  const double x = AsDouble(a), y = AsDouble(b);
  if (x == 0 && y < 0) return Fail("0.0 cannot be raised to a negative power");
  if (x < 0 && y != std::floor(y)) return FailUnsupported("a complex number");
  const double r = std::pow(x, y);
  if (std::isinf(r) && std::isfinite(x) && std::isfinite(y)) return Fail("result too large");
  *out = WithFlags(Float(r), flags);
  return true;
}

// --- % of strings: s r d i f %, with width, precision, - and 0 ------------------------------------------------------------------------------------

namespace {

struct PercentSpec {
  bool left = false, zero = false;
  size_t width = 0;
  int precision = -1;
  char kind = '\0';
};

// A number for %d, %i or %f; 0: it does not fit.
size_t PercentNumber(const PercentSpec& spec, const Value& v, char* out, size_t capacity) {
  const double d = AsDouble(v);
  if (spec.kind == 'f' && !std::isfinite(d)) return FloatText(d, out);
  if (spec.kind != 'f' && v.Is(Kind::kFloat) && !(std::fabs(d) < 9.2e18)) return 0;
  const auto result =
      spec.kind == 'f'
          ? std::to_chars(out, out + capacity, d, std::chars_format::fixed,
                          spec.precision < 0 ? 6 : spec.precision)
          : std::to_chars(out, out + capacity, v.Is(Kind::kFloat) ? static_cast<int64_t>(d) : v.i);
  return result.ec == std::errc() ? static_cast<size_t>(result.ptr - out) : 0;
}

}  // namespace

bool Evaluator::FormatPercent(const Value& format, const Value& values, Value* out) {
  const std::string_view s = format.text();
  const bool tuple = values.Is(Kind::kList) && values.list->kind == ListKind::kTuple;
  const uint32_t n = tuple ? values.list->n : 1;
  uint32_t used = 0;
  Buffer buffer;
  for (size_t i = 0; i < s.size();) {
    const size_t percent = std::min(s.find('%', i), s.size());
    if (!AppendString(&buffer, Part(format, i, percent - i))) return false;
    if (percent == s.size()) break;
    i = percent + 1;
    PercentSpec spec;
    Value v;
    for (; i < s.size() && (s[i] == '-' || s[i] == '0'); ++i) {
      (s[i] == '-' ? spec.left : spec.zero) = true;
    }
    for (; i < s.size() && s[i] >= '0' && s[i] <= '9' && spec.width < 100000; ++i) {
      spec.width = spec.width * 10 + static_cast<size_t>(s[i] - '0');
    }
    if (i < s.size() && s[i] == '.') {
      spec.precision = 0;
      for (++i; i < s.size() && s[i] >= '0' && s[i] <= '9' && spec.precision < 100000; ++i) {
        spec.precision = spec.precision * 10 + (s[i] - '0');
      }
    }
    if (i == s.size()) return Fail("incomplete format");
    spec.kind = s[i++];
    if (spec.kind == '%') {
      if (!Append(&buffer, "%", false)) return false;
      continue;
    }
    if (used >= n) return Fail("not enough arguments for format string");
    v = tuple ? values.list->items[used] : values;
    ++used;
    Value text;
    char digits[512];
    const bool data = (v.flags & kFlagData) != 0;
    if (spec.kind == 's' || spec.kind == 'r') {
      if (spec.kind == 's' ? !ToString(v, &text) : [&] {
            Buffer repr;
            return !PrintRepr(&repr, v, data) || !Finish(repr, &text);
          }()) {
        return false;
      }
      if (spec.precision >= 0) {
        text = Part(text, 0, OffsetOf(text.text(), static_cast<size_t>(spec.precision)));
      }
    } else if (spec.kind == 'd' || spec.kind == 'i' || spec.kind == 'f') {
      if (!v.IsNumber() || v.Is(Kind::kBigInt)) {
        return Fail("%%%c format: a number is required, not %s", spec.kind, TypeName(v));
      }
      size_t length = PercentNumber(spec, v, digits, sizeof digits);
      if (length == 0) return FailUnsupported("this number in a format");
      // Zeros go between sign and digits.
      if (spec.zero && !spec.left && length < spec.width && spec.width < sizeof digits) {
        const size_t sign = digits[0] == '-', zeros = spec.width - length;
        std::memmove(digits + sign + zeros, digits + sign, length - sign);
        std::memset(digits + sign, '0', zeros);
        length = spec.width;
      }
      text = String({digits, length});
    } else {
      return FailUnsupported("this kind of format");
    }
    size_t characters = 0;
    if (!CountCharacters(text.text(), &characters)) return false;
    const size_t padding = spec.width > characters ? spec.width - characters : 0;
    const bool number = spec.kind != 's' && spec.kind != 'r';
    const auto append = [&] {
      return number ? Append(&buffer, text.text(), data) : AppendString(&buffer, text);
    };
    const auto pad = [&] {
      for (size_t k = 0; k < padding; ++k) {
        if (!Append(&buffer, " ", false)) return false;
      }
      return true;
    };
    if ((!spec.left && !pad()) || !append() || (spec.left && !pad())) {
      return false;
    }
  }
  if (used < n && (tuple || !values.Is(Kind::kDict))) {
    return Fail("not all arguments converted during string formatting");
  }
  if (!Finish(buffer, out)) return false;
  out->flags = format.flags & kFlagMarkup;
  return true;
}

}  // namespace samara::template_runtime
