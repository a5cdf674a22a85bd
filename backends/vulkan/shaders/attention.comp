#version 450
#include "common.glsl"
#include "functions.glsl"
#extension GL_EXT_control_flow_attributes : require

// A workgroup: kQueryTokens tokens, kQueryHeads of the heads that share a K/V head, one of kSplits parts of the keys, 64 slots at a
// time: first a lane is a slot (scores), then a lane is a dimension (values). Push constants: q's offset and stride; Group; window;
// K/V heads; words of a head of keys, of values; sinks' offset; out's offset and stride; scale, softcap; tokens; for int8 its 4.
layout(constant_id = 1) const uint kKv = 0;
layout(constant_id = 2) const uint kKeyDim = 64;
layout(constant_id = 3) const uint kValueDim = 64;
layout(constant_id = 4) const uint kQueryTokens = 1;
layout(constant_id = 5) const uint kQueryHeads = 1;
layout(constant_id = 6) const uint kHeadGroups = 1;  // workgroups that share a K/V head
layout(constant_id = 7) const uint kSplits = 1;
layout(constant_id = 8) const uint kSinks = 0;
layout(constant_id = 9) const uint kInt8 = 0;  // results are kept as int8 blocks
#include "kv.glsl"

layout(set = 0, binding = 1) readonly buffer Q { float q[]; };
layout(set = 0, binding = 2) readonly buffer K { uint keys[]; };
layout(set = 0, binding = 3) readonly buffer V { uint values[]; };
layout(set = 0, binding = 4) readonly buffer S { float sinks[]; };
layout(set = 0, binding = 5) buffer Out { float o[]; };
layout(set = 0, binding = 5) buffer Blocks { uint q_words[]; };
#define q q_words
#include "int8.glsl"
#undef q

const uint kRows = kQueryTokens * kQueryHeads;
const uint kLaneDims = (kValueDim + 63u) / 64u;
shared float sq[kRows * kKeyDim];
shared float sp[kRows * 64u];
shared float most[kRows * 8u];

void main() {
  const Group g = MakeGroup(2);
  const uint window = p[8], kv_heads = p[9];
  const float softcap = uintBitsToFloat(p[16]);
  const uint lane = gl_LocalInvocationID.x;
  const uint split = gl_WorkGroupID.x % kSplits, work = gl_WorkGroupID.x / kSplits;
  const uint kv_head = work / kHeadGroups;
  const uint first_head = work * kQueryHeads;  // heads of a K/V head follow one another
  const uint heads = kv_heads * kHeadGroups * kQueryHeads;
  const uint t0 = gl_WorkGroupID.y * kQueryTokens;
  const uint t1 = min(t0 + kQueryTokens, Dimension(p[17]));
  for (uint i = lane; i < kRows * kKeyDim; i += 64u) {
    const uint row = i / kKeyDim, t = t0 + row / kQueryHeads;
    const uint head = first_head + row % kQueryHeads;
    sq[i] = t < t1 ? q[p[0] + t * p[1] + head * kKeyDim + i % kKeyDim] * uintBitsToFloat(p[15]) : 0.0;
  }
  float m[kRows], l[kRows], acc[kRows * kLaneDims];
  for (uint r = 0u; r < kRows; ++r) {
    m[r] = -kInfinity;
    l[r] = 0.0;
  }
  for (uint i = 0u; i < kRows * kLaneDims; ++i) acc[i] = 0.0;
  barrier();
  // Runs of tokens of one sequence.
  uint run = t0;
  while (run < t1) {
    const uint sequence = TokenSequence(g.tokens, run);
    uint end = run;
    uint low = 0xffffffffu, high = 0u;
    uvec2 range[kQueryTokens];
    for (uint i = 0u; i < kQueryTokens; ++i) {
      const uint t = t0 + i;
      range[i] = uvec2(0u);
      if (t < run || t >= t1 || TokenSequence(g.tokens, t) != sequence) continue;
      range[i] = TokenVisible(g.tokens, t, window);
      low = min(low, range[i].x);
      high = max(high, range[i].y);
      end = t + 1u;
    }
    const uint c0 = low / 64u, c1 = (high + 63u) / 64u;
    const uint each = (c1 - c0 + kSplits - 1u) / kSplits;
    const uint from = c0 + split * each, to = min(from + each, c1);
    for (uint c = from; c < to; ++c) {
      const uint block = PhysicalBlock(g, sequence, c);
      const uint key = (block * kv_heads + kv_head) * p[10];
      const uint value = (block * kv_heads + kv_head) * p[11];
      const uint slot = c * 64u + lane;
      float s[kRows];
      for (uint r = 0u; r < kRows; ++r) s[r] = 0.0;
      for (uint d = 0u; d < kKeyDim; ++d) {
        const float k = KV_LOAD(keys, key, 0u, kKeyDim, lane, d);
        for (uint r = 0u; r < kRows; ++r) s[r] += sq[r * kKeyDim + d] * k;
      }
      for (uint r = 0u; r < kRows; ++r) {
        const uvec2 seen = range[r / kQueryHeads];
        if (softcap > 0.0) s[r] = softcap * Tanh(s[r] / softcap);
        if (slot < seen.x || slot >= seen.y) s[r] = -kInfinity;
        sp[r * 64u + lane] = s[r];
      }
      barrier();
      for (uint i = lane; i < kRows * 8u; i += 64u) {
        float best = sp[i * 8u];
        [[unroll]] for (uint j = 1u; j < 8u; ++j) best = Max(best, sp[i * 8u + j]);
        most[i] = best;
      }
      barrier();
      for (uint r = 0u; r < kRows; ++r) {
        float best = m[r];
        [[unroll]] for (uint j = 0u; j < 8u; ++j) best = Max(best, most[r * 8u + j]);
        const uvec2 seen = range[r / kQueryHeads];
        const bool sees = seen.x < c * 64u + 64u && seen.y > c * 64u && seen.x < seen.y;
        const float keep = sees ? Exp(m[r] - best) : 1.0;
        if (sees) {
          l[r] *= keep;
          for (uint i = 0u; i < kLaneDims; ++i) acc[r * kLaneDims + i] *= keep;
          m[r] = best;
        }
        sp[r * 64u + lane] = slot >= seen.x && slot < seen.y ? Exp(s[r] - best) : 0.0;
      }
      barrier();
      const uint j0 = max(low, c * 64u) - c * 64u, j1 = min(high, c * 64u + 64u) - c * 64u;
      for (uint j = j0; j < j1; ++j) {
        float v[kLaneDims];
        for (uint i = 0u; i < kLaneDims; ++i) {
          const uint d = lane + 64u * i;
          v[i] = d < kValueDim ? KV_LOAD(values, value, 1u, kValueDim, j, d) : 0.0;
        }
        for (uint r = 0u; r < kRows; ++r) {
          // What a token does not see may be anything.
          const uvec2 seen = range[r / kQueryHeads];
          if (c * 64u + j < seen.x || c * 64u + j >= seen.y) continue;
          const float e = sp[r * 64u + j];
          l[r] += e;
          for (uint i = 0u; i < kLaneDims; ++i) acc[r * kLaneDims + i] += e * v[i];
        }
      }
      barrier();
    }
    run = end;
  }
  for (uint r = 0u; r < kRows; ++r) {
    const uint t = t0 + r / kQueryHeads, head = first_head + r % kQueryHeads;
    if (t >= t1) continue;
    if (kSplits > 1u) {
      const uint at = p[13] + ((t * heads + head) * kSplits + split) * (kValueDim + 2u);
      if (lane == 0u) {
        o[at] = m[r];
        o[at + 1u] = l[r];
      }
      for (uint i = 0u; i < kLaneDims; ++i) {
        const uint d = lane + 64u * i;
        if (d < kValueDim) o[at + 2u + d] = acc[r * kLaneDims + i];
      }
      continue;
    }
    float scale = 1.0, sum = l[r];
    if (kSinks != 0u) {
      const float z = sinks[p[12] + head], best = Max(m[r], z);
      scale = Exp(m[r] - best);
      sum = sum * scale + Exp(z - best);
    }
    const float inverse = scale / sum;
    for (uint i = 0u; i < kLaneDims; ++i) {
      const uint d = lane + 64u * i;
      const float result = acc[r * kLaneDims + i] * inverse;
      if (kInt8 != 0u) {
        Int8Block(18u, t, (head * kValueDim + d) / 32u, lane, result, d < kValueDim);
      } else if (d < kValueDim) {
        o[p[13] + t * p[14] + head * kValueDim + d] = result;
      }
    }
  }
}
