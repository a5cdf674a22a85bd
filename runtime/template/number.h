// Numbers as Python writes them.
#ifndef SAMARA_RUNTIME_TEMPLATE_NUMBER_H_
#define SAMARA_RUNTIME_TEMPLATE_NUMBER_H_

#include <cstddef>

namespace samara::template_runtime {

// repr() of a float; `out` has 40 bytes. Returns the length.
size_t FloatText(double d, char* out);

}  // namespace samara::template_runtime

#endif  // SAMARA_RUNTIME_TEMPLATE_NUMBER_H_
