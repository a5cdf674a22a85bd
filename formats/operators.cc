#include "formats/operators.h"

#include <array>
#include <limits>

namespace samara {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMaxFloat = std::numeric_limits<float>::max();
// Element counts in attributes: far above any tensor, and sums of a few of them fit in 64 bits.
constexpr double kMaxCount = 1ll << 48;
// Heads and head sizes: products of two of them fit in 32 bits.
constexpr double kMaxHeads = 1 << 15;

constexpr AttrType kInt = AttrType::kInt;
constexpr AttrType kFloat = AttrType::kFloat;

constexpr AttrInfo kAxisAttrs[] = {{AttrKey::kAxis, "axis", kInt, true, 0, 5}};
constexpr AttrInfo kCastAttrs[] = {{AttrKey::kDType, "dtype", kInt, true, 1, 65535}};
constexpr AttrInfo kConstantAttrs[] = {{AttrKey::kValue, "value", kFloat, true, -kInf, kInf}};
constexpr AttrInfo kTransposeAttrs[] = {{AttrKey::kPerm, "perm", AttrType::kInts, true, 0, 5}};
constexpr AttrInfo kSliceAttrs[] = {{AttrKey::kAxis, "axis", kInt, true, 0, 5},
                                    {AttrKey::kBegin, "begin", kInt, true, 0, kMaxCount},
                                    {AttrKey::kLength, "length", kInt, true, 1, kMaxCount}};
constexpr AttrInfo kPartAttrs[] = {{AttrKey::kPart, "part", kInt, true, 0, 7}};
constexpr AttrInfo kVisibleAttrs[] = {{AttrKey::kWindow, "window", kInt, false, 0, kMaxCount}};
constexpr AttrInfo kRmsNormAttrs[] = {{AttrKey::kEps, "eps", kFloat, true, 0, 1},
                                      {AttrKey::kGroup, "group", kInt, false, 0, kMaxCount}};
constexpr AttrInfo kRopeTableAttrs[] = {
    {AttrKey::kFactor, "factor", kFloat, true, -kMaxFloat, kMaxFloat}};
constexpr AttrInfo kRopeAttrs[] = {{AttrKey::kHeadDim, "head_dim", kInt, true, 2, kMaxHeads},
                                   {AttrKey::kInterleaved, "interleaved", kInt, false, 0, 1}};
constexpr AttrInfo kGluAttrs[] = {{AttrKey::kActivation, "activation", kInt, true, 0, 3}};
constexpr AttrInfo kAttentionAttrs[] = {
    {AttrKey::kHeads, "heads", kInt, true, 1, kMaxHeads},
    {AttrKey::kKvHeads, "kv_heads", kInt, true, 1, kMaxHeads},
    {AttrKey::kKeyDim, "key_dim", kInt, true, 1, kMaxHeads},
    {AttrKey::kValueDim, "value_dim", kInt, true, 1, kMaxHeads},
    {AttrKey::kScale, "scale", kFloat, true, -kMaxFloat, kMaxFloat},
    {AttrKey::kSoftcap, "softcap", kFloat, false, 0, kMaxFloat},
    {AttrKey::kWindow, "window", kInt, false, 0, kMaxCount}};

// Elementwise operators have no attributes and may overwrite their first operand where its size is
// the output's (the planner looks: a broadcast operand is smaller).
constexpr OpInfo Unary(OpCode code, const char* name) {
  return {code, name, 1, 1, 1, 1, 1, false, 0, 0, nullptr, 0};
}
constexpr OpInfo Binary(OpCode code, const char* name) {
  return {code, name, 1, 2, 2, 2, 1, false, 0, 0, nullptr, 0};
}
constexpr OpInfo Compare(OpCode code, const char* name) {
  return {code, name, 1, 2, 2, 2, 1, false, 0, -1, nullptr, 0};
}

struct Arity {
  uint8_t min, max, required, outputs;
};
template <size_t N>
constexpr OpInfo Core(OpCode code, const char* name, Arity arity, const AttrInfo (&attrs)[N]) {
  return {code,          name,  1, arity.min, arity.max, arity.required,
          arity.outputs, false, 0, -1,        attrs,     N};
}
constexpr OpInfo Core(OpCode code, const char* name, Arity arity) {
  return {code,          name,  1, arity.min, arity.max, arity.required,
          arity.outputs, false, 0, -1,        nullptr,   0};
}
template <size_t N>
constexpr OpInfo Composite(OpCode code, const char* name, Arity arity, uint32_t strided,
                           int8_t in_place, const AttrInfo (&attrs)[N]) {
  return {code,          name, 1,       arity.min, arity.max, arity.required,
          arity.outputs, true, strided, in_place,  attrs,     N};
}

constexpr OpInfo StateWrite() {
  OpInfo info = Core(OpCode::kStateWrite, "state_write", {2, 2, 2, 0}, kPartAttrs);
  info.strided_inputs = 1;
  return info;
}

constexpr OpInfo kOps[] = {
    Binary(OpCode::kAdd, "add"),
    Binary(OpCode::kSub, "sub"),
    Binary(OpCode::kMul, "mul"),
    Binary(OpCode::kDiv, "div"),
    Binary(OpCode::kMin, "min"),
    Binary(OpCode::kMax, "max"),
    Compare(OpCode::kEq, "eq"),
    Compare(OpCode::kNe, "ne"),
    Compare(OpCode::kLt, "lt"),
    Compare(OpCode::kLe, "le"),
    Core(OpCode::kSelect, "select", {3, 3, 3, 1}),
    Unary(OpCode::kNeg, "neg"),
    Unary(OpCode::kExp, "exp"),
    Unary(OpCode::kLog, "log"),
    Unary(OpCode::kSqrt, "sqrt"),
    Unary(OpCode::kSin, "sin"),
    Unary(OpCode::kCos, "cos"),
    Unary(OpCode::kTanh, "tanh"),
    Unary(OpCode::kErf, "erf"),
    Unary(OpCode::kFloor, "floor"),
    Core(OpCode::kCast, "cast", {1, 1, 1, 1}, kCastAttrs),
    Core(OpCode::kConstant, "constant", {0, 0, 0, 1}, kConstantAttrs),
    Core(OpCode::kIota, "iota", {0, 0, 0, 1}, kAxisAttrs),
    Core(OpCode::kReduceSum, "reduce_sum", {1, 1, 1, 1}, kAxisAttrs),
    Core(OpCode::kReduceMax, "reduce_max", {1, 1, 1, 1}, kAxisAttrs),
    Core(OpCode::kReshape, "reshape", {1, 1, 1, 1}),
    Core(OpCode::kTranspose, "transpose", {1, 1, 1, 1}, kTransposeAttrs),
    Core(OpCode::kSlice, "slice", {1, 1, 1, 1}, kSliceAttrs),
    Core(OpCode::kConcat, "concat", {2, 255, 2, 1}, kAxisAttrs),
    Core(OpCode::kGather, "gather", {2, 2, 2, 1}),
    Core(OpCode::kMatmul, "matmul", {2, 2, 2, 1}),
    Core(OpCode::kBatchMatmul, "batch_matmul", {2, 2, 2, 1}),
    StateWrite(),
    Core(OpCode::kStateRead, "state_read", {1, 1, 1, 1}, kPartAttrs),
    Core(OpCode::kStateVisible, "state_visible", {1, 1, 1, 1}, kVisibleAttrs),
    {OpCode::kLinear, "linear", 1, 2, 4, 2, 1, true, 1u << 0 | 1u << 3, 3, nullptr, 0},
    Composite(OpCode::kRmsNorm, "rms_norm", {1, 2, 1, 1}, 1, 0, kRmsNormAttrs),
    Composite(OpCode::kRopeTable, "rope_table", {2, 2, 2, 1}, 0, -1, kRopeTableAttrs),
    Composite(OpCode::kRope, "rope", {2, 2, 2, 1}, 1, 0, kRopeAttrs),
    Composite(OpCode::kGlu, "glu", {1, 1, 1, 1}, 1, -1, kGluAttrs),
    Composite(OpCode::kAttention, "attention", {2, 3, 2, 1}, 1, -1, kAttentionAttrs),
    Composite(OpCode::kLayerNorm, "layer_norm", {1, 3, 1, 1}, 1, 0, kRmsNormAttrs),
    Composite(OpCode::kActivate, "activate", {1, 1, 1, 1}, 1, 0, kGluAttrs),
};

}  // namespace

const OpInfo* FindOp(OpCode code) {
  for (const OpInfo& info : kOps) {
    if (info.code == code) return &info;
  }
  return nullptr;
}

const OpInfo* FindOp(std::string_view name) {
  for (const OpInfo& info : kOps) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

const OpInfo* AllOps(int* count) {
  *count = static_cast<int>(std::size(kOps));
  return kOps;
}

}  // namespace samara
