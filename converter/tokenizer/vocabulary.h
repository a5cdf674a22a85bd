// The tokens and merges of a tokenizer.json, checked, before they become tables.
#ifndef SAMARA_CONVERTER_TOKENIZER_VOCABULARY_H_
#define SAMARA_CONVERTER_TOKENIZER_VOCABULARY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "converter/json.h"
#include "converter/tokenizer/blob.h"
#include "formats/status.h"

namespace samara {

struct AddedToken {
  uint32_t id = 0;
  std::string content;
  bool special = false, left_strip = false, right_strip = false, single_word = false,
       normalized = false;
};

struct MergeRule {
  uint32_t left, right, merged;
};

enum class ModelKind { kBpe, kUnigram, kWordPiece };

struct Vocabulary {
  ModelKind kind = ModelKind::kBpe;
  std::vector<std::string> content;  // by id, as the file writes it; "" where unused
  std::vector<uint8_t> attributes;   // by id: TokenAttributes
  std::unordered_map<std::string_view, uint32_t>
      id_of;                      // the model's tokens; views into the document or `content`
  std::vector<MergeRule> merges;  // by rank
  std::vector<uint32_t> ranks;    // of merges, where it is not their order
  std::vector<AddedToken> added;
  std::vector<double> scores;  // by id, of a unigram
  std::string word_prefix;     // WordPiece: of all tokens but a word's first
  uint32_t max_word = 0;       // WordPiece: a longer word is unknown; 0: none is
  bool byte_fallback = false, ignore_merges = false, fuse_unknown = false;
  bool hidden_bytes = false;  // of a unigram: a text that reads like a byte's token is not it
  uint32_t unknown_id = kTokenizerNone;

  // A token of the model or an added token.
  uint32_t IdOf(std::string_view content) const;
};

StatusOr<Vocabulary> ReadVocabulary(const Json& tokenizer);

// The byte that a character of byte-level text stands for; -1: none.
int ByteOfCharacter(uint32_t cp);
// The bytes that a byte-level token stands for; false if a character of it stands for none.
bool BytesOfToken(std::string_view token, std::string* bytes);
// "<0x0A>" -> 10; -1: no byte token.
int ByteTokenValue(std::string_view token);

// Vocabulary, look-up, merge and score tables. `byte_level`: keys are bytes.
struct Decoded;
Status AddVocabularyTables(const Vocabulary& vocabulary, const Decoded& decoded, bool byte_level,
                           TokenizerBlob* blob);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_VOCABULARY_H_
