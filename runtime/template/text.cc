// Memory, budgets, and strings with their marks.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "runtime/template/evaluator.h"

namespace samara::template_runtime {

// --- Budgets and errors ------------------------------------------------------------------------------

bool Evaluator::FailStatus(Status status) {
  if (status_.ok()) status_ = std::move(status);
  return false;
}

bool Evaluator::Fail(const char* format, ...) {
  if (!status_.ok()) return false;
  char text[512];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  return FailStatus(InvalidArgument("template: line %u: %s", line_, text));
}

bool Evaluator::FailUnsupported(const char* what) {
  return FailStatus(Unsupported("template: line %u: %s is not supported", line_, what));
}

bool Evaluator::Steps(uint64_t n) {
  if (n <= steps_) {
    steps_ -= n;
    return true;
  }
  steps_ = 0;
  return FailStatus(ResourceExhausted("template: line %u: more than %llu steps", line_,
                                      static_cast<unsigned long long>(options_.max_steps)));
}

bool Evaluator::Deeper() {
  if (++depth_ <= std::min(options_.max_depth, 1000u)) return Steps(1);
  return FailStatus(ResourceExhausted("template: line %u: evaluation nested more than %u deep",
                                      line_, std::min(options_.max_depth, 1000u)));
}

// --- Memory ------------------------------------------------------------------------------------------

void* Evaluator::Exhausted() {
  FailStatus(ResourceExhausted("template: line %u: the work memory is used up", line_));
  return nullptr;
}

void* Evaluator::Allocate(size_t bytes) {
  const size_t rounded = (bytes + 7) & ~size_t{7};
  if (rounded < bytes || rounded > high_ - low_) return Exhausted();
  std::byte* p = work_ + low_;
  low_ += rounded;
  return p;
}

bool Evaluator::Push(const Value& v) {
  if (high_ - low_ < sizeof(Value)) return Exhausted() != nullptr;
  high_ -= sizeof(Value);
  new (work_ + high_) Value(v);
  return true;
}

bool Evaluator::TakeList(size_t mark, ListKind kind, Value* out, uint8_t flags) {
  const size_t n = (mark - high_) / sizeof(Value);
  if (n > kMaxElements) return Exhausted() != nullptr;
  List* list = Make<List>();
  if (!list) return false;
  Value* const top = reinterpret_cast<Value*>(work_ + high_);
  std::reverse(top, top + n);
  // The place below may reach into the stack, which ends here.
  high_ = mark;
  if (low_ + n * sizeof(Value) > mark) return Exhausted() != nullptr;
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

// --- Buffers -----------------------------------------------------------------------------------------

bool Evaluator::Grow(Buffer* buffer, size_t more) {
  if (more > kMaxText - buffer->used) return Exhausted() != nullptr;
  const size_t wanted = buffer->used + more;
  // What lies last in memory grows where it is.
  if (buffer->bytes &&
      reinterpret_cast<std::byte*>(buffer->bytes) + buffer->capacity == work_ + low_ &&
      buffer->capacity % 8 == 0) {
    if (!Allocate(wanted - buffer->capacity)) return false;
    buffer->capacity =
        static_cast<size_t>(work_ + low_ - reinterpret_cast<std::byte*>(buffer->bytes));
    return true;
  }
  size_t capacity = std::max(wanted, buffer->used * 2);
  if (capacity > std::min(high_ - low_, kMaxText)) capacity = wanted;
  capacity = (capacity + 7) & ~size_t{7};
  char* bytes = static_cast<char*>(Allocate(capacity));
  if (!bytes) return false;
  if (buffer->used > 0) std::memcpy(bytes, buffer->bytes, buffer->used);
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  return Work(buffer->used);
}

void Evaluator::MarkData(Buffer* buffer, size_t begin, size_t end) {
  if (begin == end) return;
  if (buffer->last_end == begin && buffer->n_spans > 0) {
    if (buffer->n_spans <= buffer->span_capacity) buffer->spans[buffer->n_spans - 1].end = end;
    buffer->last_end = end;
    return;
  }
  if (buffer->n_spans >= buffer->span_capacity && !buffer->fixed) {
    const size_t capacity = buffer->n_spans * 2 + 2;
    TemplateSpan* spans = Make<TemplateSpan>(capacity);
    if (!spans) return;  // the error is noticed by whoever appends next
    std::copy(buffer->spans, buffer->spans + buffer->n_spans, spans);
    buffer->spans = spans;
    buffer->span_capacity = capacity;
  }
  if (buffer->n_spans < buffer->span_capacity) buffer->spans[buffer->n_spans] = {begin, end};
  ++buffer->n_spans;
  buffer->last_end = end;
}

bool Evaluator::Append(Buffer* buffer, std::string_view s, bool data) {
  if (s.empty()) return status_.ok();
  if (!Work(s.size())) return false;
  const size_t begin = buffer->used;
  if (buffer->fixed) {
    if (s.size() > options_.max_output - std::min(options_.max_output, begin)) {
      return FailStatus(ResourceExhausted("template: line %u: more than %zu bytes of text", line_,
                                          options_.max_output));
    }
    if (begin < buffer->capacity) {
      std::memcpy(buffer->bytes + begin, s.data(), std::min(s.size(), buffer->capacity - begin));
    }
  } else {
    if (s.size() > buffer->capacity - begin && !Grow(buffer, s.size())) return false;
    std::memcpy(buffer->bytes + begin, s.data(), s.size());
  }
  buffer->used = begin + s.size();
  if (data) MarkData(buffer, begin, buffer->used);
  return status_.ok();
}

bool Evaluator::AppendString(Buffer* buffer, const Value& string) {
  const size_t begin = buffer->used;
  const Buffer* const from = string.buffer;
  if (!Append(buffer, string.text(), !from && (string.flags & kFlagData) != 0)) return false;
  if (!from) return true;
  const size_t first = static_cast<size_t>(string.s - from->bytes), last = first + string.n;
  const TemplateSpan* span =
      std::partition_point(from->spans, from->spans + from->n_spans,
                           [first](const TemplateSpan& s) { return s.end <= first; });
  // Its spans may become more while they are copied if both are the same text; they lie behind.
  for (const TemplateSpan* end = from->spans + from->n_spans; span < end && span->begin < last;
       ++span) {
    MarkData(buffer, begin + std::max(span->begin, first) - first,
             begin + std::min(span->end, last) - first);
    if (!Steps(1)) return false;
  }
  return status_.ok();
}

bool Evaluator::AllData(const Value& string) const {
  const Buffer* const from = string.buffer;
  if (!from) return (string.flags & kFlagData) != 0;
  const size_t first = static_cast<size_t>(string.s - from->bytes), last = first + string.n;
  const TemplateSpan* span =
      std::partition_point(from->spans, from->spans + from->n_spans,
                           [first](const TemplateSpan& s) { return s.end <= first; });
  return span < from->spans + from->n_spans && span->begin <= first && span->end >= last;
}

bool Evaluator::Finish(const Buffer& buffer, Value* out) {
  Buffer* kept = Make<Buffer>();
  if (!kept) return false;
  *kept = buffer;
  *out = String({buffer.bytes, buffer.used});
  out->buffer = kept;
  return true;
}

bool Evaluator::NewText(std::string_view s, Value* out, uint8_t flags) {
  char* bytes = static_cast<char*>(Allocate(s.size()));
  if (!bytes || !Work(s.size())) return false;
  std::memcpy(bytes, s.data(), s.size());
  *out = String({bytes, s.size()}, flags);
  return true;
}

bool Evaluator::Concatenate(const Value& left, const Value& right, Value* out) {
  const bool markup = ((left.flags | right.flags) & kFlagMarkup) != 0;
  if (!markup && right.n == 0) return *out = left, true;
  if (!markup && left.n == 0) return *out = right, true;
  Buffer* const buffer = left.buffer;
  if (!markup && buffer && left.s + left.n == buffer->bytes + buffer->used &&
      right.n <= buffer->capacity - buffer->used) {
    // The text that `left` is the end of goes on: building a text piece by piece stays linear.
    Value longer = left;
    longer.n += right.n;
    if (!AppendString(buffer, right)) return false;
    *out = longer;
    return true;
  }
  Buffer fresh;
  const size_t total = size_t{left.n} + right.n;
  // A text that was put together already is likely to grow on.
  if (!Grow(&fresh,
            buffer && !markup ? std::min(total * 2, std::max(total, (high_ - low_) / 4)) : total)) {
    return false;
  }
  for (const Value* part : {&left, &right}) {
    const bool escape = markup && !(part->flags & kFlagMarkup);
    if (!(escape ? AppendEscaped(&fresh, *part) : AppendString(&fresh, *part))) return false;
  }
  if (!Finish(fresh, out)) return false;
  if (markup) out->flags = kFlagMarkup;
  return true;
}

bool Evaluator::AppendEscaped(Buffer* buffer, const Value& string) {
  const std::string_view s = string.text();
  for (size_t i = 0; i < s.size();) {
    const size_t special = std::min(s.find_first_of("&<>'\"", i), s.size());
    if (!AppendString(buffer, Part(string, i, special - i))) return false;
    if (special == s.size()) break;
    const char c = s[special];
    const std::string_view entity = c == '&'    ? "&amp;"
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
    if (looked > 65536 && !Work(std::exchange(looked, 0))) return false;
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
    looked += 1 + equal;
    if (equal == what.size()) {
      *at = i;
      break;
    }
    if (looked > 65536 && !Work(std::exchange(looked, 0))) return false;
  }
  return Work(looked);
}

bool Evaluator::CountCharacters(std::string_view text, size_t* n) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  *n = count;
  return Work(text.size());
}

size_t Evaluator::OffsetOf(std::string_view text, size_t character) const {
  size_t i = 0;
  for (; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && character-- == 0) break;
  }
  return i;
}

}  // namespace samara::template_runtime
