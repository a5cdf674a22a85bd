#version 450
#include "common.glsl"

// Elements that move. Push constants: 4 of in, 4 of out, then by mode: 1 transpose: a word of six 4-bit axes;
// 2 slice: axis, begin; 3 concat: axis, index of the dimension that is the begin in out.
layout(constant_id = 1) const uint kMode = 0;
layout(constant_id = 2) const uint kType = 0;

layout(set = 0, binding = 1) readonly buffer In { uint x[]; };
layout(set = 0, binding = 2) buffer Out { uint o[]; };

void main() {
  const Tensor in_ = MakeTensor(0), out_ = MakeTensor(4);
  const uint n = kMode == 3u ? Elements(in_) : Elements(out_);
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    uint c[kAxes];
    uint from, to;
    if (kMode == 3u) {
      Coordinates(in_, i, c);
      from = At(in_, c);
      to = At(out_, c) + Dimension(p[9]) * out_.stride[p[8]];
    } else {
      Coordinates(out_, i, c);
      to = At(out_, c);
      if (kMode == 0u) {
        Coordinates(in_, i, c);
        from = At(in_, c);
      } else if (kMode == 1u) {
        from = in_.offset;
        for (uint axis = 0u; axis < kAxes; ++axis) {
          from += c[axis] * in_.stride[p[8] >> (4u * axis) & 15u];
        }
      } else {
        from = At(in_, c) + p[9] * in_.stride[p[8]];
      }
    }
    if (kType == kBool) {
      const uint value = x[from >> 2] >> (8u * (from & 3u)) & 255u, shift = 8u * (to & 3u);
      atomicAnd(o[to >> 2], ~(255u << shift));
      atomicOr(o[to >> 2], value << shift);
    } else {
      o[to] = x[from];
    }
  }
}
