// Typed access to a tokenizer block, and the check that makes that access safe.
#ifndef SAMARA_RUNTIME_TOKENIZER_TABLES_H_
#define SAMARA_RUNTIME_TOKENIZER_TABLES_H_

#include <cstdint>
#include <span>

#include "formats/status.h"
#include "formats/tokenizer_tables.h"
#include "runtime/tokenizer/utf8.h"

namespace samara {

// Pointers into a block. Cheap to build: made anew in each call.
class TokenizerView {
 public:
  explicit TokenizerView(const uint8_t* blob) : blob_(blob) {}

  const TokenizerHeader& header() const { return *reinterpret_cast<const TokenizerHeader*>(blob_); }
  bool Has(uint32_t flag) const { return (header().flags & flag) != 0; }
  TokenizerTable Place(uint32_t id) const {
    if (id < kTokenizerTables) return header().tables[id];
    const TokenizerTable& more = header().more_tables;
    if (id - kTokenizerTables >= more.count) return {0, 0};
    return reinterpret_cast<const TokenizerTable*>(blob_ + more.offset)[id - kTokenizerTables];
  }
  template <typename T>
  const T* Table(uint32_t id) const {
    return reinterpret_cast<const T*>(blob_ + Place(id).offset);
  }
  uint32_t Count(uint32_t id) const { return Place(id).count; }
  template <typename T>
  std::span<const T> Span(uint32_t id) const {
    return {Table<T>(id), Count(id)};
  }

  const uint8_t* String(uint32_t offset) const { return Table<uint8_t>(kTableStrings) + offset; }
  std::span<const uint8_t> Key(uint32_t id) const { return Slice(kTableKeyOffsets, id); }
  std::span<const uint8_t> Text(uint32_t id) const { return Slice(kTableTextOffsets, id); }
  uint8_t Attributes(uint32_t id) const { return Table<uint8_t>(kTableAttributes)[id]; }

  // The id whose key these bytes are, or kTokenizerNone.
  uint32_t Lookup(const uint8_t* bytes, uint64_t n) const {
    const uint32_t size = Count(kTableLookup);
    if (size == 0) return kTokenizerNone;
    const uint32_t* slots = Table<uint32_t>(kTableLookup);
    uint32_t slot = TokenizerSlot(TokenizerHash(header().lookup_seed, bytes, n), size);
    for (uint32_t probe = header().lookup_probe; probe > 0; --probe) {
      const uint32_t id = slots[slot];
      if (id == kTokenizerNone) return id;
      const std::span<const uint8_t> key = Key(id);
      if (key.size() == n && __builtin_memcmp(key.data(), bytes, n) == 0) return id;
      if (++slot == size) slot = 0;
    }
    return kTokenizerNone;
  }

  // The merge of two ids, or null.
  const MergeSlot* Merge(uint32_t left, uint32_t right) const {
    const uint32_t size = Count(kTableMerges);
    if (size == 0) return nullptr;
    const MergeSlot* slots = Table<MergeSlot>(kTableMerges);
    uint32_t slot = TokenizerSlot(TokenizerPairHash(left, right), size);
    for (uint32_t probe = header().merge_probe; probe > 0; --probe) {
      const MergeSlot& s = slots[slot];
      if (s.left == left && s.right == right) return &s;
      if (s.left == kTokenizerNone) return nullptr;
      if (++slot == size) slot = 0;
    }
    return nullptr;
  }

  uint32_t ClassOf(uint32_t cp) const {
    return Table<uint8_t>(
        kTableClasses)[Table<uint16_t>(kTableClassPages)[cp >> 8] * 256u + (cp & 255)];
  }
  uint32_t ClassFlagsOf(uint32_t cp) const { return Table<uint8_t>(kTableClassFlags)[ClassOf(cp)]; }

 private:
  std::span<const uint8_t> Slice(uint32_t offsets, uint32_t id) const {
    const uint32_t* o = Table<uint32_t>(offsets) + id;
    return {Table<uint8_t>(offsets + 1) + o[0], o[1] - o[0]};
  }
  const uint8_t* blob_;
};

// Walks a trie whose slots are checked: every base leaves room for any byte.
class TrieWalk {
 public:
  TrieWalk(const TrieSlot* slots, uint32_t at = 0) : slots_(slots), at_(at) {}
  // False: no key goes on with this byte.
  bool Step(uint8_t byte) {
    const uint32_t next = slots_[at_].base + byte;
    if (slots_[next].check != at_) return false;
    at_ = next;
    return true;
  }
  uint32_t value() const { return slots_[at_].value; }

 private:
  const TrieSlot* slots_;
  uint32_t at_;
};

// Where the parts of Encode's work area lie, for a text of a given length.
struct EncodeLayout {
  uint64_t sanitized = 0;                    // bytes each
  uint64_t normalized = 0;                   // two of them; masks of the same sizes
  uint64_t stage[kTokenizerMaxStages] = {};  // 0 where the stage changes nothing
  uint64_t max_bytes = 0;                    // of one piece
  uint64_t total = 0;                        // all, with the symbols and the heap
};
EncodeLayout LayoutFor(const TokenizerView& view, uint64_t text_bytes);

inline constexpr uint64_t kSymbolBytes =
    28;  // per byte of a piece: id, previous, next, two heap entries

// All of the block, once: header, offsets, indices, lengths, bounds on growth and on probes.
Status CheckTokenizer(std::span<const uint8_t> blob);

// A normalization form, by the step's kind. The text is well-formed. Gives the text itself where
// nothing changes, else `out`. `work`: 3 u32 for each byte of text, 12 with compatibility. Returns the length. `mask`: null, or a byte for each
// byte of text, to be carried along in `out_mask`: what comes of several bytes has it if one of
// them has.
uint64_t NormalizeForm(const TokenizerView& view, uint32_t kind, const uint8_t** text, uint64_t n,
                       uint8_t* out, uint32_t* work, const uint8_t** mask = nullptr,
                       uint8_t* out_mask = nullptr);

}  // namespace samara

#endif  // SAMARA_RUNTIME_TOKENIZER_TABLES_H_
