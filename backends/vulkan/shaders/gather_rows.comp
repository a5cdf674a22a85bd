#version 450
#include "common.glsl"

// out[t] = table[rows[t]] of 32-bit elements. Push constants: table's offset, stride, first row of this part, rows of this part,
// of all; rows' offset and stride; out's offset, stride, columns, index of the number of rows.
layout(set = 0, binding = 1) readonly buffer Table { uint table[]; };
layout(set = 0, binding = 2) readonly buffer Rows { uint rows[]; };
layout(set = 0, binding = 3) buffer Out { uint o[]; };

void main() {
  const uint columns = p[9], n = Dimension(p[10]) * columns;
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    const uint t = i / columns, k = i % columns;
    const uint row = rows[p[5] + t * p[6]];
    const uint to = p[7] + t * p[8] + k;
    // The number of rows of an activation is a dimension of the step.
    const uint all = p[4] == 0u ? Dimension(p[3]) : p[4];
    const uint end = p[4] == 0u ? all : p[2] + p[3];
    if (row >= all) {
      if (p[2] == 0u) o[to] = 0x7fc00000u;  // seen as a result that is not finite
    } else if (row >= p[2] && row < end) {
      o[to] = table[p[0] + (row - p[2]) * p[1] + k];
    }
  }
}
