// The normalization map of SentencePiece models: a double-array trie (darts) of keys whose values
// are places in a run of texts that end with 0.
#ifndef SAMARA_CONVERTER_TOKENIZER_CHARSMAP_H_
#define SAMARA_CONVERTER_TOKENIZER_CHARSMAP_H_

#include <map>
#include <string>
#include <string_view>

#include "formats/status.h"

namespace samara {

// Keys and what they become. Bounded work for any bytes.
StatusOr<std::map<std::string, std::string>> ReadCharsmap(std::string_view bytes);

StatusOr<std::string> DecodeBase64(std::string_view text);
std::string EncodeBase64(std::string_view bytes);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_CHARSMAP_H_
