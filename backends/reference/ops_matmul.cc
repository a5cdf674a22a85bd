// matmul and linear: numerics.md, "Weights: matmul and linear", one function a codec.
#include <cstring>

#include "backends/reference/numbers.h"
#include "backends/reference/tensor.h"
#include "formats/quant/blocks.h"
#include "formats/quant/codes.h"

namespace samara::reference {
namespace {

constexpr int64_t kBlock = 32;

int64_t Blocks(int64_t cols) { return (cols + kBlock - 1) / kBlock; }

bool IsQuantized(DType dtype) {
  const DTypeInfo* info = FindDType(dtype);
  return info != nullptr && info->is_quantized;
}

// 32 activations of a token as int8.
struct ActivationBlock {
  float d;
  int32_t sums[2];  // of each half
  int8_t q[kBlock];
};

ActivationBlock QuantizeActivations(const float* x, int64_t n) {
  ActivationBlock block = {};
  float amax = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) {
      block.d = std::numeric_limits<float>::quiet_NaN();
      return block;
    }
    amax = Max(amax, std::fabs(x[i]));
  }
  if (amax < math::kQ8Tiny) return block;
  block.d = amax / 127.0f;
  const float s = 127.0f / amax;
  for (int64_t i = 0; i < n; ++i) {
    block.q[i] = static_cast<int8_t>(std::rint(x[i] * s));
    block.sums[i / 16] += block.q[i];
  }
  return block;
}

float RoundToBf16(float x) {
  const float y = FloatFromBf16(Bf16FromFloat(x));
  return std::fabs(y) < math::kBf16Tiny ? 0.0f : y;
}

// A block of a quantized row, row-major form (formats/quant/blocks.h), taken apart.
struct WeightBlock {
  float d, m;
  int32_t q[kBlock];  // offset already removed where the codec has no minimum
};

uint16_t Load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }

WeightBlock ParseBlock(DType dtype, const uint8_t* p) {
  WeightBlock block = {};
  block.d = FloatFromHalf(Load16(p));
  p += 2;
  if (dtype == DType::kQ8_0) {
    for (int64_t i = 0; i < kBlock; ++i) block.q[i] = static_cast<int8_t>(p[i]);
    return block;
  }
  if (dtype == DType::kQ4_1 || dtype == DType::kQ5_1) {
    block.m = FloatFromHalf(Load16(p));
    p += 2;
  }
  uint32_t high = 0;
  if (dtype == DType::kQ5_0 || dtype == DType::kQ5_1) {
    high = Load16(p) | static_cast<uint32_t>(Load16(p + 2)) << 16;
    p += 4;
  }
  const int32_t offset = dtype == DType::kQ4_0 ? 8 : dtype == DType::kQ5_0 ? 16 : 0;
  for (int64_t i = 0; i < kBlock; ++i) {
    const int32_t low = i < 16 ? p[i] & 15 : p[i - 16] >> 4;
    block.q[i] = (low | static_cast<int32_t>(high >> i & 1) << 4) - offset;
  }
  return block;
}

float DotQuantized(DType dtype, const uint8_t* row, uint64_t block_bytes,
                   const ActivationBlock* activations, int64_t n_blocks) {
  float acc = 0;
  for (int64_t b = 0; b < n_blocks; ++b) {
    const WeightBlock w = ParseBlock(dtype, row + b * block_bytes);
    const ActivationBlock& a = activations[b];
    int32_t i = 0;
    for (int64_t k = 0; k < kBlock; ++k) i += w.q[k] * a.q[k];
    acc = std::fma(w.d * a.d, static_cast<float>(i), acc);
    if (dtype == DType::kQ4_1 || dtype == DType::kQ5_1) {
      acc = std::fma(w.m, a.d * static_cast<float>(a.sums[0] + a.sums[1]), acc);
    }
  }
  return acc;
}

// The same for the types of formats/quant/codes.h: each sub-block has a scale and perhaps a minimum of its own.
float DotCodes(const CodeForm& form, const uint8_t* row, const ActivationBlock* activations,
               int64_t n_blocks) {
  const int64_t per_block = form.elements / kBlock;
  float acc = 0;
  BlockCodes codes;
  for (int64_t b = 0; b < n_blocks; ++b, ++activations) {
    if (b % per_block == 0) {
      SplitBlock(form, row, &codes);
      row += FindDType(form.dtype)->block_bytes;
    }
    const ActivationBlock& a = *activations;
    for (int64_t begin = 0; begin < kBlock; begin += form.sub) {
      const int64_t at = b % per_block * kBlock + begin;
      const uint32_t sub = static_cast<uint32_t>(at) / form.sub;
      int32_t i = 0;
      for (int64_t k = 0; k < form.sub; ++k)
        i += QuantValue(form, codes.q[at + k]) * a.q[begin + k];
      acc = std::fma(SubScale(form, codes, sub) * a.d, static_cast<float>(i), acc);
      if (form.minimum) {
        const int32_t sum = form.sub == 32 ? a.sums[0] + a.sums[1] : a.sums[begin / 16];
        acc = std::fma(SubOffset(form, codes, sub), a.d * static_cast<float>(sum), acc);
      }
    }
  }
  return acc;
}

// w: the row widened; a: activations rounded to BF16; both zero at an odd end.
float DotBf16(const float* w, const float* a, int64_t cols) {
  float acc = 0;
  for (int64_t i = 0; i < (cols + 1) / 2; ++i) {
    if (2 * i + 1 < cols) {
      acc = std::fma(w[2 * i + 1], a[2 * i + 1], acc);
    } else {
      acc = std::fma(0.0f, 0.0f, acc);
    }
    acc = std::fma(w[2 * i], a[2 * i], acc);
  }
  return acc;
}

template <typename T>
T DotPlain(const float* w, const T* x, int64_t cols) {
  T acc = 0;
  for (int64_t k = 0; k < cols; ++k) acc = std::fma(static_cast<T>(w[k]), x[k], acc);
  return acc;
}

// acc, plus bias, plus residual: operands 2 and 3 of linear.
template <typename T>
void Finish(const OpRun& op, int64_t t, int64_t r, T acc) {
  if (op.n_in > 2 && op.in[2].present()) acc = acc + op.in[2].Data<T>()[r];
  if (op.n_in > 3 && op.in[3].present()) acc = acc + op.in[3].Row<T>(t)[r];
  op.out[0].Row<T>(t)[r] = acc;
}

}  // namespace

template <typename T>
void DequantizeWeightRow(const WeightPlan& w, uint64_t r, float* row, T* out) {
  DequantizePackedRow(w.layout, w.dtype, w.data, r, w.cols, row);
  for (uint64_t k = 0; k < w.cols; ++k) out[k] = static_cast<T>(row[k]);
}
template void DequantizeWeightRow(const WeightPlan&, uint64_t, float*, float*);
template void DequantizeWeightRow(const WeightPlan&, uint64_t, float*, double*);

// One row of the weight, then the activations of all tokens in the form that the codec wants.
uint64_t MatmulScratch(Mode mode, DType weight, uint64_t t, uint64_t cols) {
  const uint64_t row = AlignUp(cols * sizeof(float));
  if (mode == Mode::kFloat64) return row;
  if (IsQuantized(weight)) {
    return AlignUp(RowBytes(weight, cols)) +
           t * Blocks(static_cast<int64_t>(cols)) * sizeof(ActivationBlock);
  }
  return weight == DType::kBF16 ? row + t * cols * sizeof(float) : row;
}

Status RunMatmul(const OpRun& op, float) {
  const WeightPlan& w = *op.in[1].weight;
  const Tensor& x = op.in[0];
  const int64_t n_tokens = x.dims[0], cols = x.dims[1];
  const int64_t rows = static_cast<int64_t>(w.rows);
  if (IsQuantized(w.dtype)) {
    const int64_t n_blocks = Blocks(cols);
    const uint64_t block_bytes = FindDType(w.dtype)->block_bytes;
    const CodeForm* form = FindCodeForm(w.dtype);
    auto* activations =
        reinterpret_cast<ActivationBlock*>(op.scratch + AlignUp(RowBytes(w.dtype, w.cols)));
    for (int64_t t = 0; t < n_tokens; ++t) {
      for (int64_t b = 0; b < n_blocks; ++b) {
        const int64_t n = Min<int64_t>(kBlock, cols - b * kBlock);
        activations[t * n_blocks + b] = QuantizeActivations(x.Row<float>(t) + b * kBlock, n);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      if (op.Cancelled()) return Cancelled("cancelled");
      UnpackRow(w.layout, w.dtype, w.data, r, w.cols, op.scratch);
      for (int64_t t = 0; t < n_tokens; ++t) {
        const ActivationBlock* a = activations + t * n_blocks;
        Finish(op, t, r,
               form != nullptr ? DotCodes(*form, op.scratch, a, n_blocks)
                               : DotQuantized(w.dtype, op.scratch, block_bytes, a, n_blocks));
      }
    }
    return Status();
  }
  float* row = reinterpret_cast<float*>(op.scratch);
  float* rounded = reinterpret_cast<float*>(op.scratch + AlignUp(w.cols * sizeof(float)));
  if (w.dtype == DType::kBF16) {
    for (int64_t t = 0; t < n_tokens; ++t) {
      for (int64_t k = 0; k < cols; ++k) rounded[t * cols + k] = RoundToBf16(x.Row<float>(t)[k]);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    if (op.Cancelled()) return Cancelled("cancelled");
    DequantizePackedRow(w.layout, w.dtype, w.data, r, w.cols, row);
    for (int64_t t = 0; t < n_tokens; ++t) {
      Finish(op, t, r,
             w.dtype == DType::kBF16 ? DotBf16(row, rounded + t * cols, cols)
                                     : DotPlain(row, x.Row<float>(t), cols));
    }
  }
  return Status();
}

Status RunMatmul(const OpRun& op, double) {
  const WeightPlan& w = *op.in[1].weight;
  const Tensor& x = op.in[0];
  float* row = reinterpret_cast<float*>(op.scratch);
  for (uint64_t r = 0; r < w.rows; ++r) {
    if (op.Cancelled()) return Cancelled("cancelled");
    DequantizePackedRow(w.layout, w.dtype, w.data, r, w.cols, row);
    for (int64_t t = 0; t < x.dims[0]; ++t) {
      Finish(op, t, static_cast<int64_t>(r), DotPlain(row, x.Row<double>(t), x.dims[1]));
    }
  }
  return Status();
}

}  // namespace samara::reference
