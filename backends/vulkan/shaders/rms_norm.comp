#version 450
#include "common.glsl"
#include "sums.glsl"

// A workgroup a run of a row. Push constants: x's offset and stride, the weight's offset, y's offset and stride, run, eps; for int8 its 4.
layout(constant_id = 1) const uint kWeighted = 1;
layout(constant_id = 2) const uint kInt8 = 0;  // y is kept as int8 blocks

layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) readonly buffer W { float w[]; };
layout(set = 0, binding = 3) buffer Y { float y[]; };
layout(set = 0, binding = 3) buffer Q { uint q[]; };
#include "int8.glsl"

void main() {
  const uint lane = gl_LocalInvocationID.x, n = p[5];
  const uint from = p[0] + gl_WorkGroupID.y * p[1] + gl_WorkGroupID.x * n;
  const uint to = p[3] + gl_WorkGroupID.y * p[4] + gl_WorkGroupID.x * n;
  float sum = 0.0;
  for (uint i = lane; i < n; i += gl_WorkGroupSize.x) sum += x[from + i] * x[from + i];
  const float r = 1.0 / sqrt(WorkgroupSum(sum) / float(n) + uintBitsToFloat(p[6]));
  if (kInt8 != 0u) {
    for (uint first = 0u; first < n; first += gl_WorkGroupSize.x) {
      const uint i = first + lane;
      float value = i < n ? x[from + i] * r : 0.0;
      if (kWeighted != 0u && i < n) value *= w[p[2] + i];
      Int8Block(7u, gl_WorkGroupID.y, i / 32u, lane, value, i < n);
    }
    return;
  }
  // x and y may be the same memory: every lane reads and writes its own elements.
  for (uint i = lane; i < n; i += gl_WorkGroupSize.x) {
    const float value = x[from + i] * r;
    y[to + i] = kWeighted != 0u ? value * w[p[2] + i] : value;
  }
}
