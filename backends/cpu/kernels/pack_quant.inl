// Quantized codecs, and the activations of their linears: int8 blocks by tiles of tokens.

// kBits of a quant, and its bias.
template <int kBitsOf, int kBiasOf>
struct QuantCodec {
  static constexpr int kBits = kBitsOf;
  static constexpr int kBias = kBiasOf;
  static constexpr uint64_t kBodyBytes = kBits == 8 ? 512 : 256;
};
using CodecQ8_0 = QuantCodec<8, 0>;
using CodecQ4_0 = QuantCodec<4, 8>;

// One block of 32 values to int8: d * q approximates x, q in [-127, 127]. The sum, and that of the
// second half where `half` is wanted.
SAMARA_INLINE void PackBlock(F32x16 low, F32x16 high, int8_t* q, float* d, int32_t* sum,
                             int32_t* half) {
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
  if (half != nullptr) *half = SumOf(b);
}

// What `sums` becomes, as a codec's kernel wants it.
enum class Sums {
  kCorrection,  // the bias's correction of each block's integer dot
  kFloat,       // scale times sum as a float, for a minimum
};
// `halves`: of each half its own.
SAMARA_SHARED void PackQuantWith(const PackArgs& args, int32_t bias, Sums form, bool halves,
                                 uint64_t begin, uint64_t end) {
  const uint64_t sums_of_block = halves ? 2 : 1;
  const uint64_t blocks = (args.cols + 31) / 32;
  for (uint64_t t0 = begin; t0 < end;) {
    const uint64_t w = TileWidth(t0, end);
    for (uint64_t i = 0; i < w; ++i) {
      const float* x = At(args.x, (t0 + i) * args.x_stride);
      int8_t* q = args.q + t0 * blocks * 32 + i * kInt8TokenBytes;
      float* d = args.d + t0 * blocks + i;
      int32_t* sums = args.sums + t0 * blocks * sums_of_block + i;
      for (uint64_t b = 0; b < blocks; ++b, d += w, q += 32 * w, x += 32) {
        const uint64_t rest = args.cols - b * 32;
        F32x16 low, high;
        if (rest >= 32) {
          low = Load(x);
          high = Load(x + 16);
        } else {
          low = LoadPartial(x, rest < 16 ? rest : 16);
          high = rest > 16 ? LoadPartial(x + 16, rest - 16) : Set(0.0f);
        }
        int8_t block[32];
        int32_t sum[2];
        PackBlock(low, high, w == 1 ? q : block, d, sum, halves ? sum + 1 : nullptr);
        if (halves) sum[0] -= sum[1];
        for (uint64_t part = 0; part < sums_of_block; ++part, sums += w) {
          if (form == Sums::kFloat) {
            const float value = *d * static_cast<float>(sum[part]);
            __builtin_memcpy(sums, &value, 4);
          } else {
            *sums = -bias * sum[part];
          }
        }
        if (w > 1) {
          for (uint64_t j = 0; j < 32; j += kInt8TokenBytes)
            __builtin_memcpy(q + j * w, block + j, kInt8TokenBytes);
        }
      }
    }
    t0 += w;
  }
}
template <typename C>
void PackQuant(const PackArgs& args, uint64_t begin, uint64_t end) {
  PackQuantWith(args, C::kBits == 8 ? kOffset8 : C::kBias, Sums::kCorrection, false, begin, end);
}
void PackSums(const PackArgs& args, uint64_t begin, uint64_t end) {
  PackQuantWith(args, 0, Sums::kFloat, false, begin, end);
}
void PackHalfSums(const PackArgs& args, uint64_t begin, uint64_t end) {
  PackQuantWith(args, 0, Sums::kFloat, true, begin, end);
}
template <int32_t kBias>
void PackHalves(const PackArgs& args, uint64_t begin, uint64_t end) {
  PackQuantWith(args, kBias, Sums::kCorrection, true, begin, end);
}

// Rows of a table, of the types of linear_codes.inl: sums for minimums, of 32 or 16 values, for biases of halves, or
// as Q8_0.
#define SAMARA_CODES_PACKS                                                                   \
  PackSums, PackQuant<CodecQ8_0>, PackSums, PackHalfSums, PackHalves<4>, PackSums, PackSums, \
      PackHalves<32>, PackQuant<CodecQ8_0>, PackQuant<CodecQ8_0>, PackQuant<CodecQ8_0>
