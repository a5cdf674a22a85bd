// Filters of strings and numbers.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "runtime/template/evaluator.h"
#include "runtime/template/unicode.h"

namespace samara::template_runtime {

namespace filter = template_filter;

namespace {

std::string_view Trimmed(std::string_view s) {
  size_t begin = 0, n = 0;
  TrimSpace(s, true, true, &begin, &n);
  return s.substr(begin, n);
}

// As float() of Python reads a string, without underscores.
bool ParseFloat(std::string_view text, double* out) {
  std::string_view s = Trimmed(text);
  if (s.starts_with('+')) s.remove_prefix(1);
  if (s.starts_with('+') || s.find_first_of("xX(") != std::string_view::npos) return false;
  const auto result = std::from_chars(s.data(), s.data() + s.size(), *out);
  if (result.ptr != s.data() + s.size() || s.empty()) return false;
  if (result.ec == std::errc::result_out_of_range) {
    *out = s.find("e-") == std::string_view::npos && s.find("E-") == std::string_view::npos
               ? (s[0] == '-' ? -HUGE_VAL : HUGE_VAL)
               : 0.0;
    return true;
  }
  return result.ec == std::errc();
}

// As int(text, base). 0: no number, 1: done, 2: too large.
int ParseInt(std::string_view text, int64_t base, int64_t* out) {
  std::string_view s = Trimmed(text);
  const bool minus = s.starts_with('-');
  if (minus || s.starts_with('+')) s.remove_prefix(1);
  char digits[80];
  size_t n = 0;
  if (s.size() > 2 && s[0] == '0') {
    const char letter = static_cast<char>(s[1] | 0x20);
    const int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == 0 || base == named)) {
      base = named;
      s.remove_prefix(2);
    }
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36 || s.empty()) return 0;
  digits[n++] = '-';
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '_' && i > 0 && i + 1 < s.size() && s[i - 1] != '_') continue;
    if (n == sizeof digits) return 2;
    digits[n++] = s[i];
  }
  const char* begin = digits + (minus ? 0 : 1);
  if (digits[1] == '-' || digits[1] == '+') return 0;
  const auto result = std::from_chars(begin, digits + n, *out, static_cast<int>(base));
  if (result.ptr != digits + n) return 0;
  return result.ec == std::errc() ? 1 : 2;
}

}  // namespace

bool Evaluator::Filter(uint8_t id, const Value& v, const Value* p, uint32_t n, Value* out) {
  switch (id) {
    case filter::kDefault:
      *out = v.Is(Kind::kUndefined) || (Truth(p[1]) && !Truth(v))
                 ? (p[0].missing() ? String("") : p[0])
                 : v;
      return true;
    case filter::kToJson:
      return FilterToJson(v, p, out);
    case filter::kAbs:
    case filter::kRound:
    case filter::kInt:
    case filter::kFloat:
      return NumberFilter(id, v, p, out);
    case filter::kCapitalize:
    case filter::kEscape:
    case filter::kFormat:
    case filter::kIndent:
    case filter::kLower:
    case filter::kReplace:
    case filter::kSafe:
    case filter::kString:
    case filter::kTitle:
    case filter::kTrim:
    case filter::kUpper:
      return TextFilter(id, v, p, n, out);
    default:
      return SequenceFilter(id, v, p, out);
  }
}

bool Evaluator::TextFilter(uint8_t id, const Value& v, const Value* p, uint32_t n, Value* out) {
  Value text;
  if (!ToString(v, &text)) return false;
  switch (id) {
    case filter::kString:
      *out = text;
      return true;
    case filter::kSafe:
      *out = WithFlags(text, kFlagMarkup);
      return true;
    case filter::kEscape: {
      if (text.flags & kFlagMarkup) return Give(text, out);
      Buffer buffer;
      if (!AppendEscaped(&buffer, text) || !Finish(buffer, out)) return false;
      out->flags = kFlagMarkup;
      return true;
    }
    case filter::kUpper:
      return ChangeCase(text, template_method::kUpper, out);
    case filter::kLower:
      return ChangeCase(text, template_method::kLower, out);
    case filter::kCapitalize:
      return ChangeCase(text, template_method::kCapitalize, out);
    case filter::kTrim:
      return Strip(text, p[0], true, true, out);
    case filter::kReplace: {
      Value old, with;
      int64_t limit = -1;
      if (!ToString(p[0], &old) || !ToString(p[1], &with)) return false;
      if (!p[2].missing() && !p[2].Is(Kind::kNone) && !IntOf(p[2], "replace: count", &limit)) {
        return false;
      }
      text.flags = static_cast<uint8_t>(text.flags & ~kFlagMarkup);
      return Replace(text, old, with, limit, out);
    }
    case filter::kFormat: {
      const size_t mark = Mark();
      Value values;
      for (uint32_t i = 0; i < n; ++i) {
        if (!Push(p[i])) return false;
      }
      return TakeList(mark, ListKind::kTuple, &values) && FormatPercent(text, values, out);
    }
    case filter::kIndent:
      return FilterIndent(text, p, out);
    default: {  // title
      // Each word, and each run of what separates words, by itself.
      const std::string_view s = text.text();
      const auto separates = [&s](size_t i) {
        const Character c = CharacterAt(s, i);
        return IsSpace(c.code_point) || (s[i] != 0 && std::strchr("-({[<", s[i]));
      };
      Buffer buffer;
      for (size_t begin = 0; begin < s.size();) {
        const bool separator = separates(begin);
        const size_t first = CharacterAt(s, begin).bytes;
        size_t end = begin + first;
        while (end < s.size() && separates(end) == separator) end += CharacterAt(s, end).bytes;
        Value head, tail;
        if (!ChangeCase(Part(text, begin, first), template_method::kUpper, &head) ||
            !ChangeCase(Part(text, begin + first, end - begin - first), template_method::kLower,
                        &tail) ||
            !AppendString(&buffer, head) || !AppendString(&buffer, tail)) {
          return false;
        }
        begin = end;
      }
      return Finish(buffer, out);
    }
  }
}

bool Evaluator::FilterIndent(const Value& v, const Value* p, Value* out) {
  // width, first, blank
  Value indention = String("    ");
  if (p[0].IsString()) {
    indention = p[0];
  } else if (!p[0].missing()) {
    int64_t width = 0;
    if (!IntOf(p[0], "indent: width", &width) || !Repeat(String(" "), width, &indention)) {
      return false;
    }
  }
  // Lines as of splitlines() with a newline behind the last one.
  Value lines, line;
  Buffer padded;
  if (!AppendString(&padded, v) || !Append(&padded, "\n", false) || !Finish(padded, &line) ||
      !SplitLines(line, false, &lines)) {
    return false;
  }
  Buffer buffer;
  if (Truth(p[1]) && !AppendString(&buffer, indention)) return false;
  for (uint32_t i = 0; i < lines.list->n; ++i) {
    const Value& item = lines.list->items[i];
    if (i > 0 && (!Append(&buffer, "\n", false) ||
                  ((item.n > 0 || Truth(p[2])) && !AppendString(&buffer, indention)))) {
      return false;
    }
    if (!AppendString(&buffer, item)) return false;
  }
  if (!Finish(buffer, out)) return false;
  out->flags = v.flags & kFlagMarkup;
  return true;
}

bool Evaluator::FilterRound(const Value& v, const Value* p, Value* out) {
  // precision, method
  int64_t precision = 0;
  if (!v.IsNumber() || v.Is(Kind::kBigInt)) return FailType("round: wanted a number", v);
  if (!p[0].missing() && !IntOf(p[0], "round: precision", &precision)) return false;
  const std::string_view how = p[1].missing() ? "common" : p[1].IsString() ? p[1].text() : "";
  const double d = v.Is(Kind::kFloat) ? v.d : static_cast<double>(v.i);
  const uint8_t flags = v.flags & kFlagData;
  if (how == "ceil" || how == "floor") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = d * scale;
    if (!std::isfinite(scaled)) return Fail("cannot round this number");
    *out =
        WithFlags(Float((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale), flags);
    return true;
  }
  if (how != "common") return Fail("round: method must be common, ceil or floor");
  if (precision < 0) return FailUnsupported("round with a negative precision");
  if (!v.Is(Kind::kFloat)) return *out = WithFlags(Int(v.i), flags), true;
  *out = v;
  if (!std::isfinite(d) || precision > 30) return true;
  // Correctly rounded decimal digits, halves of the exact value to even.
  char digits[400];
  const auto written = std::to_chars(digits, digits + sizeof digits, d, std::chars_format::fixed,
                                     static_cast<int>(precision));
  double rounded = d;
  std::from_chars(digits, written.ptr, rounded);
  *out = WithFlags(Float(rounded), flags);
  return true;
}

bool Evaluator::NumberFilter(uint8_t id, const Value& v, const Value* p, Value* out) {
  const uint8_t flags = v.flags & kFlagData;
  if (v.Is(Kind::kUndefined)) return FailUndefined(v);
  if (id == filter::kRound) return FilterRound(v, p, out);
  if (id == filter::kAbs) {
    if (v.Is(Kind::kBigInt)) return *out = v.s[0] == '-' ? Part(v, 1, v.n - 1) : v, true;
    if (!v.IsNumber()) return FailType("abs: wanted a number", v);
    if (v.Is(Kind::kFloat)) return *out = WithFlags(Float(std::fabs(v.d)), flags), true;
    return v.i < 0 ? Arithmetic(kBinarySubtract, Int(0), v, out)
                   : (*out = WithFlags(Int(v.i), flags), true);
  }
  double d = 0;
  if (id == filter::kFloat) {
    *out = p[0].missing() ? Float(0) : p[0];
    if (v.Is(Kind::kFloat)) return *out = v, true;
    if (v.IsInteger()) return *out = WithFlags(Float(static_cast<double>(v.i)), flags), true;
    if ((v.IsString() || v.Is(Kind::kBigInt)) && ParseFloat(v.text(), &d)) {
      *out = WithFlags(Float(d), flags);
    }
    return true;
  }
  int64_t base = 10, i = 0;
  if (!p[1].missing() && !IntOf(p[1], "int: base", &base)) return false;
  *out = p[0].missing() ? Int(0) : p[0];
  if (v.Is(Kind::kBigInt)) return *out = v, true;
  if (v.IsInteger()) return *out = WithFlags(Int(v.i), flags), true;
  if (v.IsString()) {
    const int parsed = ParseInt(v.text(), base, &i);
    if (parsed == 2) return FailUnsupported("an integer beyond 64 bits");
    if (parsed == 1) return *out = WithFlags(Int(i), flags), true;
    if (!ParseFloat(v.text(), &d) || !std::isfinite(d)) return true;
  } else if (v.Is(Kind::kFloat)) {
    d = v.d;
    if (std::isinf(d)) return Fail("cannot convert float infinity to integer");
    if (std::isnan(d)) return true;
  } else {
    return true;
  }
  if (!(std::fabs(d) < 9.2e18)) return FailUnsupported("an integer beyond 64 bits");
  *out = WithFlags(Int(static_cast<int64_t>(d)), flags);
  return true;
}

}  // namespace samara::template_runtime
