// Normalization, rotary embeddings, gates.
#include "backends/vulkan/plan.h"

namespace samara::vulkan {

// rms_norm and layer_norm.
Status Builder::Norm(uint32_t index, const Op& op) {
  View x, y, w, b;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &x));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &y));
  const bool weighted = op.inputs.size() > 1 && op.inputs[1] != kNoValue;
  const bool biased = op.inputs.size() > 2 && op.inputs[2] != kNoValue;
  if (weighted) SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[1], &w));
  if (biased) SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[2], &b));
  if (device_ == nullptr) return Status();
  const bool centred = op.code == OpCode::kLayerNorm;
  const uint32_t n = static_cast<uint32_t>(x.capacity[1]);
  const int64_t group = op.Int(AttrKey::kGroup);
  const uint32_t run = group > 0 ? static_cast<uint32_t>(group) : n;
  const bool int8 = KeptAsInt8(y);
  const uint32_t lanes = run <= 64 ? 32 : run <= 512 ? 64 : 256;
  Dispatch& d =
      Add(index, facts().subgroup ? Shader::norm_subgroup : Shader::norm,
          {lanes, weighted ? 1u : 0u, int8 ? 1u : 0u, centred ? 1u : 0u, biased ? 1u : 0u});
  uint32_t rest = 0, bias_rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(&d, x, false, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(x.stride / 4));
  rest = 0;
  SAMARA_RETURN_IF_ERROR(weighted ? BindView(&d, w, false, &rest) : BindNothing(&d));
  d.Push(rest / 4);
  SAMARA_RETURN_IF_ERROR(biased ? BindView(&d, b, false, &bias_rest) : BindNothing(&d));
  if (!int8) SAMARA_RETURN_IF_ERROR(BindView(&d, y, true, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(y.stride / 4));
  d.Push(run);
  d.PushFloat(static_cast<float>(op.Float(AttrKey::kEps)));
  if (int8) {
    SAMARA_RETURN_IF_ERROR(BindInt8(&d, Int8Of(y), true));
  } else {
    for (int i = 0; i < 4; ++i) d.Push(0);
  }
  d.Push(bias_rest / 4);
  d.Push(centred ? run : 0);  // weights of rms_norm are those of every run
  d.groups[0] = Extent::Of(run == 0 ? 0 : n / run);
  d.groups[1] = Extent::Rows(x.dims[0]);
  d.cost = x.range;
  return Status();
}

Status Builder::RopeTable(uint32_t index, const Op& op) {
  View positions, frequencies, y;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &positions));
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[1], &frequencies));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &y));
  if (device_ == nullptr) return Status();
  Dispatch& d = Add(index, Shader::rope_table, {64});
  uint32_t rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(&d, positions, false, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(positions.stride / 4));
  SAMARA_RETURN_IF_ERROR(BindView(&d, frequencies, false, &rest));
  d.Push(rest / 4);
  SAMARA_RETURN_IF_ERROR(BindView(&d, y, true, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(y.stride / 4));
  d.Push(static_cast<uint32_t>(y.capacity[1] / 2));
  d.PushFloat(static_cast<float>(op.Float(AttrKey::kFactor, 1)));
  d.Push(y.dims[0]);
  SpanElements(&d, y);
  return Status();
}

Status Builder::Rope(uint32_t index, const Op& op) {
  View x, table, y;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &x));
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[1], &table));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &y));
  if (device_ == nullptr) return Status();
  Dispatch& d = Add(index, Shader::rope, {64});
  uint32_t rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(&d, x, false, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(x.stride / 4));
  SAMARA_RETURN_IF_ERROR(BindView(&d, table, false, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(table.stride / 4));
  SAMARA_RETURN_IF_ERROR(BindView(&d, y, true, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(y.stride / 4));
  d.Push(static_cast<uint32_t>(op.Int(AttrKey::kHeadDim)));
  d.Push(static_cast<uint32_t>(table.capacity[1] / 2));
  d.Push(static_cast<uint32_t>(op.Int(AttrKey::kInterleaved)));
  d.Push(static_cast<uint32_t>(x.capacity[1] / static_cast<uint64_t>(op.Int(AttrKey::kHeadDim))));
  d.Push(x.dims[0]);
  SpanElements(&d, y);
  return Status();
}

// glu and activate.
Status Builder::Glu(uint32_t index, const Op& op) {
  View x, y;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &x));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &y));
  if (device_ == nullptr) return Status();
  const bool int8 = KeptAsInt8(y);
  Dispatch& d = Add(index, Shader::glu,
                    {64, static_cast<uint32_t>(op.Int(AttrKey::kActivation)), int8 ? 1u : 0u,
                     op.code == OpCode::kGlu ? 1u : 0u});
  uint32_t rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(&d, x, false, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(x.stride / 4));
  if (!int8) SAMARA_RETURN_IF_ERROR(BindView(&d, y, true, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(y.stride / 4));
  d.Push(static_cast<uint32_t>(y.capacity[1]));
  d.Push(y.dims[0]);
  SpanElements(&d, y);
  if (!int8) return Status();
  d.groups[0] = Extent::Of(static_cast<uint32_t>((y.capacity[1] + 63) / 64));
  d.groups[1] = Extent::Rows(y.dims[0]);
  return BindInt8(&d, Int8Of(y), true);
}

}  // namespace samara::vulkan
