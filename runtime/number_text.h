// Numbers as text, the same in every locale.
#ifndef SAMARA_RUNTIME_NUMBER_TEXT_H_
#define SAMARA_RUNTIME_NUMBER_TEXT_H_

#include <charconv>
#include <string>

namespace samara {

// Six significant digits.
inline std::string NumberText(double value) {
  char text[32];
  const auto result = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6);
  return std::string(text, result.ptr);
}

}  // namespace samara

#endif  // SAMARA_RUNTIME_NUMBER_TEXT_H_
