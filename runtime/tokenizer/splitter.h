// Cuts one piece of text at the matches of an automaton. No memory but this.
#ifndef SAMARA_RUNTIME_TOKENIZER_SPLITTER_H_
#define SAMARA_RUNTIME_TOKENIZER_SPLITTER_H_

#include <cstdint>

#include "runtime/tokenizer/tables.h"

namespace samara {

struct TextPiece {
  const uint8_t* begin;
  const uint8_t* end;
  bool at_start;  // of the whole text
};

class Splitter {
 public:
  void Begin(const TokenizerView& view, const PreTokenizerStage& stage, const TextPiece& piece);
  // The next piece that is not empty; false at the end, or when the automaton is over its budget of
  // steps.
  bool Next(TextPiece* piece);
  bool exhausted() const { return exhausted_; }

  // A stretch of the text that is a match or lies between matches.
  struct Element {
    const uint8_t* begin;
    const uint8_t* end;
    bool is_match;
  };
  bool NextElement(Element* element);

 private:
  bool PeekElement(Element* element);
  const uint8_t* MatchAt(const uint8_t* p);

  const uint16_t* transitions_;
  const uint16_t* class_pages_;
  const uint8_t* classes_;
  const uint8_t* byte_classes_;  // null: the text is read as characters
  uint32_t columns_;
  uint32_t behavior_;
  bool invert_;
  bool at_start_;
  bool exhausted_;
  bool has_match_;
  bool has_peeked_;
  const uint8_t* begin_;
  const uint8_t* position_;
  const uint8_t* end_;
  const uint8_t* match_begin_;
  const uint8_t* match_end_;
  Element peeked_;
  uint64_t budget_;
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_TOKENIZER_SPLITTER_H_
