// Errors, budgets, memory, and text with its marks.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <functional>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {

// --- Errors and budgets ------------------------------------------------------------------------------

bool Evaluator::FailWith(StatusCode code, const char* format, va_list list) {
  if (failed()) return false;
  code_ = code;
  int n = 0;
  if (line_ != 0) n = std::snprintf(error_, sizeof error_, "template: line %u: ", line_);
  std::vsnprintf(error_ + n, sizeof error_ - static_cast<size_t>(n), format, list);
  return false;
}

bool Evaluator::Fail(const char* format, ...) {
  va_list list;
  va_start(list, format);
  FailWith(StatusCode::kInvalidArgument, format, list);
  va_end(list);
  return false;
}

bool Evaluator::FailCode(StatusCode code, const char* format, ...) {
  va_list list;
  va_start(list, format);
  FailWith(code, format, list);
  va_end(list);
  return false;
}

bool Evaluator::FailUnsupported(const char* what) {
  return FailCode(StatusCode::kUnsupported, "%s is not supported", what);
}

bool Evaluator::Steps(uint64_t n) {
  if (n <= steps_) {
    steps_ -= n;
    return true;
  }
  steps_ = 0;
  return FailCode(StatusCode::kResourceExhausted, "more than %llu steps",
                  static_cast<unsigned long long>(options_.max_steps));
}

bool Evaluator::Deeper() {
  if (++depth_ <= max_depth_) return Steps(1);
  return FailCode(StatusCode::kResourceExhausted, "evaluation nested more than %u deep",
                  max_depth_);
}

// --- Memory ------------------------------------------------------------------------------------------

bool Evaluator::Exhausted() {
  return FailCode(StatusCode::kResourceExhausted, "%sthe work memory is used up",
                  line_ == 0 ? "JSON: " : "");
}

void* Evaluator::Allocate(size_t bytes) {
  const size_t rounded = (bytes + 7) & ~size_t{7};
  if (rounded < bytes || rounded > high_ - low_) {
    Exhausted();
    return nullptr;
  }
  std::byte* p = work_ + low_;
  low_ += rounded;
  return p;
}

void* Evaluator::AllocateZero(size_t n, size_t size) {
  if (n > SIZE_MAX / 2 / size) {
    Exhausted();
    return nullptr;
  }
  void* p = Allocate(n * size);
  if (p) std::memset(p, 0, n * size);
  return p;
}

void Evaluator::Release(const Scratch& scratch) {
  // What a namespace got to know in between, and text under construction, must stay.
  const std::byte* const mark = work_ + scratch.low;
  const bool in_use = reinterpret_cast<std::byte*>(output_->bytes) + output_->capacity > mark &&
                      output_ != &result_;
  if (scratch.escapes != escapes_ || in_use) return;
  low_ = scratch.low;
  for (Tail& tail : tails_) {
    if (reinterpret_cast<const std::byte*>(tail.limit) > mark) tail = {};
  }
}

void Evaluator::Escape(const Value& v) {
  const bool text = v.IsString() || v.Is(Kind::kUndefined) || v.Is(Kind::kBigInt);
  if (text ? InWork(v.s) : v.kind > Kind::kString) ++escapes_;
}

bool Evaluator::Push(const Value& v) {
  if (high_ - low_ < sizeof(Value)) return Exhausted();
  high_ -= sizeof(Value);
  std::memcpy(work_ + high_, &v, sizeof v);
  return true;
}

bool Evaluator::TakeList(size_t mark, ListKind kind, Value* out, uint8_t flags) {
  const size_t n = (mark - high_) / sizeof(Value);
  List* list = n > kMaxElements ? nullptr : Make<List>();
  if (!list) return Exhausted();
  Value* const top = reinterpret_cast<Value*>(work_ + high_);
  std::reverse(top, top + n);
  // The place below may reach into the stack, which ends here.
  high_ = mark;
  if (low_ + n * sizeof(Value) > mark) return Exhausted();
  Value* items = reinterpret_cast<Value*>(work_ + low_);
  std::memmove(static_cast<void*>(items), top, n * sizeof(Value));
  low_ += n * sizeof(Value);
  *list = {items, static_cast<uint32_t>(n), kind, false};
  *out = Value();
  out->kind = Kind::kList;
  out->flags = flags;
  out->list = list;
  return Steps(n / 8);
}

// --- Marks -------------------------------------------------------------------------------------------
//
// Whether a byte of text is data is told by its address: the JSON text is data, the template and what
// the host gives is not, and the work memory has a bit for each byte.

bool Evaluator::InWork(const char* s) const {
  const auto* p = reinterpret_cast<const std::byte*>(s);
  return std::less_equal<const std::byte*>()(work_, p) &&
         std::less<const std::byte*>()(p, work_ + size_);
}

size_t Evaluator::RunOf(const char* s, size_t n, bool* data) const {
  if (!InWork(s)) {
    *data = std::less_equal<const char*>()(json_.data(), s) &&
            std::less<const char*>()(s, json_.data() + json_.size());
    return n;
  }
  const size_t first = static_cast<size_t>(reinterpret_cast<const std::byte*>(s) - work_);
  const auto bit = [&](size_t i) { return (bits_[i / 8] >> i % 8 & 1) != 0; };
  *data = bit(first);
  const uint8_t whole = *data ? 0xFF : 0;
  size_t i = first + 1;
  while (i < first + n) {
    if (i % 8 == 0 && first + n - i >= 8 && bits_[i / 8] == whole) {
      i += 8;
    } else if (bit(i) == *data) {
      ++i;
    } else {
      break;
    }
  }
  return i - first;
}

bool Evaluator::AllData(const Value& string) const {
  bool data = false;
  return RunOf(string.s, string.n, &data) == string.n && data;
}

void Evaluator::SetMarks(const char* s, size_t n, bool data) {
  size_t i = static_cast<size_t>(reinterpret_cast<const std::byte*>(s) - work_);
  const size_t end = i + n;
  const auto set = [&] {
    const uint8_t mask = static_cast<uint8_t>(1u << i % 8);
    bits_[i / 8] = static_cast<uint8_t>(data ? bits_[i / 8] | mask : bits_[i / 8] & ~mask);
    ++i;
  };
  while (i < end && i % 8 != 0) set();
  if (end - i >= 8) {
    std::memset(bits_ + i / 8, data ? 0xFF : 0, (end - i) / 8);
    i += (end - i) / 8 * 8;
  }
  while (i < end) set();
}

// --- Buffers -----------------------------------------------------------------------------------------

bool Evaluator::Grow(Buffer* buffer, size_t more) {
  const size_t used = buffer->used;
  if (more > kMaxText - used) return Exhausted();
  const size_t wanted = used + more;
  auto* const end = reinterpret_cast<std::byte*>(buffer->bytes) + buffer->capacity;
  if (buffer->bytes && end == work_ + low_) {
    // What lies last in memory grows where it is.
    if (!Allocate(wanted - buffer->capacity)) return false;
  } else {
    size_t capacity = std::max(wanted, used * 2);
    if (capacity > std::min(high_ - low_, kMaxText)) capacity = wanted;
    char* bytes = static_cast<char*>(Allocate(capacity));
    Buffer moved{bytes, 0, capacity};
    if (!bytes) return false;
    if (used > 0 && !AppendString(&moved, String({buffer->bytes, used}))) return false;
    *buffer = moved;
  }
  buffer->capacity =
      static_cast<size_t>(work_ + low_ - reinterpret_cast<std::byte*>(buffer->bytes));
  return true;
}

bool Evaluator::Append(Buffer* buffer, std::string_view s, bool data) {
  const size_t begin = buffer->used, end = begin + s.size();
  if (s.empty()) return true;
  if (!Work(s.size())) return false;
  if (buffer != &result_) {
    if (s.size() > buffer->capacity - begin && !Grow(buffer, s.size())) return false;
    std::memcpy(buffer->bytes + begin, s.data(), s.size());
    SetMarks(buffer->bytes + begin, s.size(), data);
    buffer->used = end;
    return true;
  }
  if (end > options_.max_output) {
    return FailCode(StatusCode::kResourceExhausted, "more than %zu bytes of text",
                    options_.max_output);
  }
  if (begin < buffer->capacity) {
    std::memcpy(buffer->bytes + begin, s.data(), std::min(s.size(), buffer->capacity - begin));
  }
  buffer->used = end;
  if (!data) return true;
  if (n_spans_ > 0 && span_end_ == begin) {
    if (n_spans_ <= spans_.size()) spans_[n_spans_ - 1].end = end;
  } else {
    if (n_spans_ < spans_.size()) spans_[n_spans_] = {begin, end};
    ++n_spans_;
  }
  span_end_ = end;
  return true;
}

bool Evaluator::AppendString(Buffer* buffer, const Value& string) {
  for (size_t i = 0; i < string.n;) {
    bool data = false;
    const size_t n = RunOf(string.s + i, string.n - i, &data);
    if (!Append(buffer, {string.s + i, n}, data) || !Steps(1)) return false;
    i += n;
  }
  return true;
}

bool Evaluator::Finish(const Buffer& buffer, Value* out) {
  *out = String({buffer.bytes, buffer.used});
  return true;
}

bool Evaluator::Concatenate(const Value* parts, uint32_t n, Value* out) {
  size_t more = 0;
  uint8_t markup = 0;
  for (uint32_t i = 0; i < n; ++i) {
    more += i > 0 ? parts[i].n : 0;
    markup |= parts[i].flags & kFlagMarkup;
  }
  Buffer buffer;
  uint32_t next = 0;
  Tail* open = &tails_[next_tail_];
  bool goes_on = false;
  for (Tail& tail : tails_) {
    if (!markup && parts[0].n > 0 && tail.end == parts[0].s + parts[0].n) {
      goes_on = true;
      open = &tail;
    }
  }
  if (goes_on && static_cast<size_t>(open->limit - open->end) >= more) {
    // The text that the first part is the end of goes on: building a text bit by bit is linear.
    buffer = {const_cast<char*>(parts[0].s), parts[0].n,
              static_cast<size_t>(open->limit - parts[0].s)};
    next = 1;
  } else {
    // A text that goes on for a second time is likely to do so again.
    const size_t total = parts[0].n + more;
    if (!Grow(&buffer, goes_on && total < (high_ - low_) / 8 ? total * 2 : total)) return false;
  }
  for (; next < n; ++next) {
    const bool escape = markup && !(parts[next].flags & kFlagMarkup);
    if (!(escape ? AppendEscaped(&buffer, parts[next]) : AppendString(&buffer, parts[next]))) {
      return false;
    }
  }
  if (!goes_on) next_tail_ = (next_tail_ + 1) % kTails;
  *open = {buffer.bytes + buffer.used, buffer.bytes + buffer.capacity};
  *out = String({buffer.bytes, buffer.used}, markup);
  return true;
}

bool Evaluator::AppendEscaped(Buffer* buffer, const Value& string) {
  const std::string_view s = string.text();
  for (size_t i = 0; i < s.size();) {
    const size_t special = std::min(s.find_first_of("&<>'\"", i), s.size());
    if (!AppendString(buffer, Part(string, i, special - i))) return false;
    if (special == s.size()) break;
    const char c = s[special];
    const char* entity = c == '&'    ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '\'' ? "&#39;"
                                     : "&#34;";
    if (!Append(buffer, entity, AllData(Part(string, special, 1)))) return false;
    i = special + 1;
  }
  return true;
}

// --- Searching ---------------------------------------------------------------------------------------

namespace {
// Bytes that are equal at both places, up to n.
size_t EqualBytes(const char* a, const char* b, size_t n) {
  size_t i = 0;
  while (i < n && a[i] == b[i]) ++i;
  return i;
}
}  // namespace

bool Evaluator::Find(std::string_view text, std::string_view what, size_t from, size_t* at) {
  *at = kNotFound;
  if (from > text.size() || what.size() > text.size() - from) return true;
  if (what.empty()) return *at = from, true;
  const size_t last = text.size() - what.size();
  size_t looked = 0;
  for (size_t i = from; i <= last; ++i) {
    const void* found = std::memchr(text.data() + i, what[0], last - i + 1);
    const size_t next =
        found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : last + 1;
    looked += next - i;
    i = next;
    if (i > last) break;
    const size_t equal = EqualBytes(text.data() + i, what.data(), what.size());
    looked += 8 + equal;
    if (equal == what.size()) {
      *at = i;
      break;
    }
    if (looked > 65536) {
      if (!Work(looked)) return false;
      looked = 0;
    }
  }
  return Work(looked);
}

bool Evaluator::FindLast(std::string_view text, std::string_view what, size_t end, size_t* at) {
  *at = kNotFound;
  end = std::min(end, text.size());
  if (what.size() > end) return true;
  size_t looked = 0;
  for (size_t i = end - what.size() + 1; i-- > 0;) {
    const size_t equal = EqualBytes(text.data() + i, what.data(), what.size());
    looked += 4 * (1 + equal);
    if (equal == what.size()) {
      *at = i;
      break;
    }
    if (looked > 65536) {
      if (!Work(looked)) return false;
      looked = 0;
    }
  }
  return Work(looked);
}

bool Evaluator::CountCharacters(std::string_view text, size_t* n) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  *n = count;
  return Work(text.size() * 4);  // and for finding the place of one of them
}

size_t Evaluator::OffsetOf(std::string_view text, size_t character) const {
  size_t i = 0;
  for (; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && character-- == 0) break;
  }
  return i;
}

int FindWord(const char* words, std::string_view word) {
  for (int i = 0; *words; ++i) {
    const size_t n = std::strlen(words);
    if (word == std::string_view(words, n)) return i;
    words += n + 1;
  }
  return -1;
}

const char* WordAt(const char* words, uint32_t i) {
  while (i-- > 0) words += std::strlen(words) + 1;
  return words;
}

// --- Results -----------------------------------------------------------------------------------------

bool Give(Value v, Value* out) { return *out = v, true; }
bool GiveInt(int64_t i, Value* out) { return *out = Int(i), true; }
bool GiveBool(bool b, Value* out) { return *out = Bool(b), true; }

}  // namespace samara::template_runtime
