#include "runtime/template/unicode.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace samara::template_runtime {
namespace {

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

uint32_t Number(const uint8_t** p) {
  uint32_t n = 0, shift = 0;
  do {
    n |= uint32_t{**p & 127u} << shift;
    shift += 7;
  } while (*(*p)++ & 128);
  return n;
}

// Maps a code point if it is in one of the runs. Runs ascend: code points since the
// end of the run before; steps behind its first one << 1 | (0: each code point, 1: every second);
// delta << 1 | sign.
bool MapRun(std::span<const uint8_t> runs, uint32_t cp, uint32_t* out) {
  const uint8_t* p = runs.data();
  for (uint32_t end = 0; p < runs.data() + runs.size();) {
    const uint32_t first = end + Number(&p), steps = Number(&p), delta = Number(&p);
    if (cp < first) break;
    const uint32_t shift = steps & 1, offset = cp - first;
    end = first + (steps >> 1 << shift) + 1;
    if (cp >= end) continue;
    if ((offset & shift) != 0) return false;
    *out = delta & 1 ? cp - (delta >> 1) : cp + (delta >> 1);
    return true;
  }
  return false;
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
  const std::span<const uint8_t> runs = Table(property_);
  const uint8_t* p = runs.data();
  uint32_t begin = 0, run = Number(&p);
  bool value = false;
  while (cp >= begin + run && p < runs.data() + runs.size()) {
    begin += run;
    run = Number(&p);
    value = !value;
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
    MapRun(kLowerRanges, cp, out);
    return 1;
  }
  if (to == Case::kTitle) {
    if (const uint32_t n = Special(kTitleSpecials, cp, out)) return n;
    // Only what differs from upper case.
    if (MapRun(kTitleRanges, cp, out)) return 1;
  }
  if (const uint32_t n = Special(kUpperSpecials, cp, out)) return n;
  MapRun(kUpperRanges, cp, out);
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
