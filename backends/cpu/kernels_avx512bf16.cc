// The BF16 products with their dot instruction; the other kernels of this table are those of
// kernels_avx512vnni.cc.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/simd/avx512.h"
#include "formats/math_constants.h"

namespace samara::cpu {
namespace {
// clang-format off
#include "backends/cpu/kernels/common.inl"
#include "backends/cpu/kernels/math.inl"
#include "backends/cpu/kernels/pack_float.inl"
#include "backends/cpu/kernels/linear_float.inl"
// clang-format on
}  // namespace

const Bf16Kernels* Avx512Bf16Kernels() {
  static constexpr Bf16Kernels kernels = {PackBf16Pairs, LinearFloat<WeightBf16Dot>};
  return &kernels;
}

bool Avx512Bf16DotIsExact() {
  // Numbers of all magnitudes that packing leaves, of both signs, with full mantissas: sums that
  // cancel, round and tie.
  uint64_t state = 1;
  const auto next = [&state] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state >> 33);
  };
  const auto value = [&next](uint32_t spread) {
    const uint32_t r = next();
    const uint32_t exponent = 127 - spread + r % (2 * spread + 1);
    return static_cast<uint16_t>((r >> 16 & 1) << 15 | exponent << 7 | (r >> 20 & 127));
  };
  for (uint32_t round = 0; round < 256; ++round) {
    const uint32_t spread = round % 4 == 3 ? 56 : 1 + round % 4 * 4;
    uint16_t w[32], a[32];
    float acc[16], want[16], got[16];
    for (int i = 0; i < 32; ++i) {
      w[i] = value(spread);
      a[i] = value(spread);
    }
    for (int i = 0; i < 16; ++i) {
      // What earlier products would have left: a sum of two.
      const auto wide = [](uint16_t half) {
        const uint32_t bits = static_cast<uint32_t>(half) << 16;
        float f;
        __builtin_memcpy(&f, &bits, 4);
        return f;
      };
      acc[i] = __builtin_fmaf(wide(w[(2 * i + 6) % 32]), wide(a[(2 * i + 9) % 32]),
                              wide(w[(2 * i + 3) % 32]) * wide(a[(2 * i + 4) % 32]));
      want[i] = __builtin_fmaf(wide(w[2 * i + 1]), wide(a[2 * i + 1]), acc[i]);
      want[i] = __builtin_fmaf(wide(w[2 * i]), wide(a[2 * i]), want[i]);
    }
    Store(got, DotBf16(Load(acc), LoadInt(w), LoadInt(a)));
    if (__builtin_memcmp(got, want, sizeof got) != 0) return false;
  }
  return true;
}

}  // namespace samara::cpu
