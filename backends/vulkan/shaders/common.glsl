// What every shader shares: the step buffer, push constants, strided tensors.
//
// Buffers are arrays of 32-bit words whatever they hold, so that no shader needs 8- or 16-bit storage.
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;  // constant 0 of every shader is the size of its workgroup

// Words 0..255: values of dimensions; then arguments of indirect dispatches; then the block of StepParams.
layout(set = 0, binding = 0) readonly buffer Step { uint step_words[]; };
const uint kStepBlock = 4096u;  // words before the block; kStepHeadBytes / 4 of the host

layout(push_constant) uniform Push { uint p[32]; };

uint Dimension(uint index) { return step_words[index]; }

uint Tokens() { return step_words[kStepBlock]; }

// TokenParams: 12 words. `tokens` is the word where the array begins in the block.
uint TokenSequence(uint tokens, uint t) { return step_words[kStepBlock + tokens + t * 12u + 6u]; }
uint TokenSlot(uint tokens, uint t) { return step_words[kStepBlock + tokens + t * 12u + 7u]; }
// The visible slots, narrowed to the last `window` ones if window > 0.
uvec2 TokenVisible(uint tokens, uint t, uint window) {
  const uint at = kStepBlock + tokens + t * 12u + 8u;
  uvec2 range = uvec2(step_words[at], step_words[at + 1u]);
  if (window > 0u && range.y > window) range.x = max(range.x, range.y - window);
  return range;
}

// Where a group's slots lie: 4 push constants from `at` on.
struct Group {
  uint tokens, seqs, tables;  // words of the block where these arrays begin
  uint index;                 // of the group
  uint blocks, pool;          // of a sequence, of the pool
};
Group MakeGroup(uint at) {
  Group g;
  g.tokens = p[at];
  g.seqs = p[at + 1u];
  g.tables = p[at + 2u];
  g.index = p[at + 3u];
  g.blocks = p[at + 4u];
  g.pool = p[at + 5u];
  return g;
}
// Physical block of a sequence's logical block. A broken table gives the pool's last block: no access leaves it.
uint PhysicalBlock(Group g, uint sequence, uint block) {
  const uint first = step_words[kStepBlock + g.seqs + sequence * 10u + 6u + g.index];
  return min(step_words[kStepBlock + g.tables + first + block % g.blocks], g.pool - 1u);
}

const uint kAxes = 6u;

// A tensor with its dimensions at the end of d; strides count elements. Four push constants: offset of the first
// element in its binding, stride of the first dimension, indices of the dimensions (a byte each), the last byte
// the place of the first dimension in d. Index 0 stands for the dimension 1.
struct Tensor {
  uint offset;
  uint d[kAxes];
  uint stride[kAxes];
};
Tensor MakeTensor(uint at) {
  Tensor t;
  t.offset = p[at];
  const uint a = p[at + 2u], b = p[at + 3u];
  t.d[0] = Dimension(a & 255u);
  t.d[1] = Dimension(a >> 8 & 255u);
  t.d[2] = Dimension(a >> 16 & 255u);
  t.d[3] = Dimension(a >> 24);
  t.d[4] = Dimension(b & 255u);
  t.d[5] = Dimension(b >> 8 & 255u);
  const uint first = b >> 24;
  uint stride = 1u;
  for (uint i = kAxes; i > 0u; --i) {
    t.stride[i - 1u] = i - 1u == first ? p[at + 1u] : stride;
    stride *= t.d[i - 1u];
  }
  return t;
}
uint Elements(Tensor t) { return t.d[0] * t.d[1] * t.d[2] * t.d[3] * t.d[4] * t.d[5]; }
void Coordinates(Tensor t, uint n, out uint c[kAxes]) {
  for (uint i = kAxes; i > 0u; --i) {
    c[i - 1u] = n % t.d[i - 1u];
    n /= t.d[i - 1u];
  }
}
uint At(Tensor t, uint c[kAxes]) {
  uint at = t.offset;
  for (uint i = 0u; i < kAxes; ++i) at += c[i] * t.stride[i];
  return at;
}
// Dimensions of size 1 are repeated.
uint Broadcast(Tensor t, uint c[kAxes]) {
  uint at = t.offset;
  for (uint i = 0u; i < kAxes; ++i) at += t.d[i] == 1u ? 0u : c[i] * t.stride[i];
  return at;
}

const uint kF32 = 0u, kI32 = 1u, kBool = 2u;  // element types of generic shaders
