// Row-wise kernels: norms, rotary embedding, gated units, state writes, maps, small products.

void RmsNorm(const RmsNormArgs& args, uint64_t begin, uint64_t end) {
  const uint64_t n = args.group;
  for (uint64_t t = begin; t < end; ++t) {
    const float* x = At(args.x, t * args.x_stride);
    float* y = At(args.y, t * args.y_stride);
    const float* weight = args.weight;
    const float* bias = args.bias;
    for (uint64_t g = 0; g < args.cols; g += n, x += n, y += n) {
      F32x16 sum = Set(0.0f), mean = Set(0.0f);  // x - 0 is x
      uint64_t i = 0;
      if (args.centred) {
        for (; i + 16 <= n; i += 16) sum = Add(sum, Load(x + i));
        if (i < n) sum = Add(sum, LoadPartial(x + i, n - i));
        mean = Set(Tree16(sum) / static_cast<float>(n));
        sum = Set(0.0f);
      }
      for (i = 0; i + 16 <= n; i += 16) {
        const F32x16 v = Sub(Load(x + i), mean);
        sum = Fma(v, v, sum);
      }
      if (i < n) {
        float rest[16];  // lanes beyond x add nothing
        Store(rest, Sub(LoadPartial(x + i, n - i), mean));
        const F32x16 v = LoadPartial(rest, n - i);
        sum = Fma(v, v, sum);
      }
      const F32x16 r = Set(1.0f / __builtin_sqrtf(Tree16(sum) / static_cast<float>(n) + args.eps));
      for (i = 0; i + 16 <= n; i += 16) {
        F32x16 v = Mul(Sub(Load(x + i), mean), r);
        if (weight != nullptr) v = Mul(v, Load(weight + i));
        if (bias != nullptr) v = Add(v, Load(bias + i));
        Store(y + i, v);
      }
      if (i < n) {
        F32x16 v = Mul(Sub(LoadPartial(x + i, n - i), mean), r);
        if (weight != nullptr) v = Mul(v, LoadPartial(weight + i, n - i));
        if (bias != nullptr) v = Add(v, LoadPartial(bias + i, n - i));
        StorePartial(y + i, v, n - i);
      }
      if (args.centred) {
        if (weight != nullptr) weight += n;
        if (bias != nullptr) bias += n;
      }
    }
  }
}

void RopeTable(const RopeTableArgs& args, uint64_t begin, uint64_t end) {
  const F32x16 factor = Set(args.factor);
  for (uint64_t t = begin; t < end; ++t) {
    int32_t position;
    __builtin_memcpy(&position, args.positions + t * args.positions_stride, 4);
    const F32x16 p = Set(static_cast<float>(position));
    float* y = At(args.y, t * args.y_stride);
    for (uint64_t i = 0; i < args.n; i += 16) {
      const uint64_t lanes = args.n - i < 16 ? args.n - i : 16;
      F32x16 s, c;
      SinCos(Mul(p, LoadPartial(args.inv_freq + i, lanes)), &s, &c);
      StorePartial(y + i, Mul(c, factor), lanes);
      StorePartial(y + args.n + i, Mul(s, factor), lanes);
    }
  }
}

void Rope(const RopeArgs& args, uint64_t begin, uint64_t end) {
  const uint64_t half = args.rotary / 2;
  for (uint64_t t = begin; t < end; ++t) {
    const float* cos = At(args.table, t * args.table_stride);
    const float* sin = cos + half;
    for (uint64_t h = 0; h < args.heads; ++h) {
      const float* x = At(args.x, t * args.x_stride) + h * args.head_dim;
      float* y = At(args.y, t * args.y_stride) + h * args.head_dim;
      if (args.interleaved) {
        for (uint64_t i = 0; i < half; ++i) {
          const float a = x[2 * i], b = x[2 * i + 1];
          y[2 * i] = __builtin_fmaf(a, cos[i], -(b * sin[i]));
          y[2 * i + 1] = __builtin_fmaf(b, cos[i], a * sin[i]);
        }
      } else {
        for (uint64_t i = 0; i < half; i += 16) {
          const uint64_t lanes = half - i < 16 ? half - i : 16;
          const F32x16 a = LoadPartial(x + i, lanes), b = LoadPartial(x + half + i, lanes);
          const F32x16 c = LoadPartial(cos + i, lanes), s = LoadPartial(sin + i, lanes);
          StorePartial(y + i, Fma(a, c, Negate(Mul(b, s))), lanes);
          StorePartial(y + half + i, Fma(b, c, Mul(a, s)), lanes);
        }
      }
      if (x != y) {
        for (uint64_t i = args.rotary; i < args.head_dim; ++i) y[i] = x[i];
      }
    }
  }
}

template <typename Act>
void Glu(const GluArgs& args, uint64_t begin, uint64_t end) {
  for (uint64_t t = begin; t < end; ++t) {
    const float* gate = At(args.x, t * args.x_stride);
    const float* up = gate + args.n;
    float* y = At(args.y, t * args.y_stride);
    uint64_t i = 0;
    for (; i + 16 <= args.n; i += 16) {
      const F32x16 v = Act::Of(Load(gate + i));
      Store(y + i, args.gated ? Mul(v, Load(up + i)) : v);
    }
    if (i < args.n) {
      const uint64_t lanes = args.n - i;
      const F32x16 v = Act::Of(LoadPartial(gate + i, lanes));
      StorePartial(y + i, args.gated ? Mul(v, LoadPartial(up + i, lanes)) : v, lanes);
    }
  }
}

// --- Slots

SAMARA_INLINE uint32_t Field(const uint8_t* p) {
  uint32_t v;
  __builtin_memcpy(&v, p, 4);
  return v;
}
SAMARA_INLINE const uint32_t* TokenTable(const StepAccess& step, uint64_t t) {
  const uint8_t* token = step.tokens + t * step.token_stride;
  return step.tables +
         Field(step.seqs + Field(token + step.seq_offset) * step.seq_stride + step.table_offset);
}

// How keys and values are kept; runtime/backend.h has the layouts.
struct KvF32 {
  using Type = float;
  static SAMARA_INLINE uint64_t HeadBytes(uint64_t dim) { return dim * 256; }
  static SAMARA_INLINE F32x16 Get(const float* p) { return Load(p); }
  static SAMARA_INLINE F32x16 GetPartial(const float* p, uint64_t n) { return LoadPartial(p, n); }
  static SAMARA_INLINE void Put(float* p, F32x16 v, uint64_t n) { StorePartial(p, v, n); }
};
struct KvF16 {
  using Type = uint16_t;
  static SAMARA_INLINE uint64_t HeadBytes(uint64_t dim) { return dim * 128; }
  static SAMARA_INLINE F32x16 Get(const uint16_t* p) { return LoadHalf(p); }
  static SAMARA_INLINE F32x16 GetPartial(const uint16_t* p, uint64_t n) {
    return LoadHalfPartial(p, n);
  }
  static SAMARA_INLINE void Put(uint16_t* p, F32x16 v, uint64_t n) { StoreHalfPartial(p, v, n); }
};
struct KvQ8 {
  static SAMARA_INLINE uint64_t HeadBytes(uint64_t dim) { return dim * 64 + (dim + 31) / 32 * 128; }
};
struct KvQ4 {
  // Bytes of a slot.
  static SAMARA_INLINE uint64_t SlotBytes(uint64_t dim) { return (dim + 31) / 32 * 16; }
  static SAMARA_INLINE uint64_t HeadBytes(uint64_t dim) { return (dim + 31) / 32 * 1152; }
};

template <typename Kv>
void StateWrite(const StateWriteArgs& args, uint64_t n_tokens, uint64_t begin, uint64_t end) {
  using T = typename Kv::Type;
  T* part = reinterpret_cast<T*>(args.part);
  for (uint64_t h = begin; h < end; ++h) {
    for (uint64_t t = 0; t < n_tokens; ++t) {
      const uint32_t slot =
          Field(args.step.tokens + t * args.step.token_stride + args.step.write_offset);
      const uint64_t block = TokenTable(args.step, t)[slot / 64 % args.step.blocks_per_seq];
      T* to = part + (block * args.heads + h) * args.dim * 64;
      const float* x = At(args.x, t * args.x_stride) + h * args.dim;
      for (uint64_t i = 0; i < args.dim; i += 16) {
        const uint64_t lanes = args.dim - i < 16 ? args.dim - i : 16;
        const F32x16 v = LoadPartial(x + i, lanes);
        if (args.transposed) {
          T stored[16];
          Kv::Put(stored, v, 16);
          for (uint64_t j = 0; j < lanes; ++j) to[(i + j) * 64 + slot % 64] = stored[j];
        } else {
          Kv::Put(to + slot % 64 * args.dim + i, v, lanes);
        }
      }
    }
  }
}

// round(x * inverse), half away from zero; |x * inverse| < 2^22.
SAMARA_INLINE I32x16 RoundQuants(F32x16 x, F32x16 inverse) {
  const F32x16 y = Mul(x, inverse);
  const I32x16 q = ToInt(y);
  const F32x16 rest = Sub(y, ToFloat(q));  // exact
  const F32x16 up = Select(Less(rest, Set(0.5f)), Set(0.0f), Set(1.0f));
  const F32x16 down = Select(Less(Set(-0.5f), rest), Set(0.0f), Set(1.0f));
  return AddInt(q, ToInt(Sub(up, down)));
}

// A run of up to 32 values to Q8_0 as formats/quant/blocks.h has it, but a scale that is not finite
// in F16 has quants of 0, so that what is read from the run is not a number.
SAMARA_INLINE void QuantizeRun(F32x16 low, F32x16 high, int8_t* q, uint16_t* scale) {
  const I32x16 magnitude = SetInt(0x7fffffff);
  const int32_t low_top = MaxOf(AndInt(AsInt(low), magnitude));
  const int32_t high_top = MaxOf(AndInt(AsInt(high), magnitude));
  const int32_t top = low_top > high_top ? low_top : high_top;
  float amax;
  __builtin_memcpy(&amax, &top, 4);
  const float d = amax / 127.0f;
  StoreHalfPartial(scale, Set(d), 1);
  I32x16 a = SetInt(0), b = SetInt(0);
  const float inverse = 1.0f / d;
  if ((*scale & 0x7c00) != 0x7c00 && inverse <= 0x1.fffffep127f) {
    a = RoundQuants(low, Set(inverse));
    b = RoundQuants(high, Set(inverse));
  }
  StoreLowBytes(q, a);
  StoreLowBytes(q + 16, b);
}

void StateWriteQ8(const StateWriteArgs& args, uint64_t n_tokens, uint64_t begin, uint64_t end) {
  for (uint64_t h = begin; h < end; ++h) {
    for (uint64_t t = 0; t < n_tokens; ++t) {
      const uint32_t slot =
          Field(args.step.tokens + t * args.step.token_stride + args.step.write_offset);
      const uint64_t block = TokenTable(args.step, t)[slot / 64 % args.step.blocks_per_seq];
      uint8_t* head = args.part + (block * args.heads + h) * KvQ8::HeadBytes(args.dim);
      const uint64_t j = slot % 64;
      const uint64_t step = args.transposed ? 64 : 1;  // between the quants of a slot
      uint8_t* to = head + (args.transposed ? j : j * args.dim);
      uint8_t* scales = head + args.dim * 64 + 2 * j;
      const float* x = At(args.x, t * args.x_stride) + h * args.dim;
      for (uint64_t i = 0; i < args.dim; i += 32, scales += 128) {
        const uint64_t n = args.dim - i < 32 ? args.dim - i : 32;
        int8_t q[32];
        uint16_t scale;
        QuantizeRun(LoadPartial(x + i, n < 16 ? n : 16),
                    n > 16 ? LoadPartial(x + i + 16, n - 16) : Set(0.0f), q, &scale);
        __builtin_memcpy(scales, &scale, 2);
        for (uint64_t k = 0; k < n; ++k) to[(i + k) * step] = static_cast<uint8_t>(q[k]);
      }
    }
  }
}

// A run of n <= 32 values to Q4_0 as formats/quant/blocks.h has it, less 8; a scale that is not finite in F16 as above.
SAMARA_INLINE void QuantizeRunQ4(const float* x, uint64_t n, uint8_t* q, uint16_t* scale) {
  float padded[32];
  float extreme = x[0];
  uint32_t most = 0;
  for (uint64_t i = 0; i < 32; ++i) {
    padded[i] = i < n ? x[i] : 0.0f;
    uint32_t magnitude;
    __builtin_memcpy(&magnitude, padded + i, 4);
    magnitude &= 0x7fffffff;
    if (magnitude > most) {
      most = magnitude;
      extreme = padded[i];
    }
  }
  const float d = extreme / -8.0f;
  StoreHalfPartial(scale, Set(d), 1);
  float inverse = 1.0f / d;
  if (!(inverse <= 0x1.fffffep127f && inverse >= -0x1.fffffep127f)) inverse = 0;
  const bool finite = (*scale & 0x7c00) != 0x7c00;
  for (uint64_t i = 0; i < 16; ++i) {
    int low = 8, high = 8;
    if (finite) {
      const float first = padded[i] * inverse, second = padded[i + 16] * inverse;
      low = static_cast<int>(first + 8.5f);
      high = static_cast<int>(second + 8.5f);
      low = low < 15 ? low : 15;
      high = high < 15 ? high : 15;
    }
    q[i] = static_cast<uint8_t>((low | high << 4) ^ 0x88);
  }
}

void StateWriteQ4(const StateWriteArgs& args, uint64_t n_tokens, uint64_t begin, uint64_t end) {
  const uint64_t slot_bytes = KvQ4::SlotBytes(args.dim);
  for (uint64_t h = begin; h < end; ++h) {
    for (uint64_t t = 0; t < n_tokens; ++t) {
      const uint32_t slot =
          Field(args.step.tokens + t * args.step.token_stride + args.step.write_offset);
      const uint64_t block = TokenTable(args.step, t)[slot / 64 % args.step.blocks_per_seq];
      uint8_t* head = args.part + (block * args.heads + h) * KvQ4::HeadBytes(args.dim);
      const uint64_t j = slot % 64;
      const uint64_t step = args.transposed ? 64 : 1;  // between the bytes of a slot
      uint8_t* to = head + (args.transposed ? j : j * slot_bytes);
      uint8_t* scales = head + slot_bytes * 64 + 2 * j;
      const float* x = At(args.x, t * args.x_stride) + h * args.dim;
      for (uint64_t i = 0; i < args.dim; i += 32, scales += 128, to += 16 * step) {
        uint8_t q[16];
        uint16_t scale;
        QuantizeRunQ4(x + i, args.dim - i < 32 ? args.dim - i : 32, q, &scale);
        __builtin_memcpy(scales, &scale, 2);
        for (uint64_t k = 0; k < 16; ++k) to[k * step] = q[k];
      }
    }
  }
}

// --- Core operators

struct SqrtOf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Sqrt(x); }
};
struct ExpOf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Exp(x); }
};
struct LogOf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Log(x); }
};
struct SinOf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Sin(x); }
};
struct CosOf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Cos(x); }
};
struct TanhOf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Tanh(x); }
};
struct ErfOf {
  static SAMARA_INLINE F32x16 Of(F32x16 x) { return Erf(x); }
};

template <typename Function>
void Map(const float* x, float* y, uint64_t n) {
  for (uint64_t i = 0; i < n; i += 16) {
    const uint64_t lanes = n - i < 16 ? n - i : 16;
    StorePartial(y + i, Function::Of(LoadPartial(x + i, lanes)), lanes);
  }
}

void BatchMatmul(const BatchMatmulArgs& args, uint64_t begin, uint64_t end) {
  for (uint64_t m = begin; m < end; ++m) {
    const float* a = At(args.a, m * args.a_stride);
    float* y = At(args.y, m * args.y_stride);
    for (uint64_t i = 0; i < args.n; i += 16) {
      const uint64_t lanes = args.n - i < 16 ? args.n - i : 16;
      F32x16 acc = Set(0.0f);
      for (uint64_t k = 0; k < args.k; ++k) {
        acc = Fma(Set(a[k]), LoadPartial(At(args.b, k * args.b_stride) + i, lanes), acc);
      }
      StorePartial(y + i, acc, lanes);
    }
  }
}
