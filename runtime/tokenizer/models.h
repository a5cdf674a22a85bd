// Pieces of text -> ids where no merges are: unigram and WordPiece; and normalizer steps that look
// a text up. All time is linear in the piece, but for the longest token.
#ifndef SAMARA_RUNTIME_TOKENIZER_MODELS_H_
#define SAMARA_RUNTIME_TOKENIZER_MODELS_H_

#include <cstdint>

#include "runtime/tokenizer/splitter.h"
#include "runtime/tokenizer/tables.h"

namespace samara {

// Ids for the caller's buffer; those that do not fit are counted.
struct IdSink {
  int32_t* ids;
  uint64_t capacity;
  uint64_t count = 0;

  void Emit(uint32_t id) {
    if (count < capacity) ids[count] = static_cast<int32_t>(id);
    ++count;
  }
};

// The cut with the highest sum of scores. `scratch`: 16 bytes for each byte of the piece and 16
// more, 8-aligned.
void EncodeUnigram(const TokenizerView& view, const TextPiece& piece, void* scratch, IdSink* sink);
// The longest token, again and again; all but the first behind the continuation prefix. `scratch`:
// 4 bytes for each byte of the piece.
void EncodeWordPiece(const TokenizerView& view, const TextPiece& piece, uint32_t* scratch,
                     IdSink* sink);

// A text and what marks its bytes (null: nothing), before and after a step.
struct MarkedText {
  const uint8_t* begin;
  const uint8_t* end;
  const uint8_t* mask;
  bool lost_first = false;  // its first character is gone
};
// Writes to `out` and `out_mask`. False: a value is longer than the step promises.
bool ApplyMap(const TokenizerView& view, const NormalizerStep& step, uint8_t* out,
              uint8_t* out_mask, MarkedText* text);
// False: the automaton is over its budget of steps.
bool ReplaceMatches(const TokenizerView& view, const NormalizerStep& step, uint8_t* out,
                    uint8_t* out_mask, MarkedText* text);

}  // namespace samara

#endif  // SAMARA_RUNTIME_TOKENIZER_MODELS_H_
