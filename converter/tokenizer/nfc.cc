// Unicode's normalization forms: the tables for the runtime, and the same thing plainly for the converter's
// own use.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/components.h"

namespace samara {
namespace {

#include "converter/tokenizer/unicode_nfc.inc"

constexpr uint32_t kHangulS = 0xAC00, kHangulL = 0x1100, kHangulV = 0x1161, kHangulT = 0x11A7;
constexpr uint32_t kHangulSs = 11172, kHangulVs = 21, kHangulTs = 28;

struct NfcData {
  std::map<uint32_t, std::vector<uint32_t>> decomposed;  // full, canonical order not applied
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> composed;
  std::set<uint32_t> second;  // may compose with a character before it

  explicit NfcData(bool compatible) {
    std::map<uint32_t, std::pair<uint32_t, uint32_t>> single;
    for (size_t i = 0; i < std::size(kComposites); i += 3) {
      const uint32_t* c = kComposites + i;
      single[c[0]] = {c[1], c[2]};
      composed[{c[1], c[2]}] = c[0];
      second.insert(c[2]);
    }
    for (size_t i = 0; i < std::size(kDecompositions); i += 3) {
      const uint32_t* d = kDecompositions + i;
      single[d[0]] = {d[1], d[2]};
    }
    for (const auto& [c, parts] : single) {
      std::vector<uint32_t> full = {c};
      for (size_t i = 0; i < full.size();) {
        const auto it = single.find(full[i]);
        if (it == single.end()) {
          ++i;
          continue;
        }
        full[i] = it->second.first;
        if (it->second.second != 0)
          full.insert(full.begin() + static_cast<ptrdiff_t>(i) + 1, it->second.second);
      }
      decomposed[c] = full;
    }
    if (compatible) {
      for (std::vector<uint32_t>& row : CompatibleDecompositions()) {
        const uint32_t c = row[0];
        row.erase(row.begin());
        decomposed[c] = std::move(row);
      }
    }
    for (uint32_t v = 0; v < kHangulVs; ++v) second.insert(kHangulV + v);
    for (uint32_t t = 1; t < kHangulTs; ++t) second.insert(kHangulT + t);
  }
};

const NfcData& Data(bool compatible) {
  static const NfcData canonical(false), all(true);
  return compatible ? all : canonical;
}

uint32_t CombiningClass(uint32_t c) {
  const auto after =
      std::upper_bound(std::begin(kCombiningRuns), std::end(kCombiningRuns), c << 8 | 255);
  return after == std::begin(kCombiningRuns) ? 0 : *std::prev(after) & 255;
}

}  // namespace

std::string ApplyForm(NormalizerKind form, std::string_view text) {
  const NfcData& data = Data(form == kNormNfkc || form == kNormNfkd);
  const bool compose = form == kNormNfc || form == kNormNfkc;
  std::vector<uint32_t> chars;
  for (const uint32_t c : CodePointsOf(text)) {
    if (c - kHangulS < kHangulSs) {
      const uint32_t s = c - kHangulS;
      chars.push_back(kHangulL + s / (kHangulVs * kHangulTs));
      chars.push_back(kHangulV + s / kHangulTs % kHangulVs);
      if (s % kHangulTs != 0) chars.push_back(kHangulT + s % kHangulTs);
    } else if (const auto it = data.decomposed.find(c); it != data.decomposed.end()) {
      chars.insert(chars.end(), it->second.begin(), it->second.end());
    } else {
      chars.push_back(c);
    }
  }
  for (auto it = chars.begin(); it != chars.end();) {
    const auto is_starter = [](uint32_t c) { return CombiningClass(c) == 0; };
    it = std::find_if_not(it, chars.end(), is_starter);
    const auto end = std::find_if(it, chars.end(), is_starter);
    std::stable_sort(it, end,
                     [](uint32_t a, uint32_t b) { return CombiningClass(a) < CombiningClass(b); });
    it = end;
  }
  std::vector<uint32_t> out;
  size_t starter = SIZE_MAX;
  int previous_class = -1;
  for (const uint32_t c : chars) {
    const int ccc = static_cast<int>(CombiningClass(c));
    if (compose && starter != SIZE_MAX && previous_class < ccc) {
      uint32_t& a = out[starter];
      if (a - kHangulL < 19 && c - kHangulV < kHangulVs) {
        a = kHangulS + ((a - kHangulL) * kHangulVs + (c - kHangulV)) * kHangulTs;
        continue;
      }
      if (a - kHangulS < kHangulSs && (a - kHangulS) % kHangulTs == 0 &&
          c - kHangulT - 1 < kHangulTs - 1) {
        a += c - kHangulT;
        continue;
      }
      if (const auto it = data.composed.find({a, c}); it != data.composed.end()) {
        a = it->second;
        continue;
      }
    }
    if (ccc == 0) starter = out.size();
    previous_class = ccc == 0 ? -1 : ccc;
    out.push_back(c);
  }
  std::string result;
  for (const uint32_t c : out) AppendUtf8(c, &result);
  return result;
}

void AddFormTables(bool compatible, TokenizerBlob* blob) {
  const NfcData& data = Data(compatible);
  const NormalizerKind composed = compatible ? kNormNfkc : kNormNfc;
  std::vector<NfcEntry> entries = {NfcEntry{0, 0, 0, kNfcYes, 0}};  // entry 0: inert
  std::vector<uint32_t> decomposed;
  std::vector<uint16_t> index(kCodePoints, 0);
  std::map<std::pair<uint32_t, uint32_t>, uint16_t>
      plain;  // (class, flags) -> entry without decomposition
  for (uint32_t c = 0; c < kCodePoints; ++c) {
    const uint8_t ccc = static_cast<uint8_t>(CombiningClass(c));
    const auto it = data.decomposed.find(c);
    const bool is_second = data.second.contains(c);
    if (ccc == 0 && it == data.decomposed.end() && !is_second) continue;
    NfcEntry entry = {0, 0, ccc, 0, 0};
    if (is_second) entry.flags |= kNfcSecond;
    if (it == data.decomposed.end()) {
      if (!is_second) entry.flags |= kNfcYes;
      const auto [known, is_new] =
          plain.emplace(std::make_pair(uint32_t{ccc}, uint32_t{entry.flags}),
                        static_cast<uint16_t>(entries.size()));
      if (is_new) entries.push_back(entry);
      index[c] = known->second;
      continue;
    }
    std::string self;
    AppendUtf8(c, &self);
    if (!is_second && ApplyForm(composed, self) == self) entry.flags |= kNfcYes;
    entry.decomposed = static_cast<uint32_t>(decomposed.size());
    entry.n_decomposed = static_cast<uint8_t>(it->second.size());
    decomposed.insert(decomposed.end(), it->second.begin(), it->second.end());
    index[c] = static_cast<uint16_t>(entries.size());
    entries.push_back(entry);
  }
  std::map<std::vector<uint16_t>, uint16_t> page_index;
  for (uint32_t page = 0; page < kCodePoints >> 8; ++page) {
    const std::vector<uint16_t> content(index.begin() + page * 256,
                                        index.begin() + page * 256 + 256);
    const auto [known, is_new] =
        page_index.emplace(content, static_cast<uint16_t>(page_index.size()));
    if (is_new) blob->AppendAll(kTableNfcIndex, content);
    blob->Append(kTableNfcPages, known->second);
  }
  blob->AppendAll(kTableNfcEntries, entries);
  blob->AppendAll(kTableNfcDecomposed, decomposed);
  for (const auto& [pair, composite] : data.composed) {
    blob->Append(kTableNfcPairs, NfcPair{pair.first, pair.second, composite, 0});
  }
}

}  // namespace samara
