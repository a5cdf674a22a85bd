#version 450
#include "common.glsl"
#include "functions.glsl"
#include "linear.glsl"

// A workgroup of 256 lanes makes 64 rows of 16 * kTokens tokens, a lane 4 rows of kTokens tokens; 32 columns at a time go through
// shared memory, as F32 or, with int8 activations, as int8.
const uint kRows = 64u, kPitch = 65u, kBlockTokens = 16u * kTokens;
shared float sw[32u * kPitch];                   // [column][row]; int8: words [8][row], then scales
shared float sx[32u * (kBlockTokens + 1u)];      // [column][token]

uint IntAt(uint word, uint i, uint pitch) { return word * pitch + i; }

void PutWeights(uint column, uint row, vec4 v) {
  [[unroll]] for (uint i = 0u; i < 4u; ++i) sw[(column + i) * kPitch + row] = v[i];
}

void LoadWeights(Tiles l, uint block, uint row, uint part_, uint lane_row) {
  const uint tile = l.begin + row / 16u * l.words, r = row % 16u;
  const bool inside = row < (p[15] + 15u) / 16u * 16u;
  if (kKind == 0u) {
    [[unroll]] for (uint i = 0u; i < 2u; ++i) {
      const uint c = block * 8u + part_ * 2u + i;
      PutWeights((part_ * 2u + i) * 4u, lane_row,
                 inside && c < l.chunks ? uintBitsToFloat(w4[(tile >> 2) + c * 16u + r]) : vec4(0.0));
    }
  } else if (!kBlocks) {
    const uint c = block * 4u + part_;
    const uvec4 q = inside && c < l.chunks ? w4[(tile >> 2) + c * 16u + r] : uvec4(0u);
    PutWeights(part_ * 8u, lane_row, PlainHalves(q.x, q.y));
    PutWeights(part_ * 8u + 4u, lane_row, PlainHalves(q.z, q.w));
  } else {
    // Group part_ of each half.
    uvec2 q = uvec2(0u);
    vec4 scales = vec4(0.0);
    if (inside) {
      q = Codes(LowWords(tile, block, r, part_), HighWords(l, tile, block, r), part_);
      scales = Scales(l, tile, block, r);
    }
    q = uvec2(Quants(q.x), Quants(q.y));
    if (kInt8 != 0u) {
      sw[IntAt(part_, lane_row, kPitch)] = uintBitsToFloat(q.x);
      sw[IntAt(4u + part_, lane_row, kPitch)] = uintBitsToFloat(q.y);
      sw[IntAt(8u + part_, lane_row, kPitch)] = scales[part_];
    } else {
      PutWeights(part_ * 4u, lane_row, (Bytes(q.x) - float(kBias)) * scales.x + scales.z);
      PutWeights(16u + part_ * 4u, lane_row, (Bytes(q.y) - float(kBias)) * scales.y + scales.w);
    }
  }
}

// A block's sums of products, each of kParts parts with scales of its own.
const uint kParts = kHalves ? 2u : 1u, kPartGroups = 8u / kParts;

void main() {
  FillTable();
  const Tiles l = MakeTiles(0u, p[5]);
  const uint lane = gl_LocalInvocationID.x;
  const uint first_row = gl_WorkGroupID.x * kRows, t0 = gl_WorkGroupID.y * kBlockTokens;
  const uint n = Dimension(p[18]), columns = p[17], blocks = (columns + 31u) / 32u;
  const uint row4 = lane % 16u * 4u, token0 = lane / 16u * kTokens;
  const uint pitch = kBlockTokens + 1u;
  float sum[4u * kTokens];
  for (uint i = 0u; i < 4u * kTokens; ++i) sum[i] = 0.0;
  for (uint block = 0u; block < blocks; ++block) {
    LoadWeights(l, block, first_row + lane % 64u, lane / 64u, lane % 64u);
    if (kInt8 != 0u) {
      for (uint i = lane; i < kBlockTokens * 8u; i += gl_WorkGroupSize.x) {
        const uint t = t0 + i / 8u;
        sx[IntAt(i % 8u, i / 8u, pitch)] =
            t < n ? x[p[6] + t * p[7] + block * 8u + i % 8u] : 0.0;
      }
      if (lane < kBlockTokens) {
        const bool inside = t0 + lane < n;
        sx[IntAt(8u, lane, pitch)] = inside ? XScale(t0 + lane, block) : 0.0;
        sx[IntAt(9u, lane, pitch)] = inside ? uintBitsToFloat(XSums(t0 + lane, block)) : 0.0;
      }
    } else {
      for (uint i = lane; i < kBlockTokens * 32u; i += gl_WorkGroupSize.x) {
        const uint t = t0 + i / 32u, k = block * 32u + i % 32u;
        sx[i % 32u * pitch + i / 32u] = t < n && k < columns ? x[p[6] + t * p[7] + k] : 0.0;
      }
    }
    barrier();
    if (kInt8 != 0u) {
      [[unroll]] for (uint half_ = 0u; half_ < kParts; ++half_) {
        int dots[4u * kTokens];
        for (uint i = 0u; i < 4u * kTokens; ++i) dots[i] = 0;
        [[unroll]] for (uint g = 0u; g < kPartGroups; ++g) {
          for (uint j = 0u; j < kTokens; ++j) {
            const uint word = half_ * kPartGroups + g;
            const uint a = floatBitsToUint(sx[IntAt(word, token0 + j, pitch)]);
            [[unroll]] for (uint i = 0u; i < 4u; ++i) {
              dots[j * 4u + i] += Dot4(floatBitsToUint(sw[IntAt(word, row4 + i, kPitch)]), a);
            }
          }
        }
        for (uint j = 0u; j < kTokens; ++j) {
          const float d = sx[IntAt(8u, token0 + j, pitch)];
          const uint sums = floatBitsToUint(sx[IntAt(9u, token0 + j, pitch)]);
          const int all = kHalves ? SumOf(sums, half_) : SumOf(sums, 0u) + SumOf(sums, 1u);
          [[unroll]] for (uint i = 0u; i < 4u; ++i) {
            const int dot_ = dots[j * 4u + i] - kBias * all;
            sum[j * 4u + i] += sw[IntAt(8u + half_, row4 + i, kPitch)] * d * float(dot_);
            if (kMinimum) sum[j * 4u + i] += sw[IntAt(10u + half_, row4 + i, kPitch)] * d * float(all);
          }
        }
      }
    } else {
      [[unroll]] for (uint k = 0u; k < 32u; ++k) {
        float v[4];
        [[unroll]] for (uint i = 0u; i < 4u; ++i) v[i] = sw[k * kPitch + row4 + i];
        for (uint j = 0u; j < kTokens; ++j) {
          const float a = sx[k * pitch + token0 + j];
          [[unroll]] for (uint i = 0u; i < 4u; ++i) sum[j * 4u + i] += v[i] * a;
        }
      }
    }
    barrier();
  }
  for (uint j = 0u; j < kTokens; ++j) {
    const uint t = t0 + token0 + j;
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
      const uint row = first_row + row4 + i;
      if (t < n && row < p[15]) Store(t, row, sum[j * 4u + i]);
    }
  }
}
