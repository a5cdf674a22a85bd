// Sets of code points as ascending ranges, and the Unicode data that fills them.
#ifndef SAMARA_CONVERTER_TOKENIZER_CHARSET_H_
#define SAMARA_CONVERTER_TOKENIZER_CHARSET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer_tables.h"

namespace samara {

class CharSet {
 public:
  struct Range {
    uint32_t first, last;  // both inside
    bool operator==(const Range&) const = default;
    auto operator<=>(const Range&) const = default;
  };

  CharSet() = default;
  static CharSet Of(uint32_t first, uint32_t last) {
    CharSet set;
    set.Add(first, last);
    return set;
  }
  static CharSet Of(uint32_t c) { return Of(c, c); }

  void Add(uint32_t first, uint32_t last) { ranges_.push_back({first, last}), normal_ = false; }
  void Add(const CharSet& other);
  CharSet Negated() const;
  bool Contains(uint32_t c) const;
  bool empty() const { return ranges_.empty(); }
  // Ascending, neither overlapping nor touching.
  const std::vector<Range>& ranges() const;
  bool operator==(const CharSet& other) const { return ranges() == other.ranges(); }

 private:
  mutable std::vector<Range> ranges_;
  mutable bool normal_ = true;
};

// "L", "Lu", "Nd", ...; false if there is no such general category.
bool CategorySet(std::string_view name, CharSet* set);
CharSet SpaceSet();      // White_Space: \s in every engine concerned
CharSet WordSet();       // \w of Rust's regex crate (added tokens, the Whitespace pre-tokenizer)
CharSet RegexWordSet();  // \w of Oniguruma (Split patterns)
CharSet NumericSet();    // Rust's char::is_numeric (the Digits pre-tokenizer)

void AppendUtf8(uint32_t cp, std::string* out);
bool IsUtf8(std::string_view text);
// The text must be well-formed.
std::vector<uint32_t> CodePointsOf(std::string_view text);

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_CHARSET_H_
