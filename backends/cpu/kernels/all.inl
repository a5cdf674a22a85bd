// Everything of a kernel file but its table. Included once by each kernels_<isa>.cc after its simd
// header.
namespace samara::cpu {
namespace {
// In this order: each needs those before it.
// clang-format off
#include "backends/cpu/kernels/common.inl"
#include "backends/cpu/kernels/math.inl"
#include "backends/cpu/kernels/rows.inl"
#include "backends/cpu/kernels/pack_float.inl"
#include "backends/cpu/kernels/pack_quant.inl"
#include "backends/cpu/kernels/linear_float.inl"
#include "backends/cpu/kernels/linear_quant.inl"
#if !defined(SAMARA_NO_CODES)
#include "backends/cpu/kernels/linear_codes.inl"
#endif
#include "backends/cpu/kernels/attention.inl"
// clang-format on
}  // namespace
}  // namespace samara::cpu

#if defined(SAMARA_NO_CODES)
#define SAMARA_CODES_LINEARS
#endif

// Rows of a table, in the order of KernelTable, after isa, name, tokens_per_task,
// tiles_per_task and products_per_piece.
#define SAMARA_KERNELS                                                                             \
  {PackFloat<KeepF32, 1>, PackFloat<KeepF32, 1>, PackFloat<RoundBf16, 2>, SAMARA_QUANT_PACKS,      \
   SAMARA_CODES_PACKS},                                                                            \
      {LinearFloat<WeightF32>, LinearFloat<WeightF16>, LinearFloat<WeightBf16>,                    \
       SAMARA_QUANT_LINEARS, SAMARA_CODES_LINEARS},                                                                      \
      RmsNorm, RopeTable, Rope, {Glu<Silu>, Glu<GeluTanh>, Glu<GeluErf>, Glu<Relu>},               \
      StateWrite<KvF32>, StateWrite<KvF16>, StateWriteQ8, StateWriteQ4, AttentionF32, AttentionF16,\
      AttentionQ8, AttentionQ4, \
      {Map<ExpOf>, Map<LogOf>, Map<SqrtOf>, Map<SinOf>, Map<CosOf>, Map<TanhOf>, Map<ErfOf>},      \
      BatchMatmul
