// Tiles of 16 rows (backends/vulkan/weights.h). Needs buffers `uint w[]` and `uvec4 w4[]` of the same binding.
layout(constant_id = 1) const uint kForm = 0;  // FormOf of the type

const uint kKind = kForm & 3u;  // 0 F32, 1 F16, 2 BF16, 3 blocks
const uint kLowBits = kForm >> 2 & 15u, kHighBits = kForm >> 6 & 3u;
const bool kMinimum = (kForm & 0x100u) != 0u;  // w = S * v + M, else S * v
const bool kHalves = (kForm & 0x200u) != 0u;   // S and M are those of 16 values, else of 32
const uint kRule = kForm >> 10 & 3u;           // of scales: half, exponent, bytes, six bits
const uint kTable = kForm >> 12 & 3u;          // v = table[code], else code - kBias
const int kBias = int(kForm >> 14 & 63u), kScaleBias = int(kForm >> 20 & 63u);

const bool kBlocks = kKind == 3u;

struct Tiles {
  uint begin;  // word of the first tile
  uint words;  // of a tile
  uint chunks, blocks;
  uint high, scales;  // words before them in a tile
};
Tiles MakeTiles(uint at, uint begin) {
  return Tiles(begin, p[at], p[at + 1u], p[at + 2u], p[at + 3u], p[at + 4u]);
}

int Byte(uint word, uint i) { return bitfieldExtract(int(word), int(8u * i), 8); }
vec4 Bytes(uint word) {
  return vec4(ivec4(Byte(word, 0u), Byte(word, 1u), Byte(word, 2u), Byte(word, 3u)));
}
uint HalfOf(uint word, uint i) { return word >> (16u * (i & 1u)) & 0xffffu; }

vec2 PairAt(uint at, uint unit) {  // d and m, or d and 0
  if (kMinimum) {
    const uint word = w[at + unit];
    return vec2(HalfValue(word & 0xffffu), HalfValue(word >> 16));
  }
  return vec2(HalfValue(HalfOf(w[at + (unit >> 1)], unit)), 0.0);
}

// S of both halves of a block, then M of both; `tile`: word of its tile, r: row in it. All products are exact.
vec4 Scales(Tiles l, uint tile, uint block, uint r) {
  const uint at = tile + l.scales, unit = block * 16u + r;
  const uint super = (block >> 3) * 16u + r, i = block & 7u;
  if (kRule == 0u) return PairAt(at, unit).xxyy;
  if (kRule == 1u) {
    const uint e = w[at + (unit >> 2)] >> (8u * (unit & 3u)) & 255u;
    return vec4(vec2(uintBitsToFloat(e < 2u ? 0x00200000u << e : (e - 1u) << 23)), 0.0, 0.0);
  }
  if (kRule == 2u) {
    const uint codes = HalfOf(w[at + (unit >> 1)], unit);
    const vec2 d = PairAt(at + l.blocks * 8u, super);
    if (!kMinimum) return vec4(d.xx * vec2(Byte(codes, 0u), Byte(codes, 1u)), 0.0, 0.0);
    const uvec2 both = uvec2(codes, codes >> 8);
    return vec4(d.xx * vec2(both & 15u), -d.yy * vec2(both >> 4 & 15u));
  }
  if (!kMinimum && !kHalves) {
    const uint first = w[at + 2u * super], nibbles = w[at + 2u * super + 1u];
    const uint s = (nibbles >> (4u * i) & 15u) | (first >> (16u + 2u * i) & 3u) << 4;
    return vec4(vec2(HalfValue(first & 0xffffu) * float(int(s) - kScaleBias)), 0.0, 0.0);
  }
  const uvec4 words = w4[(at >> 2) + super];
  const uvec2 high = uvec2(words.w, words.w >> 16) >> (2u * i) & 3u;
  const uvec2 codes = (words.yz >> (4u * i) & 15u) | high << 4;
  const float d = HalfValue(words.x & 0xffffu);
  if (kHalves) return vec4(d * vec2(ivec2(codes) - kScaleBias), 0.0, 0.0);
  return vec4(vec2(d * float(codes.x)), vec2(-HalfValue(words.x >> 16) * float(codes.y)));
}

const int kIq4[16] = int[](-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
const int kFp4[16] = int[](0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
int TableValue(uint code) { return kTable == 1u ? kIq4[code] : kFp4[code]; }

// Codes of the groups g and 4 + g (g < 4) of a block, four bytes each, before table and bias. low, high: words of the block;
// of 8 bits those of the two groups, of 4 bits the one with both, else those of the two halves.
uvec2 Codes(uvec2 low, uvec2 high, uint g) {
  uvec2 q = low;
  if (kLowBits == 4u) q = uvec2(low.x, low.x >> 4) & 0x0f0f0f0fu;
  if (kLowBits == 2u) q = low >> (2u * g) & 0x03030303u;
  if (kHighBits == 1u) q |= (uvec2(high.x, high.x >> 4) >> g & 0x01010101u) << kLowBits;
  if (kHighBits == 2u) q |= (high >> (2u * g) & 0x03030303u) << kLowBits;
  return q;
}
uvec2 HighWords(Tiles l, uint tile, uint block, uint r) {
  const uint at = tile + l.high + (block * 16u + r) * kHighBits;
  return uvec2(kHighBits > 0u ? w[at] : 0u, kHighBits > 1u ? w[at + 1u] : 0u);
}
// The words of one g, where they are read one by one.
uvec2 LowWords(uint tile, uint block, uint r, uint g) {
  if (kLowBits == 8u) return uvec2(w[tile + (block * 32u + r) * 4u + g], w[tile + (block * 32u + 16u + r) * 4u + g]);
  if (kLowBits == 4u) return uvec2(w[tile + (block * 16u + r) * 4u + g], 0u);
  const uint at = tile + (block * 16u + r) * 2u;
  return uvec2(w[at], w[at + 1u]);
}

vec4 PlainHalves(uint a, uint b) {
  if (kKind == 2u) {
    return vec4(uintBitsToFloat(a << 16), uintBitsToFloat(a & 0xffff0000u), uintBitsToFloat(b << 16),
                uintBitsToFloat(b & 0xffff0000u));
  }
  return vec4(unpackHalf2x16(a), unpackHalf2x16(b));
}
