#include "converter/template/lexer.h"

#include <algorithm>

namespace samara::template_compiler {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Length of the white space character at s[i], 0 if there is none: Python's str.isspace.
size_t SpaceAt(std::string_view s, size_t i) {
  if (i >= s.size()) return 0;
  const auto byte = [&](size_t k) {
    return i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : 0u;
  };
  const unsigned b = byte(0);
  if ((b >= 9 && b <= 13) || (b >= 28 && b <= 32)) return 1;
  if (b == 0xC2 && (byte(1) == 0x85 || byte(1) == 0xA0)) return 2;
  if (b == 0xE1 && byte(1) == 0x9A && byte(2) == 0x80) return 3;
  if (b == 0xE2 && byte(1) == 0x80 &&
      ((byte(2) >= 0x80 && byte(2) <= 0x8A) || byte(2) == 0xA8 || byte(2) == 0xA9 ||
       byte(2) == 0xAF)) {
    return 3;
  }
  if (b == 0xE2 && byte(1) == 0x81 && byte(2) == 0x9F) return 3;
  if (b == 0xE3 && byte(1) == 0x80 && byte(2) == 0x80) return 3;
  return 0;
}

size_t SkipSpace(std::string_view s, size_t i) {
  while (const size_t n = SpaceAt(s, i)) i += n;
  return i;
}

// Length of s without white space at its end.
size_t TrimmedEnd(std::string_view s) {
  size_t end = s.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && (static_cast<unsigned char>(s[start]) & 0xC0) == 0x80) --start;
    if (SpaceAt(s.substr(0, end), start) != end - start) break;
    end = start;
  }
  return end;
}

bool IsWellFormed(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    const auto byte = [&](size_t k) {
      return i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : 0u;
    };
    const unsigned b = byte(0);
    size_t n = 1;
    if (b >= 0x80) {
      n = b >= 0xC2 && b <= 0xDF ? 2 : (b & 0xF0) == 0xE0 ? 3 : b >= 0xF0 && b <= 0xF4 ? 4 : 0;
      if (n == 0) return false;
      for (size_t k = 1; k < n; ++k) {
        if ((byte(k) & 0xC0) != 0x80) return false;
      }
      if ((b == 0xE0 && byte(1) < 0xA0) || (b == 0xED && byte(1) > 0x9F) ||
          (b == 0xF0 && byte(1) < 0x90) || (b == 0xF4 && byte(1) > 0x8F)) {
        return false;
      }
    }
    i += n;
  }
  return true;
}

void AppendUtf8(uint32_t cp, std::string* out) {
  if (cp < 0x80) {
    *out += static_cast<char>(cp);
  } else if (cp < 0x800) {
    *out += static_cast<char>(0xC0 | cp >> 6);
    *out += static_cast<char>(0x80 | (cp & 0x3F));
  } else if (cp < 0x10000) {
    *out += static_cast<char>(0xE0 | cp >> 12);
    *out += static_cast<char>(0x80 | (cp >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (cp & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | cp >> 18);
    *out += static_cast<char>(0x80 | (cp >> 12 & 0x3F));
    *out += static_cast<char>(0x80 | (cp >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (cp & 0x3F));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) {
    // Every line break becomes \n; one at the very end goes.
    for (size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        text_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        text_ += source[i];
      }
    }
    if (text_.ends_with('\n')) text_.pop_back();
    s_ = text_;
  }

  StatusOr<std::vector<Token>> Run() {
    if (!IsWellFormed(s_)) return InvalidFile("the template is not UTF-8");
    while (at_ < s_.size()) SAMARA_RETURN_IF_ERROR(Root());
    Add(TokenKind::kEnd, at_, "");
    return std::move(tokens_);
  }

 private:
  Position PositionOf(size_t offset) {
    if (offset < counted_) {  // an error that points back; tokens come in ascending order
      counted_ = 0;
      position_ = {};
    }
    for (; counted_ < offset; ++counted_) {
      const unsigned char c = static_cast<unsigned char>(s_[counted_]);
      if (c == '\n') {
        ++position_.line;
        position_.column = 1;
      } else if ((c & 0xC0) != 0x80) {
        ++position_.column;
      }
    }
    return position_;
  }
  void Add(TokenKind kind, size_t offset, std::string text) {
    tokens_.push_back({kind, std::move(text), PositionOf(offset)});
  }
  bool Starts(size_t i, std::string_view what) const { return s_.substr(i).starts_with(what); }
  char Sign(size_t i) const {
    return i < s_.size() && (s_[i] == '-' || s_[i] == '+') ? s_[i] : '\0';
  }
  void Advance(size_t end) {
    line_starting_ = end > at_ && s_[end - 1] == '\n';
    at_ = end;
  }

  // What is left of the text [begin, end) before a tag with this sign.
  size_t DataEnd(size_t begin, size_t end, char sign, bool output) const {
    const std::string_view text = s_.substr(begin, end - begin);
    if (sign == '-') return begin + TrimmedEnd(text);
    if (sign == '+' || output) return end;
    const size_t newline = text.rfind('\n');
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if ((line > 0 || line_starting_) && line < text.size() &&
        SkipSpace(text, line) == text.size()) {
      return begin + line;
    }
    return end;
  }

  // Where a tag of a block ends that has its %} (or #}) at i: the sign, the newline behind it. 0 if
  // there is none.
  size_t TagEnd(size_t i, std::string_view close, bool trim) const {
    if (Starts(i, close)) {
      i += close.size();
      return trim && i < s_.size() && s_[i] == '\n' ? i + 1 : i;
    }
    if (i < s_.size() && s_[i] == '-' && Starts(i + 1, close)) {
      return SkipSpace(s_, i + 1 + close.size());
    }
    if (trim && i < s_.size() && s_[i] == '+' && Starts(i + 1, close)) return i + 1 + close.size();
    return 0;
  }

  // `{%- raw -%}` at i: its end, or 0.
  size_t RawBegin(size_t i) const {
    i += 2;
    if (Sign(i)) ++i;
    i = SkipSpace(s_, i);
    if (!Starts(i, "raw")) return 0;
    return TagEnd(SkipSpace(s_, i + 3), "%}", false);
  }

  Status Root() {
    size_t i = at_;
    for (;; ++i) {
      i = s_.find('{', i);
      if (i == std::string_view::npos || i + 1 >= s_.size()) {
        Add(TokenKind::kData, at_, std::string(s_.substr(at_)));
        at_ = s_.size();
        return Status();
      }
      if (s_[i + 1] == '{' || s_[i + 1] == '%' || s_[i + 1] == '#') break;
    }
    const char sign = Sign(i + 2);
    const bool output = s_[i + 1] == '{';
    const size_t data_end = DataEnd(at_, i, sign, output);
    if (data_end > at_) Add(TokenKind::kData, at_, std::string(s_.substr(at_, data_end - at_)));
    const size_t open_end = i + 2 + (sign ? 1 : 0);
    if (s_[i + 1] == '#') return Comment(i, open_end);
    if (s_[i + 1] == '%') {
      if (const size_t raw = RawBegin(i)) {
        Advance(raw);
        return Raw(i);
      }
    }
    Add(output ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, i, "");
    Advance(open_end);
    return Tag(output);
  }

  Status Comment(size_t start, size_t open_end) {
    for (size_t i = open_end; (i = s_.find("#}", i)) != std::string_view::npos;) {
      // The sign belongs to the end unless it is the one of the beginning.
      size_t sign_at = i;
      if (i > open_end && (s_[i - 1] == '-' || s_[i - 1] == '+')) sign_at = i - 1;
      Advance(TagEnd(sign_at, "#}", true));
      return Status();
    }
    return SyntaxError(PositionOf(start), "comment without #}");
  }

  Status Raw(size_t start) {
    const size_t begin = at_;
    for (size_t i = begin; (i = s_.find("{%", i)) != std::string_view::npos; ++i) {
      const char sign = Sign(i + 2);
      size_t k = SkipSpace(s_, i + 2 + (sign ? 1 : 0));
      if (!Starts(k, "endraw")) continue;
      const size_t end = TagEnd(SkipSpace(s_, k + 6), "%}", true);
      if (end == 0) continue;
      const size_t data_end = DataEnd(begin, i, sign, false);
      if (data_end > begin) {
        Add(TokenKind::kData, begin, std::string(s_.substr(begin, data_end - begin)));
      }
      Advance(end);
      return Status();
    }
    return SyntaxError(PositionOf(start), "raw without endraw");
  }

  // Inside {{ }} or {% %}, up to its end.
  Status Tag(bool output) {
    std::string open;  // brackets
    while (at_ < s_.size()) {
      if (open.empty()) {
        if (const size_t end = TagEnd(at_, output ? "}}" : "%}", !output)) {
          Add(output ? TokenKind::kOutputEnd : TokenKind::kBlockEnd, at_, "");
          Advance(end);
          return Status();
        }
      }
      const size_t space = SkipSpace(s_, at_);
      if (space > at_) {
        Advance(space);
        continue;
      }
      const char c = s_[at_];
      if (IsDigit(c)) {
        SAMARA_RETURN_IF_ERROR(Number());
      } else if (IsNameStart(c)) {
        size_t end = at_;
        while (end < s_.size() && (IsNameStart(s_[end]) || IsDigit(s_[end]))) ++end;
        Add(TokenKind::kName, at_, std::string(s_.substr(at_, end - at_)));
        Advance(end);
      } else if (c == '\'' || c == '"') {
        SAMARA_RETURN_IF_ERROR(String());
      } else {
        SAMARA_RETURN_IF_ERROR(Operator(&open));
      }
    }
    return SyntaxError(PositionOf(at_), "unexpected end of the template inside a tag");
  }

  size_t Digits(size_t i) const {  // \d+ with single underscores between; i is at a digit
    while (i < s_.size() &&
           (IsDigit(s_[i]) || (s_[i] == '_' && i + 1 < s_.size() && IsDigit(s_[i + 1])))) {
      ++i;
    }
    return i;
  }

  Status Number() {
    const size_t begin = at_;
    const bool after_dot = begin > 0 && s_[begin - 1] == '.';
    size_t end = Digits(begin);
    bool is_float = false;
    if (!after_dot) {
      size_t k = end;
      if (k + 1 < s_.size() && s_[k] == '.' && IsDigit(s_[k + 1])) {
        k = Digits(k + 1);
        is_float = true;
      }
      if (k < s_.size() && (s_[k] == 'e' || s_[k] == 'E')) {
        size_t e = k + 1;
        if (e < s_.size() && (s_[e] == '+' || s_[e] == '-')) ++e;
        if (e < s_.size() && IsDigit(s_[e])) {
          k = Digits(e);
          is_float = true;
        }
      }
      if (is_float) end = k;
    }
    if (!is_float && s_[begin] == '0') {
      const char x = begin + 1 < s_.size() ? static_cast<char>(s_[begin + 1] | 0x20) : '\0';
      if (x == 'x' || x == 'o' || x == 'b') {
        return UnsupportedConstruct(PositionOf(begin), "number that is not decimal");
      }
      if (end > begin + 1 &&
          s_.substr(begin, end - begin).find_first_not_of("0_") != std::string_view::npos) {
        return SyntaxError(PositionOf(begin), "number with a leading zero");
      }
    }
    std::string text(s_.substr(begin, end - begin));
    std::erase(text, '_');
    Add(is_float ? TokenKind::kFloat : TokenKind::kInteger, begin, std::move(text));
    Advance(end);
    return Status();
  }

  Status String() {
    const size_t begin = at_;
    const char quote = s_[begin];
    std::string value;
    for (size_t i = begin + 1; i < s_.size();) {
      const char c = s_[i];
      if (c == quote) {
        Add(TokenKind::kString, begin, std::move(value));
        Advance(i + 1);
        return Status();
      }
      if (c != '\\') {
        value += c;
        ++i;
        continue;
      }
      if (i + 1 >= s_.size()) break;
      SAMARA_RETURN_IF_ERROR(Escape(&i, &value));
    }
    return SyntaxError(PositionOf(begin), "string without its closing quote");
  }

  // Python's "unicode-escape"; *i is at the backslash, something follows it.
  Status Escape(size_t* i, std::string* value) {
    const size_t begin = *i;
    const char c = s_[begin + 1];
    *i = begin + 2;
    static constexpr std::string_view kFrom = "\\'\"abfnrtv", kTo = "\\'\"\a\b\f\n\r\t\v";
    if (c == '\n') return Status();
    if (const size_t k = kFrom.find(c); k != std::string_view::npos) {
      *value += kTo[k];
      return Status();
    }
    uint32_t cp = 0;
    if (c >= '0' && c <= '7') {
      size_t k = begin + 1;
      for (; k < s_.size() && k < begin + 4 && s_[k] >= '0' && s_[k] <= '7'; ++k) {
        cp = cp * 8 + static_cast<uint32_t>(s_[k] - '0');
      }
      *i = k;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      for (size_t k = 0; k < digits; ++k) {
        const size_t p = begin + 2 + k;
        const char d = p < s_.size() ? static_cast<char>(s_[p] | 0x20) : '\0';
        const bool hex = p < s_.size() && (IsDigit(s_[p]) || (d >= 'a' && d <= 'f'));
        if (!hex) return SyntaxError(PositionOf(begin), "escape with too few digits");
        cp = cp * 16 + static_cast<uint32_t>(IsDigit(s_[p]) ? s_[p] - '0' : d - 'a' + 10);
      }
      *i = begin + 2 + digits;
      if (cp > 0x10FFFF) return SyntaxError(PositionOf(begin), "escape beyond Unicode");
      if (cp >= 0xD800 && cp <= 0xDFFF) {
        return UnsupportedConstruct(PositionOf(begin), "escape of a surrogate");
      }
    } else if (c == 'N') {
      return UnsupportedConstruct(PositionOf(begin), "escape \\N");
    } else {
      *value += '\\';
      *i = begin + 1;  // what follows stands for itself
      return Status();
    }
    AppendUtf8(cp, value);
    return Status();
  }

  Status Operator(std::string* open) {
    static constexpr std::string_view kLong[] = {"//", "**", "==", "!=", ">=", "<="};
    size_t n = 0;
    for (const std::string_view op : kLong) {
      if (Starts(at_, op)) n = 2;
    }
    const char c = s_[at_];
    if (n == 0 && std::string_view("+-/*%~[](){}><=.:|,;").find(c) != std::string_view::npos) n = 1;
    if (n == 0) {
      size_t end = at_ + 1;
      while (end < s_.size() && (static_cast<unsigned char>(s_[end]) & 0xC0) == 0x80) ++end;
      return SyntaxError(PositionOf(at_),
                         "unexpected character " + Quoted(s_.substr(at_, end - at_)));
    }
    if (n == 1 && (c == '(' || c == '[' || c == '{')) {
      open->push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    } else if (n == 1 && (c == ')' || c == ']' || c == '}')) {
      if (open->empty() || open->back() != c) {
        return SyntaxError(PositionOf(at_), std::string("unexpected '") + c + "'");
      }
      open->pop_back();
    }
    Add(TokenKind::kOperator, at_, std::string(s_.substr(at_, n)));
    Advance(at_ + n);
    return Status();
  }

  std::string text_;
  std::string_view s_;
  size_t at_ = 0;
  bool line_starting_ = true;
  size_t counted_ = 0;
  Position position_;
  std::vector<Token> tokens_;
};

std::string Where(Position p, const std::string& what) {
  return "line " + std::to_string(p.line) + ", column " + std::to_string(p.column) + ": " + what;
}

}  // namespace

Status SyntaxError(Position position, const std::string& what) {
  return Status(StatusCode::kInvalidFile, Where(position, what));
}
Status UnsupportedConstruct(Position position, const std::string& what) {
  return Status(StatusCode::kUnsupported, Where(position, what + " is not supported"));
}

StatusOr<std::vector<Token>> Tokenize(std::string_view source) { return Lexer(source).Run(); }

}  // namespace samara::template_compiler
