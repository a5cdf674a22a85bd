// Validation of a template block: everything that the evaluator takes for granted.
#include <vector>

#include "runtime/template/template.h"
#include "runtime/template/tree.h"
#include "runtime/tokenizer/utf8.h"

namespace samara {
namespace {

using template_runtime::Tree;

constexpr uint32_t kEntryBytes[kTemplateTables] = {12, 4, 8, 12, 12, 1};

#define SAMARA_COUNT(id, name, n, ...) n,
constexpr uint8_t kFilterParameters[] = {SAMARA_TEMPLATE_FILTERS(SAMARA_COUNT)};
constexpr uint8_t kTestParameters[] = {SAMARA_TEMPLATE_TESTS(SAMARA_COUNT)};
#undef SAMARA_COUNT

Status Broken(const char* what, uint32_t index) {
  return InvalidFile("template: %s, entry %u", what, index);
}

// Header and places of the tables.
Status CheckTables(std::span<const uint8_t> block) {
  if (block.size() < sizeof(TemplateHeader) || block.size() > kTemplateMaxBytes) {
    return InvalidFile("template: got %zu bytes, wanted %zu to %u", block.size(),
                       sizeof(TemplateHeader), kTemplateMaxBytes);
  }
  const auto word = [&](size_t at) { return LoadLittleEndian<uint32_t>(block.data() + at); };
  if (word(0) != kTemplateMagic) return InvalidFile("template: not a template block");
  if (word(4) != kTemplateVersion) {
    return Unsupported("template: got version %u, wanted %u", word(4), kTemplateVersion);
  }
  if (word(8) != block.size()) {
    return InvalidFile("template: got %zu bytes, wanted %u", block.size(), word(8));
  }
  uint64_t end = sizeof(TemplateHeader);
  for (uint32_t i = 0; i < kTemplateTables; ++i) {
    if (word(16 + 8 * i) != end) return Broken("a table that does not follow the one before", i);
    end += uint64_t{word(20 + 8 * i)} * kEntryBytes[i];
    if (end > block.size()) return Broken("a table beyond the block", i);
  }
  if ((end + 3) / 4 * 4 != block.size())
    return InvalidFile("template: bytes behind the last table");
  if (word(20) == 0) return InvalidFile("template: no node");
  if (word(20 + 8 * kTemplateScopes) == 0) return InvalidFile("template: no scope");
  return Status();
}

class Checker {
 public:
  explicit Checker(std::span<const uint8_t> block) : tree_(block) {}

  Status Run() {
    SAMARA_RETURN_IF_ERROR(Strings());
    const uint32_t n = tree_.Count(kTemplateNodes);
    // Parents come behind their children, so from the last node on each node is told its scope, its
    // depth and its category before it is looked at.
    nodes_.resize(n);
    scopes_.resize(tree_.Count(kTemplateScopes));
    scopes_[0] = {kTemplateNone, true};
    nodes_[n - 1] = {0, 1, 'B'};
    if (tree_.Node(n - 1).kind != kNodeBlock) return InvalidFile("template: the root is no block");
    SAMARA_RETURN_IF_ERROR(Inits(0));
    uint32_t operands_end = tree_.Count(kTemplateOperands);
    for (uint32_t i = n; i-- > 0;) {
      // Nodes have their operands behind each other, in their own order.
      const TemplateNode node = tree_.Node(i);
      if (node.n_operands > operands_end || node.operands != operands_end - node.n_operands) {
        return Broken("node with operands of another node", i);
      }
      operands_end = node.operands;
      if (nodes_[i].category == 0) return Broken("node without a parent", i);
      SAMARA_RETURN_IF_ERROR(Node(i, node));
    }
    if (operands_end != 0) return InvalidFile("template: operands without a node");
    for (uint32_t i = 0; i < scopes_.size(); ++i) {
      if (!scopes_[i].seen) return Broken("scope without a node", i);
    }
    return Status();
  }

 private:
  struct NodeState {
    uint32_t scope = 0;
    uint16_t depth = 0;
    char category = 0;  // 0: no parent yet
  };
  struct ScopeState {
    uint32_t parent = 0;
    bool seen = false;
  };

  Status Strings() {
    const uint32_t n_bytes = tree_.Count(kTemplateBytes);
    // Texts lie behind each other, so that all of them are as long as the bytes.
    uint32_t expected = 0;
    for (uint32_t i = 0; i < tree_.Count(kTemplateStrings); ++i) {
      const TemplateString s = tree_.String(i);
      if (s.begin != expected || s.bytes > n_bytes - expected) return Broken("string", i);
      expected += s.bytes;
      const auto* p = reinterpret_cast<const uint8_t*>(tree_.Text(i).data());
      for (const uint8_t* end = p + s.bytes; p < end;) {
        const Utf8Char c = DecodeUtf8(p, end);
        if (!c.valid) return Broken("string that is not UTF-8", i);
        p += c.bytes;
      }
    }
    return expected == n_bytes ? Status() : InvalidFile("template: bytes that are no string");
  }

  // Is (up, slot) a variable, seen from a scope?
  bool IsVariable(uint32_t scope, uint32_t up, uint32_t slot) const {
    // Chains of scopes are no longer than the tree is deep.
    for (; up > 0 && scope != kTemplateNone; --up) scope = scopes_[scope].parent;
    return scope != kTemplateNone && slot < tree_.Scope(scope).n_slots;
  }

  // A scope whose parent is known.
  Status Inits(uint32_t scope) {
    const TemplateScope entry = tree_.Scope(scope);
    if (entry.n_slots > kTemplateMaxSlots) return Broken("scope with too many variables", scope);
    if (entry.inits > tree_.Count(kTemplateInits) ||
        entry.n_inits > tree_.Count(kTemplateInits) - entry.inits ||
        entry.n_inits > entry.n_slots) {
      return Broken("scope beyond its table", scope);
    }
    // Scopes do not share entries, so that all of them together are as many as the table has.
    n_inits_ += entry.n_inits;
    if (n_inits_ > tree_.Count(kTemplateInits)) return Broken("scope with shared entries", scope);
    for (uint32_t i = entry.inits; i < entry.inits + entry.n_inits; ++i) {
      const TemplateInit init = tree_.Init(i);
      const bool good =
          init.slot < entry.n_slots &&
          (init.up == 0 ? init.what < tree_.Count(kTemplateStrings)
                        : init.up <= kTemplateMaxDepth && IsVariable(scope, init.up, init.what));
      if (!good) return Broken("first value of a variable", i);
    }
    return Status();
  }

  Status Node(uint32_t i, const TemplateNode& node) {
    const NodeState state = nodes_[i];
    if (node.kind >= kTemplateKinds) return Broken("node of an unknown kind", i);
    const TemplateKind& kind = kTemplateKindTable[node.kind];
    if (kind.category != state.category) return Broken("node of a wrong kind", i);
    const char* pattern = kind.pattern;
    const char* repeat = nullptr;
    uint32_t scope = state.scope, named = kTemplateNone;
    for (uint32_t k = 0;;) {
      if (*pattern == '*') repeat = ++pattern;
      // Operands may end here: at the pattern's end or where it begins anew.
      if (k == node.n_operands && (!*pattern || pattern == repeat)) break;
      if (!*pattern) {
        if (!repeat) return Broken("node with too many operands", i);
        pattern = repeat;
      }
      const char letter = *pattern++;
      if (letter == '/') {
        scope = named;
      } else if (letter == '.') {
        scope = state.scope;
      } else {
        if (k == node.n_operands) return Broken("node with too few operands", i);
        const uint32_t word = tree_.Operand(node.operands + k++);
        if (letter == 'C') named = word;
        const bool optional = letter >= 'a';
        if (word == kTemplateNone && optional) continue;
        if (letter == 'C' && word == kTemplateNone && k > 1) continue;  // no test, no else
        SAMARA_RETURN_IF_ERROR(Operand(i, letter & ~0x20, word, state, scope));
      }
    }
    return Particular(i, node, state.scope);
  }

  Status Operand(uint32_t i, int letter, uint32_t word, const NodeState& parent, uint32_t scope) {
    switch (letter) {
      case 'K':
        return Status();
      case 'S':
        return word < tree_.Count(kTemplateStrings) ? Status() : Broken("node with no string", i);
      case 'C':
        if (word >= scopes_.size() || scopes_[word].seen) return Broken("node with no scope", i);
        scopes_[word] = {parent.scope, true};
        return Inits(word);
      default:
        if (word >= i || nodes_[word].category != 0) return Broken("node with no child", i);
        if (scope == kTemplateNone) return Broken("node with no scope", i);
        if (parent.depth >= kTemplateMaxDepth) return Broken("node that lies too deep", i);
        nodes_[word] = {scope, static_cast<uint16_t>(parent.depth + 1), static_cast<char>(letter)};
        return Status();
    }
  }

  // What the pattern does not say.
  Status Particular(uint32_t i, const TemplateNode& node, uint32_t scope) {
    const auto operand = [&](uint32_t k) { return tree_.Operand(node.operands + k); };
    const auto is_slot = [&](uint32_t of, uint32_t slot) {
      return slot == kTemplateNone || slot < tree_.Scope(of).n_slots;
    };
    bool good = true;
    switch (node.kind) {
      case kNodeFor: {
        const bool test = operand(5) != kTemplateNone;
        good = is_slot(operand(0), operand(4)) && test == (operand(6) != kTemplateNone) &&
               test == (operand(7) != kTemplateNone) &&
               (operand(8) == kTemplateNone) == (operand(9) == kTemplateNone);
        break;
      }
      case kNodeSetBlock:
        good = operand(2) != kTemplateNone && is_slot(operand(1), operand(2));
        break;
      case kNodeFilterBlock:
        good = operand(1) != kTemplateNone && is_slot(operand(0), operand(1));
        break;
      case kNodeTargetName:
      case kNodeTargetField:
      case kNodeLoad:
        good = operand(0) <= kTemplateMaxDepth && IsVariable(scope, operand(0), operand(1));
        break;
      case kNodeConst:
        good = node.sub < 3;
        break;
      case kNodeBinary:
        good = node.sub < kTemplateBinaries;
        break;
      case kNodeCompare:
        for (uint32_t k = 1; k < node.n_operands; k += 2) good &= operand(k) < kTemplateCompares;
        break;
      case kNodeGetAttr:
        good = node.sub < template_method::kTotal;
        break;
      case kNodeCall:
        for (uint32_t k = 4; k < node.n_operands; k += 2) {
          good &= operand(k) != kTemplateNone || operand(k - 2) == kTemplateNone;
        }
        break;
      case kNodeFilter:
      case kNodeMapFilter:
        good = node.sub < template_filter::kTotal &&
               node.n_operands - 1u <= kFilterParameters[node.sub];
        break;
      case kNodeSelect:
        good = operand(2) == kTemplateNone
                   ? node.n_operands == 3
                   : operand(2) < template_test::kTotal &&
                         node.n_operands - 3u <= kTestParameters[operand(2)];
        break;
      case kNodeTest:
        good =
            node.sub < template_test::kTotal && node.n_operands - 1u <= kTestParameters[node.sub];
        break;
      case kNodeMacro:
        for (uint32_t k = 2; k < 5; ++k) good &= is_slot(operand(1), operand(k));
        for (uint32_t k = 7; k < node.n_operands; k += 3) {
          good &= operand(k) != kTemplateNone && is_slot(operand(1), operand(k));
        }
        break;
      default:
        break;
    }
    return good ? Status() : Broken("node with operands that do not fit", i);
  }

  Tree tree_;
  std::vector<NodeState> nodes_;
  std::vector<ScopeState> scopes_;
  uint64_t n_inits_ = 0;
};

}  // namespace

Status CheckTemplate(std::span<const uint8_t> block) {
  SAMARA_RETURN_IF_ERROR(CheckTables(block));
  return Checker(block).Run();
}

}  // namespace samara
