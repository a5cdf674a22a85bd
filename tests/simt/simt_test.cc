// The emulation itself: what it computes, and that it notices what a GPU would hang on or hide.
#include "backends/cuda/simt.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "backends/cuda/kernel_table.h"
#include "tests/support/random.h"

namespace samara::cuda {
namespace {

struct Args {
  float* out;
  const float* in;
  const uint32_t* a;
  const uint32_t* b;
  int32_t* ints;
};

template <auto kKernel>
std::string Launch(const Args& args, uint32_t grid, uint32_t threads, uint32_t shared) {
  const char* problem =
      emulation::RunGrid(&CallKernel<kKernel, Args>, &args, grid, 1, threads, shared);
  return problem == nullptr ? "" : problem;
}

SAMARA_KERNEL(256, ReverseKernel, Args) {
  float* shared = reinterpret_cast<float*>(Shared());
  const uint32_t at = BlockX() * BlockThreads() + Tid();
  shared[Tid()] = a.in[at];
  SyncBlock();
  a.out[at] = shared[BlockThreads() - 1 - Tid()];
}

TEST_CASE("threads of a block meet at a barrier") {
  std::vector<float> in(3 * 256), out(3 * 256);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
  Args args = {};
  args.in = in.data();
  args.out = out.data();
  CHECK(Launch<&ReverseKernel>(args, 3, 256, 1024) == "");
  for (size_t i = 0; i < in.size(); ++i) CHECK(out[i] == in[i / 256 * 256 + 255 - i % 256]);
}

SAMARA_KERNEL(64, WarpKernel, Args) {
  const float x = a.in[Tid()];
  a.out[Tid()] = WarpSum(x);
  a.out[64 + Tid()] = WarpMax(x);
  a.out[128 + Tid()] = ShuffleXor(x, 5);
  a.out[192 + Tid()] = ShuffleFrom(x, (Lane() + 1) % 32);
}

TEST_CASE("warp operations") {
  std::vector<float> in(64), out(256);
  test::Random random(3);
  for (float& x : in) x = random.Normal();
  Args args = {};
  args.in = in.data();
  args.out = out.data();
  CHECK(Launch<&WarpKernel>(args, 1, 64, 0) == "");
  for (size_t i = 0; i < 64; ++i) {
    const size_t warp = i / 32 * 32;
    float sum = 0, max = in[warp];
    for (size_t k = 0; k < 32; ++k) {
      sum += in[warp + k];
      max = in[warp + k] > max ? in[warp + k] : max;
    }
    CHECK(out[i] == doctest::Approx(sum).epsilon(1e-5));
    CHECK(out[i] == out[warp]);
    CHECK(out[64 + i] == max);
    CHECK(out[128 + i] == in[i ^ 5]);
    CHECK(out[192 + i] == in[warp + (i + 1) % 32]);
  }
}

SAMARA_KERNEL(64, HalfBarrierKernel, Args) {
  if (Tid() < 32) SyncBlock();
  if (Tid() == 0) a.out[0] = 1;
}
SAMARA_KERNEL(32, MissingLaneKernel, Args) {
  if (Tid() != 7) a.out[Tid()] = WarpSum(1.0f);
}
SAMARA_KERNEL(32, MixedKernel, Args) { a.out[Tid()] = Tid() < 16 ? WarpSum(1.0f) : WarpMax(1.0f); }

SAMARA_KERNEL(32, OddLoadKernel, Args) {
  a.ints[Tid()] = static_cast<int32_t>(LoadWeight32(reinterpret_cast<const uint8_t*>(a.a) + 2));
}
SAMARA_KERNEL(32, OddCopyKernel, Args) {
  CopyAsync<16>(Shared() + 16 * Tid(), a.a + 1);
  WaitCopies<0>();
}

TEST_CASE("addresses that the device would not take are errors") {
  alignas(16) const uint32_t in[8] = {};
  std::vector<int32_t> out(32);
  Args args = {};
  args.a = in;
  args.ints = out.data();
  CHECK(Launch<&OddLoadKernel>(args, 1, 32, 0).find("misaligned") != std::string::npos);
  CHECK(Launch<&OddCopyKernel>(args, 1, 32, 512).find("misaligned") != std::string::npos);
}

TEST_CASE("divergent barriers and warp operations are errors, and the next kernel runs") {
  std::vector<float> out(64);
  Args args = {};
  args.out = out.data();
  CHECK(Launch<&HalfBarrierKernel>(args, 1, 64, 0).find("barrier") != std::string::npos);
  CHECK(Launch<&MissingLaneKernel>(args, 1, 32, 0).find("lanes never reach") != std::string::npos);
  CHECK(Launch<&MixedKernel>(args, 1, 32, 0).find("different warp operations") !=
        std::string::npos);
  CHECK(Launch<&ReverseKernel>(args, 1, 48, 0) != "");  // no whole warps
  std::vector<float> in(64, 2.0f);
  args.in = in.data();
  CHECK(Launch<&ReverseKernel>(args, 1, 64, 256) == "");
  CHECK(out[5] == 2.0f);
}

SAMARA_KERNEL(32, CopyKernelOfTest, Args) {
  uint32_t* shared = reinterpret_cast<uint32_t*>(Shared());
  shared[Tid()] = 1;
  CopyAsync<4>(shared + Tid(), a.a + Tid());
  CommitCopies();
  a.ints[Tid()] = static_cast<int32_t>(shared[Tid()]);  // not there yet
  WaitCopies<0>();
  a.ints[32 + Tid()] = static_cast<int32_t>(shared[Tid()]);
}

TEST_CASE("asynchronous copies arrive when they are waited for") {
  std::vector<uint32_t> in(32);
  std::vector<int32_t> out(64);
  for (uint32_t i = 0; i < 32; ++i) in[i] = 100 + i;
  Args args = {};
  args.a = in.data();
  args.ints = out.data();
  CHECK(Launch<&CopyKernelOfTest>(args, 1, 32, 128) == "");
  for (int32_t i = 0; i < 32; ++i) {
    CHECK(out[static_cast<size_t>(i)] == 1);
    CHECK(out[static_cast<size_t>(32 + i)] == 100 + i);
  }
}

// Fragments as the PTX ISA lays them out; `a` and `b` are plain row-major matrices (b by columns).
SAMARA_KERNEL(32, Int8Kernel, Args) {
  const uint32_t g = Lane() / 4, w = Lane() % 4;
  const uint32_t m[4] = {a.a[g * 8 + w], a.a[(g + 8) * 8 + w], a.a[g * 8 + 4 + w],
                         a.a[(g + 8) * 8 + 4 + w]};
  const uint32_t n[2] = {a.b[g * 8 + w], a.b[g * 8 + 4 + w]};
  int32_t c[4] = {1, 2, 3, 4};
  MmaInt8(c, m, n);
  for (uint32_t i = 0; i < 4; ++i)
    a.ints[(g + i / 2 * 8) * 8 + 2 * w + i % 2] = c[i] - 1 - static_cast<int32_t>(i);
}
SAMARA_KERNEL(32, HalfKernel, Args) {
  const uint32_t g = Lane() / 4, w = Lane() % 4;
  const uint32_t m[4] = {a.a[g * 8 + w], a.a[(g + 8) * 8 + w], a.a[g * 8 + 4 + w],
                         a.a[(g + 8) * 8 + 4 + w]};
  const uint32_t n[2] = {a.b[g * 8 + w], a.b[g * 8 + 4 + w]};
  float c[4] = {};
  MmaHalf(c, m, n);
  for (uint32_t i = 0; i < 4; ++i) a.out[(g + i / 2 * 8) * 8 + 2 * w + i % 2] = c[i];
}

TEST_CASE("tensor cores multiply matrices whose fragments are laid out by the PTX ISA") {
  test::Random random(9);
  int8_t a[16][32], b[8][32];
  for (auto& row : a)
    for (int8_t& x : row) x = static_cast<int8_t>(random.Below(256));
  for (auto& row : b)
    for (int8_t& x : row) x = static_cast<int8_t>(random.Below(256));
  std::vector<uint32_t> a_words(16 * 8), b_words(8 * 8);
  std::memcpy(a_words.data(), a, sizeof a);
  std::memcpy(b_words.data(), b, sizeof b);
  std::vector<int32_t> ints(128);
  Args args = {};
  args.a = a_words.data();
  args.b = b_words.data();
  args.ints = ints.data();
  CHECK(Launch<&Int8Kernel>(args, 1, 32, 0) == "");
  for (size_t r = 0; r < 16; ++r) {
    for (size_t c = 0; c < 8; ++c) {
      int32_t sum = 0;
      for (size_t k = 0; k < 32; ++k) sum += a[r][k] * b[c][k];
      CHECK(ints[r * 8 + c] == sum);
    }
  }

  uint16_t x[16][16], y[8][16];
  for (auto& row : x)
    for (uint16_t& v : row) v = HalfFromFloat(random.Normal());
  for (auto& row : y)
    for (uint16_t& v : row) v = HalfFromFloat(random.Normal());
  std::memcpy(a_words.data(), x, sizeof x);
  std::memcpy(b_words.data(), y, sizeof y);
  std::vector<float> out(128);
  args.out = out.data();
  CHECK(Launch<&HalfKernel>(args, 1, 32, 0) == "");
  for (size_t r = 0; r < 16; ++r) {
    for (size_t c = 0; c < 8; ++c) {
      double sum = 0;
      for (size_t k = 0; k < 16; ++k)
        sum += double{FloatFromHalf(x[r][k])} * FloatFromHalf(y[c][k]);
      CHECK(out[r * 8 + c] == doctest::Approx(sum).epsilon(1e-6));
    }
  }
}

}  // namespace
}  // namespace samara::cuda
