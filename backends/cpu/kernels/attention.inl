// Attention over paged keys and values, one chunk of 64 slots (= one block) at a time.
//
// A task holds up to kAttentionRows rows (token, query head) that share a key/value head, so that a
// chunk is read from memory once for all of them. Inside, rows go in register blocks of kScoreRows.

struct AttentionRow {
  const float* q;
  float* out;
  uint32_t lo, hi;  // visible slots
  uint64_t head;
  float* scaled;           // [key_dim]
  float* p;                // [64] scores, then weights of the chunk
  float* chunk_out;        // [value_dim]
  float* sum_out;          // [value_dim]
  int chunk_lo, chunk_hi;  // visible slots inside the chunk
  bool started;
};

// s_j of kR rows for all 64 slots of a block; lanes that are not visible are computed and ignored.
template <typename Kv, int kR>
SAMARA_INLINE void Scores(const typename Kv::Type* keys, uint64_t dim, AttentionRow* rows) {
  for (int s = 0; s < 4; s += kScoreVectors) {
    F32x16 acc[kScoreVectors][kR];
    for (int v = 0; v < kScoreVectors; ++v) {
      for (int r = 0; r < kR; ++r) acc[v][r] = Set(0.0f);
    }
    const typename Kv::Type* k = keys + 16 * s;
    for (uint64_t d = 0; d < dim; ++d, k += 64) {
      F32x16 key[kScoreVectors];
      for (int v = 0; v < kScoreVectors; ++v) key[v] = Kv::Get(k + 16 * v);
      for (int r = 0; r < kR; ++r) {
        const F32x16 q = Set(rows[r].scaled[d]);
        for (int v = 0; v < kScoreVectors; ++v) acc[v][r] = Fma(q, key[v], acc[v][r]);
      }
    }
    for (int r = 0; r < kR; ++r) {
      for (int v = 0; v < kScoreVectors; ++v) Store(rows[r].p + 16 * (s + v), acc[v][r]);
    }
  }
}

// o_c of kR rows with equal visible slots, kV vectors of dims from d on; the last may be partial.
template <typename Kv, int kV, int kR, bool kPartial>
SAMARA_INLINE void WeightedValues(const typename Kv::Type* values, uint64_t dim, uint64_t d,
                                  AttentionRow* rows) {
  F32x16 acc[kV][kR];
  for (int v = 0; v < kV; ++v) {
    for (int r = 0; r < kR; ++r) acc[v][r] = Set(0.0f);
  }
  for (int j = rows[0].chunk_lo; j < rows[0].chunk_hi; ++j) {
    const typename Kv::Type* value = values + static_cast<uint64_t>(j) * dim + d;
    F32x16 x[kV];
    for (int v = 0; v < kV; ++v)
      x[v] = kPartial ? Kv::GetPartial(value, dim - d) : Kv::Get(value + 16 * v);
    for (int r = 0; r < kR; ++r) {
      const F32x16 p = Set(rows[r].p[j]);
      for (int v = 0; v < kV; ++v) acc[v][r] = Fma(p, x[v], acc[v][r]);
    }
  }
  for (int v = 0; v < kV; ++v) {
    for (int r = 0; r < kR; ++r)
      Store(rows[r].chunk_out + d + static_cast<uint64_t>(16 * v), acc[v][r]);
  }
}
template <typename Kv, int kR>
SAMARA_INLINE void Values(const typename Kv::Type* values, uint64_t dim, AttentionRow* rows) {
  uint64_t d = 0;
  for (; d + 16 * kScoreVectors <= dim; d += 16 * kScoreVectors) {
    WeightedValues<Kv, kScoreVectors, kR, false>(values, dim, d, rows);
  }
  if constexpr (kScoreVectors > 1) {
    for (; d + 16 <= dim; d += 16) WeightedValues<Kv, 1, kR, false>(values, dim, d, rows);
  }
  if (d < dim) WeightedValues<Kv, 1, kR, true>(values, dim, d, rows);
}

// p_j and l_c of one row's chunk from its scores; returns m_c.
SAMARA_INLINE float SoftmaxChunk(const AttentionRow& row, float softcap, float* sum) {
  F32x16 top = Set(-__builtin_inff());
  Mask16 mask[4];
  F32x16 s[4];
  for (int v = 0; v < 4; ++v) {
    const int lo = row.chunk_lo - 16 * v, hi = row.chunk_hi - 16 * v;
    mask[v] = LaneRange(lo < 0 ? 0 : lo > 16 ? 16 : lo, hi < 0 ? 0 : hi > 16 ? 16 : hi);
    s[v] = Load(row.p + 16 * v);
    if (softcap > 0) s[v] = Mul(Set(softcap), Tanh(Div(s[v], Set(softcap))));
    top = Max(top, Select(mask[v], s[v], Set(-__builtin_inff())));
  }
  float lanes[16];
  Store(lanes, top);
  float m = lanes[0];
  for (int i = 1; i < 16; ++i) m = m > lanes[i] ? m : lanes[i];
  F32x16 total = Set(0.0f);
  for (int v = 0; v < 4; ++v) {
    const F32x16 p = Select(mask[v], Exp(Sub(s[v], Set(m))), Set(0.0f));
    Store(row.p + 16 * v, p);
    total = Add(total, p);
  }
  *sum = Tree16(total);
  return m;
}

template <typename Kv>
SAMARA_INLINE void AttentionScores(const typename Kv::Type* keys, uint64_t dim, AttentionRow* rows,
                                   int n) {
  int r = 0;
  if constexpr (kScoreRows > 1) {
    for (; r + kScoreRows <= n; r += kScoreRows) Scores<Kv, kScoreRows>(keys, dim, rows + r);
  }
  for (; r < n; ++r) Scores<Kv, 1>(keys, dim, rows + r);
}
template <typename Kv>
SAMARA_INLINE void AttentionValues(const typename Kv::Type* values, uint64_t dim,
                                   AttentionRow* rows, int n) {
  int r = 0;
  while (r < n) {
    if constexpr (kScoreRows > 1) {
      bool equal = r + kScoreRows <= n;
      for (int i = 1; equal && i < kScoreRows; ++i) {
        equal =
            rows[r + i].chunk_lo == rows[r].chunk_lo && rows[r + i].chunk_hi == rows[r].chunk_hi;
      }
      if (equal) {
        Values<Kv, kScoreRows>(values, dim, rows + r);
        r += kScoreRows;
        continue;
      }
    }
    Values<Kv, 1>(values, dim, rows + r);
    ++r;
  }
}

// n <= kAttentionRows rows of one sequence.
template <typename Kv>
void AttentionBatch(const AttentionArgs& args, const uint32_t* table, uint64_t kv_head,
                    AttentionRow* rows, int n) {
  using T = typename Kv::Type;
  float m[16], l[16], chunk_m[16], chunk_l[16], old_scale[16], new_scale[16];
  uint32_t lo = rows[0].lo, hi = rows[0].hi;
  for (int r = 0; r < 16; ++r) m[r] = l[r] = chunk_m[r] = chunk_l[r] = 0.0f;
  for (int r = 0; r < n; ++r) {
    lo = rows[r].lo < lo ? rows[r].lo : lo;
    hi = rows[r].hi > hi ? rows[r].hi : hi;
    rows[r].started = false;
    for (uint64_t d = 0; d < args.key_dim; ++d) rows[r].scaled[d] = rows[r].q[d] * args.scale;
    for (uint64_t d = 0; d < args.value_dim; ++d) rows[r].sum_out[d] = 0.0f;
  }
  for (uint32_t chunk = lo / 64; chunk * uint64_t{64} < hi; ++chunk) {
    const uint64_t block = table[chunk % args.step.blocks_per_seq];
    const T* keys = reinterpret_cast<const T*>(args.keys) +
                    (block * args.kv_heads + kv_head) * args.key_dim * 64;
    const T* values = reinterpret_cast<const T*>(args.values) +
                      (block * args.kv_heads + kv_head) * args.value_dim * 64;
    const int64_t first = static_cast<int64_t>(chunk) * 64;
    for (int r = 0; r < n; ++r) {
      const int64_t a = rows[r].lo - first, b = rows[r].hi - first;
      rows[r].chunk_lo = static_cast<int>(a < 0 ? 0 : a > 64 ? 64 : a);
      rows[r].chunk_hi = static_cast<int>(b < rows[r].chunk_lo ? rows[r].chunk_lo
                                          : b > 64             ? 64
                                                               : b);
    }
    AttentionScores<Kv>(keys, args.key_dim, rows, n);
    for (int r = 0; r < n; ++r) {
      if (rows[r].chunk_lo < rows[r].chunk_hi)
        chunk_m[r] = SoftmaxChunk(rows[r], args.softcap, &chunk_l[r]);
    }
    AttentionValues<Kv>(values, args.value_dim, rows, n);
    // Merge: all rows at once in lanes; rows that see nothing of the chunk keep theirs.
    const F32x16 old_m = Load(m), this_m = Load(chunk_m);
    const F32x16 both = Max(old_m, this_m);
    const F32x16 a = Exp(Sub(old_m, both)), b = Exp(Sub(this_m, both));
    float merged_m[16], merged_l[16];
    Store(merged_m, both);
    Store(merged_l, Fma(Load(l), a, Mul(Load(chunk_l), b)));
    Store(old_scale, a);
    Store(new_scale, b);
    for (int r = 0; r < n; ++r) {
      if (rows[r].chunk_lo >= rows[r].chunk_hi) continue;
      float* o = rows[r].sum_out;
      const float* c = rows[r].chunk_out;
      if (!rows[r].started) {
        rows[r].started = true;
        m[r] = chunk_m[r];
        l[r] = chunk_l[r];
        for (uint64_t d = 0; d < args.value_dim; ++d) o[d] = c[d];
      } else {
        m[r] = merged_m[r];
        l[r] = merged_l[r];
        const F32x16 ra = Set(old_scale[r]), rb = Set(new_scale[r]);
        for (uint64_t d = 0; d < args.value_dim; d += 16)
          Store(o + d, Fma(Load(o + d), ra, Mul(Load(c + d), rb)));
      }
    }
  }
  if (args.sinks != nullptr) {
    float z[16] = {};
    for (int r = 0; r < n; ++r) z[r] = args.sinks[rows[r].head];
    const F32x16 old_m = Load(m), sink = Load(z);
    const F32x16 top = Max(old_m, sink);
    const F32x16 a = Exp(Sub(old_m, top));
    Store(l, Fma(Load(l), a, Exp(Sub(sink, top))));
    Store(old_scale, a);
    for (int r = 0; r < n; ++r) {
      const F32x16 ra = Set(old_scale[r]);
      for (uint64_t d = 0; d < args.value_dim; d += 16)
        Store(rows[r].sum_out + d, Mul(Load(rows[r].sum_out + d), ra));
    }
  }
  for (int r = 0; r < n; ++r) {
    const F32x16 inverse = Set(1.0f / l[r]);
    for (uint64_t d = 0; d < args.value_dim; d += 16) {
      const uint64_t lanes = args.value_dim - d < 16 ? args.value_dim - d : 16;
      StorePartial(rows[r].out + d, Mul(Load(rows[r].sum_out + d), inverse), lanes);
    }
  }
}

template <typename Kv>
void Attention(const AttentionArgs& args, uint64_t begin, uint64_t end, uint32_t worker) {
  const uint64_t group = args.heads / args.kv_heads;
  const uint64_t key_padded = (args.key_dim + 15) / 16 * 16,
                 value_padded = (args.value_dim + 15) / 16 * 16;
  AttentionRow rows[kAttentionRows];
  float* scratch = args.scratch + worker * args.scratch_floats;
  for (auto& row : rows) {
    row.scaled = scratch;
    row.p = row.scaled + key_padded;
    row.chunk_out = row.p + 64;
    row.sum_out = row.chunk_out + value_padded;
    scratch = row.sum_out + value_padded;
  }
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
          AttentionBatch<Kv>(args, table, kv_head, rows, n);
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
    if (n > 0) AttentionBatch<Kv>(args, table, kv_head, rows, n);
  }
}
