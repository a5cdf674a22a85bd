// Importance files: how much each column of a matrix counts, for the search of quants.
#ifndef SAMARA_CONVERTER_IMPORTANCE_H_
#define SAMARA_CONVERTER_IMPORTANCE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "converter/builder.h"
#include "formats/status.h"

namespace samara {

class Importance {
 public:
  // A safetensors file of vectors with names of the checkpoint's tensors, numbers finite and not negative. A vector's numbers
  // below a thousandth of its mean are raised to that: a text says little of what it does not use.
  static StatusOr<Importance> Read(const std::string& path);

  // nullptr: the file does not have it.
  const std::vector<float>* Find(std::string_view tensor) const;
  // Of weight i, nullptr: none. It was checked by Check.
  const float* Of(const Model& model, size_t i) const;
  // Every vector fits its matrix, and some matrix has one.
  Status Check(const Model& model) const;

 private:
  std::string name_;
  std::map<std::string, std::vector<float>, std::less<>> tensors_;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_IMPORTANCE_H_
