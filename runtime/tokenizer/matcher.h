// Finds added tokens in text: leftmost, and of those that begin there the longest.
#ifndef SAMARA_RUNTIME_TOKENIZER_MATCHER_H_
#define SAMARA_RUNTIME_TOKENIZER_MATCHER_H_

#include <algorithm>
#include <cstdint>

#include "runtime/tokenizer/tables.h"

namespace samara {

class AddedTokenMatcher {
 public:
  struct Match {
    const AddedTokenEntry* token;
    uint64_t begin, end;
  };

  AddedTokenMatcher(const TokenizerView& view, uint32_t nodes_table)
      : nodes_(view.Span<MatcherNode>(nodes_table)),
        edges_(view.Table<uint32_t>(nodes_table + 1)),
        tokens_(view.Table<AddedTokenEntry>(kTableAddedTokens)) {
    if (nodes_.empty()) return;
    for (uint32_t i = 0; i < nodes_[0].n_edges; ++i) {
      const uint32_t byte = edges_[nodes_[0].first_edge + i] >> 24;
      first_[byte / 64] |= uint64_t{1} << (byte % 64);
    }
  }

  bool empty() const { return nodes_.empty() || nodes_[0].n_edges == 0; }

  // The next match in text[from, n).
  bool Next(const uint8_t* text, uint64_t from, uint64_t n, Match* match) const {
    if (empty()) return false;
    const AddedTokenEntry* found = nullptr;
    uint64_t found_end = 0, stop = n;
    uint32_t node = 0;
    for (uint64_t p = from; p < stop; ++p) {
      const uint32_t byte = text[p];
      if (node == 0) {
        if ((first_[byte / 64] >> (byte % 64) & 1) == 0) continue;
        node = Follow(0, byte);
      } else {
        uint32_t next;
        while ((next = Follow(node, byte)) == kTokenizerNone && node != 0) {
          node = nodes_[node].fail;
          if (node == kTokenizerNone) break;
        }
        if (node == kTokenizerNone) break;
        node = next == kTokenizerNone ? 0 : next;
        if (node == 0 && found != nullptr) break;
      }
      if (node == kTokenizerNone) node = 0;
      if (nodes_[node].match != kTokenizerNone) {
        // What is still to come is a longer token that begins no later.
        if (found == nullptr) stop = std::min<uint64_t>(n, p + 1 + kTokenizerMaxAddedBytes);
        found = &tokens_[nodes_[node].match];
        found_end = p + 1;
      }
    }
    if (found == nullptr || found->bytes > found_end - from) return false;
    *match = {found, found_end - found->bytes, found_end};
    return true;
  }

  // The same where bytes with a mask belong to no token, except to those that `exempt` says: at each
  // beginning the trie is walked, since a longer token that is not allowed must not hide a shorter
  // one that is. Takes the longest token's length a byte at worst.
  template <typename Exempt>
  [[gnu::noinline]] bool NextUnmasked(const uint8_t* text, const uint8_t* mask, uint64_t from,
                                      uint64_t n, Exempt exempt, Match* match) const {
    if (empty()) return false;
    for (uint64_t begin = from; begin < n; ++begin) {
      if ((first_[text[begin] / 64] >> (text[begin] % 64) & 1) == 0) continue;
      const uint64_t stop = std::min<uint64_t>(n, begin + kTokenizerMaxAddedBytes);
      const AddedTokenEntry* found = nullptr;
      bool masked = false;
      uint32_t node = 0;
      for (uint64_t p = begin; p < stop; ++p) {
        node = Follow(node, text[p]);
        if (node == kTokenizerNone) break;
        masked |= mask[p] != 0;
        if (nodes_[node].match == kTokenizerNone) continue;
        const AddedTokenEntry* token = &tokens_[nodes_[node].match];
        // A match that ends here may have begun later.
        if (token->bytes != p + 1 - begin) continue;
        if (!masked || exempt(text + begin, token->bytes)) found = token;
      }
      if (found == nullptr) continue;
      *match = {found, begin, begin + found->bytes};
      return true;
    }
    return false;
  }

 private:
  uint32_t Follow(uint32_t node, uint32_t byte) const {
    const uint32_t* begin = edges_ + nodes_[node].first_edge;
    const uint32_t* end = begin + nodes_[node].n_edges;
    const uint32_t* e = std::lower_bound(begin, end, byte << 24);
    return e != end && *e >> 24 == byte ? *e & 0xFFFFFF : kTokenizerNone;
  }

  std::span<const MatcherNode> nodes_;
  const uint32_t* edges_;
  const AddedTokenEntry* tokens_;
  uint64_t first_[4] = {};  // bytes that a token may begin with
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_TOKENIZER_MATCHER_H_
