// Methods of strings. Parts of a string keep their marks; so does what is made of its characters.
#include <algorithm>
#include <cstring>

#include "runtime/template/evaluator.h"
#include "runtime/template/unicode.h"
#include "runtime/tokenizer/utf8.h"

namespace samara::template_runtime {

namespace method = template_method;

bool Evaluator::Strip(const Value& self, const Value& characters, bool left, bool right,
                      Value* out) {
  const std::string_view s = self.text();
  size_t begin = 0, n = s.size();
  if (characters.missing() || characters.Is(Kind::kNone)) {
    TrimSpace(s, left, right, &begin, &n);
    *out = Part(self, begin, n);
    return Work(s.size() - n);
  }
  if (!characters.IsString()) return FailType("strip: wanted a string or None", characters);
  const std::string_view set = characters.text();
  const auto in_set = [&](size_t at) {
    return set.find(s.substr(at, CharacterAt(s, at).bytes)) != std::string_view::npos;
  };
  size_t end = s.size();
  while (left && begin < end && in_set(begin)) {
    if (!Work(64 + set.size())) return false;
    begin += CharacterAt(s, begin).bytes;
  }
  while (right && end > begin) {
    const size_t before = CharacterBefore(s, end);
    if (!in_set(before)) break;
    if (!Work(64 + set.size())) return false;
    end = before;
  }
  *out = Part(self, begin, end - begin);
  return true;
}

bool Evaluator::Affix(const Value& self, const Value& affix, bool end, bool* out) {
  *out = false;
  if (affix.Is(Kind::kList) && affix.list->kind == ListKind::kTuple) {
    for (uint32_t i = 0; i < affix.list->n && !*out; ++i) {
      if (!affix.list->items[i].IsString()) break;
      if (!Affix(self, affix.list->items[i], end, out)) return false;
    }
    return true;
  }
  if (!affix.IsString()) {
    return FailType("startswith or endswith: wanted a string or a tuple of strings", affix);
  }
  *out = end ? self.text().ends_with(affix.text()) : self.text().starts_with(affix.text());
  return Work(affix.n);
}

bool Evaluator::SplitSpace(const Value& self, int64_t limit, bool from_right, Value* out) {
  const std::string_view s = self.text();
  const size_t mark = Mark();
  size_t begin = 0, n = 0;
  TrimSpace(s, true, true, &begin, &n);
  size_t end = begin + n;
  if (!Work(s.size() * 4)) return false;
  while (begin < end) {
    if (!Steps(1)) return false;
    if (limit-- == 0) {
      // The rest keeps the white space at its far end.
      const Value rest = from_right ? Part(self, 0, end) : Part(self, begin, s.size() - begin);
      if (!Push(rest)) return false;
      break;
    }
    size_t at = from_right ? end : begin;
    if (!from_right) {
      while (at < end && !IsSpace(CharacterAt(s, at).code_point)) at += CharacterAt(s, at).bytes;
      if (!Push(Part(self, begin, at - begin))) return false;
      while (at < end && IsSpace(CharacterAt(s, at).code_point)) at += CharacterAt(s, at).bytes;
      begin = at;
      continue;
    }
    const auto before = [&] { return CharacterBefore(s, at); };
    while (at > begin && !IsSpace(CharacterAt(s, before()).code_point)) at = before();
    if (!Push(Part(self, at, end - at))) return false;
    while (at > begin && IsSpace(CharacterAt(s, before()).code_point)) at = before();
    end = at;
  }
  if (!TakeList(mark, ListKind::kList, out)) return false;
  if (from_right) std::reverse(out->list->items, out->list->items + out->list->n);
  return true;
}

bool Evaluator::Split(const Value& self, const Value& separator, int64_t limit, bool from_right,
                      Value* out) {
  if (separator.missing() || separator.Is(Kind::kNone)) {
    return SplitSpace(self, limit, from_right, out);
  }
  if (!separator.IsString()) return FailType("split: wanted a string or None", separator);
  if (separator.n == 0) return Fail("empty separator");
  const std::string_view s = self.text(), by = separator.text();
  const size_t mark = Mark();
  size_t begin = 0, end = s.size();
  while (limit-- != 0) {
    size_t at = 0;
    if (!Steps(1)) return false;
    if (!(from_right ? FindLast(s, by, end, &at) : Find(s, by, begin, &at))) return false;
    if (at == kNotFound) break;
    if (from_right) {
      if (!Push(Part(self, at + by.size(), end - at - by.size()))) return false;
      end = at;
    } else {
      if (!Push(Part(self, begin, at - begin))) return false;
      begin = at + by.size();
    }
  }
  if (!Push(Part(self, begin, end - begin)) || !TakeList(mark, ListKind::kList, out)) return false;
  if (from_right) std::reverse(out->list->items, out->list->items + out->list->n);
  return true;
}

bool Evaluator::SplitLines(const Value& self, bool keep, Value* out) {
  const std::string_view s = self.text();
  const size_t mark = Mark();
  size_t begin = 0;
  for (size_t i = 0; i < s.size();) {
    const Character c = CharacterAt(s, i);
    const uint32_t cp = c.code_point;
    size_t next = i + c.bytes;
    if ((cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 ||
        cp == 0x2029) {
      if (cp == '\r' && next < s.size() && s[next] == '\n') ++next;
      if (!Push(Part(self, begin, (keep ? next : i) - begin))) return false;
      begin = next;
    }
    i = next;
  }
  if (begin < s.size() && !Push(Part(self, begin, s.size() - begin))) return false;
  return Work(s.size() * 8) && TakeList(mark, ListKind::kList, out);
}

bool Evaluator::Replace(const Value& self, const Value& old, const Value& with, int64_t limit,
                        Value* out) {
  if (!old.IsString() || !with.IsString()) return Fail("replace: wanted two strings");
  const std::string_view s = self.text();
  Buffer buffer;
  size_t begin = 0, at = 0;
  bool any = false;
  while (limit-- != 0) {
    if (old.n == 0) {
      // Between all characters, and at both ends.
      if (any && begin >= s.size()) break;
      at = any ? begin + CharacterAt(s, begin).bytes : 0;
    } else if (!Find(s, old.text(), begin, &at)) {
      return false;
    }
    if (at == kNotFound) break;
    any = true;
    if (!AppendString(&buffer, Part(self, begin, at - begin)) || !AppendString(&buffer, with)) {
      return false;
    }
    begin = at + old.n;
    if (!Steps(1)) return false;
  }
  if (!any) return *out = self, true;
  if (!AppendString(&buffer, Part(self, begin, s.size() - begin)) || !Finish(buffer, out)) {
    return false;
  }
  out->flags = self.flags & kFlagMarkup;
  return true;
}

bool Evaluator::JoinStrings(const Value& separator, const Value& values, bool convert,
                            const Value& path, Value* out) {
  Sequence sequence;
  if (!Iterate(values, &sequence)) return false;
  Buffer buffer;
  for (uint32_t i = 0; i < sequence.n; ++i) {
    Value item, looked;
    if (!Steps(1) || !At(sequence, i, &item) || !GetPath(item, path, Value(), &looked))
      return false;
    if (!convert && !looked.IsString()) {
      return Fail("sequence item %u: expected str instance, %s found", i, TypeName(looked));
    }
    if ((i > 0 && !AppendString(&buffer, separator)) || !Print(&buffer, looked)) return false;
  }
  return Finish(buffer, out);
}

bool Evaluator::FindMethod(const Value& self, uint8_t id, const Value* a, uint32_t n, Value* out) {
  if (n == 0 || (!a[0].IsString() && id != method::kStartsWith && id != method::kEndsWith)) {
    return Fail("find, index, count and the like: wanted a string");
  }
  // Bounds as of a slice.
  Value part = self;
  size_t skipped = 0;
  if (n > 1) {
    const Value bounds[3] = {a[1], n > 2 ? a[2] : Value(), Value()};
    if (!Slice(self, bounds, &part) ||
        !CountCharacters(self.text().substr(0, static_cast<size_t>(part.s - self.s)), &skipped)) {
      return false;
    }
  }
  if (id == method::kStartsWith || id == method::kEndsWith) {
    bool holds = false;
    if (!Affix(part, a[0], id == method::kEndsWith, &holds)) return false;
    return GiveBool(holds, out);
  }
  size_t at = 0;
  if (id == method::kCount) {
    int64_t count = 0;
    size_t characters = 0;
    if (a[0].n == 0) {
      if (!CountCharacters(part.text(), &characters)) return false;
      return GiveInt(static_cast<int64_t>(characters) + 1, out);
    }
    for (size_t from = 0;; from = at + a[0].n, ++count) {
      if (!Find(part.text(), a[0].text(), from, &at)) return false;
      if (at == kNotFound) break;
    }
    return GiveInt(count, out);
  }
  const bool last = id == method::kRFind || id == method::kRIndex;
  if (!(last ? FindLast(part.text(), a[0].text(), part.n, &at)
             : Find(part.text(), a[0].text(), 0, &at))) {
    return false;
  }
  if (at == kNotFound) {
    if (id == method::kIndex || id == method::kRIndex) return Fail("substring not found");
    return GiveInt(-1, out);
  }
  size_t characters = 0;
  if (!CountCharacters(part.text().substr(0, at), &characters)) return false;
  return GiveInt(static_cast<int64_t>(skipped + characters), out);
}

bool Evaluator::Partition(const Value& self, const Value& separator, bool last, Value* out) {
  if (!separator.IsString()) return FailType("partition: wanted a string", separator);
  if (separator.n == 0) return Fail("empty separator");
  size_t at = 0;
  if (!(last ? FindLast(self.text(), separator.text(), self.n, &at)
             : Find(self.text(), separator.text(), 0, &at))) {
    return false;
  }
  const size_t mark = Mark();
  const Value empty = String("");
  const bool found = at != kNotFound;
  const size_t behind = found ? at + separator.n : 0;
  return Push(found  ? Part(self, 0, at)
              : last ? empty
                     : self) &&
         Push(found ? Part(self, at, separator.n) : empty) &&
         Push(found  ? Part(self, behind, self.n - behind)
              : last ? self
                     : empty) &&
         TakeList(mark, ListKind::kTuple, out);
}

// how: the number of a method upper, lower, title, capitalize.
bool Evaluator::ChangeCase(const Value& self, uint8_t how, Value* out) {
  const std::string_view s = self.text();
  Buffer buffer;
  PropertyReader cased(Property::kCased);
  bool in_word = false;
  if (!Grow(&buffer, s.size()) || !Steps(s.size())) return false;
  for (size_t i = 0; i < s.size();) {
    const Character c = CharacterAt(s, i);
    Case to = how == method::kUpper ? Case::kUpper : Case::kLower;
    if (how == method::kCapitalize && i == 0) to = Case::kTitle;
    if (how == method::kTitle && !in_word) to = Case::kTitle;
    if (how == method::kTitle) in_word = cased(c.code_point);
    uint32_t mapped[3];
    uint32_t n = MapCase(c.code_point, to, mapped);
    if (c.code_point == 0x3A3 && to == Case::kLower) {
      // A sigma at a word's end.
      size_t before = i, behind = i + c.bytes;
      bool final = false;
      while (before > 0) {
        if (!Steps(1)) return false;
        before = CharacterBefore(s, before);
        const uint32_t cp = CharacterAt(s, before).code_point;
        if (IsCaseIgnorable(cp)) continue;
        final = cased(cp);
        break;
      }
      while (final && behind < s.size()) {
        if (!Steps(1)) return false;
        const Character next = CharacterAt(s, behind);
        behind += next.bytes;
        if (IsCaseIgnorable(next.code_point)) continue;
        final = !cased(next.code_point);
        break;
      }
      mapped[0] = final ? 0x3C2 : 0x3C3;
      n = 1;
    }
    char bytes[12];
    size_t n_bytes = 0;
    for (uint32_t k = 0; k < n; ++k) {
      n_bytes += EncodeUtf8(mapped[k], reinterpret_cast<uint8_t*>(bytes + n_bytes));
    }
    if (!Append(&buffer, {bytes, n_bytes}, AllData(Part(self, i, c.bytes)))) return false;
    i += c.bytes;
  }
  if (!Finish(buffer, out)) return false;
  out->flags = self.flags & kFlagMarkup;
  return true;
}

bool Evaluator::IsMethod(const Value& self, uint8_t id, Value* out) {
  const std::string_view s = self.text();
  bool all = id == method::kIsAscii || !s.empty(), any = false;
  if (!Steps(s.size())) return false;
  for (size_t i = 0; i < s.size() && all;) {
    const Character c = CharacterAt(s, i);
    const uint32_t cp = c.code_point;
    const bool ascii = cp < 0x80, letter = ascii && (cp | 0x20) >= 'a' && (cp | 0x20) <= 'z',
               digit = cp >= '0' && cp <= '9';
    i += c.bytes;
    switch (id) {
      case method::kIsSpace:
        all = IsSpace(cp);
        break;
      case method::kIsAscii:
        all = ascii;
        break;
      case method::kIsUpper:
      case method::kIsLower: {
        const bool upper = IsUpper(cp), lower = IsLower(cp);
        any = any || (id == method::kIsUpper ? upper : lower);
        all = !IsTitle(cp) && !(id == method::kIsUpper ? lower : upper);
        break;
      }
      default:
        if (!ascii) return FailUnsupported("isalpha(), isdigit() and the like beyond ASCII");
        all = (letter && (id == method::kIsAlpha || id == method::kIsAlnum)) ||
              (digit && id != method::kIsAlpha);
    }
  }
  return GiveBool(all && (any || (id != method::kIsUpper && id != method::kIsLower)), out);
}

bool Evaluator::StringMethod(const Value& self, uint8_t id, const Value* a, uint32_t n,
                             Value* out) {
  switch (id) {
    case method::kStrip:
    case method::kLStrip:
    case method::kRStrip:
      return Strip(self, a[0], id != method::kRStrip, id != method::kLStrip, out);
    case method::kSplit:
    case method::kRSplit: {
      int64_t limit = -1;
      if (!a[1].missing() && !IntOf(a[1], "maxsplit: wanted an integer", &limit)) return false;
      return Split(self, a[0], limit, id == method::kRSplit, out);
    }
    case method::kSplitLines:
      return SplitLines(self, Truth(a[0]), out);
    case method::kUpper:
    case method::kLower:
    case method::kTitle:
    case method::kCapitalize:
      return ChangeCase(self, id, out);
    case method::kReplace: {
      int64_t limit = -1;
      if (n > 2 && !IntOf(a[2], "count: wanted an integer", &limit)) return false;
      return Replace(self, a[0], a[1], limit, out);
    }
    case method::kJoin:
      if (n == 0) return Fail("join expected 1 argument");
      return JoinStrings(self, a[0], false, Value(), out);
    case method::kRemovePrefix:
    case method::kRemoveSuffix: {
      const bool end = id == method::kRemoveSuffix;
      bool holds = false;
      if (n == 0 || !a[0].IsString()) return Fail("removeprefix, removesuffix: wanted a string");
      if (!Affix(self, a[0], end, &holds)) return false;
      *out = holds ? Part(self, end ? 0 : a[0].n, self.n - a[0].n) : self;
      return true;
    }
    case method::kPartition:
    case method::kRPartition:
      return Partition(self, a[0], id == method::kRPartition, out);
    case method::kFind:
    case method::kRFind:
    case method::kIndex:
    case method::kRIndex:
    case method::kCount:
    case method::kStartsWith:
    case method::kEndsWith:
      return FindMethod(self, id, a, n, out);
    default:
      return IsMethod(self, id, out);
  }
}

}  // namespace samara::template_runtime
