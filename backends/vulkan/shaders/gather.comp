#version 450
#include "common.glsl"
#include "functions.glsl"

// out[t] = row rows[t] of a weight in tiles. Push constants: the table's offset, columns, first row of this part, rows of this
// part, of all; rows' offset and stride; out's offset, stride, columns, index of the number of rows; the tiles' 5.
layout(set = 0, binding = 1) readonly buffer Table { uint w[]; };
layout(set = 0, binding = 1) readonly buffer Table4 { uvec4 w4[]; };
layout(set = 0, binding = 2) readonly buffer Rows { uint rows[]; };
layout(set = 0, binding = 3) buffer Out { float o[]; };
#include "weights.glsl"

float Value(Tiles l, uint row, uint k) {
  const uint tile = l.begin + row / 16u * l.words, r = row % 16u;
  if (kKind == 0u) return uintBitsToFloat(w[tile + (k / 4u * 16u + r) * 4u + k % 4u]);
  if (!kBlocks) {
    const uint word = w[tile + (k / 8u * 16u + r) * 4u + k % 8u / 2u] >> (16u * (k & 1u));
    return kKind == 2u ? uintBitsToFloat(word << 16) : HalfValue(word & 0xffffu);
  }
  const uint block = k / 32u, g = k % 16u / 4u, half_ = k % 32u / 16u;
  const vec4 scales = Scales(l, tile, block, r);
  const uvec2 codes = Codes(LowWords(tile, block, r, g), HighWords(l, tile, block, r), g);
  const int code = Byte(codes[half_], k & 3u);
  const int v = kTable != 0u ? TableValue(uint(code)) : code - kBias;
  precise float value = scales[half_] * float(v);
  if (kMinimum) value = value + scales[2u + half_];
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
