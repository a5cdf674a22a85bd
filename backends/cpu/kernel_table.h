// The kernel table of the CPU backend: one KernelTable per instruction set. Selection, tests and
// benchmarks all come from it.
//
// Kernels see raw pointers, sizes and strides in bytes. What each computes, to the last bit, is
// formats/numerics.md; every table gives the same bits. This header is included by files compiled
// for one instruction set: it must hold no function body that a linker could share between them.
#ifndef SAMARA_BACKENDS_CPU_KERNEL_TABLE_H_
#define SAMARA_BACKENDS_CPU_KERNEL_TABLE_H_

#include <cstddef>
#include <cstdint>

namespace samara::cpu {

enum class Isa : uint8_t {
  kScalar,
  kAvx2,
  kAvxVnni,
  kAvx512,
  kAvx512Vnni,
  kAvx512Bf16,
  kNeon,
  kNeonDot,
  kNeonI8mm,
};

// Weight codecs in the order of KernelTable::linear.
enum class Codec : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
};
inline constexpr int kNumCodecs = 16;
// Sums of a block of activations: of its halves where scales are of 16 values.
constexpr uint64_t SumsOfBlock(Codec codec) {
  return codec == Codec::kQ2_K || codec == Codec::kQ3_K || codec == Codec::kQ6_K ? 2 : 1;
}

// Tokens of a linear are packed in tiles of 8, the rest in tiles of 4, 2 and 1. A tile of W tokens
// that begins at token t lies at element t * (elements a token) of each array:
//   floats  x [k_padded][W]                      k_padded: cols, rounded up to 2 for BF16
//   pairs   x [k_padded / 2][W][2] bf16          BF16 where there is a dot instruction
//   int8    q [blocks][8 groups][W][4], d [blocks][W], sums [blocks][SumsOfBlock][W]
//           where matrices of int8 are multiplied, q [blocks][4 groups][W][8]
// `sums` is the business of a codec's pack and linear kernel: from the sums of a block's q's.
inline constexpr uint32_t kTokenTile = 8;
// The most tokens of one task of a linear with many.
inline constexpr uint32_t kMaxTaskTokens = 128;

struct PackArgs {
  const float* x;
  uint64_t x_stride;
  uint64_t cols;
  float* f32;  // float kernels
  int8_t* q;   // int8 kernels
  float* d;
  int32_t* sums;
};
// Packs tokens [begin, end); begin is a multiple of kTokenTile.
using PackFn = void (*)(const PackArgs& args, uint64_t begin, uint64_t end);

struct LinearArgs {
  const uint8_t* weights;  // tiles of formats/layout/layout.h
  uint64_t tile_bytes;
  uint64_t rows, cols;
  const float* f32;  // packed activations, as the codec wants them
  const int8_t* q;
  const float* d;
  const int32_t* sums;
  const float* bias;      // [rows] or nullptr
  const float* residual;  // or nullptr; may be y
  uint64_t residual_stride;
  float* y;
  uint64_t y_stride;
};
// y[t, r] = sum over k of W[r, k] * x[t, k]  + bias[r]  + residual[t, r], for the rows of weight
// tiles [tile_begin, tile_end) and tokens [token_begin, token_end); token_begin is a multiple of
// kTokenTile.
using LinearFn = void (*)(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end,
                          uint64_t token_begin, uint64_t token_end);

struct RmsNormArgs {
  const float* x;
  uint64_t x_stride;
  const float* weight;  // [group], or [cols] if centred; or nullptr
  float* y;
  uint64_t y_stride;
  uint64_t cols, group;
  float eps;
  bool centred = false;         // layer_norm: the mean of x is taken off first
  const float* bias = nullptr;  // [cols]; if centred only
};
// y = (x / sqrt(mean(x^2) + eps)) * weight + bias, over each run of `group` elements of rows
// [begin, end).
using RmsNormFn = void (*)(const RmsNormArgs& args, uint64_t begin, uint64_t end);

struct RopeTableArgs {
  const uint8_t* positions;  // int32 at positions + t * positions_stride
  uint64_t positions_stride;
  const float* inv_freq;
  uint64_t n;  // frequencies
  float factor;
  float* y;
  uint64_t y_stride;
};
// y[t] = cos(position[t] * inv_freq) * factor, then the sines.
using RopeTableFn = void (*)(const RopeTableArgs& args, uint64_t begin, uint64_t end);

struct RopeArgs {
  const float* x;
  uint64_t x_stride;
  const float* table;
  uint64_t table_stride;
  float* y;  // may be x
  uint64_t y_stride;
  uint64_t heads, head_dim, rotary;
  bool interleaved;
};
// Rotates the pairs of each head of tokens [begin, end).
using RopeFn = void (*)(const RopeArgs& args, uint64_t begin, uint64_t end);

struct GluArgs {
  const float* x;  // gate, then up
  uint64_t x_stride;
  float* y;
  uint64_t y_stride;
  uint64_t n;
  bool gated = true;  // false: there is no up
};
// y = act(gate) * up, or act(gate), for tokens [begin, end).
using GluFn = void (*)(const GluArgs& args, uint64_t begin, uint64_t end);

// Where a step's slots are: mirrors runtime/step_params.h in plain pointers.
struct StepAccess {
  const uint8_t* tokens;  // fields at token + offsets below
  uint64_t token_stride;
  const uint8_t* seqs;
  uint64_t seq_stride;
  const uint32_t* tables;
  uint32_t seq_offset, write_offset, begin_offset, end_offset;  // u32 fields of a token
  uint32_t table_offset;  // u32 field of a sequence: this group's table
  uint32_t blocks_per_seq;
};

struct StateWriteArgs {
  StepAccess step;
  const float* x;
  uint64_t x_stride;
  uint8_t* part;
  uint64_t heads, dim;
  bool transposed;  // keys
};
// Writes heads [begin, end) of `n_tokens` tokens to their slots.
using StateWriteFn = void (*)(const StateWriteArgs& args, uint64_t n_tokens, uint64_t begin,
                              uint64_t end);

// Rows (token, query head) that one attention task holds at once.
inline constexpr uint64_t kAttentionRows = 16;

struct AttentionArgs {
  StepAccess step;
  const float* q;
  uint64_t q_stride;
  const uint8_t* keys;
  const uint8_t* values;
  const float* sinks;  // [heads] or nullptr
  float* y;
  uint64_t y_stride;
  uint64_t n_tokens, heads, kv_heads, key_dim, value_dim;
  uint64_t window;
  float scale, softcap;
  uint64_t tokens_per_task;
  float* scratch;           // of all workers
  uint64_t scratch_floats;  // of one worker
};
// Task = token block * kv_heads + kv head. out = sum p_j v_j / sum p_j, p = exp(s - max), s = scale
// * q . k.
using AttentionFn = void (*)(const AttentionArgs& args, uint64_t begin, uint64_t end,
                             uint32_t worker);

// y[i] = f(x[i])
using MapFn = void (*)(const float* x, float* y, uint64_t n);

struct BatchMatmulArgs {
  const float* a;
  const float* b;
  float* y;
  uint64_t m, k, n;
  uint64_t a_stride, b_stride, y_stride;  // between rows; the last dimension is contiguous
};
// y[m, n] = sum over k of a[m, k] * b[k, n], rows [begin, end) of one batch entry.
using BatchMatmulFn = void (*)(const BatchMatmulArgs& args, uint64_t begin, uint64_t end);

enum class MapOp : uint8_t { kExp, kLog, kSqrt, kSin, kCos, kTanh, kErf };
inline constexpr int kNumMapOps = 7;
inline constexpr int kNumActivations = 4;  // as in formats/operators.h

struct KernelTable {
  Isa isa;
  const char* name;
  // A linear task of several blocks of tokens has so many tokens and weight tiles.
  uint32_t tokens_per_task, tiles_per_task;
  // A worker looks at the cancel flag after about so many products of a linear.
  uint64_t products_per_piece;
  PackFn pack[kNumCodecs];
  LinearFn linear[kNumCodecs];
  RmsNormFn rms_norm;
  RopeTableFn rope_table;
  RopeFn rope;
  GluFn glu[kNumActivations];
  StateWriteFn state_write_f32, state_write_f16, state_write_q8_0, state_write_q4_0;
  AttentionFn attention_f32, attention_f16, attention_q8_0, attention_q4_0;
  MapFn map[kNumMapOps];
  BatchMatmulFn batch_matmul;
};
// Every kernel of a table. Tests and micro-benchmarks have a function of each entry's name and do
// not compile without, so that no kernel goes untested or unmeasured.
// clang-format off
#define SAMARA_KERNEL_ENTRIES(ENTRY)                                    \
  ENTRY(pack) ENTRY(linear)                                             \
  ENTRY(rms_norm) ENTRY(rope_table) ENTRY(rope) ENTRY(glu)              \
  ENTRY(state_write_f32) ENTRY(state_write_f16) ENTRY(state_write_q8_0) \
  ENTRY(state_write_q4_0) ENTRY(attention_q4_0)                         \
  ENTRY(attention_f32) ENTRY(attention_f16) ENTRY(attention_q8_0)       \
  ENTRY(map) ENTRY(batch_matmul)
// clang-format on
#define SAMARA_KERNEL_BYTES(entry) +sizeof(KernelTable::entry)
static_assert(offsetof(KernelTable, pack)
                      SAMARA_KERNEL_ENTRIES(SAMARA_KERNEL_BYTES) == sizeof(KernelTable),
              "a kernel is missing from SAMARA_KERNEL_ENTRIES");
#undef SAMARA_KERNEL_BYTES

// An instruction set that adds int8 dots only: the linears from Codec::kQ8_0 on.
inline constexpr int kNumQuantCodecs = 13;
struct QuantKernels {
  PackFn pack[kNumQuantCodecs];
  LinearFn linear[kNumQuantCodecs];
};

// Of a type from Codec::kQ4_1 on what gains nothing from such dots, so that tables can share it: the
// product with one token, which waits for memory, and the expansion of weights to bytes.
struct CodesParts {
  void (*one)(const LinearArgs& args, uint64_t tile_begin, uint64_t tile_end, uint64_t token);
  void (*expand)(const uint8_t* w, uint64_t n_blocks, uint8_t* out);
};
inline constexpr int kNumCodesCodecs = 11;  // from Codec::kQ4_1 on
extern const CodesParts kAvx2CodesParts[kNumCodesCodecs];

// An instruction set that adds a BF16 dot.
struct Bf16Kernels {
  PackFn pack;
  LinearFn linear;
};

// One function a file kernels_<isa>.cc. Calling it needs no special instruction; its kernels do.
const KernelTable* ScalarKernels();
const KernelTable* Avx2Kernels();
const QuantKernels* AvxVnniQuantKernels();
// The same source in the encoding of AVX-512 VNNI with VL: for the tests, and only there.
const QuantKernels* AvxVnniAsAvx512QuantKernels();
// Without the linears of the types from Codec::kQ4_1 on, which AVX2's serve as well.
const KernelTable* Avx512Kernels();
const QuantKernels* Avx512VnniQuantKernels();
const Bf16Kernels* Avx512Bf16Kernels();
// Does this processor's instruction round as the contract says? To be asked before the kernels are
// used.
bool Avx512Bf16DotIsExact();
const KernelTable* NeonKernels();
const QuantKernels* NeonDotQuantKernels();
const QuantKernels* NeonI8mmQuantKernels();

// `base` with other int8 products.
KernelTable WithQuantKernels(const KernelTable& base, Isa isa, const char* name,
                             const QuantKernels& quant);

// All tables in this build, best first.
const KernelTable* const* BuiltKernels(int* count);
// True if this machine and operating system can run the instruction set.
bool IsaAvailable(Isa isa);
// Has the processor a fused multiply-add? Without one each of the contract's is a library call.
bool HasFma();

// Floats that one worker needs in an attention task; `widened`: keys and values of Q8_0 or Q4_0.
uint64_t AttentionScratchFloats(uint64_t key_dim, uint64_t value_dim, bool widened);

}  // namespace samara::cpu

#endif  // SAMARA_BACKENDS_CPU_KERNEL_TABLE_H_
