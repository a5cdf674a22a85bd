#version 450
#include "common.glsl"
#include "sums.glsl"

// rms_norm and layer_norm: a workgroup a run of a row. Push constants: x's offset and stride, the weight's offset, y's offset and
// stride, run, eps; for int8 y's 4; 11 the bias's offset, columns from one run's weights to the next's.
layout(constant_id = 1) const uint kWeighted = 1;
layout(constant_id = 2) const uint kInt8 = 0;  // y is kept as int8 blocks
layout(constant_id = 3) const uint kCentred = 0;
layout(constant_id = 4) const uint kBiased = 0;

layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) readonly buffer W { float w[]; };
layout(set = 0, binding = 3) readonly buffer B { float b[]; };
layout(set = 0, binding = 4) buffer Y { float y[]; };
layout(set = 0, binding = 4) buffer Q { uint q[]; };
#include "int8.glsl"

void main() {
  const uint lane = gl_LocalInvocationID.x, n = p[5], run = gl_WorkGroupID.x;
  const uint from = p[0] + gl_WorkGroupID.y * p[1] + run * n;
  const uint to = p[3] + gl_WorkGroupID.y * p[4] + run * n;
  float mean = 0.0;
  if (kCentred != 0u) {
    float sum = 0.0;
    for (uint i = lane; i < n; i += gl_WorkGroupSize.x) sum += x[from + i];
    mean = WorkgroupSum(sum) / float(n);
  }
  float squares = 0.0;
  for (uint i = lane; i < n; i += gl_WorkGroupSize.x) {
    const float d = x[from + i] - mean;
    squares += d * d;
  }
  const float r = 1.0 / sqrt(WorkgroupSum(squares) / float(n) + uintBitsToFloat(p[6]));
  // x and y may be the same memory: every lane reads and writes its own elements. (Never for int8.)
  for (uint first = 0u; first < n; first += gl_WorkGroupSize.x) {
    const uint i = first + lane;
    float value = 0.0;
    if (i < n) {
      value = (x[from + i] - mean) * r;
      if (kWeighted != 0u) value *= w[p[2] + run * p[12] + i];
      if (kBiased != 0u) value += b[p[11] + run * p[12] + i];
    }
    if (kInt8 != 0u) {
      Int8Block(7u, gl_WorkGroupID.y, i / 32u, lane, value, i < n);
    } else if (i < n) {
      y[to + i] = value;
    }
  }
}
