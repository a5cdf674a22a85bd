// What several kernels share.

#if defined(__OPTIMIZE_SIZE__)
#define SAMARA_UNROLL
#else
#define SAMARA_UNROLL _Pragma("GCC unroll 8")
#endif
#define SAMARA_INLINE_LAMBDA __attribute__((always_inline))
#define SAMARA_NOINLINE __attribute__((noinline))
// One copy for all callers, whatever is known of their arguments.
#if defined(__clang__)
#define SAMARA_SHARED __attribute__((noinline))
#else
#define SAMARA_SHARED __attribute__((noinline, noclone))
#endif
// The compiler forgets what it knows of this pointer.
#define SAMARA_OPAQUE(pointer) asm("" : "+r"(pointer))

SAMARA_INLINE const float* At(const float* base, uint64_t bytes) {
  return reinterpret_cast<const float*>(reinterpret_cast<const uint8_t*>(base) + bytes);
}
SAMARA_INLINE float* At(float* base, uint64_t bytes) {
  return reinterpret_cast<float*>(reinterpret_cast<uint8_t*>(base) + bytes);
}

// Width of the tile that begins at token t of [.., end).
SAMARA_INLINE uint64_t TileWidth(uint64_t t, uint64_t end) {
  const uint64_t rest = end - t;
  return rest >= 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
}

inline constexpr uint64_t kPrefetchBytes = 4096;

// bias, residual and store of one vector of 16 rows for one token.
SAMARA_INLINE void Finish(const LinearArgs& args, uint64_t row, uint64_t token, F32x16 acc) {
  if (row >= args.rows) return;
  const uint64_t n = args.rows - row < 16 ? args.rows - row : 16;
  if (args.bias != nullptr) acc = Add(acc, LoadPartial(args.bias + row, n));
  if (args.residual != nullptr) {
    acc = Add(acc, LoadPartial(At(args.residual, token * args.residual_stride) + row, n));
  }
  StorePartial(At(args.y, token * args.y_stride) + row, acc, n);
}
// The same for kV vectors of n tokens, from partial[token][vector][16].
template <uint64_t kV>
SAMARA_INLINE void FinishTile(const LinearArgs& args, uint64_t row, uint64_t token, uint64_t n,
                              const float* partial) {
  if (row + kV * 16 > args.rows) {
    for (uint64_t t = 0; t < n; ++t) {
      for (uint64_t v = 0; v < kV; ++v)
        Finish(args, row + 16 * v, token + t, Load(partial + (t * kV + v) * 16));
    }
    return;
  }
  F32x16 bias[kV];
  for (uint64_t v = 0; v < kV; ++v)
    bias[v] = args.bias != nullptr ? Load(args.bias + row + 16 * v) : Set(0.0f);
  float* y = At(args.y, token * args.y_stride) + row;
  const float* residual =
      args.residual == nullptr ? nullptr : At(args.residual, token * args.residual_stride) + row;
  for (uint64_t t = 0; t < n; ++t) {
    for (uint64_t v = 0; v < kV; ++v) {
      F32x16 acc = Load(partial + (t * kV + v) * 16);
      if (args.bias != nullptr) acc = Add(acc, bias[v]);
      if (residual != nullptr) acc = Add(acc, Load(residual + 16 * v));
      Store(y + 16 * v, acc);
    }
    y = At(y, args.y_stride);
    if (residual != nullptr) residual = At(residual, args.residual_stride);
  }
}
