#include "converter/near.h"

#include <algorithm>

namespace samara {
namespace {

// Letters to insert, delete or exchange.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t exchanged = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, exchanged});
    }
  }
  return row.back();
}

}  // namespace

std::string Near(std::string_view name, const std::vector<std::string>& known, size_t far) {
  constexpr size_t kLongest = 100;
  if (name.size() > kLongest) return "";
  size_t least = far;
  std::string text;
  for (const std::string& candidate : known) {
    const size_t distance = Distance(name, candidate);
    if (distance > least || distance >= far) continue;
    text = (distance < least ? "; near: " : text + ", ") + candidate;
    least = distance;
  }
  return text;
}

}  // namespace samara
