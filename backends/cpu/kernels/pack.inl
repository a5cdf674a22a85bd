// Activations of a linear, packed by tiles of tokens as kernel_table.h describes.

struct KeepF32 {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return x; }
};
struct RoundBf16 {
  // Nearest even by integer arithmetic; small magnitudes become +0; NaN stays.
  static SAMARA_INLINE F32x16 Of(F32x16 x) {
    const I32x16 bits = AsInt(x);
    const I32x16 odd = AndInt(ShiftRight<16>(bits), SetInt(1));
    const F32x16 rounded = AsFloat(AndInt(AddInt(bits, AddInt(odd, SetInt(0x7fff))),
                                          SetInt(static_cast<int32_t>(0xffff0000))));
    const F32x16 a = Abs(x);
    const F32x16 finite_or_inf =
        Select(Less(Abs(rounded), Set(math::kBf16Tiny)), Set(0.0f), rounded);
    return Select(NonZero(AndInt(SubInt(SetInt(0x7f800000), AsInt(a)), SetInt(INT32_MIN))), x,
                  finite_or_inf);
  }
};

template <typename Function, int kKMultiple>
void PackFloat(const PackArgs& args, uint64_t begin, uint64_t end) {
  const uint64_t padded = (args.cols + kKMultiple - 1) / kKMultiple * kKMultiple;
  for (uint64_t t0 = begin; t0 < end;) {
    const uint64_t w = TileWidth(t0, end);
    float* out = args.f32 + t0 * padded;
    for (uint64_t i = 0; i < w; ++i) {
      const float* x = At(args.x, (t0 + i) * args.x_stride);
      for (uint64_t k = 0; k < args.cols; k += 16) {
        const uint64_t lanes = args.cols - k < 16 ? args.cols - k : 16;
        const F32x16 v = Function::Of(LoadPartial(x + k, lanes));
        if (w == 1) {
          StorePartial(out + k, v, lanes);
        } else {
          float part[16];
          Store(part, v);
          for (uint64_t j = 0; j < lanes; ++j) out[(k + j) * w + i] = part[j];
        }
      }
      for (uint64_t k = args.cols; k < padded; ++k) out[k * w + i] = 0.0f;
    }
    t0 += w;
  }
}

// One block of 32 values to int8: d * q approximates x, q in [-127, 127].
SAMARA_INLINE void PackBlock(F32x16 low, F32x16 high, int8_t* q, float* d, int32_t* sum) {
  // The maximum over bit patterns: as the values for finite x, and what is not finite stays visible
  // in d.
  const I32x16 magnitude = SetInt(0x7fffffff);
  const int32_t low_top = MaxOf(AndInt(AsInt(low), magnitude));
  const int32_t high_top = MaxOf(AndInt(AsInt(high), magnitude));
  const int32_t top = low_top > high_top ? low_top : high_top;
  float amax;
  __builtin_memcpy(&amax, &top, 4);
  I32x16 a = SetInt(0), b = SetInt(0);
  if (amax < math::kQ8Tiny) {
    *d = 0.0f;
  } else {
    *d = amax / 127.0f;
    if (top < 0x7f800000) {  // else d makes every result non-finite, and q must stay in range
      const F32x16 s = Set(127.0f / amax);
      a = ToInt(Rint(Mul(low, s)));
      b = ToInt(Rint(Mul(high, s)));
    }
  }
  StoreLowBytes(q, a);
  StoreLowBytes(q + 16, b);
  *sum = SumOf(AddInt(a, b));
}

void PackInt8(const PackArgs& args, uint64_t begin, uint64_t end) {
  const uint64_t blocks = (args.cols + 31) / 32;
  for (uint64_t t0 = begin; t0 < end;) {
    const uint64_t w = TileWidth(t0, end);
    for (uint64_t i = 0; i < w; ++i) {
      const float* x = At(args.x, (t0 + i) * args.x_stride);
      int8_t* q = args.q + t0 * blocks * 32 + i * 4;
      float* d = args.d + t0 * blocks + i;
      int32_t* sums = args.sums + t0 * blocks + i;
      for (uint64_t b = 0; b < blocks; ++b) {
        const uint64_t rest = args.cols - b * 32;
        const float* from = x + b * 32;
        int8_t block[32];
        int8_t* to = q + b * 32 * w;
        PackBlock(LoadPartial(from, rest < 16 ? rest : 16),
                  rest > 16 ? LoadPartial(from + 16, rest < 32 ? rest - 16 : 16) : Set(0.0f),
                  w == 1 ? to : block, d + b * w, sums + b * w);
        if (w > 1) {
          for (uint64_t g = 0; g < 8; ++g) __builtin_memcpy(to + g * 4 * w, block + g * 4, 4);
        }
      }
    }
    t0 += w;
  }
}
