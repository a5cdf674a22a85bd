// Expressions, loosest binding first.
#include <charconv>

#include "converter/template/names.h"
#include "converter/template/parser.h"

namespace samara::template_compiler {

// At a token that ends a list without brackets?
bool Parser::AtTupleEnd(std::string_view end) const {
  return Current().Is(TokenKind::kOutputEnd) || Current().Is(TokenKind::kBlockEnd) ||
         Current().IsOperator(")") || (!end.empty() && Current().IsName(end));
}

StatusOr<Ast*> Parser::Tuple(bool with_condition, std::string_view end, bool parentheses) {
  const Position here = Here();
  std::vector<Ast*> parts;
  bool tuple = false;
  while (!AtTupleEnd(end)) {
    PARSE(part, with_condition ? Expression() : Or());
    parts.push_back(part);
    if (!SkipOperator(",")) break;
    tuple = true;
  }
  if (!tuple) {
    if (!parts.empty()) return parts[0];
    if (!parentheses) return Unexpected("an expression");
  }
  return Make(kNodeTuple, here, std::move(parts));
}

StatusOr<Ast*> Parser::Expression() {
  if (++nesting_ > kMaxNesting) return SyntaxError(Here(), "nested too deep");
  auto result = Condition();
  --nesting_;
  return result;
}

StatusOr<Ast*> Parser::Condition() {
  const Position here = Here();
  PARSE(value, Or());
  while (SkipName("if")) {
    PARSE(test, Or());
    Ast* otherwise = nullptr;
    if (SkipName("else")) {
      SAMARA_ASSIGN_OR_RETURN(otherwise, Expression());
    }
    value = Make(kNodeCondition, here, {test, value, otherwise});
  }
  return value;
}

StatusOr<Ast*> Parser::Or() {
  const Position here = Here();
  PARSE(left, And());
  if (!Current().IsName("or")) return left;
  Ast* node = Make(kNodeOr, here, {left});
  while (SkipName("or")) {
    PARSE(right, And());
    node->kids.push_back(right);
  }
  return node;
}

StatusOr<Ast*> Parser::And() {
  const Position here = Here();
  PARSE(left, Not());
  if (!Current().IsName("and")) return left;
  Ast* node = Make(kNodeAnd, here, {left});
  while (SkipName("and")) {
    PARSE(right, Not());
    node->kids.push_back(right);
  }
  return node;
}

StatusOr<Ast*> Parser::Not() {
  const Position here = Here();
  if (!SkipName("not")) return Compare();
  if (++nesting_ > kMaxNesting) return SyntaxError(here, "nested too deep");
  PARSE(value, Not());
  --nesting_;
  return Make(kNodeNot, here, {value});
}

StatusOr<Ast*> Parser::Compare() {
  static constexpr std::string_view kOperators[] = {"==", "!=", "<", "<=", ">", ">="};
  const Position here = Here();
  PARSE(left, Sum());
  Ast* node = nullptr;
  for (;;) {
    uint32_t op = kTemplateCompares;
    for (uint32_t i = 0; i < 6; ++i) {
      if (Current().IsOperator(kOperators[i])) op = i;
    }
    if (Current().IsName("in")) op = kCompareIn;
    if (Current().IsName("not") && Look().IsName("in")) {
      op = kCompareNotIn;
      Next();
    }
    if (op == kTemplateCompares) return node ? node : left;
    Next();
    if (!node) node = Make(kNodeCompare, here, {left});
    PARSE(right, Sum());
    node->numbers.push_back(op);
    node->kids.push_back(right);
  }
}

StatusOr<Ast*> Parser::Sum() {
  const Position here = Here();
  PARSE(left, Concat());
  Ast* sum = nullptr;  // a + b + c is one node
  for (;;) {
    if (SkipOperator("+")) {
      PARSE(right, Concat());
      if (sum) {
        sum->kids.push_back(right);
      } else {
        left = sum = Make(kNodeAdd, here, {left, right});
      }
    } else if (SkipOperator("-")) {
      PARSE(right, Concat());
      left = Make(kNodeBinary, here, {left, right});
      left->sub = kBinarySubtract;
      sum = nullptr;
    } else {
      return left;
    }
  }
}

StatusOr<Ast*> Parser::Concat() {
  const Position here = Here();
  PARSE(left, Product());
  if (!Current().IsOperator("~")) return left;
  Ast* node = Make(kNodeConcat, here, {left});
  while (SkipOperator("~")) {
    PARSE(right, Product());
    node->kids.push_back(right);
  }
  return node;
}

StatusOr<Ast*> Parser::Product() {
  static constexpr std::string_view kOperators[] = {"*", "/", "//", "%"};
  const Position here = Here();
  PARSE(left, Power());
  for (;;) {
    int op = -1;
    for (int i = 0; i < 4; ++i) {
      if (Current().IsOperator(kOperators[i])) op = i;
    }
    if (op < 0) return left;
    Next();
    PARSE(right, Power());
    left = Make(kNodeBinary, here, {left, right});
    left->sub = static_cast<uint8_t>(kBinaryMultiply + op);
  }
}

StatusOr<Ast*> Parser::Power() {
  const Position here = Here();
  PARSE(left, Unary(true));
  while (SkipOperator("**")) {
    PARSE(right, Unary(true));
    left = Make(kNodeBinary, here, {left, right});
    left->sub = kBinaryPower;
  }
  return left;
}

StatusOr<Ast*> Parser::Unary(bool with_filters) {
  const Position here = Here();
  Ast* node = nullptr;
  if (Current().IsOperator("-") || Current().IsOperator("+")) {
    const bool negate = Current().IsOperator("-");
    Next();
    if (++nesting_ > kMaxNesting) return SyntaxError(here, "nested too deep");
    PARSE(value, Unary(false));
    --nesting_;
    node = Make(negate ? kNodeNegate : kNodePlus, here, {value});
  } else {
    SAMARA_ASSIGN_OR_RETURN(node, Primary());
  }
  SAMARA_ASSIGN_OR_RETURN(node, Postfix(node));
  if (!with_filters) return node;
  for (;;) {
    if (Current().IsOperator("|")) {
      SAMARA_ASSIGN_OR_RETURN(node, Filter(node));
    } else if (Current().IsName("is")) {
      SAMARA_ASSIGN_OR_RETURN(node, Test(node));
    } else if (Current().IsOperator("(")) {
      SAMARA_ASSIGN_OR_RETURN(node, Call(node));
    } else {
      return node;
    }
  }
}

StatusOr<Ast*> Parser::Number() {
  const Token& token = Current();
  Ast* node = Make(token.Is(TokenKind::kInteger) ? kNodeInt : kNodeFloat, token.position);
  const char* begin = token.text.data();
  const char* end = begin + token.text.size();
  const auto result = node->kind == kNodeInt ? std::from_chars(begin, end, node->integer)
                                             : std::from_chars(begin, end, node->number);
  if (result.ec != std::errc() || result.ptr != end) {
    return UnsupportedConstruct(token.position, "number out of range");
  }
  Next();
  return node;
}

StatusOr<Ast*> Parser::Primary() {
  const Position here = Here();
  const Token& token = Current();
  switch (token.kind) {
    case TokenKind::kName: {
      static constexpr std::string_view kConstants[] = {"none", "true", "false",
                                                        "None", "True", "False"};
      Ast* node = Make(kNodeLoad, here);
      node->name = token.text;
      for (uint8_t i = 0; i < 6; ++i) {
        if (token.text != kConstants[i]) continue;
        node->kind = kNodeConst;
        node->sub = i % 3;
      }
      if (token.text == "self" || token.text == "super" || token.text == "lipsum" ||
          token.text == "cycler" || token.text == "joiner") {
        return UnsupportedConstruct(here, "name " + token.text);
      }
      Next();
      return node;
    }
    case TokenKind::kString: {
      Ast* node = Make(kNodeString, here);
      for (; Current().Is(TokenKind::kString); Next()) node->name += Current().text;
      return node;
    }
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return Number();
    default:
      break;
  }
  if (SkipOperator("(")) {
    PARSE(node, Tuple(true, {}, true));
    SAMARA_RETURN_IF_ERROR(ExpectOperator(")"));
    return node;
  }
  const bool list = Current().IsOperator("[");
  if (!list && !Current().IsOperator("{")) return Unexpected("an expression");
  Next();
  Ast* node = Make(list ? kNodeList : kNodeDict, here);
  const char* close = list ? "]" : "}";
  while (!Current().IsOperator(close)) {
    if (!node->kids.empty()) SAMARA_RETURN_IF_ERROR(ExpectOperator(","));
    if (Current().IsOperator(close)) break;
    PARSE(value, Expression());
    node->kids.push_back(value);
    if (list) continue;
    SAMARA_RETURN_IF_ERROR(ExpectOperator(":"));
    PARSE(mapped, Expression());
    node->kids.push_back(mapped);
  }
  Next();
  return node;
}

StatusOr<Ast*> Parser::Postfix(Ast* node) {
  for (;;) {
    if (Current().IsOperator("(")) {
      SAMARA_ASSIGN_OR_RETURN(node, Call(node));
    } else if (Current().IsOperator(".") || Current().IsOperator("[")) {
      SAMARA_ASSIGN_OR_RETURN(node, Subscript(node));
    } else {
      return node;
    }
  }
}

StatusOr<Ast*> Parser::Subscript(Ast* object) {
  const Position here = Here();
  if (SkipOperator(".")) {
    if (Current().Is(TokenKind::kInteger)) {
      PARSE(index, Number());
      return Make(kNodeGetItem, here, {object, index});
    }
    Ast* node = Make(kNodeGetAttr, here, {object});
    SAMARA_ASSIGN_OR_RETURN(node->name, ExpectName());
    node->sub = FindMethod(node->name);
    return node;
  }
  Next();
  if (++nesting_ > kMaxNesting) return SyntaxError(here, "nested too deep");
  Ast* parts[3] = {};
  size_t n = 0;
  bool slice = false;
  while (!Current().IsOperator("]")) {
    if (SkipOperator(":")) {
      slice = true;
      if (++n > 2) return Unexpected("']'");
    } else if (parts[n]) {
      if (Current().IsOperator(",")) return UnsupportedConstruct(Here(), "index of several values");
      return Unexpected("']'");
    } else {
      SAMARA_ASSIGN_OR_RETURN(parts[n], Expression());
    }
  }
  Next();
  --nesting_;
  if (slice) return Make(kNodeSlice, here, {object, parts[0], parts[1], parts[2]});
  if (!parts[0]) return SyntaxError(here, "index without a value");
  return Make(kNodeGetItem, here, {object, parts[0]});
}

Status Parser::CallArguments(Arguments* arguments) {
  SAMARA_RETURN_IF_ERROR(ExpectOperator("("));
  bool first = true;
  while (!Current().IsOperator(")")) {
    if (!first) SAMARA_RETURN_IF_ERROR(ExpectOperator(","));
    first = false;
    if (Current().IsOperator(")")) break;
    if (Current().IsOperator("*") || Current().IsOperator("**")) {
      return UnsupportedConstruct(Here(), "unpacking in a call");
    }
    const Position here = Here();
    std::string name;
    if (Current().Is(TokenKind::kName) && Look().IsOperator("=")) {
      name = Current().text;
      Next();
      Next();
    } else if (!arguments->named.empty()) {
      return SyntaxError(here, "argument without a name behind one with");
    }
    PARSE(value, Expression());
    if (name.empty()) {
      arguments->positional.push_back(value);
      continue;
    }
    for (const auto& [other, unused] : arguments->named) {
      if (other == name) return SyntaxError(here, "argument " + name + " given twice");
    }
    arguments->named.emplace_back(name, value);
  }
  Next();
  return Status();
}

StatusOr<Ast*> Parser::Call(Ast* callee) {
  const Position here = Here();
  if (callee->kind == kNodeGetAttr && IsMissingMethod(callee->name)) {
    return UnsupportedConstruct(callee->position, "method " + callee->name);
  }
  Arguments arguments;
  SAMARA_RETURN_IF_ERROR(CallArguments(&arguments));
  Ast* node = Make(kNodeCall, here, {callee, nullptr});
  for (Ast* value : arguments.positional) {
    node->kids.push_back(value);
    node->names.emplace_back();
  }
  for (auto& [name, value] : arguments.named) {
    node->kids.push_back(value);
    node->names.push_back(name);
  }
  return node;
}

// At '|'.
StatusOr<Ast*> Parser::Filter(Ast* value) {
  Next();
  return OneFilter(value);
}
StatusOr<Ast*> Parser::OneFilter(Ast* value) {
  const Position here = Here();
  SAMARA_ASSIGN_OR_RETURN(const std::string name, DottedName());
  Arguments arguments;
  if (Current().IsOperator("(")) SAMARA_RETURN_IF_ERROR(CallArguments(&arguments));
  return MakeFilter(name, here, value, arguments, pool_);
}

StatusOr<std::string> Parser::DottedName() {
  SAMARA_ASSIGN_OR_RETURN(std::string name, ExpectName());
  while (SkipOperator(".")) {
    SAMARA_ASSIGN_OR_RETURN(const std::string part, ExpectName());
    name += "." + part;
  }
  return name;
}

// At 'is'.
StatusOr<Ast*> Parser::Test(Ast* value) {
  Next();
  const bool negated = SkipName("not");
  const Position here = Here();
  SAMARA_ASSIGN_OR_RETURN(const std::string name, DottedName());
  Arguments arguments;
  const Token& token = Current();
  if (token.IsOperator("(")) {
    SAMARA_RETURN_IF_ERROR(CallArguments(&arguments));
  } else if ((token.Is(TokenKind::kName) && token.text != "else" && token.text != "or" &&
              token.text != "and") ||
             token.Is(TokenKind::kString) || token.Is(TokenKind::kInteger) ||
             token.Is(TokenKind::kFloat) || token.IsOperator("[") || token.IsOperator("{")) {
    if (token.text == "is") return SyntaxError(Here(), "tests cannot be chained with is");
    PARSE(argument, Primary());
    SAMARA_ASSIGN_OR_RETURN(argument, Postfix(argument));
    arguments.positional.push_back(argument);
  }
  PARSE(node, MakeTest(name, here, value, arguments, pool_));
  return negated ? Make(kNodeNot, here, {node}) : node;
}

}  // namespace samara::template_compiler
