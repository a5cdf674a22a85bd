#include "converter/tokenizer/trie.h"

#include <algorithm>

namespace samara {
namespace {

constexpr size_t kMaxSlots = size_t{1} << 25;

class Builder {
 public:
  explicit Builder(std::vector<std::pair<std::string, uint32_t>> keys) : keys_(std::move(keys)) {}

  Status Run() {
    for (const auto& [key, value] : keys_) {
      if (key.empty() || key.size() > kTokenizerMaxKeyBytes) {
        return Unsupported("a token of %zu bytes, wanted 1 to %u", key.size(),
                           kTokenizerMaxKeyBytes);
      }
    }
    std::stable_sort(keys_.begin(), keys_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Grow(512);
    taken_[0] = true;
    struct Range {
      uint32_t slot;
      size_t first, last, depth;
    };
    std::vector<Range> open = {{0, 0, keys_.size(), 0}};
    while (!open.empty()) {
      const Range range = open.back();
      open.pop_back();
      size_t at = range.first;
      // Keys that end here come first; the last of them counts.
      for (; at < range.last && keys_[at].first.size() == range.depth; ++at)
        slots[range.slot].value = keys_[at].second;
      std::vector<std::pair<uint8_t, size_t>> edges;  // byte, first key
      for (size_t i = at; i < range.last; ++i) {
        const auto byte = static_cast<uint8_t>(keys_[i].first[range.depth]);
        if (edges.empty() || edges.back().first != byte) edges.emplace_back(byte, i);
      }
      if (edges.empty()) continue;
      const uint32_t base = FindBase(edges);
      if (slots.size() > kMaxSlots) return Unsupported("a trie of more than %zu slots", kMaxSlots);
      slots[range.slot].base = base;
      for (size_t e = 0; e < edges.size(); ++e) {
        const uint32_t child = base + edges[e].first;
        taken_[child] = true;
        slots[child].check = range.slot;
        open.push_back({child, edges[e].second,
                        e + 1 < edges.size() ? edges[e + 1].second : range.last, range.depth + 1});
      }
    }
    return Status();
  }

  std::vector<TrieSlot> slots;

 private:
  void Grow(size_t size) {
    slots.resize(size, {0, kTokenizerNone, kTokenizerNone});
    taken_.resize(size, false);
  }

  // The first place that has room for all edges. Places before `hint_` are full, or nearly so.
  uint32_t FindBase(const std::vector<std::pair<uint8_t, size_t>>& edges) {
    while (hint_ < taken_.size() && taken_[hint_]) ++hint_;
    size_t tried = 0;
    for (size_t first = std::max<size_t>(hint_, edges[0].first + size_t{1});; ++first) {
      const size_t base = first - edges[0].first;
      if (base + 256 > slots.size()) Grow(std::max(base + 256, slots.size() + slots.size() / 2));
      if (taken_[first]) continue;
      const bool room = std::all_of(edges.begin(), edges.end(),
                                    [&](const auto& edge) { return !taken_[base + edge.first]; });
      if (room) return static_cast<uint32_t>(base);
      // Gaps that many nodes did not fit into are given up, so that building stays linear.
      if (++tried > 256) hint_ = std::max(hint_, first - 128);
    }
  }

  std::vector<std::pair<std::string, uint32_t>> keys_;
  std::vector<bool> taken_;
  size_t hint_ = 1;
};

}  // namespace

StatusOr<std::vector<TrieSlot>> BuildTrie(std::vector<std::pair<std::string, uint32_t>> keys) {
  Builder builder(std::move(keys));
  SAMARA_RETURN_IF_ERROR(builder.Run());
  std::vector<TrieSlot>& slots = builder.slots;
  // No slot behind the last that is used, but room for any byte.
  size_t used = 1;
  uint32_t base = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].check != kTokenizerNone) used = i + 1;
    base = std::max(base, slots[i].base);
  }
  slots.resize(std::max<size_t>(used, size_t{base} + 256), {0, kTokenizerNone, kTokenizerNone});
  return std::move(slots);
}

}  // namespace samara
