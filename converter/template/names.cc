#include "converter/template/names.h"

#include <algorithm>

namespace samara::template_compiler {
namespace {

struct Signature {
  std::string_view name;
  uint32_t n_parameters;
  std::string_view parameters;  // separated by commas; "" if they have no names
};
#define SAMARA_SIGNATURE(id, name, n, parameters) {name, n, parameters},
constexpr Signature kFilters[] = {SAMARA_TEMPLATE_FILTERS(SAMARA_SIGNATURE)};
constexpr Signature kTests[] = {SAMARA_TEMPLATE_TESTS(SAMARA_SIGNATURE)};
#undef SAMARA_SIGNATURE
#define SAMARA_METHOD_NAME(id, name, types, n) name,
constexpr std::string_view kMethods[] = {SAMARA_TEMPLATE_METHODS(SAMARA_METHOD_NAME)};
#undef SAMARA_METHOD_NAME

constexpr std::pair<std::string_view, std::string_view> kFilterAliases[] = {
    {"count", "length"}, {"d", "default"}, {"e", "escape"}};
constexpr std::pair<std::string_view, std::string_view> kTestAliases[] = {
    {"==", "eq"}, {"equalto", "eq"}, {"!=", "ne"}, {"<", "lt"},          {"lessthan", "lt"},
    {"<=", "le"}, {">", "gt"},       {">=", "ge"}, {"greaterthan", "gt"}};

// Parameters that a filter or test cannot be without.
uint32_t Required(bool test, uint32_t id) {
  if (test) return kTests[id].n_parameters;
  switch (id) {
    case template_filter::kAttr:
      return 1;
    case template_filter::kReplace:
      return 2;
    default:
      return 0;
  }
}

template <size_t N, size_t M>
int Find(const Signature (&table)[N],
         const std::pair<std::string_view, std::string_view> (&aliases)[M], std::string_view name) {
  for (const auto& [alias, real] : aliases) {
    if (alias == name) name = real;
  }
  for (size_t i = 0; i < N; ++i) {
    if (table[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

int FindFilter(std::string_view name) { return Find(kFilters, kFilterAliases, name); }
int FindTest(std::string_view name) { return Find(kTests, kTestAliases, name); }

int ParameterIndex(std::string_view parameters, std::string_view name) {
  for (int i = 0; !parameters.empty(); ++i) {
    const size_t comma = std::min(parameters.find(','), parameters.size());
    if (parameters.substr(0, comma) == name) return i;
    parameters.remove_prefix(std::min(comma + 1, parameters.size()));
  }
  return -1;
}

// Appends the arguments to node->kids in the order of the parameters.
Status Bind(bool test, uint32_t id, const Arguments& arguments, size_t skip, Ast* node) {
  const Signature& signature = test ? kTests[id] : kFilters[id];
  const std::string what = (test ? "test " : "filter ") + std::string(signature.name);
  std::vector<Ast*> bound(arguments.positional.begin() + static_cast<ptrdiff_t>(skip),
                          arguments.positional.end());
  if (bound.size() > signature.n_parameters) {
    return SyntaxError(node->position, what + " with " + std::to_string(bound.size()) +
                                           " arguments, at most " +
                                           std::to_string(signature.n_parameters));
  }
  for (const auto& [name, value] : arguments.named) {
    const int index = ParameterIndex(signature.parameters, name);
    if (index < 0) {
      return SyntaxError(node->position, what + " with an argument " + Quoted(name));
    }
    if (bound.size() <= static_cast<size_t>(index)) bound.resize(static_cast<size_t>(index) + 1);
    if (bound[static_cast<size_t>(index)]) {
      return SyntaxError(node->position, what + ": argument " + Quoted(name) + " given twice");
    }
    bound[static_cast<size_t>(index)] = value;
  }
  for (uint32_t i = 0; i < Required(test, id); ++i) {
    if (i >= bound.size() || !bound[i]) {
      return SyntaxError(node->position, what + " without an argument that it needs");
    }
  }
  node->kids.insert(node->kids.end(), bound.begin(), bound.end());
  return Status();
}

Status NoFilter(Position position, std::string_view name) {
  return UnsupportedConstruct(position, "filter " + Quoted(name));
}

// The name of a filter or test as an argument: a string written in the template.
StatusOr<std::string> ConstantName(const Arguments& arguments, size_t index, const char* what,
                                   Position position) {
  if (arguments.positional.size() <= index || arguments.positional[index]->kind != kNodeString) {
    return UnsupportedConstruct(position, std::string(what) + " that is not a string constant");
  }
  return arguments.positional[index]->name;
}

StatusOr<Ast*> MakeMap(Position position, Ast* value, const Arguments& arguments, AstPool* pool) {
  Ast* node = &pool->emplace_back();
  node->position = position;
  if (arguments.positional.empty()) {
    node->kind = kNodeMapAttr;
    node->kids = {value, nullptr, nullptr};
    for (const auto& [name, argument] : arguments.named) {
      if (name == "attribute") {
        node->kids[1] = argument;
      } else if (name == "default") {
        node->kids[2] = argument;
      } else {
        return SyntaxError(position, "filter map with an argument " + Quoted(name));
      }
    }
    if (!node->kids[1]) return SyntaxError(position, "filter map without a filter or attribute");
    return node;
  }
  SAMARA_ASSIGN_OR_RETURN(const std::string name,
                          ConstantName(arguments, 0, "map with a filter", position));
  const int id = FindFilter(name);
  if (id < 0) return NoFilter(position, name);
  node->kind = kNodeMapFilter;
  node->sub = static_cast<uint8_t>(id);
  node->kids = {value};
  SAMARA_RETURN_IF_ERROR(Bind(false, static_cast<uint32_t>(id), arguments, 1, node));
  return node;
}

StatusOr<Ast*> MakeSelect(std::string_view filter, Position position, Ast* value,
                          const Arguments& arguments, AstPool* pool) {
  Ast* node = &pool->emplace_back();
  node->kind = kNodeSelect;
  node->position = position;
  node->sub = filter.starts_with("reject") ? kSelectReject : 0;
  node->kids = {value, nullptr};
  node->numbers = {kTemplateNone};
  size_t next = 0;
  if (filter.ends_with("attr")) {
    if (arguments.positional.empty()) {
      return SyntaxError(position, "filter " + std::string(filter) + " without an attribute");
    }
    node->kids[1] = arguments.positional[next++];
  }
  if (arguments.positional.size() > next) {
    SAMARA_ASSIGN_OR_RETURN(const std::string name,
                            ConstantName(arguments, next, "test of a filter", position));
    const int id = FindTest(name);
    if (id < 0) return UnsupportedConstruct(position, "test " + Quoted(name));
    node->numbers[0] = static_cast<uint32_t>(id);
    SAMARA_RETURN_IF_ERROR(Bind(true, static_cast<uint32_t>(id), arguments, next + 1, node));
  } else if (!arguments.named.empty()) {
    return SyntaxError(position, "filter " + std::string(filter) + " with an argument " +
                                     Quoted(arguments.named[0].first));
  }
  return node;
}

}  // namespace

StatusOr<Ast*> MakeFilter(std::string_view name, Position position, Ast* value,
                          const Arguments& arguments, AstPool* pool) {
  if (name == "map") return MakeMap(position, value, arguments, pool);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr") {
    return MakeSelect(name, position, value, arguments, pool);
  }
  const int id = FindFilter(name);
  if (id < 0) return NoFilter(position, name);
  Ast* node = &pool->emplace_back();
  node->kind = kNodeFilter;
  node->sub = static_cast<uint8_t>(id);
  node->position = position;
  node->kids = {value};
  SAMARA_RETURN_IF_ERROR(Bind(false, static_cast<uint32_t>(id), arguments, 0, node));
  return node;
}

StatusOr<Ast*> MakeTest(std::string_view name, Position position, Ast* value,
                        const Arguments& arguments, AstPool* pool) {
  const int id = FindTest(name);
  if (id < 0) return UnsupportedConstruct(position, "test " + Quoted(name));
  Ast* node = &pool->emplace_back();
  node->kind = kNodeTest;
  node->sub = static_cast<uint8_t>(id);
  node->position = position;
  node->kids = {value};
  SAMARA_RETURN_IF_ERROR(Bind(true, static_cast<uint32_t>(id), arguments, 0, node));
  return node;
}

TemplateMethod FindMethod(std::string_view name) {
  const auto* const end = std::end(kMethods);
  const auto* const found = std::find(std::begin(kMethods), end, name);
  return found == end ? template_method::kNone
                      : static_cast<TemplateMethod>(found - std::begin(kMethods) + 1);
}

bool IsMissingMethod(std::string_view name) {
  static constexpr std::string_view kMissing[] = {
      "casefold",  "center",       "encode",    "expandtabs",  "format",  "format_map",
      "fromkeys",  "isidentifier", "isnumeric", "isprintable", "istitle", "ljust",
      "maketrans", "rjust",        "swapcase",  "translate",   "zfill"};
  return std::find(std::begin(kMissing), std::end(kMissing), name) != std::end(kMissing);
}

}  // namespace samara::template_compiler
