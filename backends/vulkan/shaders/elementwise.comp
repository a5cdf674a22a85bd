#version 450
#include "common.glsl"
#include "functions.glsl"

// One element of the output an iteration; operands broadcast.
// Push constants: 4 a tensor: a, b, c, out; then the value of a constant.
layout(constant_id = 1) const uint kCode = 0;       // OpCode
layout(constant_id = 2) const uint kInType = 0;     // of a and b (of select: of a branch, c is the condition)
layout(constant_id = 3) const uint kOutType = 0;
layout(constant_id = 4) const uint kInputs = 1;
layout(constant_id = 5) const uint kAxis = 0;       // iota, counted as in d

layout(set = 0, binding = 1) readonly buffer A { uint a[]; };
layout(set = 0, binding = 2) readonly buffer B { uint b[]; };
layout(set = 0, binding = 3) readonly buffer C { uint c_words[]; };
layout(set = 0, binding = 4) buffer Out { uint o[]; };

uint Unary(uint x) {
  const float f = uintBitsToFloat(x);
  switch (kCode) {
    case 20u: return x ^ 0x80000000u;
    case 21u: return floatBitsToUint(Exp(f));
    case 22u: return floatBitsToUint(Log(f));
    case 23u: return floatBitsToUint(sqrt(f));
    case 24u: return floatBitsToUint(Sin(f));
    case 25u: return floatBitsToUint(Cos(f));
    case 26u: return floatBitsToUint(Tanh(f));
    case 27u: return floatBitsToUint(Erf(f));
    case 28u: return floatBitsToUint(floor(f));
    default: break;
  }
  // Cast.
  if (kOutType == kI32) {
    return f > -2147483904.0 && f < 2147483648.0 ? uint(int(f)) : 0x80000000u;
  }
  if (kInType == kI32) return floatBitsToUint(float(int(x)));
  return x != 0u ? 0x3f800000u : 0u;
}

uint Binary(uint x, uint y) {
  const float f = uintBitsToFloat(x), g = uintBitsToFloat(y);
  switch (kCode) {
    case 1u: return floatBitsToUint(f + g);
    case 2u: return floatBitsToUint(f - g);
    case 3u: return floatBitsToUint(f * g);
    case 4u: return floatBitsToUint(f / g);
    case 5u: return f < g ? x : y;
    case 6u: return f > g ? x : y;
    default: break;
  }
  bool yes;
  if (kInType == kI32) {
    yes = kCode == 10u ? x == y : kCode == 11u ? x != y : kCode == 12u ? int(x) < int(y) : int(x) <= int(y);
  } else {
    yes = kCode == 10u ? f == g : kCode == 11u ? f != g : kCode == 12u ? f < g : f <= g;
  }
  return yes ? 1u : 0u;
}

void main() {
  const Tensor ta = MakeTensor(0), tb = MakeTensor(4), tc = MakeTensor(8), out_ = MakeTensor(12);
  const uint n = Elements(out_);
  for (uint i = gl_GlobalInvocationID.x; i < n; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
    uint c[kAxes];
    Coordinates(out_, i, c);
    uint value;
    if (kCode == 30u) {
      value = p[16];
    } else if (kCode == 31u) {
      value = c[kAxis];
    } else {
      const uint at_a = Broadcast(ta, c);
      uint x = kInType == kBool ? a[at_a >> 2] >> (8u * (at_a & 3u)) & 255u : a[at_a];
      if (kInputs == 1u) {
        value = Unary(x);
      } else {
        const uint y = b[Broadcast(tb, c)];
        if (kInputs == 2u) {
          value = Binary(x, y);
        } else {
          const uint at_c = Broadcast(tc, c);
          value = (c_words[at_c >> 2] >> (8u * (at_c & 3u)) & 255u) != 0u ? x : y;
        }
      }
    }
    const uint to = At(out_, c);
    if (kOutType == kBool) {
      // Its neighbours in the word belong to others.
      const uint shift = 8u * (to & 3u);
      atomicAnd(o[to >> 2], ~(255u << shift));
      atomicOr(o[to >> 2], value << shift);
    } else {
      o[to] = value;
    }
  }
}
