// Attention over paged keys and values, one chunk of 64 slots (= one block) at a time.
//
// A task holds up to kAttentionRows rows (token, query head) that share a key/value head, so that a
// chunk is read from memory once for all of them. Inside, rows go in register blocks of up to
// kScoreRows: kScoreVectors vectors of slots (or of dims) times so many rows.

struct AttentionRow {
  const float* q;
  float* out;
  uint32_t lo, hi;  // visible slots
  uint64_t head;
  int chunk_lo, chunk_hi;  // visible slots inside the chunk
  bool started;
};

// The worker's scratch. Rows stand at fixed strides, so that one register addresses all of them.
struct AttentionScratch {
  float* scaled;     // [key_dim][16 rows]
  float* p;          // [16 rows][64 slots]: scores, then weights of the chunk
  float* chunk_out;  // [16 rows][padded value_dim]
  float* sum_out;    // the same
  float* old_scale;  // [16 rows]: what the sums so far, and this chunk's, are multiplied with
  float* new_scale;
  float* widened;  // a chunk's keys or values as F32, in the layout of F32
  uint64_t value_stride;
};

// Fetches lines that go with 32 elements: what is read next, so that it is at hand by then. Past the
// first cache, which has no room for it.
template <typename Kv>
SAMARA_INLINE void FetchAhead(const uint8_t*& ahead) {
  for (size_t line = 0; line < 32 * sizeof(typename Kv::Type); line += 64) {
    PrefetchFar(ahead);
    ahead += 64;
  }
}

// s_j of kR rows for the slots of vectors [begin, end) of a block, to kV vectors; those that are not
// visible are computed and ignored. Fetches `ahead`, what is read next, meanwhile.
template <typename Kv, int kV, int kR>
SAMARA_INLINE void Scores(const typename Kv::Type* keys, uint64_t dim, int begin, int end,
                          const float* scaled, float* p, const uint8_t* ahead) {
  for (int s = begin / kV * kV; s < end; s += kV) {
    F32x16 acc[kV][kR];
    for (int v = 0; v < kV; ++v) {
      for (int r = 0; r < kR; ++r) acc[v][r] = Set(0.0f);
    }
    const typename Kv::Type* k = keys + 16 * s;
    const float* q = scaled;
    for (uint64_t d = 0; d < dim; ++d, k += 64, q += 16) {
      F32x16 key[kV];
      for (int v = 0; v < kV; ++v) key[v] = Kv::Get(k + 16 * v);
      for (int r = 0; r < kR; ++r) {
        const F32x16 x = Set(q[r]);
        for (int v = 0; v < kV; ++v) acc[v][r] = Fma(x, key[v], acc[v][r]);
      }
      FetchAhead<Kv>(ahead);
    }
    for (int r = 0; r < kR; ++r) {
      for (int v = 0; v < kV; ++v) Store(p + r * 64 + 16 * (s + v), acc[v][r]);
    }
  }
}

// What becomes of the sums over a run of slots. Within a chunk a row's runs follow each other in
// chunk_out; after the last one sum_out = sum_out * old_scale + sum * new_scale.
struct ValueRun {
  int begin, end;  // slots
  bool first;      // sums start from zero, else from chunk_out
  bool last;       // they are merged into sum_out, else kept in chunk_out
  bool initial;    // there is nothing in sum_out to merge with
  bool operator==(const ValueRun&) const = default;
};

// o_c of kR rows, kV vectors of dims from d on; the last may be partial.
template <typename Kv, int kV, int kR, bool kPartial>
SAMARA_INLINE void Values(const typename Kv::Type* values, uint64_t dim, uint64_t d,
                          const ValueRun& run, int row, const AttentionScratch& scratch,
                          const uint8_t* ahead) {
  F32x16 acc[kV][kR];
  const uint64_t stride = scratch.value_stride, first = static_cast<uint64_t>(row) * stride + d;
  for (int r = 0; r < kR; ++r) {
    for (int v = 0; v < kV; ++v)
      acc[v][r] = run.first ? Set(0.0f) : Load(scratch.chunk_out + first + r * stride + 16 * v);
  }
  const typename Kv::Type* value = values + static_cast<uint64_t>(run.begin) * dim + d;
  const float* p = scratch.p + row * 64;
  for (int j = run.begin; j < run.end; ++j, value += dim) {
    F32x16 x[kV];
    for (int v = 0; v < kV; ++v)
      x[v] =
          kPartial ? Kv::GetPartial(value, dim - d < 16 ? dim - d : 16) : Kv::Get(value + 16 * v);
    for (int r = 0; r < kR; ++r) {
      const F32x16 weight = Set(p[r * 64 + j]);
      for (int v = 0; v < kV; ++v) acc[v][r] = Fma(weight, x[v], acc[v][r]);
    }
    FetchAhead<Kv>(ahead);
  }
  for (int r = 0; r < kR; ++r) {
    const F32x16 old_scale = Set(scratch.old_scale[row + r]),
                 new_scale = Set(scratch.new_scale[row + r]);
    for (int v = 0; v < kV; ++v) {
      const uint64_t at = first + r * stride + 16 * v;
      if (!run.last) {
        Store(scratch.chunk_out + at, acc[v][r]);
      } else if (run.initial) {
        Store(scratch.sum_out + at, acc[v][r]);
      } else {
        Store(scratch.sum_out + at,
              Fma(Load(scratch.sum_out + at), old_scale, Mul(acc[v][r], new_scale)));
      }
    }
  }
}

template <int kN>
struct RowCount {
  static constexpr int value = kN;
};
// Calls fn with n as a constant, 1 <= n <= kScoreRows.
template <int kR, typename Function>
SAMARA_INLINE void WithRows(int n, const Function& fn) {
  if constexpr (kR > 1) {
    if (n < kR) return WithRows<kR - 1>(n, fn);
  }
  fn(RowCount<kR>());
}

// Rows of the next register block when `left` are left: blocks of about equal size.
SAMARA_INLINE int BlockRows(int left) {
  const int blocks = (left + kScoreRows - 1) / kScoreRows;
  return (left + blocks - 1) / blocks;
}

template <typename Kv>
SAMARA_NOINLINE void ScoresOfRows(const uint8_t* block, uint64_t dim, int begin, int end,
                                  const AttentionScratch& scratch, int n, const uint8_t* ahead) {
  const auto* keys = reinterpret_cast<const typename Kv::Type*>(block);
  for (int r = 0; r < n;) {
    const int rows = BlockRows(n - r);
    WithRows<kScoreRows>(rows, [&](auto count) SAMARA_INLINE_LAMBDA {
      Scores<Kv, kScoreVectors, decltype(count)::value>(keys, dim, begin, end, scratch.scaled + r,
                                                        scratch.p + r * 64, ahead);
    });
    r += rows;
  }
}

// Rows [row, end) over slots that all of them see.
template <typename Kv>
SAMARA_NOINLINE void ValuesOfRows(const uint8_t* block, uint64_t dim,
                                  const AttentionScratch& scratch, int row, int end,
                                  const ValueRun& run, const uint8_t* ahead) {
  const auto* values = reinterpret_cast<const typename Kv::Type*>(block);
  while (row < end) {
    const int rows = BlockRows(end - row);
    WithRows<kScoreRows>(rows, [&](auto count) SAMARA_INLINE_LAMBDA {
      constexpr int kR = decltype(count)::value;
      uint64_t d = 0;
      for (; d + 16 * kScoreVectors <= dim; d += 16 * kScoreVectors)
        Values<Kv, kScoreVectors, kR, false>(values, dim, d, run, row, scratch,
                                             ahead + d * 64 * sizeof(typename Kv::Type));
      for (; d < dim; d += 16) Values<Kv, 1, kR, true>(values, dim, d, run, row, scratch, ahead);
    });
    row += rows;
  }
}

// m_c, p_j and l_c of a chunk for all rows that see some of it. Each of the three passes has rows
// that wait for nothing of one another, so that their latencies overlap.
SAMARA_NOINLINE void SoftmaxOfRows(const AttentionRow* rows, int n, float softcap,
                                   const AttentionScratch& scratch, float* m, float* l) {
  const auto lanes = [](int lo, int hi, int v) {
    const int a = lo - 16 * v, b = hi - 16 * v;
    return LaneRange(a < 0 ? 0 : a > 16 ? 16 : a, b < 0 ? 0 : b > 16 ? 16 : b);
  };
  const F32x16 nothing = Set(-__builtin_inff());
  for (int r = 0; r < n; ++r) {
    const int lo = rows[r].chunk_lo, hi = rows[r].chunk_hi;
    if (lo >= hi) continue;
    float* p = scratch.p + r * 64;
    F32x16 top = nothing;
    for (int v = 0; v < 4; ++v) {
      F32x16 s = Load(p + 16 * v);
      if (softcap > 0) {
        s = Mul(Set(softcap), Tanh(Div(s, Set(softcap))));
        Store(p + 16 * v, s);
      }
      top = Max(top, lo == 0 && hi == 64 ? s : Select(lanes(lo, hi, v), s, nothing));
    }
    m[r] = MaxLane(top);
  }
  for (int r = 0; r < n; ++r) {
    const int lo = rows[r].chunk_lo, hi = rows[r].chunk_hi;
    if (lo >= hi) continue;
    float* p = scratch.p + r * 64;
    const F32x16 top = Set(m[r]);
    for (int v = 0; v < 4; ++v) {
      F32x16 e = ExpNegative(Sub(Load(p + 16 * v), top));
      if (lo != 0 || hi != 64) e = Select(lanes(lo, hi, v), e, Set(0.0f));
      Store(p + 16 * v, e);
    }
  }
  for (int r = 0; r < n; ++r) {
    const float* p = scratch.p + r * 64;
    if (rows[r].chunk_lo < rows[r].chunk_hi) {
      l[r] =
          Tree16(Add(Add(Add(Add(Set(0.0f), Load(p)), Load(p + 16)), Load(p + 32)), Load(p + 48)));
    }
  }
}

// What depends on the type of keys and values; all the rest is there once.
struct KvKernels {
  void (*scores)(const uint8_t* keys, uint64_t dim, int begin, int end,
                 const AttentionScratch& scratch, int n, const uint8_t* ahead);
  void (*values)(const uint8_t* values, uint64_t dim, const AttentionScratch& scratch, int row,
                 int end, const ValueRun& run, const uint8_t* ahead);
  uint64_t key_bytes, value_bytes;  // of a head of a block
  // To F32, once for all rows: of keys, of the values of slots [begin, end); nullptr for F32. They
  // fetch `ahead`, as many bytes as are read, meanwhile.
  void (*widen_keys)(const uint8_t* keys, uint64_t dim, float* to, const uint8_t* ahead);
  void (*widen_values)(const uint8_t* values, uint64_t dim, int begin, int end, float* to,
                       const uint8_t* ahead);
};

// Weighted values of all rows. Rows may see different slots: a run of slots goes to the rows that
// see it.
SAMARA_INLINE void ChunkValues(const KvKernels& kv, const uint8_t* values, uint64_t dim,
                               const AttentionRow* rows, int n, const AttentionScratch& scratch,
                               const uint8_t* ahead) {
  for (int begin = 0; begin < 64;) {
    int end = 64;
    for (int r = 0; r < n; ++r) {
      if (rows[r].chunk_lo > begin && rows[r].chunk_lo < end) end = rows[r].chunk_lo;
      if (rows[r].chunk_hi > begin && rows[r].chunk_hi < end) end = rows[r].chunk_hi;
    }
    for (int r = 0; r < n;) {
      const auto run_of = [&](const AttentionRow& row) -> ValueRun {
        if (row.chunk_lo > begin || row.chunk_hi <= begin) return {0, 0, false, false, false};
        return {begin, end, row.chunk_lo == begin, row.chunk_hi == end, !row.started};
      };
      const ValueRun run = run_of(rows[r]);
      int last = r + 1;
      while (last < n && run_of(rows[last]) == run) ++last;
      if (run.end != 0) kv.values(values, dim, scratch, r, last, run, ahead);
      r = last;
    }
    begin = end;
  }
}

// Q8_0, exact.
SAMARA_NOINLINE void WidenKeys(const uint8_t* keys, uint64_t dim, float* to, const uint8_t* ahead) {
  const int8_t* q = reinterpret_cast<const int8_t*>(keys);
  const uint16_t* scales = reinterpret_cast<const uint16_t*>(keys + dim * 64);
  for (uint64_t run = 0; run < dim; run += 32, scales += 64) {
    F32x16 scale[4];
    for (int v = 0; v < 4; ++v) scale[v] = LoadHalf(scales + 16 * v);
    PrefetchFar(ahead);
    PrefetchFar(ahead + 64);
    ahead += 128;
    for (uint64_t d = run; d < dim && d < run + 32; ++d, q += 64, to += 64) {
      for (int v = 0; v < 4; ++v) Store(to + 16 * v, Mul(LoadInt8(q + 16 * v), scale[v]));
      PrefetchFar(ahead);
      ahead += 64;
    }
  }
}

SAMARA_NOINLINE void WidenValues(const uint8_t* values, uint64_t dim, int begin, int end, float* to,
                                 const uint8_t* ahead) {
  const int8_t* q = reinterpret_cast<const int8_t*>(values);
  const uint16_t* scales = reinterpret_cast<const uint16_t*>(values + dim * 64);
  for (uint64_t run = 0; run < dim; run += 32, scales += 64) {
    alignas(64) float scale[64];
    for (int v = 0; v < 4; ++v) Store(scale + 16 * v, LoadHalf(scales + 16 * v));
    for (int j = begin; j < end; ++j, ahead += 34) {
      const F32x16 d = Set(scale[j]);
      const uint64_t at = static_cast<uint64_t>(j) * dim + run, n = dim - run;
      // The quants' last vector may reach into the scales.
      const F32x16 low = Mul(LoadInt8(q + at), d);
      if (n >= 32) {
        Store(to + at, low);
        Store(to + at + 16, Mul(LoadInt8(q + at + 16), d));
      } else {
        StorePartial(to + at, low, n < 16 ? n : 16);
        if (n > 16) StorePartial(to + at + 16, Mul(LoadInt8(q + at + 16), d), n - 16);
      }
      PrefetchFar(ahead);
    }
  }
}

// Both halves of n bytes as signed numbers.
SAMARA_INLINE void SplitNibbles(const uint8_t* bytes, int n, int8_t* low, int8_t* high) {
  for (int i = 0; i < n; ++i) {
    low[i] = static_cast<int8_t>((((bytes[i] & 15) ^ 8) - 8));
    high[i] = static_cast<int8_t>(((bytes[i] >> 4) ^ 8) - 8);
  }
}

// Q4_0, exact.
SAMARA_NOINLINE void WidenKeysQ4(const uint8_t* keys, uint64_t dim, float* to,
                                 const uint8_t* ahead) {
  const uint16_t* scales = reinterpret_cast<const uint16_t*>(keys + KvQ4::SlotBytes(dim) * 64);
  for (uint64_t run = 0; run < dim; run += 32, scales += 64, to += 32 * 64) {
    F32x16 scale[4];
    for (int v = 0; v < 4; ++v) scale[v] = LoadHalf(scales + 16 * v);
    PrefetchFar(ahead);
    PrefetchFar(ahead + 64);
    ahead += 128;
    for (uint64_t i = 0; i < 16; ++i, keys += 64) {
      PrefetchFar(ahead);
      ahead += 64;
      int8_t low[64], high[64];
      SplitNibbles(keys, 64, low, high);
      for (int v = 0; v < 4 && run + i < dim; ++v)
        Store(to + i * 64 + 16 * v, Mul(LoadInt8(low + 16 * v), scale[v]));
      for (int v = 0; v < 4 && run + i + 16 < dim; ++v)
        Store(to + (i + 16) * 64 + 16 * v, Mul(LoadInt8(high + 16 * v), scale[v]));
    }
  }
}

SAMARA_NOINLINE void WidenValuesQ4(const uint8_t* values, uint64_t dim, int begin, int end,
                                   float* to, const uint8_t* ahead) {
  const uint64_t slot_bytes = KvQ4::SlotBytes(dim);
  const uint16_t* scales = reinterpret_cast<const uint16_t*>(values + slot_bytes * 64);
  for (uint64_t run = 0; run < dim; run += 32, scales += 64, values += 16) {
    alignas(64) float scale[64];
    for (int v = 0; v < 4; ++v) Store(scale + 16 * v, LoadHalf(scales + 16 * v));
    for (int j = begin; j < end; ++j, ahead += 18) {
      const F32x16 d = Set(scale[j]);
      const uint64_t at = static_cast<uint64_t>(j) * dim + run, n = dim - run;
      int8_t low[16], high[16];
      SplitNibbles(values + static_cast<uint64_t>(j) * slot_bytes, 16, low, high);
      StorePartial(to + at, Mul(LoadInt8(low), d), n < 16 ? n : 16);
      if (n > 16) StorePartial(to + at + 16, Mul(LoadInt8(high), d), n < 32 ? n - 16 : 16);
      PrefetchFar(ahead);
    }
  }
}

// n <= kAttentionRows rows of one sequence.
SAMARA_NOINLINE void AttentionBatch(const AttentionArgs& args, const KvKernels& kv,
                                    const uint32_t* table, uint64_t kv_head, AttentionRow* rows,
                                    int n, const AttentionScratch& scratch) {
  // One lane a row.
  alignas(64) float m[16], l[16], chunk_m[16], chunk_l[16];
  const uint64_t stride = scratch.value_stride;
  uint32_t lo = rows[0].lo, hi = rows[0].hi;
  for (int r = 0; r < 16; ++r) m[r] = l[r] = chunk_m[r] = chunk_l[r] = 0.0f;
  for (int r = 0; r < n; ++r) {
    lo = rows[r].lo < lo ? rows[r].lo : lo;
    hi = rows[r].hi > hi ? rows[r].hi : hi;
    rows[r].started = false;
    for (uint64_t d = 0; d < args.key_dim; ++d)
      scratch.scaled[d * 16 + static_cast<uint64_t>(r)] = rows[r].q[d] * args.scale;
  }
  const auto part = [&](const uint8_t* base, uint32_t chunk, uint64_t head_bytes) {
    const uint64_t block = table[chunk % args.step.blocks_per_seq];
    return base + (block * args.kv_heads + kv_head) * head_bytes;
  };
  for (uint32_t chunk = lo / 64; chunk * uint64_t{64} < hi; ++chunk) {
    const uint8_t* keys = part(args.keys, chunk, kv.key_bytes);
    const uint8_t* values = part(args.values, chunk, kv.value_bytes);
    // Only an address: what lies past the last chunk is fetched and never read.
    const uint8_t* next =
        (chunk + uint64_t{1}) * 64 < hi ? part(args.keys, chunk + 1, kv.key_bytes) : keys;
    const int64_t first = static_cast<int64_t>(chunk) * 64;
    for (int r = 0; r < n; ++r) {
      const int64_t a = rows[r].lo - first, b = rows[r].hi - first;
      rows[r].chunk_lo = static_cast<int>(a < 0 ? 0 : a > 64 ? 64 : a);
      rows[r].chunk_hi = static_cast<int>(b < rows[r].chunk_lo ? rows[r].chunk_lo
                                          : b > 64             ? 64
                                                               : b);
    }
    const int begin = static_cast<int>(lo > first ? (lo - first) / 16 : 0);
    const int end = static_cast<int>(hi - first < 64 ? (hi - first + 15) / 16 : 4);
    const uint8_t* ahead = values;
    if (kv.widen_keys != nullptr) {
      kv.widen_keys(keys, args.key_dim, scratch.widened, ahead);
      keys = ahead = reinterpret_cast<const uint8_t*>(scratch.widened);  // all is fetched
    }
    kv.scores(keys, args.key_dim, begin, end, scratch, n, ahead);
    SoftmaxOfRows(rows, n, args.softcap, scratch, chunk_m, chunk_l);
    // Merge: all rows at once in lanes; rows that see nothing of the chunk keep theirs.
    const F32x16 old_m = Load(m), this_m = Load(chunk_m);
    const F32x16 both = Max(old_m, this_m);
    const F32x16 a = ExpNegative(Sub(old_m, both)), b = ExpNegative(Sub(this_m, both));
    alignas(64) float merged_m[16], merged_l[16];
    Store(merged_m, both);
    Store(merged_l, Fma(Load(l), a, Mul(Load(chunk_l), b)));
    Store(scratch.old_scale, a);
    Store(scratch.new_scale, b);
    if (kv.widen_values != nullptr) {
      kv.widen_values(values, args.value_dim, lo > first ? static_cast<int>(lo - first) : 0,
                      hi - first < 64 ? static_cast<int>(hi - first) : 64, scratch.widened, next);
      values = next = reinterpret_cast<const uint8_t*>(scratch.widened);
    }
    ChunkValues(kv, values, args.value_dim, rows, n, scratch, next);
    for (int r = 0; r < n; ++r) {
      if (rows[r].chunk_lo >= rows[r].chunk_hi) continue;
      m[r] = rows[r].started ? merged_m[r] : chunk_m[r];
      l[r] = rows[r].started ? merged_l[r] : chunk_l[r];
      rows[r].started = true;
    }
  }
  for (int r = 0; r < n; ++r) {
    float* o = scratch.sum_out + static_cast<uint64_t>(r) * stride;
    if (rows[r].started) continue;  // a row that sees nothing has no weights either
    for (uint64_t d = 0; d < stride; d += 16) Store(o + d, Set(0.0f));
  }
  if (args.sinks != nullptr) {
    float z[16] = {};
    for (int r = 0; r < n; ++r) z[r] = args.sinks[rows[r].head];
    const F32x16 old_m = Load(m), sink = Load(z);
    const F32x16 top = Max(old_m, sink);
    const F32x16 a = ExpNegative(Sub(old_m, top));
    Store(l, Fma(Load(l), a, ExpNegative(Sub(sink, top))));
    Store(scratch.old_scale, a);
    for (int r = 0; r < n; ++r) {
      const F32x16 ra = Set(scratch.old_scale[r]);
      float* o = scratch.sum_out + static_cast<uint64_t>(r) * stride;
      for (uint64_t d = 0; d < stride; d += 16) Store(o + d, Mul(Load(o + d), ra));
    }
  }
  for (int r = 0; r < n; ++r) {
    const F32x16 inverse = Set(1.0f / l[r]);
    const float* o = scratch.sum_out + static_cast<uint64_t>(r) * stride;
    for (uint64_t d = 0; d < args.value_dim; d += 16) {
      const uint64_t lanes = args.value_dim - d < 16 ? args.value_dim - d : 16;
      StorePartial(rows[r].out + d, Mul(Load(o + d), inverse), lanes);
    }
  }
}

SAMARA_NOINLINE void AttentionTasks(const AttentionArgs& args, const KvKernels& kv, uint64_t begin,
                                    uint64_t end, uint32_t worker) {
  const uint64_t group = args.heads / args.kv_heads;
  AttentionScratch scratch;
  scratch.value_stride = (args.value_dim + 15) / 16 * 16;
  scratch.p = args.scratch + worker * args.scratch_floats;
  scratch.chunk_out = scratch.p + kAttentionRows * 64;
  scratch.sum_out = scratch.chunk_out + kAttentionRows * scratch.value_stride;
  scratch.old_scale = scratch.sum_out + kAttentionRows * scratch.value_stride;
  scratch.new_scale = scratch.old_scale + kAttentionRows;
  scratch.scaled = scratch.new_scale + kAttentionRows;
  scratch.widened = scratch.scaled + kAttentionRows * args.key_dim;
  AttentionRow rows[kAttentionRows];
  for (uint64_t task = begin; task < end; ++task) {
    const uint64_t kv_head = task % args.kv_heads;
    const uint64_t first = task / args.kv_heads * args.tokens_per_task;
    const uint64_t last =
        first + args.tokens_per_task < args.n_tokens ? first + args.tokens_per_task : args.n_tokens;
    const uint32_t* table = nullptr;
    int n = 0;
    for (uint64_t t = first; t < last; ++t) {
      const uint8_t* token = args.step.tokens + t * args.step.token_stride;
      const uint32_t* own = TokenTable(args.step, t);
      uint32_t lo = Field(token + args.step.begin_offset);
      const uint32_t hi = Field(token + args.step.end_offset);
      if (args.window != 0 && hi > args.window && hi - args.window > lo)
        lo = static_cast<uint32_t>(hi - args.window);
      for (uint64_t i = 0; i < group; ++i) {
        if (n == static_cast<int>(kAttentionRows) || (n > 0 && own != table)) {
          AttentionBatch(args, kv, table, kv_head, rows, n, scratch);
          n = 0;
        }
        table = own;
        AttentionRow& row = rows[n++];
        row.head = kv_head * group + i;
        row.q = At(args.q, t * args.q_stride) + row.head * args.key_dim;
        row.out = At(args.y, t * args.y_stride) + row.head * args.value_dim;
        row.lo = lo;
        row.hi = hi;
      }
    }
    if (n > 0) AttentionBatch(args, kv, table, kv_head, rows, n, scratch);
  }
}

template <typename Kv>
KvKernels KernelsOf(const AttentionArgs& args) {
  return {ScoresOfRows<Kv>,
          ValuesOfRows<Kv>,
          Kv::HeadBytes(args.key_dim),
          Kv::HeadBytes(args.value_dim),
          nullptr,
          nullptr};
}
void AttentionF32(const AttentionArgs& args, uint64_t begin, uint64_t end, uint32_t worker) {
  AttentionTasks(args, KernelsOf<KvF32>(args), begin, end, worker);
}
void AttentionF16(const AttentionArgs& args, uint64_t begin, uint64_t end, uint32_t worker) {
  AttentionTasks(args, KernelsOf<KvF16>(args), begin, end, worker);
}
void AttentionQ8(const AttentionArgs& args, uint64_t begin, uint64_t end, uint32_t worker) {
  const KvKernels kv = {ScoresOfRows<KvF32>,
                        ValuesOfRows<KvF32>,
                        KvQ8::HeadBytes(args.key_dim),
                        KvQ8::HeadBytes(args.value_dim),
                        WidenKeys,
                        WidenValues};
  AttentionTasks(args, kv, begin, end, worker);
}
void AttentionQ4(const AttentionArgs& args, uint64_t begin, uint64_t end, uint32_t worker) {
  const KvKernels kv = {ScoresOfRows<KvF32>,
                        ValuesOfRows<KvF32>,
                        KvQ4::HeadBytes(args.key_dim),
                        KvQ4::HeadBytes(args.value_dim),
                        WidenKeysQ4,
                        WidenValuesQ4};
  AttentionTasks(args, kv, begin, end, worker);
}
