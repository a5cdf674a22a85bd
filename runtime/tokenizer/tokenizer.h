// Tokenizer: one interpreter for every tokenizer that the converter compiles. It knows no model
// family.
//
// The converter (converter/tokenizer) turns a tokenizer.json into one block of tables
// (formats/tokenizer_tables.h): normalizer steps, pre-tokenizer automata (DFA over character
// classes), added and special tokens, vocabulary, merges as a hash table, decoder steps. The block
// lies in the package's tokenizer segment; the runtime copies it once, checks every index and
// length in it, and uses it in place.
//
// Time is linear in the text for splitting, O(n log n) for merges within one piece. No allocation:
// the caller brings the work area. Thread-safe: all functions are const.
#ifndef SAMARA_RUNTIME_TOKENIZER_TOKENIZER_H_
#define SAMARA_RUNTIME_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/status.h"
#include "samara/samara.h"

namespace samara {

struct EncodeOptions {
  bool add_special = true;  // BOS/EOS as the tokenizer's post-processor adds them
  bool parse_special =
      false;  // special tokens written in the text become their ids; else they are plain text
  // Ascending, apart, inside the text. No added token is recognized where it touches one of these
  // bytes, except those of nothing but white space (they are a tokenizer's way to write it).
  // Everything else is as without them.
  std::span<const samara_span> data = {};
};

// Bytes of a character that has not ended yet. Zero-initialize; belongs to the caller.
struct DecodeState {
  uint8_t pending[16] = {};
  uint8_t n_pending = 0;
  bool started = false;  // a token was decoded before (leading-space rules)
};

class Tokenizer {
 public:
  // Checks the tables (all of them, once) and keeps the pointer; `tables` is 8-aligned and outlives
  // this. kInvalidFile names the table and entry that is off. A Tokenizer holds no other memory.
  Status Init(std::span<const uint8_t> tables);

  uint32_t vocab() const;
  int32_t bos() const;  // -1: none
  // Ids that decode to nothing unless asked for (special added tokens).
  bool IsSpecial(int32_t id) const;

  // Bytes of work area that Encode wants for a text of this length. Depends on the tables:
  // normalizer steps may lengthen the text. Roughly 100 bytes a byte of text, of which most texts
  // touch a small part.
  uint64_t WorkBytes(uint64_t text_bytes) const;
  // Invalid UTF-8: each maximal ill-formed subsequence is treated as one U+FFFD, as lossy
  // conversions do (WHATWG, Rust, Python's errors="replace"). Writes at most `capacity` ids; *n_ids
  // is the number needed, more than capacity gives kResourceExhausted.
  Status Encode(std::string_view text, const EncodeOptions& options, std::span<uint8_t> work,
                int32_t* ids, uint64_t capacity, uint64_t* n_ids) const;

  // Appends the text of one id to `out` (at most `capacity` bytes, 4 * longest token is always
  // enough); holds back an unfinished UTF-8 sequence in `state`. Special tokens give no text unless
  // `special`.
  Status DecodeOne(int32_t id, bool special, DecodeState* state, char* out, uint64_t capacity,
                   uint64_t* n_bytes) const;
  // At the end of a reply: what is pending becomes U+FFFD.
  //
  // Ill-formed bytes: a byte-level tokenizer gives one U+FFFD for each maximal subpart,
  // byte-fallback tokens one for each byte. What is complete is never taken back when something
  // ill-formed follows.
  Status DecodeFlush(DecodeState* state, char* out, uint64_t capacity, uint64_t* n_bytes) const;
  uint64_t MaxTokenBytes() const;

 private:
  const uint8_t* tables_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_TOKENIZER_TOKENIZER_H_
