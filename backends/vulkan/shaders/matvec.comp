#version 450
#include "common.glsl"
#include "functions.glsl"
#include "linear.glsl"

// A workgroup a tile of 16 rows and kTokens tokens. Lane (l, r): row r, chunks l, l + lanes / 16, ...: 16 lanes read 256 bytes in
// a row.
shared float part[gl_WorkGroupSize.x];

vec4 LoadX(uint t, uint k, uint columns) {
  const uint at = p[6] + t * p[7] + k;
  if (kAligned != 0u) return uintBitsToFloat(x4[at >> 2]);
  return vec4(k < columns ? x[at] : 0.0, k + 1u < columns ? x[at + 1u] : 0.0,
              k + 2u < columns ? x[at + 2u] : 0.0, k + 3u < columns ? x[at + 3u] : 0.0);
}

void main() {
  const Tiles l = MakeTiles(0u, p[5]);
  const uint lane = gl_LocalInvocationID.x, r = lane % 16u, first = lane / 16u;
  const uint step_ = gl_WorkGroupSize.x / 16u;
  const uint tile = l.begin + gl_WorkGroupID.x * l.words;
  const uint t0 = gl_WorkGroupID.y * kTokens;
  const uint n = min(kTokens, Dimension(p[18]) - t0), columns = p[17];
  float sum[kTokens];
  for (uint t = 0u; t < kTokens; ++t) sum[t] = 0.0;
  for (uint c = first; c < l.chunks; c += step_) {
    const uvec4 q = w4[(tile >> 2) + c * 16u + r];
    if (kType == kTypeF32) {
      const vec4 v = uintBitsToFloat(q);
      for (uint t = 0u; t < n; ++t) sum[t] += dot(v, LoadX(t0 + t, c * 4u, columns));
    } else if (IsPlain()) {
      const vec4 a = PlainHalves(q.x, q.y), b = PlainHalves(q.z, q.w);
      for (uint t = 0u; t < n; ++t) {
        sum[t] += dot(a, LoadX(t0 + t, c * 8u, columns)) + dot(b, LoadX(t0 + t, c * 8u + 4u, columns));
      }
    } else if (kType == kTypeQ8_0) {
      const uint block = c >> 1;
      const float d = Scales(l, tile, block, r).x;
      for (uint t = 0u; t < n; ++t) {
        if (kInt8 != 0u) {
          const uvec4 a = x4[(p[6] + (t0 + t) * p[7] + c * 4u) >> 2];
          const int i = Dot4(q.x, a.x) + Dot4(q.y, a.y) + Dot4(q.z, a.z) + Dot4(q.w, a.w);
          sum[t] += d * XScales(t0 + t, block).x * float(i);
        } else {
          float s = 0.0;
          [[unroll]] for (uint g = 0u; g < 4u; ++g) {
            s += dot(Bytes(q[g]), LoadX(t0 + t, c * 16u + 4u * g, columns));
          }
          sum[t] += d * s;
        }
      }
    } else {
      const vec2 scales = Scales(l, tile, c, r);
      const uint high = HasHigh() ? w[tile + l.high + c * 16u + r] : 0u;
      uint low_q[4], high_q[4];
      [[unroll]] for (uint g = 0u; g < 4u; ++g) {
        low_q[g] = LowQuants(q[g], high, g);
        high_q[g] = HighQuants(q[g], high, g);
      }
      for (uint t = 0u; t < n; ++t) {
        if (kInt8 != 0u) {
          const uint at = (p[6] + (t0 + t) * p[7] + c * 8u) >> 2;
          const uvec4 a = x4[at], b = x4[at + 1u];
          int i = 0;
          [[unroll]] for (uint g = 0u; g < 4u; ++g) i += Dot4(low_q[g], a[g]) + Dot4(high_q[g], b[g]);
          const vec2 xs = XScales(t0 + t, c);
          i -= Bias() * int(xs.y);
          sum[t] += scales.x * xs.x * float(i);
          if (HasMinimum()) sum[t] += scales.y * xs.x * xs.y;
        } else {
          float s = 0.0, all = 0.0;
          [[unroll]] for (uint g = 0u; g < 4u; ++g) {
            const vec4 a = LoadX(t0 + t, c * 32u + 4u * g, columns);
            const vec4 b = LoadX(t0 + t, c * 32u + 16u + 4u * g, columns);
            s += dot(Bytes(low_q[g]) - float(Bias()), a) + dot(Bytes(high_q[g]) - float(Bias()), b);
            if (HasMinimum()) all += dot(a + b, vec4(1.0));
          }
          sum[t] += scales.x * s;
          if (HasMinimum()) sum[t] += scales.y * all;
        }
      }
    }
  }
  for (uint t = 0u; t < kTokens; ++t) {
    part[lane] = sum[t];
    barrier();
    if (lane < 16u) {
      float total = part[lane];
      for (uint i = 1u; i < step_; ++i) total += part[lane + 16u * i];
      const uint row = gl_WorkGroupID.x * 16u + lane;
      if (t < n && row < p[15]) Store(t0 + t, row, total);
    }
    barrier();
  }
}
