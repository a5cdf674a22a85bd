// Keys and values: written, read, attended to. Pools have the standard layout (runtime/backend.h).
#include <algorithm>

#include "backends/vulkan/plan.h"

namespace samara::vulkan {
namespace {

const State& StateOf(const PartitionSpec& spec, ValueId id) {
  const Value& value = spec.graph->values[static_cast<size_t>(id)];
  return spec.package->states[static_cast<size_t>(value.index)];
}

// 0 F32, 1 F16, 2 Q8_0.
uint32_t KvCode(DType dtype) { return dtype == DType::kF32 ? 0 : dtype == DType::kF16 ? 1 : 2; }

Status CheckKv(DType dtype) {
  if (dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kQ8_0) return Status();
  return Unsupported("vulkan: keys and values of type %s; there are f32, f16, q8_0",
                     DTypeName(dtype));
}

uint64_t PoolBytes(const PartitionSpec& spec, const State& state, int part, DType dtype) {
  const StatePart& p = state.parts[static_cast<size_t>(part)];
  return uint64_t{spec.step_layout->pool_blocks[state.group]} * p.heads * KvHeadBytes(dtype, p.dim);
}

}  // namespace

Status Builder::StateOp(uint32_t index, const Op& op) {
  const ValueId id = op.inputs[op.code == OpCode::kStateWrite ? 1 : 0];
  const State& state = StateOf(spec_, id);
  const int part = static_cast<int>(op.Int(AttrKey::kPart));
  View x;
  SAMARA_RETURN_IF_ERROR(
      MakeView(op.code == OpCode::kStateWrite ? op.inputs[0] : op.outputs[0], &x));
  if (device_ == nullptr) return Status();
  const int32_t at = spec_.graph->values[static_cast<size_t>(id)].index;
  const StateBinding& binding = spec_.states[static_cast<size_t>(at)];
  if (op.code == OpCode::kStateVisible) {
    Dispatch& d = Add(index, Shader::state_visible, {64});
    SAMARA_RETURN_IF_ERROR(BindTensor(&d, x, true));
    PushGroup(&d, state.group);
    d.Push(static_cast<uint32_t>(std::min<int64_t>(op.Int(AttrKey::kWindow), UINT32_MAX)));
    d.groups[0] = Extent::Rows(x.dims[0]);
    d.cost = x.range;
    return Status();
  }
  SAMARA_RETURN_IF_ERROR(CheckKv(binding.dtype));
  const StatePart& p = state.parts[static_cast<size_t>(part)];
  const bool write = op.code == OpCode::kStateWrite;
  if (write && uint64_t{p.dim} * 4 + 64 > facts().max_shared) {
    return Unsupported("vulkan: heads of %u dimensions do not fit into shared memory", p.dim);
  }
  Dispatch& d = Add(index, write ? Shader::state_write : Shader::state_read,
                    {64, KvCode(binding.dtype), static_cast<uint32_t>(part), p.dim});
  uint32_t rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(&d, x, !write, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(x.stride / 4));
  SAMARA_RETURN_IF_ERROR(Bind(&d, binding.device[part], 0,
                              PoolBytes(spec_, state, part, binding.dtype), write, &rest));
  PushGroup(&d, state.group);
  d.Push(p.heads);
  d.Push(static_cast<uint32_t>(KvHeadBytes(binding.dtype, p.dim) / 4));
  d.groups[0] = Extent::Rows(x.dims[0]);
  d.groups[1] = Extent::Of(p.heads);
  d.cost = x.range;
  return Status();
}

// [norms,] [rope of queries,] rope of keys, their writing, the writing of values.
Status Builder::RopeAndWrite(uint32_t index, bool* fused) {
  *fused = false;
  const std::vector<uint32_t> ops = NextOps(index, 6);
  const auto is = [&](size_t i, OpCode code) {
    return i < ops.size() && OpAt(ops[i]).code == code;
  };
  size_t norms = 0;
  while (norms < 2 && is(norms, OpCode::kRmsNorm)) ++norms;
  const bool has_queries = is(norms, OpCode::kRope) && is(norms + 1, OpCode::kRope);
  const size_t first = norms + (has_queries ? 1 : 0);  // the rotation of keys
  if (!is(first, OpCode::kRope) || !is(first + 1, OpCode::kStateWrite) ||
      !is(first + 2, OpCode::kStateWrite)) {
    return Status();
  }
  const Op &rope = OpAt(ops[first]), &keys = OpAt(ops[first + 1]), &values = OpAt(ops[first + 2]);
  if (keys.Int(AttrKey::kPart) != 0 || values.Int(AttrKey::kPart) != 1 ||
      keys.inputs[1] != values.inputs[1] || keys.inputs[0] != rope.outputs[0] ||
      !OnlyReadBy(rope.outputs[0], ops[first + 1])) {
    return Status();
  }
  const State& state = StateOf(spec_, keys.inputs[1]);
  const StatePart &key = state.parts[0], &value = state.parts[1];
  const int64_t dim = rope.Int(AttrKey::kHeadDim);
  if (dim != key.dim || key.heads != value.heads || std::max(key.dim, value.dim) > 1024) {
    return Status();
  }
  // A norm whose result only this rotation reads, of one head each.
  size_t norms_used = 0;
  const auto norm_of = [&](size_t rotation) -> const Op* {
    for (size_t i = 0; i < norms; ++i) {
      const Op& norm = OpAt(ops[i]);
      if (norm.outputs[0] != OpAt(ops[rotation]).inputs[0]) continue;
      const int64_t group = norm.Int(AttrKey::kGroup);
      if (group != dim || !OnlyReadBy(norm.outputs[0], ops[rotation])) return nullptr;
      ++norms_used;
      return &norm;
    }
    return nullptr;
  };
  const Op* norm[2] = {has_queries ? norm_of(first - 1) : nullptr, norm_of(first)};
  if (norms_used != norms) return Status();
  View q, k, v, table, y;
  SAMARA_RETURN_IF_ERROR(MakeView((norm[1] != nullptr ? norm[1] : &rope)->inputs[0], &k));
  SAMARA_RETURN_IF_ERROR(MakeView(rope.inputs[1], &table));
  SAMARA_RETURN_IF_ERROR(MakeView(values.inputs[0], &v));
  for (size_t i = 0; i < first + 1;
       ++i) {  // nothing of the group is what others of it take as given
    const ValueId made = OpAt(ops[i]).outputs[0];
    if (made == k.id || made == v.id) return Status();
  }
  uint32_t q_heads = 0;
  if (has_queries) {
    const Op& queries = OpAt(ops[first - 1]);
    if (queries.inputs[1] != rope.inputs[1] || queries.Int(AttrKey::kHeadDim) != dim ||
        queries.Int(AttrKey::kInterleaved) != rope.Int(AttrKey::kInterleaved) ||
        queries.outputs[0] == rope.inputs[0]) {
      return Status();
    }
    SAMARA_RETURN_IF_ERROR(MakeView((norm[0] != nullptr ? norm[0] : &queries)->inputs[0], &q));
    SAMARA_RETURN_IF_ERROR(MakeView(queries.outputs[0], &y));
    // Rotated queries are written while keys and values are still read.
    const bool same = y.handle == q.handle && y.offset == q.offset && y.stride == q.stride;
    if ((Overlap(y, q) && !same) || Overlap(y, k) || Overlap(y, v) || Overlap(y, table)) {
      return Status();
    }
    q_heads = static_cast<uint32_t>(q.capacity[1] / key.dim);
  }
  View weights[2];
  uint32_t norm_kinds[2] = {};
  for (int i = 0; i < 2; ++i) {
    if (norm[i] == nullptr) continue;
    const bool weighted = norm[i]->inputs.size() > 1 && norm[i]->inputs[1] != kNoValue;
    norm_kinds[i] = weighted ? 2 : 1;
    if (weighted) SAMARA_RETURN_IF_ERROR(MakeView(norm[i]->inputs[1], &weights[i]));
  }
  const int32_t at = spec_.graph->values[static_cast<size_t>(keys.inputs[1])].index;
  const StateBinding& binding = spec_.states[static_cast<size_t>(at)];
  SAMARA_RETURN_IF_ERROR(CheckKv(binding.dtype));
  Dispatch& d = Add(
      index, Shader::rope_write,
      {64, KvCode(binding.dtype), key.dim, value.dim, static_cast<uint32_t>(table.capacity[1] / 2),
       static_cast<uint32_t>(rope.Int(AttrKey::kInterleaved)), norm_kinds[0], norm_kinds[1]});
  uint32_t rest = 0;
  for (const View* view : {has_queries ? &q : &k, &k, &v, &table}) {
    SAMARA_RETURN_IF_ERROR(BindView(&d, *view, false, &rest));
    d.Push(rest / 4);
    d.Push(static_cast<uint32_t>(view->stride / 4));
  }
  rest = 0;
  SAMARA_RETURN_IF_ERROR(has_queries ? BindView(&d, y, true, &rest) : BindNothing(&d));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(y.stride / 4));
  PushGroup(&d, state.group);
  d.Push(q_heads);
  d.Push(key.heads);
  for (int part = 0; part < 2; ++part) {
    SAMARA_RETURN_IF_ERROR(Bind(&d, binding.device[part], 0,
                                PoolBytes(spec_, state, part, binding.dtype), true, &rest));
    d.Push(static_cast<uint32_t>(
        KvHeadBytes(binding.dtype, state.parts[static_cast<size_t>(part)].dim) / 4));
  }
  for (int i = 0; i < 2; ++i) {
    rest = 0;
    SAMARA_RETURN_IF_ERROR(norm_kinds[i] == 2 ? BindView(&d, weights[i], false, &rest)
                                              : BindNothing(&d));
    d.Push(rest / 4);
  }
  for (const Op* op : norm) {
    d.PushFloat(op == nullptr ? 0 : static_cast<float>(op->Float(AttrKey::kEps)));
  }
  d.groups[0] = Extent::Rows(k.dims[0]);
  d.groups[1] = Extent::Of(q_heads + 2 * key.heads);
  d.cost = q.range + k.range + v.range;
  for (size_t i = 0; i < first + 3; ++i) done_[ops[i]] = true;
  *fused = true;
  return Status();
}

namespace {

// How heads and tokens are grouped, a function of the partition only: scratch depends on it.
struct AttentionShape {
  uint32_t heads, kv_heads, key_dim, value_dim;
  uint32_t query_tokens, query_heads, head_groups, splits;
};

AttentionShape ShapeOfAttention(const PartitionSpec& spec, const Op& op, const State& state) {
  AttentionShape a = {};
  a.heads = static_cast<uint32_t>(op.Int(AttrKey::kHeads));
  a.kv_heads = static_cast<uint32_t>(op.Int(AttrKey::kKvHeads));
  a.key_dim = static_cast<uint32_t>(op.Int(AttrKey::kKeyDim));
  a.value_dim = static_cast<uint32_t>(op.Int(AttrKey::kValueDim));
  const uint32_t tokens = std::max(spec.bucket_tokens, 1u);
  const uint32_t shared = a.heads / a.kv_heads;
  // Queries and their scores take at most 12 KiB of shared memory; results 4 registers a lane and row.
  const uint32_t wide = (std::max(a.value_dim, 64u) + 63) / 64;
  const uint32_t rows = std::clamp(std::min(12288 / ((a.key_dim + 64) * 4), 32 / wide), 1u, 8u);
  a.query_heads = std::min(shared, rows);
  while (shared % a.query_heads != 0) --a.query_heads;
  a.query_tokens = std::min(tokens, std::max(rows / a.query_heads, 1u));
  a.head_groups = shared / a.query_heads;
  const uint32_t groups =
      a.kv_heads * a.head_groups * ((tokens + a.query_tokens - 1) / a.query_tokens);
  const uint32_t chunks = spec.step_layout->blocks_per_seq[state.group];
  // Enough workgroups for a large device, two chunks of keys or more for each.
  a.splits = std::clamp(std::min(256 / groups, (chunks + 1) / 2), 1u, 32u);
  return a;
}

}  // namespace

Status Builder::Attention(uint32_t index, const Op& op) {
  const State& state = StateOf(spec_, op.inputs[1]);
  if (state.group >= spec_.step_layout->n_groups) return Internal("state group %u", state.group);
  AttentionShape a = ShapeOfAttention(spec_, op, state);
  View q, y, sinks;
  SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[0], &q));
  SAMARA_RETURN_IF_ERROR(MakeView(op.outputs[0], &y));
  const bool has_sinks = op.inputs.size() > 2 && op.inputs[2] != kNoValue;
  if (has_sinks) SAMARA_RETURN_IF_ERROR(MakeView(op.inputs[2], &sinks));
  const uint64_t part_words = uint64_t{a.splits} * (a.value_dim + 2);
  if (a.splits > 1) scratch_bytes[index] = q.capacity[0] * a.heads * part_words * 4;
  if (device_ == nullptr) return Status();
  const Options& options = device_->context().options();
  if (options.splits != 0) a.splits = std::min(a.splits, options.splits);
  const bool int8 = KeptAsInt8(y);
  const int32_t at = spec_.graph->values[static_cast<size_t>(op.inputs[1])].index;
  const StateBinding& binding = spec_.states[static_cast<size_t>(at)];
  SAMARA_RETURN_IF_ERROR(CheckKv(binding.dtype));
  Dispatch& d =
      Add(index, Shader::attention,
          {64, KvCode(binding.dtype), a.key_dim, a.value_dim, a.query_tokens, a.query_heads,
           a.head_groups, a.splits, has_sinks ? 1u : 0u, int8 && a.splits == 1 ? 1u : 0u});
  uint32_t rest = 0, sinks_rest = 0;
  SAMARA_RETURN_IF_ERROR(BindView(&d, q, false, &rest));
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(q.stride / 4));
  PushGroup(&d, state.group);
  d.Push(static_cast<uint32_t>(std::min<int64_t>(op.Int(AttrKey::kWindow), UINT32_MAX)));
  d.Push(a.kv_heads);
  for (int part = 0; part < 2; ++part) {
    SAMARA_RETURN_IF_ERROR(Bind(&d, binding.device[part], 0,
                                PoolBytes(spec_, state, part, binding.dtype), false, &rest));
    d.Push(static_cast<uint32_t>(
        KvHeadBytes(binding.dtype, state.parts[static_cast<size_t>(part)].dim) / 4));
  }
  SAMARA_RETURN_IF_ERROR(has_sinks ? BindView(&d, sinks, false, &sinks_rest) : BindNothing(&d));
  d.Push(sinks_rest / 4);
  const uint64_t scratch = spec_.scratch_offsets.empty() ? 0 : spec_.scratch_offsets[index];
  const uint64_t parts_bytes = q.capacity[0] * a.heads * a.splits * (a.value_dim + 2) * 4;
  if (a.splits > 1) {
    SAMARA_RETURN_IF_ERROR(Bind(&d, spec_.arena_device, scratch, parts_bytes, true, &rest));
  } else if (!int8) {
    SAMARA_RETURN_IF_ERROR(BindView(&d, y, true, &rest));
  }
  d.Push(rest / 4);
  d.Push(static_cast<uint32_t>(y.stride / 4));
  d.PushFloat(static_cast<float>(op.Float(AttrKey::kScale, 1)));
  d.PushFloat(static_cast<float>(op.Float(AttrKey::kSoftcap)));
  d.Push(q.dims[0]);
  if (int8 && a.splits == 1) SAMARA_RETURN_IF_ERROR(BindInt8(&d, Int8Of(y), true));
  d.groups[0] = Extent::Of(a.kv_heads * a.head_groups * a.splits);
  d.groups[1] = Extent::Rows(q.dims[0], a.query_tokens);
  d.cost = q.capacity[0] * a.heads * (a.key_dim + a.value_dim) * 2 *
           spec_.step_layout->blocks_per_seq[state.group] * kBlockSlots;
  if (a.splits == 1) return Status();

  Dispatch& merge = Add(index, Shader::attention_merge,
                        {64, a.value_dim, a.splits, has_sinks ? 1u : 0u, int8 ? 1u : 0u});
  SAMARA_RETURN_IF_ERROR(Bind(&merge, spec_.arena_device, scratch, parts_bytes, false, &rest));
  merge.Push(rest / 4);
  sinks_rest = 0;
  SAMARA_RETURN_IF_ERROR(has_sinks ? BindView(&merge, sinks, false, &sinks_rest)
                                   : BindNothing(&merge));
  merge.Push(sinks_rest / 4);
  if (!int8) SAMARA_RETURN_IF_ERROR(BindView(&merge, y, true, &rest));
  merge.Push(rest / 4);
  merge.Push(static_cast<uint32_t>(y.stride / 4));
  merge.Push(a.heads);
  if (int8) SAMARA_RETURN_IF_ERROR(BindInt8(&merge, Int8Of(y), true));
  merge.groups[0] = Extent::Of(a.heads);
  merge.groups[1] = Extent::Rows(q.dims[0]);
  merge.cost = parts_bytes;
  return Status();
}

}  // namespace samara::vulkan
