// What matvec and matmul share: y[t, r] = sum_k x[t, k] * W[r, k] (+ bias[r]) (+ residual[t, r]).
//
// Push constants: 0 the tiles' 5; 5 the weight's offset; 6 x's offset and stride; 8 offset and stride of x's scales (int8);
// 10 the bias's offset; 11 the residual's offset and stride; 13 y's offset and stride; 15 rows of this part, the first of them;
// 17 columns; 18 index of the number of tokens.
#extension GL_EXT_control_flow_attributes : require
layout(constant_id = 2) const uint kTokens = 1;    // of a workgroup (matvec), of a lane (matmul)
layout(constant_id = 3) const uint kInt8 = 0;      // x is int8 blocks
layout(constant_id = 4) const uint kHasBias = 0;
layout(constant_id = 5) const uint kHasResidual = 0;
layout(constant_id = 6) const uint kAligned = 0;   // x may be read 16 bytes at a time, and whole chunks

layout(set = 0, binding = 1) readonly buffer W { uint w[]; };
layout(set = 0, binding = 1) readonly buffer W2 { uvec2 w2[]; };
layout(set = 0, binding = 1) readonly buffer W4 { uvec4 w4[]; };
layout(set = 0, binding = 2) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) readonly buffer X4 { uvec4 x4[]; };
layout(set = 0, binding = 2) readonly buffer XU { uint xu[]; };
layout(set = 0, binding = 3) readonly buffer B { float bias[]; };
layout(set = 0, binding = 4) readonly buffer R { float residual[]; };
layout(set = 0, binding = 5) buffer Y { float y[]; };
#include "weights.glsl"
#include "dot.glsl"

// The int8 block's scale; the sums of its quants, a half each.
float XScale(uint t, uint block) { return x[p[8] + t * p[9] + block * 2u]; }
uint XSums(uint t, uint block) { return xu[p[8] + t * p[9] + block * 2u + 1u]; }
int SumOf(uint sums, uint half_) { return bitfieldExtract(int(sums), int(16u * half_), 16); }

// Quants of codes: of a type with a table its values, else codes, from which kBias is still to be taken.
shared uint table_bytes[16];
void FillTable() {
  if (kTable == 0u) return;
  if (gl_LocalInvocationID.x < 16u) {
    table_bytes[gl_LocalInvocationID.x] = uint(TableValue(gl_LocalInvocationID.x)) & 255u;
  }
  barrier();
}
uint Quants(uint codes) {
  if (kTable == 0u) return codes;
  return table_bytes[codes & 15u] | table_bytes[codes >> 8 & 15u] << 8 |
         table_bytes[codes >> 16 & 15u] << 16 | table_bytes[codes >> 24] << 24;
}

void Store(uint t, uint r, float sum) {
  const uint row = p[16] + r;
  if (kHasBias != 0u) sum += bias[p[10] + row];
  if (kHasResidual != 0u) sum += residual[p[11] + t * p[12] + row];
  y[p[13] + t * p[14] + row] = sum;
}
