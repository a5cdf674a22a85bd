#version 450
#include "common.glsl"
#include "sums.glsl"

// A workgroup a run of a row. Push constants: x's offset and stride, the weight's offset, y's offset and stride, run, eps.
layout(constant_id = 1) const uint kWeighted = 1;

layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) readonly buffer W { float w[]; };
layout(set = 0, binding = 3) buffer Y { float y[]; };

void main() {
  const uint lane = gl_LocalInvocationID.x, n = p[5];
  const uint from = p[0] + gl_WorkGroupID.y * p[1] + gl_WorkGroupID.x * n;
  const uint to = p[3] + gl_WorkGroupID.y * p[4] + gl_WorkGroupID.x * n;
  float sum = 0.0;
  for (uint i = lane; i < n; i += gl_WorkGroupSize.x) sum += x[from + i] * x[from + i];
  const float r = 1.0 / sqrt(WorkgroupSum(sum) / float(n) + uintBitsToFloat(p[6]));
  // x and y may be the same memory: every lane reads and writes its own elements.
  for (uint i = lane; i < n; i += gl_WorkGroupSize.x) {
    const float value = x[from + i] * r;
    y[to + i] = kWeighted != 0u ? value * w[p[2] + i] : value;
  }
}
