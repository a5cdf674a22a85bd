// The operators: codes, attributes, arity. One table (operators.cc) describes them all.
//
// Codes 1..999 are the frozen core set: their meaning (formats/numerics.md) never changes. Codes from 1000
// are composites: each use in a package may carry a decomposition into core operators, so that a runtime
// that does not know the composite can still run it.
//
// Elementwise binary operators and select broadcast like numpy. T is the first dimension of a step's values.
#ifndef SAMARA_FORMATS_OPERATORS_H_
#define SAMARA_FORMATS_OPERATORS_H_

#include <cstdint>
#include <string_view>

namespace samara {

// clang-format off
enum class OpCode : uint16_t {
  kInvalid = 0,
  // Elementwise, F32 (x, y) -> F32; numpy broadcasting.
  kAdd = 1, kSub = 2, kMul = 3, kDiv = 4, kMin = 5, kMax = 6,
  // Compare, F32 or I32 (x, y) -> Bool; broadcasting.
  kEq = 10, kNe = 11, kLt = 12, kLe = 13,
  kSelect = 14,  // (Bool c, F32 a, F32 b) -> c ? a : b; broadcasting
  // Elementwise, F32 (x) -> F32.
  kNeg = 20, kExp = 21, kLog = 22, kSqrt = 23, kSin = 24, kCos = 25, kTanh = 26, kErf = 27, kFloor = 28,
  kCast = 29,       // attr dtype: I32 -> F32, Bool -> F32, F32 -> I32 (toward zero)
  kConstant = 30,   // () -> F32 scalar [], attr value
  kIota = 31,       // () -> I32 of the declared shape; counts along attr axis
  // Reductions over attr axis, which stays with size 1.
  kReduceSum = 40, kReduceMax = 41,
  // Shape. The target of reshape is the declared type of its output.
  kReshape = 50,
  kTranspose = 51,  // attr perm
  kSlice = 52,      // attr axis, begin, length
  kConcat = 53,     // two or more inputs, attr axis
  kGather = 54,     // (table [R, N] weight or F32 activation, I32 rows [T]) -> F32 [T, N]
  // Matrix products, F32 results.
  kMatmul = 60,       // (x F32 [T, K], weight [R, K]) -> [T, R]: y[t, r] = sum_k x[t, k] * W[r, k]
  kBatchMatmul = 61,  // (a F32 [..., M, K], b F32 [..., K, N]) -> [..., M, N]; equal leading dimensions
  // States.
  kStateWrite = 70,    // (x F32 [T, heads*dim], state) -> (); attr part; each token to its write slot
  kStateRead = 71,     // (state) -> F32 [n_slots.<group>, heads, dim]; attr part; slots of all sequences
  kStateVisible = 72,  // (state) -> Bool [T, n_slots.<group>]: slot is of the token's sequence and in its
                       // visible range; attr window (0: none) narrows the range to its last `window` slots
  // Named by the design, not built yet; refused by name: cumsum 80, top_k 81, argmax 82, pad 83, scatter 84,
  // matmul_indexed 85, scan 86, call 87.

  // Composites. "?" marks an optional input (kNoValue).
  kLinear = 1000,     // (x F32 [T, K], weight [R, K], bias? [R], residual? F32 [T, R]) -> [T, R]
  kRmsNorm = 1001,    // (x F32 [T, N], weight? [group]) -> [T, N]; attr eps, group (0: N): each run of
                      // `group` elements is normalized on its own and scaled by weight
  kRopeTable = 1002,  // (positions I32 [T], inv_freq weight [R/2]) -> F32 [T, R]: R/2 cosines, then R/2 sines,
                      // times attr factor
  kRope = 1003,       // (x F32 [T, H*head_dim], table F32 [T, R]) -> same; attr head_dim, interleaved (0: pairs
                      // (i, i+R/2), 1: pairs (2i, 2i+1)); dimensions from R on pass through
  kGlu = 1004,        // (x F32 [T, 2*I]: gate then up) -> [T, I]: act(gate) * up; attr activation
  kAttention = 1005,  // (q F32 [T, heads*key_dim], state, sinks? [heads]) -> [T, heads*value_dim];
                      // attr heads, kv_heads, key_dim, value_dim, scale, softcap (0: none), window (0: none)
  kLayerNorm = 1006,  // (x F32 [T, N], weight? [N], bias? [N]) -> [T, N]; attr eps, group (0: N): each run of
                      // `group` elements is centred and normalized on its own
  kActivate = 1007,   // (x F32 [T, N]) -> [T, N]: act(x); attr activation
};

enum class AttrKey : uint16_t {
  kInvalid = 0,
  kAxis = 1, kPerm = 2, kBegin = 3, kLength = 4, kDType = 5, kValue = 6, kPart = 7,
  kEps = 10, kGroup = 11, kFactor = 12, kHeadDim = 13, kInterleaved = 14, kActivation = 15,
  kHeads = 16, kKvHeads = 17, kKeyDim = 18, kValueDim = 19, kScale = 20, kSoftcap = 21, kWindow = 22,
};
// clang-format on

enum class AttrType : uint8_t { kInt, kFloat, kInts };

enum class Activation : int64_t { kSilu = 0, kGeluTanh = 1, kGeluErf = 2, kRelu = 3 };

struct AttrInfo {
  AttrKey key;
  const char* name;
  AttrType type;
  bool required;
  double min, max;  // inclusive range of the number, or of each element
};

struct OpInfo {
  OpCode code;
  const char* name;                // "rms_norm"
  uint32_t version;                // newest version that this build runs
  uint8_t min_inputs, max_inputs;  // max 255: any number; absent optional operands count as inputs
  uint8_t required_inputs;         // the first so many may not be kNoValue
  uint8_t outputs;
  bool composite;
  uint32_t strided_inputs;  // bit i: kernels take input i as a strided view of rows
  int8_t in_place;          // input whose memory the output may take over; -1: none
  const AttrInfo* attrs;
  uint8_t n_attrs;
};

// nullptr if unknown.
const OpInfo* FindOp(OpCode code);
const OpInfo* FindOp(std::string_view name);
const OpInfo* AllOps(int* count);

}  // namespace samara

#endif  // SAMARA_FORMATS_OPERATORS_H_
