// The JSON text that a rendering works on, as Python's json.loads reads it. Strings without an escape
// stay where they are.
#include <charconv>
#include <cmath>
#include <cstring>

#include "runtime/template/evaluator.h"
#include "runtime/tokenizer/utf8.h"

namespace samara::template_runtime {
namespace {

constexpr uint32_t kMaxJsonDepth = 200;

}  // namespace

// One text; strings, lists and dicts go to the evaluator's memory.
class JsonReader {
 public:
  JsonReader(Evaluator* evaluator, std::string_view json) : e_(*evaluator), s_(json) {}

  bool Run(Value* out) {
    SkipSpace();
    if (!Read(out)) return false;
    SkipSpace();
    return at_ == s_.size() || Wanted("nothing behind the value");
  }

 private:
  bool Bad(size_t at, const char* what) {
    return e_.FailCode(StatusCode::kInvalidArgument, "JSON: byte %zu: %s", at, what);
  }
  bool Wanted(const char* what) {
    return e_.FailCode(StatusCode::kInvalidArgument, "JSON: byte %zu: wanted %s", at_, what);
  }
  char Peek() const { return at_ < s_.size() ? s_[at_] : '\0'; }
  bool Skip(char c) {
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  void SkipSpace() {
    while (at_ < s_.size() &&
           (s_[at_] == ' ' || s_[at_] == '\n' || s_[at_] == '\r' || s_[at_] == '\t')) {
      ++at_;
    }
  }
  bool Word(std::string_view word, const Value& value, Value* out) {
    if (!s_.substr(at_).starts_with(word)) return Wanted("a value");
    at_ += word.size();
    *out = WithFlags(value, kFlagData);
    return true;
  }

  bool Read(Value* out) {
    switch (Peek()) {
      case '{':
      case '[': {
        if (++depth_ > kMaxJsonDepth) return Bad(at_, "nested too deep");
        const bool good = s_[at_] == '{' ? Object(out) : Array(out);
        --depth_;
        return good;
      }
      case '"':
        return ReadString(out);
      case 't':
        return Word("true", Bool(true), out);
      case 'f':
        return Word("false", Bool(false), out);
      case 'n':
        return Word("null", None(), out);
      default:
        return Number(out);
    }
  }

  bool Array(Value* out) {
    ++at_;
    const size_t mark = e_.Mark();
    SkipSpace();
    if (!Skip(']')) {
      do {
        Value item;
        SkipSpace();
        if (!Read(&item) || !e_.Push(item)) return false;
        SkipSpace();
      } while (Skip(','));
      if (!Skip(']')) return Wanted("',' or ']'");
    }
    return e_.TakeList(mark, ListKind::kList, out, kFlagData);
  }

  bool Object(Value* out) {
    ++at_;
    const size_t mark = e_.Mark();
    SkipSpace();
    if (!Skip('}')) {
      do {
        Value key, value;
        SkipSpace();
        if (Peek() != '"') return Wanted("a key in quotes");
        if (!ReadString(&key)) return false;
        SkipSpace();
        if (!Skip(':')) return Wanted("':'");
        SkipSpace();
        if (!Read(&value) || !e_.Push(key) || !e_.Push(value)) return false;
        SkipSpace();
      } while (Skip(','));
      if (!Skip('}')) return Wanted("',' or '}'");
    }
    // Pairs lie behind each other from the stack's bottom downwards.
    const size_t n = (mark - e_.high_) / sizeof(Value);
    if (!e_.NewDict(static_cast<uint32_t>(n / 2), out, kFlagData)) return false;
    const Value* bottom = reinterpret_cast<const Value*>(e_.work_ + mark);
    for (size_t i = 0; i < n; i += 2) {
      if (!e_.DictSet(out->dict, bottom[-1 - static_cast<ptrdiff_t>(i)],
                      bottom[-2 - static_cast<ptrdiff_t>(i)])) {
        return false;
      }
    }
    e_.high_ = mark;
    return true;
  }

  bool Hex4(uint32_t* out) {
    *out = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = Peek(), lower = static_cast<char>(c | 0x20);
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (lower < 'a' || lower > 'f')) return Wanted("a hexadecimal digit");
      *out = *out * 16 + static_cast<uint32_t>(digit ? c - '0' : lower - 'a' + 10);
    }
    return true;
  }

  bool ReadString(Value* out) {
    const size_t begin = ++at_;
    bool escapes = false;
    for (;; ++at_) {
      if (at_ >= s_.size()) return Bad(begin - 1, "a string without its closing quote");
      const unsigned char c = static_cast<unsigned char>(s_[at_]);
      if (c == '"') break;
      if (c < 0x20) return Bad(at_, "a control character in a string");
      if (c == '\\') {
        escapes = true;
        ++at_;
      } else if (c >= 0x80) {
        const auto* p = reinterpret_cast<const uint8_t*>(s_.data());
        const Utf8Char character = DecodeUtf8(p + at_, p + s_.size());
        if (!character.valid) return Bad(at_, "ill-formed UTF-8");
        at_ += character.bytes - 1u;
      }
    }
    const size_t end = at_;
    if (end - begin > kMaxText) return Bad(begin, "a string that is too long");
    if (!escapes) {
      *out = String(s_.substr(begin, end - begin));
      ++at_;
      return e_.Work(end - begin);
    }
    // An escape is never shorter than what it stands for.
    char* text = static_cast<char*>(e_.Allocate(end - begin));
    if (!text) return false;
    size_t n = 0;
    for (at_ = begin; at_ < end;) {
      const void* next = std::memchr(s_.data() + at_, '\\', end - at_);
      const size_t stop =
          next ? static_cast<size_t>(static_cast<const char*>(next) - s_.data()) : end;
      std::memcpy(text + n, s_.data() + at_, stop - at_);
      n += stop - at_;
      at_ = stop;
      if (at_ < end && !Escape(text, &n)) return false;
    }
    e_.SetMarks(text, n, true);
    *out = String({text, n});
    ++at_;
    return e_.Work(end - begin);
  }

  bool Escape(char* text, size_t* n) {
    static constexpr char kFrom[] = "\"\\/bfnrt", kTo[] = "\"\\/\b\f\n\r\t";
    const size_t begin = at_++;
    const char c = s_[at_];
    if (const char* found = c ? std::strchr(kFrom, c) : nullptr) {
      text[(*n)++] = kTo[found - kFrom];
      ++at_;
      return true;
    }
    if (c != 'u') return Bad(begin, "an unknown escape");
    ++at_;
    uint32_t cp = 0, low = 0;
    if (!Hex4(&cp)) return false;
    if (cp >= 0xD800 && cp <= 0xDBFF && s_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      if (!Hex4(&low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return Bad(begin, "half a surrogate pair");
      cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
    }
    if (cp >= 0xD800 && cp <= 0xDFFF) return Bad(begin, "half a surrogate pair");
    *n += EncodeUtf8(cp, reinterpret_cast<uint8_t*>(text + *n));
    return true;
  }

  size_t Digits() {
    const size_t begin = at_;
    while (Peek() >= '0' && Peek() <= '9') ++at_;
    return at_ - begin;
  }

  bool Number(Value* out) {
    const size_t begin = at_;
    Skip('-');
    const size_t first = at_;
    if (Digits() == 0) {
      at_ = begin;
      return Wanted("a value");
    }
    if (s_[first] == '0' && at_ > first + 1) return Bad(begin, "a number with a leading zero");
    bool is_float = false;
    if (Skip('.')) {
      is_float = true;
      if (Digits() == 0) return Wanted("a digit");
    }
    if (Peek() == 'e' || Peek() == 'E') {
      is_float = true;
      ++at_;
      if (!Skip('-')) Skip('+');
      if (Digits() == 0) return Wanted("a digit");
    }
    const std::string_view text = s_.substr(begin, at_ - begin);
    if (text.size() > 4300) return Bad(begin, "a number of more than 4300 characters");
    const char* const end = text.data() + text.size();
    if (is_float) {
      double value = 0;
      const auto result = std::from_chars(text.data(), end, value);
      if (result.ec != std::errc()) value = OutOfRange(text);
      *out = Float(value);
    } else {
      int64_t value = 0;
      const auto result = std::from_chars(text.data(), end, value);
      *out = Int(value);
      if (result.ec != std::errc()) {
        *out = String(text);
        out->kind = Kind::kBigInt;
      }
    }
    out->flags = kFlagData;
    return true;
  }

  // A number that is no finite double: too large or too small, by its decimal exponent.
  static double OutOfRange(std::string_view text) {
    const bool negative = text[0] == '-';
    if (negative) text.remove_prefix(1);
    const size_t e = std::min(text.find_first_of("eE"), text.size());
    const bool small = e < text.size() ? text[e + 1] == '-' : text[0] == '0';
    const double magnitude = small ? 0.0 : HUGE_VAL;
    return negative ? -magnitude : magnitude;
  }

  Evaluator& e_;
  std::string_view s_;
  size_t at_ = 0;
  uint32_t depth_ = 0;
};

bool Evaluator::ReadJson(std::string_view json, Value* out) {
  json_ = json;
  return JsonReader(this, json).Run(out);
}

namespace {

constexpr char kRoles[] = "system\0user\0assistant\0tool\0developer\0function\0ipython\0model\0";

}  // namespace

bool Evaluator::PrepareMessages(Value* messages) {
  if (!messages->Is(Kind::kList)) return true;
  static constexpr char kReasoning[] = "reasoning_content\0thinking\0reasoning\0";
  for (uint32_t i = 0; i < messages->list->n; ++i) {
    Value& message = messages->list->items[i];
    if (!message.Is(Kind::kDict)) continue;
    if (Entry* role = DictFindText(*message.dict, "role");
        role && role->value.IsString() && FindWord(kRoles, role->value.text()) >= 0) {
      // A text of the evaluator's own is no data.
      role->value.s = WordAt(kRoles, static_cast<uint32_t>(FindWord(kRoles, role->value.text())));
    }
    if (!options_.alias_reasoning) continue;
    for (uint32_t k = 0; k < 3; ++k) {
      const Entry* entry = DictFindText(*message.dict, WordAt(kReasoning, k));
      if (!entry || entry->value.Is(Kind::kNone)) continue;
      const Value reasoning = entry->value;
      const Dict& old = *message.dict;
      Value copy;
      if (!NewDict(old.n + 2, &copy, message.flags) ||
          !DictSet(copy.dict, String("thinking"), reasoning)) {
        return false;
      }
      for (uint32_t m = 0; m < old.n; ++m) {
        if (!DictSet(copy.dict, old.entries[m].key, old.entries[m].value)) return false;
      }
      if (!DictSet(copy.dict, String("reasoning_content"), reasoning)) return false;
      message = copy;
      break;
    }
  }
  return !failed();
}

bool Evaluator::AddVariables(const Value& input) {
  if (!input.Is(Kind::kDict) && !input.Is(Kind::kList)) {
    return FailCode(StatusCode::kInvalidArgument, "JSON: wanted an array of messages or an object");
  }
  const uint32_t n_input = input.Is(Kind::kDict) ? input.dict->n : 1;
  if (!NewDict(static_cast<uint32_t>(options_.variables.size()) + n_input + 3, &variables_)) {
    return false;
  }
  Dict* const all = variables_.dict;
  for (const TemplateVariable& variable : options_.variables) {
    if (!DictSet(all, String(variable.name), String(variable.text))) return false;
  }
  if (!DictSet(all, String("tools"), None()) || !DictSet(all, String("documents"), None()) ||
      !DictSet(all, String("add_generation_prompt"), Bool(false))) {
    return false;
  }
  if (input.Is(Kind::kList)) {
    if (!DictSet(all, String("messages"), input)) return false;
  } else {
    for (uint32_t i = 0; i < n_input; ++i) {
      if (!DictSet(all, input.dict->entries[i].key, input.dict->entries[i].value)) return false;
    }
  }
  Entry* messages = DictFindText(*all, "messages");
  return !messages || PrepareMessages(&messages->value);
}

}  // namespace samara::template_runtime
