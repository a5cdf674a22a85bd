// The tokenizer of a GGUF file: vocabulary, merges or scores, added tokens by their type, and the
// pre-tokenizer that its name stands for.
#ifndef SAMARA_CONVERTER_GGUF_TOKENIZER_H_
#define SAMARA_CONVERTER_GGUF_TOKENIZER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "converter/gguf/gguf.h"
#include "converter/tokenizer/vocabulary.h"
#include "formats/status.h"

namespace samara {

struct GgufTokenizer {
  Vocabulary vocabulary;
  std::string components;      // JSON: normalizer, pre_tokenizer, decoder, post_processor
  std::string config;          // tokenizer_config.json, with the chat templates
  std::vector<uint32_t> ends;  // ids that end a reply
};

StatusOr<GgufTokenizer> ReadGgufTokenizer(const Gguf& gguf);

std::string GgufTokenizerKinds();  // names of tokenizer.ggml.model: "gpt2, llama"
std::string GgufPreTokenizers();   // names of tokenizer.ggml.pre

}  // namespace samara

#endif  // SAMARA_CONVERTER_GGUF_TOKENIZER_H_
