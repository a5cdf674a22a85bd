#include "converter/template/scopes.h"

namespace samara::template_compiler {

uint32_t Scope::Slot(const std::string& name) {
  const auto [it, added] = slots_.try_emplace(name, n_slots_);
  if (added) ++n_slots_;
  return it->second;
}

uint32_t Scope::Declare(const std::string& name) {
  names_.stores.insert(name);
  names_.loads[name] = Load::kParameter;
  return Slot(name);
}

bool Scope::Known(const std::string& name) const {
  return names_.loads.count(name) > 0 || KnownOutside(name);
}

void Scope::Read(const std::string& name) {
  if (Known(name)) return;
  names_.loads[name] = Load::kResolve;
  Slot(name);
}

void Scope::Store(const std::string& name) {
  names_.stores.insert(name);
  if (names_.loads.count(name)) return;
  names_.loads[name] = KnownOutside(name) ? Load::kAlias : Load::kUndefined;
  Slot(name);
}

void Scope::VisitTarget(const Ast* node, bool declare) {
  switch (node->kind) {
    case kNodeTargetTuple:
      for (const Ast* part : node->targets) VisitTarget(part, declare);
      break;
    case kNodeTargetField:
      Read(node->name);
      break;
    default:
      if (declare) {
        Declare(node->name);
      } else {
        Store(node->name);
      }
  }
}

void Scope::VisitExpression(const Ast* node) {
  if (!node || node->kind == kNodeMacro) return;
  if (node->kind == kNodeLoad) Read(node->name);
  for (const Ast* kid : node->kids) VisitExpression(kid);
}

void Scope::VisitStatements(const std::vector<Ast*>& body) {
  for (const Ast* node : body) VisitStatement(node);
}

void Scope::VisitStatement(const Ast* node) {
  switch (node->kind) {
    case kNodeIf:
      VisitIf(node);
      break;
    case kNodeFor:
      VisitExpression(node->kids[0]);
      break;
    case kNodeSet:
      VisitExpression(node->kids[0]);
      VisitTarget(node->targets[0], false);
      break;
    case kNodeSetBlock:
      VisitTarget(node->targets[0], false);
      break;
    default:  // Output; With: its values; FilterBlock: the arguments of the filters
      for (const Ast* kid : node->kids) VisitExpression(kid);
  }
}

void Scope::VisitIf(const Ast* node) {
  VisitExpression(node->kids[0]);
  // Three branches: the first, all others with their conditions, the one without a condition.
  const Names before = names_;
  Names branches[3];
  for (int branch = 0; branch < 3; ++branch) {
    names_ = before;
    for (size_t i = 0; i < node->bodies.size(); ++i) {
      const Ast* condition = node->kids[i];
      if (branch != (i == 0 ? 0 : condition ? 1 : 2)) continue;
      if (branch != 1) {
        VisitStatements(node->bodies[i]);
        continue;
      }
      // Each further condition is an if of its own with one branch.
      VisitExpression(condition);
      const Names outer = names_;
      VisitStatements(node->bodies[i]);
      Names inner = std::move(names_);
      names_ = outer;
      for (const auto& [name, load] : inner.loads) names_.loads[name] = load;
      for (const std::string& name : inner.stores) {
        if (names_.stores.insert(name).second) {
          names_.loads[name] = KnownOutside(name) ? Load::kAlias : Load::kResolve;
        }
      }
    }
    branches[branch] = std::move(names_);
  }
  names_ = before;
  for (const Names& branch : branches) {
    for (const auto& [name, load] : branch.loads) names_.loads[name] = load;
    names_.stores.insert(branch.stores.begin(), branch.stores.end());
  }
  for (const std::string& name : names_.stores) {
    if (before.stores.count(name)) continue;
    names_.loads[name] = KnownOutside(name) ? Load::kAlias : Load::kResolve;
  }
}

Reference Scope::Find(const std::string& name) const {
  Reference reference;
  for (const Scope* scope = this; scope; scope = scope->parent_, ++reference.up) {
    if (const auto it = scope->slots_.find(name);
        it != scope->slots_.end() && scope->names_.loads.count(name)) {
      reference.slot = it->second;
      break;
    }
  }
  return reference;
}

std::vector<Scope::Begin> Scope::Begins() const {
  std::vector<Begin> begins;
  for (const auto& [name, load] : names_.loads) {
    if (load != Load::kResolve && load != Load::kAlias) continue;
    Begin begin{slots_.at(name), load == Load::kResolve, name, {}};
    if (!begin.resolve) {
      begin.outer = parent_->Find(name);
      ++begin.outer.up;
    }
    begins.push_back(std::move(begin));
  }
  return begins;
}

namespace {

class UnassignedReader {
 public:
  explicit UnassignedReader(std::set<std::string> names) : names_(std::move(names)) {}

  void Visit(const Ast* node) {
    if (!node) return;
    switch (node->kind) {
      case kNodeLoad:
        if (names_.count(node->name)) found_.insert(node->name);
        return;
      case kNodeTargetName:
        names_.erase(node->name);
        return;
      default:
        break;
    }
    // Targets first, then values, then what is inside; a call's macro last of all.
    const bool kids_last = node->kind == kNodeIf;
    for (const Ast* target : node->targets) Visit(target);
    for (size_t i = 0; !kids_last && i < node->kids.size(); ++i) Visit(node->kids[i]);
    for (size_t i = 0; i < node->bodies.size(); ++i) {
      if (kids_last) Visit(node->kids[i]);
      for (const Ast* statement : node->bodies[i]) Visit(statement);
    }
  }
  std::set<std::string> Take() { return std::move(found_); }

 private:
  std::set<std::string> names_, found_;
};

}  // namespace

std::set<std::string> ReadUnassigned(const std::vector<Ast*>& body, std::set<std::string> names) {
  UnassignedReader reader(std::move(names));
  for (const Ast* node : body) reader.Visit(node);
  return reader.Take();
}

}  // namespace samara::template_compiler
