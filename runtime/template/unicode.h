// What Python's str methods know about characters (tools/make_template_unicode.py).
#ifndef SAMARA_RUNTIME_TEMPLATE_UNICODE_H_
#define SAMARA_RUNTIME_TEMPLATE_UNICODE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace samara::template_runtime {

enum class Property : uint8_t {
  kPrintable,
  kUpperOnly,  // upper case without a lower-case form
  kCased,
};

// Remembers the last run of characters that was looked up: a text's characters are close together.
class PropertyReader {
 public:
  explicit PropertyReader(Property property) : property_(property) {}
  bool operator()(uint32_t cp);

 private:
  Property property_;
  bool value_ = false;
  uint32_t first_ = 1, last_ = 0;
};

bool IsSpace(uint32_t cp);  // str.isspace

// Does not end a word for the final sigma: the usual ones of Unicode's Case_Ignorable.
bool IsCaseIgnorable(uint32_t cp);

enum class Case : uint8_t { kUpper, kLower, kTitle };
// Up to three characters; returns how many. The final sigma is the caller's.
uint32_t MapCase(uint32_t cp, Case to, uint32_t out[3]);
bool IsUpper(uint32_t cp);
bool IsLower(uint32_t cp);
bool IsTitle(uint32_t cp);

// The character at text[i] of well-formed UTF-8, and its length.
struct Character {
  uint32_t code_point;
  uint32_t bytes;
};
Character CharacterAt(std::string_view text, size_t i);
// Where the character before text[i] begins; i > 0.
size_t CharacterBefore(std::string_view text, size_t i);

// The text without white space at its ends: first byte and length.
void TrimSpace(std::string_view text, bool left, bool right, size_t* begin, size_t* n);

}  // namespace samara::template_runtime

#endif  // SAMARA_RUNTIME_TEMPLATE_UNICODE_H_
