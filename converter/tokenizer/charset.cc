#include "converter/tokenizer/charset.h"

#include <algorithm>

namespace samara {
namespace {

#include "converter/tokenizer/unicode_categories.inc"

// The order is that of tools/make_unicode_tables.py.
constexpr const char* kCategories[] = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl",
                                       "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
                                       "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};

}  // namespace

const std::vector<CharSet::Range>& CharSet::ranges() const {
  if (!normal_) {
    std::sort(ranges_.begin(), ranges_.end());
    size_t kept = 0;
    for (const Range& r : ranges_) {
      if (kept > 0 && r.first <= ranges_[kept - 1].last + 1) {
        ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, r.last);
      } else {
        ranges_[kept++] = r;
      }
    }
    ranges_.resize(kept);
    normal_ = true;
  }
  return ranges_;
}

void CharSet::Add(const CharSet& other) {
  const std::vector<Range> copy = other.ranges();
  ranges_.insert(ranges_.end(), copy.begin(), copy.end());
  normal_ = false;
}

CharSet CharSet::Negated() const {
  CharSet result;
  uint32_t next = 0;
  for (const Range& r : ranges()) {
    if (r.first > next) result.Add(next, r.first - 1);
    next = r.last + 1;
  }
  if (next < kCodePoints) result.Add(next, kCodePoints - 1);
  return result;
}

bool CharSet::Contains(uint32_t c) const {
  const std::vector<Range>& r = ranges();
  const auto it = std::upper_bound(r.begin(), r.end(), Range{c, UINT32_MAX});
  return it != r.begin() && std::prev(it)->last >= c;
}

bool CategorySet(std::string_view name, CharSet* set) {
  if (name.empty() || name.size() > 2) return false;
  bool known = false;
  constexpr size_t n_runs = std::size(kCategoryRuns);
  for (uint32_t k = 0; k < std::size(kCategories); ++k) {
    if (std::string_view(kCategories[k]).substr(0, name.size()) != name) continue;
    known = true;
    for (size_t i = 0; i < n_runs; ++i) {
      if ((kCategoryRuns[i] & 31) != k) continue;
      set->Add(kCategoryRuns[i] >> 5,
               (i + 1 < n_runs ? kCategoryRuns[i + 1] >> 5 : kCodePoints) - 1);
    }
  }
  return known;
}

CharSet SpaceSet() {
  CharSet set;
  CategorySet("Z", &set);
  set.Add(0x09, 0x0D);
  set.Add(0x85, 0x85);
  return set;
}

CharSet WordSet() {
  CharSet set;
  for (const char* name : {"L", "M", "Nd", "Nl", "Pc"}) CategorySet(name, &set);
  set.Add(0x24B6, 0x24E9);  // the letters of Other_Alphabetic that no category above holds
  set.Add(0x1F130, 0x1F149);
  set.Add(0x1F150, 0x1F169);
  set.Add(0x1F170, 0x1F189);
  set.Add(0x200C, 0x200D);  // joiners
  return set;
}

CharSet RegexWordSet() {
  CharSet joiners = CharSet::Of(0x200C, 0x200D);
  CharSet set = WordSet().Negated();
  set.Add(joiners);
  set = set.Negated();
  set.Add(0xB2, 0xB3);  // superscripts and fractions of Latin-1
  set.Add(0xB9, 0xB9);
  set.Add(0xBC, 0xBE);
  return set;
}

CharSet NumericSet() {
  CharSet set;
  CategorySet("N", &set);
  set.Add(0x11DE0, 0x11DE9);  // of Unicode 17
  set.Add(0x16FF4, 0x16FF6);
  return set;
}

void AppendUtf8(uint32_t cp, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (cp < 0x80) {
    put(cp);
  } else if (cp < 0x800) {
    put(0xC0 | cp >> 6);
    put(0x80 | (cp & 0x3F));
  } else if (cp < 0x10000) {
    put(0xE0 | cp >> 12);
    put(0x80 | (cp >> 6 & 0x3F));
    put(0x80 | (cp & 0x3F));
  } else {
    put(0xF0 | cp >> 18);
    put(0x80 | (cp >> 12 & 0x3F));
    put(0x80 | (cp >> 6 & 0x3F));
    put(0x80 | (cp & 0x3F));
  }
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xC2 && lead < 0xE0   ? 1
                     : lead >= 0xE0 && lead < 0xF0 ? 2
                     : lead >= 0xF0 && lead < 0xF5 ? 3
                                                   : 0;
    if (more == 0) return false;
    uint32_t cp = lead & (0x3Fu >> more);
    for (int k = 0; k < more; ++k, ++i) {
      if (i == text.size() || (static_cast<uint8_t>(text[i]) & 0xC0) != 0x80) return false;
      cp = cp << 6 | (static_cast<uint8_t>(text[i]) & 0x3F);
    }
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (cp < kLeast[more] || cp >= kCodePoints || (cp >= 0xD800 && cp < 0xE000)) return false;
  }
  return true;
}

std::vector<uint32_t> CodePointsOf(std::string_view text) {
  std::vector<uint32_t> result;
  for (size_t i = 0; i < text.size();) {
    const uint8_t lead = static_cast<uint8_t>(text[i]);
    const size_t n = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t cp = n == 1 ? lead : lead & (0xFFu >> (n + 1));
    for (size_t k = 1; k < n && i + k < text.size(); ++k) {
      cp = cp << 6 | (static_cast<uint8_t>(text[i + k]) & 0x3F);
    }
    result.push_back(cp);
    i += n;
  }
  return result;
}

}  // namespace samara
