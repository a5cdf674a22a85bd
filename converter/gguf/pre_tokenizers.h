// The names that GGUF has for pre-tokenizers, and what they stand for.
#ifndef SAMARA_CONVERTER_GGUF_PRE_TOKENIZERS_H_
#define SAMARA_CONVERTER_GGUF_PRE_TOKENIZERS_H_

#include <span>
#include <string>
#include <string_view>

namespace samara {

struct PreTokenizer {
  const char* names;                 // separated by spaces
  const char* const* patterns;       // splits, one after the other; ends with nullptr
  bool ignore_merges = false;        // a piece that is a token is not merged
  bool add_bos = false;              // where the file does not say
  const char* normalizer = nullptr;  // "NFC"
  // JSON of all stages in the place of patterns, for what no pattern says.
  const char* stages = nullptr;
};

const PreTokenizer* FindPreTokenizer(std::string_view name);
std::span<const PreTokenizer> PreTokenizers();

}  // namespace samara

#endif  // SAMARA_CONVERTER_GGUF_PRE_TOKENIZERS_H_
