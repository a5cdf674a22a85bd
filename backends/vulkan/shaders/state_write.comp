#version 450
#include "common.glsl"
#include "functions.glsl"

// A workgroup a token and head: its row into its slot. Push constants: x's offset and stride; Group; heads; words of a head.
layout(constant_id = 1) const uint kKv = 0;    // 0 F32, 1 F16, 2 Q8_0
layout(constant_id = 2) const uint kPart = 0;  // 0 keys [dim][64], 1 values [64][dim]
layout(constant_id = 3) const uint kDim = 64;

layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) buffer Pool { uint pool[]; };

shared float row[kDim];
#include "kv_write.glsl"
KV_WRITER(Write, pool, row)

void main() {
  const Group g = MakeGroup(2);
  const uint t = gl_WorkGroupID.x, head = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x;
  const uint slot = TokenSlot(g.tokens, t);
  const uint block = PhysicalBlock(g, TokenSequence(g.tokens, t), slot / 64u);
  const uint from = p[0] + t * p[1] + head * kDim;
  for (uint d = lane; d < kDim; d += gl_WorkGroupSize.x) row[d] = x[from + d];
  barrier();
  Write(kPart, kDim, (block * p[8] + head) * p[9], slot % 64u);
}
