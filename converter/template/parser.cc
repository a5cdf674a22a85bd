#include "converter/template/parser.h"

namespace samara::template_compiler {

// --- Statements ----------------------------------------------------------------------------------

// Up to a tag of one of these names, which becomes the current token; at the top (none given) up to
// the end.
Status Parser::Statements(Names ends, std::vector<Ast*>* body) {
  Ast* output = nullptr;
  for (;;) {
    const Position here = Here();
    switch (Current().kind) {
      case TokenKind::kData: {
        Ast* text = Make(kNodeText, here);
        text->name = Current().text;
        body->push_back(text);
        output = nullptr;
        Next();
        break;
      }
      case TokenKind::kOutputBegin: {
        Next();
        PARSE(value, Tuple());
        if (!Current().Is(TokenKind::kOutputEnd)) return Unexpected("'}}'");
        Next();
        if (!output) body->push_back(output = Make(kNodeOutput, here));
        output->kids.push_back(value);
        break;
      }
      case TokenKind::kBlockBegin: {
        output = nullptr;
        Next();
        for (const std::string_view end : ends) {
          if (Current().IsName(end)) return Status();
        }
        PARSE(statement, Statement());
        body->push_back(statement);
        SAMARA_RETURN_IF_ERROR(ExpectBlockEnd());
        break;
      }
      default: {
        if (ends.size() == 0) return Status();
        std::string wanted;
        for (const std::string_view end : ends) {
          wanted += (wanted.empty() ? "" : " or ") + std::string(end);
        }
        return Unexpected(wanted.c_str());
      }
    }
  }
}

// The rest of a tag's head and its body; the end tag's name becomes the current token.
Status Parser::Body(Names ends, std::vector<Ast*>* body) {
  SkipOperator(":");
  SAMARA_RETURN_IF_ERROR(ExpectBlockEnd());
  return Statements(ends, body);
}
Status Parser::BodyTo(std::string_view end, std::vector<Ast*>* body) {
  SAMARA_RETURN_IF_ERROR(Body({end}, body));
  Next();
  return Status();
}

StatusOr<Ast*> Parser::Statement() {
  if (!Current().Is(TokenKind::kName)) return Unexpected("the name of a statement");
  if (++nesting_ > kMaxNesting) return SyntaxError(Here(), "nested too deep");
  auto result = StatementInner();
  --nesting_;
  return result;
}

StatusOr<Ast*> Parser::StatementInner() {
  const Position here = Here();
  const std::string tag = Current().text;
  Next();
  if (tag == "if") return If(here);
  if (tag == "for") return For(here);
  if (tag == "set") return Set(here);
  if (tag == "macro") return Macro(here);
  if (tag == "call") return CallBlock(here);
  if (tag == "filter") return FilterBlock(here);
  if (tag == "with") return With(here);
  if (tag == "print") return Print(here);
  if (tag == "generation") {
    const int loops = std::exchange(loops_, 0);
    Ast* node = Make(kNodeWith, here);
    node->bodies.resize(1);
    SAMARA_RETURN_IF_ERROR(BodyTo("endgeneration", &node->bodies[0]));
    loops_ = loops;
    return node;
  }
  if (tag == "break" || tag == "continue") {
    if (loops_ == 0) return SyntaxError(here, tag + " outside of a loop");
    return Make(tag == "break" ? kNodeBreak : kNodeContinue, here);
  }
  static constexpr std::string_view kKnown[] = {"autoescape", "block",  "do",     "extends",
                                                "from",       "import", "include"};
  for (const std::string_view known : kKnown) {
    if (tag == known) return UnsupportedConstruct(here, "statement " + tag);
  }
  return SyntaxError(here, "unknown or misplaced statement " + Quoted(tag));
}

StatusOr<Ast*> Parser::If(Position here) {
  Ast* node = Make(kNodeIf, here);
  for (;;) {
    PARSE(test, Tuple(false));
    node->kids.push_back(test);
    SAMARA_RETURN_IF_ERROR(Body({"elif", "else", "endif"}, &node->bodies.emplace_back()));
    if (SkipName("elif")) continue;
    if (SkipName("else")) {
      node->kids.push_back(nullptr);
      SAMARA_RETURN_IF_ERROR(Body({"endif"}, &node->bodies.emplace_back()));
    }
    Next();
    return node;
  }
}

StatusOr<Ast*> Parser::For(Position here) {
  Ast* node = Make(kNodeFor, here);
  PARSE(target, Target(false, true, false));
  if (!SkipName("in")) return Unexpected("'in'");
  PARSE(iterable, Tuple(false, "recursive"));
  Ast* test = nullptr;
  if (SkipName("if")) {
    SAMARA_ASSIGN_OR_RETURN(test, Expression());
  }
  if (Current().IsName("recursive")) {
    return UnsupportedConstruct(Here(), "recursive loop");
  }
  node->targets = {target};
  node->kids = {iterable, test};
  node->bodies.resize(2);
  ++loops_;
  SAMARA_RETURN_IF_ERROR(Body({"endfor", "else"}, &node->bodies[0]));
  --loops_;
  if (SkipName("else")) SAMARA_RETURN_IF_ERROR(Body({"endfor"}, &node->bodies[1]));
  Next();
  return node;
}

StatusOr<Ast*> Parser::Set(Position here) {
  PARSE(target, Target(true, false, false));
  if (SkipOperator("=")) {
    PARSE(value, Tuple());
    Ast* node = Make(kNodeSet, here, {value});
    node->targets = {target};
    return node;
  }
  Ast* filters = nullptr;
  while (Current().IsOperator("|")) {
    SAMARA_ASSIGN_OR_RETURN(filters, Filter(filters));
  }
  Ast* node = Make(kNodeSetBlock, here, {filters});
  node->targets = {target};
  node->bodies.resize(1);
  SAMARA_RETURN_IF_ERROR(BodyTo("endset", &node->bodies[0]));
  return node;
}

// (a, b=1) into node->targets and node->kids.
Status Parser::Signature(Ast* node) {
  SAMARA_RETURN_IF_ERROR(ExpectOperator("("));
  while (!Current().IsOperator(")")) {
    if (!node->targets.empty()) SAMARA_RETURN_IF_ERROR(ExpectOperator(","));
    PARSE(target, TargetName());
    Ast* value = nullptr;
    if (SkipOperator("=")) {
      SAMARA_ASSIGN_OR_RETURN(value, Expression());
    } else if (!node->kids.empty() && node->kids.back()) {
      return SyntaxError(target->position, "parameter without a default behind one with");
    }
    for (const Ast* other : node->targets) {
      if (other->name == target->name) {
        return SyntaxError(target->position, "parameter " + target->name + " twice");
      }
    }
    node->targets.push_back(target);
    node->kids.push_back(value);
  }
  Next();
  return Status();
}

Status Parser::MacroBody(std::string_view end, Ast* node) {
  node->bodies.resize(1);
  const int loops = std::exchange(loops_, 0);
  SAMARA_RETURN_IF_ERROR(BodyTo(end, &node->bodies[0]));
  loops_ = loops;
  return Status();
}

StatusOr<Ast*> Parser::Macro(Position here) {
  PARSE(target, TargetName());
  Ast* macro = Make(kNodeMacro, here);
  macro->name = target->name;
  SAMARA_RETURN_IF_ERROR(Signature(macro));
  SAMARA_RETURN_IF_ERROR(MacroBody("endmacro", macro));
  Ast* node = Make(kNodeSet, here, {macro});
  node->targets = {target};
  return node;
}

StatusOr<Ast*> Parser::CallBlock(Position here) {
  Ast* macro = Make(kNodeMacro, here);
  macro->name = "caller";
  if (Current().IsOperator("(")) SAMARA_RETURN_IF_ERROR(Signature(macro));
  PARSE(call, Expression());
  if (call->kind != kNodeCall || call->kids[1]) return SyntaxError(here, "call without a call");
  SAMARA_RETURN_IF_ERROR(MacroBody("endcall", macro));
  call->kids[1] = macro;
  call->is_call_block = true;
  return Make(kNodeOutput, here, {call});
}

StatusOr<Ast*> Parser::FilterBlock(Position here) {
  PARSE(filters, OneFilter(nullptr));
  while (Current().IsOperator("|")) {
    SAMARA_ASSIGN_OR_RETURN(filters, Filter(filters));
  }
  Ast* node = Make(kNodeFilterBlock, here, {filters});
  node->bodies.resize(1);
  SAMARA_RETURN_IF_ERROR(BodyTo("endfilter", &node->bodies[0]));
  return node;
}

StatusOr<Ast*> Parser::With(Position here) {
  Ast* node = Make(kNodeWith, here);
  while (!Current().Is(TokenKind::kBlockEnd)) {
    if (!node->targets.empty()) SAMARA_RETURN_IF_ERROR(ExpectOperator(","));
    PARSE(target, Target(false, false, false));
    SAMARA_RETURN_IF_ERROR(ExpectOperator("="));
    PARSE(value, Expression());
    node->targets.push_back(target);
    node->kids.push_back(value);
  }
  node->bodies.resize(1);
  SAMARA_RETURN_IF_ERROR(BodyTo("endwith", &node->bodies[0]));
  return node;
}

StatusOr<Ast*> Parser::Print(Position here) {
  Ast* node = Make(kNodeOutput, here);
  while (!Current().Is(TokenKind::kBlockEnd)) {
    if (!node->kids.empty()) SAMARA_RETURN_IF_ERROR(ExpectOperator(","));
    PARSE(value, Expression());
    node->kids.push_back(value);
  }
  return node;
}

// --- Targets -------------------------------------------------------------------------------------

StatusOr<Ast*> Parser::TargetName() {
  const Position here = Here();
  SAMARA_ASSIGN_OR_RETURN(const std::string name, ExpectName());
  static constexpr std::string_view kConstants[] = {"true", "false", "none",
                                                    "True", "False", "None"};
  for (const std::string_view constant : kConstants) {
    if (name == constant) return SyntaxError(here, "assignment to " + name);
  }
  Ast* node = Make(kNodeTargetName, here);
  node->name = name;
  return node;
}

StatusOr<Ast*> Parser::TargetPart(bool field) {
  if (SkipOperator("(")) {
    if (++nesting_ > kMaxNesting) return SyntaxError(Here(), "nested too deep");
    auto inner = Target(field, false, true);
    --nesting_;
    if (!inner.ok()) return inner;
    SAMARA_RETURN_IF_ERROR(ExpectOperator(")"));
    return inner;
  }
  if (!Current().Is(TokenKind::kName)) return Unexpected("the name of a variable");
  PARSE(node, TargetName());
  if (field && SkipOperator(".")) {
    node->kind = kNodeTargetField;
    SAMARA_ASSIGN_OR_RETURN(node->field, ExpectName());
  }
  return node;
}

StatusOr<Ast*> Parser::Target(bool field, bool until_in, bool parentheses) {
  const Position here = Here();
  std::vector<Ast*> parts;
  bool tuple = false;
  for (;;) {
    if (Current().IsOperator(")") || Current().IsOperator("=") ||
        Current().Is(TokenKind::kBlockEnd) || (until_in && Current().IsName("in"))) {
      break;
    }
    PARSE(part, TargetPart(field));
    parts.push_back(part);
    if (!SkipOperator(",")) break;
    tuple = true;
  }
  if (parts.size() == 1 && !tuple) return parts[0];
  if (parts.empty() && !parentheses) return Unexpected("the name of a variable");
  Ast* node = Make(kNodeTargetTuple, here);
  node->targets = std::move(parts);
  return node;
}

StatusOr<std::vector<Ast*>> Parse(std::string_view source, AstPool* pool) {
  SAMARA_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens), pool).Run();
}

}  // namespace samara::template_compiler
