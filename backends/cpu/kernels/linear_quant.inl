// Products with quantized weights: tiles of 16 rows, blocks of 32 k. Lanes are rows; block dots are
// exact integers.

// kBits of a quant, its bias, and whether a minimum is added (then blocks stand alone, else in
// pairs).
template <int kBitsOf, int kBiasOf, bool kMinimumOf>
struct QuantCodec {
  static constexpr int kBits = kBitsOf;
  static constexpr int kBias = kBiasOf;
  static constexpr bool kMinimum = kMinimumOf;
  static constexpr uint64_t kQuantBytes = kBits == 8 ? 512 : 256;
  static constexpr uint64_t kBodyBytes = kQuantBytes + (kBits == 5 ? 64 : 0);
};
using CodecQ8_0 = QuantCodec<8, 0, false>;
using CodecQ4_0 = QuantCodec<4, 8, false>;
using CodecQ4_1 = QuantCodec<4, 0, true>;
using CodecQ5_0 = QuantCodec<5, 16, false>;
using CodecQ5_1 = QuantCodec<5, 0, true>;

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

// One block: body of 16 rows times kT tokens.
template <typename C, int kT, int kW>
SAMARA_INLINE void BlockDots(const uint8_t* body, const int8_t* q, const int32_t* sums,
                             I32x16 (&out)[kT]) {
  typename DotOf<C::kBits>::Type dot[kT];
  constexpr int32_t kOffset = C::kBits == 8 ? kOffset8 : C::kBias;
  for (int t = 0; t < kT; ++t) dot[t].Start(kOffset == 0 ? 0 : -kOffset * sums[t]);
  if constexpr (C::kBits == 8) {
    for (int g = 0; g < 8; ++g) {
      const auto w = Prepare8(LoadBytes(body + 64 * g));
      for (int t = 0; t < kT; ++t) dot[t].Add(w, Broadcast4(q + (g * kW + t) * 4));
    }
  } else {
    const uint8_t* quants = body + (C::kBits == 5 ? 64 : 0);
    for (int g = 0; g < 4; ++g) {
      const I8x64 both = LoadBytes(quants + 64 * g);
      I8x64 low = LowNibbles(both), high = HighNibbles(both);
      if constexpr (C::kBits == 5) {
        uint64_t low_bits, high_bits;
        __builtin_memcpy(&low_bits, body + 8 * g, 8);
        __builtin_memcpy(&high_bits, body + 8 * (g + 4), 8);
        low = AddHighBits(low, low_bits);
        high = AddHighBits(high, high_bits);
      }
      for (int t = 0; t < kT; ++t) {
        dot[t].Add(low, Broadcast4(q + (g * kW + t) * 4));
        dot[t].Add(high, Broadcast4(q + ((g + 4) * kW + t) * 4));
      }
      if (g == 1) {
        for (int t = 0; t < kT; ++t) dot[t].Half();
      }
    }
  }
  for (int t = 0; t < kT; ++t) out[t] = dot[t].Sum();
}

template <typename C, int kT, int kW>
SAMARA_INLINE void QuantTile(const LinearArgs& args, const uint8_t* w, const int8_t* q,
                             const float* d, const int32_t* sums, uint64_t row, uint64_t token) {
  F32x16 acc[kT];
  for (int t = 0; t < kT; ++t) acc[t] = Set(0.0f);
  const uint64_t blocks = (args.cols + 31) / 32;
  const uint8_t* scales = w;
  for (uint64_t b = 0; b < blocks; ++b) {
    // A scale line stands before each block with a minimum, before each pair of blocks without.
    if (C::kMinimum || b % 2 == 0) {
      scales = w;
      w += 64;
    }
    if (kW <= 2) {
      for (uint64_t line = 0; line < C::kBodyBytes + 32; line += 64)
        Prefetch(w + kPrefetchBytes + line);
    }
    const uint64_t second = C::kMinimum ? 0 : b % 2 * 32;
    const F32x16 dw = LoadHalf(reinterpret_cast<const uint16_t*>(scales + second));
    I32x16 ints[kT];
    BlockDots<C, kT, kW>(w, q, sums, ints);
    for (int t = 0; t < kT; ++t) acc[t] = Fma(Mul(dw, Set(d[t])), ToFloat(ints[t]), acc[t]);
    if constexpr (C::kMinimum) {
      const F32x16 mw = LoadHalf(reinterpret_cast<const uint16_t*>(scales + 32));
      for (int t = 0; t < kT; ++t) {
        acc[t] = Fma(Mul(mw, Set(d[t])), Set(static_cast<float>(sums[t])), acc[t]);
      }
    }
    w += C::kBodyBytes;
    q += 32 * kW;
    d += kW;
    sums += kW;
  }
  for (int t = 0; t < kT; ++t) Finish(args, row, token + static_cast<uint64_t>(t), acc[t]);
}

template <typename C, int kW>
void QuantTokens(const LinearArgs& args, const uint8_t* w, uint64_t row, uint64_t token) {
  constexpr int kT = kW < kInt8Tokens ? kW : kInt8Tokens;
  const uint64_t blocks = (args.cols + 31) / 32;
  for (int t = 0; t < kW; t += kT) {
    QuantTile<C, kT, kW>(args, w, args.q + token * blocks * 32 + t * 4, args.d + token * blocks + t,
                         args.sums + token * blocks + t, row, token + static_cast<uint64_t>(t));
  }
}

template <typename C>
void LinearQuant(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                 uint64_t token_begin, uint64_t token_end) {
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    const uint8_t* w = args.weights + tile * args.tile_bytes;
    for (uint64_t t = token_begin; t < token_end;) {
      const uint64_t width = TileWidth(t, token_end);
      switch (width) {
        case 8:
          QuantTokens<C, 8>(args, w, tile * 16, t);
          break;
        case 4:
          QuantTokens<C, 4>(args, w, tile * 16, t);
          break;
        case 2:
          QuantTokens<C, 2>(args, w, tile * 16, t);
          break;
        default:
          QuantTokens<C, 1>(args, w, tile * 16, t);
          break;
      }
      t += width;
    }
  }
}
