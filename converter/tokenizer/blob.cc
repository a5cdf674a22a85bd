#include "converter/tokenizer/blob.h"

#include <cinttypes>

namespace samara {

Status TokenizerBlob::CheckGrowth() const {
  const uint8_t* const strings = tables_[kTableStrings].data();
  TokenizerGrowth growth;
  bool good = true;
  NormalizerStep step;
  for (size_t at = 0; at < tables_[kTableNormSteps].size(); at += sizeof(step)) {
    std::memcpy(&step, tables_[kTableNormSteps].data() + at, sizeof(step));
    good = good && growth.Step(step, strings);
  }
  PreTokenizerStage stage;
  for (size_t at = 0; at < tables_[kTableStages].size(); at += sizeof(stage)) {
    std::memcpy(&stage, tables_[kTableStages].data() + at, sizeof(stage));
    good = good && growth.Stage(stage, strings);
  }
  if (good) return {};
  return Unsupported("the normalizer and pre-tokenizer may make a text more than %u times as long",
                     kTokenizerMaxGrowth);
}

StatusOr<std::vector<uint8_t>> TokenizerBlob::Finish() {
  SAMARA_RETURN_IF_ERROR(CheckGrowth());
  // Tables of later versions, up to the last that is not empty, are listed behind the header.
  uint32_t n_more = 0;
  for (uint32_t t = kTokenizerTables; t < kTokenizerAllTables; ++t) {
    if (!tables_[t].empty()) n_more = t - kTokenizerTables + 1;
  }
  uint64_t bytes = sizeof(TokenizerHeader);
  if (n_more > 0) {
    header.more_tables = {static_cast<uint32_t>(bytes), n_more};
    bytes += n_more * sizeof(TokenizerTable);
  }
  for (uint32_t t = 0; t < kTokenizerAllTables; ++t) {
    if (tables_[t].empty()) continue;
    if (bytes + tables_[t].size() > kTokenizerMaxBytes - 8) {
      return ResourceExhausted("tokenizer tables of more than %" PRIu64 " bytes",
                               kTokenizerMaxBytes);
    }
    places_[t].offset = static_cast<uint32_t>(bytes);
    bytes = (bytes + tables_[t].size() + 7) / 8 * 8;
  }
  for (uint32_t t = 0; t < kTokenizerAllTables; ++t) {
    if (alias_[t] != 0) places_[t] = places_[alias_[t] - 1];
  }
  std::memcpy(header.tables, places_, sizeof(header.tables));
  header.total_bytes = bytes;
  std::vector<uint8_t> blob(bytes);
  std::memcpy(blob.data(), &header, sizeof(header));
  if (n_more > 0) {
    std::memcpy(blob.data() + header.more_tables.offset, places_ + kTokenizerTables,
                n_more * sizeof(TokenizerTable));
  }
  for (uint32_t t = 0; t < kTokenizerAllTables; ++t) {
    if (tables_[t].empty()) continue;
    std::memcpy(blob.data() + places_[t].offset, tables_[t].data(), tables_[t].size());
  }
  return blob;
}

}  // namespace samara
