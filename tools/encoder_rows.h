// The rows that encoders are compared on: by tools/encoder_compare beside another library's, by the tests against the
// figures that it gave.
#ifndef SAMARA_TOOLS_ENCODER_ROWS_H_
#define SAMARA_TOOLS_ENCODER_ROWS_H_

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "converter/safetensors.h"
#include "formats/quant/blocks.h"
#include "formats/status.h"

namespace samara {

struct EncoderRows {
  std::string name;
  uint64_t n = 0, cols = 0;
  std::vector<float> values;
};

class EncoderNumbers {
 public:
  double Uniform() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (static_cast<double>(state_ >> 11) + 0.5) * 0x1p-53;
  }
  double Gaussian() {
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(6.283185307179586 * Uniform());
  }

 private:
  uint64_t state_ = 1;
};

inline EncoderRows RandomRows(bool laplace) {
  EncoderRows x{laplace ? "laplace" : "gaussian", 256, 2048, {}};
  x.values.resize(x.n * x.cols);
  EncoderNumbers numbers;
  for (float& v : x.values) {
    const double size = laplace ? -std::log(numbers.Uniform()) : numbers.Gaussian();
    v = static_cast<float>(0.02 * size * (laplace && numbers.Uniform() < 0.5 ? -1 : 1));
  }
  return x;
}
// One weight a column.
inline std::vector<float> RandomImportance(uint64_t cols) {
  EncoderNumbers numbers;
  std::vector<float> weights(cols);
  for (float& w : weights) w = static_cast<float>(std::exp(1.5 * numbers.Gaussian()));
  return weights;
}

// All matrices of a file with equally long rows, one below the other. Four rows that hold no whole super-blocks are taken
// as one.
inline Status LoadRows(const std::string& path, std::vector<EncoderRows>* out) {
  SAMARA_ASSIGN_OR_RETURN(const Checkpoint file, Checkpoint::OpenFile(path, path));
  const size_t first = out->size();
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.shape.size() != 2 || tensor.dtype == DType::kInvalid) continue;
    uint64_t n = tensor.shape[0], cols = tensor.shape[1];
    if (cols % 256 != 0 && n % 4 == 0) {
      n /= 4;
      cols *= 4;
    }
    EncoderRows* x = nullptr;
    for (size_t i = first; i < out->size(); ++i) {
      if ((*out)[i].cols == cols) x = &(*out)[i];
    }
    if (x == nullptr)
      x = &out->emplace_back(EncoderRows{"weights:" + std::to_string(cols), 0, cols, {}});
    std::vector<uint8_t> bytes(tensor.bytes);
    SAMARA_RETURN_IF_ERROR(file.Read(tensor, 0, bytes.data(), bytes.size()));
    x->values.resize((x->n + n) * cols);
    DequantizeRow(tensor.dtype, bytes.data(), n * cols, x->values.data() + x->n * cols);
    x->n += n;
  }
  return Status();
}

// Root mean square error of rows in blocks, over that of the rows.
inline double RelativeRmse(const EncoderRows& x, DType dtype, const std::vector<uint8_t>& blocks,
                           const std::vector<float>* importance) {
  const uint64_t stride = RowBytes(dtype, x.cols);
  std::vector<float> y(x.cols);
  double error = 0, size = 0;
  for (uint64_t r = 0; r < x.n; ++r) {
    DequantizeRow(dtype, blocks.data() + r * stride, x.cols, y.data());
    for (uint64_t k = 0; k < x.cols; ++k) {
      const double own = static_cast<double>(x.values[r * x.cols + k]);
      const double e = static_cast<double>(y[k]) - own;
      const double w = importance == nullptr ? 1 : static_cast<double>((*importance)[k]);
      error += w * e * e;
      size += w * own * own;
    }
  }
  return std::sqrt(error / size);
}

}  // namespace samara

#endif  // SAMARA_TOOLS_ENCODER_ROWS_H_
