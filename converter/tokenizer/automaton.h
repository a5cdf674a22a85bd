// Compiles regular expressions into automata over one common alphabet of character classes.
//
// The semantics are those of a backtracking matcher (the first alternative that leads to a match
// wins, greedy before less), without backtracking: a state is the ORDERED list of places in the
// expression that are still possible. What a place leads to without reading is worked out only when
// the next character's class is known, so that look-ahead at one character is decided there. A
// match cuts off all places behind it.
#ifndef SAMARA_CONVERTER_TOKENIZER_AUTOMATON_H_
#define SAMARA_CONVERTER_TOKENIZER_AUTOMATON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "converter/tokenizer/charset.h"
#include "converter/tokenizer/regex.h"
#include "formats/status.h"

namespace samara {

// A partition of all characters: two characters are in one class where no set tells them apart.
class Alphabet {
 public:
  // Returns the set's index.
  uint32_t AddSet(const CharSet& set);
  Status Build();

  uint32_t n_classes() const { return n_classes_; }
  bool InSet(uint32_t cls, uint32_t set) const { return members_[cls][set]; }
  const std::vector<uint16_t>& pages() const { return pages_; }  // code point >> 8 -> page
  const std::vector<uint8_t>& classes() const {
    return classes_;
  }  // page * 256 + low byte -> class

 private:
  std::vector<CharSet> sets_;
  std::vector<std::vector<bool>> members_;
  uint32_t n_classes_ = 0;
  std::vector<uint16_t> pages_;
  std::vector<uint8_t> classes_;
};

class Automaton {
 public:
  // Collects the expression's sets in the alphabet; `name` is for errors (the pattern).
  static StatusOr<Automaton> Create(const RegexNode& root, const std::string& name,
                                    Alphabet* alphabet);
  // After Alphabet::Build. Appends n_states rows of n_classes + 1 transitions (tokenizer_tables.h).
  Status Compile(const Alphabet& alphabet, std::vector<uint16_t>* transitions,
                 uint32_t* n_states) const;

 private:
  struct Place {
    enum class Kind : uint8_t { kMatch, kSet, kLookahead, kSplit } kind = Kind::kMatch;
    bool at_end = false;
    uint32_t set = 0;
    uint32_t next = 0;
    std::vector<uint32_t> split;  // in order of preference
  };
  Status Add(const RegexNode& node, uint32_t next, Alphabet* alphabet, uint32_t* start);
  uint32_t AddPlace(Place place);

  std::string name_;
  std::vector<Place> places_;
  uint32_t start_ = 0;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_TOKENIZER_AUTOMATON_H_
