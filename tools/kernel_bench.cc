// Speed of the CPU kernels, one thread: kernel_bench [isa [kernel]], kernels as in KernelTable.
//
// Products (linear): a plain read of the same bytes for comparison; decode: one token, weights far
// larger than the caches, GB/s of weight bytes; 4 tokens and prefill (512): GOP/s, two operations a
// product.
#include "tools/kernel_bench.h"

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "formats/graph.h"
#include "formats/layout/layout.h"

namespace samara::cpu::bench {
namespace {

constexpr DType kTypes[kNumCodecs] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                                      DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                      DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kQ5_K,
                                      DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4};

struct Bench {
  const KernelTable* table;
  int codec;
  uint64_t rows, cols, tokens;
  std::vector<uint8_t> weights;
  std::vector<float> x, f32, d, y;
  std::vector<int8_t> q;
  std::vector<int32_t> sums;
  LinearArgs args = {};
  PackArgs pack = {};
  uint64_t bytes = 0, tiles = 0;

  bool Init() {
    const DType dtype = kTypes[codec];
    const Layout layout = MatmulLayout(dtype);
    uint64_t tile_bytes = 0;
    if (!LayoutBytes(layout, dtype, rows, cols, &bytes) ||
        !LayoutTileBytes(layout, dtype, cols, &tile_bytes)) {
      return false;
    }
    weights.resize(bytes + kSegmentTailBytes + 64);
    uint8_t* w = weights.data() + (64 - reinterpret_cast<uintptr_t>(weights.data()) % 64) % 64;
    // Small positive numbers in every codec: 0x2c as part of a float, a half scale, or a quant.
    std::memset(w, 0x2c, bytes);
    tiles = (rows + LayoutTileRows(layout) - 1) / LayoutTileRows(layout);
    const uint64_t blocks = (cols + 31) / 32;
    x.assign(tokens * cols, 0.5f);
    f32.resize(tokens * (cols + 1));
    d.resize(tokens * blocks);
    q.resize(tokens * blocks * 32);
    sums.resize(tokens * blocks);
    y.resize(tokens * rows);
    pack = {x.data(), cols * 4, cols, f32.data(), q.data(), d.data(), sums.data()};
    args.weights = w;
    args.tile_bytes = tile_bytes;
    args.rows = rows;
    args.cols = cols;
    args.f32 = f32.data();
    args.q = q.data();
    args.d = d.data();
    args.sums = sums.data();
    args.y = y.data();
    args.y_stride = rows * 4;
    return true;
  }
  void Run() {
    table->pack[codec](pack, 0, tokens);
    if (tokens <= table->tokens_per_task) {
      table->linear[codec](args, 0, tiles, 0, tokens);
      return;
    }
    // In groups of tiles times blocks of tokens, as the backend runs them.
    for (uint64_t tile = 0; tile < tiles; tile += table->tiles_per_task) {
      for (uint64_t t = 0; t < tokens; t += table->tokens_per_task) {
        table->linear[codec](args, tile, std::min(tiles, tile + table->tiles_per_task), t,
                             std::min<uint64_t>(tokens, t + table->tokens_per_task));
      }
    }
  }
  // Seconds of the fastest plain read of the weights: what memory gives at this moment.
  double TimeRead() {
    double best = 1e9;
    for (int round = 0; round < 4; ++round) {
      const double begin = Now();
      uint64_t sum[8] = {};
      const auto* words = reinterpret_cast<const uint64_t*>(args.weights);
      for (uint64_t i = 0; i + 8 <= bytes / 8; i += 8) {
        __builtin_prefetch(words + i + 512);
        for (int j = 0; j < 8; ++j) sum[j] += words[i + j];
      }
      for (int j = 1; j < 8; ++j) sum[0] += sum[j];
      x[0] = sum[0] == 1 ? 0.25f : 0.5f;  // the sum is used
      best = std::min(best, Now() - begin);
    }
    return best;
  }
  double Time() {
    return Fastest(0.6, [this] { Run(); });
  }
};

}  // namespace

namespace entry {

void pack(const KernelTable& table) {
  for (int codec = 0; codec < kNumCodecs; ++codec) {
    Bench bench = {&table, codec, 16, 4864, 128, {}, {}, {}, {}, {}, {}, {}};
    if (!bench.Init()) return;
    const double s = Fastest(0.1, [&] { table.pack[codec](bench.pack, 0, bench.tokens); });
    std::printf("%-12s pack for %-15s %10.3f us %8.3f ns an element\n", table.name,
                DTypeName(kTypes[codec]), s * 1e6,
                s * 1e9 / static_cast<double>(bench.tokens * bench.cols));
  }
}

void linear(const KernelTable& table) {
  std::printf("%-12s %-6s %10s %12s %15s %14s\n", "isa", "linear", "read GB/s", "decode GB/s",
              "4 tokens GOP/s", "prefill GOP/s");
  const bool slow = table.isa == Isa::kScalar;
  for (int codec = 0; codec < kNumCodecs; ++codec) {
    Bench decode = {&table, codec, slow ? 4096u : 131072u, 2048, 1, {}, {}, {}, {}, {}, {}, {}};
    Bench small = {&table, codec, slow ? 256u : 8192u, 2048, 4, {}, {}, {}, {}, {}, {}, {}};
    Bench prefill = {&table, codec, slow ? 64u : 4096u, 2048, slow ? 64u : 512u, {}, {}, {}, {}, {},
                     {},     {}};
    if (!decode.Init() || !small.Init() || !prefill.Init()) return;
    const double gops = 2e-9 * 2048;
    std::printf("%-12s %-6s %10.1f %12.1f %15.1f %14.1f\n", table.name, DTypeName(kTypes[codec]),
                static_cast<double>(decode.bytes) / decode.TimeRead() * 1e-9,
                static_cast<double>(decode.bytes) / decode.Time() * 1e-9,
                gops * static_cast<double>(small.rows * small.tokens) / small.Time(),
                gops * static_cast<double>(prefill.rows * prefill.tokens) / prefill.Time());
    std::fflush(stdout);
  }
}

}  // namespace entry
}  // namespace samara::cpu::bench

int main(int argc, char** argv) {
  using namespace samara::cpu;
  int count = 0;
  const KernelTable* const* tables = BuiltKernels(&count);
  for (int i = 0; i < count; ++i) {
    if (!IsaAvailable(tables[i]->isa)) continue;
    if (argc > 1 && std::strcmp(argv[1], tables[i]->name) != 0) continue;
#define SAMARA_BENCH(name) \
  if (argc < 3 || std::strcmp(argv[2], #name) == 0) bench::entry::name(*tables[i]);
    SAMARA_KERNEL_ENTRIES(SAMARA_BENCH)
#undef SAMARA_BENCH
  }
  return 0;
}
