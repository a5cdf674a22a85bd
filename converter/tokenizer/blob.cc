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
  uint64_t bytes = sizeof(TokenizerHeader);
  for (uint32_t t = 0; t < kTokenizerTables; ++t) {
    if (tables_[t].empty()) continue;
    if (bytes + tables_[t].size() > kTokenizerMaxBytes - 8) {
      return ResourceExhausted("tokenizer tables of more than %" PRIu64 " bytes",
                               kTokenizerMaxBytes);
    }
    header.tables[t].offset = static_cast<uint32_t>(bytes);
    bytes = (bytes + tables_[t].size() + 7) / 8 * 8;
  }
  for (uint32_t t = 0; t < kTokenizerTables; ++t) {
    if (alias_[t] != 0) header.tables[t] = header.tables[alias_[t] - 1];
  }
  header.total_bytes = bytes;
  std::vector<uint8_t> blob(bytes);
  std::memcpy(blob.data(), &header, sizeof(header));
  for (uint32_t t = 0; t < kTokenizerTables; ++t) {
    if (tables_[t].empty()) continue;
    std::memcpy(blob.data() + header.tables[t].offset, tables_[t].data(), tables_[t].size());
  }
  return blob;
}

}  // namespace samara
