#include <algorithm>
#include <cstring>
#include <string_view>

#include "runtime/tokenizer/tables.h"

namespace samara {
namespace {

constexpr uint64_t kSaturated = uint64_t{1} << 62;

uint64_t AlignUp(uint64_t n) { return (n + 63) / 64 * 64; }

}  // namespace

bool TextGrowth::Check() const {
  return std::max(valid_, invalid_) <= kTokenizerMaxGrowth && add_ <= kSaturated;
}

bool TextGrowth::Replace(const uint8_t* a, uint32_t a_bytes, uint32_t b_bytes) {
  if (a_bytes == 0) return false;
  const uint64_t ratio = std::max<uint64_t>(1, (b_bytes + uint64_t{a_bytes} - 1) / a_bytes);
  const std::string_view pattern(reinterpret_cast<const char*>(a), a_bytes);
  valid_ *= ratio;
  // Patterns are well-formed, so they touch a U+FFFD only if they contain one.
  if (pattern.find("\xEF\xBF\xBD") != std::string_view::npos) invalid_ *= ratio;
  add_ *= ratio;
  return Check();
}

bool TextGrowth::Step(const TokenizerView& view, const NormalizerStep& step) {
  switch (step.kind) {
    case kNormPrepend:
      add_ += step.a_bytes;
      return Check();
    case kNormReplace:
      return Replace(view.String(step.a_offset), step.a_bytes, step.b_bytes);
    case kNormNfc:
      valid_ *= 3;  // CheckTokenizer: no decomposition is longer
      add_ *= 3;
      return Check();
    default:
      return false;
  }
}

bool TextGrowth::Stage(const TokenizerView& view, const PreTokenizerStage& stage) {
  switch (stage.kind) {
    case kStageSplit:
      return true;
    case kStagePrefix:
    case kStagePrefixFirst:
      add_ += stage.a_bytes;
      return Check();
    case kStageReplace:
      return Replace(view.String(stage.a_offset), stage.a_bytes, stage.b_bytes);
    default:
      return false;
  }
}

uint64_t TextGrowth::Bytes(uint64_t text_bytes) const {
  if (text_bytes >= kSaturated / kTokenizerMaxGrowth) return kSaturated;
  return text_bytes * std::max(valid_, invalid_) + add_;
}

EncodeLayout LayoutFor(const TokenizerView& view, uint64_t text_bytes) {
  EncodeLayout layout;
  TextGrowth growth;
  layout.sanitized = AlignUp(growth.Bytes(text_bytes));
  const auto steps = view.Span<NormalizerStep>(kTableNormSteps);
  for (const NormalizerStep& step : steps)
    (void)growth.Step(view, step);  // CheckTokenizer checked the bounds
  if (!steps.empty()) layout.normalized = AlignUp(growth.Bytes(text_bytes));
  const auto stages = view.Span<PreTokenizerStage>(kTableStages);
  uint64_t total = layout.sanitized + 2 * layout.normalized;
  for (size_t i = 0; i < stages.size(); ++i) {
    (void)growth.Stage(view, stages[i]);
    if (stages[i].kind != kStageSplit) layout.stage[i] = AlignUp(growth.Bytes(text_bytes));
    total = std::min(kSaturated, total + layout.stage[i]);
  }
  layout.max_bytes = growth.Bytes(text_bytes);
  // The 64 are for aligning the caller's pointer.
  const uint64_t symbols = std::min(kSaturated / kSymbolBytes, layout.max_bytes) * kSymbolBytes;
  layout.total = std::min(kSaturated, total + AlignUp(symbols) + 64);
  return layout;
}

}  // namespace samara
