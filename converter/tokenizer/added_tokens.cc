// Builds the two matchers for added tokens: Aho-Corasick with leftmost-longest semantics.
#include <algorithm>
#include <map>
#include <utility>

#include "converter/tokenizer/components.h"

namespace samara {
namespace {

constexpr size_t kMaxNodes = 1 << 23;

struct Node {
  std::map<uint8_t, uint32_t> edges;
  uint32_t fail = 0;
  uint32_t match = kTokenizerNone;
  uint32_t depth = 0;
};

struct Pattern {
  std::string text;
  uint32_t entry;
};

Status AddMatcher(const std::vector<Pattern>& patterns, uint32_t nodes_table, TokenizerBlob* blob) {
  if (patterns.empty()) return {};
  std::vector<Node> trie(1);
  for (const Pattern& p : patterns) {
    uint32_t at = 0;
    for (const char c : p.text) {
      const auto [it, is_new] =
          trie[at].edges.emplace(static_cast<uint8_t>(c), static_cast<uint32_t>(trie.size()));
      const uint32_t target = it->second;
      if (is_new) {
        const uint32_t depth = trie[at].depth + 1;
        trie.emplace_back();
        trie.back().depth = depth;
        if (trie.size() > kMaxNodes)
          return Unsupported("added tokens of more than %zu bytes", kMaxNodes);
      }
      at = target;
    }
    if (trie[at].match == kTokenizerNone) trie[at].match = p.entry;
  }

  // Breadth first, so that a node's failure target is ready before the node.
  std::vector<uint32_t> order = {0};
  trie[0].fail = kTokenizerNone;
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t parent = order[i];
    for (const auto& [byte, child] : trie[parent].edges) {
      order.push_back(child);
      Node& node = trie[child];
      if (node.match != kTokenizerNone) {
        node.fail = kTokenizerNone;  // anything found by failing would begin later
        continue;
      }
      uint32_t fail = parent == 0 ? 0 : trie[parent].fail;
      if (parent != 0) {
        while (fail != kTokenizerNone && !trie[fail].edges.contains(byte)) {
          // At the root nothing is pending: the byte is simply skipped.
          if (fail == 0) break;
          fail = trie[fail].fail;
        }
        if (fail != kTokenizerNone) {
          const auto it = trie[fail].edges.find(byte);
          if (it != trie[fail].edges.end()) fail = it->second;
        }
      }
      node.fail = fail;
      if (fail != kTokenizerNone) node.match = trie[fail].match;
    }
  }
  std::vector<uint32_t> position(trie.size());
  for (uint32_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  uint32_t n_edges = 0;
  for (const uint32_t i : order) {
    const Node& node = trie[i];
    blob->Append(
        nodes_table,
        MatcherNode{node.fail == kTokenizerNone ? kTokenizerNone : position[node.fail], n_edges,
                    static_cast<uint32_t>(node.edges.size()), node.match, node.depth, 0});
    for (const auto& [byte, child] : node.edges) {
      blob->Append(nodes_table + 1, uint32_t{byte} << 24 | position[child]);
    }
    n_edges += static_cast<uint32_t>(node.edges.size());
  }
  return {};
}

}  // namespace

Status AddAddedTokenTables(const std::vector<AddedToken>& tokens, const Normalizer& normalizer,
                           TokenizerBlob* blob) {
  std::vector<Pattern> raw, normalized;
  // Two tokens may become one by normalization. Then special ones come first, of those the lowest
  // id.
  std::vector<AddedToken> ordered = tokens;
  std::sort(ordered.begin(), ordered.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.special != b.special ? a.special : a.id < b.id;
  });
  for (const AddedToken& token : ordered) {
    AddedTokenEntry entry = {};
    entry.id = token.id;
    entry.flags = (token.special ? kAddedSpecial : 0u) | (token.left_strip ? kAddedLeftStrip : 0u) |
                  (token.right_strip ? kAddedRightStrip : 0u) |
                  (token.single_word ? kAddedSingleWord : 0u);
    std::string text = token.content;
    if (token.normalized) {
      SAMARA_ASSIGN_OR_RETURN(text, normalizer.Apply(token.content));
    }
    if (text.empty()) continue;
    if (text.size() > kTokenizerMaxAddedBytes) {
      return Unsupported("added token %s has %zu bytes after normalization, wanted at most %u",
                         Quoted(token.content).c_str(), text.size(), kTokenizerMaxAddedBytes);
    }
    entry.bytes = static_cast<uint32_t>(text.size());
    const uint32_t index = blob->Count(kTableAddedTokens);
    blob->Append(kTableAddedTokens, entry);
    (token.normalized ? normalized : raw).push_back({std::move(text), index});
  }
  SAMARA_RETURN_IF_ERROR(AddMatcher(raw, kTableMatcherNodes0, blob));
  return AddMatcher(normalized, kTableMatcherNodes1, blob);
}

}  // namespace samara
