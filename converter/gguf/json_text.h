// Writes JSON text: what GGUF metadata becomes for the readers that the two kinds of source share.
#ifndef SAMARA_CONVERTER_GGUF_JSON_TEXT_H_
#define SAMARA_CONVERTER_GGUF_JSON_TEXT_H_

#include <string>
#include <string_view>

namespace samara {

// A text as JSON; its UTF-8 is checked by whoever parses it.
inline std::string JsonString(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

class JsonObjectText {
 public:
  // `value` is JSON text.
  void Add(std::string_view key, std::string_view value) {
    text_ += text_.empty() ? "{" : ",";
    text_ += JsonString(key) + ":" + std::string(value);
  }
  void AddString(std::string_view key, std::string_view value) { Add(key, JsonString(value)); }
  void AddBool(std::string_view key, bool value) { Add(key, value ? "true" : "false"); }
  std::string Text() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_GGUF_JSON_TEXT_H_
