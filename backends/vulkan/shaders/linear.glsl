// What matvec and matmul share: y[t, r] = sum_k x[t, k] * W[r, k] (+ bias[r]) (+ residual[t, r]).
//
// Push constants: 0 the tiles' 5; 5 the weight's offset; 6 x's offset and stride; 8 offset and stride of x's scales (int8);
// 10 the bias's offset; 11 the residual's offset and stride; 13 y's offset and stride; 15 rows of this part, the first of them;
// 17 columns; 18 index of the number of tokens.
#extension GL_EXT_control_flow_attributes : require
layout(constant_id = 1) const uint kType = 5;
layout(constant_id = 2) const uint kTokens = 1;    // of a workgroup (matvec), of a lane (matmul)
layout(constant_id = 3) const uint kInt8 = 0;      // x is int8 blocks
layout(constant_id = 4) const uint kHasBias = 0;
layout(constant_id = 5) const uint kHasResidual = 0;
layout(constant_id = 6) const uint kAligned = 0;   // x may be read 16 bytes at a time, and whole chunks

layout(set = 0, binding = 1) readonly buffer W { uint w[]; };
layout(set = 0, binding = 1) readonly buffer W4 { uvec4 w4[]; };
layout(set = 0, binding = 2) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) readonly buffer X4 { uvec4 x4[]; };
layout(set = 0, binding = 2) readonly buffer XU { uint xu[]; };
layout(set = 0, binding = 3) readonly buffer B { float bias[]; };
layout(set = 0, binding = 4) readonly buffer R { float residual[]; };
layout(set = 0, binding = 5) buffer Y { float y[]; };
#include "weights.glsl"
#include "dot.glsl"

vec2 XScales(uint t, uint block) {
  const uint at = p[8] + t * p[9] + block * 2u;
  return vec2(x[at], x[at + 1u]);
}
void Store(uint t, uint r, float sum) {
  const uint row = p[16] + r;
  if (kHasBias != 0u) sum += bias[p[10] + row];
  if (kHasResidual != 0u) sum += residual[p[11] + t * p[12] + row];
  y[p[13] + t * p[14] + row] = sum;
}
// Bytes of 8 quants of a 4- or 5-bit block: word g of the chunk, low nibbles and high nibbles.
uint LowQuants(uint word, uint high, uint g) {
  const uint q = word & 0x0f0f0f0fu;
  return HasHigh() ? q | SpreadHigh(high >> (4u * g)) : q;
}
uint HighQuants(uint word, uint high, uint g) {
  const uint q = word >> 4 & 0x0f0f0f0fu;
  return HasHigh() ? q | SpreadHigh(high >> (16u + 4u * g)) : q;
}
