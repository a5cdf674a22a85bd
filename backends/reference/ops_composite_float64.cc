// The composites in float64, as textbooks write them: no order of operations is meant, only the
// value.
#include "backends/reference/numbers.h"
#include "backends/reference/tensor.h"

namespace samara::reference {
namespace {

void RmsNorm(const OpRun& op) {
  const int64_t n = op.in[0].dims[1];
  const int64_t group = op.params->group > 0 ? op.params->group : n;
  const double* weight = op.n_in > 1 && op.in[1].present() ? op.in[1].Data<double>() : nullptr;
  for (int64_t t = 0; t < op.in[0].dims[0]; ++t) {
    const double* x = op.in[0].Row<double>(t);
    double* y = op.out[0].Row<double>(t);
    for (int64_t g = 0; g < n; g += group) {
      double mean = 0;
      for (int64_t i = 0; i < group; ++i) mean += x[g + i] * x[g + i] / static_cast<double>(group);
      const double scale = 1 / std::sqrt(mean + op.params->eps);
      for (int64_t i = 0; i < group; ++i) y[g + i] = x[g + i] * scale * (weight ? weight[i] : 1);
    }
  }
}

void LayerNorm(const OpRun& op) {
  const int64_t n = op.in[0].dims[1];
  const int64_t group = op.params->group > 0 ? op.params->group : n;
  const double* weight = op.n_in > 1 && op.in[1].present() ? op.in[1].Data<double>() : nullptr;
  const double* bias = op.n_in > 2 && op.in[2].present() ? op.in[2].Data<double>() : nullptr;
  for (int64_t t = 0; t < op.in[0].dims[0]; ++t) {
    const double* x = op.in[0].Row<double>(t);
    double* y = op.out[0].Row<double>(t);
    for (int64_t g = 0; g < n; g += group) {
      double mean = 0, variance = 0;
      for (int64_t i = g; i < g + group; ++i) mean += x[i] / static_cast<double>(group);
      for (int64_t i = g; i < g + group; ++i)
        variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(group);
      const double scale = 1 / std::sqrt(variance + op.params->eps);
      for (int64_t i = g; i < g + group; ++i)
        y[i] = (x[i] - mean) * scale * (weight ? weight[i] : 1) + (bias ? bias[i] : 0);
    }
  }
}

void RopeTable(const OpRun& op) {
  const Tensor& positions = op.in[0];
  const double* inv_freq = op.in[1].Data<double>();
  const int64_t half = op.out[0].dims[1] / 2;
  for (int64_t t = 0; t < op.out[0].dims[0]; ++t) {
    const double position = positions.Data<int32_t>()[t * positions.strides[0]];
    double* y = op.out[0].Row<double>(t);
    for (int64_t i = 0; i < half; ++i) {
      y[i] = std::cos(position * inv_freq[i]) * op.params->factor;
      y[half + i] = std::sin(position * inv_freq[i]) * op.params->factor;
    }
  }
}

void Rope(const OpRun& op) {
  const int64_t head_dim = op.params->head_dim, half = op.in[1].dims[1] / 2;
  for (int64_t t = 0; t < op.in[0].dims[0]; ++t) {
    const double* cosines = op.in[1].Row<double>(t);
    const double* sines = cosines + half;
    for (int64_t h = 0; h < op.in[0].dims[1]; h += head_dim) {
      const double* x = op.in[0].Row<double>(t) + h;
      double* y = op.out[0].Row<double>(t) + h;
      for (int64_t i = 0; i < head_dim; ++i) {
        if (i >= 2 * half) {
          y[i] = x[i];
          continue;
        }
        const int64_t pair = op.params->interleaved ? i / 2 : i % half;
        const bool is_first = op.params->interleaved ? i % 2 == 0 : i < half;
        const int64_t step = op.params->interleaved ? 1 : half;
        y[i] = is_first ? x[i] * cosines[pair] - x[i + step] * sines[pair]
                        : x[i] * cosines[pair] + x[i - step] * sines[pair];
      }
    }
  }
}

void Glu(const OpRun& op) {
  const int64_t n = op.out[0].dims[1];
  for (int64_t t = 0; t < op.out[0].dims[0]; ++t) {
    const double* x = op.in[0].Row<double>(t);
    for (int64_t i = 0; i < n; ++i) {
      op.out[0].Row<double>(t)[i] = Activate(op.params->activation, x[i]) * x[n + i];
    }
  }
}

void ActivateRows(const OpRun& op) {
  for (int64_t t = 0; t < op.out[0].dims[0]; ++t) {
    for (int64_t i = 0; i < op.out[0].dims[1]; ++i)
      op.out[0].Row<double>(t)[i] = Activate(op.params->activation, op.in[0].Row<double>(t)[i]);
  }
}

// softmax(scale * q k) v over the visible slots, one after the other.
Status Attention(const OpRun& op) {
  const OpParams& p = *op.params;
  const StatePlan& state = *op.in[1].state;
  double* scores = reinterpret_cast<double*>(op.scratch);
  for (int64_t t = 0; t < op.in[0].dims[0]; ++t) {
    const TokenParams& token = op.step.tokens()[t];
    uint32_t begin, end;
    VisibleRange(token, p.window, &begin, &end);
    const uint64_t ring = uint64_t{op.step.layout->blocks_per_seq[state.group]} * kBlockSlots;
    if (begin >= end || end - begin > ring)
      return Internal("attention: a visible range that cannot be");
    for (uint32_t s = begin; s < end; ++s) {
      if (PhysicalSlot(op.step, state.group, token.seq, s) < 0) {
        return Internal("attention: a block outside of the pool");
      }
    }
    for (int64_t h = 0; h < p.heads; ++h) {
      if (op.Cancelled()) return Cancelled("cancelled");
      const uint32_t kv_head = static_cast<uint32_t>(h / (p.heads / p.kv_heads));
      const double* q = op.in[0].Row<double>(t) + h * p.key_dim;
      double* y = op.out[0].Row<double>(t) + h * p.value_dim;
      const bool has_sink = op.n_in > 2 && op.in[2].present();
      double max = has_sink ? op.in[2].Data<double>()[h] : -std::numeric_limits<double>::infinity();
      for (uint32_t s = begin; s < end; ++s) {
        const int64_t slot = PhysicalSlot(op.step, state.group, token.seq, s);
        double dot = 0;
        for (uint32_t d = 0; d < p.key_dim; ++d) {
          dot += q[d] * LoadState<double>(state, 0, static_cast<uint64_t>(slot), kv_head, d);
        }
        dot *= p.scale;
        if (p.softcap > 0) dot = p.softcap * std::tanh(dot / p.softcap);
        scores[s - begin] = dot;
        max = Max(dot, max);
      }
      double sum = has_sink ? std::exp(op.in[2].Data<double>()[h] - max) : 0;
      for (uint32_t s = begin; s < end; ++s) {
        scores[s - begin] = std::exp(scores[s - begin] - max);
        sum += scores[s - begin];
      }
      for (int64_t d = 0; d < p.value_dim; ++d) y[d] = 0;
      for (uint32_t s = begin; s < end; ++s) {
        const int64_t slot = PhysicalSlot(op.step, state.group, token.seq, s);
        for (uint32_t d = 0; d < p.value_dim; ++d) {
          const double v = LoadState<double>(state, 1, static_cast<uint64_t>(slot), kv_head, d);
          y[d] += scores[s - begin] / sum * v;
        }
      }
    }
  }
  return Status();
}

}  // namespace

Status RunComposite(const OpRun& op, double) {
  switch (op.code) {
    case OpCode::kRmsNorm:
      RmsNorm(op);
      break;
    case OpCode::kRopeTable:
      RopeTable(op);
      break;
    case OpCode::kRope:
      Rope(op);
      break;
    case OpCode::kGlu:
      Glu(op);
      break;
    case OpCode::kLayerNorm:
      LayerNorm(op);
      break;
    case OpCode::kActivate:
      ActivateRows(op);
      break;
    case OpCode::kAttention:
      return Attention(op);
    default:
      return Internal("operator %d is no composite", static_cast<int>(op.code));
  }
  return Status();
}

}  // namespace samara::reference
