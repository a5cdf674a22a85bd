#version 450
#include "common.glsl"
#include "functions.glsl"
#include "sums.glsl"

// Queries and keys normalized where a norm stands before them; queries rotated, keys rotated into their slots, values into theirs: a workgroup a token and head; query heads, then key heads,
// then value heads. Push constants: offset and stride of queries, keys, values, the table, rotated queries; Group; heads of
// queries, of keys; words of a head of keys, of values; offsets of the norms' weights, of queries and keys, then their eps.
layout(constant_id = 1) const uint kKv = 0;  // 0 F32, 1 F16, 2 Q8_0
layout(constant_id = 2) const uint kKeyDim = 64;
layout(constant_id = 3) const uint kValueDim = 64;
layout(constant_id = 4) const uint kPairs = 32;
layout(constant_id = 5) const uint kInterleaved = 0;
layout(constant_id = 6) const uint kQueryNorm = 0;  // 0 none, 1 without weights, 2 with
layout(constant_id = 7) const uint kKeyNorm = 0;

layout(set = 0, binding = 1) readonly buffer Q { float q[]; };
layout(set = 0, binding = 2) readonly buffer K { float k[]; };
layout(set = 0, binding = 3) readonly buffer V { float v[]; };
layout(set = 0, binding = 4) readonly buffer Table { float table[]; };
layout(set = 0, binding = 5) buffer Y { float y[]; };
layout(set = 0, binding = 6) buffer Keys { uint keys[]; };
layout(set = 0, binding = 7) buffer Values { uint values[]; };
layout(set = 0, binding = 8) readonly buffer QW { float qw[]; };
layout(set = 0, binding = 9) readonly buffer KW { float kw[]; };

const uint kRow = kKeyDim > kValueDim ? kKeyDim : kValueDim;
shared float row[kRow];
#include "kv_write.glsl"
KV_WRITER(WriteKey, keys, row)
KV_WRITER(WriteValue, values, row)

// Element d of a head that begins at `row`, rotated.
float Rotated(uint t, uint d) {
  if (d >= 2u * kPairs) return row[d];
  const uint u = kInterleaved != 0u ? d / 2u : d % kPairs;
  const uint first = kInterleaved != 0u ? 2u * u : u;
  const uint second = kInterleaved != 0u ? first + 1u : u + kPairs;
  const uint at = p[6] + t * p[7] + u;
  const float c = table[at], s = table[at + kPairs], a = row[first], b = row[second];
  return d == first ? a * c - b * s : b * c + a * s;
}

void main() {
  const Group g = MakeGroup(10);
  const uint t = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
  const uint q_heads = p[16], kv_heads = p[17];
  const uint slot = TokenSlot(g.tokens, t);
  const uint block = PhysicalBlock(g, TokenSequence(g.tokens, t), slot / 64u);
  const uint head = gl_WorkGroupID.y;
  if (head >= q_heads + kv_heads) {
    const uint h = head - q_heads - kv_heads;
    for (uint d = lane; d < kValueDim; d += gl_WorkGroupSize.x) {
      row[d] = v[p[4] + t * p[5] + h * kValueDim + d];
    }
    barrier();
    WriteValue(1u, kValueDim, (block * kv_heads + h) * p[19], slot % 64u);
    return;
  }
  const bool is_key = head >= q_heads;
  const uint h = is_key ? head - q_heads : head;
  for (uint d = lane; d < kKeyDim; d += gl_WorkGroupSize.x) {
    row[d] = is_key ? k[p[2] + t * p[3] + h * kKeyDim + d] : q[p[0] + t * p[1] + h * kKeyDim + d];
  }
  barrier();
  if ((is_key ? kKeyNorm : kQueryNorm) != 0u) {
    const bool weighted = (is_key ? kKeyNorm : kQueryNorm) == 2u;
    float squares = 0.0;
    for (uint d = lane; d < kKeyDim; d += gl_WorkGroupSize.x) squares += row[d] * row[d];
    const float eps = uintBitsToFloat(p[is_key ? 23u : 22u]);
    const float r = 1.0 / sqrt(WorkgroupSum(squares) / float(kKeyDim) + eps);
    for (uint d = lane; d < kKeyDim; d += gl_WorkGroupSize.x) {
      const float value = row[d] * r;
      row[d] = weighted ? value * (is_key ? kw[p[21] + d] : qw[p[20] + d]) : value;
    }
    barrier();
  }
  if (!is_key) {
    for (uint d = lane; d < kKeyDim; d += gl_WorkGroupSize.x) {
      y[p[8] + t * p[9] + h * kKeyDim + d] = Rotated(t, d);
    }
    return;
  }
  const uint kLaneDims = (kKeyDim + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
  // Results wait in registers until every lane has read.
  float mine[(kKeyDim + 63u) / 64u];
  for (uint i = 0u; i < kLaneDims; ++i) {
    const uint d = lane + gl_WorkGroupSize.x * i;
    mine[i] = d < kKeyDim ? Rotated(t, d) : 0.0;
  }
  barrier();
  for (uint i = 0u; i < kLaneDims; ++i) {
    const uint d = lane + gl_WorkGroupSize.x * i;
    if (d < kKeyDim) row[d] = mine[i];
  }
  barrier();
  WriteKey(0u, kKeyDim, (block * kv_heads + h) * p[18], slot % 64u);
}
