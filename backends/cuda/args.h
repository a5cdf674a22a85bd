// Arguments of the kernels: plain structs, filled once when a partition is compiled. Whatever changes from step to step
// is read from the step block on the device, behind which the host appends the values of all symbolic dimensions.
#ifndef SAMARA_BACKENDS_CUDA_ARGS_H_
#define SAMARA_BACKENDS_CUDA_ARGS_H_

#include <cstdint>

#include "runtime/step_params.h"

namespace samara::cuda {

inline constexpr uint32_t kMaxTensorRank = 6;
inline constexpr uint32_t kMaxAttentionDim = 256;

// Codes of element types: those of formats/dtypes.h.
enum TypeCode : uint32_t {
  kF32 = 1,
  kF16 = 2,
  kBF16 = 3,
  kQ8_0 = 4,
  kQ4_0 = 5,
  kQ4_1 = 6,
  kQ5_0 = 7,
  kQ5_1 = 8,
  kQ2_K = 9,
  kQ3_K = 10,
  kQ4_K = 11,
  kQ5_K = 12,
  kQ6_K = 13,
  kIQ4_NL = 14,
  kIQ4_XS = 15,
  kMXFP4 = 16,
  kI32 = 32,
  kBool = 33,
};

// The step block and the dimension table behind it.
struct StepArgs {
  const uint8_t* base;
  uint32_t tokens, seqs, block_tables, dims;  // offsets
  uint32_t* fault;                            // host-visible: first error that a kernel met
};
enum Fault : uint32_t {
  kNoFault = 0,
  kFaultGatherRow = 1,
  kFaultBlock = 2,
  kFaultNothingVisible = 3
};

// Dimensions are indices into the dimension table. Rows (of the first dimension) are `row_bytes` apart, what lies
// inside a row is contiguous.
struct TensorArg {
  uint8_t* data;
  uint64_t row_bytes;
  uint32_t type;
  uint32_t rank;
  uint16_t dims[kMaxTensorRank];
};

// A matrix on the device, in the parts that codecs.h describes. Vectors are F32.
struct MatrixArg {
  const uint8_t* units;   // [rows][units_per_row][16]
  const uint8_t* high;    // [rows][scale_blocks] of one or two u32
  const uint8_t* scales;  // [rows] of entries for scale_blocks blocks
  const uint8_t* supers;  // [rows][scale_blocks / 8]
  uint32_t type;
  uint32_t rows, cols;
  uint32_t units_per_row;
  uint32_t blocks;        // of 32 columns, quantized types
  uint32_t scale_blocks;  // blocks rounded up to CodecFacts::row_blocks
};

// Rows of F32, or of activations quantized to int8: K bytes (K a multiple of 32), then a QuantMeta for each 32.
struct RowsArg {
  uint8_t* data;  // nullptr: absent
  uint64_t row_bytes;
};
struct QuantMeta {
  float scale;
  int32_t sums;  // of the first 16 bytes, and 65536 times that of the others
};

struct StateArg {
  uint8_t* data;  // [pool_blocks][heads][head_bytes]
  uint64_t head_bytes;
  uint32_t type;
  uint32_t heads, dim;
  uint32_t part;  // 0: keys, [dim][64 slots]; 1: values, [64 slots][dim]
  uint32_t group, blocks_per_seq, pool_blocks;
};

// --- Core operators ------------------------------------------------------------------------------------

struct ElementwiseArgs {
  StepArgs step;
  uint32_t code;  // OpCode
  TensorArg out, in[3];
};
// Element i of `out` comes from an element of `in`: reshape, transpose, slice; concat copies into a part of `out`.
struct CopyArgs {
  StepArgs step;
  uint32_t code;
  TensorArg out, in;
  uint32_t axis;
  uint64_t begin;     // slice
  uint32_t n_before;  // concat: inputs before this one; their dimension indices along the axis
  uint16_t before[64];
  uint8_t perm[kMaxTensorRank];
};
struct FillArgs {
  StepArgs step;
  uint32_t code;  // constant or iota
  TensorArg out;
  uint32_t axis;
  float value;
};
struct ReduceArgs {
  StepArgs step;
  uint32_t code;
  TensorArg out, in;
  uint32_t axis;
};
struct GatherArgs {
  StepArgs step;
  TensorArg out, table, rows;  // table.data is nullptr for a matrix
  MatrixArg matrix;
};
struct BatchMatmulArgs {
  StepArgs step;
  TensorArg out, x, y;
};
struct StateReadArgs {
  StepArgs step;
  TensorArg out;
  StateArg state;
};
struct StateVisibleArgs {
  StepArgs step;
  TensorArg out;
  StateArg state;
  uint64_t window;
};

// --- Rows ------------------------------------------------------------------------------------------------

struct RmsNormArgs {
  StepArgs step;
  RowsArg x, out;
  const float* weight;  // nullptr: none
  const float* bias;
  uint32_t n_rows;  // index in the dimension table
  uint32_t cols, group;
  float eps;
  // 1: layer_norm: the mean is subtracted first, weight and bias are as long as a row; 0: rms_norm.
  uint32_t centred;
};
struct RopeTableArgs {
  StepArgs step;
  TensorArg positions, out;
  const float* inv_freq;
  float factor;
};
struct GluArgs {
  StepArgs step;
  RowsArg x, out;
  uint32_t n_rows;
  uint32_t cols;  // of the output
  uint32_t activation;
  uint32_t gated;     // 0: activate, without a second half
  uint32_t quantize;  // 1: the output is int8
};
// Activations in the form that a product wants, after an optional norm over the whole row.
struct PrepareArgs {
  StepArgs step;
  RowsArg x;
  const float* norm_weight;
  uint32_t norm;
  float eps;
  uint32_t n_rows, cols;
  uint32_t form;     // 0: int8 blocks; 1: f16, high and low parts, and a scale a row; 2: bf16
  RowsArg out;       // form 1: high parts
  RowsArg low;       // form 1
  float* row_scale;  // form 1
};

// --- Heads: norm, rotation and the write of keys and values -------------------------------------------------

enum HeadsTarget : uint32_t { kToRows = 0, kToState = 1 };
struct HeadsSegment {
  RowsArg in;         // of the segment's first column
  const float* norm;  // [dim], applied if `normalize`
  uint32_t normalize;
  float eps;
  uint32_t heads, dim;
  uint32_t rotate;  // 1: by the table
  uint32_t target;
  RowsArg out;
  StateArg state;
};
struct RotationArg {
  RowsArg table;     // [T, R]: R/2 cosines, R/2 sines
  uint32_t rotated;  // R
  uint32_t interleaved;
};
inline constexpr uint32_t kMaxSegments = 4;
struct HeadsArgs {
  StepArgs step;
  uint32_t n_rows;
  uint32_t n_segments;
  uint32_t max_dim;
  RotationArg rotation;
  HeadsSegment segments[kMaxSegments];
};

// --- Products ----------------------------------------------------------------------------------------------

enum Source : uint32_t {
  kSourceQuantized = 0,  // int8 rows, read where they are
  kSourceFloat = 1,      // F32 rows: quantized, or copied, into shared memory first
  kSourceDirect = 2,     // F32 rows too long for shared memory
};
enum Epilogue : uint32_t { kStore = 0, kGlu = 1, kHeads = 2 };
// A few rows of x times a matrix. Each warp takes pairs of matrix rows: (2p, 2p + 1), with kGlu (p, p + rows / 2), with
// kHeads the two rows of a rotation.
struct MatVecArgs {
  StepArgs step;
  MatrixArg matrix;
  uint32_t n_rows;  // of x: index in the dimension table
  uint32_t source;
  uint32_t tokens;  // rows of x of a block, at most the kernel's
  RowsArg x;
  uint32_t x_aligned;  // rows of x begin at multiples of 16
  uint32_t norm;
  float eps;
  const float* norm_weight;
  uint32_t n_pairs;
  uint32_t pairs_per_warp;
  const float* bias;
  uint32_t epilogue;
  RowsArg residual, out;
  uint32_t activation;
  uint32_t quantize;  // kGlu: the output is int8
  uint32_t n_segments;
  uint32_t segment_pairs[kMaxSegments];  // first pair of each
  RotationArg rotation;
  HeadsSegment segments[kMaxSegments];
};

struct GemmArgs {
  StepArgs step;
  MatrixArg matrix;
  uint32_t n_rows;  // of x
  RowsArg x;        // int8 rows; f16 high parts; bf16; F32
  RowsArg x_low;
  const float* row_scale;  // f16: of each row of x
  const float* bias;
  RowsArg residual, out;
};

// --- Attention ---------------------------------------------------------------------------------------------

struct AttentionArgs {
  StepArgs step;
  RowsArg q, out;
  uint32_t n_rows;
  uint32_t heads, kv_heads, key_dim, value_dim;
  uint32_t heads_per_block;
  float scale, softcap;
  uint64_t window;
  const float* sinks;
  uint32_t quantize;  // 1: the output is int8
  StateArg keys, values;
  uint32_t splits;
  float* partials;    // [T][heads][splits][value_dim + 2]
  uint32_t* tickets;  // [T][heads], zero between kernels
};

// --- Upload, draw, limits ----------------------------------------------------------------------------------

struct UploadArgs {
  const uint8_t* raw;  // whole tiles, or rows, in the layout of the package
  uint32_t layout;     // formats/layout
  uint32_t first_row, n_rows;
  uint64_t tile_bytes;
  MatrixArg to;
};
struct UploadVectorArgs {
  const uint8_t* raw;
  uint32_t type;
  uint32_t n;
  float* to;
};
struct DrawArgs {
  const float* logits;
  uint32_t vocab;
  float temperature;
  uint32_t top_k;
  float top_p, min_p;
  double uniform;
  int32_t* id;  // -1: a logit is not finite
};
struct BandwidthArgs {
  const uint8_t* data;
  uint64_t bytes;
  uint32_t* sink;
};

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_ARGS_H_
