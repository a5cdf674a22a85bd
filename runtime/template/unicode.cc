#include "runtime/template/unicode.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace samara::template_runtime {
namespace {

// First code point << 11 | steps behind it << 1 | (0: each code point, 1: every second).
struct CaseRange {
  uint32_t range;
  int32_t delta;
};
struct CaseSpecial {
  uint32_t code_point;
  uint16_t to[3];
};

#include "runtime/template/unicode_tables.inc"

std::span<const uint8_t> Table(Property property) {
  switch (property) {
    case Property::kPrintable:
      return kPrintable;
    case Property::kUpperOnly:
      return kUpperOnly;
    default:
      return kCased;
  }
}

// In-range delta of a code point, 0 if there is none.
int32_t Delta(std::span<const CaseRange> ranges, uint32_t cp) {
  auto it = std::partition_point(ranges.begin(), ranges.end(),
                                 [cp](const CaseRange& r) { return r.range >> 11 <= cp; });
  if (it == ranges.begin()) return 0;
  --it;
  const uint32_t offset = cp - (it->range >> 11), shift = it->range & 1;
  return offset >> shift <= (it->range >> 1 & 0x3FF) && (offset & shift) == 0 ? it->delta : 0;
}

uint32_t Special(std::span<const CaseSpecial> specials, uint32_t cp, uint32_t out[3]) {
  const auto it = std::partition_point(specials.begin(), specials.end(),
                                       [cp](const CaseSpecial& s) { return s.code_point < cp; });
  if (it == specials.end() || it->code_point != cp) return 0;
  uint32_t n = 0;
  for (; n < 3 && it->to[n]; ++n) out[n] = it->to[n];
  return n;
}

}  // namespace

bool PropertyReader::operator()(uint32_t cp) {
  if (cp >= first_ && cp <= last_) return value_;
  uint32_t begin = 0;
  bool value = false;
  uint32_t run = 0, shift = 0;
  for (const uint8_t byte : Table(property_)) {
    run |= uint32_t{byte & 127u} << shift;
    shift += 7;
    if (byte & 128) continue;
    if (cp < begin + run) break;
    begin += run;
    value = !value;
    run = shift = 0;
  }
  first_ = begin;
  last_ = begin + run - 1;
  return value_ = value;
}

bool IsSpace(uint32_t cp) {
  return (cp >= 9 && cp <= 13) || (cp >= 28 && cp <= 32) || cp == 0x85 || cp == 0xA0 ||
         cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
         cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool IsCaseIgnorable(uint32_t cp) {
  return cp == '\'' || cp == '.' || cp == ':' || cp == '^' || cp == '`' || cp == 0xAD ||
         cp == 0xB7 || (cp >= 0x300 && cp <= 0x36F) || cp == 0x2018 || cp == 0x2019;
}

uint32_t MapCase(uint32_t cp, Case to, uint32_t out[3]) {
  out[0] = cp;
  if (cp < 0x80) {
    const bool lower = cp >= 'a' && cp <= 'z', upper = cp >= 'A' && cp <= 'Z';
    if (to == Case::kLower ? upper : lower) out[0] = cp ^ 0x20;
    return 1;
  }
  if (to == Case::kLower) {
    if (const uint32_t n = Special(kLowerSpecials, cp, out)) return n;
    out[0] = cp + static_cast<uint32_t>(Delta(kLowerRanges, cp));
    return 1;
  }
  if (to == Case::kTitle) {
    if (const uint32_t n = Special(kTitleSpecials, cp, out)) return n;
    for (const CaseRange& r : kTitleRanges) {
      const uint32_t offset = cp - (r.range >> 11), shift = r.range & 1;
      if (offset >> shift <= (r.range >> 1 & 0x3FF) && (offset & shift) == 0) {
        out[0] = cp + static_cast<uint32_t>(r.delta);
        return 1;
      }
    }
  }
  if (const uint32_t n = Special(kUpperSpecials, cp, out)) return n;
  out[0] = cp + static_cast<uint32_t>(Delta(kUpperRanges, cp));
  return 1;
}

namespace {
bool Changes(uint32_t cp, Case to) {
  uint32_t out[3];
  return MapCase(cp, to, out) != 1 || out[0] != cp;
}
}  // namespace

bool IsUpper(uint32_t cp) {
  return Changes(cp, Case::kLower) ? !Changes(cp, Case::kUpper)
                                   : PropertyReader(Property::kUpperOnly)(cp);
}
bool IsTitle(uint32_t cp) { return Changes(cp, Case::kLower) && Changes(cp, Case::kUpper); }
bool IsLower(uint32_t cp) {
  return PropertyReader(Property::kCased)(cp) && !IsUpper(cp) && !IsTitle(cp);
}

Character CharacterAt(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<uint32_t>(text[i + k] & 0xFF); };
  const uint32_t b = byte(0);
  const uint32_t n = b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
  if (n == 1 || n > text.size() - i) return {b, 1};
  uint32_t cp = b & (0xFFu >> (n + 1));
  for (uint32_t k = 1; k < n; ++k) cp = cp << 6 | (byte(k) & 0x3F);
  return {cp, n};
}

size_t CharacterBefore(std::string_view text, size_t i) {
  do {
    --i;
  } while (i > 0 && (text[i] & 0xC0) == 0x80);
  return i;
}

void TrimSpace(std::string_view text, bool left, bool right, size_t* begin, size_t* n) {
  size_t first = 0, last = text.size();
  while (left && first < last) {
    const Character c = CharacterAt(text, first);
    if (!IsSpace(c.code_point)) break;
    first += c.bytes;
  }
  while (right && last > first) {
    const size_t before = CharacterBefore(text, last);
    if (!IsSpace(CharacterAt(text, before).code_point)) break;
    last = before;
  }
  *begin = first;
  *n = last - first;
}

}  // namespace samara::template_runtime
