// The composites in exact mode: numerics.md, "Other operators", in its order of operations.
#include "backends/reference/numbers.h"
#include "backends/reference/tensor.h"

namespace samara::reference {
namespace {

void RmsNorm(const OpRun& op) {
  const Tensor& x = op.in[0];
  const Tensor& out = op.out[0];
  const int64_t n = x.dims[1];
  const int64_t group = op.params->group > 0 ? op.params->group : n;
  const float eps = static_cast<float>(op.params->eps);
  const bool weighted = op.n_in > 1 && op.in[1].present();
  for (int64_t t = 0; t < x.dims[0]; ++t) {
    for (int64_t g = 0; g < n; g += group) {
      const float* a = x.Row<float>(t) + g;
      float* y = out.Row<float>(t) + g;
      Sum16<float> squares;
      for (int64_t i = 0; i < group; ++i) squares.AddProduct(i, a[i], a[i]);
      const float ss = squares.Result();
      const float r = 1.0f / std::sqrt(ss / static_cast<float>(group) + eps);
      for (int64_t i = 0; i < group; ++i) {
        const float normal = a[i] * r;
        y[i] = weighted ? normal * op.in[1].Data<float>()[i] : normal;
      }
    }
  }
}

void LayerNorm(const OpRun& op) {
  const Tensor& x = op.in[0];
  const int64_t n = x.dims[1];
  const int64_t group = op.params->group > 0 ? op.params->group : n;
  const float eps = static_cast<float>(op.params->eps), count = static_cast<float>(group);
  const float* w = op.n_in > 1 && op.in[1].present() ? op.in[1].Data<float>() : nullptr;
  const float* b = op.n_in > 2 && op.in[2].present() ? op.in[2].Data<float>() : nullptr;
  for (int64_t t = 0; t < x.dims[0]; ++t) {
    for (int64_t g = 0; g < n; g += group) {
      const float* a = x.Row<float>(t) + g;
      float* y = op.out[0].Row<float>(t) + g;
      Sum16<float> sum, squares;
      for (int64_t i = 0; i < group; ++i) sum.Add(i, a[i]);
      const float mean = sum.Result() / count;
      for (int64_t i = 0; i < group; ++i) squares.AddProduct(i, a[i] - mean, a[i] - mean);
      const float r = 1.0f / std::sqrt(squares.Result() / count + eps);
      for (int64_t i = 0; i < group; ++i) {
        float v = (a[i] - mean) * r;
        if (w != nullptr) v = v * w[g + i];
        y[i] = b != nullptr ? v + b[g + i] : v;
      }
    }
  }
}

void RopeTable(const OpRun& op) {
  const Tensor& positions = op.in[0];
  const Tensor& out = op.out[0];
  const int64_t half = out.dims[1] / 2;
  const float factor = static_cast<float>(op.params->factor);
  for (int64_t t = 0; t < out.dims[0]; ++t) {
    const float position = static_cast<float>(positions.Data<int32_t>()[t * positions.strides[0]]);
    for (int64_t i = 0; i < half; ++i) {
      const float angle = position * op.in[1].Data<float>()[i];
      out.Row<float>(t)[i] = Cos(angle) * factor;
      out.Row<float>(t)[half + i] = Sin(angle) * factor;
    }
  }
}

void Rope(const OpRun& op) {
  const Tensor& x = op.in[0];
  const Tensor& out = op.out[0];
  const int64_t head_dim = op.params->head_dim, half = op.in[1].dims[1] / 2;
  for (int64_t t = 0; t < x.dims[0]; ++t) {
    const float* table = op.in[1].Row<float>(t);
    for (int64_t h = 0; h < x.dims[1]; h += head_dim) {
      const float* from = x.Row<float>(t) + h;
      float* to = out.Row<float>(t) + h;
      for (int64_t i = 0; i < half; ++i) {
        const int64_t first = op.params->interleaved ? 2 * i : i;
        const int64_t second = op.params->interleaved ? 2 * i + 1 : i + half;
        const float a = from[first], b = from[second], c = table[i], s = table[half + i];
        to[first] = std::fma(a, c, -(b * s));
        to[second] = std::fma(b, c, a * s);
      }
      for (int64_t i = 2 * half; i < head_dim; ++i) to[i] = from[i];
    }
  }
}

void Glu(const OpRun& op) {
  const Tensor& x = op.in[0];
  const Tensor& out = op.out[0];
  const int64_t n = out.dims[1];
  for (int64_t t = 0; t < out.dims[0]; ++t) {
    for (int64_t i = 0; i < n; ++i) {
      const float gate = x.Row<float>(t)[i], up = x.Row<float>(t)[n + i];
      out.Row<float>(t)[i] = Activate(op.params->activation, gate) * up;
    }
  }
}

void ActivateRows(const OpRun& op) {
  const Tensor& out = op.out[0];
  for (int64_t t = 0; t < out.dims[0]; ++t) {
    for (int64_t i = 0; i < out.dims[1]; ++i)
      out.Row<float>(t)[i] = Activate(op.params->activation, op.in[0].Row<float>(t)[i]);
  }
}

// One token and head: the chunks of 64 slots that hold visible ones, merged in ascending order.
struct Merge {
  float m, l;
  float* o;  // value_dim
  bool first = true;
};

Status AttendChunk(const OpRun& op, const StatePlan& state, uint32_t seq, uint32_t kv_head,
                   const float* qs, uint32_t begin, uint32_t end, float* chunk_o, Merge* merge) {
  const OpParams& p = *op.params;
  const int64_t base = PhysicalSlot(op.step, state.group, seq, begin / kBlockSlots * kBlockSlots);
  if (base < 0) return Internal("attention: a block outside of the pool");
  const float softcap = static_cast<float>(p.softcap);
  float s[kBlockSlots] = {}, e[kBlockSlots] = {};
  const uint32_t j0 = begin % kBlockSlots, j1 = j0 + (end - begin);
  for (uint32_t j = j0; j < j1; ++j) {
    float acc = 0;
    for (uint32_t d = 0; d < p.key_dim; ++d) {
      acc = std::fma(qs[d], LoadState<float>(state, 0, static_cast<uint64_t>(base + j), kv_head, d),
                     acc);
    }
    s[j] = softcap > 0 ? softcap * Tanh(acc / softcap) : acc;
  }
  float m_c = s[j0];
  for (uint32_t j = j0 + 1; j < j1; ++j) m_c = Max(m_c, s[j]);
  Sum16<float> sum;
  for (uint32_t j = j0; j < j1; ++j) {
    e[j] = Exp(s[j] - m_c);
    sum.Add(j, e[j]);
  }
  const float l_c = sum.Result();
  for (uint32_t d = 0; d < p.value_dim; ++d) {
    float acc = 0;
    for (uint32_t j = j0; j < j1; ++j) {
      acc = std::fma(e[j], LoadState<float>(state, 1, static_cast<uint64_t>(base + j), kv_head, d),
                     acc);
    }
    chunk_o[d] = acc;
  }
  if (merge->first) {
    merge->first = false;
    merge->m = m_c;
    merge->l = l_c;
    for (uint32_t d = 0; d < p.value_dim; ++d) merge->o[d] = chunk_o[d];
    return Status();
  }
  const float m = Max(merge->m, m_c);
  const float a = Exp(merge->m - m), b = Exp(m_c - m);
  merge->l = std::fma(merge->l, a, l_c * b);
  for (uint32_t d = 0; d < p.value_dim; ++d) {
    merge->o[d] = std::fma(merge->o[d], a, chunk_o[d] * b);
  }
  merge->m = m;
  return Status();
}

Status Attention(const OpRun& op) {
  const OpParams& p = *op.params;
  const Tensor& q = op.in[0];
  const StatePlan& state = *op.in[1].state;
  const Tensor& out = op.out[0];
  const float scale = static_cast<float>(p.scale);
  float* qs = reinterpret_cast<float*>(op.scratch);
  float* o = qs + p.key_dim;
  float* chunk_o = o + p.value_dim;
  for (int64_t t = 0; t < q.dims[0]; ++t) {
    const TokenParams& token = op.step.tokens()[t];
    uint32_t begin, end;
    VisibleRange(token, p.window, &begin, &end);
    if (begin >= end) return Internal("attention: a token that sees nothing");
    for (int64_t h = 0; h < p.heads; ++h) {
      if (op.Cancelled()) return Cancelled("cancelled");
      const uint32_t kv_head = static_cast<uint32_t>(h / (p.heads / p.kv_heads));
      for (int64_t d = 0; d < p.key_dim; ++d) qs[d] = q.Row<float>(t)[h * p.key_dim + d] * scale;
      Merge merge = {0, 0, o};
      for (uint32_t from = begin; from < end;) {
        const uint32_t to = Min((from / kBlockSlots + 1) * kBlockSlots, end);
        SAMARA_RETURN_IF_ERROR(
            AttendChunk(op, state, token.seq, kv_head, qs, from, to, chunk_o, &merge));
        from = to;
      }
      if (op.n_in > 2 && op.in[2].present()) {
        const float z = op.in[2].Data<float>()[h];
        const float m = Max(merge.m, z);
        const float a = Exp(merge.m - m);
        merge.l = std::fma(merge.l, a, Exp(z - m));
        for (int64_t d = 0; d < p.value_dim; ++d) o[d] = o[d] * a;
      }
      const float inverse = 1.0f / merge.l;
      float* y = out.Row<float>(t) + h * p.value_dim;
      for (int64_t d = 0; d < p.value_dim; ++d) y[d] = o[d] * inverse;
    }
  }
  return Status();
}

}  // namespace

uint64_t AttentionScratch(Mode mode, const OpParams& p, uint64_t slots) {
  const uint64_t values = static_cast<uint64_t>(p.value_dim);
  if (mode == Mode::kFloat64) return slots * sizeof(double);
  return (static_cast<uint64_t>(p.key_dim) + 2 * values) * sizeof(float);
}

Status RunComposite(const OpRun& op, float) {
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
