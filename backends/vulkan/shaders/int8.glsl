// A block of 32 activations as int8 (formats/numerics.md), by 32 lanes of a
// workgroup in which every lane calls this; `inside` is the same for all 32. Needs `uint q[]`.
// Four push constants: offset of the quants and words of a row, offset of the scales and words of a row.
shared uint int8_largest[gl_WorkGroupSize.x / 32u];
shared int int8_quants[gl_WorkGroupSize.x];

void Int8Block(uint at, uint t, uint block, uint lane, float value, bool inside) {
  const uint mine = gl_LocalInvocationID.x / 32u, i = lane % 32u;
  if (i == 0u) int8_largest[mine] = 0u;
  barrier();
  // Bits of magnitudes compare like numbers; those that are not finite are the largest.
  atomicMax(int8_largest[mine], floatBitsToUint(value) & 0x7fffffffu);
  barrier();
  const uint bits = int8_largest[mine];
  const float amax = uintBitsToFloat(bits);
  float d = amax / 127.0, s = 127.0 / amax;
  if (bits < 0x0d800000u) d = s = 0.0;  // 2^-100
  const bool bad = bits >= 0x7f800000u;
  int8_quants[gl_LocalInvocationID.x] = bad ? 0 : int(roundEven(value * s));
  barrier();
  if (i < 8u && inside) {
    const uint from = mine * 32u + i * 4u;
    uint word = 0u;
    for (uint j = 0u; j < 4u; ++j) word |= uint(int8_quants[from + j] & 255) << (8u * j);
    q[p[at] + t * p[at + 1u] + block * 8u + i] = word;
  }
  if (i == 8u && inside) {
    int low = 0, high = 0;
    for (uint j = 0u; j < 16u; ++j) {
      low += int8_quants[mine * 32u + j];
      high += int8_quants[mine * 32u + 16u + j];
    }
    const uint to = p[at + 2u] + t * p[at + 3u] + block * 2u;
    q[to] = bad ? 0x7fc00000u : floatBitsToUint(d);
    q[to + 1u] = uint(low) & 0xffffu | uint(high) << 16;
  }
  barrier();
}
