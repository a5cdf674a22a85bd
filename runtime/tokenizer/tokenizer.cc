#include "runtime/tokenizer/tokenizer.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "runtime/tokenizer/tables.h"

namespace samara {
namespace {

// Collects the output of one call and counts what does not fit.
class TextSink {
 public:
  TextSink(char* out, uint64_t capacity, bool strip_space, bool* started)
      : out_(out), capacity_(capacity), strip_space_(strip_space), started_(started) {}

  void Put(const uint8_t* bytes, uint64_t n) {
    if (n == 0) return;
    if (strip_space_ && !*started_ && bytes[0] == ' ') {
      ++bytes;
      --n;
    }
    *started_ = true;
    if (n == 0) return;
    if (n <= capacity_ - std::min(capacity_, written_)) std::memcpy(out_ + written_, bytes, n);
    written_ += n;
  }
  void PutReplacement() { Put(kReplacementBytes, 3); }

  uint64_t written() const { return written_; }
  bool full() const { return written_ > capacity_; }

 private:
  char* const out_;
  const uint64_t capacity_;
  const bool strip_space_;
  bool* const started_;
  uint64_t written_ = 0;
};

// Raw bytes: complete characters pass, the last unfinished one waits, and what is ill-formed
// becomes U+FFFD, one for each maximal subpart, or one a byte.
void PutBytes(const uint8_t* bytes, uint64_t n, bool each_byte, DecodeState* state,
              TextSink* sink) {
  // At most 3 bytes wait, so a character that they begin ends among the first 3 new bytes.
  uint64_t used = 0;
  while (state->n_pending > 0 && used < n) {
    state->pending[state->n_pending++] = bytes[used++];
    const Utf8Char c = DecodeUtf8(state->pending, state->pending + state->n_pending);
    if (c.truncated) continue;
    if (c.valid) {
      sink->Put(state->pending, state->n_pending);
      state->n_pending = 0;
    } else {
      // The new byte does not belong to them: it begins something else.
      for (uint32_t i = 0; i < (each_byte ? state->n_pending - 1u : 1u); ++i)
        sink->PutReplacement();
      state->n_pending = 0;
      --used;
      break;
    }
  }
  const uint8_t* p = bytes + used;
  const uint8_t* const end = bytes + n;
  const uint8_t* run = p;
  while (p < end) {
    const Utf8Char c = DecodeUtf8(p, end);
    if (c.valid) {
      p += c.bytes;
      continue;
    }
    sink->Put(run, static_cast<uint64_t>(p - run));
    if (c.truncated) {
      state->n_pending = c.bytes;
      std::memcpy(state->pending, p, c.bytes);
    } else {
      for (uint32_t i = 0; i < (each_byte ? c.bytes : 1u); ++i) sink->PutReplacement();
    }
    p += c.bytes;
    run = p;
  }
  sink->Put(run, static_cast<uint64_t>(p - run));
}

void Flush(bool each_byte, DecodeState* state, TextSink* sink) {
  const uint32_t n = state->n_pending == 0 ? 0 : each_byte ? state->n_pending : 1;
  for (uint32_t i = 0; i < n; ++i) sink->PutReplacement();
  state->n_pending = 0;
}

}  // namespace

Status Tokenizer::Init(std::span<const uint8_t> tables) {
  SAMARA_RETURN_IF_ERROR(CheckTokenizer(tables));
  tables_ = tables.data();
  bytes_ = tables.size();
  return {};
}

uint32_t Tokenizer::vocab() const { return TokenizerView(tables_).header().vocab; }

int32_t Tokenizer::bos() const {
  return static_cast<int32_t>(TokenizerView(tables_).header().bos_id);
}

bool Tokenizer::IsSpecial(int32_t id) const {
  const TokenizerView view(tables_);
  return id >= 0 && static_cast<uint32_t>(id) < view.header().vocab &&
         (view.Attributes(static_cast<uint32_t>(id)) & kTokenSpecial) != 0;
}

// Room for what waits: three U+FFFD and a space. A caller's buffer is four times this.
uint64_t Tokenizer::MaxTokenBytes() const {
  return std::max<uint64_t>(16, TokenizerView(tables_).header().max_text_bytes);
}

Status Tokenizer::DecodeOne(int32_t id, bool special, DecodeState* state, char* out,
                            uint64_t capacity, uint64_t* n_bytes) const {
  const TokenizerView view(tables_);
  const TokenizerHeader& h = view.header();
  *n_bytes = 0;
  if (id < 0 || static_cast<uint32_t>(id) >= h.vocab) {
    return InvalidArgument("token id %d, vocabulary %u", id, h.vocab);
  }
  if (state->n_pending > 3)
    return InvalidArgument("decode state holds %u bytes, wanted at most 3", state->n_pending);
  const uint32_t index = static_cast<uint32_t>(id);
  const uint8_t attributes = view.Attributes(index);
  if ((attributes & kTokenUnused) != 0 || ((attributes & kTokenSpecial) != 0 && !special))
    return {};

  DecodeState next = *state;
  TextSink sink(out, capacity, view.Has(kFlagDecodeStripSpace), &next.started);
  const std::span<const uint8_t> text = view.Text(index);
  if (view.Has(kFlagDecodeBytes)) {
    PutBytes(text.data(), text.size(), false, &next, &sink);
  } else if ((attributes & kTokenByte) != 0) {
    PutBytes(text.data(), text.size(), true, &next, &sink);
  } else {
    Flush(true, &next, &sink);
    if (view.Has(kFlagDecodeJoinSpace) && next.started)
      sink.Put(reinterpret_cast<const uint8_t*>(" "), 1);
    if (view.Has(kFlagDecodeFirstKey) && !next.started) {
      sink.Put(view.Key(index).data(), view.Key(index).size());
    } else if (view.Has(kFlagDecodeFirstToken) && !next.started) {
      const std::span<const uint8_t> key = view.Key(index);
      const uint8_t* const marker = view.String(h.marker_offset);
      for (size_t i = 0; i < key.size();) {
        if (key.size() - i >= h.marker_bytes && std::memcmp(&key[i], marker, h.marker_bytes) == 0) {
          i += h.marker_bytes;
        } else {
          sink.Put(&key[i++], 1);
        }
      }
    } else {
      sink.Put(text.data(), text.size());
    }
  }
  // Here the first token is the first token, also when it has no text.
  if (view.Has(kFlagDecodeJoinSpace | kFlagDecodeFirstToken | kFlagDecodeFirstKey))
    next.started = true;
  if (sink.full()) {
    return ResourceExhausted("text of token %d has %" PRIu64 " bytes, there is room for %" PRIu64,
                             id, sink.written(), capacity);
  }
  *state = next;
  *n_bytes = sink.written();
  return {};
}

Status Tokenizer::DecodeFlush(DecodeState* state, char* out, uint64_t capacity,
                              uint64_t* n_bytes) const {
  const TokenizerView view(tables_);
  *n_bytes = 0;
  if (state->n_pending > 3)
    return InvalidArgument("decode state holds %u bytes, wanted at most 3", state->n_pending);
  DecodeState next = *state;
  TextSink sink(out, capacity, view.Has(kFlagDecodeStripSpace), &next.started);
  Flush(!view.Has(kFlagDecodeBytes), &next, &sink);
  if (sink.full()) {
    return ResourceExhausted("the last characters have %" PRIu64
                             " bytes, there is room for %" PRIu64,
                             sink.written(), capacity);
  }
  *state = next;
  *n_bytes = sink.written();
  return {};
}

}  // namespace samara
