#include "tests/conformance/composite_cases.h"

#include <cmath>
#include <utility>

#include "tests/tolerances.h"

namespace samara::test {
namespace {

Dim T() { return TestModel::Tokens(); }

// A slice of columns out of a wider input, so that it is strided where views are taken.
ValueId Strided(TestModel* m, ValueId wide, int64_t begin, int64_t length) {
  return m->Op(OpCode::kSlice, {wide},
               {IntAttr(AttrKey::kAxis, 1), IntAttr(AttrKey::kBegin, begin),
                IntAttr(AttrKey::kLength, length)});
}

struct AttentionShape {
  const char* name;
  uint32_t heads, kv_heads, key_dim, value_dim;
  double scale = 0.125;
  double softcap = 0;
  int64_t window = 0;
  bool sinks = false;
  DType kv_type = DType::kF32;
  Fill fill = Fill::kNormal;
  float magnitude = 1;
  GroupSize pool = {};
  std::vector<std::vector<StepSequence>> steps = {};
};

Case MakeAttention(const AttentionShape& a) {
  Case c;
  c.name = std::string("attention ") + a.name;
  TestModel& m = c.model;
  Random random(17);
  const ValueId state = m.KeyValueState("kv", m.Group("main", static_cast<uint64_t>(a.window)),
                                        a.kv_heads, a.key_dim, a.value_dim);
  const int64_t nq = a.heads * a.key_dim, nk = a.kv_heads * a.key_dim,
                nv = a.kv_heads * a.value_dim;
  // Queries, keys and values side by side, as a fused projection gives them.
  const ValueId qkv = m.Input("qkv", Shape::Of({T(), Dim::Of(nq + nk + nv)}));
  const ValueId q = Strided(&m, qkv, 0, nq);
  m.Op(OpCode::kStateWrite, {Strided(&m, qkv, nq, nk), state}, {IntAttr(AttrKey::kPart, 0)});
  m.Op(OpCode::kStateWrite, {Strided(&m, qkv, nq + nk, nv), state}, {IntAttr(AttrKey::kPart, 1)});
  const ValueId sinks = a.sinks ? m.Vector("sinks", random.Floats(a.heads)) : kNoValue;
  c.outputs = {m.Op(OpCode::kAttention, {q, state, sinks},
                    {IntAttr(AttrKey::kHeads, a.heads), IntAttr(AttrKey::kKvHeads, a.kv_heads),
                     IntAttr(AttrKey::kKeyDim, a.key_dim), IntAttr(AttrKey::kValueDim, a.value_dim),
                     FloatAttr(AttrKey::kScale, a.scale), FloatAttr(AttrKey::kSoftcap, a.softcap),
                     IntAttr(AttrKey::kWindow, a.window)})};
  c.inputs = {{qkv, a.fill, a.magnitude}};
  c.options.kv_type = a.kv_type;
  c.options.groups = {a.pool};
  c.options.context = uint64_t{a.pool.blocks_per_seq} * kBlockSlots;
  c.steps = a.steps;
  c.Bounds(tolerance::kF32DotNorm, tolerance::kF32DotElement);
  // Keys and values lose bits when they are stored.
  if (a.kv_type == DType::kF16) c.Bounds(tolerance::kF16StateNorm, tolerance::kF16StateElement);
  if (a.kv_type == DType::kQ8_0) c.Bounds(tolerance::kQ8StateNorm, tolerance::kQ8StateElement);
  return c;
}

}  // namespace

std::vector<Case> RmsNormCases() {
  struct Norm {
    int64_t n, group;
    bool weight;
    Fill fill;
  };
  std::vector<Case> cases;
  for (const Norm& norm : {Norm{64, 0, true, Fill::kNormal}, Norm{80, 16, true, Fill::kNormal},
                           Norm{80, 80, false, Fill::kNormal}, Norm{577, 0, true, Fill::kNormal},
                           Norm{1, 0, true, Fill::kNormal}, Norm{96, 8, false, Fill::kTies},
                           Norm{40, 0, true, Fill::kSubnormal}, Norm{33, 0, true, Fill::kWide},
                           Norm{192, 96, true, Fill::kNormal}, Norm{64, 0, true, Fill::kZero}}) {
    Case c;
    c.name = "rms_norm " + std::to_string(norm.n) + "/" + std::to_string(norm.group);
    Random random(static_cast<uint64_t>(norm.n));
    const ValueId wide = c.model.Input("x", Shape::Of({T(), Dim::Of(norm.n + 7)}));
    const ValueId x = Strided(&c.model, wide, 3, norm.n);
    const int64_t group = norm.group != 0 ? norm.group : norm.n;
    const ValueId w =
        norm.weight ? c.model.Vector("w", random.Floats(static_cast<uint64_t>(group))) : kNoValue;
    c.outputs = {
        c.model.Op(OpCode::kRmsNorm, {x, w},
                   {FloatAttr(AttrKey::kEps, 1e-6), IntAttr(AttrKey::kGroup, norm.group)})};
    c.inputs = {{wide, norm.fill, 1}};
    c.Tokens({1, 9});
    c.Bounds(tolerance::kF32DotNorm, tolerance::kF32DotElement);
    if (norm.fill == Fill::kSubnormal) c.Bounds(1e-3, 1e-2);  // products keep few bits
    cases.push_back(std::move(c));
  }
  return cases;
}

std::vector<Case> LayerNormCases() {
  struct Norm {
    int64_t n, group;
    bool weight, bias;
    Fill fill;
  };
  std::vector<Case> cases;
  for (const Norm& norm :
       {Norm{64, 0, true, true, Fill::kNormal}, Norm{80, 16, true, true, Fill::kNormal},
        Norm{80, 80, false, false, Fill::kNormal}, Norm{577, 0, true, true, Fill::kNormal},
        Norm{96, 8, true, false, Fill::kTies}, Norm{33, 0, false, true, Fill::kNormal},
        Norm{90, 30, true, true, Fill::kNormal}, Norm{64, 0, true, true, Fill::kZero}}) {
    Case c;
    c.name = "layer_norm " + std::to_string(norm.n) + "/" + std::to_string(norm.group);
    Random random(static_cast<uint64_t>(norm.n) + 1);
    const auto size = static_cast<uint64_t>(norm.n);
    const ValueId wide = c.model.Input("x", Shape::Of({T(), Dim::Of(norm.n + 7)}));
    const ValueId x = Strided(&c.model, wide, 3, norm.n);
    const ValueId w = norm.weight ? c.model.Vector("w", random.Floats(size)) : kNoValue;
    const ValueId b = norm.bias ? c.model.Vector("b", random.Floats(size)) : kNoValue;
    c.outputs = {
        c.model.Op(OpCode::kLayerNorm, {x, w, b},
                   {FloatAttr(AttrKey::kEps, 1e-5), IntAttr(AttrKey::kGroup, norm.group)})};
    c.inputs = {{wide, norm.fill, 1}};
    c.Tokens({1, 9});
    c.Bounds(tolerance::kF32DotNorm, tolerance::kF32DotElement);
    cases.push_back(std::move(c));
  }
  return cases;
}

std::vector<Case> RopeCases() {
  struct Rotary {
    int64_t heads, head_dim, rotated;
    int64_t interleaved;
  };
  std::vector<Case> cases;
  for (const Rotary& r :
       {Rotary{3, 8, 8, 0}, Rotary{2, 80, 32, 0}, Rotary{4, 96, 96, 1}, Rotary{1, 64, 64, 0},
        Rotary{5, 10, 6, 1}, Rotary{2, 80, 80, 1}, Rotary{2, 128, 64, 0}}) {
    Case c;
    c.name = "rope " + std::to_string(r.head_dim) + "/" + std::to_string(r.rotated) +
             (r.interleaved ? " interleaved" : "");
    TestModel& m = c.model;
    std::vector<float> frequencies;
    for (int64_t i = 0; i < r.rotated / 2; ++i) {
      frequencies.push_back(static_cast<float>(
          std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(r.rotated))));
    }
    const ValueId table =
        m.Op(OpCode::kRopeTable, {m.Positions(), m.Vector("inv_freq", frequencies)},
             {FloatAttr(AttrKey::kFactor, r.interleaved ? 1.25 : 1)});
    const int64_t n = r.heads * r.head_dim;
    const ValueId wide = m.Input("x", Shape::Of({T(), Dim::Of(n + 5)}));
    const ValueId y = m.Op(
        OpCode::kRope, {Strided(&m, wide, 5, n), table},
        {IntAttr(AttrKey::kHeadDim, r.head_dim), IntAttr(AttrKey::kInterleaved, r.interleaved)});
    c.outputs = {table, y};
    c.inputs = {{wide}};
    c.steps = {{{.n_tokens = 1, .first_position = 0}},
               {{.n_tokens = 5, .first_position = 1000}, {.n_tokens = 3, .first_position = 4093}}};
    // The angle, position times frequency, is rounded to F32: half an ulp at 4096 is 2.4e-4.
    c.Bounds(tolerance::kRopeNorm, tolerance::kRopeElement);
    cases.push_back(std::move(c));
  }
  return cases;
}

namespace {

// glu, or activate over as many columns as it reads.
std::vector<Case> ActivationCases(OpCode code) {
  std::vector<Case> cases;
  for (int64_t activation = 0; activation < 4; ++activation) {
    // A lone number far below zero is gelu's nothing: no measure for a relative error.
    for (int64_t n : {code == OpCode::kGlu ? 1 : 9, 17, 64, 100}) {
      for (const auto& [fill, scale] :
           {std::pair{Fill::kNormal, 2.0f}, std::pair{Fill::kNormal, 60.0f},
            std::pair{Fill::kSubnormal, 1.0f}, std::pair{Fill::kTies, 1.0f}}) {
        Case c;
        c.name = std::string(FindOp(code)->name) + " " + std::to_string(activation) + ", " +
                 std::to_string(n);
        const ValueId x = c.model.Input("x", Shape::Of({T(), Dim::Of(2 * n)}));
        c.outputs = {c.model.Op(code, {x}, {IntAttr(AttrKey::kActivation, activation)})};
        c.inputs = {{x, fill, scale}};
        c.Tokens({1, 7});
        c.Bounds(tolerance::kF32DotNorm, tolerance::kF32DotElement);
        // The products of subnormal numbers are a few units of the least one, or zero.
        if (fill == Fill::kSubnormal) c.Bounds(1.01, 1.01);
        cases.push_back(std::move(c));
      }
    }
  }
  return cases;
}

}  // namespace

std::vector<Case> GluCases() { return ActivationCases(OpCode::kGlu); }
std::vector<Case> ActivateCases() { return ActivationCases(OpCode::kActivate); }

std::vector<Case> AttentionCases() {
  std::vector<Case> cases;
  auto add = [&](const AttentionShape& shape) { cases.push_back(MakeAttention(shape)); };
  add({.name = "heads of 8, prefill then decode",
       .heads = 2,
       .kv_heads = 2,
       .key_dim = 8,
       .value_dim = 8,
       .pool = {2, 2},
       .steps = {{{.first_slot = 0, .n_tokens = 5}},
                 {{.first_slot = 5}},
                 {{.first_slot = 6}},
                 {{.first_slot = 7, .n_tokens = 70}},
                 {{.first_slot = 77, .n_tokens = 3}}}});
  add({.name = "heads of 80, F16, three sequences, permuted blocks",
       .heads = 4,
       .kv_heads = 2,
       .key_dim = 80,
       .value_dim = 80,
       .scale = 0.11,
       .kv_type = DType::kF16,
       .pool = {2, 7},
       .steps = {{{.n_tokens = 40, .blocks = {{6, 1}}},
                  {.n_tokens = 1, .blocks = {{0, 3}}},
                  {.n_tokens = 66, .blocks = {{4, 2}}}},
                 {{.first_slot = 40, .n_tokens = 30, .blocks = {{6, 1}}},
                  {.first_slot = 66, .n_tokens = 1, .blocks = {{4, 2}}}},
                 {{.first_slot = 1, .n_tokens = 2, .blocks = {{0, 3}}},
                  {.first_slot = 67, .n_tokens = 1, .blocks = {{4, 2}}},
                  {.first_slot = 70, .n_tokens = 1, .blocks = {{6, 1}}}}}});
  add({.name = "heads of 96, seven to one, softcap",
       .heads = 7,
       .kv_heads = 1,
       .key_dim = 96,
       .value_dim = 96,
       .softcap = 2.5,
       .pool = {2, 2},
       .steps = {{{.n_tokens = 90}}, {{.first_slot = 90}}}});
  add({.name = "window on a ring of blocks",
       .heads = 4,
       .kv_heads = 2,
       .key_dim = 16,
       .value_dim = 16,
       .window = 70,
       .pool = {3, 4},
       .steps = {{{.n_tokens = 60, .blocks = {{3, 0, 2}}}},
                 {{.first_slot = 60, .n_tokens = 60, .blocks = {{3, 0, 2}}}},
                 {{.first_slot = 120, .n_tokens = 60, .blocks = {{3, 0, 2}}}},
                 {{.first_slot = 180, .n_tokens = 60, .blocks = {{3, 0, 2}}}},
                 {{.first_slot = 240, .n_tokens = 1, .blocks = {{3, 0, 2}}}}}});
  add({.name = "a window of one",
       .heads = 1,
       .kv_heads = 1,
       .key_dim = 8,
       .value_dim = 8,
       .window = 1,
       .pool = {1, 1},
       .steps = {{{.n_tokens = 10}}}});
  add({.name = "sinks, keys of 40 and values of 24, F16",
       .heads = 6,
       .kv_heads = 3,
       .key_dim = 40,
       .value_dim = 24,
       .sinks = true,
       .kv_type = DType::kF16,
       .pool = {2, 2},
       .steps = {{{.n_tokens = 65}}, {{.first_slot = 65}}}});
  add({.name = "sinks, softcap and window together",
       .heads = 8,
       .kv_heads = 4,
       .key_dim = 33,
       .value_dim = 7,
       .softcap = 20,
       .window = 13,
       .sinks = true,
       .pool = {2, 3},
       .steps = {{{.n_tokens = 50, .blocks = {{2, 1}}}},
                 {{.first_slot = 50, .n_tokens = 30, .blocks = {{2, 1}}}}}});
  add({.name = "more than 1,024 positions",
       .heads = 2,
       .kv_heads = 1,
       .key_dim = 16,
       .value_dim = 16,
       .pool = {20, 20},
       .steps = {{{.n_tokens = 300}},
                 {{.first_slot = 300, .n_tokens = 300}},
                 {{.first_slot = 600, .n_tokens = 300}},
                 {{.first_slot = 900, .n_tokens = 250}},
                 {{.first_slot = 1150}}}});
  add({.name = "ties",
       .heads = 2,
       .kv_heads = 2,
       .key_dim = 8,
       .value_dim = 8,
       .fill = Fill::kTies,
       .pool = {2, 2},
       .steps = {{{.n_tokens = 80}}, {{.first_slot = 80}}}});
  add({.name = "subnormals",
       .heads = 2,
       .kv_heads = 1,
       .key_dim = 8,
       .value_dim = 8,
       .fill = Fill::kSubnormal,
       .pool = {1, 1},
       .steps = {{{.n_tokens = 20}}, {{.first_slot = 20}}}});
  cases.back().Bounds(1e-2, 5e-2);
  add({.name = "sharp: scores so far apart that exp gives zero",
       .heads = 2,
       .kv_heads = 1,
       .key_dim = 64,
       .value_dim = 64,
       .scale = 4,
       .magnitude = 3,
       .pool = {3, 3},
       .steps = {{{.n_tokens = 130}}, {{.first_slot = 130}}}});
  // Scores near 2,000 are off by an ulp of theirs, 1e-4, and so are their exponentials.
  cases.back().Bounds(1e-4, 1e-3);
  add({.name = "heads of 8, Q8_0, prefill then decode",
       .heads = 2,
       .kv_heads = 2,
       .key_dim = 8,
       .value_dim = 8,
       .kv_type = DType::kQ8_0,
       .pool = {2, 2},
       .steps = {{{.first_slot = 0, .n_tokens = 5}},
                 {{.first_slot = 5}},
                 {{.first_slot = 6, .n_tokens = 71}},
                 {{.first_slot = 77, .n_tokens = 3}}}});
  add({.name = "heads of 64, Q8_0, seven to one",
       .heads = 14,
       .kv_heads = 2,
       .key_dim = 64,
       .value_dim = 64,
       .kv_type = DType::kQ8_0,
       .pool = {3, 3},
       .steps = {{{.n_tokens = 90}}, {{.first_slot = 90}}, {{.first_slot = 91, .n_tokens = 40}}}});
  add({.name = "heads of 80, Q8_0, three sequences, permuted blocks",
       .heads = 4,
       .kv_heads = 2,
       .key_dim = 80,
       .value_dim = 80,
       .scale = 0.11,
       .kv_type = DType::kQ8_0,
       .pool = {2, 7},
       .steps = {{{.n_tokens = 40, .blocks = {{6, 1}}},
                  {.n_tokens = 1, .blocks = {{0, 3}}},
                  {.n_tokens = 66, .blocks = {{4, 2}}}},
                 {{.first_slot = 40, .n_tokens = 30, .blocks = {{6, 1}}},
                  {.first_slot = 66, .n_tokens = 1, .blocks = {{4, 2}}}}}});
  add({.name = "heads of 96, Q8_0, window on a ring of blocks",
       .heads = 3,
       .kv_heads = 1,
       .key_dim = 96,
       .value_dim = 96,
       .window = 70,
       .kv_type = DType::kQ8_0,
       .pool = {3, 4},
       .steps = {{{.n_tokens = 60, .blocks = {{3, 0, 2}}}},
                 {{.first_slot = 60, .n_tokens = 60, .blocks = {{3, 0, 2}}}},
                 {{.first_slot = 120, .n_tokens = 60, .blocks = {{3, 0, 2}}}},
                 {{.first_slot = 180, .n_tokens = 1, .blocks = {{3, 0, 2}}}}}});
  add({.name = "heads of 128, Q8_0, softcap",
       .heads = 2,
       .kv_heads = 1,
       .key_dim = 128,
       .value_dim = 128,
       .softcap = 2.5,
       .kv_type = DType::kQ8_0,
       .pool = {2, 2},
       .steps = {{{.n_tokens = 70}}, {{.first_slot = 70}}}});
  add({.name = "sinks, keys of 33 and values of 23, Q8_0",
       .heads = 6,
       .kv_heads = 3,
       .key_dim = 33,
       .value_dim = 23,
       .sinks = true,
       .kv_type = DType::kQ8_0,
       .pool = {2, 2},
       .steps = {{{.n_tokens = 65}}, {{.first_slot = 65}}}});
  // Quotients that lie half way between two quants.
  add({.name = "ties, Q8_0",
       .heads = 2,
       .kv_heads = 2,
       .key_dim = 40,
       .value_dim = 40,
       .scale = 1e-5,
       .kv_type = DType::kQ8_0,
       .fill = Fill::kTies,
       .magnitude = 63.5,
       .pool = {2, 2},
       .steps = {{{.n_tokens = 80}}, {{.first_slot = 80}}}});
  // All scales become zero.
  add({.name = "subnormals, Q8_0",
       .heads = 2,
       .kv_heads = 1,
       .key_dim = 8,
       .value_dim = 8,
       .kv_type = DType::kQ8_0,
       .fill = Fill::kSubnormal,
       .pool = {1, 1},
       .steps = {{{.n_tokens = 20}}, {{.first_slot = 20}}}});
  cases.back().Bounds(1.01, 1.01);
  add({.name = "visible from slot 5 on",
       .heads = 2,
       .kv_heads = 1,
       .key_dim = 8,
       .value_dim = 8,
       .pool = {2, 2},
       .steps = {{{.n_tokens = 20}}, {{.first_slot = 20, .n_tokens = 60, .visible_begin = 5}}}});
  return cases;
}

std::vector<Case> LinearCases() {
  std::vector<Case> cases;
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kQ4_0}) {
    Case c;
    c.name = std::string("linear ") + DTypeName(dtype);
    TestModel& m = c.model;
    Random random(3);
    const ValueId x = m.Input("x", Shape::Of({T(), Dim::Of(64)}));
    const ValueId r = m.Input("r", Shape::Of({T(), Dim::Of(48)}));
    const ValueId w = m.Weight("w", dtype, 48, 64, random.Floats(48 * 64));
    const ValueId b = m.Vector("b", random.Floats(48));
    c.outputs = {m.Op(OpCode::kLinear, {x, w, b, r}),
                 m.Op(OpCode::kLinear, {x, w, kNoValue, kNoValue})};
    c.inputs = {{x}, {r}};
    c.Tokens({1, 4});
    c.Bounds(tolerance::kInt8Norm, tolerance::kInt8Element);
    cases.push_back(std::move(c));
  }
  return cases;
}

}  // namespace samara::test
