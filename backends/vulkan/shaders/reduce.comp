#version 450
#include "common.glsl"
#include "functions.glsl"

// A workgroup an element of the output. Push constants: in, out, axis (counted as in d).
layout(constant_id = 1) const uint kCode = 40;  // 40 sum, 41 max

layout(set = 0, binding = 1) readonly buffer In { float x[]; };
layout(set = 0, binding = 2) buffer Out { float o[]; };

shared float part[gl_WorkGroupSize.x];

void main() {
  const Tensor in_ = MakeTensor(0), out_ = MakeTensor(4);
  const uint axis = p[8], total = Elements(out_), lane = gl_LocalInvocationID.x;
  for (uint i = gl_WorkGroupID.x; i < total; i += gl_NumWorkGroups.x) {
    uint c[kAxes];
    Coordinates(out_, i, c);
    const uint base = At(in_, c), step = in_.stride[axis], n = in_.d[axis];
    float sum = kCode == 40u ? 0.0 : -kInfinity;
    for (uint k = lane; k < n; k += gl_WorkGroupSize.x) {
      const float value = x[base + k * step];
      sum = kCode == 40u ? sum + value : Max(sum, value);
    }
    part[lane] = sum;
    barrier();
    for (uint w = gl_WorkGroupSize.x / 2u; w > 0u; w /= 2u) {
      if (lane < w) {
        const float other = part[lane + w];
        part[lane] = kCode == 40u ? part[lane] + other : Max(part[lane], other);
      }
      barrier();
    }
    if (lane == 0u) o[At(out_, c)] = part[0];
    barrier();
  }
}
