#include "converter/template/compile.h"

#include <bit>
#include <map>
#include <string>

#include "converter/template/ast.h"
#include "converter/template/scopes.h"
#include "formats/little_endian.h"
#include "formats/template_tree.h"

namespace samara {
namespace {

using template_compiler::Ast;
using template_compiler::AstPool;
using template_compiler::Reference;
using template_compiler::Scope;

// Writes nodes, children first.
class Emitter {
 public:
  StatusOr<std::vector<uint8_t>> Run(const std::vector<Ast*>& body) {
    Scope root(nullptr);
    root.VisitStatements(body);
    // The root's frame is made like any other; its scope has number 0 and no operand.
    scopes_.push_back({});
    const uint32_t node = Body(body, &root);
    scopes_[0] = ScopeEntry(root);
    if (node == kTemplateNone) {  // an empty template
      Node(kNodeBlock, 0, 1, {});
    }
    SAMARA_RETURN_IF_ERROR(status_);
    return Blob();
  }

 private:
  using Words = std::vector<uint32_t>;

  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  uint32_t Node(uint8_t kind, uint8_t sub, uint32_t line, const Words& operands) {
    if (operands.size() > kTemplateMaxOperands) {
      Fail(Unsupported("line %u: more than %u parts in one place", line, kTemplateMaxOperands));
    }
    nodes_.push_back({kind, sub, static_cast<uint16_t>(operands.size()),
                      static_cast<uint32_t>(operands_.size()), line});
    operands_.insert(operands_.end(), operands.begin(), operands.end());
    return static_cast<uint32_t>(nodes_.size() - 1);
  }
  uint32_t Node(const Ast* ast, const Words& operands) {
    return Node(ast->kind, ast->sub, ast->position.line, operands);
  }

  uint32_t String(const std::string& text) {
    const auto [it, added] = strings_.try_emplace(text, static_cast<uint32_t>(texts_.size()));
    if (added) {
      texts_.push_back({static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(text.size())});
      bytes_ += text;
    }
    return it->second;
  }

  uint32_t NewScope() {
    scopes_.push_back({});
    return static_cast<uint32_t>(scopes_.size() - 1);
  }
  TemplateScope ScopeEntry(const Scope& scope) {
    if (scope.n_slots() > kTemplateMaxSlots) {
      Fail(Unsupported("more than %u variables in one scope", kTemplateMaxSlots));
    }
    TemplateScope entry{scope.n_slots(), static_cast<uint32_t>(inits_.size()), 0};
    for (const Scope::Begin& begin : scope.Begins()) {
      inits_.push_back({begin.slot, begin.resolve ? 0 : begin.outer.up,
                        begin.resolve ? String(begin.name) : begin.outer.slot});
      ++entry.n_inits;
    }
    return entry;
  }

  bool Enter(const Ast* ast) {
    if (++depth_ > kTemplateMaxDepth) {
      Fail(template_compiler::UnsupportedConstruct(ast->position, "nesting this deep"));
    }
    return status_.ok();
  }

  // kTemplateNone for nothing.
  uint32_t Body(const std::vector<Ast*>& body, Scope* scope) {
    Words words;
    for (const Ast* ast : body) {
      if (!status_.ok()) break;
      words.push_back(Statement(ast, scope));
    }
    if (words.empty()) return kTemplateNone;
    return Node(kNodeBlock, 0, body[0]->position.line, words);
  }
  uint32_t BodyOrEmpty(const std::vector<Ast*>& body, uint32_t line, Scope* scope) {
    const uint32_t node = Body(body, scope);
    return node == kTemplateNone ? Node(kNodeBlock, 0, line, {}) : node;
  }

  uint32_t Statement(const Ast* ast, Scope* scope) {
    depth_ += 2;  // the block around it
    const uint32_t node = Enter(ast) ? StatementInner(ast, scope) : 0;
    depth_ -= 3;
    return node;
  }

  uint32_t StatementInner(const Ast* ast, Scope* scope) {
    const uint32_t line = ast->position.line;
    Words words;
    switch (ast->kind) {
      case kNodeText:
        return Node(ast, {String(ast->name)});
      case kNodeIf:
        for (size_t i = 0; i < ast->bodies.size(); ++i) {
          words.push_back(Expression(ast->kids[i], scope));
          words.push_back(BodyOrEmpty(ast->bodies[i], line, scope));
        }
        return Node(ast, words);
      case kNodeFor:
        return For(ast, scope);
      case kNodeSet: {
        const uint32_t value = Expression(ast->kids[0], scope);
        return Node(ast, {Target(ast->targets[0], scope), value});
      }
      case kNodeSetBlock:
      case kNodeFilterBlock: {
        Scope inner(scope);
        inner.VisitStatements(ast->bodies[0]);
        inner.VisitExpression(ast->kids[0]);
        capture_ = inner.DeclareHidden();
        const uint32_t captured = capture_;
        const uint32_t id = NewScope();
        if (ast->kind == kNodeSetBlock) words.push_back(Target(ast->targets[0], scope));
        words.push_back(id);
        words.push_back(captured);
        words.push_back(BodyOrEmpty(ast->bodies[0], line, &inner));
        capture_ = captured;
        words.push_back(Filters(ast->kids[0], line, &inner));
        scopes_[id] = ScopeEntry(inner);
        return Node(ast, words);
      }
      case kNodeWith: {
        Scope inner(scope);
        for (const Ast* target : ast->targets) inner.VisitTarget(target, true);
        inner.VisitStatements(ast->bodies[0]);
        const uint32_t id = NewScope();
        words = {id, BodyOrEmpty(ast->bodies[0], line, &inner)};
        for (size_t i = 0; i < ast->targets.size(); ++i) {
          words.push_back(Target(ast->targets[i], &inner));
          words.push_back(Expression(ast->kids[i], scope));
        }
        scopes_[id] = ScopeEntry(inner);
        return Node(ast, words);
      }
      default:  // Output, Break, Continue
        for (const Ast* kid : ast->kids) words.push_back(Expression(kid, scope));
        return Node(ast, words);
    }
  }

  uint32_t For(const Ast* ast, Scope* scope) {
    const uint32_t line = ast->position.line;
    const uint32_t iterable = Expression(ast->kids[0], scope);
    Scope inner(scope);
    uint32_t loop = kTemplateNone;
    if (!template_compiler::ReadUnassigned(ast->bodies[0], {"loop"}).empty()) {
      loop = inner.Declare("loop");
    }
    inner.VisitTarget(ast->targets[0], true);
    inner.VisitStatements(ast->bodies[0]);
    const uint32_t id = NewScope();
    Words words = {id, Target(ast->targets[0], &inner), BodyOrEmpty(ast->bodies[0], line, &inner),
                   iterable, loop};
    scopes_[id] = ScopeEntry(inner);

    if (ast->kids[1]) {
      Scope test(scope);
      test.VisitTarget(ast->targets[0], true);
      test.VisitExpression(ast->kids[1]);
      const uint32_t test_id = NewScope();
      const uint32_t target = Target(ast->targets[0], &test);
      words.insert(words.end(), {test_id, target, Expression(ast->kids[1], &test)});
      scopes_[test_id] = ScopeEntry(test);
    } else {
      words.insert(words.end(), {kTemplateNone, kTemplateNone, kTemplateNone});
    }
    if (!ast->bodies[1].empty()) {
      Scope other(scope);
      other.VisitStatements(ast->bodies[1]);
      const uint32_t other_id = NewScope();
      words.insert(words.end(), {other_id, BodyOrEmpty(ast->bodies[1], line, &other)});
      scopes_[other_id] = ScopeEntry(other);
    } else {
      words.insert(words.end(), {kTemplateNone, kTemplateNone});
    }
    return Node(ast, words);
  }

  uint32_t Target(const Ast* ast, const Scope* scope) {
    if (!Enter(ast)) return 0;
    Words words;
    if (ast->kind == kNodeTargetTuple) {
      for (const Ast* part : ast->targets) words.push_back(Target(part, scope));
    } else {
      const Reference reference = scope->Find(ast->name);
      words = {reference.up, reference.slot};
      if (ast->kind == kNodeTargetField) {
        words.push_back(String(ast->name));
        words.push_back(String(ast->field));
      }
      if (ast->name == "loop" && ast->kind == kNodeTargetName) {
        Fail(template_compiler::UnsupportedConstruct(ast->position, "a variable named loop"));
      }
    }
    --depth_;
    return Node(ast, words);
  }

  // The text that a set block or filter block captured.
  uint32_t Captured(uint32_t line) {
    return Node(kNodeLoad, 0, line, {0, capture_, String("captured text")});
  }
  // A chain of filters whose innermost value is the captured text; null: no filter.
  uint32_t Filters(const Ast* ast, uint32_t line, Scope* scope) {
    return ast ? Expression(ast, scope) : Captured(line);
  }

  uint32_t Expression(const Ast* ast, Scope* scope) {
    if (!ast) return kTemplateNone;
    const uint32_t node = Enter(ast) ? ExpressionInner(ast, scope) : 0;
    --depth_;
    return node;
  }

  uint32_t ExpressionInner(const Ast* ast, Scope* scope) {
    Words words;
    switch (ast->kind) {
      case kNodeInt:
      case kNodeFloat: {
        const uint64_t bits = ast->kind == kNodeInt ? static_cast<uint64_t>(ast->integer)
                                                    : std::bit_cast<uint64_t>(ast->number);
        return Node(ast, {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)});
      }
      case kNodeString:
        return Node(ast, {String(ast->name)});
      case kNodeLoad: {
        const Reference reference = scope->Find(ast->name);
        return Node(ast, {reference.up, reference.slot, String(ast->name)});
      }
      case kNodeCompare:
        words.push_back(Expression(ast->kids[0], scope));
        for (size_t i = 1; i < ast->kids.size(); ++i) {
          words.push_back(ast->numbers[i - 1]);
          words.push_back(Expression(ast->kids[i], scope));
        }
        return Node(ast, words);
      case kNodeGetAttr:
        words = {Expression(ast->kids[0], scope), String(ast->name)};
        return Node(ast, words);
      case kNodeCall:
        words = {Expression(ast->kids[0], scope), Expression(ast->kids[1], scope)};
        for (size_t i = 2; i < ast->kids.size(); ++i) {
          const std::string& name = ast->names[i - 2];
          words.push_back(name.empty() ? kTemplateNone : String(name));
          words.push_back(Expression(ast->kids[i], scope));
        }
        return Node(ast, words);
      case kNodeFilter:
      case kNodeMapFilter:
      case kNodeMapAttr:
      case kNodeSelect:
        words.push_back(ast->kids[0] ? Expression(ast->kids[0], scope)
                                     : Captured(ast->position.line));
        for (size_t i = 1; i < ast->kids.size(); ++i) {
          words.push_back(Expression(ast->kids[i], scope));
          if (ast->kind == kNodeSelect && i == 1) words.push_back(ast->numbers[0]);
        }
        return Node(ast, words);
      case kNodeMacro:
        return Macro(ast, scope);
      default:
        for (const Ast* kid : ast->kids) words.push_back(Expression(kid, scope));
        return Node(ast, words);
    }
  }

  uint32_t Macro(const Ast* ast, Scope* scope) {
    Scope inner(scope);
    const auto look = [&] {
      for (const Ast* target : ast->targets) inner.VisitTarget(target, true);
      for (const Ast* value : ast->kids) inner.VisitExpression(value);
      inner.VisitStatements(ast->bodies[0]);
    };
    look();
    static constexpr const char* kSpecial[] = {"caller", "kwargs", "varargs"};
    const auto read =
        template_compiler::ReadUnassigned(ast->bodies[0], {"caller", "kwargs", "varargs"});
    uint32_t slots[3];
    for (size_t i = 0; i < 3; ++i) {
      const Ast* parameter = nullptr;
      for (const Ast* target : ast->targets) {
        if (target->name == kSpecial[i]) parameter = target;
      }
      if (parameter && i == 0) {
        Fail(template_compiler::UnsupportedConstruct(parameter->position,
                                                     "a parameter named caller"));
      }
      slots[i] = read.count(kSpecial[i]) && !parameter ? inner.Declare(kSpecial[i]) : kTemplateNone;
    }
    look();  // with the special names known
    const uint32_t id = NewScope();
    Words words = {String(ast->name), id,
                   slots[0],          slots[1],
                   slots[2],          BodyOrEmpty(ast->bodies[0], ast->position.line, &inner)};
    for (size_t i = 0; i < ast->targets.size(); ++i) {
      const std::string& name = ast->targets[i]->name;
      words.insert(words.end(),
                   {String(name), inner.Find(name).slot, Expression(ast->kids[i], &inner)});
    }
    scopes_[id] = ScopeEntry(inner);
    return Node(ast, words);
  }

  StatusOr<std::vector<uint8_t>> Blob() {
    std::vector<uint8_t> blob(sizeof(TemplateHeader));
    TemplateTable tables[kTemplateTables];
    const auto word = [&](uint32_t value) {
      blob.resize(blob.size() + 4);
      StoreLittleEndian(value, blob.data() + blob.size() - 4);
    };
    const auto begin = [&](TemplateTableId id, size_t count) {
      tables[id] = {static_cast<uint32_t>(blob.size()), static_cast<uint32_t>(count)};
    };
    begin(kTemplateNodes, nodes_.size());
    for (const TemplateNode& node : nodes_) {
      word(static_cast<uint32_t>(node.kind | node.sub << 8) | uint32_t{node.n_operands} << 16);
      word(node.operands);
      word(node.line);
    }
    begin(kTemplateOperands, operands_.size());
    for (const uint32_t operand : operands_) word(operand);
    begin(kTemplateStrings, texts_.size());
    for (const TemplateString& text : texts_) {
      word(text.begin);
      word(text.bytes);
    }
    begin(kTemplateScopes, scopes_.size());
    for (const TemplateScope& scope : scopes_) {
      word(scope.n_slots);
      word(scope.inits);
      word(scope.n_inits);
    }
    begin(kTemplateInits, inits_.size());
    for (const TemplateInit& init : inits_) {
      word(init.slot);
      word(init.up);
      word(init.what);
    }
    begin(kTemplateBytes, bytes_.size());
    blob.insert(blob.end(), bytes_.begin(), bytes_.end());
    blob.resize((blob.size() + 3) / 4 * 4);
    if (blob.size() > kTemplateMaxBytes) {
      return Unsupported("the template has %zu bytes compiled, at most %u", blob.size(),
                         kTemplateMaxBytes);
    }
    const uint32_t header[4] = {kTemplateMagic, kTemplateVersion,
                                static_cast<uint32_t>(blob.size()), 0};
    for (size_t i = 0; i < 4; ++i) StoreLittleEndian(header[i], blob.data() + 4 * i);
    for (size_t i = 0; i < kTemplateTables; ++i) {
      StoreLittleEndian(tables[i].offset, blob.data() + 16 + 8 * i);
      StoreLittleEndian(tables[i].count, blob.data() + 20 + 8 * i);
    }
    return blob;
  }

  Status status_;
  uint32_t depth_ = 0;
  uint32_t capture_ = 0;
  std::vector<TemplateNode> nodes_;
  std::vector<uint32_t> operands_;
  std::map<std::string, uint32_t> strings_;
  std::vector<TemplateString> texts_;
  std::string bytes_;
  std::vector<TemplateScope> scopes_;
  std::vector<TemplateInit> inits_;
};

}  // namespace

StatusOr<std::vector<uint8_t>> CompileTemplate(std::string_view source) {
  if (source.size() > kTemplateMaxBytes) {
    return Unsupported("the template has %zu bytes, at most %u", source.size(), kTemplateMaxBytes);
  }
  AstPool pool;
  SAMARA_ASSIGN_OR_RETURN(const std::vector<Ast*> body, template_compiler::Parse(source, &pool));
  return Emitter().Run(body);
}

}  // namespace samara
