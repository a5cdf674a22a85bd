// Products with Q4_1, Q5_0, Q5_1 and the types of formats/quant/codes.h. One token reads the packed weights as they are. For more, some blocks
// of them are first expanded to bytes and F32 scales, in the stack and so in the first cache, where few kernels, shared
// by all types, take them to many tokens.

// --- bodies: part g of half h of a block, quants 16h + 4g .. + 3 of 16 rows. Where g shifts bits, loops
// over it are unrolled; elsewhere that would only be larger.

struct Nibbles {
  static constexpr bool kShifted = false;
  static constexpr uint64_t kBytes = 256;
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    const I8x64 both = LoadBytes(w + 64 * g);
    return h == 0 ? LowNibbles(both) : HighNibbles(both);
  }
};
SAMARA_INLINE uint64_t LoadBits(const uint8_t* p) {
  uint64_t bits;
  __builtin_memcpy(&bits, p, 8);
  return bits;
}

struct FiveBits {
  static constexpr bool kShifted = false;
  static constexpr uint64_t kBytes = 320;
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    return AddHighBits(Nibbles::Part(w + 64, h, g), LoadBits(w + 8 * (4 * h + g)));
  }
};
// Less 16, as signed bytes: the fifth bit, turned over, is copied to the sign and above.
struct SignedFiveBits : FiveBits {
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    return OrBytes(Nibbles::Part(w + 64, h, g), HighOnes(~LoadBits(w + 8 * (4 * h + g))));
  }
};
struct SixBits {
  static constexpr bool kShifted = true;
  static constexpr uint64_t kBytes = 384;
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    return OrBytes(Nibbles::Part(w + 128, h, g), Field(LoadBytes(w + 64 * h), 2 * g - 4, 48));
  }
};
struct TwoBits {
  static constexpr bool kShifted = true;
  static constexpr uint64_t kBytes = 128;
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    return Field(LoadBytes(w + 64 * h), 2 * g, 3);
  }
};
struct ThreeBits {
  static constexpr bool kShifted = true;
  static constexpr uint64_t kBytes = 192;
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    return OrBytes(TwoBits::Part(w + 64, h, g), Field(LoadBytes(w), 4 * h + g - 2, 4));
  }
};
struct Iq4Nibbles : Nibbles {
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    static constexpr int8_t kTable[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
    return Lookup(kTable, Nibbles::Part(w, h, g));
  }
};
struct Fp4Nibbles : Nibbles {
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    static constexpr int8_t kTable[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return Lookup(kTable, Nibbles::Part(w, h, g));
  }
};
struct Bytes {
  static constexpr bool kShifted = false;
  static constexpr uint64_t kBytes = 512;
  static SAMARA_INLINE I8x64 Part(const uint8_t* w, int h, int g) {
    return LoadBytes(w + 64 * (4 * h + g));
  }
};

// --- headers: the scales of the blocks of a unit, one after the other, as F32: [scale or minimum][16 rows] for a
// block or, where halves have their own, for each half

SAMARA_INLINE const uint16_t* Halves(const uint8_t* p) {
  return reinterpret_cast<const uint16_t*>(p);
}

struct Q41Scales {
  static constexpr uint64_t kUnit = 1, kHeader = 64;
  const uint8_t* header;
  SAMARA_INLINE explicit Q41Scales(const uint8_t* h) : header(h) {}
  SAMARA_INLINE void Next(float* out) {
    Store(out, LoadHalf(Halves(header)));
    Store(out + 16, LoadHalf(Halves(header + 32)));
  }
};
// Six bits of scales, and of minimums or the second halves' scales, these less 32.
template <bool kMinimum>
struct SixBitScales {
  static constexpr uint64_t kUnit = 8, kHeader = 256;
  F32x16 d, second;
  I32x16 a, b, high, high_b;
  SAMARA_INLINE explicit SixBitScales(const uint8_t* header)
      : d(LoadHalf(Halves(header))),
        second(kMinimum ? Mul(LoadHalf(Halves(header + 32)), Set(-1.0f)) : d),
        a(LoadInt(header + 64)),
        b(LoadInt(header + 128)) {
    const I32x16 both = LoadInt(header + 192);
    high = ShiftLeft<4>(both);
    high_b = ShiftRight<12>(both);
  }
  SAMARA_INLINE void Next(float* out) {
    const I32x16 four = SetInt(15), two = SetInt(48);
    I32x16 s = OrInt(AndInt(a, four), AndInt(high, two));
    I32x16 m = OrInt(AndInt(b, four), AndInt(high_b, two));
    if constexpr (!kMinimum) {
      s = SubInt(s, SetInt(32));
      m = SubInt(m, SetInt(32));
    }
    Store(out, Mul(d, ToFloat(s)));
    Store(out + 16, Mul(second, ToFloat(m)));
    a = ShiftRight<4>(a);
    b = ShiftRight<4>(b);
    high = ShiftRight<2>(high);
    high_b = ShiftRight<2>(high_b);
  }
};
using MinimumScales = SixBitScales<true>;
using Q3Scales = SixBitScales<false>;
struct Q6Scales {
  static constexpr uint64_t kUnit = 8, kHeader = 320;
  F32x16 d;
  const int8_t* codes;
  SAMARA_INLINE explicit Q6Scales(const uint8_t* header)
      : d(LoadHalf(Halves(header))), codes(reinterpret_cast<const int8_t*>(header + 64)) {}
  SAMARA_INLINE void Next(float* out) {
    Store(out, Mul(d, LoadInt8(codes)));
    Store(out + 16, Mul(d, LoadInt8(codes + 16)));
    codes += 32;
  }
};
struct Q2Scales {
  static constexpr uint64_t kUnit = 8, kHeader = 320;
  F32x16 d, m;
  I32x16 codes[4];  // scales of both halves, minimums of both
  SAMARA_INLINE explicit Q2Scales(const uint8_t* header)
      : d(LoadHalf(Halves(header))), m(Mul(LoadHalf(Halves(header + 32)), Set(-1.0f))) {
    SAMARA_UNROLL for (int part = 0; part < 4; ++part) {
      codes[part] = LoadInt(header + 64 + 64 * part);
    }
  }
  SAMARA_INLINE void Next(float* out) {
    SAMARA_UNROLL for (int part = 0; part < 4; ++part) {
      Store(out + (part % 2 * 2 + part / 2) * 16,
            Mul(part < 2 ? d : m, ToFloat(AndInt(codes[part], SetInt(15)))));
      codes[part] = ShiftRight<4>(codes[part]);
    }
  }
};
struct Iq4XsScales {
  static constexpr uint64_t kUnit = 8, kHeader = 128;
  F32x16 d;
  I32x16 high, low;
  SAMARA_INLINE explicit Iq4XsScales(const uint8_t* header)
      : d(LoadHalf(Halves(header))),
        high(ShiftLeft<4>(LoadUint16(Halves(header + 32)))),
        low(LoadInt(header + 64)) {}
  SAMARA_INLINE void Next(float* out) {
    const I32x16 code = OrInt(AndInt(low, SetInt(15)), AndInt(high, SetInt(48)));
    Store(out, Mul(d, ToFloat(SubInt(code, SetInt(32)))));
    low = ShiftRight<4>(low);
    high = ShiftRight<2>(high);
  }
};
struct PairScales {
  static constexpr uint64_t kUnit = 2, kHeader = 64;
  const uint8_t* header;
  SAMARA_INLINE explicit PairScales(const uint8_t* h) : header(h) {}
  SAMARA_INLINE void Next(float* out) {
    Store(out, LoadHalf(Halves(header)));
    header += 32;
  }
};
struct Fp4Scales {
  static constexpr uint64_t kUnit = 4, kHeader = 64;
  const uint8_t* header;
  SAMARA_INLINE explicit Fp4Scales(const uint8_t* h) : header(h) {}
  // 2^(e - 128); the first two are subnormal.
  SAMARA_INLINE void Next(float* out) {
    const I32x16 e = LoadUint8(header);
    const I32x16 normal = ShiftLeft<23>(SubInt(e, SetInt(1)));
    const I32x16 tiny = ShiftLeft<21>(AddInt(e, SetInt(1)));
    Store(out, Select(Less(ToFloat(e), Set(2.0f)), AsFloat(tiny), AsFloat(normal)));
    header += 16;
  }
};

// --- codecs

// kIndex: from Codec::kQ4_1 on; kHalved: scales for each 16.
template <typename BodyOf, typename DotType, bool kSignedOf, bool kHalvedOf, bool kMinimumOf>
struct CodesForm {
  using Body = BodyOf;
  using Dot = DotType;
  static constexpr bool kSigned = kSignedOf, kHalved = kHalvedOf, kMinimum = kMinimumOf;
  static constexpr uint64_t kSums = kHalved ? 2 : 1, kScales = kSums * (kMinimum ? 2 : 1);
};
template <int kIndexOf, typename Form, typename ScalesOf, typename WideOf>
struct CodesCodec : Form {
  using Scales = ScalesOf;
  using Wide = WideOf;
  static constexpr int kIndex = kIndexOf;
  static constexpr uint64_t kUnit = Scales::kUnit, kHeader = Scales::kHeader;
};
using WideMinimum = CodesForm<Bytes, Dot5, false, false, true>;
using WideHalved = CodesForm<Bytes, Dot6, false, true, false>;
using WideHalvedMinimum = CodesForm<Bytes, Dot4, false, true, true>;
using WideSigned = CodesForm<Bytes, Dot8, true, false, false>;
using CodecQ4_1 =
    CodesCodec<0, CodesForm<Nibbles, Dot4, false, false, true>, Q41Scales, WideMinimum>;
using CodecQ5_0 =
    CodesCodec<1, CodesForm<SignedFiveBits, Dot8, true, false, false>, PairScales, WideSigned>;
using CodecQ5_1 =
    CodesCodec<2, CodesForm<FiveBits, Dot5, false, false, true>, Q41Scales, WideMinimum>;
using CodecQ2_K =
    CodesCodec<3, CodesForm<TwoBits, Dot4, false, true, true>, Q2Scales, WideHalvedMinimum>;
using CodecQ3_K =
    CodesCodec<4, CodesForm<ThreeBits, Dot4, false, true, false>, Q3Scales, WideHalved>;
using CodecQ4_K =
    CodesCodec<5, CodesForm<Nibbles, Dot4, false, false, true>, MinimumScales, WideMinimum>;
using CodecQ5_K =
    CodesCodec<6, CodesForm<FiveBits, Dot5, false, false, true>, MinimumScales, WideMinimum>;
using CodecQ6_K = CodesCodec<7, CodesForm<SixBits, Dot6, false, true, false>, Q6Scales, WideHalved>;
using CodecIQ4_NL =
    CodesCodec<8, CodesForm<Iq4Nibbles, Dot8, true, false, false>, PairScales, WideSigned>;
using CodecIQ4_XS =
    CodesCodec<9, CodesForm<Iq4Nibbles, Dot8, true, false, false>, Iq4XsScales, WideSigned>;
using CodecMXFP4 =
    CodesCodec<10, CodesForm<Fp4Nibbles, Dot8, true, false, false>, Fp4Scales, WideSigned>;

// --- one block

// Integer dots of a half of a block, or of both (2): the bodies of 16 rows at w[v] times kT tokens.
template <typename C, int kV, int kT>
SAMARA_INLINE void CodesDots(int half, const uint8_t* const (&w)[kV], uint64_t width,
                             const int8_t* q, const int32_t* start, I32x16 (&out)[kV][kT]) {
  constexpr int kHalves = C::kHalved ? 1 : 2;
#if defined(__ARM_FEATURE_MATMUL_INT8)
  if constexpr (kV == 1 && kT % 2 == 0) {
    DotPair dot[kT / 2];
    for (int t = 0; t < kT; t += 2) dot[t / 2].Start(start[t], start[t + 1]);
    SAMARA_UNROLL for (int g = 0; g < 4; g += 2) {
      for (int own = 0; own < kHalves; ++own) {
        const int h = C::kHalved ? half : own;
        const WeightPairs pairs =
            PairGroups(C::Body::Part(w[0], h, g), C::Body::Part(w[0], h, g + 1));
        const int8_t* tokens = q + static_cast<uint64_t>(4 * h + g) * width * 4;
        for (int t = 0; t < kT; t += 2) dot[t / 2].Add(pairs, tokens + t * 8);
      }
    }
    for (int t = 0; t < kT; t += 2) {
      out[0][t] = dot[t / 2].First();
      out[0][t + 1] = dot[t / 2].Second();
    }
    return;
  }
#endif
  typename C::Dot dot[kV][kT];
  for (int t = 0; t < kT; ++t) {
    for (int v = 0; v < kV; ++v) dot[v][t].Start(SetInt(start[t]));
  }
  const auto add = [&](int g) SAMARA_INLINE_LAMBDA {
    SAMARA_UNROLL for (int own = 0; own < kHalves; ++own) {
      const int h = C::kHalved ? half : own;
      const int8_t* tokens = q + static_cast<uint64_t>(4 * h + g) * width * 4;
      if constexpr (C::kSigned) {
        Weights8 part[kV];
        for (int v = 0; v < kV; ++v) part[v] = Prepare8(C::Body::Part(w[v], h, g));
        AddTokens(part, tokens, dot);
      } else {
        I8x64 part[kV];
        for (int v = 0; v < kV; ++v) part[v] = C::Body::Part(w[v], h, g);
        AddTokens(part, tokens, dot);
      }
    }
    if (g == 1 && !C::kHalved) {
      for (int v = 0; v < kV; ++v) {
        for (int t = 0; t < kT; ++t) dot[v][t].Half();
      }
    }
  };
  if constexpr (C::Body::kShifted || kV * kT > 8) {
    SAMARA_UNROLL for (int g = 0; g < 4; ++g) add(g);
  } else {
    _Pragma("GCC unroll 1") for (int g = 0; g < 4; ++g) add(g);
  }
  for (int v = 0; v < kV; ++v) {
    for (int t = 0; t < kT; ++t) out[v][t] = dot[v][t].Sum();
  }
}

// One sub-block into the accumulators.
template <typename C, int kV, int kT, typename Acc>
SAMARA_INLINE void SubBlock(int half, const uint8_t* const (&w)[kV],
                            const float* const (&scales)[kV], uint64_t width, const int8_t* q,
                            const float* d, const int32_t* sums, Acc* acc) {
  if (half == 1) sums += width;
  // Where the integer dots begin: with the bias's correction.
  int32_t zero[kT] = {};
  const int32_t* start = sums;
  if (C::kMinimum || (C::kSigned && kOffset8 == 0)) start = zero;
  I32x16 ints[kV][kT];
  CodesDots<C, kV, kT>(half, w, width, q, start, ints);
  acc->NextBlock();
  F32x16 s[kV], m[kV];
  for (int v = 0; v < kV; ++v) {
    const float* own = scales[v] + (half == 1 ? (C::kMinimum ? 32 : 16) : 0);
    s[v] = Load(own);
    if constexpr (C::kMinimum) m[v] = Load(own + 16);
  }
  for (int t = 0; t < kT; ++t) {
    const F32x16 own = Set(d[t]);
    float sum;
    __builtin_memcpy(&sum, sums + t, 4);
    for (int v = 0; v < kV; ++v) {
      if constexpr (C::kMinimum) {
        acc->AddProducts(v, t, Mul(s[v], own), ToFloat(ints[v][t]), m[v], Set(sum));
      } else {
        acc->AddProduct(v, t, Mul(s[v], own), ToFloat(ints[v][t]));
      }
    }
  }
}
template <typename C, int kV, int kT, typename Acc>
SAMARA_INLINE void CodesBlock(const uint8_t* const (&w)[kV], const float* const (&scales)[kV],
                              uint64_t width, const int8_t* q, const float* d, const int32_t* sums,
                              Acc* acc) {
  if constexpr (C::kHalved && C::Body::kBytes == Bytes::kBytes) {
    _Pragma("GCC unroll 1") for (int half = 0; half < 2; ++half) {
      SubBlock<C, kV, kT>(half, w, scales, width, q, d, sums, acc);
    }
  } else if constexpr (C::kHalved) {
    SubBlock<C, kV, kT>(0, w, scales, width, q, d, sums, acc);
    SubBlock<C, kV, kT>(1, w, scales, width, q, d, sums, acc);
  } else {
    SubBlock<C, kV, kT>(2, w, scales, width, q, d, sums, acc);
  }
}

// --- one token

template <typename C>
SAMARA_NOINLINE void CodesOneToken(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                                   uint64_t token) {
  const uint64_t blocks = (args.cols + 31) / 32;
  // Where a block is so small that arithmetic bounds it, its scales are made beside its products, which hide that;
  // else those of a unit, and the stream of weights flows better.
  constexpr bool kEach = C::kHalved && C::Body::kBytes <= 192;
  alignas(64) float scales[(kEach ? 1 : C::kUnit) * C::kScales * 16];
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    const int8_t* q = args.q + token * blocks * 32;
    const float* d = args.d + token * blocks;
    const int32_t* sums = args.sums + token * blocks * C::kSums;
    const uint8_t* w[1] = {args.weights + tile * args.tile_bytes};
    F32x16 sum = Set(0.0f);
    OneAccumulator acc = {&sum};
    for (uint64_t b = 0; b < blocks; b += C::kUnit) {
      const uint64_t n = blocks - b < C::kUnit ? blocks - b : C::kUnit;
      typename C::Scales stream(w[0]);
      w[0] += C::kHeader;
      if constexpr (!kEach) {
        for (uint64_t i = 0; i < n; ++i) stream.Next(scales + i * C::kScales * 16);
      }
      const float* own[1] = {scales};
      for (uint64_t i = 0; i < n; ++i) {
        if constexpr (kEach) stream.Next(scales);
        PrefetchFar(w[0] + kPrefetchBytes);
        CodesBlock<C, 1, 1>(w, own, 1, q, d, sums, &acc);
        w[0] += C::Body::kBytes;
        if constexpr (!kEach) own[0] += C::kScales * 16;
        q += 32;
        ++d;
        sums += C::kSums;
      }
    }
    Finish(args, tile * 16, token, sum);
  }
}

// --- more tokens

inline constexpr uint64_t kWideBlocks = 8;  // expanded at a time: a multiple of every unit
template <typename Wide>
inline constexpr uint64_t kWideBytes = Wide::kScales * 64 + Bytes::kBytes;
inline constexpr uint64_t kMaxWideBytes = 4 * 64 + 512;

// n blocks from a unit's header on: of each its scales, then its quants as bytes.
template <typename C>
SAMARA_NOINLINE void ExpandCodes(const uint8_t* w, uint64_t n, uint8_t* out) {
  for (uint64_t b = 0; b < n; b += C::kUnit) {
    const uint64_t in_unit = n - b < C::kUnit ? n - b : C::kUnit;
    typename C::Scales stream(w);
    w += C::kHeader;
    for (uint64_t i = 0; i < in_unit; ++i) {
      stream.Next(reinterpret_cast<float*>(out));
      PrefetchFar(w + kPrefetchBytes);
      uint8_t* bytes = out + C::kScales * 64;
      for (int h = 0; h < 2; ++h) {
        _Pragma("GCC unroll 1") for (int g = 0; g < 4; ++g) {
          StoreBytes(bytes + 64 * (4 * h + g), C::Body::Part(w, h, g));
        }
      }
      w += C::Body::kBytes;
      out += kWideBytes<C>;
    }
  }
}

// n expanded blocks of kV tiles, `w_stride` bytes apart, times a tile of `width` tokens.
struct WideTask {
  const uint8_t* w;
  uint64_t w_stride, n;
  const int8_t* q;
  const int8_t* next;  // the quants that will be wanted after these, to fetch meanwhile
  const float* d;
  const int32_t* sums;
  uint64_t width;
  float* partial;  // [token][vector], `stride` vectors a token
  uint64_t stride;
};
template <typename Wide, int kV, uint64_t kT>
SAMARA_NOINLINE void WideTokens(const WideTask& task) {
  const uint64_t width = kV == 2 ? kT : task.width, stride = kV == 2 ? 2 : task.stride;
  for (uint64_t t = 0; t < width; t += kT) {
    const int8_t* q = task.q + t * kInt8TokenBytes;
    const int8_t* next = task.next + t * task.n * 32;
    const float* d = task.d + t;
    const int32_t* sums = task.sums + t;
    const uint8_t* w[kV];
    const float* scales[kV];
    for (int v = 0; v < kV; ++v) w[v] = task.w + static_cast<uint64_t>(v) * task.w_stride;
    Accumulators<kV, kT, kV * kT <= kInt8Kept> acc(task.partial + t * stride * 16, stride);
    for (uint64_t b = 0; b < task.n; ++b) {
      if constexpr (kV * kT > kInt8Kept) {
        for (uint64_t line = 0; line < 32 * kT; line += 64) Prefetch(next + line);
        next += 32 * kT;
      }
      for (int v = 0; v < kV; ++v) {
        scales[v] = reinterpret_cast<const float*>(w[v]);
        w[v] += Wide::kScales * 64;
      }
      CodesBlock<Wide, kV, kT>(w, scales, width, q, d, sums, &acc);
      for (int v = 0; v < kV; ++v) w[v] += Bytes::kBytes;
      q += 32 * width;
      d += width;
      sums += width * Wide::kSums;
    }
    acc.Flush();
  }
}

struct CodesForms {
  const CodesParts* parts;
  void (*eight)(const WideTask& task);
  void (*four)(const WideTask& task);
  void (*rest)(const WideTask& task);
  uint64_t vectors;  // of `eight` and `four`
  uint64_t unit, unit_bytes, wide_bytes, sums;
};
template <typename C>
#if defined(SAMARA_CODES_EXPANDED)
inline constexpr CodesParts kCodesPartsOf = {nullptr, ExpandCodes<C>};
#else
inline constexpr CodesParts kCodesPartsOf = {CodesOneToken<C>, ExpandCodes<C>};
#endif
// Q2_K, with four numbers a block, is too rare for forms of several tiles.
template <typename Wide>
inline constexpr int kWideVectors = Wide::kHalved&& Wide::kMinimum ? 1 : kInt8Vectors;
template <typename C>
inline constexpr CodesForms kCodesFormsOf = {
#if defined(SAMARA_CODES_PARTS)
    SAMARA_CODES_PARTS + C::kIndex,
#else
    &kCodesPartsOf<C>,
#endif
    WideTokens<typename C::Wide, kWideVectors<typename C::Wide>,
               (kWideVectors<typename C::Wide> == 1 && kInt8Vectors == 2 ? 2
                : kFormTokens < 8                                        ? kFormTokens
                                                                         : 8)>,
    WideTokens<typename C::Wide, kWideVectors<typename C::Wide>,
               (kWideVectors<typename C::Wide> == 1 && kInt8Vectors == 2 ? 2
                : kFormTokens < 4                                        ? kFormTokens
                                                                         : 4)>,
    WideTokens<typename C::Wide, 1, (kFormTokens < 2 ? kFormTokens : 2)>,
    kWideVectors<typename C::Wide>,
    C::kUnit,
    C::kHeader + C::kUnit* C::Body::kBytes,
    kWideBytes<C>,
    C::kSums,
};

SAMARA_SHARED void CodesRows(const LinearArgs& args, const CodesForms& forms, uint64_t tile,
                             uint64_t vectors, uint64_t token_begin, uint64_t token_end) {
  const uint64_t blocks = (args.cols + 31) / 32, tokens = token_end - token_begin;
  alignas(64) float partial[kMaxTaskTokens * kInt8Vectors * 16];
  alignas(64) uint8_t wide[kInt8Vectors * kWideBlocks * kMaxWideBytes];
  for (uint64_t i = 0; i < tokens * vectors; ++i) Store(partial + i * 16, Set(0.0f));
  WideTask task;
  task.w_stride = kWideBlocks * forms.wide_bytes;
  task.stride = vectors;
  for (uint64_t b = 0; b < blocks; b += kWideBlocks) {
    task.n = blocks - b < kWideBlocks ? blocks - b : kWideBlocks;
    for (uint64_t v = 0; v < vectors; ++v) {
      forms.parts->expand(
          args.weights + (tile + v) * args.tile_bytes + b / forms.unit * forms.unit_bytes, task.n,
          wide + v * task.w_stride);
    }
    for (uint64_t t = token_begin; t < token_end;) {
      const uint64_t width = TileWidth(t, token_end);
      float* own = partial + (t - token_begin) * vectors * 16;
      task.w = wide;
      task.q = args.q + (t * blocks + b * width) * 32;
      task.next = args.q + ((t + width) * blocks + b * width) * 32;
      task.d = args.d + t * blocks + b * width;
      task.sums = args.sums + (t * blocks + b * width) * forms.sums;
      task.width = width;
      task.partial = own;
      if (vectors == forms.vectors && width >= 4) {
        (width == 8 ? forms.eight : forms.four)(task);
      } else {
        for (uint64_t v = 0; v < vectors; ++v) {
          task.w = wide + v * task.w_stride;
          task.partial = own + v * 16;
          forms.rest(task);
        }
      }
      if (b + kWideBlocks >= blocks) {
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

SAMARA_SHARED void LinearCodesForms(const LinearArgs& args, const CodesForms& forms,
                                    uint64_t tile_begin, uint64_t tile_end, uint64_t token_begin,
                                    uint64_t token_end) {
  for (uint64_t begin = token_begin; begin < token_end; begin += kMaxTaskTokens) {
    uint64_t end = begin + kMaxTaskTokens < token_end ? begin + kMaxTaskTokens : token_end;
    if (end % 2 != begin % 2 && forms.parts->one != nullptr)
      forms.parts->one(args, tile_begin, tile_end, --end);
    if (begin == end) break;
    for (uint64_t tile = tile_begin; tile < tile_end;) {
      const bool several = end - begin >= 4 && tile + kInt8Vectors <= tile_end;
      const uint64_t vectors = several ? forms.vectors : 1;
      CodesRows(args, forms, tile, vectors, begin, end);
      tile += vectors;
    }
  }
}

template <typename C>
void LinearCodes(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                 uint64_t token_begin, uint64_t token_end) {
  LinearCodesForms(args, kCodesFormsOf<C>, tile_begin, tile_end, token_begin, token_end);
}

// Rows of a table.
#define SAMARA_CODES_LINEARS                                                                      \
  LinearCodes<CodecQ4_1>, LinearCodes<CodecQ5_0>, LinearCodes<CodecQ5_1>, LinearCodes<CodecQ2_K>, \
      LinearCodes<CodecQ3_K>, LinearCodes<CodecQ4_K>, LinearCodes<CodecQ5_K>,                     \
      LinearCodes<CodecQ6_K>, LinearCodes<CodecIQ4_NL>, LinearCodes<CodecIQ4_XS>,                 \
      LinearCodes<CodecMXFP4>
#define SAMARA_CODES_PARTS_TABLE                                                        \
  {                                                                                     \
    kCodesPartsOf<CodecQ4_1>, kCodesPartsOf<CodecQ5_0>, kCodesPartsOf<CodecQ5_1>,       \
        kCodesPartsOf<CodecQ2_K>, kCodesPartsOf<CodecQ3_K>, kCodesPartsOf<CodecQ4_K>,   \
        kCodesPartsOf<CodecQ5_K>, kCodesPartsOf<CodecQ6_K>, kCodesPartsOf<CodecIQ4_NL>, \
        kCodesPartsOf<CodecIQ4_XS>, kCodesPartsOf<CodecMXFP4>                           \
  }
