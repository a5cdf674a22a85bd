#version 450
#include "common.glsl"
#include "functions.glsl"

// glu and activate. Push constants: x's offset and stride, y's offset and stride, columns of y, number of rows; for
// int8, where a workgroup makes 64 columns of a row, its 4.
layout(constant_id = 1) const uint kActivation = 0;
layout(constant_id = 2) const uint kInt8 = 0;  // y is kept as int8 blocks
layout(constant_id = 3) const uint kGated = 1;

layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) buffer Y { float y[]; };
layout(set = 0, binding = 2) buffer Q { uint q[]; };
#include "int8.glsl"

float Result(uint from) {
  const float y = Activate(kActivation, x[from]);
  return kGated != 0u ? y * x[from + p[4]] : y;
}

void main() {
  if (kInt8 != 0u) {
    const uint lane = gl_LocalInvocationID.x, k = gl_WorkGroupID.x * gl_WorkGroupSize.x + lane;
    const uint from = p[0] + gl_WorkGroupID.y * p[1] + k;
    const float value = k < p[4] ? Result(from) : 0.0;
    Int8Block(6u, gl_WorkGroupID.y, k / 32u, lane, value, k < p[4]);
    return;
  }
  const uint columns = p[4], n = Dimension(p[5]) * columns;
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    const uint t = i / columns, k = i % columns;
    y[p[2] + t * p[3] + k] = Result(p[0] + t * p[1] + k);
  }
}
