// Which variable a name means: jinja2's rules for scopes.
//
// A scope is what the runtime makes a frame for. Before code is made for a scope, everything that
// belongs to it directly (not to a loop's body, a macro and so on inside of it) is looked at in order:
// a name that is read before it is known anywhere is looked up among the given variables when the
// frame is made; a name that is assigned to becomes a variable of this scope, which begins with the
// value that the name has outside; one that is assigned to in a branch only begins with what it means
// without that branch.
#ifndef SAMARA_CONVERTER_TEMPLATE_SCOPES_H_
#define SAMARA_CONVERTER_TEMPLATE_SCOPES_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "converter/template/ast.h"

namespace samara::template_compiler {

struct Reference {
  uint32_t up = 0, slot = 0;
};

class Scope {
 public:
  explicit Scope(const Scope* parent) : parent_(parent) {}

  // A variable that exists from the beginning: parameter, loop variable. Its slot.
  uint32_t Declare(const std::string& name);
  // A slot without a name.
  uint32_t DeclareHidden() { return n_slots_++; }

  // Look at what belongs to this scope.
  void VisitStatements(const std::vector<Ast*>& body);
  void VisitStatement(const Ast* node);
  void VisitExpression(const Ast* node);            // null: nothing
  void VisitTarget(const Ast* node, bool declare);  // declare: its names exist from the beginning

  // After looking: every name that was seen is known.
  Reference Find(const std::string& name) const;

  struct Begin {
    uint32_t slot;
    bool resolve;      // else a slot of an outer scope
    std::string name;  // resolve
    Reference outer;   // counted from this scope: up is 1 or more
  };
  std::vector<Begin> Begins() const;
  uint32_t n_slots() const { return n_slots_; }

 private:
  enum class Load : uint8_t { kUndefined, kResolve, kAlias, kParameter };
  struct Names {
    std::map<std::string, Load> loads;  // the names of this scope
    std::set<std::string> stores;
  };

  bool Known(const std::string& name) const;  // here or outside
  bool KnownOutside(const std::string& name) const { return parent_ && parent_->Known(name); }
  void Read(const std::string& name);
  void Store(const std::string& name);
  void VisitIf(const Ast* node);
  uint32_t Slot(const std::string& name);

  const Scope* parent_;
  Names names_;
  std::map<std::string, uint32_t> slots_;
  uint32_t n_slots_ = 0;
};

// Those of `names` that `body`, with everything inside of it, reads before assigning to them.
std::set<std::string> ReadUnassigned(const std::vector<Ast*>& body, std::set<std::string> names);

}  // namespace samara::template_compiler

#endif  // SAMARA_CONVERTER_TEMPLATE_SCOPES_H_
