// Tiles of 16 rows (backends/vulkan/weights.h). Needs kType (DType), buffers `uint w[]` and `uvec4 w4[]` of the same
// binding.
const uint kTypeF32 = 1u, kTypeF16 = 2u, kTypeBF16 = 3u, kTypeQ8_0 = 4u, kTypeQ4_0 = 5u, kTypeQ4_1 = 6u,
           kTypeQ5_0 = 7u, kTypeQ5_1 = 8u;

bool IsPlain() { return kType <= kTypeBF16; }
bool HasMinimum() { return kType == kTypeQ4_1 || kType == kTypeQ5_1; }
bool HasHigh() { return kType == kTypeQ5_0 || kType == kTypeQ5_1; }
// What is taken from the unsigned quants.
int Bias() { return kType == kTypeQ4_0 ? 8 : kType == kTypeQ5_0 ? 16 : 0; }

struct Tiles {
  uint begin;  // word of the first tile
  uint words;  // of a tile
  uint chunks, blocks;
  uint high, scales;  // words before them in a tile
};
Tiles MakeTiles(uint at, uint begin) {
  return Tiles(begin, p[at], p[at + 1u], p[at + 2u], p[at + 3u], p[at + 4u]);
}

// d and m of a block of a row; `tile`: word of its tile.
vec2 Scales(Tiles l, uint tile, uint block, uint r) {
  const uint unit = block * 16u + r;
  if (HasMinimum()) {
    const uint word = w[tile + l.scales + unit];
    return vec2(HalfValue(word & 0xffffu), HalfValue(word >> 16));
  }
  return vec2(HalfValue(w[tile + l.scales + (unit >> 1)] >> (16u * (unit & 1u)) & 0xffffu), 0.0);
}
// Four bits as bit 4 of four bytes.
uint SpreadHigh(uint bits) { return ((bits & 15u) * 0x00204081u & 0x01010101u) << 4; }
vec4 Bytes(uint word) {
  return vec4(ivec4(bitfieldExtract(int(word), 0, 8), bitfieldExtract(int(word), 8, 8),
                    bitfieldExtract(int(word), 16, 8), bitfieldExtract(int(word), 24, 8)));
}
vec4 PlainHalves(uint a, uint b) {
  if (kType == kTypeBF16) {
    return vec4(uintBitsToFloat(a << 16), uintBitsToFloat(a & 0xffff0000u), uintBitsToFloat(b << 16),
                uintBitsToFloat(b & 0xffff0000u));
  }
  return vec4(unpackHalf2x16(a), unpackHalf2x16(b));
}
