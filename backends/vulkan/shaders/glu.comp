#version 450
#include "common.glsl"
#include "functions.glsl"

// Push constants: x's offset and stride, y's offset and stride, columns of y, number of rows.
layout(constant_id = 1) const uint kActivation = 0;

layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) buffer Y { float y[]; };

void main() {
  const uint columns = p[4], n = Dimension(p[5]) * columns;
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    const uint t = i / columns, k = i % columns;
    const uint from = p[0] + t * p[1] + k;
    y[p[2] + t * p[3] + k] = Activate(kActivation, x[from]) * x[from + columns];
  }
}
