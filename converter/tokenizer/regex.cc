#include "converter/tokenizer/regex.h"

#include <string>
#include <utility>

namespace samara {
namespace {

constexpr size_t kMaxPatternBytes = 1 << 16;
constexpr int kMaxDepth = 64;
constexpr uint32_t kMaxRepeat = 1000;
constexpr int kMaxStacked = 4;

using Kind = RegexNode::Kind;

RegexNode SetNode(CharSet set) {
  RegexNode node;
  node.kind = Kind::kSet;
  node.set = std::move(set);
  return node;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern), text_(CodePointsOf(pattern)) {}

  StatusOr<RegexNode> Run() {
    if (pattern_.size() > kMaxPatternBytes) {
      return Unsupported("pattern of %zu bytes, wanted at most %zu", pattern_.size(),
                         kMaxPatternBytes);
    }
    RegexNode node;
    SAMARA_RETURN_IF_ERROR(Alternation(0, false, &node));
    if (!AtEnd()) return Bad(position_, "an unmatched ')'");
    return node;
  }

 private:
  bool AtEnd() const { return position_ == text_.size(); }
  uint32_t Peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : 0;
  }
  bool Accept(std::string_view s) {
    for (size_t i = 0; i < s.size(); ++i) {
      if (position_ + i >= text_.size() || text_[position_ + i] != static_cast<uint8_t>(s[i]))
        return false;
    }
    position_ += s.size();
    return true;
  }
  Status Bad(size_t at, const char* what) const {
    return InvalidFile("pattern %s, character %zu: %s", Quoted(pattern_).c_str(), at, what);
  }
  Status No(size_t at, const char* what) const {
    return Unsupported("pattern %s, character %zu: %s cannot be compiled", Quoted(pattern_).c_str(),
                       at, what);
  }

  Status Alternation(int depth, bool ignore_case, RegexNode* out) {
    if (depth > kMaxDepth) return No(position_, "nesting this deep");
    std::vector<RegexNode> alternatives(1);
    if (Accept("(?i)")) ignore_case = true;  // elsewhere than here it would also move the '|'
    SAMARA_RETURN_IF_ERROR(Concatenation(depth, ignore_case, &alternatives[0]));
    while (Accept("|")) {
      alternatives.emplace_back();
      SAMARA_RETURN_IF_ERROR(Concatenation(depth, ignore_case, &alternatives.back()));
    }
    if (alternatives.size() == 1) {
      *out = std::move(alternatives[0]);
    } else {
      out->kind = Kind::kAlternate;
      out->children = std::move(alternatives);
    }
    return {};
  }

  Status Concatenation(int depth, bool ignore_case, RegexNode* out) {
    std::vector<RegexNode> parts;
    uint32_t previous_literal = 0;
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      const size_t at = position_;
      RegexNode atom;
      uint32_t literal = 0;
      SAMARA_RETURN_IF_ERROR(Atom(depth, ignore_case, &atom, &literal));
      if (ignore_case && FoldsToOne(previous_literal, literal)) {
        return No(at, "a case-insensitive pair of letters that one character also stands for");
      }
      previous_literal = literal;
      SAMARA_RETURN_IF_ERROR(Quantifiers(&atom));
      parts.push_back(std::move(atom));
    }
    if (parts.size() == 1) {
      *out = RegexNode(std::move(parts[0]));
    } else {
      out->children = std::move(parts);
    }
    return {};
  }

  // Sequences that full case folding makes of one character, such as U+00DF.
  static bool FoldsToOne(uint32_t a, uint32_t b) {
    a |= 0x20, b |= 0x20;
    return (a == 's' && (b == 's' || b == 't')) || (a == 'f' && (b == 'f' || b == 'i' || b == 'l'));
  }

  Status Quantifiers(RegexNode* atom) {
    for (int stacked = 0;; ++stacked) {
      const size_t at = position_;
      uint32_t min = 0, max = kRegexUnbounded;
      bool braces = false, exact = false;
      if (Accept("?")) {
        max = 1;
      } else if (Accept("*")) {
      } else if (Accept("+")) {
        min = 1;
      } else if (Peek() == '{' && Braces(&min, &max, &exact)) {
        braces = true;
      } else {
        return {};
      }
      if (stacked == kMaxStacked) return No(at, "this many repetitions of a repetition");
      if (atom->kind == Kind::kLookahead) return No(at, "a repeated look-ahead");
      if (min > max) return Bad(at, "a repetition whose minimum is above its maximum");
      if (min > kMaxRepeat || (max != kRegexUnbounded && max > kMaxRepeat))
        return No(at, "a repetition this large");
      RegexNode repeat;
      repeat.kind = Kind::kRepeat;
      repeat.min = min;
      repeat.max = max;
      if (!exact && Accept("?")) {  // after {n} a '?' makes it optional: the next turn
        repeat.greedy = false;
      } else if (!braces && Accept("+")) {  // after {n,m} a '+' repeats it: the next turn
        if (atom->kind != Kind::kSet)
          return No(at, "a possessive repetition of more than one character class");
        repeat.possessive = true;
      }
      repeat.children.push_back(std::move(*atom));
      *atom = std::move(repeat);
    }
  }

  // {n}, {n,}, {n,m}, {,m}; anything else is plain text.
  bool Braces(uint32_t* min, uint32_t* max, bool* exact) {
    const size_t start = position_;
    ++position_;
    bool has_min = false, has_max = false;
    uint32_t a = Number(&has_min), b = a;
    *exact = true;
    if (Accept(",")) {
      *exact = false;
      b = Number(&has_max);
      if (!has_max) b = kRegexUnbounded;
    }
    if (!Accept("}") || (!has_min && !has_max)) {
      position_ = start;
      return false;
    }
    *min = a;
    *max = b;
    return true;
  }
  uint32_t Number(bool* any) {
    uint64_t value = 0;
    while (Peek() >= '0' && Peek() <= '9') {
      value = std::min<uint64_t>(value * 10 + (Peek() - '0'), kMaxRepeat + 1);
      *any = true;
      ++position_;
    }
    return static_cast<uint32_t>(value);
  }

  Status Atom(int depth, bool ignore_case, RegexNode* out, uint32_t* literal) {
    const size_t at = position_;
    if (Accept("(?:") || Accept("(?i:") || Accept("(?-i:")) {
      const bool fold = text_[position_ - 2] == '?' ? ignore_case : text_[position_ - 3] != '-';
      SAMARA_RETURN_IF_ERROR(Alternation(depth + 1, fold, out));
      return Accept(")") ? Status() : Bad(at, "an unmatched '('");
    }
    if (Accept("(?=")) return Lookahead(depth, ignore_case, at, false, out);
    if (Accept("(?!")) return Lookahead(depth, ignore_case, at, true, out);
    if (Accept("(?<=") || Accept("(?<!")) return No(at, "look-behind");
    if (Accept("(?>")) return No(at, "an atomic group");
    if (Accept("(?#")) return No(at, "a comment");
    if (Accept("(?")) return No(at, "this kind of group");
    if (Accept("(")) {
      SAMARA_RETURN_IF_ERROR(Alternation(depth + 1, ignore_case, out));
      return Accept(")") ? Status() : Bad(at, "an unmatched '('");
    }
    if (Accept("[")) {
      CharSet set;
      SAMARA_RETURN_IF_ERROR(Class(at, ignore_case, &set));
      *out = SetNode(std::move(set));
      return {};
    }
    if (Accept(".")) {
      *out = SetNode(CharSet::Of('\n').Negated());
      return {};
    }
    if (Accept("^")) return No(at, "'^'");
    if (Accept("$") || Accept("\\z")) {
      out->kind = Kind::kLookahead;
      out->at_end = true;
      if (text_[at] == '$') out->set = CharSet::Of('\n');  // Ruby's $ is the end of a line
      return {};
    }
    if (Peek() == '?' || Peek() == '*' || Peek() == '+') return Bad(at, "a repetition of nothing");
    CharSet set;
    bool is_literal = false;
    if (Accept("\\")) {
      SAMARA_RETURN_IF_ERROR(Escape(at, ignore_case, false, &set, &is_literal, literal));
    } else {
      is_literal = true;
      *literal = text_[position_++];
    }
    if (is_literal) {
      set = CharSet::Of(*literal);
      SAMARA_RETURN_IF_ERROR(Fold(at, ignore_case, &set));
    }
    *out = SetNode(std::move(set));
    return {};
  }

  // Adds the other cases of ASCII letters, and the two other characters whose case they are.
  Status Fold(size_t at, bool ignore_case, CharSet* set) const {
    if (!ignore_case) return {};
    for (const CharSet::Range& r : set->ranges()) {
      if (r.last >= 0x80) return No(at, "a case-insensitive character beyond ASCII");
    }
    CharSet more;
    for (uint32_t c = 'a'; c <= 'z'; ++c) {
      if (!set->Contains(c) && !set->Contains(c - 32)) continue;
      more.Add(c, c);
      more.Add(c - 32, c - 32);
      if (c == 's') more.Add(0x17F, 0x17F);
      if (c == 'k') more.Add(0x212A, 0x212A);
    }
    set->Add(more);
    return {};
  }

  // A single character: look-ahead of a class, or of alternatives that are classes or ends.
  static bool OneCharacter(const RegexNode& node, CharSet* set, bool* at_end) {
    switch (node.kind) {
      case Kind::kSet:
        set->Add(node.set);
        return true;
      case Kind::kLookahead:
        set->Add(node.set);
        *at_end |= node.at_end;
        return true;
      case Kind::kConcat:
        return node.children.size() == 1 && OneCharacter(node.children[0], set, at_end);
      case Kind::kRepeat:  // whether more follow makes no difference
        return node.min == 1 && !node.possessive && OneCharacter(node.children[0], set, at_end);
      case Kind::kAlternate:
        for (const RegexNode& child : node.children) {
          if (!OneCharacter(child, set, at_end)) return false;
        }
        return true;
    }
    return false;
  }

  Status Lookahead(int depth, bool ignore_case, size_t at, bool negative, RegexNode* out) {
    RegexNode body;
    SAMARA_RETURN_IF_ERROR(Alternation(depth + 1, ignore_case, &body));
    if (!Accept(")")) return Bad(at, "an unmatched '('");
    RegexNode result;
    result.kind = Kind::kLookahead;
    if (!OneCharacter(body, &result.set, &result.at_end))
      return No(at, "look-ahead of more than one character");
    if (negative) {
      result.set = result.set.Negated();
      result.at_end = !result.at_end;
    }
    *out = std::move(result);
    return {};
  }

  // Behind a backslash. Gives a class, or a literal.
  Status Escape(size_t at, bool ignore_case, bool in_class, CharSet* set, bool* is_literal,
                uint32_t* literal) {
    if (AtEnd()) return Bad(at, "a backslash at the end");
    const uint32_t c = text_[position_++];
    *is_literal = false;
    switch (c) {
      case 'p':
      case 'P':
        return Property(at, c == 'P', ignore_case, set);
      case 's':
      case 'S':
        return Put(SpaceSet(), c == 'S', set);
      case 'd':
      case 'D': {
        CharSet digits;
        CategorySet("Nd", &digits);
        return Put(digits, c == 'D', set);
      }
      case 'w':
      case 'W':
        return Put(RegexWordSet(), c == 'W', set);
      case 'h':
      case 'H': {
        CharSet hex = CharSet::Of('0', '9');
        hex.Add('a', 'f');
        hex.Add('A', 'F');
        return Put(hex, c == 'H', set);
      }
      default:
        break;
    }
    *is_literal = true;
    switch (c) {
      case 'n':
        *literal = '\n';
        return {};
      case 'r':
        *literal = '\r';
        return {};
      case 't':
        *literal = '\t';
        return {};
      case 'f':
        *literal = '\f';
        return {};
      case 'v':
        *literal = 0x0B;
        return {};
      case 'a':
        *literal = 0x07;
        return {};
      case 'e':
        *literal = 0x1B;
        return {};
      case 'x':
      case 'u':
        return Hex(at, c == 'u', literal);
      default:
        break;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      return No(at, in_class ? "this escape in a class" : "this escape");
    }
    *literal = c;
    return {};
  }
  static Status Put(const CharSet& set, bool negated, CharSet* out) {
    out->Add(negated ? set.Negated() : set);
    return {};
  }

  Status Hex(size_t at, bool four, uint32_t* literal) {
    const bool braces = !four && Accept("{");
    const size_t most = braces ? 6 : four ? 4 : 2;
    size_t n = 0;
    uint32_t value = 0;
    for (; n < most; ++n, ++position_) {
      const uint32_t c = Peek();
      const uint32_t digit = c >= '0' && c <= '9'   ? c - '0'
                             : c >= 'a' && c <= 'f' ? c - 'a' + 10
                             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                    : 16;
      if (digit > 15) break;
      value = value * 16 + digit;
    }
    if (n == 0 || (four && n < 4) || (braces && !Accept("}")) || value >= kCodePoints) {
      return Bad(at, "a malformed hexadecimal escape");
    }
    // A two-digit escape above 7F is a byte of a UTF-8 sequence, not a character.
    if (!braces && !four && value > 0x7F) return No(at, "a byte escape beyond ASCII");
    *literal = value;
    return {};
  }

  Status Property(size_t at, bool negated, bool ignore_case, CharSet* set) {
    std::string name;
    if (!Accept("{")) return Bad(at, "a property without braces");
    if (Accept("^")) negated = !negated;
    while (!AtEnd() && Peek() != '}' && name.size() < 40 && Peek() < 0x80) {
      name.push_back(static_cast<char>(text_[position_++]));
    }
    if (!Accept("}")) return Bad(at, "a property without its '}'");
    CharSet property;
    if (!CategorySet(name, &property)) return No(at, "a property that is no general category");
    if (ignore_case && (name == "Lu" || name == "Ll" || name == "Lt")) {
      return No(at, "a case-insensitive letter case");
    }
    return Put(property, negated, set);
  }

  // Behind the '['.
  Status Class(size_t at, bool ignore_case, CharSet* out) {
    const bool negated = Accept("^");
    CharSet set, letters;  // letters: what was written as itself, to be folded
    bool first = true;
    for (;; first = false) {
      if (AtEnd()) return Bad(at, "an unmatched '['");
      const size_t here = position_;
      if (Peek() == ']' && !first) break;
      if (Peek() == ']') return No(here, "a class that begins with ']'");
      if (Accept("[:")) {
        SAMARA_RETURN_IF_ERROR(PosixClass(here, &set));
        continue;
      }
      if (Peek() == '[') return No(here, "a class within a class");
      if (Peek() == '&' && Peek(1) == '&') return No(here, "an intersection of classes");
      uint32_t low = 0, high = 0;
      bool is_literal = true;
      if (Accept("\\")) {
        SAMARA_RETURN_IF_ERROR(Escape(here, ignore_case, true, &set, &is_literal, &low));
      } else {
        low = text_[position_++];
      }
      if (!is_literal) continue;
      high = low;
      if (Peek() == '-' && Peek(1) != ']' && position_ + 1 < text_.size()) {
        ++position_;
        if (Peek() == '[') return No(position_, "a class within a class");
        if (Accept("\\")) {
          SAMARA_RETURN_IF_ERROR(Escape(here, ignore_case, true, &set, &is_literal, &high));
          if (!is_literal) return Bad(here, "a range that ends in a class");
        } else {
          high = text_[position_++];
        }
        if (high < low) return Bad(here, "a range that descends");
      }
      letters.Add(low, high);
    }
    ++position_;
    SAMARA_RETURN_IF_ERROR(Fold(at, ignore_case, &letters));
    set.Add(letters);
    *out = negated ? set.Negated() : set;
    return {};
  }

  Status PosixClass(size_t at, CharSet* set) {
    const bool negated = Accept("^");
    if (Accept("space:]")) return Put(SpaceSet(), negated, set);
    const char* category = Accept("digit:]") ? "Nd" : Accept("cntrl:]") ? "Cc" : nullptr;
    if (category == nullptr) return No(at, "this POSIX class");
    CharSet found;
    CategorySet(category, &found);
    return Put(found, negated, set);
  }

  std::string_view pattern_;
  std::vector<uint32_t> text_;
  size_t position_ = 0;
};

}  // namespace

StatusOr<RegexNode> ParseRegex(std::string_view pattern) { return Parser(pattern).Run(); }

RegexNode LiteralRegex(std::string_view text) {
  RegexNode node;
  for (const uint32_t c : CodePointsOf(text)) node.children.push_back(SetNode(CharSet::Of(c)));
  return node;
}

}  // namespace samara
