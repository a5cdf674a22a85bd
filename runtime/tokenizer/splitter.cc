#include "runtime/tokenizer/splitter.h"

namespace samara {
namespace {

// A sane automaton reads a character once or twice. One that keeps failing late would be quadratic:
// this bounds it.
constexpr uint64_t kStepsPerByte = 256;

}  // namespace

void Splitter::Begin(const TokenizerView& view, const PreTokenizerStage& stage,
                     const TextPiece& piece) {
  transitions_ = view.Table<uint16_t>(kTableTransitions) + stage.transitions;
  class_pages_ = view.Table<uint16_t>(kTableClassPages);
  classes_ = view.Table<uint8_t>(kTableClasses);
  byte_classes_ = stage.kind == kStageSplitBytes ? view.Table<uint8_t>(kTableByteClasses) : nullptr;
  columns_ = view.header().n_classes + 1;
  behavior_ = stage.behavior;
  invert_ = stage.invert != 0;
  at_start_ = piece.at_start;
  exhausted_ = has_match_ = has_peeked_ = false;
  begin_ = position_ = piece.begin;
  end_ = piece.end;
  budget_ = (static_cast<uint64_t>(piece.end - piece.begin) + 16) * kStepsPerByte;
}

// The end of the match that begins at p, or null.
const uint8_t* Splitter::MatchAt(const uint8_t* p) {
  const uint8_t* const begin = p;
  const uint8_t* last = nullptr;
  uint32_t state = 1;
  for (;;) {
    uint32_t cls, bytes = 1;
    if (p == end_) {
      cls = columns_ - 1;
    } else if (byte_classes_ != nullptr) {
      cls = byte_classes_[*p];
    } else if (*p < 0x80) {
      cls = classes_[class_pages_[0] * 256u + *p];
    } else {
      const Utf8Char c = DecodeUtf8(p, end_);
      cls = classes_[class_pages_[c.code_point >> 8] * 256u + (c.code_point & 255)];
      bytes = c.bytes;
    }
    const uint16_t t = transitions_[state * columns_ + cls];
    if ((t & kTransitionMatch) != 0) last = p;
    state = t & ~kTransitionMatch & 0xFFFF;
    if (state == 0 || p == end_) break;
    if (--budget_ == 0) {
      exhausted_ = true;
      return nullptr;
    }
    p += bytes;
  }
  return last == begin ? nullptr : last;
}

bool Splitter::NextElement(Element* element) {
  if (has_peeked_) {
    has_peeked_ = false;
    *element = peeked_;
    return true;
  }
  if (position_ == end_ || exhausted_) return false;
  if (!has_match_) {
    match_begin_ = position_;
    match_end_ = nullptr;
    while (match_begin_ < end_ && (match_end_ = MatchAt(match_begin_)) == nullptr) {
      if (exhausted_) return false;
      match_begin_ += byte_classes_ != nullptr ? 1 : DecodeUtf8(match_begin_, end_).bytes;
    }
    has_match_ = match_begin_ < end_;
    if (position_ < match_begin_) {
      *element = {position_, match_begin_, invert_};
      position_ = match_begin_;
      return true;
    }
  }
  *element = {match_begin_, match_end_, !invert_};
  position_ = match_end_;
  has_match_ = false;
  return true;
}

bool Splitter::PeekElement(Element* element) {
  if (!has_peeked_) has_peeked_ = NextElement(&peeked_);
  if (has_peeked_) *element = peeked_;
  return has_peeked_;
}

bool Splitter::Next(TextPiece* piece) {
  Element e, next;
  do {
    if (!NextElement(&e)) return false;
  } while (behavior_ == kSplitRemoved && e.is_match);
  switch (behavior_) {
    case kSplitMergedWithPrevious:
    case kSplitMergedWithNext:
      // A match joins what is not a match beside it; the second of two matches in a row stays
      // alone.
      if (e.is_match == (behavior_ == kSplitMergedWithNext) && PeekElement(&next) &&
          next.is_match != e.is_match) {
        e.end = next.end;
        has_peeked_ = false;
      }
      break;
    case kSplitContiguous:
      while (PeekElement(&next) && next.is_match == e.is_match) {
        e.end = next.end;
        has_peeked_ = false;
      }
      break;
    default:
      break;
  }
  *piece = {e.begin, e.end, at_start_ && e.begin == begin_};
  return !exhausted_;
}

}  // namespace samara
