#include "converter/tokenizer/sentencepiece.h"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace samara {
namespace {

// Bytes that are looked up at most: vocabularies take some ten millions.
constexpr uint64_t kMaxLookedUp = uint64_t{1} << 31;

}  // namespace

Status AddScoreMerges(const std::vector<double>& scores, const std::string& file,
                      Vocabulary* vocabulary) {
  std::vector<uint32_t> order;
  uint64_t work = 0;
  for (uint32_t id = 0; id < vocabulary->content.size(); ++id) {
    if (vocabulary->attributes[id] != 0) continue;
    order.push_back(id);
    const uint64_t bytes = vocabulary->content[id].size();
    work += bytes * bytes;
  }
  if (work > kMaxLookedUp)
    return Unsupported("%s: got a vocabulary of very long tokens, wanted shorter ones",
                       file.c_str());
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  uint32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] != scores[order[i - 1]]) ++rank;
    const std::string_view token = vocabulary->content[order[i]];
    const auto merged = vocabulary->id_of.find(token);
    if (merged == vocabulary->id_of.end() || merged->second != order[i]) continue;
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = vocabulary->id_of.find(token.substr(0, cut));
      if (left == vocabulary->id_of.end() || vocabulary->attributes[left->second] != 0) continue;
      const auto right = vocabulary->id_of.find(token.substr(cut));
      if (right == vocabulary->id_of.end() || vocabulary->attributes[right->second] != 0) continue;
      if (vocabulary->merges.size() == kTokenizerMaxMerges) {
        return Unsupported("%s: got tokens that can be cut in two in more than %u ways",
                           file.c_str(), kTokenizerMaxMerges);
      }
      vocabulary->merges.push_back({left->second, right->second, order[i]});
      vocabulary->ranks.push_back(rank);
    }
  }
  return Status();
}

std::string SentencePieceComponents(bool prefix) {
  const std::string replace =
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"}";
  const std::string back =
      "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"}";
  const std::string first = "{\"type\":\"Prepend\",\"prepend\":\"\xE2\x96\x81\"},";
  return "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" +
         (prefix ? first : std::string()) + replace +
         "]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" + back +
         ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}" +
         (prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "") + "]}}";
}

}  // namespace samara
