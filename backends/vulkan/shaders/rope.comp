#version 450
#include "common.glsl"

// A pair an iteration; what lies behind the pairs of a head is copied. Push constants: x's offset and stride, table's offset and
// stride, y's offset and stride, head_dim, pairs, interleaved, heads, number of rows.
layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) readonly buffer Table { float table[]; };
layout(set = 0, binding = 3) buffer Y { float y[]; };

void main() {
  const uint dim = p[6], pairs = p[7], units = pairs + (dim - 2u * pairs), heads = p[9];
  const uint n = Dimension(p[10]) * heads * units;
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    const uint u = i % units, h = i / units % heads, t = i / units / heads;
    const uint from = p[0] + t * p[1] + h * dim, to = p[4] + t * p[5] + h * dim;
    if (u >= pairs) {
      y[to + pairs + u] = x[from + pairs + u];
      continue;
    }
    const uint first = p[8] != 0u ? 2u * u : u, second = p[8] != 0u ? 2u * u + 1u : u + pairs;
    const float a = x[from + first], b = x[from + second];
    const uint at = p[2] + t * p[3] + u;
    const float c = table[at], s = table[at + pairs];
    y[to + first] = a * c - b * s;
    y[to + second] = b * c + a * s;
  }
}
