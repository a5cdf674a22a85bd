// Jinja source to tokens, with jinja2's rules for white space around tags (trim_blocks and
// lstrip_blocks on, the newline at the very end dropped).
#ifndef SAMARA_CONVERTER_TEMPLATE_LEXER_H_
#define SAMARA_CONVERTER_TEMPLATE_LEXER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/status.h"

namespace samara::template_compiler {

struct Position {
  uint32_t line = 1, column = 1;  // characters, from 1
};

enum class TokenKind : uint8_t {
  kData,
  kOutputBegin,  // {{
  kOutputEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  std::string text;  // a string's value; a number without underscores
  Position position;

  bool Is(TokenKind k) const { return kind == k; }
  bool IsName(std::string_view name) const { return kind == TokenKind::kName && text == name; }
  bool IsOperator(std::string_view op) const { return kind == TokenKind::kOperator && text == op; }
};

// "line 3, column 7: what"
Status SyntaxError(Position position, const std::string& what);
Status UnsupportedConstruct(Position position, const std::string& what);

// The last token is kEnd.
StatusOr<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace samara::template_compiler

#endif  // SAMARA_CONVERTER_TEMPLATE_LEXER_H_
