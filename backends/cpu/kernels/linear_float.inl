// Products with F32, F16 and BF16 weights. Lanes are rows; every output element has one
// accumulator.

struct WeightF32 {
  static constexpr uint64_t kStepBytes = 128;  // of one step of k in a tile
  static constexpr int kStep = 1;              // k a step
  // Adds the step's products in contract order: acc[v][t].
  template <int kV, int kT, int kW>
  static SAMARA_INLINE void Step(const uint8_t* w, const float* x, F32x16 (&acc)[kV][kT]) {
    F32x16 row[kV];
    for (int v = 0; v < kV; ++v) row[v] = Load(reinterpret_cast<const float*>(w) + 16 * v);
    for (int t = 0; t < kT; ++t) {
      const F32x16 a = Set(x[t]);
      for (int v = 0; v < kV; ++v) acc[v][t] = Fma(row[v], a, acc[v][t]);
    }
  }
  static constexpr uint64_t kVectorBytes = 64;
};
struct WeightF16 {
  static constexpr uint64_t kStepBytes = 64;
  static constexpr int kStep = 1;
  template <int kV, int kT, int kW>
  static SAMARA_INLINE void Step(const uint8_t* w, const float* x, F32x16 (&acc)[kV][kT]) {
    F32x16 row[kV];
    for (int v = 0; v < kV; ++v) row[v] = LoadHalf(reinterpret_cast<const uint16_t*>(w) + 16 * v);
    for (int t = 0; t < kT; ++t) {
      const F32x16 a = Set(x[t]);
      for (int v = 0; v < kV; ++v) acc[v][t] = Fma(row[v], a, acc[v][t]);
    }
  }
  static constexpr uint64_t kVectorBytes = 32;
};
struct WeightBf16 {
  static constexpr uint64_t kStepBytes = 128;
  static constexpr int kStep = 2;
  template <int kV, int kT, int kW>
  static SAMARA_INLINE void Step(const uint8_t* w, const float* x, F32x16 (&acc)[kV][kT]) {
    F32x16 even[kV], odd[kV];
    for (int v = 0; v < kV; ++v) {
      const I32x16 pair = LoadInt(w + 64 * v);
      even[v] = AsFloat(ShiftLeft<16>(pair));
      odd[v] = AsFloat(AndInt(pair, SetInt(static_cast<int32_t>(0xffff0000))));
    }
    for (int t = 0; t < kT; ++t) {
      const F32x16 a1 = Set(x[kW + t]);
      for (int v = 0; v < kV; ++v) acc[v][t] = Fma(odd[v], a1, acc[v][t]);
      const F32x16 a0 = Set(x[t]);
      for (int v = 0; v < kV; ++v) acc[v][t] = Fma(even[v], a0, acc[v][t]);
    }
  }
  static constexpr uint64_t kVectorBytes = 64;
};

// kV vectors of rows times kT tokens of a token tile of width kW.
template <typename W, int kV, int kT, int kW, bool kPrefetch>
SAMARA_INLINE void FloatTile(const LinearArgs& args, const uint8_t* w, const float* x, uint64_t row,
                             uint64_t token) {
  F32x16 acc[kV][kT];
  for (int v = 0; v < kV; ++v) {
    for (int t = 0; t < kT; ++t) acc[v][t] = Set(0.0f);
  }
  const uint64_t steps = (args.cols + W::kStep - 1) / W::kStep;
  for (uint64_t k = 0; k < steps; ++k) {
    if (kPrefetch) {
      for (uint64_t line = 0; line < W::kStepBytes; line += 64) Prefetch(w + kPrefetchBytes + line);
    }
    W::template Step<kV, kT, kW>(w, x, acc);
    w += W::kStepBytes;
    x += W::kStep * kW;
  }
  for (int t = 0; t < kT; ++t) {
    for (int v = 0; v < kV; ++v)
      Finish(args, row + static_cast<uint64_t>(16 * v), token + static_cast<uint64_t>(t),
             acc[v][t]);
  }
}

// All 32 rows, all kW tokens, in register blocks.
template <typename W, int kW>
void FloatTokens(const LinearArgs& args, const uint8_t* w, const float* x, uint64_t row,
                 uint64_t token) {
  if constexpr (kW == 1) {
    FloatTile<W, 2, 1, 1, true>(args, w, x, row, token);
  } else {
    constexpr int kT = kW < kFloatTokens ? kW : kFloatTokens;
    for (int v = 0; v < 2; v += kFloatRowVectors) {
      for (int t = 0; t < kW; t += kT) {
        FloatTile<W, kFloatRowVectors, kT, kW, kW <= 2>(
            args, w + W::kVectorBytes * static_cast<uint64_t>(v), x + t,
            row + static_cast<uint64_t>(16 * v), token + static_cast<uint64_t>(t));
      }
    }
  }
}

template <typename W>
void LinearFloat(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                 uint64_t token_begin, uint64_t token_end) {
  const uint64_t padded = (args.cols + W::kStep - 1) / W::kStep * W::kStep;
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    const uint8_t* w = args.weights + tile * args.tile_bytes;
    for (uint64_t t = token_begin; t < token_end;) {
      const uint64_t width = TileWidth(t, token_end);
      const float* x = args.f32 + t * padded;
      switch (width) {
        case 8:
          FloatTokens<W, 8>(args, w, x, tile * 32, t);
          break;
        case 4:
          FloatTokens<W, 4>(args, w, x, tile * 32, t);
          break;
        case 2:
          FloatTokens<W, 2>(args, w, x, tile * 32, t);
          break;
        default:
          FloatTokens<W, 1>(args, w, x, tile * 32, t);
          break;
      }
      t += width;
    }
  }
}
