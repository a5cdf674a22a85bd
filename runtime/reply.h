// A reply: draws tokens one after the other and hands out their text, cut at stop strings and never
// inside a character. All its memory is this one block of the session.
#ifndef SAMARA_RUNTIME_REPLY_H_
#define SAMARA_RUNTIME_REPLY_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/status.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer/tokenizer.h"
#include "samara/samara.h"

namespace samara {

struct Session;

// Finds stop strings in text that comes in pieces, and holds back what may be the beginning of one.
class StopMatcher {
 public:
  void Clear() { n_stops_ = 0; }
  // Copies. INVALID_ARGUMENT for a stop string that is empty, too long or no UTF-8.
  Status Add(const char* stop);

  // Of `text`, bytes from `seen` on are new, and those before were held back. Returns the index of
  // the stop string that is complete first (of several that end at one byte, the longest), else -1.
  // *shown: bytes before that, or those that cannot belong to one that is still to come.
  int32_t Match(std::string_view text, uint64_t seen, uint64_t* shown) const;
  // The one that equals `text`, or -1.
  int32_t Find(std::string_view text) const;

 private:
  std::string_view stop(uint32_t i) const { return {stops_[i], bytes_[i]}; }

  uint32_t n_stops_ = 0;
  uint16_t bytes_[SAMARA_MAX_STOPS] = {};
  char stops_[SAMARA_MAX_STOPS][SAMARA_MAX_STOP_BYTES] = {};
};

struct Reply {
  // The text of a token, with U+FFFD for each of its bytes at worst, behind what is held back.
  static constexpr uint32_t kTextBytes = 4096 + SAMARA_MAX_STOP_BYTES;

  bool begun = false;      // statistics can be read
  bool under_way = false;  // begun, and neither finished nor ended by another call
  bool drawn = false;      // a first token was
  uint64_t max_tokens = 0;
  bool logprobs = false, ignore_eos = false, special = false;
  uint32_t n_top = 0;
  uint32_t n_biases = 0;
  StopMatcher stops;
  DecodeState decode;
  uint32_t n_text = 0, n_shown = 0;  // bytes of `text`; those that the last event pointed to

  uint64_t computed_before = 0;  // tokens of the session at begin
  uint64_t prompt_tokens = 0, n_tokens = 0;
  int64_t begin_time = 0;  // nanoseconds
  double first_token_seconds = 0, prefill_seconds = 0, decode_seconds = 0;

  TokenBias biases[SAMARA_MAX_LOGIT_BIAS] = {};
  samara_logprob top[SAMARA_MAX_TOP_LOGPROBS] = {};
  char text[kTextBytes] = {};
};

Status BeginReply(Session* session, const samara_reply_options& options);
// Takes the model's lock itself, for each step of the prompt anew.
Status NextReply(Session* session, samara_reply_event* event);

}  // namespace samara

#endif  // SAMARA_RUNTIME_REPLY_H_
