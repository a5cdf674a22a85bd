#include "apps/common/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace samara::apps {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Length of the UTF-8 sequence at text[i], 0 if it is invalid (overlong, surrogate, cut, above
// U+10FFFF).
size_t SequenceLength(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u;
  };
  const unsigned a = byte(i);
  if (a < 0x80) return 1;
  if (a < 0xC2 || a > 0xF4) return 0;
  const size_t length = a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
  }
  const unsigned b = byte(i + 1);
  const bool wrong = (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F) ||
                     (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F);
  return wrong ? 0 : length;
}

// The code point of an embedding, override or isolate; 0 for any other character.
uint32_t BidiControl(std::string_view sequence) {
  if (sequence.size() != 3 || static_cast<unsigned char>(sequence[0]) != 0xE2) return 0;
  const uint32_t code = 0x2000 | (static_cast<unsigned char>(sequence[1]) & 0x3Fu) << 6 |
                        (static_cast<unsigned char>(sequence[2]) & 0x3Fu);
  const bool bidi = (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  return bidi ? code : 0;
}

template <typename... Args>
std::string ToChars(Args... args) {
  char buffer[512];  // the longest: a binary64 in fixed notation, 309 digits and decimals
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), args...);
  return std::string(buffer, result.ptr);
}

}  // namespace

void AppendEscaped(std::string_view text, bool keep_line_breaks, std::string* out) {
  const auto escape = [out](unsigned char byte) {
    *out += "\\x";
    *out += kHex[byte >> 4];
    *out += kHex[byte & 15];
  };
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = SequenceLength(text, i);
    const bool c1 = length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    const bool control =
        byte == 0x7F || (byte < 0x20 && byte != '\t' && !(keep_line_breaks && byte == '\n'));
    if (length == 0 || control) {
      escape(byte);
      ++i;
    } else if (c1) {
      escape(byte);
      escape(static_cast<unsigned char>(text[i + 1]));
      i += 2;
    } else if (const uint32_t code = BidiControl(text.substr(i, length)); code != 0) {
      *out += "\\u20";
      *out += kHex[code >> 4 & 15];
      *out += kHex[code & 15];
      i += length;
    } else {
      out->append(text.substr(i, length));
      i += length;
    }
  }
}

std::string Escaped(std::string_view text) {
  std::string out;
  AppendEscaped(text, /*keep_line_breaks=*/false, &out);
  return out;
}

std::string Fixed(double value, int decimals) {
  return ToChars(value, std::chars_format::fixed, decimals);
}

std::string NineDigits(float value) { return ToChars(value, std::chars_format::general, 9); }

std::string BytesText(uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  int unit = 0;
  while (value >= 999.95 && unit < 5) {
    value /= 1000;
    ++unit;
  }
  return Fixed(value, 1) + " " + units[unit];
}

std::string Count(uint64_t value) {
  std::string digits = std::to_string(value);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(i, ",");
  return digits;
}

bool WriteAll(std::string_view text, std::FILE* stream) {
  return std::fwrite(text.data(), 1, text.size(), stream) == text.size() &&
         std::fflush(stream) == 0;
}

std::string Table::Text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    if (widths.size() < row.size()) widths.resize(row.size(), 0);
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line(static_cast<size_t>(indent_), ' ');
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      const bool last = i + 1 == row.size();
      const bool right = !last && !row[i].empty() && row[i][0] >= '0' && row[i][0] <= '9';
      if (i > 0) line += "  ";
      line += right ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

void JsonWriter::Separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (levels_.empty()) return;
  Level& level = levels_.back();
  if (!level.empty) text_ += level.compact ? ", " : ",";
  if (!level.compact) (text_ += '\n').append(2 * levels_.size(), ' ');
  level.empty = false;
}

void JsonWriter::Begin(char bracket, bool compact) {
  Separate();
  text_ += bracket;
  levels_.push_back({compact || (!levels_.empty() && levels_.back().compact), true});
}

void JsonWriter::End(char bracket) {
  const Level level = levels_.back();
  levels_.pop_back();
  if (!level.compact && !level.empty) (text_ += '\n').append(2 * levels_.size(), ' ');
  text_ += bracket;
}

void JsonWriter::Key(std::string_view key) {
  String(key);
  text_ += ": ";
  after_key_ = true;
}

void JsonWriter::String(std::string_view value) {
  Separate();
  text_ += '"';
  for (size_t i = 0; i < value.size();) {
    const auto byte = static_cast<unsigned char>(value[i]);
    const size_t length = SequenceLength(value, i);
    if (length == 0) {
      text_ += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    if (byte == '"' || byte == '\\') {
      (text_ += '\\') += value[i];
    } else if (byte == '\n') {
      text_ += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      ((text_ += "\\u00") += kHex[byte >> 4]) += kHex[byte & 15];
    } else {
      text_.append(value.substr(i, length));
    }
    i += length;
  }
  text_ += '"';
}

void JsonWriter::Uint(uint64_t value) { Number(std::to_string(value)); }
void JsonWriter::Int(int64_t value) { Number(std::to_string(value)); }
void JsonWriter::Double(double value) {
  Number(std::isfinite(value) ? ToChars(value) : std::string("null"));
}

void JsonWriter::Number(std::string_view text) {
  Separate();
  text_ += text;
}

std::string JsonWriter::Finish() {
  text_ += '\n';
  return Take();
}

std::string JsonWriter::Take() {
  std::string taken;
  taken.swap(text_);
  return taken;
}

}  // namespace samara::apps
