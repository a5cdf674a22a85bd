// Values as text: str(), repr() and json.dumps().
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "runtime/template/evaluator.h"
#include "runtime/template/number.h"
#include "runtime/template/unicode.h"
#include "runtime/tokenizer/utf8.h"

namespace samara::template_runtime {

size_t FloatText(double d, char* out) {
  if (std::isnan(d)) return std::memcpy(out, "nan", 3), 3;
  if (std::isinf(d)) {
    const char* text = d < 0 ? "-inf" : "inf";
    return std::memcpy(out, text, std::strlen(text)), std::strlen(text);
  }
  // Shortest digits that read back as this value: d.ddde±x, laid out as repr() does.
  char scientific[40];
  const auto result =
      std::to_chars(scientific, scientific + sizeof scientific, d, std::chars_format::scientific);
  char digits[24];
  size_t n_digits = 0, n = 0;
  const char* p = scientific;
  if (*p == '-') out[n++] = *p++;
  for (; p < result.ptr && *p != 'e'; ++p) {
    if (*p != '.') digits[n_digits++] = *p;
  }
  int exponent = 0;
  p += p[1] == '+' ? 2 : 1;
  std::from_chars(p, result.ptr, exponent);
  if (exponent < -4 || exponent >= 16) {
    out[n++] = digits[0];
    if (n_digits > 1) out[n++] = '.';
    for (size_t i = 1; i < n_digits; ++i) out[n++] = digits[i];
    out[n++] = 'e';
    out[n++] = exponent < 0 ? '-' : '+';
    const int magnitude = std::abs(exponent);
    if (magnitude < 10) out[n++] = '0';
    return static_cast<size_t>(std::to_chars(out + n, out + 40, magnitude).ptr - out);
  }
  const int point = exponent + 1;  // digits in front of it
  if (point <= 0) {
    out[n++] = '0';
    out[n++] = '.';
    for (int i = point; i < 0; ++i) out[n++] = '0';
    for (size_t i = 0; i < n_digits; ++i) out[n++] = digits[i];
    return n;
  }
  for (int i = 0; i < std::max(point, static_cast<int>(n_digits)); ++i) {
    if (i == point) out[n++] = '.';
    out[n++] = i < static_cast<int>(n_digits) ? digits[i] : '0';
  }
  if (point >= static_cast<int>(n_digits)) {
    out[n++] = '.';
    out[n++] = '0';
  }
  return n;
}

namespace {

// Scalars that every notation writes in the same way; false for others.
size_t ScalarText(const Value& v, char* out) {
  if (v.Is(Kind::kFloat)) return FloatText(v.d, out);
  return static_cast<size_t>(std::to_chars(out, out + 24, v.i).ptr - out);
}

constexpr char kOpen[] = "[\0(\0[\0dict_keys([\0dict_values([\0dict_items([\0";

const char* OpenOf(const Value& v) {
  return v.Is(Kind::kDict) ? "{" : WordAt(kOpen, static_cast<uint32_t>(v.list->kind));
}
const char* CloseOf(const Value& v) {
  if (v.Is(Kind::kDict)) return "}";
  if (*OpenOf(v) == '(') return v.list->n == 1 ? ",)" : ")";
  return v.list->kind == ListKind::kList ? "]" : "])";
}

}  // namespace

bool Evaluator::ToString(const Value& v, Value* out) {
  if (v.IsString()) return *out = v, true;
  Buffer buffer;
  return Print(&buffer, v) && Finish(buffer, out);
}

bool Evaluator::Print(Buffer* buffer, const Value& v) {
  if (v.IsString()) return AppendString(buffer, v);
  if (v.Is(Kind::kUndefined)) {
    // What the sandbox forbids is an error only when it is used; Undefined prints nothing.
    return true;
  }
  return PrintRepr(buffer, v, (v.flags & kFlagData) != 0);
}

bool Evaluator::PrintRepr(Buffer* buffer, const Value& v, bool data) {
  data = data || (v.flags & kFlagData) != 0;
  if (!Steps(4)) return false;
  char text[48];
  switch (v.kind) {
    case Kind::kUndefined:
      return Append(buffer, "Undefined", data);
    case Kind::kNone:
      return Append(buffer, "None", data);
    case Kind::kBool:
      return Append(buffer, v.i ? "True" : "False", data);
    case Kind::kInt:
    case Kind::kFloat:
      return Append(buffer, {text, ScalarText(v, text)}, data);
    case Kind::kBigInt:
      return Append(buffer, v.text(), data);
    case Kind::kString:
      return PrintStringRepr(buffer, v, data);
    case Kind::kRange: {
      const Range& r = *v.range;
      char range[96];
      int n = std::snprintf(range, sizeof range, "range(%lld, %lld",
                            static_cast<long long>(r.start), static_cast<long long>(r.stop));
      if (r.step != 1) {
        n += std::snprintf(range + n, sizeof range - static_cast<size_t>(n), ", %lld",
                           static_cast<long long>(r.step));
      }
      return Append(buffer, {range, static_cast<size_t>(n)}, data) && Append(buffer, ")", data);
    }
    case Kind::kList:
    case Kind::kDict:
      break;
    default:
      return FailUnsupported("printing a function, macro or namespace");
  }
  if (v.Is(Kind::kList) && v.list->kind == ListKind::kIterator) {
    return FailUnsupported("printing a generator (add | list)");
  }
  if (!Deeper() || !Append(buffer, OpenOf(v), data)) return false;
  const uint32_t n = v.Is(Kind::kDict) ? v.dict->n : v.list->n;
  for (uint32_t i = 0; i < n; ++i) {
    if (i > 0 && !Append(buffer, ", ", data)) return false;
    if (v.Is(Kind::kList)) {
      if (!PrintRepr(buffer, v.list->items[i], data)) return false;
    } else if (!PrintRepr(buffer, v.dict->entries[i].key, data) || !Append(buffer, ": ", data) ||
               !PrintRepr(buffer, v.dict->entries[i].value, data)) {
      return false;
    }
  }
  Shallower();
  return Append(buffer, CloseOf(v), data);
}

bool Evaluator::PrintStringRepr(Buffer* buffer, const Value& v, bool data) {
  const std::string_view s = v.text();
  const bool markup = (v.flags & kFlagMarkup) != 0;
  const bool single = s.find('\'') != std::string_view::npos;
  const char quote = single && s.find('"') == std::string_view::npos ? '"' : '\'';
  if (markup && !Append(buffer, "Markup(", data)) return false;
  if (!Append(buffer, {&quote, 1}, data)) return false;
  PropertyReader printable(Property::kPrintable);
  if (!Work(s.size() * 8)) return false;
  for (size_t i = 0, plain = 0;;) {
    const Character c = i < s.size() ? CharacterAt(s, i) : Character{0, 0};
    const bool escape =
        i < s.size() && (c.code_point < 0x20 || c.code_point == 0x7F ||
                         c.code_point == static_cast<uint8_t>(quote) || c.code_point == '\\' ||
                         (c.code_point >= 0x80 && !printable(c.code_point)));
    if (escape || i == s.size()) {
      if (!AppendString(buffer, Part(v, plain, i - plain))) return false;
      if (i == s.size()) break;
      char text[16];
      static constexpr char kFrom[] = "\n\r\t", kTo[] = "nrt";
      const char* named = c.code_point != 0 && c.code_point < 0x20
                              ? std::strchr(kFrom, static_cast<int>(c.code_point))
                              : nullptr;
      int n = 0;
      if (named || c.code_point == static_cast<uint8_t>(quote) || c.code_point == '\\') {
        text[n++] = '\\';
        text[n++] = named ? kTo[named - kFrom] : static_cast<char>(c.code_point);
      } else {
        const char* format = c.code_point < 0x100     ? "\\x%02x"
                             : c.code_point < 0x10000 ? "\\u%04x"
                                                      : "\\U%08x";
        n = std::snprintf(text, sizeof text, format, static_cast<unsigned>(c.code_point));
      }
      if (!Append(buffer, {text, static_cast<size_t>(n)}, AllData(Part(v, i, c.bytes)))) {
        return false;
      }
      plain = i + c.bytes;
    }
    i += c.bytes;
  }
  return Append(buffer, {&quote, 1}, data) && (!markup || Append(buffer, ")", data));
}

// --- JSON --------------------------------------------------------------------------------------------

bool Evaluator::PrintJsonString(Buffer* buffer, const Value& v, bool ascii, bool data) {
  const std::string_view s = v.text();
  if (!Append(buffer, "\"", data) || !Work(s.size() * 4)) return false;
  for (size_t i = 0, plain = 0;;) {
    const unsigned char b = i < s.size() ? static_cast<unsigned char>(s[i]) : 0;
    const bool escape = i < s.size() && (b < 0x20 || b == '"' || b == '\\' || (ascii && b >= 0x7F));
    if (!escape && i < s.size()) {
      ++i;
      continue;
    }
    if (!AppendString(buffer, Part(v, plain, i - plain))) return false;
    if (i == s.size()) break;
    const Character c = CharacterAt(s, i);
    char text[16];
    size_t n = 0;
    static constexpr char kFrom[] = "\"\\\b\f\n\r\t", kTo[] = "\"\\bfnrt";
    const char* named = b != 0 && b < 0x80 ? std::strchr(kFrom, b) : nullptr;
    if (named) {
      text[n++] = '\\';
      text[n++] = kTo[named - kFrom];
    } else {
      uint32_t units[2] = {c.code_point, 0};
      if (c.code_point >= 0x10000) {
        units[0] = 0xD800 + ((c.code_point - 0x10000) >> 10);
        units[1] = 0xDC00 + ((c.code_point - 0x10000) & 0x3FF);
      }
      for (const uint32_t unit : units) {
        if (unit == 0 && n > 0) break;
        n += static_cast<size_t>(
            std::snprintf(text + n, sizeof text - n, "\\u%04x", static_cast<unsigned>(unit)));
      }
    }
    if (!Append(buffer, {text, n}, AllData(Part(v, i, c.bytes)))) return false;
    i += c.bytes;
    plain = i;
  }
  return Append(buffer, "\"", data);
}

bool Evaluator::PrintJsonKey(Buffer* buffer, const Value& key, const JsonStyle& style, bool data) {
  if (key.IsString()) return PrintJsonString(buffer, key, style.ensure_ascii, data);
  if (!key.IsNumber() && !key.Is(Kind::kNone)) {
    return FailType("tojson: wanted a key that is a string, number, bool or None", key);
  }
  return Append(buffer, "\"", data) && PrintJson(buffer, key, style, 0, data) &&
         Append(buffer, "\"", data);
}

bool Evaluator::PrintJsonBreak(Buffer* buffer, const JsonStyle& style, uint32_t level, bool data) {
  if (!style.indented) return true;
  if (!Append(buffer, "\n", data)) return false;
  for (uint32_t i = 0; i < level; ++i) {
    if (!Append(buffer, style.indent, data)) return false;
  }
  return true;
}

bool Evaluator::PrintJson(Buffer* buffer, const Value& v, const JsonStyle& style, uint32_t level,
                          bool data) {
  data = data || (v.flags & kFlagData) != 0;
  if (!Steps(4)) return false;
  char text[48];
  switch (v.kind) {
    case Kind::kNone:
      return Append(buffer, "null", data);
    case Kind::kBool:
      return Append(buffer, v.i ? "true" : "false", data);
    case Kind::kFloat:
      if (std::isnan(v.d)) return Append(buffer, "NaN", data);
      if (std::isinf(v.d)) return Append(buffer, v.d < 0 ? "-Infinity" : "Infinity", data);
      return Append(buffer, {text, ScalarText(v, text)}, data);
    case Kind::kInt:
      return Append(buffer, {text, ScalarText(v, text)}, data);
    case Kind::kBigInt:
      return Append(buffer, v.text(), data);
    case Kind::kString:
      return PrintJsonString(buffer, v, style.ensure_ascii, data);
    case Kind::kDict:
      break;
    case Kind::kList:
      if (v.list->kind <= ListKind::kTuple) break;
      [[fallthrough]];
    default:
      return FailType("tojson: a value that JSON does not have", v);
  }
  const bool is_dict = v.Is(Kind::kDict);
  const uint32_t n = is_dict ? v.dict->n : v.list->n;
  if (n == 0) return Append(buffer, is_dict ? "{}" : "[]", data);
  if (!Deeper() || !Append(buffer, is_dict ? "{" : "[", data)) return false;
  Value sorted;
  if (is_dict && style.sort_keys) {
    const size_t mark = Mark();
    for (uint32_t i = 0; i < n; ++i) {
      if (!Push(v.dict->entries[i].key) || !Push(v.dict->entries[i].value)) return false;
    }
    if (!TakeList(mark, ListKind::kList, &sorted) || !SortPairs(sorted.list->items, n, false)) {
      return false;
    }
  }
  for (uint32_t i = 0; i < n; ++i) {
    if (i > 0 && !Append(buffer, style.item_separator, data)) return false;
    if (!PrintJsonBreak(buffer, style, level + 1, data)) return false;
    if (!is_dict) {
      if (!PrintJson(buffer, v.list->items[i], style, level + 1, data)) return false;
      continue;
    }
    const Value* pair = style.sort_keys ? sorted.list->items + 2 * i : nullptr;
    const Entry* entry = v.dict->entries + i;
    if (!PrintJsonKey(buffer, pair ? pair[0] : entry->key, style, data) ||
        !Append(buffer, style.key_separator, data) ||
        !PrintJson(buffer, pair ? pair[1] : entry->value, style, level + 1, data)) {
      return false;
    }
  }
  Shallower();
  return PrintJsonBreak(buffer, style, level, data) && Append(buffer, is_dict ? "}" : "]", data);
}

bool Evaluator::FilterToJson(const Value& v, const Value* p, Value* out) {
  // ensure_ascii, indent, separators, sort_keys
  JsonStyle style = {};
  style.ensure_ascii = !p[0].missing() && Truth(p[0]);
  style.sort_keys = !p[3].missing() && Truth(p[3]);
  style.indented = !p[1].missing() && !p[1].Is(Kind::kNone);
  style.item_separator = style.indented ? "," : ", ";
  style.key_separator = ": ";
  if (style.indented) {
    if (p[1].IsString()) {
      style.indent = p[1].text();
    } else {
      int64_t width = 0;
      if (!IntOf(p[1], "tojson: indent", &width)) return false;
      width = std::clamp<int64_t>(width, 0, 4096);
      char* spaces = static_cast<char*>(Allocate(static_cast<size_t>(width)));
      if (!spaces) return false;
      std::memset(spaces, ' ', static_cast<size_t>(width));
      style.indent = {spaces, static_cast<size_t>(width)};
    }
  }
  if (!p[2].missing() && !p[2].Is(Kind::kNone)) {
    const List* pair = p[2].Is(Kind::kList) ? p[2].list : nullptr;
    if (!pair || pair->n != 2 || !pair->items[0].IsString() || !pair->items[1].IsString()) {
      return FailType("tojson: separators: wanted two strings", p[2]);
    }
    style.item_separator = pair->items[0].text();
    style.key_separator = pair->items[1].text();
  }
  Buffer buffer;
  return PrintJson(&buffer, v, style, 0, false) && Finish(buffer, out);
}

}  // namespace samara::template_runtime
