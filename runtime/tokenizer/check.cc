// The one check of a tokenizer block. After it, no function of the runtime reads outside of the
// block or of its work area, or loops without a bound, whatever the block says.
#include <cinttypes>
#include <cstring>

#include "runtime/tokenizer/tables.h"

namespace samara {
namespace {

struct TableInfo {
  const char* name;
  uint32_t entry_bytes;
};

constexpr TableInfo kTables[kTokenizerAllTables] = {
    {"strings", 1},
    {"normalizer steps", sizeof(NormalizerStep)},
    {"NFC pages", 2},
    {"NFC index", 2},
    {"NFC entries", sizeof(NfcEntry)},
    {"NFC decompositions", 4},
    {"NFC pairs", sizeof(NfcPair)},
    {"class pages", 2},
    {"classes", 1},
    {"class flags", 1},
    {"pre-tokenizer stages", sizeof(PreTokenizerStage)},
    {"transitions", 2},
    {"added tokens", sizeof(AddedTokenEntry)},
    {"matcher nodes (raw)", sizeof(MatcherNode)},
    {"matcher edges (raw)", 4},
    {"matcher nodes (normalized)", sizeof(MatcherNode)},
    {"matcher edges (normalized)", 4},
    {"key offsets", 4},
    {"key bytes", 1},
    {"text offsets", 4},
    {"text bytes", 1},
    {"attributes", 1},
    {"byte ids", 4},
    {"lookup", 4},
    {"merges", sizeof(MergeSlot)},
    {"prefix", 4},
    {"suffix", 4},
    {"vocabulary trie", sizeof(TrieSlot)},
    {"scores", 8},
    {"map trie", sizeof(TrieSlot)},
    {"map offsets", 4},
    {"map bytes", 1},
    {"byte classes", 1},
};

constexpr uint32_t kPages = kCodePoints >> 8;
constexpr uint32_t kMaxStringBytes = 4096;
constexpr uint32_t kMaxPatternBytes = 256;  // searched at every byte of a text
constexpr uint32_t kMaxAround = 16;         // ids in front of and behind a text
constexpr uint32_t kAllFlags = 2 * kFlagDecodeFirstKey - 1;

class Checker {
 public:
  explicit Checker(std::span<const uint8_t> blob) : blob_(blob), view_(blob.data()) {}

  Status Run() {
    SAMARA_RETURN_IF_ERROR(CheckHeader());
    SAMARA_RETURN_IF_ERROR(CheckVocabulary());
    SAMARA_RETURN_IF_ERROR(CheckHashes());
    SAMARA_RETURN_IF_ERROR(CheckModel());
    SAMARA_RETURN_IF_ERROR(CheckClasses());
    SAMARA_RETURN_IF_ERROR(CheckStrings());
    SAMARA_RETURN_IF_ERROR(CheckSteps());
    SAMARA_RETURN_IF_ERROR(CheckStages());
    SAMARA_RETURN_IF_ERROR(CheckAddedTokens());
    SAMARA_RETURN_IF_ERROR(CheckMatcher(kTableMatcherNodes0));
    return CheckMatcher(kTableMatcherNodes1);
  }

 private:
  static Status Bad(uint32_t table, uint64_t entry, const char* what, uint64_t got,
                    uint64_t limit) {
    return InvalidFile("tokenizer table '%s', entry %" PRIu64 ": %s is %" PRIu64
                       ", wanted at most %" PRIu64,
                       kTables[table].name, entry, what, got, limit);
  }
  static Status BadCount(uint32_t table, uint64_t got, uint64_t wanted) {
    return InvalidFile("tokenizer table '%s' has %" PRIu64 " entries, wanted %" PRIu64,
                       kTables[table].name, got, wanted);
  }
  Status WantCount(uint32_t table, uint64_t wanted) const {
    return view_.Count(table) == wanted ? Status() : BadCount(table, view_.Count(table), wanted);
  }
  bool IsId(uint32_t id) const { return id < view_.header().vocab; }

  Status CheckHeader() {
    if (blob_.size() < sizeof(TokenizerHeader) || blob_.size() > kTokenizerMaxBytes) {
      return InvalidFile("tokenizer block has %zu bytes, wanted %zu to %" PRIu64, blob_.size(),
                         sizeof(TokenizerHeader), kTokenizerMaxBytes);
    }
    if (reinterpret_cast<uintptr_t>(blob_.data()) % 8 != 0) {
      return InvalidArgument("tokenizer block is not 8-aligned");
    }
    const TokenizerHeader& h = view_.header();
    if (h.magic != kTokenizerMagic) return InvalidFile("tokenizer block: magic is 0x%08x", h.magic);
    if (h.version != kTokenizerVersion) {
      return Unsupported("tokenizer block has version %u, this build reads %u", h.version,
                         kTokenizerVersion);
    }
    if (h.header_bytes != sizeof(TokenizerHeader) || h.n_tables != kTokenizerTables) {
      return InvalidFile("tokenizer block: header of %u bytes and %u tables, wanted %zu and %u",
                         h.header_bytes, h.n_tables, sizeof(TokenizerHeader),
                         static_cast<unsigned>(kTokenizerTables));
    }
    if (h.total_bytes != blob_.size()) {
      return InvalidFile("tokenizer block says %" PRIu64 " bytes, there are %zu", h.total_bytes,
                         blob_.size());
    }
    if ((h.flags & ~kAllFlags) != 0)
      return Unsupported("tokenizer block: unknown flags 0x%x", h.flags);
    const TokenizerTable& more = h.more_tables;
    if (more.count > 0 && (more.count > kTokenizerAllTables - kTokenizerTables ||
                           more.offset % 8 != 0 || more.offset < sizeof(TokenizerHeader) ||
                           more.offset + more.count * sizeof(TokenizerTable) > blob_.size())) {
      return InvalidFile("tokenizer block: a directory of %u more tables at %u, wanted at most %u",
                         more.count, more.offset, kTokenizerAllTables - kTokenizerTables);
    }
    for (uint32_t t = 0; t < kTokenizerAllTables; ++t) {
      const TokenizerTable table = view_.Place(t);
      // Empty tables are never read, but a pointer to them is made.
      if (table.count == 0 && table.offset != 0)
        return InvalidFile("tokenizer block: empty table at %u", table.offset);
      if (table.count == 0) continue;
      const uint64_t end = table.offset + uint64_t{table.count} * kTables[t].entry_bytes;
      if (table.offset % 8 != 0 || table.offset < sizeof(TokenizerHeader) || end > blob_.size()) {
        return InvalidFile(
            "tokenizer table '%s': %u entries at %u do not lie in a block of %zu bytes",
            kTables[t].name, table.count, table.offset, blob_.size());
      }
    }
    return {};
  }

  Status CheckOffsets(uint32_t table) {
    const uint32_t vocab = view_.header().vocab;
    SAMARA_RETURN_IF_ERROR(WantCount(table, uint64_t{vocab} + 1));
    const auto offsets = view_.Span<uint32_t>(table);
    uint32_t previous = 0;
    for (uint32_t i = 0; i <= vocab; ++i) {
      const uint32_t o = offsets[i];
      if (o < previous)
        return InvalidFile("tokenizer table '%s', entry %u: offsets descend", kTables[table].name,
                           i);
      if (i > 0 && o - previous > kTokenizerMaxTokenBytes) {
        return Bad(table, i - 1, "length", o - previous, kTokenizerMaxTokenBytes);
      }
      previous = o;
    }
    if (previous > view_.Count(table + 1))
      return Bad(table, vocab, "offset", previous, view_.Count(table + 1));
    return {};
  }

  Status CheckVocabulary() {
    const TokenizerHeader& h = view_.header();
    if (h.vocab == 0 || h.vocab > kTokenizerMaxVocab) {
      return InvalidFile("tokenizer block: vocabulary of %u, wanted 1 to %u", h.vocab,
                         kTokenizerMaxVocab);
    }
    SAMARA_RETURN_IF_ERROR(CheckOffsets(kTableKeyOffsets));
    SAMARA_RETURN_IF_ERROR(CheckOffsets(kTableTextOffsets));
    SAMARA_RETURN_IF_ERROR(WantCount(kTableAttributes, h.vocab));
    for (uint32_t id = 0; id < h.vocab; ++id) {
      const uint64_t bytes = view_.Text(id).size();
      if (bytes > h.max_text_bytes)
        return Bad(kTableTextOffsets, id, "length", bytes, h.max_text_bytes);
      if ((view_.Attributes(id) & kTokenByte) != 0 && bytes != 1) {
        return InvalidFile(
            "tokenizer table 'attributes', entry %u: a byte token of %" PRIu64 " bytes", id, bytes);
      }
    }
    if (h.max_text_bytes > kTokenizerMaxTokenBytes) {
      return InvalidFile("tokenizer block: longest text %u, wanted at most %u", h.max_text_bytes,
                         kTokenizerMaxTokenBytes);
    }
    if (h.unknown_id != kTokenizerNone && !IsId(h.unknown_id)) {
      return InvalidFile("tokenizer block: unknown id %u, vocabulary %u", h.unknown_id, h.vocab);
    }
    if (h.bos_id != kTokenizerNone && !IsId(h.bos_id)) {
      return InvalidFile("tokenizer block: begin-of-sequence id %u, vocabulary %u", h.bos_id,
                         h.vocab);
    }
    for (const uint32_t table : {kTablePrefix, kTableSuffix}) {
      if (view_.Count(table) > kMaxAround) return BadCount(table, view_.Count(table), kMaxAround);
      SAMARA_RETURN_IF_ERROR(CheckIds(table, false));
    }
    return {};
  }

  Status CheckIds(uint32_t table, bool none_allowed) {
    const auto ids = view_.Span<uint32_t>(table);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!IsId(ids[i]) && !(none_allowed && ids[i] == kTokenizerNone)) {
        return Bad(table, i, "id", ids[i], view_.header().vocab - 1);
      }
    }
    return {};
  }

  Status CheckHashes() {
    const TokenizerHeader& h = view_.header();
    SAMARA_RETURN_IF_ERROR(WantCount(kTableByteIds, 256));
    SAMARA_RETURN_IF_ERROR(CheckIds(kTableByteIds, true));
    SAMARA_RETURN_IF_ERROR(CheckIds(kTableLookup, true));
    if (h.lookup_probe > kTokenizerMaxProbe || h.merge_probe > kTokenizerMaxProbe) {
      return InvalidFile("tokenizer block: probes of %u and %u slots, wanted at most %u",
                         h.lookup_probe, h.merge_probe, kTokenizerMaxProbe);
    }
    const auto merges = view_.Span<MergeSlot>(kTableMerges);
    for (size_t i = 0; i < merges.size(); ++i) {
      const MergeSlot& m = merges[i];
      if (m.left != kTokenizerNone && !(IsId(m.left) && IsId(m.right) && IsId(m.merged))) {
        return InvalidFile("tokenizer table 'merges', entry %zu: ids %u, %u, %u, vocabulary %u", i,
                           m.left, m.right, m.merged, h.vocab);
      }
    }
    return {};
  }

  // A base leaves room for 256 more slots, so that no step leaves the trie.
  Status CheckTrie(uint32_t table, uint64_t first, uint64_t count, uint64_t n_values) const {
    const auto slots = view_.Span<TrieSlot>(table);
    if (count < 256 || first + count > slots.size())
      return Bad(table, first, "length", count, slots.size());
    for (uint64_t i = 0; i < count; ++i) {
      const TrieSlot& s = slots[first + i];
      if (s.base > count - 256) return Bad(table, first + i, "base", s.base, count - 256);
      if (s.value != kTokenizerNone && s.value >= n_values)
        return Bad(table, first + i, "value", s.value, n_values);
    }
    return {};
  }

  Status CheckModel() {
    const bool unigram = view_.Has(kFlagUnigram), word_piece = view_.Has(kFlagWordPiece);
    const TokenizerHeader& h = view_.header();
    if (!unigram && !word_piece) return {};
    if ((unigram && word_piece) || view_.Has(kFlagByteLevel))
      return InvalidFile("tokenizer block: two kinds of model, wanted one");
    SAMARA_RETURN_IF_ERROR(CheckTrie(kTableVocabTrie, 0, view_.Count(kTableVocabTrie), h.vocab));
    if (word_piece) {
      if (h.unknown_id == kTokenizerNone)
        return InvalidFile("tokenizer block: words without an unknown id");
      return {};
    }
    SAMARA_RETURN_IF_ERROR(WantCount(kTableScores, uint64_t{h.vocab} + 1));
    for (const double score : view_.Span<double>(kTableScores)) {
      if (!(score > -1e30 && score < 1e30))
        return InvalidFile("tokenizer table 'scores': a score that is not finite");
    }
    return {};
  }

  Status CheckMap(const NormalizerStep& step) const {
    const auto offsets = view_.Span<uint32_t>(kTableMapOffsets);
    if (offsets.empty() || step.b_bytes > kTokenizerMaxGrowth)
      return BadCount(kTableMapOffsets, offsets.size(), 1);
    for (size_t i = 0; i < offsets.size(); ++i) {
      if (offsets[i] > view_.Count(kTableMapBytes) || (i > 0 && offsets[i] < offsets[i - 1]))
        return Bad(kTableMapOffsets, i, "offset", offsets[i], view_.Count(kTableMapBytes));
    }
    // Growth is bounded where a value is used: the trie's depths are not known here.
    return CheckTrie(kTableMapTrie, step.a_offset, step.a_bytes, offsets.size() - 1);
  }

  Status CheckClasses() {
    const uint32_t n_classes = view_.header().n_classes;
    if (n_classes == 0 || n_classes > 256)
      return InvalidFile("tokenizer block: %u character classes", n_classes);
    SAMARA_RETURN_IF_ERROR(WantCount(kTableClassPages, kPages));
    SAMARA_RETURN_IF_ERROR(WantCount(kTableClassFlags, n_classes));
    const uint32_t pages = view_.Count(kTableClasses) / 256;
    const auto index = view_.Span<uint16_t>(kTableClassPages);
    for (uint32_t i = 0; i < kPages; ++i) {
      if (index[i] >= pages)
        return InvalidFile("tokenizer table 'class pages', entry %u: page %u of %u", i, index[i],
                           pages);
    }
    const auto classes = view_.Span<uint8_t>(kTableClasses);
    for (size_t i = 0; i < classes.size(); ++i) {
      if (classes[i] >= n_classes) return Bad(kTableClasses, i, "class", classes[i], n_classes - 1);
    }
    return {};
  }

  // Is [offset, offset + bytes) well-formed UTF-8 in the strings, of 1 to `limit` bytes?
  bool IsString(uint32_t offset, uint32_t bytes, uint32_t limit) const {
    if (bytes == 0 || bytes > limit || uint64_t{offset} + bytes > view_.Count(kTableStrings))
      return false;
    const uint8_t* p = view_.String(offset);
    const uint8_t* const end = p + bytes;
    while (p < end) {
      const Utf8Char c = DecodeUtf8(p, end);
      if (!c.valid) return false;
      p += c.bytes;
    }
    return true;
  }
  bool IsStringOrEmpty(uint32_t offset, uint32_t bytes) const {
    return bytes == 0 ? offset <= view_.Count(kTableStrings)
                      : IsString(offset, bytes, kMaxStringBytes);
  }

  Status CheckStrings() {
    const TokenizerHeader& h = view_.header();
    const bool word_prefix = (h.flags & kFlagWordPiece) != 0 && h.marker_bytes > 0;
    if (((h.flags & kFlagDecodeFirstToken) != 0 || word_prefix) &&
        !IsString(h.marker_offset, h.marker_bytes, kMaxPatternBytes)) {
      return InvalidFile("tokenizer block: the decoder's marker is no string");
    }
    return {};
  }

  Status CheckSteps() {
    const auto steps = view_.Span<NormalizerStep>(kTableNormSteps);
    if (steps.size() > kTokenizerMaxSteps)
      return BadCount(kTableNormSteps, steps.size(), kTokenizerMaxSteps);
    for (size_t i = 0; i < steps.size(); ++i) {
      const NormalizerStep& s = steps[i];
      bool good = false;
      switch (s.kind) {
        case kNormPrepend:
          good = IsString(s.a_offset, s.a_bytes, kMaxStringBytes);
          break;
        case kNormReplace:
          good = IsString(s.a_offset, s.a_bytes, kMaxPatternBytes) &&
                 IsStringOrEmpty(s.b_offset, s.b_bytes);
          break;
        case kNormNfc:
        case kNormNfd:
        case kNormNfkc:
        case kNormNfkd:
          SAMARA_RETURN_IF_ERROR(CheckNfc(s.kind == kNormNfkc || s.kind == kNormNfkd));
          good = true;
          break;
        case kNormMap:
          SAMARA_RETURN_IF_ERROR(CheckMap(s));
          good = true;
          break;
        case kNormStrip:
          good = s.a_bytes <= 1 && s.b_bytes <= 1;
          break;
        case kNormReplaceMatches:
          good = IsAutomaton(s.a_offset, s.a_bytes) && IsStringOrEmpty(s.b_offset, s.b_bytes);
          break;
        default:
          return Unsupported("tokenizer table 'normalizer steps', entry %zu: unknown kind %u", i,
                             s.kind);
      }
      if (!good || !growth_.Step(s, view_.String(0))) {
        return InvalidFile("tokenizer table 'normalizer steps', entry %zu: operands out of range",
                           i);
      }
    }
    return {};
  }

  static bool IsCodePoint(uint32_t cp) { return cp < 0xD800 || (cp > 0xDFFF && cp < kCodePoints); }

  Status CheckNfc(bool compatible) {
    const uint32_t longer = compatible ? kTokenizerMaxCompatible : 3;
    SAMARA_RETURN_IF_ERROR(WantCount(kTableNfcPages, kPages));
    const auto pages = view_.Span<uint16_t>(kTableNfcPages);
    const auto index = view_.Span<uint16_t>(kTableNfcIndex);
    const auto entries = view_.Span<NfcEntry>(kTableNfcEntries);
    const auto decomposed = view_.Span<uint32_t>(kTableNfcDecomposed);
    const auto pairs = view_.Span<NfcPair>(kTableNfcPairs);
    for (size_t i = 0; i < index.size(); ++i) {
      if (index[i] >= entries.size())
        return Bad(kTableNfcIndex, i, "entry", index[i], entries.size());
    }
    for (size_t i = 0; i < decomposed.size(); ++i) {
      if (!IsCodePoint(decomposed[i]))
        return Bad(kTableNfcDecomposed, i, "character", decomposed[i], kCodePoints);
    }
    for (size_t i = 0; i < entries.size(); ++i) {
      const NfcEntry& e = entries[i];
      if (uint64_t{e.decomposed} + e.n_decomposed > decomposed.size()) {
        return Bad(kTableNfcEntries, i, "decomposition", e.decomposed, decomposed.size());
      }
    }
    for (size_t i = 0; i < pairs.size(); ++i) {
      const NfcPair& p = pairs[i];
      if (!IsCodePoint(p.first) || !IsCodePoint(p.second) || !IsCodePoint(p.composed) ||
          p.composed == 0 || Utf8Bytes(p.composed) > Utf8Bytes(p.first) + Utf8Bytes(p.second)) {
        return InvalidFile("tokenizer table 'NFC pairs', entry %zu: no pair of characters", i);
      }
    }
    // Growth: at most 3 bytes a byte and 3 characters for 2 bytes; with compatibility 11, and 6 for 1.
    for (uint32_t page = 0; page < kPages; ++page) {
      if (uint64_t{pages[page]} * 256 + 256 > index.size()) {
        return Bad(kTableNfcPages, page, "page", pages[page], index.size() / 256);
      }
      if (page > 0 && pages[page] == pages[page - 1])
        continue;  // a longer character only makes it looser
      for (uint32_t low = 0; low < 256; ++low) {
        const NfcEntry& e = entries[index[pages[page] * 256u + low]];
        if (e.n_decomposed == 0) continue;
        const uint32_t bytes = Utf8Bytes(page << 8 | low);
        uint32_t long_bytes = 0;
        for (uint32_t i = 0; i < e.n_decomposed; ++i)
          long_bytes += Utf8Bytes(decomposed[e.decomposed + i]);
        if (long_bytes > longer * bytes || e.n_decomposed * 2u > (compatible ? 12 : 3) * bytes) {
          return Bad(kTableNfcEntries, index[pages[page] * 256u + low], "length", long_bytes,
                     uint64_t{longer} * bytes);
        }
      }
    }
    return {};
  }

  bool IsAutomaton(uint64_t first, uint64_t n_states) const {
    const auto transitions = view_.Span<uint16_t>(kTableTransitions);
    const uint64_t columns = uint64_t{view_.header().n_classes} + 1;
    if (n_states < 2 || n_states > kTokenizerMaxStates ||
        first + n_states * columns > transitions.size()) {
      return false;
    }
    for (uint64_t t = 0; t < n_states * columns; ++t) {
      if ((transitions[first + t] & ~kTransitionMatch) >= n_states) return false;
    }
    return true;
  }

  bool CheckByteClasses() const {
    const auto classes = view_.Span<uint8_t>(kTableByteClasses);
    bool good = classes.size() == 256;
    for (const uint8_t c : classes) good = good && c < view_.header().n_classes;
    return good;
  }

  Status CheckStages() {
    const auto stages = view_.Span<PreTokenizerStage>(kTableStages);
    if (stages.size() > kTokenizerMaxStages)
      return BadCount(kTableStages, stages.size(), kTokenizerMaxStages);
    for (size_t i = 0; i < stages.size(); ++i) {
      const PreTokenizerStage& s = stages[i];
      bool good = true;
      switch (s.kind) {
        case kStageSplitBytes:
          good = view_.Has(kFlagByteLevel) && CheckByteClasses();
          [[fallthrough]];
        case kStageSplit:
          good = good && s.behavior <= kSplitContiguous && s.invert <= 1 &&
                 IsAutomaton(s.transitions, s.n_states);
          break;
        case kStagePrefix:
        case kStagePrefixFirst:
          good = IsString(s.a_offset, s.a_bytes, kMaxStringBytes);
          break;
        case kStageReplace:
          good = IsString(s.a_offset, s.a_bytes, kMaxPatternBytes) &&
                 IsStringOrEmpty(s.b_offset, s.b_bytes);
          break;
        default:
          return Unsupported("tokenizer table 'pre-tokenizer stages', entry %zu: unknown kind %u",
                             i, s.kind);
      }
      if (!good || !growth_.Stage(s, view_.String(0))) {
        return InvalidFile(
            "tokenizer table 'pre-tokenizer stages', entry %zu: operands out of range", i);
      }
    }
    return {};
  }

  Status CheckAddedTokens() {
    const auto tokens = view_.Span<AddedTokenEntry>(kTableAddedTokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (!IsId(tokens[i].id))
        return Bad(kTableAddedTokens, i, "id", tokens[i].id, view_.header().vocab - 1);
      if (tokens[i].bytes == 0 || tokens[i].bytes > kTokenizerMaxAddedBytes) {
        return Bad(kTableAddedTokens, i, "length", tokens[i].bytes, kTokenizerMaxAddedBytes);
      }
    }
    return {};
  }

  Status CheckMatcher(uint32_t table) {
    const auto nodes = view_.Span<MatcherNode>(table);
    const auto edges = view_.Span<uint32_t>(table + 1);
    const auto tokens = view_.Span<AddedTokenEntry>(kTableAddedTokens);
    for (uint32_t i = 0; i < nodes.size(); ++i) {
      const MatcherNode& n = nodes[i];
      // Depths: a step goes one deeper, failing goes up. So a scan takes at most two steps a byte.
      bool good = (i == 0) == (n.depth == 0) && n.depth <= kTokenizerMaxAddedBytes &&
                  n.n_edges <= 256 && uint64_t{n.first_edge} + n.n_edges <= edges.size();
      if (good && n.fail != kTokenizerNone)
        good = n.fail < nodes.size() && nodes[n.fail].depth < n.depth;
      if (good && n.match != kTokenizerNone)
        good = n.match < tokens.size() && tokens[n.match].bytes <= n.depth;
      uint32_t previous = 0;
      for (uint32_t k = 0; good && k < n.n_edges; ++k) {
        const uint32_t edge = edges[n.first_edge + k], target = edge & 0xFFFFFF;
        good = target < nodes.size() && nodes[target].depth == n.depth + 1 &&
               (k == 0 || edge >> 24 > previous);
        previous = edge >> 24;
      }
      if (!good)
        return InvalidFile("tokenizer table '%s', entry %u: not a matcher's node",
                           kTables[table].name, i);
    }
    return {};
  }

  std::span<const uint8_t> blob_;
  TokenizerView view_;
  TokenizerGrowth growth_;
};

}  // namespace

Status CheckTokenizer(std::span<const uint8_t> blob) { return Checker(blob).Run(); }

}  // namespace samara
