// The products' kernels, and the list of all kernels (cpu_kernels.h).
#include "tests/backends/cpu_kernels.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "formats/graph.h"
#include "formats/layout/layout.h"
#include "formats/quant/blocks.h"
#include "tests/support/plain_codes.h"
#include "tests/tolerances.h"

namespace samara::cpu::kernels_test {

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
    static const KernelTable as_avx512 = WithQuantKernels(
        *Avx2Kernels(), Isa::kAvxVnni, "avxvnni as avx512vnni", *AvxVnniAsAvx512QuantKernels());
    available.push_back(&as_avx512);
  }
#endif
  return available;
}

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

TEST_CASE("every kernel of every instruction set gives the scalar one's bits") {
#define SAMARA_CHECK(entry) \
  SUBCASE(#entry) { check::entry(); }
  SAMARA_KERNEL_ENTRIES(SAMARA_CHECK)
#undef SAMARA_CHECK
  SUBCASE("which") {
    std::string names = "kernels held to the scalar bits:";
    for (const KernelTable* table : OtherTables()) names += std::string(" ") + table->name + ",";
    int count = 0;
    const KernelTable* const* tables = BuiltKernels(&count);
    for (int i = 0; i < count; ++i) {
      if (!IsaAvailable(tables[i]->isa)) names += std::string(" NOT ") + tables[i]->name + ",";
    }
    names.pop_back();
    MESSAGE(names);
  }
}

namespace {

constexpr DType kCodecTypes[kNumCodecs] = {
    DType::kF32,  DType::kF16,    DType::kBF16,   DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
    DType::kQ5_0, DType::kQ5_1,   DType::kQ2_K,   DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
    DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};

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
    test::QuantizeAny(dtype, random->Floats(c.cols).data(), c.cols,
                      row_major.data() + r * row_bytes);
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

// Of packed activations, a token.
uint64_t PackedWords(const KernelTable& table, int codec, uint64_t cols) {
  if (codec != static_cast<int>(Codec::kBF16)) return cols;
  return (cols + 1) / 2 * (table.isa == Isa::kAvx512Bf16 ? 1 : 2);
}

Guarded<float> RunLinear(const KernelTable& table, int codec, const LinearCase& c,
                         const LinearData& data) {
  const uint64_t blocks = (c.cols + 31) / 32;
  Guarded<float> f32(c.tokens * PackedWords(table, codec, c.cols)), d(c.tokens * blocks),
      y(c.tokens * c.rows);
  Guarded<int8_t> q(c.tokens * blocks * 32);
  Guarded<int32_t> sums(c.tokens * blocks * SumsOfBlock(static_cast<Codec>(codec)));
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
  // In pieces, as workers would.
  const uint64_t first = c.tokens > 24 ? 16 : c.tokens;
  table.linear[codec](args, 0, tiles / 2, 0, first);
  table.linear[codec](args, tiles / 2, tiles, 0, first);
  if (first < c.tokens) table.linear[codec](args, 0, tiles, first, c.tokens);
  CHECK((f32.Untouched() && d.Untouched() && q.Untouched() && sums.Untouched() && y.Untouched()));
  return y;
}

struct Packed {
  Guarded<float> f32, d;
  Guarded<int8_t> q;
  Guarded<int32_t> sums;
  bool operator==(const Packed&) const = default;
};

// Elements of a token begin at token t * (elements a token) of its tile; w is the tile's width.
struct TileOf {
  uint64_t begin, w;
};
TileOf TileAt(uint64_t t, uint64_t n) {
  uint64_t begin = t / kTokenTile * kTokenTile, w = kTokenTile;
  while (n - begin < w || t >= begin + w) {
    if (n - begin < w) {
      w /= 2;
    } else {
      begin += w;
    }
  }
  return {begin, w};
}

}  // namespace

// Bits, and the scalar products near double.
void check::linear() {
  const LinearCase cases[] = {{1, 1, 1, false, false},
                              {16, 32, 1, true, false},
                              {17, 33, 3, false, true},
                              {40, 172, 7, true, true},
                              {96, 64, 8, false, false},
                              {33, 577, 2, true, true},
                              {64, 2048, 15, false, true},
                              {5, 31, 25, false, false},
                              // Several steps of blocks, an odd weight tile, more than a task.
                              {80, 1100, 37, true, false},
                              {34, 96, 131, false, true}};
  uint64_t seed = 1;
  for (int codec = 0; codec < kNumCodecs; ++codec) {
    for (const LinearCase& c : cases) {
      for (Kind kind : kKinds) {
        if (c.tokens > 32 && kind != Kind::kNormal) continue;  // for the time that it takes
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

void check::pack() {
  uint64_t seed = 50;
  for (int codec = 0; codec < kNumCodecs; ++codec) {
    const bool quantized = codec >= static_cast<int>(Codec::kQ8_0);
    const CodeForm* form = FindCodeForm(kCodecTypes[codec]);
    const bool halves = form != nullptr && form->sub == 16;
    const uint64_t parts = SumsOfBlock(static_cast<Codec>(codec));
    CHECK(parts == (halves ? 2u : 1u));
    const bool minimum = (form != nullptr && form->minimum) || kCodecTypes[codec] == DType::kQ4_1 ||
                         kCodecTypes[codec] == DType::kQ5_1;
    // Signed bytes, as Q8_0.
    const bool wide = codec == static_cast<int>(Codec::kQ8_0) ||
                      codec == static_cast<int>(Codec::kQ5_0) ||
                      (form != nullptr && form->values != nullptr);
    for (const uint64_t tokens : {1u, 2u, 3u, 7u, 8u, 13u, 17u}) {
      for (const uint64_t cols : {1u, 16u, 31u, 32u, 75u, 128u}) {
        const Kind kind = kKinds[++seed % 4];
        Random random(seed);
        CAPTURE(seed);
        CAPTURE(codec);
        CAPTURE(tokens);
        CAPTURE(cols);
        const uint64_t blocks = (cols + 31) / 32;
        const Guarded<float> x(Numbers(&random, tokens * cols, kind));
        auto run = [&](const KernelTable& table, bool pieces) {
          const uint64_t floats = quantized ? 0 : tokens * PackedWords(table, codec, cols);
          const uint64_t ints = quantized ? tokens * blocks : 0;
          Packed p = {Guarded<float>(floats), Guarded<float>(ints), Guarded<int8_t>(ints * 32),
                      Guarded<int32_t>(ints * SumsOfBlock(static_cast<Codec>(codec)))};
          const PackArgs args = {x.data(),   cols * 4,   cols,         p.f32.data(),
                                 p.q.data(), p.d.data(), p.sums.data()};
          const uint64_t first = pieces && tokens > kTokenTile ? kTokenTile : tokens;
          table.pack[codec](args, 0, first);
          if (first < tokens) table.pack[codec](args, first, tokens);
          CHECK((p.f32.Untouched() && p.d.Untouched() && p.q.Untouched() && p.sums.Untouched()));
          return p;
        };
        const Packed want = run(*ScalarKernels(), false);
        for (const KernelTable* table : OtherTables()) {
          CAPTURE(std::string(table->name));
          const Packed got = run(*table, true);
          CHECK((got == run(*table, false)));
          const bool pairs = !quantized && got.f32.size() < want.f32.size();
          if (!pairs) CHECK(got.f32 == want.f32);
          CHECK(got.d == want.d);
          bool same = true;
          int64_t offset = -1;
          for (uint64_t t = 0; t < tokens; ++t) {
            const TileOf tile = TileAt(t, tokens);
            const uint64_t i = t - tile.begin;
            for (uint64_t k = 0; pairs && k < cols; ++k) {
              uint32_t word, whole;
              std::memcpy(&word,
                          &got.f32.data()[tile.begin * ((cols + 1) / 2) + k / 2 * tile.w + i], 4);
              std::memcpy(&whole,
                          &want.f32.data()[tile.begin * ((cols + 1) / 2 * 2) + k * tile.w + i], 4);
              same = same && whole == (k % 2 == 0 ? word << 16 : word & 0xffff0000);
            }
            for (uint64_t b = 0; b < blocks && quantized; ++b) {
              const uint64_t run_bytes = table->isa == Isa::kNeonI8mm ? 8 : 4;
              const uint64_t begin = (tile.begin * blocks + b * tile.w) * 32;
              int32_t sums[2] = {};  // of the halves, or of the whole
              for (uint64_t k = 0; k < 32; ++k) {
                const int8_t q =
                    got.q.data()[begin + (k / run_bytes * tile.w + i) * run_bytes + k % run_bytes];
                same = same && q == want.q.data()[begin + (k / 4 * tile.w + i) * 4 + k % 4];
                sums[halves ? k / 16 : 0] += q;
              }
              const uint64_t block = tile.begin * blocks + b * tile.w;
              for (uint64_t part = 0; part < parts; ++part) {
                const int32_t sum = sums[part];
                const uint64_t at = block * parts + part * tile.w + i;
                const int32_t made = got.sums.data()[at];
                if (minimum) {  // the scale times the sum, so also what is not a number
                  float as_float;
                  std::memcpy(&as_float, &made, 4);
                  const float product = got.d.data()[block + i] * static_cast<float>(sum);
                  same =
                      same && (as_float == product || (product != product && as_float != as_float));
                } else if (halves) {
                  same = same && made == -form->quant_bias * sum;
                } else if (!wide) {
                  same = same && made == want.sums.data()[at];
                } else if (sum != 0) {  // for Q8_0 what the table adds to the weights
                  if (offset < 0) offset = -made / sum;
                  same = same && made == -offset * sum && (offset == 0 || offset == 128);
                }
              }
            }
          }
          REQUIRE(same);
        }
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
      const bool codes = FindCodeForm(dtype) != nullptr;
      if (codes) std::memset(data.weights.data(), dtype == DType::kMXFP4 ? 127 : 0, 64);
      for (uint64_t b = 0; b < 2; ++b) {
        const Rows16Offsets at = Rows16BlockOffsets(dtype, b);
        if (dtype == DType::kMXFP4) continue;
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

}  // namespace samara::cpu::kernels_test
