// SentencePiece models in the converter's terms: what GGUF files and tokenizer.model share.
#ifndef SAMARA_CONVERTER_TOKENIZER_SENTENCEPIECE_H_
#define SAMARA_CONVERTER_TOKENIZER_SENTENCEPIECE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "converter/tokenizer/vocabulary.h"
#include "formats/status.h"

namespace samara {

// The merges of a BPE model that has scores: any two neighbours that are a token together may
// merge, those of the highest score first and of equal scores the leftmost. So every way to cut a
// token in two is a rule, and equal scores are equal ranks. `file` is for errors.
Status AddScoreMerges(const std::vector<double>& scores, const std::string& file,
                      Vocabulary* vocabulary);

// JSON of normalizer and decoder, as tokenizer.json has them: spaces become U+2581 and, with
// `prefix`, one stands in front of every piece of text.
std::string SentencePieceComponents(bool prefix);

// A model as GGUF's metadata and tokenizer.model's protobuf have it.
struct SentencePieceModel {
  // Kinds of pieces, as both number them.
  static constexpr int kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5,
                       kByte = 6;
  std::vector<std::string> pieces;
  std::vector<double> scores;
  std::vector<int> kinds;
  bool unigram = false, byte_fallback = false;
  bool prefix = true;     // a space in front of the text
  bool collapse = false;  // runs of spaces are one, none at the ends
  std::string charsmap;   // darts map of characters; "": none
  int64_t unknown = 0, bos = -1, eos = -1, padding = -1;
};

// tokenizer.model, checked: bounded work for any bytes. `file` is for errors.
StatusOr<SentencePieceModel> ReadSentencePieceModel(std::string_view bytes,
                                                    const std::string& file);

// Tokens that may be added behind a model's own.
inline constexpr size_t kMoreTokens = 65536;

// `components`: as CompileTokenizer takes them. Added tokens are those that are no normal pieces.
Status BuildSentencePiece(const SentencePieceModel& model, const std::string& file,
                          Vocabulary* vocabulary, std::string* components);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_SENTENCEPIECE_H_
