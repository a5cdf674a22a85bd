// What the matrices of a package multiply, measured on tokens: how much each column of a matrix counts.
#ifndef SAMARA_RUNTIME_CALIBRATE_H_
#define SAMARA_RUNTIME_CALIBRATE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "formats/status.h"

namespace samara {

struct InputSquares {
  const Weight* weight = nullptr;  // of the Calibration's package
  uint64_t rows = 0;               // inputs summed
  std::vector<double> sums;        // of squares, one for each column
};

class Calibration {
 public:
  // Checks the package and finds its products.
  Status Open(const std::string& path, uint32_t n_threads);
  // Runs a text through the model on the first built-in backend, which computes to the contract; windows of
  // `context` tokens (at most the trained ones) do not overlap. Sums go on from text to text.
  Status Add(std::span<const int32_t> tokens, uint32_t context);

  const std::vector<InputSquares>& inputs() const { return inputs_; }

 private:
  std::string path_;
  uint32_t n_threads_ = 0;
  Package package_;
  std::vector<InputSquares> inputs_;
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_CALIBRATE_H_
