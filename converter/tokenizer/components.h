// The components of a tokenizer.json around the model, each compiled into its tables.
#ifndef SAMARA_CONVERTER_TOKENIZER_COMPONENTS_H_
#define SAMARA_CONVERTER_TOKENIZER_COMPONENTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "converter/json.h"
#include "converter/tokenizer/automaton.h"
#include "converter/tokenizer/blob.h"
#include "converter/tokenizer/vocabulary.h"
#include "formats/status.h"

namespace samara {

// --- normalizer.cc
struct Normalizer {
  struct Step {
    NormalizerKind kind;
    std::string a, b;
    std::map<std::string, std::string> map;  // of kNormMap
    std::vector<Automaton> automaton;        // one for kNormReplaceMatches
  };
  std::vector<Step> steps;
  StatusOr<std::string> Apply(std::string_view text) const;
};
// Its patterns' sets go to the alphabet, which all patterns of a tokenizer share.
StatusOr<Normalizer> ReadNormalizer(const Json& normalizer, Alphabet* alphabet);
// After Alphabet::Build.
Status AddNormalizerTables(const Normalizer& normalizer, const Alphabet& alphabet,
                           TokenizerBlob* blob);
CharSet PunctuationSet();  // of the Punctuation pre-tokenizer
// A character, then its full compatibility decomposition, where it is not the canonical one.
std::vector<std::vector<uint32_t>> CompatibleDecompositions();

// --- nfc.cc
std::string ApplyForm(NormalizerKind form, std::string_view text);
void AddFormTables(bool compatible, TokenizerBlob* blob);

// --- pre_tokenizer.cc: the stages, their automata, and the character classes (which added tokens
// need, too). Builds the alphabet.
Status AddPreTokenizerTables(const Json& pre_tokenizer, Alphabet* alphabet, bool* byte_level,
                             TokenizerBlob* blob);

// --- added_tokens.cc: the two matchers.
Status AddAddedTokenTables(const std::vector<AddedToken>& tokens, const Normalizer& normalizer,
                           TokenizerBlob* blob);

// --- decoder.cc: what each token decodes to, and the flags of what is left to do.
struct Decoded {
  std::vector<std::string> texts;
  std::vector<std::string> keys;  // in the place of the tokens, if they must be stored and differ
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
