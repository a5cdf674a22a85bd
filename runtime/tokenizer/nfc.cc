// Unicode's normalization forms over the block's tables, which say whether compatibility counts. Text that needs nothing (all ASCII among it) is
// passed through; the rest goes through decomposition, canonical ordering and composition, one run
// of characters at a time, each run from a starter to the next character that nothing before it can
// touch.
#include <algorithm>
#include <cstring>

#include "runtime/tokenizer/tables.h"

namespace samara {
namespace {

constexpr uint32_t kHangulS = 0xAC00, kHangulL = 0x1100, kHangulV = 0x1161, kHangulT = 0x11A7;
constexpr uint32_t kHangulLs = 19, kHangulVs = 21, kHangulTs = 28;
constexpr uint32_t kCodePointMask = 0xFFFFFF;  // above it: the combining class

class Nfc {
 public:
  Nfc(const TokenizerView& view, bool compose)
      : compose_(compose),
        pages_(view.Table<uint16_t>(kTableNfcPages)),
        index_(view.Table<uint16_t>(kTableNfcIndex)),
        entries_(view.Table<NfcEntry>(kTableNfcEntries)),
        decomposed_(view.Table<uint32_t>(kTableNfcDecomposed)),
        pairs_(view.Span<NfcPair>(kTableNfcPairs)) {}

  const NfcEntry& Entry(uint32_t cp) const {
    return entries_[index_[pages_[cp >> 8] * 256u + (cp & 255)]];
  }

  uint32_t* Decompose(uint32_t cp, uint32_t* out) const {
    if (cp - kHangulS < kHangulLs * kHangulVs * kHangulTs) {
      const uint32_t s = cp - kHangulS;
      *out++ = kHangulL + s / (kHangulVs * kHangulTs);
      *out++ = kHangulV + s / kHangulTs % kHangulVs;
      if (s % kHangulTs != 0) *out++ = kHangulT + s % kHangulTs;
      return out;
    }
    const NfcEntry& entry = Entry(cp);
    if (entry.n_decomposed == 0) {
      *out++ = cp | uint32_t{entry.ccc} << 24;
      return out;
    }
    for (uint32_t i = 0; i < entry.n_decomposed; ++i) {
      const uint32_t part = decomposed_[entry.decomposed + i];
      *out++ = part | uint32_t{Entry(part).ccc} << 24;
    }
    return out;
  }

  // Sorts a run of characters that are no starters by class, keeping the order within a class.
  static void Order(uint32_t* run, uint64_t n, uint32_t* spare) {
    if (n < 24) {
      for (uint64_t i = 1; i < n; ++i) {
        const uint32_t x = run[i];
        uint64_t j = i;
        for (; j > 0 && run[j - 1] >> 24 > x >> 24; --j) run[j] = run[j - 1];
        run[j] = x;
      }
      return;
    }
    uint32_t begin[257] = {};
    for (uint64_t i = 0; i < n; ++i) ++begin[(run[i] >> 24) + 1];
    for (int i = 0; i < 256; ++i) begin[i + 1] += begin[i];
    for (uint64_t i = 0; i < n; ++i) spare[begin[run[i] >> 24]++] = run[i];
    std::memcpy(run, spare, n * sizeof(uint32_t));
  }

  // The composite of two characters, or 0.
  uint32_t Compose(uint32_t a, uint32_t b) const {
    if (a - kHangulL < kHangulLs && b - kHangulV < kHangulVs) {
      return kHangulS + ((a - kHangulL) * kHangulVs + (b - kHangulV)) * kHangulTs;
    }
    if (a - kHangulS < kHangulLs * kHangulVs * kHangulTs && (a - kHangulS) % kHangulTs == 0 &&
        b - kHangulT - 1 < kHangulTs - 1) {
      return a + (b - kHangulT);
    }
    const auto found = std::lower_bound(
        pairs_.begin(), pairs_.end(), NfcPair{a, b, 0, 0}, [](const NfcPair& x, const NfcPair& y) {
          return x.first != y.first ? x.first < y.first : x.second < y.second;
        });
    return found != pairs_.end() && found->first == a && found->second == b ? found->composed : 0;
  }

  // Nothing before this character and nothing behind it changes it.
  bool IsInert(const NfcEntry& entry, uint32_t cp) const {
    if (entry.ccc != 0) return false;
    if (compose_) return (entry.flags & (kNfcYes | kNfcSecond)) == kNfcYes;
    return entry.n_decomposed == 0 && cp - kHangulS >= kHangulLs * kHangulVs * kHangulTs;
  }

  // [p, end) -> out, through work. Returns the end of what was written.
  uint8_t* Run(const uint8_t* p, const uint8_t* end, uint8_t* out, uint32_t* work,
               uint64_t half) const {
    uint32_t* last = work;
    while (p < end) {
      const Utf8Char c = DecodeUtf8(p, end);
      last = Decompose(c.code_point, last);
      p += c.bytes;
    }
    const uint64_t n = static_cast<uint64_t>(last - work);
    for (uint64_t i = 0; i < n;) {
      if (work[i] >> 24 == 0) {
        ++i;
        continue;
      }
      uint64_t j = i;
      while (j < n && work[j] >> 24 != 0) ++j;
      Order(work + i, j - i, work + half);
      i = j;
    }
    uint64_t kept = 0, starter = 0;
    bool has_starter = false;
    int previous_class = -1;  // of the last character kept since the starter
    for (uint64_t i = 0; i < n; ++i) {
      const uint32_t c = work[i] & kCodePointMask;
      const int ccc = static_cast<int>(work[i] >> 24);
      if (compose_ && has_starter && previous_class < ccc) {
        if (const uint32_t composed = Compose(work[starter], c)) {
          work[starter] = composed;
          continue;
        }
      }
      if (ccc == 0) {
        starter = kept;
        has_starter = true;
        previous_class = -1;
      } else {
        previous_class = ccc;
      }
      work[kept++] = c;
    }
    for (uint64_t i = 0; i < kept; ++i) out += EncodeUtf8(work[i], out);
    return out;
  }

 private:
  const bool compose_;
  const uint16_t* pages_;
  const uint16_t* index_;
  const NfcEntry* entries_;
  const uint32_t* decomposed_;
  std::span<const NfcPair> pairs_;
};

}  // namespace

uint64_t NormalizeForm(const TokenizerView& view, uint32_t kind, const uint8_t** text, uint64_t n,
                       uint8_t* out, uint32_t* work, const uint8_t** mask, uint8_t* out_mask) {
  const Nfc nfc(view, kind == kNormNfc || kind == kNormNfkc);
  // Characters of a decomposition per byte: half of `work` for it, half for ordering.
  const bool compatible = kind == kNormNfkc || kind == kNormNfkd;
  const uint64_t half = compatible ? n * 6 : (n * 3 + 1) / 2;
  const uint8_t* const begin = *text;
  const uint8_t* const end = begin + n;
  const uint8_t* copied = begin;   // the text before it is in `out`, or nothing is yet
  const uint8_t* starter = begin;  // the last character that begins a run
  uint8_t* o = out;
  bool changed = false;
  const uint8_t* p = begin;
  const auto copy_until = [&](const uint8_t* until) {
    const size_t bytes = static_cast<size_t>(until - copied);
    std::memcpy(o, copied, bytes);
    if (mask != nullptr) std::memcpy(out_mask + (o - out), *mask + (copied - begin), bytes);
    o += bytes;
  };
  while (p < end) {
    if (*p < 0x80) {
      starter = p++;
      continue;
    }
    const Utf8Char c = DecodeUtf8(p, end);
    const NfcEntry& entry = nfc.Entry(c.code_point);
    if (nfc.IsInert(entry, c.code_point)) {
      starter = p;
      p += c.bytes;
      continue;
    }
    const uint8_t* stop = p + c.bytes;
    while (stop < end) {
      const Utf8Char d = DecodeUtf8(stop, end);
      const NfcEntry& e = nfc.Entry(d.code_point);
      if (nfc.IsInert(e, d.code_point)) break;
      stop += d.bytes;
    }
    copy_until(starter);
    uint8_t* const run_end = nfc.Run(starter, stop, o, work, half);
    if (mask != nullptr) {
      const bool any = std::any_of(*mask + (starter - begin), *mask + (stop - begin),
                                   [](uint8_t m) { return m != 0; });
      std::fill(out_mask + (o - out), out_mask + (run_end - out), any ? 1 : 0);
    }
    o = run_end;
    copied = starter = p = stop;
    changed = true;
  }
  if (!changed) return n;
  copy_until(end);
  *text = out;
  if (mask != nullptr) *mask = out_mask;
  return static_cast<uint64_t>(o - out);
}

}  // namespace samara
