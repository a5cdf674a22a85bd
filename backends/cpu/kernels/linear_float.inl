// Products with F32, F16 and BF16 weights. Lanes are rows; every output element has one
// accumulator.

struct WeightF32 {
  static constexpr uint64_t kStepBytes = 128;  // of one step of k in a tile
  static constexpr int kStep = 1;              // k a step
  static constexpr int kWords = 1;             // words of packed activations a step and token
  static constexpr bool kWidens = false;
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
  static constexpr int kWords = 1;
  static constexpr bool kWidens = kFloatTokens > 1;  // where there are vectors
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
  static constexpr int kWords = 2;
  static constexpr bool kWidens = false;
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

#if defined(__AVX512BF16__)
// The instruction is fma(odd) then fma(even), as the contract, for the values that its packing
// leaves: Bf16DotIsExact().
struct WeightBf16Dot {
  static constexpr uint64_t kStepBytes = 128;
  static constexpr int kStep = 2;
  static constexpr int kWords = 1;
  static constexpr bool kWidens = false;
  template <int kV, int kT, int kW>
  static SAMARA_INLINE void Step(const uint8_t* w, const float* x, F32x16 (&acc)[kV][kT]) {
    I32x16 row[kV];
    for (int v = 0; v < kV; ++v) row[v] = LoadInt(w + 64 * v);
    for (int t = 0; t < kT; ++t) {
      const I32x16 a = AsInt(Set(x[t]));
      for (int v = 0; v < kV; ++v) acc[v][t] = DotBf16(acc[v][t], row[v], a);
    }
  }
  static constexpr uint64_t kVectorBytes = 64;
};
#endif

// `steps` steps of k for kV vectors of rows times kT tokens of a token tile of width kW.
template <typename W, int kV, int kT, int kW, bool kPrefetch>
SAMARA_INLINE void FloatSteps(const uint8_t* w, const float* x, uint64_t steps,
                              F32x16 (&acc)[kV][kT]) {
  for (uint64_t k = 0; k < steps; ++k) {
    if (kPrefetch && k % 4 == 0) PrefetchFar(w + kPrefetchBytes);  // as for quantized weights
    W::template Step<kV, kT, kW>(w, x, acc);
    w += W::kStepBytes;
    x += W::kWords * kW;
  }
}

template <typename W, int kV, int kT, int kW, bool kPrefetch>
SAMARA_INLINE void FloatTile(const LinearArgs& args, const uint8_t* w, const float* x, uint64_t row,
                             uint64_t token) {
  F32x16 acc[kV][kT];
  for (int v = 0; v < kV; ++v) {
    for (int t = 0; t < kT; ++t) acc[v][t] = Set(0.0f);
  }
  FloatSteps<W, kV, kT, kW, kPrefetch>(w, x, (args.cols + W::kStep - 1) / W::kStep, acc);
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

// F16 weights of many tokens: a run of k is widened once, into a buffer that the first cache holds,
// and then multiplied as F32.
inline constexpr uint64_t kWidened = 128;

template <int kW>
SAMARA_NOINLINE void WidenedTokens(const float* w, const float* x, uint64_t steps, float* partial) {
  constexpr int kT = kW < kFloatTokens ? kW : kFloatTokens;
  for (int v = 0; v < 2; v += kFloatRowVectors) {
    for (int t = 0; t < kW; t += kT) {
      F32x16 acc[kFloatRowVectors][kT];
      for (int i = 0; i < kFloatRowVectors; ++i) {
        for (int j = 0; j < kT; ++j) acc[i][j] = Load(partial + (t + j) * 32 + (v + i) * 16);
      }
      FloatSteps<WeightF32, kFloatRowVectors, kT, kW, false>(
          reinterpret_cast<const uint8_t*>(w + 16 * v), x + t, steps, acc);
      for (int i = 0; i < kFloatRowVectors; ++i) {
        for (int j = 0; j < kT; ++j) Store(partial + (t + j) * 32 + (v + i) * 16, acc[i][j]);
      }
    }
  }
}

[[maybe_unused]] SAMARA_NOINLINE void LinearWidened(const LinearArgs& args, uint64_t tile,
                                                    uint64_t token_begin, uint64_t token_end) {
  alignas(64) float wide[kWidened * 32];
  alignas(64) float partial[kMaxTaskTokens * 32];
  const uint8_t* w = args.weights + tile * args.tile_bytes;
  for (uint64_t i = 0; i < (token_end - token_begin) * 2; ++i) Store(partial + i * 16, Set(0.0f));
  const uint64_t tiles = (token_end - token_begin + kTokenTile - 1) / kTokenTile;
  const uint64_t ahead = (kWidened * WeightF16::kStepBytes / tiles + 63) / 64 * 64;
  for (uint64_t k = 0; k < args.cols; k += kWidened) {
    const uint64_t steps = args.cols - k < kWidened ? args.cols - k : kWidened;
    const auto* from = reinterpret_cast<const uint16_t*>(w + k * WeightF16::kStepBytes);
    for (uint64_t i = 0; i < steps * 2; ++i) Store(wide + 16 * i, LoadHalf(from + 16 * i));
    const uint8_t* next = w + (k + steps) * WeightF16::kStepBytes;
    for (uint64_t t = token_begin; t < token_end;) {
      const uint64_t width = TileWidth(t, token_end);
      float* own = partial + (t - token_begin) * 32;
      const float* x = args.f32 + t * args.cols + k * width;
      if (width == 8) {
        WidenedTokens<8>(wide, x, steps, own);
      } else if (width == 4) {
        WidenedTokens<4>(wide, x, steps, own);
      } else if (width == 2) {
        WidenedTokens<2>(wide, x, steps, own);
      } else {
        WidenedTokens<1>(wide, x, steps, own);
      }
      // What is widened next, a share with each token tile.
      for (uint64_t line = 0; line < ahead; line += 64) PrefetchFar(next + line);
      next += ahead;
      if (k + steps == args.cols) FinishTile<2>(args, tile * 32, t, width, own);
      t += width;
    }
  }
}

template <typename W>
void LinearFloat(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                 uint64_t token_begin, uint64_t token_end) {
  const uint64_t words = (args.cols + W::kStep - 1) / W::kStep * W::kWords;
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    if constexpr (W::kWidens) {
      if (token_end - token_begin >= 2 * kTokenTile) {
        for (uint64_t t = token_begin; t < token_end; t += kMaxTaskTokens)
          LinearWidened(args, tile, t,
                        t + kMaxTaskTokens < token_end ? t + kMaxTaskTokens : token_end);
        continue;
      }
    }
    const uint8_t* w = args.weights + tile * args.tile_bytes;
    for (uint64_t t = token_begin; t < token_end;) {
      const uint64_t width = TileWidth(t, token_end);
      const float* x = args.f32 + t * words;
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
