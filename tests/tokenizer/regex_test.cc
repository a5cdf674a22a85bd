// The pattern compiler: what splits come out, and what is refused with which words.
#include <doctest/doctest.h>

#include "runtime/tokenizer/splitter.h"
#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {

std::string JsonString(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

StatusOr<std::vector<uint8_t>> CompilePattern(std::string_view pattern,
                                              const std::string& behavior = "Isolated",
                                              bool invert = false) {
  Parts parts;
  parts.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":)" + JsonString(pattern) +
                        R"(},"behavior":")" + behavior + R"(","invert":)" +
                        (invert ? "true" : "false") + "}";
  return CompileText(parts.Json());
}

// The pieces, joined by '|'.
std::string Split(std::string_view pattern, const std::string& text,
                  const std::string& behavior = "Isolated", bool invert = false) {
  const auto blob = CompilePattern(pattern, behavior, invert);
  if (!blob.ok()) return blob.status().message();
  const auto loaded = Load(*blob);
  const TokenizerView view(loaded->blob.data());
  const uint8_t* begin = reinterpret_cast<const uint8_t*>(text.data());
  Splitter splitter;
  splitter.Begin(view, view.Table<PreTokenizerStage>(kTableStages)[0],
                 {begin, begin + text.size(), true});
  std::string out;
  TextPiece piece;
  while (splitter.Next(&piece)) {
    if (!out.empty()) out += '|';
    out.append(reinterpret_cast<const char*>(piece.begin),
               static_cast<size_t>(piece.end - piece.begin));
  }
  return out;
}

// Expected values are those of Oniguruma as the `tokenizers` library uses it.
TEST_CASE("alternatives, greed and look-ahead as a backtracking matcher has them") {
  CHECK(Split("a|ab", "abab") == "a|b|a|b");
  CHECK(Split("ab|a", "abab") == "ab|ab");
  CHECK(Split("a*?b", "aab") == "aab");
  CHECK(Split("a+?", "aaa") == "a|a|a");
  CHECK(Split("(?:a|ab)(?:c|bcd)", "abcd") == "abcd");
  CHECK(Split(R"(\s+(?!\S)|\s+)", "a   b  ") == "a|  | |b|  ");
  CHECK(Split(R"(\s+(?=x)|\s)", "a   x   y") == "a|   |x| | | |y");
  CHECK(Split("a(?=b|$)", "aaba") == "a|a|b|a");
  CHECK(Split("a$", "a\naa") == "a|\na|a");
  CHECK(Split(R"(\d{1,3})", "1234567") == "123|456|7");
  CHECK(Split(R"(\d{1,3}+)", "1234567") == "1234567");  // {n,m}+ is not possessive in this syntax
  CHECK(Split(R"(\d{2}?a)", "12a3a") == "12a|3|a");     // {n}? is an optional {n}
  CHECK(Split("a{,2}b", "aaab") == "a|aab");
  CHECK(Split("a{x}", "a{x}b") == "a{x}|b");
  CHECK(Split(R"(\d++\d)", "12345a") == "12345a");
  CHECK(Split("a?+ab", "aab ab") == "aab| ab");
  CHECK(Split(".", "a\nb") == "a|\n|b");
}

TEST_CASE("classes") {
  CHECK(Split(R"([^\s\p{L}\p{N}]+)", "ab!? é1٣") == "ab|!?| é1٣");
  CHECK(Split(R"([a\-z]+)", "a-z-b") == "a-z-|b");
  CHECK(Split("[a-]+", "a-b") == "a-|b");
  CHECK(Split(R"([一-龥\u3040-\u309f]+)", "x漢字かなy") == "x|漢字かな|y");
  CHECK(Split(R"(\p{^L}+|\P{Lu})", "aB12") == "a|B|12");
  CHECK(Split("(?i:'s|k)", "'S'\xC5\xBFk\xE2\x84\xAA") == "'S|'\xC5\xBF|k|\xE2\x84\xAA");
  CHECK(Split("(?i:a(?-i:b))", "AbAB") == "Ab|AB");
  CHECK(Split("(?i)ab|c", "aBC") == "aB|C");
  CHECK(Split(R"([\x41-\x{43}]+)", "ABCD") == "ABC|D");
  CHECK(Split("[[:space:]x]+", "a x\ty") == "a| x\t|y");
}

TEST_CASE("behaviors") {
  CHECK(Split("-", "a--b-c", "Removed") == "a|b|c");
  CHECK(Split("-", "a--b-c", "Isolated") == "a|-|-|b|-|c");
  CHECK(Split("-", "a--b-c", "MergedWithPrevious") == "a-|-|b-|c");
  CHECK(Split("-", "a--b-c", "MergedWithNext") == "a|-|-b|-c");
  CHECK(Split("-", "a--b-c", "Contiguous") == "a|--|b|-|c");
  CHECK(Split("-", "-a-", "MergedWithPrevious") == "-|a-");
  CHECK(Split("-", "-a-", "MergedWithNext") == "-a|-");
  CHECK(Split("-", "a--b-c", "Removed", true) == "-|-|-");
  CHECK(Split("-", "a--b", "MergedWithNext", true) == "a-|-|b");
}

TEST_CASE("what cannot be compiled is refused with its place") {
  const std::pair<const char*, const char*> cases[] = {
      {R"(a(?<=b)c)", "character 1: look-behind"},
      {R"((?>a))", "character 0: an atomic group"},
      {R"(a(?=bc))", "character 1: look-ahead of more than one character"},
      {R"(a(?!.*x))", "look-ahead of more than one character"},
      {R"((a)\1)", "character 3: this escape"},
      {R"(a\b)", "character 1: this escape"},
      {R"(^a)", "character 0: '^'"},
      {R"(a*)", "matches the empty text"},
      {R"((?:a?)+)", "it repeats what may be empty"},
      {R"((ab)++)", "character 4: a possessive repetition"},
      {R"(\p{Han})", "character 0: a property that is no general category"},
      {R"([a&&b])", "character 2: an intersection"},
      {R"([a[b]])", "character 2: a class within a class"},
      {R"([]a])", "character 1: a class that begins with ']'"},
      {R"((?i:ß))", "a case-insensitive character beyond ASCII"},
      {R"((?i:ss))", "character 5: a case-insensitive pair of letters"},
      {R"((?i:\p{Lu}))", "a case-insensitive letter case"},
      {R"(a{1001})", "character 1: a repetition this large"},
      {R"(ba????????????)", "repetitions of a repetition"},
      {R"(\x{110000})", "a malformed hexadecimal escape"},
      {R"(\xE4)", "a byte escape beyond ASCII"},
      {R"((a)", "character 0: an unmatched '('"},
      {R"(a))", "character 1: an unmatched ')'"},
      {R"([a)", "character 0: an unmatched '['"},
      {R"(*a)", "character 0: a repetition of nothing"},
      {R"(a{3,1})", "minimum is above its maximum"},
      {R"([z-a])", "a range that descends"},
      {"a\\", "a backslash at the end"},
      {R"((?P<n>a))", "this kind of group"},
  };
  for (const auto& entry : cases) {
    const char* const pattern = entry.first;
    const char* const words = entry.second;
    const auto blob = CompilePattern(pattern);
    REQUIRE_MESSAGE(!blob.ok(), pattern);
    const std::string message = blob.status().message();
    CHECK_MESSAGE(message.find(words) != std::string::npos, pattern << ": " << message);
    CHECK_MESSAGE(message.find("field pre_tokenizer") != std::string::npos, message);
  }
}

TEST_CASE("patterns that explode are refused in time, patterns that would backtrack are not slow") {
  CHECK(!CompilePattern("(?:(?:(?:a{1000}){1000}){1000}){1000}b").ok());
  CHECK(!CompilePattern("(?:a|b)*a(?:a|b){20}").ok());  // 2^20 states
  CHECK(!CompilePattern(std::string(100000, 'a')).ok());
  CHECK(!CompilePattern(std::string(1000, '(') + "a" + std::string(1000, ')')).ok());
  const std::string text(100000, 'a');
  CHECK(Split("(?:a+)+$", text) == text);
  CHECK(Split("(?:a|aa)+$", text) == text);
}

}  // namespace
}  // namespace samara::tokenizer_test
