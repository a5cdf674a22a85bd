#include <algorithm>

#include "runtime/tokenizer/tables.h"

namespace samara {
namespace {

constexpr uint64_t kSaturated = TokenizerGrowth::kSaturated;

uint64_t AlignUp(uint64_t n) { return (n + 63) / 64 * 64; }

}  // namespace

EncodeLayout LayoutFor(const TokenizerView& view, uint64_t text_bytes) {
  EncodeLayout layout;
  TokenizerGrowth growth;
  const uint8_t* const strings = view.Table<uint8_t>(kTableStrings);
  layout.sanitized = AlignUp(growth.Bytes(text_bytes));
  const auto steps = view.Span<NormalizerStep>(kTableNormSteps);
  for (const NormalizerStep& step : steps)
    (void)growth.Step(step, strings);  // CheckTokenizer checked the bounds
  if (!steps.empty()) layout.normalized = AlignUp(growth.Bytes(text_bytes));
  const auto stages = view.Span<PreTokenizerStage>(kTableStages);
  uint64_t total = std::min(kSaturated, 2 * (layout.sanitized + 2 * layout.normalized));
  for (size_t i = 0; i < stages.size(); ++i) {
    (void)growth.Stage(stages[i], strings);
    if (stages[i].kind != kStageSplit && stages[i].kind != kStageSplitBytes)
      layout.stage[i] = AlignUp(growth.Bytes(text_bytes));
    total = std::min(kSaturated, total + layout.stage[i]);
  }
  layout.max_bytes = growth.Bytes(text_bytes);
  // The 64 are for aligning the caller's pointer, and for a unigram's end.
  const uint64_t symbols = std::min(kSaturated / kSymbolBytes, layout.max_bytes) * kSymbolBytes;
  layout.total = std::min(kSaturated, total + AlignUp(symbols + 16) + 64);
  return layout;
}

}  // namespace samara
