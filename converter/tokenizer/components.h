// The components of a tokenizer.json around the model, each compiled into its tables.
#ifndef SAMARA_CONVERTER_TOKENIZER_COMPONENTS_H_
#define SAMARA_CONVERTER_TOKENIZER_COMPONENTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "converter/json.h"
#include "converter/tokenizer/blob.h"
#include "converter/tokenizer/vocabulary.h"
#include "formats/status.h"

namespace samara {

// --- normalizer.cc
struct Normalizer {
  struct Step {
    NormalizerKind kind;
    std::string a, b;
  };
  std::vector<Step> steps;
  std::string Apply(std::string_view text) const;
};
StatusOr<Normalizer> ReadNormalizer(const Json& normalizer);
void AddNormalizerTables(const Normalizer& normalizer, TokenizerBlob* blob);

// --- nfc.cc
std::string ApplyNfc(std::string_view text);
void AddNfcTables(TokenizerBlob* blob);

// --- pre_tokenizer.cc: the stages, their automata, and the character classes (which added tokens
// need, too).
Status AddPreTokenizerTables(const Json& pre_tokenizer, bool* byte_level, TokenizerBlob* blob);

// --- added_tokens.cc: the two matchers.
Status AddAddedTokenTables(const std::vector<AddedToken>& tokens, const Normalizer& normalizer,
                           TokenizerBlob* blob);

// --- decoder.cc: what each token decodes to, and the flags of what is left to do.
struct Decoded {
  std::vector<std::string> texts;
  bool needs_keys = false;
};
Status ReadDecoder(const Json& decoder, Vocabulary* vocabulary, Decoded* decoded,
                   TokenizerBlob* blob);

// --- post_processor.cc: ids around a text. `config` may be absent.
Status AddPostProcessorTables(const Json& post_processor, const Json& config,
                              const Vocabulary& vocabulary, TokenizerBlob* blob);
// The id of a token that the configuration names, such as "bos_token"; -1: none.
int32_t ConfiguredToken(const Json& config, const char* key, const Vocabulary& vocabulary);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_COMPONENTS_H_
