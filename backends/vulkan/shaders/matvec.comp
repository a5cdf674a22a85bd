#version 450
#include "common.glsl"
#include "functions.glsl"
#include "linear.glsl"

// A workgroup kTiles tiles of 16 rows and kTokens tokens, each tile its share of the lanes. Lane (l, r): row r, chunks l,
// l + lanes / 16, ...: 16 lanes read 256 bytes in a row.
//
// Gated (4 tiles: gate, up, gate, up): y is what glu makes of the product, 32 columns a workgroup. Push constants: 19 tiles
// before those of up; for int8 y's 4.
layout(constant_id = 7) const uint kTiles = 1;
layout(constant_id = 8) const uint kActivation = 0;
layout(constant_id = 9) const uint kInt8Result = 0;
layout(set = 0, binding = 5) buffer Q { uint q[]; };
#include "int8.glsl"

const uint kLanes = gl_WorkGroupSize.x / kTiles, kStep = kLanes / 16u;
shared float part[gl_WorkGroupSize.x];
shared float totals[64];

vec4 LoadX(uint t, uint k, uint columns) {
  const uint at = p[6] + t * p[7] + k;
  if (kAligned != 0u) return uintBitsToFloat(x4[at >> 2]);
  return vec4(k < columns ? x[at] : 0.0, k + 1u < columns ? x[at + 1u] : 0.0,
              k + 2u < columns ? x[at + 2u] : 0.0, k + 3u < columns ? x[at + 3u] : 0.0);
}

// The block's part of the sum for a row and a token.
float Int8Part(uint t, uint block, uvec2 q[4], vec4 scales) {
  const uint at = (p[6] + t * p[7] + block * 8u) >> 2;
  const uvec4 a = x4[at], b = x4[at + 1u];
  int low = 0, high = 0;
  [[unroll]] for (uint g = 0u; g < 4u; ++g) {
    low += Dot4(q[g].x, a[g]);
    high += Dot4(q[g].y, b[g]);
  }
  const float d = XScale(t, block);
  if (kBias == 0 && !kMinimum) {
    return kHalves ? scales.x * d * float(low) + scales.y * d * float(high)
                   : scales.x * d * float(low + high);
  }
  const uint sums = XSums(t, block);
  const int s0 = SumOf(sums, 0u), s1 = SumOf(sums, 1u);
  low -= kBias * s0;
  high -= kBias * s1;
  float part_;
  if (kHalves) {
    part_ = scales.x * d * float(low) + scales.y * d * float(high);
    if (kMinimum) part_ += scales.z * d * float(s0) + scales.w * d * float(s1);
  } else {
    part_ = scales.x * d * float(low + high);
    if (kMinimum) part_ += scales.z * d * float(s0 + s1);
  }
  return part_;
}
float FloatPart(uint t, uint k, uint columns, uvec2 q[4], vec4 scales) {
  vec2 s = vec2(0.0), all = vec2(0.0);
  [[unroll]] for (uint g = 0u; g < 4u; ++g) {
    const vec4 a = LoadX(t, k + 4u * g, columns), b = LoadX(t, k + 16u + 4u * g, columns);
    s += vec2(dot(Bytes(q[g].x) - float(kBias), a), dot(Bytes(q[g].y) - float(kBias), b));
    if (kMinimum) all += vec2(dot(a, vec4(1.0)), dot(b, vec4(1.0)));
  }
  float part_ = kHalves ? dot(scales.xy, s) : scales.x * (s.x + s.y);
  if (kMinimum) part_ += kHalves ? dot(scales.zw, all) : scales.z * (all.x + all.y);
  return part_;
}

void main() {
  FillTable();
  const Tiles l = MakeTiles(0u, p[5]);
  const uint lane = gl_LocalInvocationID.x, r = lane % 16u, first = lane % kLanes / 16u;
  const uint mine = lane / kLanes;  // of the workgroup's tiles
  const uint tile = l.begin + l.words * (kTiles == 1u ? gl_WorkGroupID.x
                                                      : gl_WorkGroupID.x * 2u + mine / 2u + mine % 2u * p[19]);
  const uint t0 = gl_WorkGroupID.y * kTokens;
  const uint n = min(kTokens, Dimension(p[18]) - t0), columns = p[17];
  float sum[kTokens];
  for (uint t = 0u; t < kTokens; ++t) sum[t] = 0.0;
  for (uint c = first; c < l.chunks; c += kStep) {
    if (kBlocks) {
      uvec4 low, next = uvec4(0u);  // of this row
      if (kLowBits == 8u) {
        low = w4[(tile >> 2) + c * 32u + r];
        next = w4[(tile >> 2) + c * 32u + 16u + r];
      } else if (kLowBits == 4u) {
        low = w4[(tile >> 2) + c * 16u + r];
      } else {
        low = w2[(tile >> 1) + c * 16u + r].xyxy;
      }
      const uvec2 high = HighWords(l, tile, c, r);
      const vec4 scales = Scales(l, tile, c, r);
      uvec2 q[4];
      [[unroll]] for (uint g = 0u; g < 4u; ++g) {
        const uvec2 codes = Codes(kLowBits == 2u ? low.xy : uvec2(low[g], next[g]), high, g);
        q[g] = uvec2(Quants(codes.x), Quants(codes.y));
      }
      for (uint t = 0u; t < n; ++t) {
        sum[t] += kInt8 != 0u ? Int8Part(t0 + t, c, q, scales)
                              : FloatPart(t0 + t, c * 32u, columns, q, scales);
      }
      continue;
    }
    const uvec4 q = w4[(tile >> 2) + c * 16u + r];
    if (kKind == 0u) {
      const vec4 v = uintBitsToFloat(q);
      for (uint t = 0u; t < n; ++t) sum[t] += dot(v, LoadX(t0 + t, c * 4u, columns));
    } else {
      const vec4 a = PlainHalves(q.x, q.y), b = PlainHalves(q.z, q.w);
      for (uint t = 0u; t < n; ++t) {
        sum[t] += dot(a, LoadX(t0 + t, c * 8u, columns)) + dot(b, LoadX(t0 + t, c * 8u + 4u, columns));
      }
    }
  }
  for (uint t = 0u; t < kTokens; ++t) {
    part[lane] = sum[t];
    barrier();
    if (lane < 16u * kTiles) {
      const uint from = lane / 16u * kLanes + r;
      float total = part[from];
      for (uint i = 1u; i < kStep; ++i) total += part[from + 16u * i];
      if (kTiles == 1u) {
        const uint row = gl_WorkGroupID.x * 16u + lane;
        if (t < n && row < p[15]) Store(t0 + t, row, total);
      } else {
        const uint s = lane / 16u, row = (gl_WorkGroupID.x * 2u + s / 2u + s % 2u * p[19]) * 16u + r;
        totals[lane] = kHasBias != 0u ? total + bias[p[10] + row] : total;
      }
    }
    barrier();
    if (kTiles == 1u) continue;
    const uint at = lane / 16u * 32u + r, column = gl_WorkGroupID.x * 32u + lane;
    const float value = lane < 32u ? Activate(kActivation, totals[at]) * totals[at + 16u] : 0.0;
    if (kInt8Result != 0u) {
      Int8Block(20u, t0 + t, gl_WorkGroupID.x, lane, value, t < n && lane < 32u);
    } else if (t < n && lane < 32u) {
      y[p[13] + (t0 + t) * p[14] + column] = value;
    }
    barrier();
  }
}
