// Compiles a tokenizer.json (the format of Hugging Face's `tokenizers` library) and a
// tokenizer_config.json into the block of tables that the runtime interprets
// (formats/tokenizer_tables.h).
//
// All the clever work happens here: regular expressions become automata over character classes,
// merges and vocabulary become hash tables, decoder steps are applied to every token's text. What
// cannot be compiled is refused with the component's name (kUnsupported); what breaks the file's
// format is kInvalidFile.
#ifndef SAMARA_CONVERTER_TOKENIZER_COMPILE_H_
#define SAMARA_CONVERTER_TOKENIZER_COMPILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "converter/json.h"
#include "converter/tokenizer/vocabulary.h"
#include "formats/status.h"

namespace samara {

struct TokenizerSummary {
  uint32_t vocab = 0;   // highest id + 1, added tokens included
  uint32_t unused = 0;  // ids below `vocab` that no token has
  uint32_t merges = 0;
  uint32_t added_tokens = 0;
  uint32_t special_tokens = 0;
  int32_t bos = -1;  // bos_token of the configuration, else what the post-processor puts first
  int32_t eos = -1;  // eos_token of the configuration
  bool byte_level = false;
  std::string kind;  // "byte-level BPE", "byte-fallback BPE", "BPE", "unigram", "WordPiece"
};

// What of a tokenizer.json can be compiled, for people: "model" and "BPE", ...
struct TokenizerPart {
  const char* part;
  const char* names;
};
std::span<const TokenizerPart> TokenizerParts();

// `tokenizer_config` and `summary` may be null. The file's truncation and padding are not used:
// they concern training batches. A post-processor decides about BOS and EOS; the configuration does
// where there is none.
StatusOr<std::vector<uint8_t>> CompileTokenizer(const Json& tokenizer, const Json* tokenizer_config,
                                                TokenizerSummary* summary);

// The same for a vocabulary that was read elsewhere; `components` has normalizer, pre_tokenizer,
// decoder and post_processor as in a tokenizer.json.
StatusOr<std::vector<uint8_t>> CompileTokenizer(Vocabulary vocabulary, const Json& components,
                                                const Json* tokenizer_config,
                                                TokenizerSummary* summary);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_COMPILE_H_
