// Every kernel of every instruction set that this machine has against the scalar one, bit for bit,
// on memory that ends at a guard page; and the scalar products against double.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "formats/graph.h"
#include "formats/layout/layout.h"
#include "formats/quant/blocks.h"
#include "runtime/step_params.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"
#include "tests/tolerances.h"

namespace samara::cpu {
namespace {

using test::Guarded;
using test::Random;

constexpr DType kCodecTypes[kNumCodecs] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                                           DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1};

// Tables other than the scalar one that this machine can run.
std::vector<const KernelTable*> OtherTables() {
  int count = 0;
  const KernelTable* const* tables = BuiltKernels(&count);
  std::vector<const KernelTable*> available;
  for (int i = 0; i < count; ++i) {
    if (tables[i]->isa != Isa::kScalar && IsaAvailable(tables[i]->isa))
      available.push_back(tables[i]);
  }
#if defined(__x86_64__)
  if (IsaAvailable(Isa::kAvx512Vnni)) {
    static const KernelTable as_avx512 =
        WithQuantKernels(*Avx2Kernels(), Isa::kAvxVnni, "avxvnni as avx512vnni",
                         *AvxVnniAsAvx512QuantKernels());
    available.push_back(&as_avx512);
  }
#endif
  return available;
}

enum class Kind { kNormal, kTies, kSubnormal, kWide };
constexpr Kind kKinds[] = {Kind::kNormal, Kind::kTies, Kind::kSubnormal, Kind::kWide};

std::vector<float> Numbers(Random* random, uint64_t n, Kind kind) {
  std::vector<float> values(n);
  for (float& v : values) {
    switch (kind) {
      case Kind::kNormal:
        v = random->Normal();
        break;
      case Kind::kTies:
        v = static_cast<float>(static_cast<int>(random->Below(255)) - 127) * 0.5f;
        break;
      case Kind::kSubnormal:
        v = random->Signed() * 0x1p-128f;
        break;
      case Kind::kWide:
        v = std::ldexp(random->Normal(), static_cast<int>(random->Below(120)) - 100);
        break;
    }
  }
  return values;
}

// --- linear

struct LinearCase {
  uint64_t rows, cols, tokens;
  bool bias, residual;
};

struct LinearData {
  Guarded<uint8_t> weights;  // packed, with its tail
  Guarded<float> x, bias, residual;
  std::vector<float> dense;  // dequantized [rows][cols]
  uint64_t tile_bytes = 0, tile_rows = 0;
};

LinearData MakeLinear(DType dtype, const LinearCase& c, Kind kind, Random* random) {
  const Layout layout = MatmulLayout(dtype);
  uint64_t bytes = 0, tile_bytes = 0;
  REQUIRE(LayoutBytes(layout, dtype, c.rows, c.cols, &bytes));
  REQUIRE(LayoutTileBytes(layout, dtype, c.cols, &tile_bytes));
  const uint64_t row_bytes = RowBytes(dtype, c.cols);
  std::vector<uint8_t> row_major(c.rows * row_bytes);
  for (uint64_t r = 0; r < c.rows; ++r) {
    QuantizeRow(dtype, random->Floats(c.cols).data(), c.cols, row_major.data() + r * row_bytes);
  }
  LinearData data = {Guarded<uint8_t>(bytes + kSegmentTailBytes),
                     Guarded<float>(Numbers(random, c.tokens * c.cols, kind)),
                     Guarded<float>(random->Floats(c.rows)),
                     Guarded<float>(random->Floats(c.tokens * c.rows)),
                     {}};
  std::memset(data.weights.data(), 0, data.weights.size());
  PackRows(layout, dtype, row_major.data(), row_bytes, c.rows, c.cols, data.weights.data());
  data.dense.resize(c.rows * c.cols);
  for (uint64_t r = 0; r < c.rows; ++r) {
    DequantizePackedRow(layout, dtype, data.weights.data(), r, c.cols,
                        data.dense.data() + r * c.cols);
  }
  data.tile_bytes = tile_bytes;
  data.tile_rows = LayoutTileRows(layout);
  return data;
}

Guarded<float> RunLinear(const KernelTable& table, int codec, const LinearCase& c,
                         const LinearData& data) {
  const uint64_t blocks = (c.cols + 31) / 32;
  const uint64_t padded = codec == static_cast<int>(Codec::kBF16) ? (c.cols + 1) / 2 * 2 : c.cols;
  Guarded<float> f32(c.tokens * padded), d(c.tokens * blocks), y(c.tokens * c.rows);
  Guarded<int8_t> q(c.tokens * blocks * 32);
  Guarded<int32_t> sums(c.tokens * blocks);
  const PackArgs pack = {data.x.data(), c.cols * 4, c.cols,     f32.data(),
                         q.data(),      d.data(),   sums.data()};
  table.pack[codec](pack, 0, c.tokens);
  LinearArgs args = {};
  args.weights = data.weights.data();
  args.tile_bytes = data.tile_bytes;
  args.rows = c.rows;
  args.cols = c.cols;
  args.f32 = f32.data();
  args.q = q.data();
  args.d = d.data();
  args.sums = sums.data();
  args.bias = c.bias ? data.bias.data() : nullptr;
  if (c.residual) {
    // In place, as the planner may arrange it.
    std::memcpy(y.data(), data.residual.data(), y.size() * sizeof(float));
    args.residual = y.data();
    args.residual_stride = c.rows * 4;
  }
  args.y = y.data();
  args.y_stride = c.rows * 4;
  const uint64_t tiles = (c.rows + data.tile_rows - 1) / data.tile_rows;
  // In two pieces, as workers would.
  table.linear[codec](args, 0, tiles / 2, 0, c.tokens);
  table.linear[codec](args, tiles / 2, tiles, 0, c.tokens);
  CHECK((f32.Untouched() && d.Untouched() && q.Untouched() && sums.Untouched() && y.Untouched()));
  return y;
}

TEST_CASE("linear kernels: the same bits on every instruction set, and near double") {
  const LinearCase cases[] = {{1, 1, 1, false, false},     {16, 32, 1, true, false},
                              {17, 33, 3, false, true},    {40, 172, 7, true, true},
                              {96, 64, 8, false, false},   {33, 577, 2, true, true},
                              {64, 2048, 15, false, true}, {5, 31, 25, false, false}};
  uint64_t seed = 1;
  for (int codec = 0; codec < kNumCodecs; ++codec) {
    for (const LinearCase& c : cases) {
      for (Kind kind : kKinds) {
        Random random(++seed);
        CAPTURE(seed);
        CAPTURE(codec);
        CAPTURE(c.rows);
        CAPTURE(c.cols);
        CAPTURE(c.tokens);
        const LinearData data = MakeLinear(kCodecTypes[codec], c, kind, &random);
        const Guarded<float> want = RunLinear(*ScalarKernels(), codec, c, data);
        for (const KernelTable* table : OtherTables()) {
          CAPTURE(std::string(table->name));
          REQUIRE(RunLinear(*table, codec, c, data) == want);
        }
        if (kind != Kind::kNormal) continue;
        double error = 0, norm = 0;
        for (uint64_t t = 0; t < c.tokens; ++t) {
          for (uint64_t r = 0; r < c.rows; ++r) {
            double sum = 0, square = 0;
            for (uint64_t k = 0; k < c.cols; ++k) {
              const double term =
                  double{data.dense[r * c.cols + k]} * data.x.data()[t * c.cols + k];
              sum += term;
              square += term * term;
            }
            double y = want.data()[t * c.rows + r];
            if (c.residual) y -= data.residual.data()[t * c.rows + r];
            if (c.bias) y -= data.bias.data()[r];
            error += (y - sum) * (y - sum);
            norm += square;
          }
        }
        const double bound = codec >= static_cast<int>(Codec::kQ8_0)   ? tolerance::kInt8Norm
                             : codec == static_cast<int>(Codec::kBF16) ? tolerance::kBf16Norm
                                                                       : tolerance::kF32DotNorm;
        CHECK(std::sqrt(error) <= bound * std::sqrt(norm));
      }
    }
  }
}

// The largest integers that a block can give: no partial sum may saturate on any path.
TEST_CASE("linear kernels: extreme quants") {
  constexpr uint64_t kRows = 16, kCols = 64;
  for (int codec = static_cast<int>(Codec::kQ8_0); codec < kNumCodecs; ++codec) {
    const DType dtype = kCodecTypes[codec];
    for (int pattern = 0; pattern < 8; ++pattern) {
      CAPTURE(codec);
      CAPTURE(pattern);
      uint64_t bytes = 0, tile_bytes = 0;
      REQUIRE(LayoutBytes(MatmulLayout(dtype), dtype, kRows, kCols, &bytes));
      REQUIRE(LayoutTileBytes(MatmulLayout(dtype), dtype, kCols, &tile_bytes));
      LinearData data = {Guarded<uint8_t>(bytes + kSegmentTailBytes),
                         Guarded<float>(kCols),
                         Guarded<float>(kRows),
                         Guarded<float>(kRows),
                         {},
                         tile_bytes,
                         kRows};
      // Every quant byte the same: all ones, the most negative byte, alternating signs; scales 1.
      const uint8_t fill[] = {0xff, 0x80, 0x7f, 0x00};
      std::memset(data.weights.data(), fill[pattern % 4], data.weights.size());
      for (uint64_t b = 0; b < 2; ++b) {
        const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
        auto* scales = reinterpret_cast<uint16_t*>(data.weights.data() + at.scales);
        for (int r = 0; r < 16; ++r) scales[r] = 0x3c00;
        if (dtype == DType::kQ4_1 || dtype == DType::kQ5_1) {
          std::memset(data.weights.data() + at.minimums, 0, 32);
        }
      }
      for (uint64_t k = 0; k < kCols; ++k)
        data.x[k] = pattern < 4 ? 127.0f : k % 2 == 0 ? -127.0f : 127.0f;
      const LinearCase c = {kRows, kCols, 1, false, false};
      const Guarded<float> want = RunLinear(*ScalarKernels(), codec, c, data);
      for (const KernelTable* table : OtherTables()) {
        CAPTURE(std::string(table->name));
        CHECK(RunLinear(*table, codec, c, data) == want);
      }
    }
  }
}

// --- Row kernels

TEST_CASE("norm kernels") {
  uint64_t seed = 100;
  for (uint64_t group : {1u, 7u, 16u, 40u, 96u, 577u}) {
    for (Kind kind : kKinds) {
      Random random(++seed);
      CAPTURE(seed);
      constexpr uint64_t kRows = 3;
      const uint64_t cols = group * 2;
      const Guarded<float> x(Numbers(&random, kRows * cols, kind)), w(random.Floats(group));
      auto run = [&](const KernelTable& table, bool weight) {
        Guarded<float> y(kRows * cols);
        const RmsNormArgs args = {x.data(), cols * 4, weight ? w.data() : nullptr,
                                  y.data(), cols * 4, cols,
                                  group,    1e-6f};
        table.rms_norm(args, 0, 1);
        table.rms_norm(args, 1, kRows);
        CHECK(y.Untouched());
        return y;
      };
      for (const KernelTable* table : OtherTables()) {
        CAPTURE(std::string(table->name));
        REQUIRE(run(*table, true) == run(*ScalarKernels(), true));
        REQUIRE(run(*table, false) == run(*ScalarKernels(), false));
      }
    }
  }
}

TEST_CASE("rotary kernels") {
  uint64_t seed = 200;
  for (uint64_t rotary : {2u, 8u, 32u, 80u, 96u, 128u}) {
    Random random(++seed);
    CAPTURE(seed);
    constexpr uint64_t kTokens = 5, kHeads = 3;
    const uint64_t dim = rotary + (rotary % 3) * 5, width = kHeads * dim;
    const Guarded<int32_t> positions(std::vector<int32_t>{0, 1, 77, 131071, 8000000});
    std::vector<float> frequencies(rotary / 2);
    for (uint64_t i = 0; i < frequencies.size(); ++i) {
      frequencies[i] =
          std::pow(10000.0f, -2.0f * static_cast<float>(i) / static_cast<float>(rotary));
    }
    const Guarded<float> inv_freq(frequencies), x(random.Floats(kTokens * width));
    auto run = [&](const KernelTable& table, bool interleaved, bool in_place) {
      Guarded<float> angles(kTokens * rotary), y(kTokens * width);
      table.rope_table({reinterpret_cast<const uint8_t*>(positions.data()), 4, inv_freq.data(),
                        rotary / 2, 1.25f, angles.data(), rotary * 4},
                       0, kTokens);
      const float* from = x.data();
      if (in_place) {
        std::memcpy(y.data(), x.data(), y.size() * 4);
        from = y.data();
      }
      table.rope({from, width * 4, angles.data(), rotary * 4, y.data(), width * 4, kHeads, dim,
                  rotary, interleaved},
                 0, kTokens);
      CHECK((angles.Untouched() && y.Untouched()));
      return y;
    };
    for (bool interleaved : {false, true}) {
      const Guarded<float> want = run(*ScalarKernels(), interleaved, false);
      CHECK(run(*ScalarKernels(), interleaved, true) == want);
      for (const KernelTable* table : OtherTables()) {
        CAPTURE(std::string(table->name));
        CHECK(run(*table, interleaved, false) == want);
        CHECK(run(*table, interleaved, true) == want);
      }
    }
  }
}

TEST_CASE("gated units and elementary functions") {
  uint64_t seed = 300;
  for (uint64_t n : {1u, 15u, 16u, 17u, 172u, 1000u}) {
    for (float scale : {1.0f, 30.0f, 1e-30f, 1e-40f}) {
      Random random(++seed);
      CAPTURE(seed);
      std::vector<float> values = random.Floats(2 * n, scale);
      // Where branches meet.
      const float special[] = {0.0f, -0.0f, 0.625f, -0.625f, 9.0f,    9.1f,
                               0.5f, 88.7f, -87.3f, 89.0f,   -104.0f, 1.0f};
      for (uint64_t i = 0; i < n && i < 12; ++i) values[i] = special[i];
      const Guarded<float> x(values);
      for (const KernelTable* table : OtherTables()) {
        CAPTURE(std::string(table->name));
        for (int act = 0; act < kNumActivations; ++act) {
          CAPTURE(act);
          Guarded<float> want(n), got(n);
          ScalarKernels()->glu[act]({x.data(), 2 * n * 4, want.data(), n * 4, n}, 0, 1);
          table->glu[act]({x.data(), 2 * n * 4, got.data(), n * 4, n}, 0, 1);
          REQUIRE(got == want);
          CHECK(got.Untouched());
        }
        for (int map = 0; map < kNumMapOps; ++map) {
          CAPTURE(map);
          Guarded<float> want(n), got(n);
          std::vector<float> inputs(values.begin(), values.begin() + static_cast<int64_t>(n));
          // The bits of NaN are free: logarithms and roots of what has one.
          if (map == static_cast<int>(MapOp::kLog) || map == static_cast<int>(MapOp::kSqrt)) {
            for (float& v : inputs) v = std::fabs(v);
          }
          const Guarded<float> in(inputs);
          ScalarKernels()->map[map](in.data(), want.data(), n);
          table->map[map](in.data(), got.data(), n);
          REQUIRE(got == want);
          CHECK(got.Untouched());
        }
      }
    }
  }
}

TEST_CASE("batch_matmul kernels") {
  uint64_t seed = 400;
  for (uint64_t n : {1u, 16u, 19u, 70u}) {
    Random random(++seed);
    constexpr uint64_t kM = 3, kK = 37;
    const Guarded<float> a(random.Floats(kM * kK)), b(random.Floats(kK * n));
    auto run = [&](const KernelTable& table) {
      Guarded<float> y(kM * n);
      table.batch_matmul({a.data(), b.data(), y.data(), kM, kK, n, kK * 4, n * 4, n * 4}, 0, kM);
      CHECK(y.Untouched());
      return y;
    };
    for (const KernelTable* table : OtherTables()) {
      CAPTURE(std::string(table->name));
      CHECK(run(*table) == run(*ScalarKernels()));
    }
  }
}

// --- States and attention

struct AttentionCase {
  uint64_t heads, kv_heads, key_dim, value_dim, held, tokens;
  uint64_t window;
  float softcap;
  bool sinks;
};

// Two sequences: the second has one token, so that a batch of rows must be cut between them.
TEST_CASE("state and attention kernels") {
  const AttentionCase cases[] = {
      {1, 1, 8, 8, 0, 1, 0, 0, false},           {4, 2, 64, 64, 0, 70, 0, 0, false},
      {9, 3, 80, 80, 130, 9, 0, 0, true},        {14, 2, 96, 96, 60, 33, 50, 0, false},
      {32, 1, 128, 128, 10, 3, 0, 30.0f, false}, {3, 3, 24, 40, 200, 20, 65, 5.0f, true},
      {4, 4, 16, 16, 63, 2, 1, 0, false},        {16, 2, 128, 72, 300, 1, 0, 0, false}};
  uint64_t seed = 500;
  for (const AttentionCase& c : cases) {
    for (const bool half : {false, true}) {
      Random random(++seed);
      CAPTURE(seed);
      CAPTURE(half);
      const uint64_t element = half ? 2 : 4;
      const uint64_t total = c.held + c.tokens;
      const auto blocks = static_cast<uint32_t>((total + 63) / 64);
      const uint32_t pool_blocks = blocks * 2 + 1;
      std::vector<TokenParams> tokens(total + 1);
      const uint64_t first =
          c.held;  // the step that is attended to has tokens [held, held + tokens)
      for (uint64_t i = 0; i <= total; ++i) {
        TokenParams& t = tokens[i];
        t.seq = i == total;
        t.write_slot = i == total ? 0 : static_cast<uint32_t>(i);
        t.visible_end = t.write_slot + 1;
      }
      SeqParams seqs[2] = {};
      seqs[1].block_table[0] = blocks;
      const std::vector<uint32_t> table = random.Permutation(pool_blocks);
      StepAccess step = {};
      step.seqs = reinterpret_cast<const uint8_t*>(seqs);
      step.seq_stride = sizeof(SeqParams);
      step.token_stride = sizeof(TokenParams);
      step.tables = table.data();
      step.seq_offset = offsetof(TokenParams, seq);
      step.write_offset = offsetof(TokenParams, write_slot);
      step.begin_offset = offsetof(TokenParams, visible_begin);
      step.end_offset = offsetof(TokenParams, visible_end);
      step.table_offset = offsetof(SeqParams, block_table);
      step.blocks_per_seq = blocks;
      const uint64_t k_width = c.kv_heads * c.key_dim, v_width = c.kv_heads * c.value_dim;
      const Guarded<float> k(random.Floats((total + 1) * k_width)),
          v(random.Floats((total + 1) * v_width));
      const uint64_t n = c.tokens + 1;
      const Guarded<float> q(random.Floats(n * c.heads * c.key_dim)), sinks(random.Floats(c.heads));
      struct Result {
        Guarded<uint8_t> keys, values;
        Guarded<float> y;
      };
      auto run = [&](const KernelTable& kernels, uint64_t tokens_per_task) {
        Result r = {Guarded<uint8_t>(pool_blocks * k_width * 64 * element),
                    Guarded<uint8_t>(pool_blocks * v_width * 64 * element),
                    Guarded<float>(n * c.heads * c.value_dim)};
        // What was never written may hold anything, NaN included.
        std::memset(r.keys.data(), 0xff, r.keys.size());
        std::memset(r.values.data(), 0xff, r.values.size());
        step.tokens = reinterpret_cast<const uint8_t*>(tokens.data());
        const StateWriteFn write = half ? kernels.state_write_f16 : kernels.state_write_f32;
        write({step, k.data(), k_width * 4, r.keys.data(), c.kv_heads, c.key_dim, true}, total + 1,
              0, c.kv_heads);
        write({step, v.data(), v_width * 4, r.values.data(), c.kv_heads, c.value_dim, false},
              total + 1, 0, c.kv_heads);
        step.tokens = reinterpret_cast<const uint8_t*>(tokens.data() + first);
        const uint64_t scratch_floats = AttentionScratchFloats(c.key_dim, c.value_dim, false);
        Guarded<float> scratch(2 * scratch_floats);
        AttentionArgs args = {};
        args.step = step;
        args.q = q.data();
        args.q_stride = c.heads * c.key_dim * 4;
        args.keys = r.keys.data();
        args.values = r.values.data();
        args.sinks = c.sinks ? sinks.data() : nullptr;
        args.y = r.y.data();
        args.y_stride = c.heads * c.value_dim * 4;
        args.n_tokens = n;
        args.heads = c.heads;
        args.kv_heads = c.kv_heads;
        args.key_dim = c.key_dim;
        args.value_dim = c.value_dim;
        args.window = c.window;
        args.scale = 0.125f;
        args.softcap = c.softcap;
        args.tokens_per_task = tokens_per_task;
        args.scratch = scratch.data();
        args.scratch_floats = scratch_floats;
        const uint64_t tasks = (n + tokens_per_task - 1) / tokens_per_task * c.kv_heads;
        (half ? kernels.attention_f16 : kernels.attention_f32)(args, 0, tasks, 1);
        CHECK(
            (r.keys.Untouched() && r.values.Untouched() && r.y.Untouched() && scratch.Untouched()));
        return r;
      };
      const Result want = run(*ScalarKernels(), 1);
      bool finite = true;
      for (uint64_t i = 0; i < want.y.size(); ++i)
        finite = finite && std::isfinite(want.y.data()[i]);
      CHECK(finite);
      CHECK(run(*ScalarKernels(), 4).y == want.y);
      for (const KernelTable* kernels : OtherTables()) {
        CAPTURE(std::string(kernels->name));
        for (uint64_t tokens_per_task : {1u, 3u, 16u}) {
          const Result got = run(*kernels, tokens_per_task);
          CHECK(got.keys == want.keys);
          CHECK(got.values == want.values);
          CHECK(got.y == want.y);
        }
      }
    }
  }
}

}  // namespace
}  // namespace samara::cpu
