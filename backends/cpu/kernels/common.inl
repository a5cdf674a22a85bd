// What several kernels share.

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
