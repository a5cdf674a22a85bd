// Operators that become one dispatch, against the numerics contract and float64: what their single forms are held to as well.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/conformance/harness.h"
#include "tests/tolerances.h"
#include "tests/vulkan/device.h"

namespace samara::test {
namespace {

ValueId Columns(TestModel* m, ValueId x, int64_t begin, int64_t n) {
  return m->Op(
      OpCode::kSlice, {x},
      {IntAttr(AttrKey::kAxis, 1), IntAttr(AttrKey::kBegin, begin), IntAttr(AttrKey::kLength, n)});
}

struct Heads {
  int64_t q_heads, kv_heads, key_dim, value_dim, rotated, interleaved;
  int norm;  // 0 none, 1 without weights, 2 with; keys with, queries without
  DType kv;
};

Case RotatedAttention(const Heads& h) {
  Case c;
  c.name = "heads of " + std::to_string(h.key_dim) + ", " + DTypeName(h.kv) + ", norm " +
           std::to_string(h.norm);
  TestModel& m = c.model;
  Random random(23);
  const ValueId state =
      m.KeyValueState("kv", m.Group("main", 0), static_cast<uint32_t>(h.kv_heads),
                      static_cast<uint32_t>(h.key_dim), static_cast<uint32_t>(h.value_dim));
  std::vector<float> frequencies;
  for (int64_t i = 0; i < h.rotated / 2; ++i) {
    frequencies.push_back(static_cast<float>(
        std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(h.rotated))));
  }
  const ValueId table = m.Op(OpCode::kRopeTable, {m.Positions(), m.Vector("inv_freq", frequencies)},
                             {FloatAttr(AttrKey::kFactor, 1)});
  const int64_t nq = h.q_heads * h.key_dim, nk = h.kv_heads * h.key_dim,
                nv = h.kv_heads * h.value_dim;
  const ValueId qkv = m.Input("qkv", Shape::Of({m.Tokens(), Dim::Of(nq + nk + nv)}));
  ValueId q = Columns(&m, qkv, 0, nq), k = Columns(&m, qkv, nq, nk);
  const ValueId v = Columns(&m, qkv, nq + nk, nv);
  if (h.norm != 0) {
    const auto dim = static_cast<uint64_t>(h.key_dim);
    const ValueId w = h.norm == 2 ? m.Vector("wq", random.Floats(dim)) : kNoValue;
    const std::vector<Attr> attrs = {FloatAttr(AttrKey::kEps, 1e-6),
                                     IntAttr(AttrKey::kGroup, h.key_dim)};
    q = m.Op(OpCode::kRmsNorm, {q, w}, attrs);
    k = m.Op(OpCode::kRmsNorm, {k, m.Vector("wk", random.Floats(dim))}, attrs);
  }
  const std::vector<Attr> rotation = {IntAttr(AttrKey::kHeadDim, h.key_dim),
                                      IntAttr(AttrKey::kInterleaved, h.interleaved)};
  q = m.Op(OpCode::kRope, {q, table}, rotation);
  k = m.Op(OpCode::kRope, {k, table}, rotation);
  m.Op(OpCode::kStateWrite, {k, state}, {IntAttr(AttrKey::kPart, 0)});
  m.Op(OpCode::kStateWrite, {v, state}, {IntAttr(AttrKey::kPart, 1)});
  c.outputs = {m.Op(OpCode::kAttention, {q, state, kNoValue},
                    {IntAttr(AttrKey::kHeads, h.q_heads), IntAttr(AttrKey::kKvHeads, h.kv_heads),
                     IntAttr(AttrKey::kKeyDim, h.key_dim), IntAttr(AttrKey::kValueDim, h.value_dim),
                     FloatAttr(AttrKey::kScale, 1 / std::sqrt(static_cast<double>(h.key_dim))),
                     FloatAttr(AttrKey::kSoftcap, 0), IntAttr(AttrKey::kWindow, 0)})};
  c.inputs = {{qkv}};
  c.options.keep_values = false;
  c.options.kv_type = h.kv;
  c.options.groups = {{2, 3}};
  c.options.context = 128;
  c.steps = {{{.n_tokens = 70, .first_position = 0, .blocks = {{2, 0}}}},
             {{.first_slot = 70, .first_position = 70, .blocks = {{2, 0}}}},
             {{.first_slot = 71, .n_tokens = 3, .first_position = 71, .blocks = {{2, 0}}}}};
  c.Bounds(tolerance::kRopeNorm, tolerance::kRopeElement);
  if (h.kv == DType::kF16) c.Bounds(tolerance::kF16StateNorm, tolerance::kF16StateElement);
  if (h.kv == DType::kQ8_0) c.Bounds(tolerance::kQ8StateNorm, tolerance::kQ8StateElement);
  return c;
}

TEST_CASE("fused: norms, rotations, writing of keys and values") {
  const Switches set;
  uint64_t seed = 3000;
  for (const Heads& h :
       {Heads{4, 2, 16, 16, 16, 0, 0, DType::kF32}, Heads{3, 1, 80, 24, 32, 0, 2, DType::kF32},
        Heads{4, 2, 96, 96, 64, 1, 1, DType::kF16}, Heads{2, 2, 40, 72, 40, 1, 0, DType::kQ8_0},
        Heads{2, 1, 128, 128, 128, 0, 2, DType::kQ8_0}}) {
    CheckCase(RotatedAttention(h), seed++);
  }
}

TEST_CASE("fused: a product, its gate and the next product") {
  uint64_t seed = 3100;
  for (const char* switches : {"int8=0", "int8=1,int_dot=0", "int8=1,int_dot=1"}) {
    const Switches set(switches);
    int64_t activation = 0;
    for (DType dtype : {DType::kF32, DType::kQ4_0, DType::kQ2_K, DType::kIQ4_XS}) {
      Case c;
      c.name = std::string("gate of ") + DTypeName(dtype) + " " + switches;
      TestModel& m = c.model;
      Random random(seed);
      constexpr uint64_t kIn = 288, kInner = 96, kOut = 40;
      const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(kIn)}));
      const ValueId up = m.Weight("up", dtype, 2 * kInner, kIn, random.Floats(2 * kInner * kIn));
      const ValueId down = m.Weight("down", dtype, kOut, kInner, random.Floats(kOut * kInner));
      const ValueId bias = m.Vector("b", random.Floats(2 * kInner));
      const ValueId product = m.Op(OpCode::kLinear, {x, up, bias, kNoValue});
      const ValueId gate =
          m.Op(OpCode::kGlu, {product}, {IntAttr(AttrKey::kActivation, activation++ % 4)});
      c.outputs = {m.Op(OpCode::kLinear, {gate, down, kNoValue, kNoValue})};
      c.inputs = {{x}};
      c.options.keep_values = false;
      c.Tokens({1, 2, 5, 8});
      // Two roundings of activations and the product of two numbers that have one.
      c.Bounds(3 * tolerance::kInt8Norm, 3 * tolerance::kInt8Element);
      if (dtype == DType::kF32) c.Bounds(tolerance::kF32DotNorm * 2, tolerance::kF32DotElement * 2);
      CheckCase(c, seed++);
    }
  }
}

}  // namespace
}  // namespace samara::test
