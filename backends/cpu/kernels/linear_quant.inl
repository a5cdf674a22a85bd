// Products with quantized weights: tiles of 16 rows, blocks of 32 k. Lanes are rows; block dots are
// exact integers.

template <int kBits>
struct DotOf;
template <>
struct DotOf<8> {
  using Type = Dot8;
};
template <>
struct DotOf<5> {
  using Type = Dot5;
};
template <>
struct DotOf<4> {
  using Type = Dot4;
};

// Integer dots of one block: the bodies of 16 rows at w[v] times kT tokens.
template <typename C, int kV, int kT>
SAMARA_INLINE void BlockDots(const uint8_t* const (&w)[kV], uint64_t width, const int8_t* q,
                             const int32_t* sums, I32x16 (&out)[kV][kT]) {
  typename DotOf<C::kBits>::Type dot[kV][kT];
  constexpr bool kCorrected = !C::kMinimum && (C::kBits == 8 ? kOffset8 : C::kBias) != 0;
  for (uint64_t t = 0; t < kT; ++t) {
    const I32x16 start = kCorrected ? SetInt(sums[t]) : SetInt(0);
    for (int v = 0; v < kV; ++v) dot[v][t].Start(start);
  }
  if constexpr (C::kBits == 8) {
    SAMARA_UNROLL for (uint64_t g = 0; g < 8; ++g) {
      Weights8 row[kV];
      for (int v = 0; v < kV; ++v) row[v] = Prepare8(LoadBytes(w[v] + 64 * g));
      for (uint64_t t = 0; t < kT; ++t) {
        const auto a = Broadcast4(q + (g * width + t) * 4);
        for (int v = 0; v < kV; ++v) dot[v][t].Add(row[v], a);
      }
    }
  } else {
    SAMARA_UNROLL for (uint64_t g = 0; g < 4; ++g) {
      I8x64 low[kV], high[kV];
      for (int v = 0; v < kV; ++v) {
        const I8x64 both = LoadBytes(w[v] + (C::kBits == 5 ? 64 : 0) + 64 * g);
        low[v] = LowNibbles(both);
        high[v] = HighNibbles(both);
        if constexpr (C::kBits == 5) {
          uint64_t low_bits, high_bits;
          __builtin_memcpy(&low_bits, w[v] + 8 * g, 8);
          __builtin_memcpy(&high_bits, w[v] + 8 * (g + 4), 8);
          low[v] = AddHighBits(low[v], low_bits);
          high[v] = AddHighBits(high[v], high_bits);
        }
      }
      for (uint64_t t = 0; t < kT; ++t) {
        const auto a = Broadcast4(q + (g * width + t) * 4);
        for (int v = 0; v < kV; ++v) dot[v][t].Add(low[v], a);
        const auto b = Broadcast4(q + ((g + 4) * width + t) * 4);
        for (int v = 0; v < kV; ++v) dot[v][t].Add(high[v], b);
      }
      if (g == 1) {
        for (int v = 0; v < kV; ++v) {
          for (uint64_t t = 0; t < kT; ++t) dot[v][t].Half();
        }
      }
    }
  }
  for (int v = 0; v < kV; ++v) {
    for (uint64_t t = 0; t < kT; ++t) out[v][t] = dot[v][t].Sum();
  }
}

// Accumulators of kV vectors of rows times kT tokens: in registers, or, where the integer dots fill
// those, in memory, which the first cache hides.
template <int kV, int kT, bool kKept>
struct Accumulators;
template <int kV, int kT>
struct Accumulators<kV, kT, true> {
  F32x16 acc[kV][kT];
  float* memory;
  SAMARA_INLINE explicit Accumulators(float* from) : memory(from) {
    for (int v = 0; v < kV; ++v) {
      for (int t = 0; t < kT; ++t) acc[v][t] = Load(memory + (t * kV + v) * 16);
    }
  }
  SAMARA_INLINE void AddProduct(int v, int t, F32x16 a, F32x16 b) {
    acc[v][t] = Fma(a, b, acc[v][t]);
  }
  SAMARA_INLINE void NextBlock() {}
  SAMARA_INLINE void Flush() {
    for (int v = 0; v < kV; ++v) {
      for (int t = 0; t < kT; ++t) Store(memory + (t * kV + v) * 16, acc[v][t]);
    }
  }
};
template <int kV, int kT>
struct Accumulators<kV, kT, false> {
  float* memory;
  SAMARA_INLINE explicit Accumulators(float* from) : memory(from) {}
  SAMARA_INLINE void AddProduct(int v, int t, F32x16 a, F32x16 b) {
    float* acc = memory + (t * kV + v) * 16;
    Store(acc, Fma(a, b, Load(acc)));
  }
  SAMARA_INLINE void NextBlock() { SAMARA_OPAQUE(memory); }  // no carrying over in registers
  SAMARA_INLINE void Flush() {}
};

// One block into the accumulators; its scales stand `scales` bytes before the body.
template <typename C, int kV, int kT, typename Acc>
SAMARA_INLINE void QuantBlock(const uint8_t* const (&w)[kV], int64_t scales, uint64_t width,
                              const int8_t* q, const float* d, const int32_t* sums, Acc* acc) {
  I32x16 ints[kV][kT];
  BlockDots<C, kV, kT>(w, width, q, sums, ints);
  acc->NextBlock();
  for (int v = 0; v < kV; ++v) {
    const auto* own = reinterpret_cast<const uint16_t*>(w[v] - scales);
    const F32x16 dw = LoadHalf(own);
    for (int t = 0; t < kT; ++t) acc->AddProduct(v, t, Mul(dw, Set(d[t])), ToFloat(ints[v][t]));
    if constexpr (C::kMinimum) {
      const F32x16 mw = LoadHalf(own + 16);
      for (int t = 0; t < kT; ++t) {
        float sum;
        __builtin_memcpy(&sum, sums + t, 4);
        acc->AddProduct(v, t, Mul(mw, Set(d[t])), Set(sum));
      }
    }
  }
}

// Where the line before this block begins in its tile; the block is even.
template <typename C>
SAMARA_INLINE uint64_t BlockOffset(uint64_t block) {
  return block * C::kBodyBytes + (C::kMinimum ? block : block / 2) * 64;
}

// Blocks [begin, end) of kV tiles times kT tokens of a token tile of this width; begin is even. kStream:
// the weights come from memory and are fetched ahead, in one ascending stream; else the activations
// at `next` are.
template <typename C, int kV, int kT, bool kStream>
SAMARA_INLINE void QuantTile(const uint8_t* tile, uint64_t tile_bytes, uint64_t begin, uint64_t end,
                             uint64_t width, const int8_t* q, const float* d, const int32_t* sums,
                             const int8_t* next, float* partial) {
  const uint64_t skipped = BlockOffset<C>(begin);
  const uint8_t* w[kV];
  for (int v = 0; v < kV; ++v) {
    w[v] = tile + static_cast<uint64_t>(v) * tile_bytes + skipped + 64;
    SAMARA_OPAQUE(w[v]);  // a register of its own, not a sum in every address
  }
  // Tiles that are read side by side make one stream together, so it runs ahead by all of them.
  const uint8_t* ahead = kV == 1 ? w[0] + kPrefetchBytes : tile + kV * (tile_bytes + skipped);
  q += begin * 32 * width;
  d += begin * width;
  sums += begin * width;
  Accumulators<kV, kT, kV * kT <= kInt8Kept> acc(partial);
  int64_t scales = 64;
  for (uint64_t b = begin; b < end; ++b) {
    if constexpr (kStream) {
      for (uint64_t line = 0; line < kV * (C::kBodyBytes + 64); line += 64) Prefetch(ahead + line);
    } else {
      for (uint64_t line = 0; line < 32 * kT; line += 64) Prefetch(next + line);
      next += 32 * kT;
    }
    QuantBlock<C, kV, kT>(w, scales, width, q, d, sums, &acc);
    // A scale line stands before each block with a minimum, before each pair of blocks without.
    const uint64_t step = C::kBodyBytes + (C::kMinimum || b % 2 != 0 ? 64 : 0);
    if (!C::kMinimum) scales = b % 2 != 0 ? 64 : static_cast<int64_t>(C::kBodyBytes) + 32;
    for (int v = 0; v < kV; ++v) w[v] += step;
    ahead += kV * step;
    q += 32 * width;
    d += width;
    sums += width;
  }
  acc.Flush();
}

// The same for all tokens of a token tile, kT at a time; partial is [token][vector][16].
template <typename C, int kV, int kT, bool kStream>
SAMARA_INLINE void QuantTokens(const LinearArgs& args, uint64_t tile, uint64_t token,
                               uint64_t width, uint64_t begin, uint64_t end, float* partial) {
  const uint64_t blocks = (args.cols + 31) / 32;
  const uint8_t* w = args.weights + tile * args.tile_bytes;
  for (uint64_t t = 0; t < width; t += kT) {
    QuantTile<C, kV, kT, kStream>(
        w, args.tile_bytes, begin, end, width, args.q + token * blocks * 32 + t * 4,
        args.d + token * blocks + t, args.sums + token * blocks + t,
        args.q + (token + width) * blocks * 32 + (begin * width + (end - begin) * t) * 32,
        partial + t * kV * 16);
  }
  // Here and not after the last token: the next tile's products hide the misses of these stores.
  if (end == blocks) FinishTile<kV>(args, tile * 16, token, width, partial);
}
// Fetches `lines` of each of kV tiles, `tile_bytes` apart.
template <int kV>
SAMARA_INLINE void Warm(const uint8_t* w, uint64_t tile_bytes, uint64_t bytes) {
  for (uint64_t line = 0; line < bytes; line += 64) {
    for (uint64_t v = 0; v < kV; ++v) PrefetchFar(w + v * tile_bytes + line);
  }
}
template <typename C, int kV, uint64_t kW>
SAMARA_NOINLINE void QuantTokensOf(const LinearArgs& args, uint64_t tile, uint64_t token,
                                   uint64_t begin, uint64_t end, float* partial) {
  constexpr uint64_t kT = kV * kW <= kInt8Tokens ? kW : kInt8Tokens / kV;
  QuantTokens<C, kV, kT, (kW < kTokenTile)>(args, tile, token, kW, begin, end, partial);
}

// Blocks whose weights stay in the first cache while many tokens use them.
template <typename C>
inline constexpr uint64_t kCachedBlocks = C::kBits == 8 ? 8 : 32;

template <typename C, int kV>
void QuantRows(const LinearArgs& args, uint64_t tile, uint64_t token_begin, uint64_t token_end) {
  const uint64_t blocks = (args.cols + 31) / 32, tokens = token_end - token_begin;
  alignas(64) float partial[kMaxTaskTokens * kV * 16];
  for (uint64_t i = 0; i < tokens * kV; ++i) Store(partial + i * 16, Set(0.0f));
  // Steps of about equal size, an even number of blocks each.
  const uint64_t steps =
      tokens < 2 * kTokenTile ? 1 : (blocks + kCachedBlocks<C> - 1) / kCachedBlocks<C>;
  const uint64_t step = (blocks + 2 * steps - 1) / (2 * steps) * 2;
  // The weights of the next step are fetched meanwhile, a share with each token tile.
  const uint64_t share = tokens < 2 * kTokenTile
                             ? 0
                             : (step * (C::kBodyBytes + 64) * kTokenTile / tokens + 63) / 64 * 64;
  for (uint64_t b = 0; b < blocks; b += step) {
    const uint64_t end = b + step < blocks ? b + step : blocks;
    const uint8_t* next = args.weights + tile * args.tile_bytes + BlockOffset<C>(end) +
                          (end == blocks ? (kV - 1) * args.tile_bytes : 0);
    for (uint64_t t = token_begin; t < token_end;) {
      const uint64_t width = TileWidth(t, token_end);
      float* own = partial + (t - token_begin) * kV * 16;
      Warm<kV>(next, args.tile_bytes, share);
      next += share;
      if constexpr (kInt8Tokens == 1) {  // one form for all widths: small code
        QuantTokens<C, 1, 1, false>(args, tile, t, width, b, end, own);
      } else if (width == 8) {
        QuantTokensOf<C, kV, 8>(args, tile, t, b, end, own);
      } else if (width == 4) {
        QuantTokensOf<C, kV, 4>(args, tile, t, b, end, own);
      } else if (width == 2) {
        QuantTokensOf<C, kV, 2>(args, tile, t, b, end, own);
      } else {
        QuantTokensOf<C, kV, 1>(args, tile, t, b, end, own);
      }
      t += width;
    }
  }
}

template <typename C>
void LinearQuant(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                 uint64_t token_begin, uint64_t token_end) {
  for (uint64_t begin = token_begin; begin < token_end; begin += kMaxTaskTokens) {
    const uint64_t end = begin + kMaxTaskTokens < token_end ? begin + kMaxTaskTokens : token_end;
    uint64_t tile = tile_begin;
    if constexpr (kInt8Vectors > 1) {
      if (end - begin >= 4) {
        for (; tile + kInt8Vectors <= tile_end; tile += kInt8Vectors)
          QuantRows<C, kInt8Vectors>(args, tile, begin, end);
      }
    }
    for (; tile < tile_end; ++tile) QuantRows<C, 1>(args, tile, begin, end);
  }
}

// Rows of a table.
#define SAMARA_QUANT_PACKS                                                                \
  PackQuant<CodecQ8_0>, PackQuant<CodecQ4_0>, PackQuant<CodecQ4_1>, PackQuant<CodecQ5_0>, \
      PackQuant<CodecQ5_1>
#define SAMARA_QUANT_LINEARS                                                                      \
  LinearQuant<CodecQ8_0>, LinearQuant<CodecQ4_0>, LinearQuant<CodecQ4_1>, LinearQuant<CodecQ5_0>, \
      LinearQuant<CodecQ5_1>
