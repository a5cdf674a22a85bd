// Each loop is a function for its own instruction set; nothing else in this file may use one.
#if defined(__x86_64__)
#include <cpuid.h>

#include "apps/bench/peaks_isa.h"

namespace samara::apps {
namespace {

using Int256 [[gnu::vector_size(32)]] = int32_t;
using Int512 [[gnu::vector_size(64)]] = int32_t;
using Float256 [[gnu::vector_size(32)]] = float;
using Float512 [[gnu::vector_size(64)]] = float;

constexpr uint64_t kTurns = 512;  // of a round, for loops on registers

// Sums that hide the latency of an instruction. They are variables of their own, and the instruction a statement of its
// own, since compilers keep arrays in memory and move the sums of intrinsics from register to register.
#define SAMARA_8(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define SAMARA_16(F) SAMARA_8(F) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define SAMARA_ZERO(k) Vector s##k = {};
#define SAMARA_ADD(k) s0 += s##k;

// Passes over the buffer; STEP(k) adds the products of the vector p[k] and b to s<k>.
#define SAMARA_BUFFER_LOOP(TYPE, COUNT, STEP)                                 \
  using Vector = TYPE;                                                        \
  constexpr size_t n = COUNT(SAMARA_ONE) 0;                                   \
  Vector b = Vector{} + 0x01010101 * buffer[0], ones = Vector{} + 0x00010001; \
  asm volatile("" : "+x"(b), "+x"(ones));                                     \
  COUNT(SAMARA_ZERO)                                                          \
  for (uint64_t r = 0; r < rounds; ++r) {                                     \
    const Vector* p = reinterpret_cast<const Vector*>(buffer);                \
    for (size_t i = 0; i < kPeakBufferBytes; i += n * sizeof *p, p += n) {    \
      COUNT(STEP)                                                             \
    }                                                                         \
  }                                                                           \
  COUNT(SAMARA_ADD)                                                           \
  return static_cast<uint64_t>(s0[0])
#define SAMARA_ONE(k) 1 +

// Turns on registers; STEP(k) adds the products of a and b to s<k>.
#define SAMARA_REGISTER_LOOP(TYPE, COUNT, STEP)                             \
  using Vector = TYPE;                                                      \
  Vector a = Vector{} + static_cast<float>(buffer[0]), b = Vector{} + 0.5f; \
  asm volatile("" : "+x"(a), "+x"(b));                                      \
  COUNT(SAMARA_ZERO)                                                        \
  for (uint64_t turn = 0; turn < rounds * kTurns; ++turn) {                 \
    COUNT(STEP)                                                             \
  }                                                                         \
  COUNT(SAMARA_ADD)                                                         \
  return static_cast<uint64_t>(s0[0])

// Volatile: a turn with the operands of the last one is no reason to leave it out.
#define SAMARA_VPDPBUSD(k) asm volatile("vpdpbusd %2, %1, %0" : "+v"(s##k) : "v"(b), "m"(p[k]));
#define SAMARA_VEX_VPDPBUSD(k) \
  asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(s##k) : "x"(b), "m"(p[k]));
// Products in pairs to 16 bits, pairs to 32 bits, the sum.
#define SAMARA_VPMADDUBSW(k)                                                         \
  {                                                                                  \
    Vector t;                                                                        \
    asm volatile("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0" \
                 : "+x"(s##k), "=&x"(t)                                              \
                 : "x"(b), "m"(p[k]), "x"(ones));                                    \
  }
#define SAMARA_VFMADD(k) asm volatile("vfmadd231ps %2, %1, %0" : "+v"(s##k) : "v"(a), "v"(b));
#define SAMARA_VDPBF16PS(k) asm volatile("vdpbf16ps %2, %1, %0" : "+v"(s##k) : "v"(a), "v"(b));

[[gnu::target("avx512f,avx512vnni")]] uint64_t Avx512Vnni(const uint8_t* buffer, uint64_t rounds) {
  SAMARA_BUFFER_LOOP(Int512, SAMARA_16, SAMARA_VPDPBUSD);
}
[[gnu::target("avx2,avxvnni")]] uint64_t AvxVnni(const uint8_t* buffer, uint64_t rounds) {
  SAMARA_BUFFER_LOOP(Int256, SAMARA_8, SAMARA_VEX_VPDPBUSD);
}
[[gnu::target("avx2")]] uint64_t Avx2Maddubs(const uint8_t* buffer, uint64_t rounds) {
  SAMARA_BUFFER_LOOP(Int256, SAMARA_8, SAMARA_VPMADDUBSW);
}
[[gnu::target("avx512f")]] uint64_t Avx512Fma(const uint8_t* buffer, uint64_t rounds) {
  SAMARA_REGISTER_LOOP(Float512, SAMARA_16, SAMARA_VFMADD);
}
[[gnu::target("avx2,fma")]] uint64_t Avx2Fma(const uint8_t* buffer, uint64_t rounds) {
  SAMARA_REGISTER_LOOP(Float256, SAMARA_8, SAMARA_VFMADD);
}
// The halves of F32 numbers as bf16: finite, which is all that counts.
[[gnu::target("avx512f,avx512bf16")]] uint64_t Avx512Bf16(const uint8_t* buffer, uint64_t rounds) {
  SAMARA_REGISTER_LOOP(Float512, SAMARA_16, SAMARA_VDPBF16PS);
}

bool HasAvx512() { return __builtin_cpu_supports("avx512f"); }
bool HasAvx512Vnni() { return HasAvx512() && __builtin_cpu_supports("avx512vnni"); }
bool HasAvx2() { return __builtin_cpu_supports("avx2"); }
bool HasFma() { return HasAvx2() && __builtin_cpu_supports("fma"); }
// Not every compiler has names for these two. What the system saves is asked for with AVX2 and AVX-512.
bool Leaf71(int bit) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> bit & 1);
}
bool HasAvxVnni() { return HasAvx2() && Leaf71(4); }
bool HasAvx512Bf16() { return HasAvx512() && Leaf71(5); }

constexpr double kInt8Round = 2.0 * kPeakBufferBytes;
constexpr IsaPeak kInt8[] = {
    {{"avx512 vpdpbusd", Avx512Vnni, kInt8Round}, HasAvx512Vnni},
    {{"avx vpdpbusd", AvxVnni, kInt8Round}, HasAvxVnni},
    {{"avx2 vpmaddubsw", Avx2Maddubs, kInt8Round}, HasAvx2},
};
constexpr IsaPeak kFma[] = {
    {{"avx512 fma", Avx512Fma, 2.0 * 16 * 16 * kTurns}, HasAvx512},
    {{"avx2 fma", Avx2Fma, 2.0 * 8 * 8 * kTurns}, HasFma},
};
constexpr IsaPeak kBf16[] = {
    {{"avx512 vdpbf16ps", Avx512Bf16, 2.0 * 32 * 16 * kTurns}, HasAvx512Bf16},
};

}  // namespace

std::span<const IsaPeak> Int8Peaks() { return kInt8; }
std::span<const IsaPeak> FmaPeaks() { return kFma; }
std::span<const IsaPeak> Bf16Peaks() { return kBf16; }

}  // namespace samara::apps

#endif
