// Errors and speeds of the encoders beside another library's with ggml's interface, on the same rows in one run:
//   encoder_compare LIBGGML_BASE.so [TENSORS.safetensors ...]
// Errors are root mean squares over that of the rows, weighed by the importance where there is one. Speeds are MB of
// F16 a second of processor time, one thread.
#include <dlfcn.h>
#include <time.h>

#include <cstdio>
#include <vector>

#include "converter/quantize/quantize.h"
#include "formats/quant/blocks.h"
#include "tools/encoder_rows.h"

namespace samara {
namespace {

using ChunkFunction = size_t (*)(int type, const float* in, void* out, int64_t start, int64_t rows,
                                 int64_t cols, const float* importance);
using InitFunction = void (*)(int type);

struct Peer {
  ChunkFunction chunk;
  InitFunction init;
};
struct Type {
  DType dtype;
  int number;  // the peer's
};
constexpr Type kTypes[] = {{DType::kQ4_0, 2},  {DType::kQ4_1, 3},    {DType::kQ5_0, 6},
                           {DType::kQ5_1, 7},  {DType::kQ8_0, 8},    {DType::kQ2_K, 10},
                           {DType::kQ3_K, 11}, {DType::kQ4_K, 12},   {DType::kQ5_K, 13},
                           {DType::kQ6_K, 14}, {DType::kIQ4_NL, 20}, {DType::kIQ4_XS, 23},
                           {DType::kMXFP4, 39}};

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// False: a type has a larger error than the peer's.
bool Compare(const EncoderRows& x, const Peer& peer) {
  const std::vector<float> weights = RandomImportance(x.cols);
  bool good = true;
  for (const Type& type : kTypes) {
    const DTypeInfo& info = *FindDType(type.dtype);
    if (x.cols % info.block_elements != 0) continue;  // the peer wants whole blocks
    peer.init(type.number);
    for (const bool weighed : {false, true}) {
      const std::vector<float>* importance = weighed ? &weights : nullptr;
      const float* each = weighed ? weights.data() : nullptr;
      std::vector<uint8_t> blocks(RowBytes(type.dtype, x.cols) * x.n);
      struct {
        double rmse = 0, seconds = 0;
      } theirs, ours;
      double start = ProcessorSeconds();
      peer.chunk(type.number, x.values.data(), blocks.data(), 0, static_cast<int64_t>(x.n),
                 static_cast<int64_t>(x.cols), each);
      theirs.seconds = ProcessorSeconds() - start;
      theirs.rmse = RelativeRmse(x, type.dtype, blocks, importance);
      QuantizeResult result;
      start = ProcessorSeconds();
      const bool done =
          QuantizeAndPack(BestQuantizeIsa(), Layout::kRowMajor, type.dtype, DType::kF32,
                          reinterpret_cast<const uint8_t*>(x.values.data()), x.cols * sizeof(float),
                          x.n, x.cols, blocks.data(), &result, each);
      ours.seconds = ProcessorSeconds() - start;
      if (!done) return false;
      ours.rmse = RelativeRmse(x, type.dtype, blocks, importance);
      const double megabytes = static_cast<double>(x.values.size()) * 2e-6;
      std::printf(
          "%-24s %-6s %s  error %.6f ours %.6f ratio %.4f   speed %6.1f ours %6.1f ratio %.2f\n",
          x.name.c_str(), info.name, weighed ? "weighed" : "plain  ", theirs.rmse, ours.rmse,
          ours.rmse / theirs.rmse, megabytes / theirs.seconds, megabytes / ours.seconds,
          theirs.seconds / ours.seconds);
      good = good && ours.rmse <= theirs.rmse;
    }
  }
  return good;
}

int Run(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: encoder_compare LIBGGML_BASE.so [TENSORS.safetensors ...]\n", stderr);
    return 2;
  }
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  const Peer peer = {reinterpret_cast<ChunkFunction>(dlsym(library, "ggml_quantize_chunk")),
                     reinterpret_cast<InitFunction>(dlsym(library, "ggml_quantize_init"))};
  if (peer.chunk == nullptr || peer.init == nullptr) {
    std::fputs("the library has no ggml_quantize_chunk\n", stderr);
    return 2;
  }
  std::vector<EncoderRows> all = {RandomRows(false), RandomRows(true)};
  for (int i = 2; i < argc; ++i) {
    const Status status = LoadRows(argv[i], &all);
    if (status.ok()) continue;
    std::fprintf(stderr, "%s\n", status.message());
    return 2;
  }
  bool good = true;
  for (const EncoderRows& rows : all) good = Compare(rows, peer) && good;
  std::puts(good ? "no error is above the peer's" : "some errors are above the peer's");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace samara

int main(int argc, char** argv) { return samara::Run(argc, argv); }
