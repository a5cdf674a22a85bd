#include <algorithm>
#include <charconv>
#include <cstring>

#include "converter/json.h"
#include "converter/json_tree.h"

namespace samara::json_internal {
namespace {

class Parser {
 public:
  Parser(Tree* tree, std::string_view text) : tree_(tree), text_(text) {}

  Status Run() {
    Reserve();
    SkipSpace();
    SAMARA_RETURN_IF_ERROR(ParseValue(0));
    SkipSpace();
    if (at_ < text_.size()) return Bad(at_, "the end of the file");
    return Status();
  }

 private:
  // Exact bounds, so that nothing is ever copied to grow: a value costs at least two bytes of text.
  void Reserve() {
    uint64_t nodes = 1;
    bool in_string = false;
    for (size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (in_string) {
        if (c == '\\') ++i;
        if (c == '"') in_string = false;
      } else if (c == '"') {
        in_string = true;
      } else if (c == ',' || c == '[' || c == '{') {
        ++nodes;
      }
    }
    tree_->nodes.reserve(static_cast<size_t>(std::min<uint64_t>(nodes, text_.size() / 2 + 1)));
    tree_->strings.reserve(text_.size());
  }

  void SkipSpace() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
      ++at_;
    }
  }

  Status Bad(size_t at, const char* wanted) const {
    std::string got = "the end of the file";
    if (at < text_.size()) got = Quoted(text_.substr(at, 1));
    return InvalidFile("%s: byte %zu: got %s, wanted %s", tree_->name.c_str(), at, got.c_str(),
                       wanted);
  }
  Status BadText(size_t at, const std::string& got, const char* wanted) const {
    return InvalidFile("%s: byte %zu: got %s, wanted %s", tree_->name.c_str(), at, got.c_str(),
                       wanted);
  }

  Status ParseValue(int depth) {
    if (at_ >= text_.size()) return Bad(at_, "a value");
    const uint32_t index = static_cast<uint32_t>(tree_->nodes.size());
    tree_->nodes.emplace_back();
    Status status;
    switch (text_[at_]) {
      case '{':
      case '[':
        if (depth >= JsonDocument::kMaxDepth) {
          return BadText(
              at_, "more nesting",
              ("at most " + std::to_string(JsonDocument::kMaxDepth) + " levels").c_str());
        }
        status = text_[at_] == '{' ? ParseObject(index, depth) : ParseArray(index, depth);
        break;
      case '"': {
        uint32_t offset = 0, bytes = 0;
        status = ParseString(&offset, &bytes);
        Set(index, JsonKind::kString).offset = offset;
        tree_->nodes[index].count = bytes;
        break;
      }
      case 't':
        status = ParseWord("true");
        Set(index, JsonKind::kBool).b = true;
        break;
      case 'f':
        status = ParseWord("false");
        Set(index, JsonKind::kBool).b = false;
        break;
      case 'n':
        status = ParseWord("null");
        Set(index, JsonKind::kNull);
        break;
      default:
        status = ParseNumber(index);
        break;
    }
    if (!status.ok()) return status;
    tree_->nodes[index].next = static_cast<uint32_t>(tree_->nodes.size());
    return Status();
  }

  Node& Set(uint32_t index, JsonKind kind) {
    Node& node = tree_->nodes[index];
    node.kind = static_cast<uint32_t>(kind);
    return node;
  }

  Status ParseWord(const char* word) {
    const size_t bytes = strlen(word);
    if (text_.substr(at_, bytes) != word) return Bad(at_, "a value");
    at_ += bytes;
    return Status();
  }

  Status ParseArray(uint32_t index, int depth) {
    Set(index, JsonKind::kArray);
    ++at_;
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == ']') {
      ++at_;
      return Status();
    }
    uint32_t count = 0;
    while (true) {
      SkipSpace();
      SAMARA_RETURN_IF_ERROR(ParseValue(depth + 1));
      ++count;
      SkipSpace();
      if (at_ >= text_.size() || (text_[at_] != ',' && text_[at_] != ']'))
        return Bad(at_, "',' or ']'");
      if (text_[at_++] == ']') break;
    }
    tree_->nodes[index].count = count;
    return Status();
  }

  Status ParseObject(uint32_t index, int depth) {
    Set(index, JsonKind::kObject);
    const size_t start = at_++;
    SkipSpace();
    if (at_ < text_.size() && text_[at_] == '}') {
      ++at_;
      return Status();
    }
    uint32_t count = 0;
    while (true) {
      SkipSpace();
      if (at_ >= text_.size() || text_[at_] != '"') return Bad(at_, "'\"' of a key");
      uint32_t offset = 0, bytes = 0;
      SAMARA_RETURN_IF_ERROR(ParseString(&offset, &bytes));
      SkipSpace();
      if (at_ >= text_.size() || text_[at_] != ':') return Bad(at_, "':'");
      ++at_;
      SkipSpace();
      const size_t member = tree_->nodes.size();
      SAMARA_RETURN_IF_ERROR(ParseValue(depth + 1));
      tree_->nodes[member].key_offset = offset;
      tree_->nodes[member].key_bytes = bytes;
      ++count;
      SkipSpace();
      if (at_ >= text_.size() || (text_[at_] != ',' && text_[at_] != '}'))
        return Bad(at_, "',' or '}'");
      if (text_[at_++] == '}') break;
    }
    tree_->nodes[index].count = count;
    return CheckKeys(index, count, start);
  }

  Status CheckKeys(uint32_t index, uint32_t count, size_t start) {
    std::vector<uint32_t> members;
    members.reserve(count);
    for (uint32_t i = index + 1; members.size() < count; i = tree_->nodes[i].next)
      members.push_back(i);
    const auto key = [this](uint32_t i) { return tree_->Key(tree_->nodes[i]); };
    std::sort(members.begin(), members.end(),
              [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    for (size_t i = 1; i < members.size(); ++i) {
      if (key(members[i - 1]) == key(members[i])) {
        return BadText(start, "the key " + Quoted(key(members[i])) + " twice in one object",
                       "every key once");
      }
    }
    return Status();
  }

  // -- Numbers

  bool Digits() {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > start;
  }

  Status ParseNumber(uint32_t index) {
    const size_t start = at_;
    bool integer = true;
    if (text_[at_] == '-') ++at_;
    if (at_ < text_.size() && text_[at_] == '0') {
      ++at_;
    } else if (!Digits()) {
      return Bad(at_, at_ == start ? "a value" : "a digit");
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      integer = false;
      ++at_;
      if (!Digits()) return Bad(at_, "a digit");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      integer = false;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!Digits()) return Bad(at_, "a digit");
    }
    const char* first = text_.data() + start;
    const char* last = text_.data() + at_;
    Node& node = tree_->nodes[index];
    if (integer) {
      if (std::from_chars(first, last, node.i).ec == std::errc()) {
        Set(index, JsonKind::kInt);
        return Status();
      }
      if (*first != '-' && std::from_chars(first, last, node.u).ec == std::errc()) {
        Set(index, JsonKind::kUint);
        return Status();
      }
    }
    double value = 0;
    if (std::from_chars(first, last, value).ec != std::errc()) {
      return BadText(start, "the number " + Quoted(text_.substr(start, at_ - start), 40),
                     "one in the range of binary64");
    }
    Set(index, JsonKind::kDouble).d = value;
    return Status();
  }

  // -- Strings

  // Checks one UTF-8 sequence at at_ (lead byte >= 0x80) and appends it.
  Status TakeUtf8() {
    const auto byte = [this](size_t i) -> uint32_t {
      return i < text_.size() ? static_cast<uint8_t>(text_[i]) : 0;
    };
    const uint32_t lead = byte(at_);
    int n = 0;
    uint32_t low = 0x80,
             high = 0xBF;  // bounds of the second byte: no overlong form, surrogate or > U+10FFFF
    if (lead >= 0xC2 && lead <= 0xDF) n = 1;
    if (lead >= 0xE0 && lead <= 0xEF) n = 2;
    if (lead >= 0xF0 && lead <= 0xF4) n = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    bool good = n > 0;
    for (int i = 1; good && i <= n; ++i) {
      const uint32_t b = byte(at_ + static_cast<size_t>(i));
      good = i == 1 ? b >= low && b <= high : b >= 0x80 && b <= 0xBF;
    }
    if (!good) return Bad(at_, "UTF-8");
    tree_->strings.append(text_.substr(at_, static_cast<size_t>(n) + 1));
    at_ += static_cast<size_t>(n) + 1;
    return Status();
  }

  Status TakeHex4(uint32_t* code) {
    *code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      uint32_t digit = 0;
      if (c >= '0' && c <= '9')
        digit = static_cast<uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        digit = static_cast<uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        digit = static_cast<uint32_t>(c - 'A' + 10);
      else
        return Bad(at_, "four hexadecimal digits after \\u");
      *code = *code * 16 + digit;
    }
    return Status();
  }

  void AppendCode(uint32_t code) {
    std::string& out = tree_->strings;
    const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | code >> 6);
      put(0x80 | (code & 63));
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12);
      put(0x80 | (code >> 6 & 63));
      put(0x80 | (code & 63));
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 63));
      put(0x80 | (code >> 6 & 63));
      put(0x80 | (code & 63));
    }
  }

  Status TakeEscape() {
    const size_t start = at_++;
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    ++at_;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        tree_->strings.push_back(c);
        return Status();
      case 'b':
        tree_->strings.push_back('\b');
        return Status();
      case 'f':
        tree_->strings.push_back('\f');
        return Status();
      case 'n':
        tree_->strings.push_back('\n');
        return Status();
      case 'r':
        tree_->strings.push_back('\r');
        return Status();
      case 't':
        tree_->strings.push_back('\t');
        return Status();
      case 'u':
        break;
      default:
        return Bad(at_ - 1, "one of \"\\/bfnrtu after a backslash");
    }
    uint32_t code = 0;
    SAMARA_RETURN_IF_ERROR(TakeHex4(&code));
    if (code >= 0xD800 && code <= 0xDFFF) {
      uint32_t low = 0;
      const bool pair = code < 0xDC00 && text_.substr(at_, 2) == "\\u";
      if (pair) {
        at_ += 2;
        SAMARA_RETURN_IF_ERROR(TakeHex4(&low));
      }
      if (low < 0xDC00 || low > 0xDFFF)
        return BadText(start, "a lone surrogate", "a pair of surrogates");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    AppendCode(code);
    return Status();
  }

  Status ParseString(uint32_t* offset, uint32_t* bytes) {
    const size_t begin = tree_->strings.size();
    ++at_;
    while (true) {
      const size_t run = at_;
      while (at_ < text_.size()) {
        const auto c = static_cast<uint8_t>(text_[at_]);
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
        ++at_;
      }
      tree_->strings.append(text_.substr(run, at_ - run));
      if (at_ >= text_.size()) return Bad(at_, "'\"' at the end of a string");
      const auto c = static_cast<uint8_t>(text_[at_]);
      if (c == '"') break;
      if (c < 0x20) return Bad(at_, "an escaped control character");
      SAMARA_RETURN_IF_ERROR(c == '\\' ? TakeEscape() : TakeUtf8());
    }
    ++at_;
    *offset = static_cast<uint32_t>(begin);
    *bytes = static_cast<uint32_t>(tree_->strings.size() - begin);
    return Status();
  }

  Tree* tree_;
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Status ParseTree(Tree* tree, std::string_view text) { return Parser(tree, text).Run(); }

}  // namespace samara::json_internal
