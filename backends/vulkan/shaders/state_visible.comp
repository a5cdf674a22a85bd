#version 450
#include "common.glsl"

// A workgroup a token: which slots of the pool it sees. Push constants: out; Group; window.
layout(set = 0, binding = 1) coherent buffer Out { uint o[]; };

void Put(uint at, uint value) {
  const uint shift = 8u * (at & 3u);
  atomicAnd(o[at >> 2], ~(255u << shift));
  atomicOr(o[at >> 2], value << shift);
}

void main() {
  const Tensor out_ = MakeTensor(0);
  const Group g = MakeGroup(4);
  const uint t = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
  const uint row = out_.offset + t * out_.stride[4], n = out_.d[5];
  for (uint s = lane; s < n; s += gl_WorkGroupSize.x) Put(row + s, 0u);
  memoryBarrierBuffer();
  barrier();
  const uvec2 range = TokenVisible(g.tokens, t, p[10]);
  const uint sequence = TokenSequence(g.tokens, t);
  for (uint s = range.x + lane; s < range.y; s += gl_WorkGroupSize.x) {
    const uint slot = PhysicalBlock(g, sequence, s / 64u) * 64u + s % 64u;
    if (slot < n) Put(row + slot, 1u);
  }
}
