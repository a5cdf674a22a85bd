// Products with Q8_0 and Q4_0: tiles of 16 rows, blocks of 32 k. Lanes are rows; block dots are exact
// integers. The other types are in linear_codes.inl.

template <int kBits>
struct DotOf;
template <>
struct DotOf<8> {
  using Type = Dot8;
};
template <>
struct DotOf<4> {
  using Type = Dot4;
};

#if defined(__ARM_FEATURE_MATMUL_INT8)
// BlockDots of 16 rows for pairs of tokens.
template <typename C, int kT>
SAMARA_INLINE void PairDots(const uint8_t* w, uint64_t width, const int8_t* q, const int32_t* sums,
                            I32x16 (&out)[kT]) {
  DotPair dot[kT / 2];
  constexpr bool kCorrected = C::kBias != 0;
  for (int t = 0; t < kT; t += 2) {
    dot[t / 2].Start(kCorrected ? sums[t] : 0, kCorrected ? sums[t + 1] : 0);
  }
  SAMARA_UNROLL for (uint64_t g = 0; g < (C::kBits == 8 ? 8 : 4); g += 2) {
    const I8x64 a = LoadBytes(w + 64 * g), b = LoadBytes(w + 64 * g + 64);
    const int8_t* tokens = q + g * width * 4;
    if constexpr (C::kBits == 8) {
      const WeightPairs pairs = PairGroups(a, b);
      for (int t = 0; t < kT; t += 2) dot[t / 2].Add(pairs, tokens + t * 8);
    } else {
      const WeightPairs low = PairGroups(LowNibbles(a), LowNibbles(b));
      for (int t = 0; t < kT; t += 2) dot[t / 2].Add(low, tokens + t * 8);
      const WeightPairs high = PairGroups(HighNibbles(a), HighNibbles(b));
      for (int t = 0; t < kT; t += 2) dot[t / 2].Add(high, tokens + 16 * width + t * 8);
    }
  }
  for (int t = 0; t < kT; t += 2) {
    out[t] = dot[t / 2].First();
    out[t + 1] = dot[t / 2].Second();
  }
}
#endif

// Adds a group's products to the dots of kT tokens.
template <typename W, typename Dot, int kV, int kT>
SAMARA_INLINE void AddTokens(const W (&w)[kV], const int8_t* tokens, Dot (&dot)[kV][kT]) {
#if defined(__ARM_FEATURE_DOTPROD)
  if constexpr (kV == 1 && kT == 4) {  // one register holds all four
    const int8x16_t a = vld1q_s8(tokens);
    dot[0][0].template AddOf4<0>(w[0], a);
    dot[0][1].template AddOf4<1>(w[0], a);
    dot[0][2].template AddOf4<2>(w[0], a);
    dot[0][3].template AddOf4<3>(w[0], a);
    return;
  }
#endif
  for (int t = 0; t < kT; ++t) {
    const auto a = Broadcast4(tokens + 4 * t);
    for (int v = 0; v < kV; ++v) dot[v][t].Add(w[v], a);
  }
}

// Integer dots of one block: the bodies of 16 rows at w[v] times kT tokens.
template <typename C, int kV, int kT>
SAMARA_INLINE void BlockDots(const uint8_t* const (&w)[kV], uint64_t width, const int8_t* q,
                             const int32_t* sums, I32x16 (&out)[kV][kT]) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
  if constexpr (kV == 1 && kT % 2 == 0) return PairDots<C, kT>(w[0], width, q, sums, out[0]);
#endif
  typename DotOf<C::kBits>::Type dot[kV][kT];
  constexpr bool kCorrected = (C::kBits == 8 ? kOffset8 : C::kBias) != 0;
  for (uint64_t t = 0; t < kT; ++t) {
    const I32x16 start = kCorrected ? SetInt(sums[t]) : SetInt(0);
    for (int v = 0; v < kV; ++v) dot[v][t].Start(start);
  }
  if constexpr (C::kBits == 8) {
    SAMARA_UNROLL for (uint64_t g = 0; g < 8; ++g) {
      Weights8 row[kV];
      for (int v = 0; v < kV; ++v) row[v] = Prepare8(LoadBytes(w[v] + 64 * g));
      AddTokens(row, q + g * width * 4, dot);
    }
  } else {
    SAMARA_UNROLL for (uint64_t g = 0; g < 4; ++g) {
      I8x64 both[kV], part[kV];
      for (int v = 0; v < kV; ++v) {
        both[v] = LoadBytes(w[v] + 64 * g);
        part[v] = LowNibbles(both[v]);
      }
      AddTokens(part, q + g * width * 4, dot);
      for (int v = 0; v < kV; ++v) part[v] = HighNibbles(both[v]);
      AddTokens(part, q + (g + 4) * width * 4, dot);
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

// Accumulators of kV vectors of rows times kT tokens, `stride` vectors a token: in registers, or,
// where the integer dots fill those, in memory, which the first cache hides.
template <int kV, int kT, bool kKept>
struct Accumulators;
template <int kV, int kT>
struct Accumulators<kV, kT, true> {
  F32x16 acc[kV][kT];
  float* memory;
  uint64_t stride;
  SAMARA_INLINE Accumulators(float* from, uint64_t vectors) : memory(from), stride(vectors * 16) {
    for (int v = 0; v < kV; ++v) {
      for (uint64_t t = 0; t < kT; ++t) acc[v][t] = Load(memory + t * stride + v * 16);
    }
  }
  SAMARA_INLINE void AddProduct(int v, int t, F32x16 a, F32x16 b) {
    acc[v][t] = Fma(a, b, acc[v][t]);
  }
  SAMARA_INLINE void AddProducts(int v, int t, F32x16 a, F32x16 b, F32x16 c, F32x16 d) {
    acc[v][t] = Fma(c, d, Fma(a, b, acc[v][t]));
  }
  SAMARA_INLINE void NextBlock() {}
  SAMARA_INLINE void Flush() {
    for (int v = 0; v < kV; ++v) {
      for (uint64_t t = 0; t < kT; ++t) Store(memory + t * stride + v * 16, acc[v][t]);
    }
  }
};
template <int kV, int kT>
struct Accumulators<kV, kT, false> {
  float* memory;
  uint64_t stride;
  SAMARA_INLINE Accumulators(float* from, uint64_t vectors) : memory(from), stride(vectors * 16) {}
  SAMARA_INLINE void AddProduct(int v, int t, F32x16 a, F32x16 b) {
    float* acc = memory + static_cast<uint64_t>(t) * stride + v * 16;
    Store(acc, Fma(a, b, Load(acc)));
  }
  SAMARA_INLINE void AddProducts(int v, int t, F32x16 a, F32x16 b, F32x16 c, F32x16 d) {
    float* acc = memory + static_cast<uint64_t>(t) * stride + v * 16;
    Store(acc, Fma(c, d, Fma(a, b, Load(acc))));
  }
  SAMARA_INLINE void NextBlock() { SAMARA_OPAQUE(memory); }  // no carrying over in registers
  SAMARA_INLINE void Flush() {}
};

struct OneAccumulator {
  F32x16* acc;
  SAMARA_INLINE void NextBlock() {}
  SAMARA_INLINE void AddProduct(int, int, F32x16 a, F32x16 b) { *acc = Fma(a, b, *acc); }
  SAMARA_INLINE void AddProducts(int, int, F32x16 a, F32x16 b, F32x16 c, F32x16 d) {
    *acc = Fma(c, d, Fma(a, b, *acc));
  }
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
  }
}

// A scale line stands before each pair of blocks.

// Where the line before this block begins in its tile; the block is even.
SAMARA_INLINE uint64_t BlockOffset(uint64_t body_bytes, uint64_t block) {
  return block * body_bytes + block / 2 * 64;
}
// From the body of this block to the next one's; then `scales` is for that.
template <typename C>
SAMARA_INLINE uint64_t BlockStep(uint64_t block, int64_t* scales) {
  const bool line_follows = block % 2 != 0;
  *scales = line_follows ? 64 : static_cast<int64_t>(C::kBodyBytes) + 32;
  return C::kBodyBytes + (line_follows ? 64 : 0);
}

// Blocks [begin, end) of kV tiles times kT tokens of a token tile of this width; begin is even.
// Where the weights come from memory (`far` is not 0) they are fetched ahead, so many bytes a block,
// in one ascending stream; where many tokens follow, the activations at `next` are.
template <typename C, int kV, int kT>
SAMARA_INLINE void QuantTile(const uint8_t* tile, uint64_t tile_bytes, uint64_t begin, uint64_t end,
                             uint64_t width, const int8_t* q, const float* d, const int32_t* sums,
                             const int8_t* next, uint64_t far, float* partial, uint64_t stride) {
  const uint64_t skipped = BlockOffset(C::kBodyBytes, begin);
  const uint8_t* w[kV];
  for (int v = 0; v < kV; ++v) {
    w[v] = tile + static_cast<uint64_t>(v) * tile_bytes + skipped + 64;
    SAMARA_OPAQUE(w[v]);  // a register of its own, not a sum in every address
  }
  // Tiles that are read side by side make one stream together, so it runs ahead by all of them,
  // which is too far for the first cache.
  const uint8_t* ahead = tile + kV * (tile_bytes + skipped);
  q += begin * 32 * width;
  d += begin * width;
  sums += begin * width;
  Accumulators<kV, kT, kV * kT <= kInt8Kept> acc(partial, stride);
  int64_t scales = 64;
  for (uint64_t b = begin; b < end; ++b) {
    for (uint64_t line = 0; line < far; line += 64) PrefetchFar(ahead + line);
    if constexpr (kV * kT > kInt8Kept) {
      for (uint64_t line = 0; line < 32 * kT; line += 64) Prefetch(next + line);
      next += 32 * kT;
    }
    QuantBlock<C, kV, kT>(w, scales, width, q, d, sums, &acc);
    const uint64_t step = BlockStep<C>(b, &scales);
    for (int v = 0; v < kV; ++v) w[v] += step;
    ahead += kV * step;
    q += 32 * width;
    d += width;
    sums += width;
  }
  acc.Flush();
}

// One token: the weights go by once, as fast as memory gives them, so nothing else may take time.
template <typename C>
SAMARA_NOINLINE void QuantOneToken(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                                   uint64_t token) {
  const uint64_t blocks = (args.cols + 31) / 32;
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int8_t* q = args.q + token * blocks * 32;
    const float* d = args.d + token * blocks;
    const int32_t* sums = args.sums + token * blocks;
    const uint8_t* w[1] = {args.weights + tile * args.tile_bytes + 64};
    F32x16 sum = Set(0.0f);
    OneAccumulator acc = {&sum};
    int64_t scales = 64;
    for (uint64_t b = 0; b < blocks; ++b) {
      // One line a block keeps the processor's own prefetchers going past the end of a page; with
      // every line asked for by name they fall asleep, and the stream is a tenth slower.
      PrefetchFar(w[0] + kPrefetchBytes);
      QuantBlock<C, 1, 1>(w, scales, 1, q, d, sums, &acc);
      w[0] += BlockStep<C>(b, &scales);
      q += 32;
      ++d;
      ++sums;
    }
    Finish(args, tile * 16, token, sum);
  }
}

// All tokens of a token tile, kT at a time, with the blocks [begin, end) of kV tiles, into
// partial[token][vector], `stride` vectors a token.
using QuantTokensFn = void (*)(const LinearArgs& args, uint64_t tile, uint64_t token,
                               uint64_t width, uint64_t begin, uint64_t end, uint64_t far,
                               float* partial, uint64_t stride);
template <typename C, int kV, uint64_t kT>
SAMARA_NOINLINE void QuantTokens(const LinearArgs& args, uint64_t tile, uint64_t token,
                                 uint64_t width, uint64_t begin, uint64_t end, uint64_t far,
                                 float* partial, uint64_t stride) {
  if constexpr (kV == 2) {  // the form of one width, 8 or 4: constants
    width = kT;
    stride = kV;
    if (kT < kTokenTile) far = kV * (C::kBodyBytes + 64);  // which never harms
  }
  const uint64_t blocks = (args.cols + 31) / 32;
  const uint8_t* w = args.weights + tile * args.tile_bytes;
  for (uint64_t t = 0; t < width; t += kT) {
    QuantTile<C, kV, kT>(
        w, args.tile_bytes, begin, end, width, args.q + token * blocks * 32 + t * kInt8TokenBytes,
        args.d + token * blocks + t, args.sums + token * blocks + t,
        args.q + (token + width) * blocks * 32 + (begin * width + (end - begin) * t) * 32, far,
        partial + t * stride * 16, stride);
  }
}

// A codec's forms. There are few, for they are large: tiles of 8 and of 4 tokens for
// kInt8Vectors weight tiles at once, which is where the time goes, and one of 2 tokens (or of 1,
// where there are no vectors) for all that is left.
struct QuantForms {
  void (*one)(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end, uint64_t token);
  QuantTokensFn eight, four, rest;
  uint64_t body_bytes, cached_blocks;
};
inline constexpr uint64_t kFormTokens = kInt8Tokens / kInt8Vectors;  // of the largest form
template <typename C>
inline constexpr QuantForms kFormsOf = {
    QuantOneToken<C>,
    QuantTokens<C, kInt8Vectors, (kFormTokens < 8 ? kFormTokens : 8)>,
    QuantTokens<C, kInt8Vectors, (kFormTokens < 4 ? kFormTokens : 4)>,
    QuantTokens<C, 1, (kFormTokens < 2 ? kFormTokens : 2)>,
    C::kBodyBytes,
    C::kBits == 8 ? 8 : 32,
};

// Fetches `bytes` of each of `vectors` tiles, `tile_bytes` apart.
SAMARA_INLINE void Warm(const uint8_t* w, uint64_t vectors, uint64_t tile_bytes, uint64_t bytes) {
  for (uint64_t line = 0; line < bytes; line += 64) {
    for (uint64_t v = 0; v < vectors; ++v) PrefetchFar(w + v * tile_bytes + line);
  }
}

// An even number of tokens with kInt8Vectors tiles or with one.
SAMARA_SHARED void QuantRows(const LinearArgs& args, const QuantForms& forms, uint64_t tile,
                             uint64_t vectors, uint64_t token_begin, uint64_t token_end) {
  const uint64_t blocks = (args.cols + 31) / 32, tokens = token_end - token_begin;
  alignas(64) float partial[kMaxTaskTokens * kInt8Vectors * 16];
  for (uint64_t i = 0; i < tokens * vectors; ++i) Store(partial + i * 16, Set(0.0f));
  // Steps of about equal size, an even number of blocks each, whose weights stay in the first cache
  // while many tokens use them.
  const bool many = tokens >= 2 * kTokenTile;
  const uint64_t steps = many ? (blocks + forms.cached_blocks - 1) / forms.cached_blocks : 1;
  const uint64_t step = (blocks + 2 * steps - 1) / (2 * steps) * 2;
  // The next weights are fetched meanwhile: those of the next step, a share with each token tile, or
  // those of the next tiles, a share with each block of the first token tile.
  const uint64_t line_bytes = forms.body_bytes + 64;
  const uint64_t share = many ? (step * line_bytes * kTokenTile / tokens + 63) / 64 * 64 : 0;
  for (uint64_t b = 0; b < blocks; b += step) {
    const uint64_t end = b + step < blocks ? b + step : blocks;
    const uint8_t* next = args.weights + tile * args.tile_bytes +
                          BlockOffset(forms.body_bytes, end) +
                          (end == blocks ? (vectors - 1) * args.tile_bytes : 0);
    for (uint64_t t = token_begin; t < token_end;) {
      const uint64_t width = TileWidth(t, token_end);
      float* own = partial + (t - token_begin) * vectors * 16;
      const uint64_t far = many || t != token_begin ? 0 : vectors * line_bytes;
      Warm(next, vectors, args.tile_bytes, share);
      next += share;
      if (vectors == kInt8Vectors && width >= 4) {
        (width == 8 ? forms.eight : forms.four)(args, tile, t, width, b, end, far, own, vectors);
      } else {
        for (uint64_t v = 0; v < vectors; ++v)
          forms.rest(args, tile + v, t, width, b, end, far, own + v * 16, vectors);
      }
      // Here and not after the last token: the next products hide the misses of these stores.
      if (end == blocks) {
        if (vectors == 1) {
          FinishTile<1>(args, tile * 16, t, width, own);
        } else {
          FinishTile<kInt8Vectors>(args, tile * 16, t, width, own);
        }
      }
      t += width;
    }
  }
}

SAMARA_SHARED void LinearForms(const LinearArgs& args, const QuantForms& forms, uint64_t tile_begin,
                               uint64_t tile_end, uint64_t token_begin, uint64_t token_end) {
  for (uint64_t begin = token_begin; begin < token_end; begin += kMaxTaskTokens) {
    uint64_t end = begin + kMaxTaskTokens < token_end ? begin + kMaxTaskTokens : token_end;
    if (end % 2 != begin % 2) forms.one(args, tile_begin, tile_end, --end);
    if (begin == end) break;
    for (uint64_t tile = tile_begin; tile < tile_end;) {
      const bool several = end - begin >= 4 && tile + kInt8Vectors <= tile_end;
      const uint64_t vectors = several ? kInt8Vectors : 1;
      QuantRows(args, forms, tile, vectors, begin, end);
      tile += vectors;
    }
  }
}

template <typename C>
void LinearQuant(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                 uint64_t token_begin, uint64_t token_end) {
  LinearForms(args, kFormsOf<C>, tile_begin, tile_end, token_begin, token_end);
}

// Rows of a table.
#define SAMARA_QUANT_PACKS PackQuant<CodecQ8_0>, PackQuant<CodecQ4_0>
#define SAMARA_QUANT_LINEARS LinearQuant<CodecQ8_0>, LinearQuant<CodecQ4_0>
