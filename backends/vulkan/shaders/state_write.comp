#version 450
#include "common.glsl"
#include "functions.glsl"

// A workgroup a token and head: its row into its slot. Push constants: x's offset and stride; Group; heads; words of a head.
// Slots of several tokens share words: bits are put in by atomics, each token its own.
layout(constant_id = 1) const uint kKv = 0;    // 0 F32, 1 F16, 2 Q8_0
layout(constant_id = 2) const uint kPart = 0;  // 0 keys [dim][64], 1 values [64][dim]
layout(constant_id = 3) const uint kDim = 64;

layout(set = 0, binding = 1) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) buffer Pool { uint pool[]; };

shared uint largest;  // bits of the largest magnitude of a run

void PutByte(uint at, uint value) {
  const uint shift = 8u * (at & 3u);
  atomicAnd(pool[at >> 2], ~(255u << shift));
  atomicOr(pool[at >> 2], value << shift);
}
void PutHalf(uint at, uint value) {
  const uint shift = 16u * (at & 1u);
  atomicAnd(pool[at >> 1], ~(0xffffu << shift));
  atomicOr(pool[at >> 1], value << shift);
}

void main() {
  const Group g = MakeGroup(2);
  const uint t = gl_WorkGroupID.x, head = gl_WorkGroupID.y, lane = gl_LocalInvocationID.x;
  const uint slot = TokenSlot(g.tokens, t);
  const uint block = PhysicalBlock(g, TokenSequence(g.tokens, t), slot / 64u);
  const uint j = slot % 64u;
  const uint words = p[9];
  const uint to = (block * p[8] + head) * words;
  const uint from = p[0] + t * p[1] + head * kDim;
  if (kKv < 2u) {
    for (uint d = lane; d < kDim; d += gl_WorkGroupSize.x) {
      const uint at = kPart == 0u ? d * 64u + j : j * kDim + d;
      const float value = x[from + d];
      if (kKv == 0u) {
        pool[to + at] = floatBitsToUint(value);
      } else {
        PutHalf(to * 2u + at, HalfBits(value));
      }
    }
    return;
  }
  for (uint first = 0u; first < kDim; first += 32u) {
    const uint n = min(32u, kDim - first);
    if (lane == 0u) largest = 0u;
    barrier();
    const float value = lane < n ? x[from + first + lane] : 0.0;
    atomicMax(largest, floatBitsToUint(value) & 0x7fffffffu);
    barrier();
    precise float d = uintBitsToFloat(largest) / 127.0;
    uint scale = largest >= 0x7f800000u ? 0x7c00u : HalfBits(d);
    const bool bad = (scale & 0x7c00u) == 0x7c00u;
    precise float s = 1.0 / d;
    if (!IsFinite(s)) s = 0.0;
    if (lane < n) {
      precise float y = value * s;
      // Half away from zero.
      const float a = abs(y), whole = floor(a);
      const int q = int(a - whole >= 0.5 ? whole + 1.0 : whole);
      const uint at = kPart == 0u ? (first + lane) * 64u + j : j * kDim + first + lane;
      PutByte(to * 4u + at, bad ? 0u : uint(y < 0.0 ? -q : q) & 255u);
    }
    if (lane == 0u) PutHalf(to * 2u + kDim * 32u + first / 32u * 64u + j, scale);
    barrier();
  }
}
