// Which known name somebody may have meant.
#ifndef SAMARA_CONVERTER_NEAR_H_
#define SAMARA_CONVERTER_NEAR_H_

#include <string>
#include <string_view>
#include <vector>

namespace samara {

// "; near: A, B": the known names that differ least, by fewer than `far` letters to insert, delete or
// exchange; "" if there is none.
std::string Near(std::string_view name, const std::vector<std::string>& known, size_t far);

}  // namespace samara

#endif  // SAMARA_CONVERTER_NEAR_H_
