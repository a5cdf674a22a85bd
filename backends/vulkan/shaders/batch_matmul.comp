#version 450
#include "common.glsl"

// out[..., m, n] = sum_k a[..., m, k] * b[..., k, n]; an invocation an element. Push constants: a, b, out.
layout(set = 0, binding = 1) readonly buffer A { float a[]; };
layout(set = 0, binding = 2) readonly buffer B { float b[]; };
layout(set = 0, binding = 3) buffer Out { float o[]; };

void main() {
  const Tensor ta = MakeTensor(0), tb = MakeTensor(4), out_ = MakeTensor(8);
  const uint n = Elements(out_), count = ta.d[5];
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    uint c[kAxes];
    Coordinates(out_, i, c);
    const uint to = At(out_, c), column = c[5], row = c[4];
    c[5] = 0u;
    uint from_a = At(ta, c);
    c[4] = 0u;
    uint from_b = At(tb, c) + column * tb.stride[5];
    float sum = 0.0;
    for (uint k = 0u; k < count; ++k) {
      sum += a[from_a] * b[from_b];
      from_a += ta.stride[5];
      from_b += tb.stride[4];
    }
    o[to] = sum;
  }
}
