// Parses the regular expressions of pre-tokenizers (Oniguruma's Ruby syntax, which the `tokenizers`
// library uses) into a tree. What an automaton with one character of look-ahead cannot do is
// refused with its position: back-references, look-behind, look-ahead of more than one character,
// atomic groups, \b, ^.
#ifndef SAMARA_CONVERTER_TOKENIZER_REGEX_H_
#define SAMARA_CONVERTER_TOKENIZER_REGEX_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "converter/tokenizer/charset.h"
#include "formats/status.h"

namespace samara {

inline constexpr uint32_t kRegexUnbounded = UINT32_MAX;

struct RegexNode {
  enum class Kind {
    kSet,        // one character of `set`
    kLookahead,  // the next character is in `set`, or the text ends and `at_end`
    kConcat,     // `children` in order; none: matches the empty text
    kAlternate,  // the first of `children` that leads to a match
    kRepeat,     // children[0] min to max times
  };
  Kind kind = Kind::kConcat;
  CharSet set;
  bool at_end = false;
  std::vector<RegexNode> children;
  uint32_t min = 0, max = 0;
  bool greedy = true;
  bool possessive = false;  // children[0] is a kSet
};

StatusOr<RegexNode> ParseRegex(std::string_view pattern);
// Text that stands for itself.
RegexNode LiteralRegex(std::string_view text);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_REGEX_H_
