// The syntax tree of a template before its names are resolved. Kinds are those of the block.
#ifndef SAMARA_CONVERTER_TEMPLATE_AST_H_
#define SAMARA_CONVERTER_TEMPLATE_AST_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "converter/template/lexer.h"
#include "formats/template_tree.h"

namespace samara::template_compiler {

struct Ast {
  TemplateNodeKind kind;
  uint8_t sub = 0;
  Position position;
  int64_t integer = 0;
  double number = 0;
  // String, text, name of a variable, attribute, macro.
  std::string name;
  std::string field;  // of a namespace
  // Operands in their order; null where one is absent. Of For: iterable, test. Of SetBlock and
  // FilterBlock: the filters, whose innermost value is null. Of With: the values. Of Macro: the
  // defaults of the parameters (null: none). Of CallBlock (a Call): the macro is kids[1].
  std::vector<Ast*> kids;
  std::vector<std::string>
      names;                      // of Call's arguments ("" without), beside kids from the third on
  std::vector<uint32_t> numbers;  // of Compare: operators
  std::vector<Ast*> targets;      // of Set, SetBlock, For, With; parameters of Macro
  std::vector<std::vector<Ast*>> bodies;  // of If beside kids; of For: body, else
  bool is_call_block = false;
};

// Owns the nodes.
using AstPool = std::deque<Ast>;

// The statements of a template.
StatusOr<std::vector<Ast*>> Parse(std::string_view source, AstPool* pool);

}  // namespace samara::template_compiler

#endif  // SAMARA_CONVERTER_TEMPLATE_AST_H_
