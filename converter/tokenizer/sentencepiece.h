// SentencePiece models in the converter's terms: what GGUF files and tokenizer.model share.
#ifndef SAMARA_CONVERTER_TOKENIZER_SENTENCEPIECE_H_
#define SAMARA_CONVERTER_TOKENIZER_SENTENCEPIECE_H_

#include <string>
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

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_SENTENCEPIECE_H_
