// Names of filters and tests, and how their arguments are bound to parameters.
#ifndef SAMARA_CONVERTER_TEMPLATE_NAMES_H_
#define SAMARA_CONVERTER_TEMPLATE_NAMES_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "converter/template/ast.h"

namespace samara::template_compiler {

struct Arguments {
  std::vector<Ast*> positional;
  std::vector<std::pair<std::string, Ast*>> named;
};

// A Filter, MapFilter, MapAttr or Select node. `value` may be null (a filter block).
StatusOr<Ast*> MakeFilter(std::string_view name, Position position, Ast* value,
                          const Arguments& arguments, AstPool* pool);
StatusOr<Ast*> MakeTest(std::string_view name, Position position, Ast* value,
                        const Arguments& arguments, AstPool* pool);

// The method of this name, or kNone.
TemplateMethod FindMethod(std::string_view name);
// A method of Python's strings, dicts and lists that is missing here.
bool IsMissingMethod(std::string_view name);

}  // namespace samara::template_compiler

#endif  // SAMARA_CONVERTER_TEMPLATE_NAMES_H_
