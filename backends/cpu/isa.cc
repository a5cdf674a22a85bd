// Which kernel tables are built in, and which of them this machine can run.
#include "backends/cpu/kernel_table.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace samara::cpu {
namespace {

#if defined(__x86_64__)
struct X86Features {
  bool fma = false, avx2 = false, avx_vnni = false, avx512 = false, vnni = false, bf16 = false;
};

// The compiler's own check does not ask the operating system about every register file in every
// version, so the bits are read here: CPUID says what the core has, XGETBV what the system saves on
// a context switch.
X86Features Detect() {
  X86Features f;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  const bool osxsave = c >> 27 & 1, avx = c >> 28 & 1, fma = c >> 12 & 1, f16c = c >> 29 & 1;
  if (!osxsave || !avx) return f;
  unsigned xcr0, high;
  __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  if ((xcr0 & 0x6) != 0x6) return f;
  f.fma = fma;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  f.avx2 = fma && f16c && (b >> 5 & 1);
  unsigned a1 = 0, b1, c1, d1;
  if (a >= 1) (void)__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);
  f.avx_vnni = f.avx2 && (a1 >> 4 & 1);
  if ((xcr0 & 0xe6) != 0xe6) return f;
  const bool avx512f = b >> 16 & 1, dq = b >> 17 & 1, bw = b >> 30 & 1, vl = b >> 31 & 1;
  f.avx512 = f.avx2 && avx512f && dq && bw && vl;
  f.vnni = f.avx512 && (c >> 11 & 1);
  f.bf16 = f.vnni && (a1 >> 5 & 1);
  return f;
}
#endif

}  // namespace

bool IsaAvailable(Isa isa) {
#if defined(__x86_64__)
  const X86Features f = Detect();
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return f.avx2;
    case Isa::kAvxVnni:
      return f.avx_vnni;
    case Isa::kAvx512:
      return f.avx512;
    case Isa::kAvx512Vnni:
      return f.vnni;
    case Isa::kAvx512Bf16:
      return f.bf16 && Avx512Bf16DotIsExact();
    default:
      return false;
  }
#elif defined(__aarch64__)
  switch (isa) {
    case Isa::kScalar:
    case Isa::kNeon:
      return true;
#if defined(__linux__)
    case Isa::kNeonDot:
      return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
    case Isa::kNeonI8mm:
      return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0 &&
             (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#endif
    default:
      return false;
  }
#else
  return isa == Isa::kScalar;
#endif
}

bool HasFma() {
#if defined(__x86_64__)
  return Detect().fma;
#else
  return true;  // part of AArch64's baseline; elsewhere the compiler decides
#endif
}

KernelTable WithQuantKernels(const KernelTable& base, Isa isa, const char* name,
                             const QuantKernels& quant) {
  KernelTable table = base;
  table.isa = isa;
  table.name = name;
  for (int i = 0; i < kNumQuantCodecs; ++i) {
    table.pack[static_cast<int>(Codec::kQ8_0) + i] = quant.pack[i];
    table.linear[static_cast<int>(Codec::kQ8_0) + i] = quant.linear[i];
  }
  return table;
}

const KernelTable* const* BuiltKernels(int* count) {
#if defined(__x86_64__)
  static const KernelTable avx512 = [] {
    KernelTable table = *Avx512Kernels();
    for (int i = static_cast<int>(Codec::kQ4_1); i < kNumCodecs; ++i) {
      table.linear[i] = Avx2Kernels()->linear[i];
    }
    return table;
  }();
  static const KernelTable vnni =
      WithQuantKernels(avx512, Isa::kAvx512Vnni, "avx512vnni", *Avx512VnniQuantKernels());
  static const KernelTable avx_vnni =
      WithQuantKernels(*Avx2Kernels(), Isa::kAvxVnni, "avxvnni", *AvxVnniQuantKernels());
  static const KernelTable bf16 = [] {
    KernelTable table = vnni;
    table.isa = Isa::kAvx512Bf16;
    table.name = "avx512bf16";
    table.pack[static_cast<int>(Codec::kBF16)] = Avx512Bf16Kernels()->pack;
    table.linear[static_cast<int>(Codec::kBF16)] = Avx512Bf16Kernels()->linear;
    return table;
  }();
  static const KernelTable* const tables[] = {&bf16,     &vnni,         &avx512,
                                              &avx_vnni, Avx2Kernels(), ScalarKernels()};
#elif defined(__aarch64__)
  static const KernelTable dot =
      WithQuantKernels(*NeonKernels(), Isa::kNeonDot, "neondot", *NeonDotQuantKernels());
  static const KernelTable i8mm =
      WithQuantKernels(*NeonKernels(), Isa::kNeonI8mm, "neoni8mm", *NeonI8mmQuantKernels());
  static const KernelTable* const tables[] = {&i8mm, &dot, NeonKernels(), ScalarKernels()};
#else
  static const KernelTable* const tables[] = {ScalarKernels()};
#endif
  *count = static_cast<int>(sizeof(tables) / sizeof(tables[0]));
  return tables;
}

uint64_t AttentionScratchFloats(uint64_t key_dim, uint64_t value_dim, bool widened) {
  const uint64_t padded = (value_dim + 15) / 16 * 16;
  // Per row: scores of a chunk, the chunk's and the running output, two scales, the scaled query.
  const uint64_t rows = kAttentionRows * (64 + 2 * padded + 2 + key_dim);
  // A chunk's keys or values as F32.
  return widened ? rows + 64 * (key_dim > value_dim ? key_dim : value_dim) : rows;
}

}  // namespace samara::cpu
