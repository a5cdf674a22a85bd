// The tokenizer block: tables that the converter compiles and the runtime interprets in place.
//
// One flat little-endian blob: TokenizerHeader, then tables, each 8-aligned. A table is (offset
// from the blob's start, number of entries); an empty table has both 0. The runtime trusts nothing
// here: Init checks every offset, index and length once, in one pass.
//
// The way of a text (all of it in runtime/tokenizer):
//   bytes -> ill-formed UTF-8 becomes U+FFFD
//   -> cut at added tokens that match raw text (matcher 0)
//   -> each piece between them: normalizer steps
//   -> cut at added tokens that match normalized text (matcher 1)
//   -> each piece between them: pre-tokenizer stages, each cutting the pieces of the one before
//   -> each piece: symbols (bytes or characters), merged by rank -> ids; or the cut into tokens of
//      the highest sum of scores (unigram), or the longest token again and again (WordPiece)
//   -> prefix and suffix ids around the whole.
#ifndef SAMARA_FORMATS_TOKENIZER_TABLES_H_
#define SAMARA_FORMATS_TOKENIZER_TABLES_H_

#include <cstdint>

namespace samara {

inline constexpr uint32_t kTokenizerMagic = 0x4B544D53;  // "SMTK"
inline constexpr uint32_t kTokenizerVersion = 1;

// Limits that both sides hold to.
inline constexpr uint64_t kTokenizerMaxBytes = uint64_t{512} << 20;
inline constexpr uint32_t kTokenizerMaxVocab = 1u << 24;
inline constexpr uint32_t kTokenizerMaxMerges = 1u << 24;
inline constexpr uint32_t kTokenizerMaxTokenBytes = 1u << 16;  // key or text of one id
inline constexpr uint32_t kTokenizerMaxAddedBytes = 1024;      // bounds the re-scan after a match
inline constexpr uint32_t kTokenizerMaxSteps = 16;
inline constexpr uint32_t kTokenizerMaxStages = 16;
inline constexpr uint32_t kTokenizerMaxStates = 0x7FFF;
inline constexpr uint32_t kTokenizerMaxProbe = 1024;
// Bytes after all steps and stages per byte of text.
inline constexpr uint32_t kTokenizerMaxGrowth = 256;
// Bytes of a compatibility decomposition per byte of its character (U+FDFA: 33 for 3).
inline constexpr uint32_t kTokenizerMaxCompatible = 11;
inline constexpr uint32_t kTokenizerMaxKeyBytes = 1024;  // of a trie: bounds a look-up
inline constexpr uint32_t kTokenizerNone = 0xFFFFFFFF;
inline constexpr uint32_t kCodePoints = 0x110000;

struct TokenizerTable {
  uint32_t offset;
  uint32_t count;
};

enum TokenizerTableId : uint32_t {
  kTableStrings = 0,    // u8: the operands of steps and stages, UTF-8
  kTableNormSteps,      // NormalizerStep
  kTableNfcPages,       // u16[0x1100]: code point >> 8 -> page of kTableNfcIndex
  kTableNfcIndex,       // u16[pages * 256]: -> entry of kTableNfcEntries; entry 0 is inert
  kTableNfcEntries,     // NfcEntry
  kTableNfcDecomposed,  // u32: full canonical decompositions
  kTableNfcPairs,       // NfcPair, ascending by (first, second)
  kTableClassPages,     // u16[0x1100]: code point >> 8 -> page of kTableClasses
  kTableClasses,        // u8[pages * 256]: -> character class, below n_classes
  kTableClassFlags,     // u8[n_classes]: ClassFlags
  kTableStages,         // PreTokenizerStage
  kTableTransitions,    // u16: automata of all stages
  kTableAddedTokens,    // AddedTokenEntry
  kTableMatcherNodes0,  // MatcherNode: raw text
  kTableMatcherEdges0,  // u32: byte << 24 | target node, ascending within a node
  kTableMatcherNodes1,  // the same for normalized text
  kTableMatcherEdges1,
  kTableKeyOffsets,   // u32[vocab + 1]: into kTableKeyBytes
  kTableKeyBytes,     // u8: what a token is looked up by
  kTableTextOffsets,  // u32[vocab + 1]: into kTableTextBytes; may be the same table as the keys
  kTableTextBytes,    // u8: what a token decodes to
  kTableAttributes,   // u8[vocab]: TokenAttributes
  kTableByteIds,      // u32[256]: id of a byte, or kTokenizerNone
  kTableLookup,       // u32: open-addressing hash, bytes -> id; kTokenizerNone is an empty slot
  kTableMerges,       // MergeSlot: open-addressing hash, pair of ids -> rank and new id
  kTablePrefix,       // u32: ids in front of a text
  kTableSuffix,       // u32: ids behind a text
  kTokenizerTables,

  // Of later versions: listed in a directory of their own (TokenizerHeader::more_tables), so that
  // the header of older blocks stays what it was. Absent is empty.
  kTableVocabTrie = kTokenizerTables,  // TrieSlot: keys -> ids (unigram, WordPiece)
  kTableScores,                        // f64[vocab + 1]: of a unigram's tokens, then of an unknown
  kTableMapTrie,                       // TrieSlot: the keys of all maps
  kTableMapOffsets,                    // u32: value n of a map lies at offsets[n] .. offsets[n + 1]
  kTableMapBytes,                      // u8
  kTableByteClasses,  // u8[256]: class of the character that stands for a byte in byte-level text
  kTokenizerAllTables,
};

enum TokenizerFlags : uint32_t {
  kFlagByteLevel = 1,  // a symbol is a byte; else it is a character
  kFlagByteFallback =
      2,  // a character without id becomes the ids of its bytes, if all of them have one
  kFlagIgnoreMerges = 4,       // a piece that is a token is not merged
  kFlagFuseUnknown = 8,        // unknown characters in a row are one id
  kFlagDecodeBytes = 16,       // texts are raw bytes; one U+FFFD per maximal ill-formed subsequence
  kFlagDecodeStripSpace = 32,  // one leading space of the whole text is dropped
  kFlagDecodeFirstToken = 64,  // the first token loses every occurrence of `marker` in its key
  kFlagDecodeJoinSpace = 128,  // tokens are joined by one space
  kFlagUnigram = 256,
  kFlagWordPiece = 512,
  kFlagDecodeFirstKey = 1024,  // the first token decodes to its key
};

enum TokenAttributes : uint8_t {
  kTokenSpecial = 1,  // decodes to nothing unless asked for
  kTokenByte = 2,     // its text is one raw byte of a character (byte fallback)
  kTokenAdded = 4,
  kTokenUnused = 8,  // no token has this id
};

enum ClassFlags : uint8_t {
  kClassSpace = 1,  // White_Space
  kClassWord = 2,   // \w: letters, marks, decimal and letter numbers, connectors, joiners
};

enum NormalizerKind : uint32_t {
  kNormPrepend = 1,  // a in front of a text that is not empty
  kNormReplace = 2,  // every a (left to right, not overlapping) becomes b
  kNormNfc = 3,
  kNormNfd = 4,
  kNormNfkc = 5,
  kNormNfkd = 6,
  kNormMap = 7,    // at each place the longest key of a trie becomes its value: `a` are slots of
                   // kTableMapTrie, b_bytes is how much longer a value may be, as a factor
  kNormStrip = 8,  // white space at the beginning (a_bytes 1) and at the end (b_bytes 1)
  kNormReplaceMatches = 9,  // every match of an automaton (a_offset in kTableTransitions, a_bytes
                            // states) becomes b
};

struct NormalizerStep {
  uint32_t kind;
  uint32_t a_offset, a_bytes;  // in kTableStrings
  uint32_t b_offset, b_bytes;
  uint32_t reserved;
};

// An entry for each character that normalization form C may change or must look at.
struct NfcEntry {
  uint32_t decomposed;   // index in kTableNfcDecomposed
  uint8_t n_decomposed;  // 0: it decomposes to itself
  uint8_t ccc;           // canonical combining class
  uint8_t flags;         // 1: NFC_Quick_Check is Yes, 2: may compose with a character before it
  uint8_t reserved;
};
enum NfcFlags : uint8_t { kNfcYes = 1, kNfcSecond = 2 };

struct NfcPair {
  uint32_t first, second, composed;
  uint32_t reserved;
};

enum StageKind : uint32_t {
  kStageSplit = 1,        // cut at the matches of an automaton
  kStagePrefix = 2,       // string a in front of each piece that does not begin with it
  kStagePrefixFirst = 3,  // the same, only for a piece at the text's very beginning
  kStageReplace = 4,      // every a becomes b
  kStageSplitBytes = 5,   // like kStageSplit, over the characters that stand for bytes
};

enum SplitBehavior : uint32_t {
  kSplitRemoved = 0,
  kSplitIsolated = 1,
  kSplitMergedWithPrevious = 2,
  kSplitMergedWithNext = 3,
  kSplitContiguous = 4,
};

// The automaton of a split: rows of n_classes + 1 transitions, one row a state, the last column is
// the end of the text. A transition's low 15 bits are the next state, kTransitionMatch says that a
// match ends BEFORE the character. State 0 is dead, state 1 is the start.
inline constexpr uint16_t kTransitionMatch = 0x8000;
struct PreTokenizerStage {
  uint32_t kind;
  uint32_t behavior;
  uint32_t invert;       // 1: what lies between matches is the match
  uint32_t transitions;  // index in kTableTransitions
  uint32_t n_states;
  uint32_t a_offset, a_bytes;  // in kTableStrings
  uint32_t b_offset, b_bytes;
  uint32_t reserved;
};

enum AddedTokenFlags : uint32_t {
  kAddedSpecial = 1,
  kAddedLeftStrip = 2,   // swallows white space before it
  kAddedRightStrip = 4,  // and behind it
  kAddedSingleWord = 8,  // only between characters that are no word characters
};

struct AddedTokenEntry {
  uint32_t id;
  uint32_t bytes;  // length of the matched text
  uint32_t flags;
  uint32_t reserved;
};

// Leftmost-longest matching (Aho-Corasick). Nodes are in breadth-first order, node 0 is the root.
// Once a match is on the way to a node, failing may not look for later beginnings: `fail` is
// kTokenizerNone.
struct MatcherNode {
  uint32_t fail;
  uint32_t first_edge;
  uint32_t n_edges;
  uint32_t match;  // entry of kTableAddedTokens that ends here, or kTokenizerNone
  uint32_t depth;
  uint32_t reserved;
};

// A slot of a double-array trie. Byte b leads from slot s to base(s) + b if check is s there; slot 0
// is the root. Both are relative to the trie's first slot.
struct TrieSlot {
  uint32_t base;
  uint32_t check;  // kTokenizerNone: nothing leads here
  uint32_t value;  // kTokenizerNone: no key ends here
};

struct MergeSlot {
  uint32_t left, right;  // ids; left == kTokenizerNone is an empty slot
  uint32_t rank;         // lower first
  uint32_t merged;       // id
};

struct TokenizerHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t header_bytes;
  uint32_t n_tables;
  uint64_t total_bytes;
  uint32_t flags;
  uint32_t vocab;
  uint32_t n_classes;
  uint32_t unknown_id;  // or kTokenizerNone
  uint32_t bos_id;      // or kTokenizerNone
  uint32_t lookup_seed;
  uint32_t lookup_probe;  // slots that a look-up visits at most
  uint32_t merge_probe;
  uint32_t max_text_bytes;
  uint32_t marker_offset, marker_bytes;  // in kTableStrings: kFlagDecodeFirstToken
  TokenizerTable more_tables;  // TokenizerTable[kTokenizerAllTables - kTokenizerTables] or fewer
  // WordPiece: a word of more characters is unknown; 0 otherwise.
  uint32_t max_word;
  TokenizerTable tables[kTokenizerTables];
};
static_assert(sizeof(TokenizerHeader) % 8 == 0 && sizeof(NormalizerStep) == 24 &&
              sizeof(NfcEntry) == 8 && sizeof(PreTokenizerStage) == 40 &&
              sizeof(MatcherNode) == 24 && sizeof(TrieSlot) == 12 &&
              sizeof(TokenizerHeader) == 80 + 8 * kTokenizerTables);

// Hash functions, part of the format.
inline uint32_t TokenizerHash(uint32_t seed, const uint8_t* bytes, uint64_t n) {
  uint64_t h = 0xCBF29CE484222325u ^ seed;
  for (uint64_t i = 0; i < n; ++i) h = (h ^ bytes[i]) * 0x100000001B3u;
  h ^= h >> 32;
  return static_cast<uint32_t>((h * 0x9E3779B97F4A7C15u) >> 32);
}
inline uint32_t TokenizerPairHash(uint32_t left, uint32_t right) {
  uint64_t h = (uint64_t{left} << 32 | right) * 0x9E3779B97F4A7C15u;
  h ^= h >> 29;
  return static_cast<uint32_t>((h * 0xBF58476D1CE4E5B9u) >> 32);
}
// First slot of a table of n slots; the search goes on at the next slot and wraps around.
inline uint32_t TokenizerSlot(uint32_t hash, uint32_t n) {
  return static_cast<uint32_t>((uint64_t{hash} * n) >> 32);
}

// How long a text may become on its way. Ill-formed bytes become three, once; steps then multiply
// and add. Both sides follow the steps and stages in order; false: beyond kTokenizerMaxGrowth, or
// no such step.
class TokenizerGrowth {
 public:
  bool Step(const NormalizerStep& step, const uint8_t* strings) {
    switch (step.kind) {
      case kNormPrepend:
        return Add(step.a_bytes);
      case kNormReplace:
        return Replace(strings + step.a_offset, step.a_bytes, step.b_bytes);
      case kNormNfc:  // no decomposition is more than three times as long
      case kNormNfd:
        return Multiply(3);
      case kNormNfkc:
      case kNormNfkd:
        return Multiply(kTokenizerMaxCompatible);
      case kNormMap:
        return step.b_bytes >= 1 && Multiply(step.b_bytes);
      case kNormStrip:
        return true;
      case kNormReplaceMatches:
        return Multiply(step.b_bytes > 1 ? step.b_bytes : 1);
      default:
        return false;
    }
  }
  bool Stage(const PreTokenizerStage& stage, const uint8_t* strings) {
    switch (stage.kind) {
      case kStageSplit:
      case kStageSplitBytes:
        return true;
      case kStagePrefix:
      case kStagePrefixFirst:
        return Add(stage.a_bytes);
      case kStageReplace:
        return Replace(strings + stage.a_offset, stage.a_bytes, stage.b_bytes);
      default:
        return false;
    }
  }
  // Of a text after the steps so far. Saturates.
  uint64_t Bytes(uint64_t text_bytes) const {
    if (text_bytes >= kSaturated / kTokenizerMaxGrowth) return kSaturated;
    return text_bytes * (valid_ > invalid_ ? valid_ : invalid_) + add_;
  }
  static constexpr uint64_t kSaturated = uint64_t{1} << 62;

 private:
  bool Check() const {
    return valid_ <= kTokenizerMaxGrowth && invalid_ <= kTokenizerMaxGrowth &&
           add_ < uint64_t{1} << 40;
  }
  bool Multiply(uint64_t ratio) {
    if (ratio > kTokenizerMaxGrowth) return false;
    valid_ *= ratio;
    invalid_ *= ratio;
    add_ *= ratio;
    return Check();
  }
  bool Add(uint64_t bytes) {
    add_ += bytes;
    return Check();
  }
  bool Replace(const uint8_t* a, uint64_t a_bytes, uint64_t b_bytes) {
    if (a_bytes == 0) return false;
    const uint64_t ratio = b_bytes <= a_bytes ? 1 : (b_bytes + a_bytes - 1) / a_bytes;
    valid_ *= ratio;
    // Patterns are well-formed, so they touch a U+FFFD only if they contain one.
    for (uint64_t i = 0; i + 3 <= a_bytes; ++i) {
      if (a[i] == 0xEF && a[i + 1] == 0xBF && a[i + 2] == 0xBD) {
        invalid_ *= ratio;
        break;
      }
    }
    add_ *= ratio;
    return Check();
  }

  uint64_t valid_ = 1;    // bytes per byte of well-formed text
  uint64_t invalid_ = 3;  // bytes per ill-formed byte
  uint64_t add_ = 0;
};

}  // namespace samara

#endif  // SAMARA_FORMATS_TOKENIZER_TABLES_H_
