// Builds the double-array tries of formats/tokenizer_tables.h.
#ifndef SAMARA_CONVERTER_TOKENIZER_TRIE_H_
#define SAMARA_CONVERTER_TOKENIZER_TRIE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "formats/status.h"
#include "formats/tokenizer_tables.h"

namespace samara {

// Keys are not empty and of kTokenizerMaxKeyBytes at most; of equal keys the last counts.
StatusOr<std::vector<TrieSlot>> BuildTrie(std::vector<std::pair<std::string, uint32_t>> keys);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_TRIE_H_
