#version 450
#include "common.glsl"
#include "functions.glsl"

// One token from a row of logits, by one workgroup: steps 2 to 8 of runtime/sampler.h. Weights are whole numbers, 2^30 times
// exp, and sums of them have 64 bits, so that no order of additions changes anything.
// Push constants: the row's offset, vocabulary, temperature (0: the first maximum), top-k (0: all), top-p in units of 2^-24,
// least weight, the draw of 32 bits. Result: state (1 drawn, 2 a logit is not finite), id.
layout(set = 0, binding = 1) readonly buffer Logits { float x[]; };
layout(set = 0, binding = 2) buffer Out { uint o[]; };

const uint kLanes = gl_WorkGroupSize.x;
shared uint low_sum[kLanes];
shared uint high_sum[kLanes];
shared uint best_key[kLanes];
shared uint best_id[kLanes];
shared uint found, have_low, have_high, left;

uint KeyOf(float value) {
  const uint bits = floatBitsToUint(value);
  return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

// uvec2(low, high), 64 bits.
uvec2 Add(uvec2 a, uvec2 b) {
  uint carry;
  const uint low = uaddCarry(a.x, b.x, carry);
  return uvec2(low, a.y + b.y + carry);
}
uvec2 Subtract(uvec2 a, uvec2 b) {
  uint borrow;
  const uint low = usubBorrow(a.x, b.x, borrow);
  return uvec2(low, a.y - b.y - borrow);
}
bool Less(uvec2 a, uvec2 b) { return a.y < b.y || (a.y == b.y && a.x < b.x); }
uvec2 Multiply(uint a, uint b) {
  uint high, low;
  umulExtended(a, b, high, low);
  return uvec2(low, high);
}

// What stays: keys above `key`, and of those equal the ids up to `limit`; twice.
uint top_key, top_limit, nucleus_key, nucleus_limit, least_weight;
float largest, temperature;

float Scaled(uint id) { return (x[p[0] + id] - largest) / temperature; }
uint WeightOf(float y) { return uint(Exp(y) * 1073741824.0 + 0.5); }
bool Above(uint key, uint id, uint than, uint limit) { return key > than || (key == than && id <= limit); }
bool InTop(uint key, uint id) { return Above(key, id, top_key, top_limit); }
bool Stays(uint key, uint id, uint weight) {
  return InTop(key, id) && Above(key, id, nucleus_key, nucleus_limit) && weight >= least_weight;
}

// The id of the n-th (from 1) of those with exactly this key, in ascending order, among those in the top.
uint LimitOf(uint key, uint n, bool in_top) {
  const uint lane = gl_LocalInvocationID.x, vocab = p[1], each = (vocab + kLanes - 1u) / kLanes;
  const uint begin = min(lane * each, vocab), end = min(begin + each, vocab);
  uint count = 0u;
  for (uint id = begin; id < end; ++id) {
    const uint k = KeyOf(Scaled(id));
    if (k == key && (!in_top || InTop(k, id))) ++count;
  }
  low_sum[lane] = count;
  barrier();
  uint before = 0u;
  for (uint i = 0u; i < lane; ++i) before += low_sum[i];
  if (before < n && n <= before + count) {
    for (uint id = begin; id < end; ++id) {
      const uint k = KeyOf(Scaled(id));
      if (k == key && (!in_top || InTop(k, id)) && ++before == n) found = id;
    }
  }
  barrier();
  const uint limit = found;
  barrier();
  return limit;
}

// The key at which the sum of weights (or of ones) of it and all above reaches `want`; *more: what is missing then without those
// of that key.
uint Threshold(bool weighted, uvec2 want, out uvec2 missing) {
  const uint lane = gl_LocalInvocationID.x, vocab = p[1];
  uint prefix = 0u, mask = 0u;
  uvec2 have = uvec2(0u);
  for (uint shift = 24u;; shift -= 8u) {
    for (uint i = lane; i < 256u; i += kLanes) low_sum[i] = high_sum[i] = 0u;
    barrier();
    for (uint id = lane; id < vocab; id += kLanes) {
      const float y = Scaled(id);
      const uint key = KeyOf(y);
      if ((key & mask) != prefix || (weighted && !InTop(key, id))) continue;
      const uint add = weighted ? WeightOf(y) : 1u, digit = key >> shift & 255u;
      const uint old = atomicAdd(low_sum[digit], add);
      if (old + add < old) atomicAdd(high_sum[digit], 1u);
    }
    barrier();
    if (lane == 0u) {
      uvec2 sum = have;
      uint digit = 255u;
      for (;; --digit) {
        const uvec2 next = Add(sum, uvec2(low_sum[digit], high_sum[digit]));
        if (!Less(next, want) || digit == 0u) break;
        sum = next;
      }
      found = digit;
      have_low = sum.x;
      have_high = sum.y;
    }
    barrier();
    have = uvec2(have_low, have_high);
    prefix |= found << shift;
    mask |= 255u << shift;
    barrier();
    if (shift == 0u) break;
  }
  missing = Subtract(want, have);
  return prefix;
}

uvec2 Total() {
  const uint lane = gl_LocalInvocationID.x, vocab = p[1], each = (vocab + kLanes - 1u) / kLanes;
  const uint begin = min(lane * each, vocab), end = min(begin + each, vocab);
  uvec2 sum = uvec2(0u);
  for (uint id = begin; id < end; ++id) {
    const float y = Scaled(id);
    const uint weight = WeightOf(y);
    if (Stays(KeyOf(y), id, weight)) sum = Add(sum, uvec2(weight, 0u));
  }
  low_sum[lane] = sum.x;
  high_sum[lane] = sum.y;
  barrier();
  uvec2 all = uvec2(0u);
  for (uint i = 0u; i < kLanes; ++i) all = Add(all, uvec2(low_sum[i], high_sum[i]));
  return all;
}

void main() {
  const uint lane = gl_LocalInvocationID.x, vocab = p[1];
  temperature = uintBitsToFloat(p[2]);
  uint key = 0u, id = 0xffffffffu;
  bool finite = true;
  for (uint i = lane; i < vocab; i += kLanes) {
    const float value = x[p[0] + i];
    finite = finite && IsFinite(value);
    // Both zeros are equal numbers.
    const uint k = KeyOf(value == 0.0 ? 0.0 : value);
    if (id == 0xffffffffu || k > key) {
      key = k;
      id = i;
    }
  }
  best_key[lane] = finite ? key : 0xffffffffu;
  best_id[lane] = id;
  barrier();
  for (uint w = kLanes / 2u; w > 0u; w /= 2u) {
    if (lane < w) {
      const uint k = best_key[lane + w], other = best_id[lane + w];
      if (k > best_key[lane] || (k == best_key[lane] && other < best_id[lane])) {
        best_key[lane] = k;
        best_id[lane] = other;
      }
    }
    barrier();
  }
  if (best_key[0] == 0xffffffffu || temperature == 0.0) {
    if (lane == 0u) {
      o[0] = best_key[0] == 0xffffffffu ? 2u : 1u;
      o[1] = best_id[0];
    }
    return;
  }
  largest = x[p[0] + best_id[0]];
  top_key = nucleus_key = 0u;
  top_limit = nucleus_limit = 0xffffffffu;
  least_weight = 0u;
  uvec2 missing;
  if (p[3] != 0u && p[3] < vocab) {
    const uint k = Threshold(false, uvec2(p[3], 0u), missing);
    top_limit = LimitOf(k, missing.x, false);
    top_key = k;
  }
  if (p[4] < 16777216u) {
    const uvec2 all = Total();
    barrier();
    // all * top_p, rounded up.
    uvec2 a = Multiply(all.x, p[4]), b = Multiply(all.y, p[4]);
    uvec2 want = Add(uvec2(a.x >> 24 | a.y << 8, a.y >> 24), uvec2(b.x << 8, b.x >> 24 | b.y << 8));
    if ((a.x & 0xffffffu) != 0u) want = Add(want, uvec2(1u, 0u));
    const uint k = Threshold(true, want, missing);
    // How many of that key: missing / weight, rounded up, at least one.
    const uint weight = max(WeightOf(uintBitsToFloat((k & 0x80000000u) != 0u ? k & 0x7fffffffu : ~k)), 1u);
    uint n = uint((float(missing.x) + 4294967296.0 * float(missing.y)) / float(weight));
    while (n > 0u && !Less(Multiply(n, weight), missing)) --n;
    while (Less(Multiply(n, weight), missing)) ++n;
    nucleus_limit = LimitOf(k, max(n, 1u), true);
    nucleus_key = k;
  }
  least_weight = p[5];
  const uvec2 all = Total();
  const uvec2 a = Multiply(all.x, p[6]), b = Multiply(all.y, p[6]);
  const uvec2 target = Add(b, uvec2(a.y, 0u));
  // low_sum and high_sum still hold the lanes' sums.
  uvec2 before = uvec2(0u);
  for (uint i = 0u; i < lane; ++i) before = Add(before, uvec2(low_sum[i], high_sum[i]));
  const uvec2 after = Add(before, uvec2(low_sum[lane], high_sum[lane]));
  if (!Less(target, before) && Less(target, after)) {
    const uint each = (vocab + kLanes - 1u) / kLanes, end = min((lane + 1u) * each, vocab);
    for (uint i = lane * each; i < end; ++i) {
      const float y = Scaled(i);
      const uint weight = WeightOf(y);
      if (!Stays(KeyOf(y), i, weight)) continue;
      before = Add(before, uvec2(weight, 0u));
      if (Less(target, before)) {
        o[0] = 1u;
        o[1] = i;
        break;
      }
    }
  }
}
