#version 450
#include "common.glsl"
#include "functions.glsl"

// x as int8 blocks: a workgroup of 32 lanes a block. Push constants: x's offset and stride, columns; the blocks' 4.
layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) buffer Q { uint q[]; };
#include "int8.glsl"

void main() {
  const uint block = gl_WorkGroupID.x, t = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x;
  const uint k = block * 32u + lane;
  const float value = k < p[2] ? x[p[0] + t * p[1] + k] : 0.0;
  Int8Block(3u, t, block, lane, value, true);
}
