#version 450
#include "common.glsl"
#include "functions.glsl"

// The parts of a token's head, in order. Push constants: parts' offset, sinks' offset, out's offset and stride, heads; for
// int8 its 4.
layout(constant_id = 1) const uint kValueDim = 64;
layout(constant_id = 2) const uint kSplits = 2;
layout(constant_id = 3) const uint kSinks = 0;
layout(constant_id = 4) const uint kInt8 = 0;  // results are kept as int8 blocks

layout(set = 0, binding = 1) readonly buffer Parts { float x[]; };
layout(set = 0, binding = 2) readonly buffer S { float sinks[]; };
layout(set = 0, binding = 3) buffer Out { float o[]; };
layout(set = 0, binding = 3) buffer Blocks { uint q[]; };
#include "int8.glsl"

void main() {
  const uint head = gl_WorkGroupID.x, t = gl_WorkGroupID.y, pitch = kValueDim + 2u;
  const uint at = p[0] + (t * p[4] + head) * kSplits * pitch;
  float best = kSinks != 0u ? sinks[p[1] + head] : -kInfinity;
  for (uint s = 0u; s < kSplits; ++s) best = Max(x[at + s * pitch], best);
  float sum = kSinks != 0u ? Exp(sinks[p[1] + head] - best) : 0.0;
  // A part that saw nothing has a sum of zero.
  for (uint s = 0u; s < kSplits; ++s) {
    if (x[at + s * pitch + 1u] != 0.0) sum += x[at + s * pitch + 1u] * Exp(x[at + s * pitch] - best);
  }
  const float inverse = 1.0 / sum;
  const uint lane = gl_LocalInvocationID.x;
  for (uint first = 0u; first < kValueDim; first += gl_WorkGroupSize.x) {
    const uint d = first + lane;
    float y = 0.0;
    for (uint s = 0u; s < kSplits && d < kValueDim; ++s) {
      if (x[at + s * pitch + 1u] != 0.0) y += x[at + s * pitch + 2u + d] * Exp(x[at + s * pitch] - best);
    }
    if (kInt8 != 0u) {
      Int8Block(5u, t, (head * kValueDim + d) / 32u, lane, y * inverse, d < kValueDim);
    } else if (d < kValueDim) {
      o[p[2] + t * p[3] + head * kValueDim + d] = y * inverse;
    }
  }
}
