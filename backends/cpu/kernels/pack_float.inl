// Activations of a linear with float weights, packed by tiles of tokens as kernel_table.h describes.

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

// Pairs of rounded values in one word, the even one low: what a bf16 dot instruction takes.
[[maybe_unused]] void PackBf16Pairs(const PackArgs& args, uint64_t begin, uint64_t end) {
  const uint64_t words = (args.cols + 1) / 2;
  for (uint64_t t0 = begin; t0 < end;) {
    const uint64_t w = TileWidth(t0, end);
    float* out = args.f32 + t0 * words;
    for (uint64_t i = 0; i < w; ++i) {
      const float* x = At(args.x, (t0 + i) * args.x_stride);
      for (uint64_t k = 0; k < args.cols; k += 16) {
        const uint64_t lanes = args.cols - k < 16 ? args.cols - k : 16;
        float part[16];  // lanes past the end are zero
        Store(part, RoundBf16::Of(LoadPartial(x + k, lanes)));
        uint16_t halves[32];
        __builtin_memcpy(halves, part, 64);
        for (uint64_t j = 0; j < lanes; j += 2) {
          const uint16_t pair[2] = {halves[2 * j + 1], halves[2 * j + 3]};
          __builtin_memcpy(out + (k + j) / 2 * w + i, pair, 4);
        }
      }
    }
    t0 += w;
  }
}

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
