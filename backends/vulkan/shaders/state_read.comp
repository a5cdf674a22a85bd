#version 450
#include "common.glsl"
#include "functions.glsl"
layout(constant_id = 1) const uint kKv = 0;
layout(constant_id = 2) const uint kPart = 0;
layout(constant_id = 3) const uint kDim = 64;
#include "kv.glsl"

// A workgroup a slot of the pool and head. Push constants as state_write's.
layout(set = 0, binding = 1) buffer Out { float o[]; };
layout(set = 0, binding = 2) readonly buffer Pool { uint pool[]; };

void main() {
  const uint slot = gl_WorkGroupID.x, head = gl_WorkGroupID.y;
  const uint begin = (slot / 64u * p[8] + head) * p[9], j = slot % 64u;
  for (uint d = gl_LocalInvocationID.x; d < kDim; d += gl_WorkGroupSize.x) {
    o[p[0] + slot * p[1] + head * kDim + d] = KV_LOAD(pool, begin, kPart, kDim, j, d);
  }
}
