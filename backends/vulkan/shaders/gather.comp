#version 450
#include "common.glsl"
#include "functions.glsl"

// out[t] = row rows[t] of a weight in tiles. Push constants: the table's offset, columns, first row of this part, rows of this
// part, of all; rows' offset and stride; out's offset, stride, columns, index of the number of rows; the tiles' 5.
layout(constant_id = 1) const uint kType = 5;

layout(set = 0, binding = 1) readonly buffer Table { uint w[]; };
layout(set = 0, binding = 2) readonly buffer Rows { uint rows[]; };
layout(set = 0, binding = 3) buffer Out { float o[]; };
#include "weights.glsl"

float Value(Tiles l, uint row, uint k) {
  const uint tile = l.begin + row / 16u * l.words, r = row % 16u;
  if (kType == kTypeF32) return uintBitsToFloat(w[tile + (k / 4u * 16u + r) * 4u + k % 4u]);
  if (IsPlain()) {
    const uint word = w[tile + (k / 8u * 16u + r) * 4u + k % 8u / 2u] >> (16u * (k & 1u));
    return kType == kTypeBF16 ? uintBitsToFloat(word << 16) : HalfValue(word & 0xffffu);
  }
  const uint block = k / 32u, i = k % 32u;
  const vec2 scales = Scales(l, tile, block, r);
  if (kType == kTypeQ8_0) {
    const uint word = w[tile + (k / 16u * 16u + r) * 4u + k % 16u / 4u];
    return scales.x * float(bitfieldExtract(int(word), int(8u * (k & 3u)), 8));
  }
  const uint word = w[tile + (block * 16u + r) * 4u + i % 16u / 4u];
  int q = int(word >> (8u * (i & 3u) + (i >= 16u ? 4u : 0u)) & 15u);
  if (HasHigh()) q |= int(w[tile + l.high + block * 16u + r] >> i & 1u) << 4;
  precise float value = scales.x * float(q - Bias());
  if (HasMinimum()) value = value + scales.y;
  return value;
}

void main() {
  const Tiles l = MakeTiles(11u, p[0]);
  const uint columns = p[9], n = Dimension(p[10]) * columns;
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    const uint t = i / columns, k = i % columns;
    const uint row = rows[p[5] + t * p[6]];
    const uint to = p[7] + t * p[8] + k;
    if (row >= p[4]) {
      if (p[2] == 0u) o[to] = kNan;  // seen as a result that is not finite
    } else if (row >= p[2] && row < p[2] + p[3]) {
      o[to] = Value(l, row - p[2], k);
    }
  }
}
