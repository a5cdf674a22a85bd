// Tokens to syntax tree: the grammar of jinja2's parser. Statements are in parser.cc, expressions in
// expressions.cc.
#ifndef SAMARA_CONVERTER_TEMPLATE_PARSER_H_
#define SAMARA_CONVERTER_TEMPLATE_PARSER_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "converter/template/ast.h"
#include "converter/template/names.h"

namespace samara::template_compiler {

// Bounds the recursion; the tree's own limit is kTemplateMaxDepth.
inline constexpr int kMaxNesting = 150;

// One line that passes an error on; `name` is declared.
#define PARSE(name, expression) SAMARA_ASSIGN_OR_RETURN(Ast* name, expression)

class Parser {
 public:
  Parser(std::vector<Token> tokens, AstPool* pool) : tokens_(std::move(tokens)), pool_(pool) {}

  StatusOr<std::vector<Ast*>> Run() {
    std::vector<Ast*> body;
    SAMARA_RETURN_IF_ERROR(Statements({}, &body));
    return body;
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  const Token& Current() const { return tokens_[at_]; }
  const Token& Look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Position Here() const { return Current().position; }
  void Next() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool SkipOperator(std::string_view op) {
    if (!Current().IsOperator(op)) return false;
    Next();
    return true;
  }
  bool SkipName(std::string_view name) {
    if (!Current().IsName(name)) return false;
    Next();
    return true;
  }
  std::string Describe() const {
    switch (Current().kind) {
      case TokenKind::kData:
        return "text";
      case TokenKind::kOutputBegin:
        return "'{{'";
      case TokenKind::kOutputEnd:
        return "'}}'";
      case TokenKind::kBlockBegin:
        return "'{%'";
      case TokenKind::kBlockEnd:
        return "'%}'";
      case TokenKind::kEnd:
        return "the end of the template";
      default:
        return Quoted(Current().text);
    }
  }
  Status Unexpected(const char* wanted) const {
    return SyntaxError(Here(), "got " + Describe() + ", wanted " + wanted);
  }
  Status ExpectOperator(const char* op) {
    return SkipOperator(op) ? Status() : Unexpected((std::string("'") + op + "'").c_str());
  }
  Status ExpectBlockEnd() {
    if (!Current().Is(TokenKind::kBlockEnd)) return Unexpected("'%}'");
    Next();
    return Status();
  }
  StatusOr<std::string> ExpectName() {
    if (!Current().Is(TokenKind::kName)) return Unexpected("a name");
    std::string name = Current().text;
    Next();
    return name;
  }
  Ast* Make(TemplateNodeKind kind, Position position, std::vector<Ast*> kids = {}) {
    Ast* node = &pool_->emplace_back();
    node->kind = kind;
    node->position = position;
    node->kids = std::move(kids);
    return node;
  }

  Status Statements(Names ends, std::vector<Ast*>* body);
  Status Body(Names ends, std::vector<Ast*>* body);
  Status BodyTo(std::string_view end, std::vector<Ast*>* body);
  StatusOr<Ast*> Statement();
  StatusOr<Ast*> StatementInner();
  StatusOr<Ast*> If(Position here);
  StatusOr<Ast*> For(Position here);
  StatusOr<Ast*> Set(Position here);
  Status Signature(Ast* node);
  Status MacroBody(std::string_view end, Ast* node);
  StatusOr<Ast*> Macro(Position here);
  StatusOr<Ast*> CallBlock(Position here);
  StatusOr<Ast*> FilterBlock(Position here);
  StatusOr<Ast*> With(Position here);
  StatusOr<Ast*> Print(Position here);
  StatusOr<Ast*> TargetName();
  StatusOr<Ast*> TargetPart(bool field);
  StatusOr<Ast*> Target(bool field, bool until_in, bool parentheses);
  bool AtTupleEnd(std::string_view end) const;
  StatusOr<Ast*> Tuple(bool with_condition = true, std::string_view end = {},
                       bool parentheses = false);
  StatusOr<Ast*> Expression();
  StatusOr<Ast*> Condition();
  StatusOr<Ast*> Or();
  StatusOr<Ast*> And();
  StatusOr<Ast*> Not();
  StatusOr<Ast*> Compare();
  StatusOr<Ast*> Sum();
  StatusOr<Ast*> Concat();
  StatusOr<Ast*> Product();
  StatusOr<Ast*> Power();
  StatusOr<Ast*> Unary(bool with_filters);
  StatusOr<Ast*> Number();
  StatusOr<Ast*> Primary();
  StatusOr<Ast*> Postfix(Ast* node);
  StatusOr<Ast*> Subscript(Ast* object);
  Status CallArguments(Arguments* arguments);
  StatusOr<Ast*> Call(Ast* callee);
  StatusOr<Ast*> Filter(Ast* value);
  StatusOr<Ast*> OneFilter(Ast* value);
  StatusOr<std::string> DottedName();
  StatusOr<Ast*> Test(Ast* value);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  AstPool* pool_;
  int nesting_ = 0;
  int loops_ = 0;
};

}  // namespace samara::template_compiler

#endif  // SAMARA_CONVERTER_TEMPLATE_PARSER_H_
