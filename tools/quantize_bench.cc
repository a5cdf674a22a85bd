// Speed of QuantizeAndPack on one thread: MB of source a second, per source type, target and
// instruction set.
//   quantize_bench [rows cols]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "converter/quantize/quantize.h"
#include "formats/quant/blocks.h"

namespace samara {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int Run(uint64_t rows, uint64_t cols) {
  // Weights are near Gaussian; a sum of four uniforms is near enough for speed.
  std::vector<float> values(rows * cols);
  uint64_t state = 1;
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint64_t sum = (state >> 48) + (state >> 32 & 0xffff) + (state >> 16 & 0xffff);
    value = (static_cast<float>(sum) - 98304.0f) * 1e-6f;
  }
  for (const DType from : {DType::kBF16, DType::kF16, DType::kF32}) {
    std::vector<uint8_t> source(RowBytes(from, rows * cols));
    QuantizeRow(from, values.data(), rows * cols, source.data());
    for (const DType to : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                           DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ2_K, DType::kQ3_K,
                           DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS,
                           DType::kMXFP4}) {
      const Layout layout = MatmulLayout(to);
      uint64_t bytes = 0;
      if (!LayoutBytes(layout, to, rows, cols, &bytes)) return 1;
      std::vector<uint8_t> out(bytes);
      std::printf("%-5s to %-5s", DTypeName(from), DTypeName(to));
      for (const QuantizeIsa isa :
           {QuantizeIsa::kScalar, QuantizeIsa::kAvx2, QuantizeIsa::kAvx512}) {
        if (!QuantizeIsaAvailable(isa)) continue;
        double best = 1e30;
        for (int repeat = 0; repeat < 5; ++repeat) {
          QuantizeResult result;
          const double start = Seconds();
          if (!QuantizeAndPack(isa, layout, to, from, source.data(), RowBytes(from, cols), rows,
                               cols, out.data(), &result)) {
            std::printf("\nproblem %d at %llu, %llu\n", static_cast<int>(result.problem),
                        static_cast<unsigned long long>(result.row),
                        static_cast<unsigned long long>(result.col));
            return 1;
          }
          const double seconds = Seconds() - start;
          best = seconds < best ? seconds : best;
          if (best > 0.5) break;
        }
        const double rate = static_cast<double>(source.size()) / best / 1e6;
        std::printf("  %s %5lld MB/s", QuantizeIsaName(isa), static_cast<long long>(rate));
      }
      std::printf("\n");
    }
  }
  return 0;
}

}  // namespace
}  // namespace samara

int main(int argc, char** argv) {
  const uint64_t rows = argc > 2 ? std::strtoull(argv[1], nullptr, 10) : 4096;
  const uint64_t cols = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 4096;
  return samara::Run(rows, cols);
}
