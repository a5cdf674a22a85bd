// Rows of heads into their slots of a pool (kv.glsl). Slots of several tokens share words: bits are put in by atomics, each
// token its own. Needs kKv (0 F32, 1 F16, 2 Q8_0).
//
// KV_WRITER(Name, pool, row): void Name(part, dim, to, j) writes row[0 .. dim) to slot j of the head that begins at word `to`;
// every lane of the workgroup calls it.
shared uint kv_largest;  // bits of the largest magnitude of a run

#define KV_WRITER(Name, pool, row)                                                       \
  void Name##Byte(uint at, uint value) {                                                 \
    const uint shift = 8u * (at & 3u);                                                   \
    atomicAnd(pool[at >> 2], ~(255u << shift));                                          \
    atomicOr(pool[at >> 2], value << shift);                                             \
  }                                                                                      \
  void Name##Half(uint at, uint value) {                                                 \
    const uint shift = 16u * (at & 1u);                                                  \
    atomicAnd(pool[at >> 1], ~(0xffffu << shift));                                       \
    atomicOr(pool[at >> 1], value << shift);                                             \
  }                                                                                      \
  void Name(uint part, uint dim, uint to, uint j) {                                      \
    const uint lane = gl_LocalInvocationID.x;                                            \
    if (kKv < 2u) {                                                                      \
      for (uint d = lane; d < dim; d += gl_WorkGroupSize.x) {                            \
        const uint at = part == 0u ? d * 64u + j : j * dim + d;                          \
        if (kKv == 0u) {                                                                 \
          pool[to + at] = floatBitsToUint(row[d]);                                       \
        } else {                                                                         \
          Name##Half(to * 2u + at, HalfBits(row[d]));                                    \
        }                                                                                \
      }                                                                                  \
      return;                                                                            \
    }                                                                                    \
    for (uint first = 0u; first < dim; first += 32u) {                                   \
      const uint n = min(32u, dim - first);                                              \
      if (lane == 0u) kv_largest = 0u;                                                   \
      barrier();                                                                         \
      const float value = lane < n ? row[first + lane] : 0.0;                            \
      atomicMax(kv_largest, floatBitsToUint(value) & 0x7fffffffu);                       \
      barrier();                                                                         \
      precise float d = uintBitsToFloat(kv_largest) / 127.0;                             \
      uint scale = kv_largest >= 0x7f800000u ? 0x7c00u : HalfBits(d);                    \
      const bool bad = (scale & 0x7c00u) == 0x7c00u;                                     \
      precise float s = 1.0 / d;                                                         \
      if (!IsFinite(s)) s = 0.0;                                                         \
      if (lane < n) {                                                                    \
        precise float y = value * s;                                                     \
        /* Half away from zero. */                                                       \
        const float a = abs(y), whole = floor(a);                                        \
        const int q = int(a - whole >= 0.5 ? whole + 1.0 : whole);                       \
        const uint at = part == 0u ? (first + lane) * 64u + j : j * dim + first + lane;  \
        Name##Byte(to * 4u + at, bad ? 0u : uint(y < 0.0 ? -q : q) & 255u);              \
      }                                                                                  \
      if (lane == 0u) Name##Half(to * 2u + dim * 32u + first / 32u * 64u + j, scale);    \
      barrier();                                                                         \
    }                                                                                    \
  }
