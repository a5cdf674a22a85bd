#version 450
#include "common.glsl"
#include "functions.glsl"

// Push constants: positions' offset and stride, frequencies' offset, y's offset and stride, half a row, factor, number of rows.
layout(set = 0, binding = 1) readonly buffer Positions { int positions[]; };
layout(set = 0, binding = 2) readonly buffer Frequencies { float frequencies[]; };
layout(set = 0, binding = 3) buffer Y { float y[]; };

void main() {
  const uint half_ = p[5], n = Dimension(p[7]) * half_;
  const float factor = uintBitsToFloat(p[6]);
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    const uint t = i / half_, k = i % half_;
    precise float angle = float(positions[p[0] + t * p[1]]) * frequencies[p[2] + k];
    const uint to = p[3] + t * p[4] + k;
    y[to] = Cos(angle) * factor;
    y[to + half_] = Sin(angle) * factor;
  }
}
