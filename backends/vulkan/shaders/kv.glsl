// Elements of a pool: keys [dim][64], values [64][dim] of a head, which begins at word `head` of the pool.
// Needs kKv (0 F32, 1 F16, 2 Q8_0), and `uint name[]` as buffer.
#define KV_LOAD(name, head, part, dim, slot, d) \
  KvValue(kKv, KvWord(name, head, part, dim, slot, d), KvScale(name, head, dim, slot, d), \
          KvIndex(part, dim, slot, d))
uint KvIndex(uint part, uint dim, uint slot, uint d) {
  return part == 0u ? d * 64u + slot : slot * dim + d;
}
#define KvWord(name, head, part, dim, slot, d) \
  name[head + (KvIndex(part, dim, slot, d) >> (kKv == 0u ? 0u : kKv == 1u ? 1u : 2u))]
// The half with the scale of the run of 32 dims, behind the quants.
#define KvScale(name, head, dim, slot, d) \
  (kKv == 2u ? name[head + dim * 16u + ((d >> 5) * 64u + slot >> 1)] >> (16u * (slot & 1u)) & 0xffffu : 0u)
float KvValue(uint kv, uint word, uint scale, uint index) {
  if (kv == 0u) return uintBitsToFloat(word);
  if (kv == 1u) return HalfValue(word >> (16u * (index & 1u)) & 0xffffu);
  return HalfValue(scale) * float(bitfieldExtract(int(word), int(8u * (index & 3u)), 8));
}
