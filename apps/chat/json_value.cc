#include "apps/chat/json_value.h"

#include <charconv>

namespace samara::apps {
namespace {

constexpr int kMaxDepth = 64;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  bool Whole(JsonValue* value) {
    if (!Value(0, value)) return false;
    Space();
    return at_ == text_.size() || Wrong("the end of the text");
  }
  std::string error() const { return "byte " + std::to_string(at_) + ": wanted " + wanted_; }

 private:
  bool Wrong(const char* wanted) {
    if (wanted_.empty()) wanted_ = wanted;
    return false;
  }
  void Space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string::npos)
      ++at_;
  }
  bool Take(char c) {
    Space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool Word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return Wrong("a value");
    at_ += word.size();
    return true;
  }

  bool Value(int depth, JsonValue* value) {
    if (depth > kMaxDepth) return Wrong("at most 64 levels");
    Space();
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    switch (c) {
      case '{':
        return Object(depth, value);
      case '[':
        return Array(depth, value);
      case '"':
        value->kind = JsonValue::Kind::kString;
        return String(&value->text);
      case 't':
      case 'f':
        value->kind = JsonValue::Kind::kBool;
        value->boolean = c == 't';
        return Word(c == 't' ? "true" : "false");
      case 'n':
        return Word("null");
      default:
        return Number(value);
    }
  }

  bool Object(int depth, JsonValue* value) {
    value->kind = JsonValue::Kind::kObject;
    ++at_;
    if (Take('}')) return true;
    do {
      Space();
      std::string key;
      if (at_ == text_.size() || text_[at_] != '"') return Wrong("a member's name");
      if (!String(&key)) return false;
      if (value->Find(key) != nullptr) return Wrong("every name once");
      if (!Take(':')) return Wrong("':'");
      JsonValue member;
      if (!Value(depth + 1, &member)) return false;
      value->members.push_back({std::move(key), std::move(member)});
    } while (Take(','));
    return Take('}') || Wrong("',' or '}'");
  }

  bool Array(int depth, JsonValue* value) {
    value->kind = JsonValue::Kind::kArray;
    ++at_;
    if (Take(']')) return true;
    do {
      if (!Value(depth + 1, &value->items.emplace_back())) return false;
    } while (Take(','));
    return Take(']') || Wrong("',' or ']'");
  }

  bool Number(JsonValue* value) {
    const size_t begin = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    const size_t digits = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    if (at_ == digits) return Wrong("a value");
    while (at_ < text_.size() &&
           std::string_view("0123456789.eE+-").find(text_[at_]) != std::string::npos)
      ++at_;
    value->kind = JsonValue::Kind::kNumber;
    value->text = text_.substr(begin, at_ - begin);
    double number = 0;
    const auto result =
        std::from_chars(value->text.data(), value->text.data() + value->text.size(), number);
    return result.ptr == value->text.data() + value->text.size() || Wrong("a number");
  }

  bool Hex4(uint32_t* code) {
    if (text_.size() - at_ < 4) return Wrong("four hexadecimal digits");
    const auto result = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, *code, 16);
    if (result.ptr != text_.data() + at_ + 4) return Wrong("four hexadecimal digits");
    at_ += 4;
    return true;
  }

  bool Escape(std::string* out) {
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (const size_t i = kNames.find(c); i != std::string::npos && c != '\0') {
      *out += kMeanings[i];
      return true;
    }
    uint32_t code = 0;
    if (c != 'u') return Wrong("an escape of JSON");
    if (!Hex4(&code)) return false;
    if (code >> 10 == 0x36 && text_.substr(at_).starts_with("\\u")) {
      uint32_t low = 0;
      at_ += 2;
      if (!Hex4(&low)) return false;
      if (low >> 10 != 0x37) return Wrong("the second half of a surrogate pair");
      code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
    }
    if (code >> 11 == 0x1B) code = 0xFFFD;
    if (code < 0x80) {
      *out += static_cast<char>(code);
    } else if (code < 0x800) {
      *out += static_cast<char>(0xC0 | code >> 6);
    } else if (code < 0x10000) {
      *out += static_cast<char>(0xE0 | code >> 12);
      *out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    } else {
      *out += static_cast<char>(0xF0 | code >> 18);
      *out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
      *out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    }
    if (code >= 0x80) *out += static_cast<char>(0x80 | (code & 0x3F));
    return true;
  }

  bool String(std::string* out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c == '\\') {
        if (!Escape(out)) return false;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return Wrong("no control character in a string");
      } else {
        *out += c;
      }
    }
    return Wrong("'\"'");
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string wanted_;
};

}  // namespace

const JsonValue* JsonValue::Find(std::string_view key) const {
  for (const JsonMember& member : members) {
    if (member.name == key) return &member.value;
  }
  return nullptr;
}

std::optional<std::string> JsonValue::String(std::string_view key) const {
  const JsonValue* value = Find(key);
  if (value == nullptr || value->kind != Kind::kString) return std::nullopt;
  return value->text;
}

std::optional<bool> JsonValue::Bool(std::string_view key) const {
  const JsonValue* value = Find(key);
  if (value == nullptr || value->kind != Kind::kBool) return std::nullopt;
  return value->boolean;
}

std::optional<uint64_t> JsonValue::Uint(std::string_view key) const {
  const JsonValue* value = Find(key);
  return value == nullptr ? std::nullopt : value->AsUint();
}

std::optional<uint64_t> JsonValue::AsUint() const {
  uint64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (kind != Kind::kNumber || result.ec != std::errc() || result.ptr != text.data() + text.size())
    return std::nullopt;
  return number;
}

std::optional<JsonValue> ParseJson(std::string_view text, std::string* error) {
  Parser parser(text);
  JsonValue value;
  if (parser.Whole(&value)) return value;
  *error = parser.error();
  return std::nullopt;
}

}  // namespace samara::apps
