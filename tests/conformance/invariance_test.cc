// The bits of a token's result do not depend on how a prompt is cut into steps, on the other
// sequences of a step, or on where its blocks lie.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "tests/conformance/harness.h"
#include "tests/support/status.h"

namespace samara::test {
namespace {

constexpr uint32_t kLength = 150;

// A layer's worth of operators: norm, a quantized projection, rope, attention, another projection.
struct Layer {
  TestModel model;
  ValueId x = kNoValue, y = kNoValue;
  int64_t width = 72;

  Layer(DType dtype, int64_t window) {
    TestModel& m = model;
    Random random(31);
    auto weight = [&](const char* name, uint64_t rows, uint64_t cols) {
      return m.Weight(name, dtype, rows, cols, random.Floats(rows * cols, 0.2f));
    };
    const ValueId state = m.KeyValueState("kv", m.Group("main"), 2, 24, 24);
    x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(width)}));
    const ValueId norm = m.Op(OpCode::kRmsNorm, {x, m.Vector("norm", random.Floats(72))},
                              {FloatAttr(AttrKey::kEps, 1e-5)});
    const ValueId qkv =
        m.Op(OpCode::kLinear, {norm, weight("qkv", 8 * 24, 72), kNoValue, kNoValue});
    auto columns = [&](int64_t begin, int64_t length) {
      return m.Op(OpCode::kSlice, {qkv},
                  {IntAttr(AttrKey::kAxis, 1), IntAttr(AttrKey::kBegin, begin),
                   IntAttr(AttrKey::kLength, length)});
    };
    const ValueId table =
        m.Op(OpCode::kRopeTable, {m.Positions(), m.Vector("freq", {1, 0.3f, 0.1f, 0.03f})},
             {FloatAttr(AttrKey::kFactor, 1)});
    auto rope = [&](ValueId v) {
      return m.Op(OpCode::kRope, {v, table},
                  {IntAttr(AttrKey::kHeadDim, 24), IntAttr(AttrKey::kInterleaved, 0)});
    };
    m.Op(OpCode::kStateWrite, {rope(columns(96, 48)), state}, {IntAttr(AttrKey::kPart, 0)});
    m.Op(OpCode::kStateWrite, {columns(144, 48), state}, {IntAttr(AttrKey::kPart, 1)});
    const ValueId mixed =
        m.Op(OpCode::kAttention, {rope(columns(0, 96)), state},
             {IntAttr(AttrKey::kHeads, 4), IntAttr(AttrKey::kKvHeads, 2),
              IntAttr(AttrKey::kKeyDim, 24), IntAttr(AttrKey::kValueDim, 24),
              FloatAttr(AttrKey::kScale, 0.2), IntAttr(AttrKey::kWindow, window)});
    y = m.Op(OpCode::kLinear, {mixed, weight("o", 72, 96), kNoValue, x});
  }
};

// What one sequence feeds in one step.
struct Share {
  uint32_t sequence;  // 0 is the one that is looked at
  uint32_t n_tokens;
};

// Runs the steps and returns the rows of sequence 0.
Status Collect(const Layer& layer, const Variant& variant, DType kv_type,
               const std::vector<std::vector<float>>& tokens,
               const std::vector<std::vector<uint32_t>>& blocks,
               const std::vector<std::vector<Share>>& steps, std::vector<float>* rows) {
  RunnerOptions options;
  options.device = variant.device;
  options.kv_type = kv_type;
  options.max_seqs = 3;
  options.max_tokens = 2 * kLength;
  options.groups = {{3, 9}};
  options.views = true;
  GraphRunner runner;
  SAMARA_RETURN_IF_ERROR(runner.Init(layer.model, variant.backend, options));
  std::vector<uint32_t> fed(tokens.size(), 0);
  for (const std::vector<Share>& step_shares : steps) {
    StepBlock step(runner.step_layout());
    std::vector<float> x;
    size_t begin = 0, count = 0;
    for (const Share& share : step_shares) {
      const uint32_t s = share.sequence;
      StepSequence sequence;
      sequence.first_slot = fed[s];
      sequence.n_tokens = share.n_tokens;
      sequence.blocks = {blocks[s]};
      step.Add(sequence);
      if (s == 0) {
        begin = x.size();
        count = static_cast<size_t>(share.n_tokens) * static_cast<size_t>(layer.width);
      }
      const auto from = tokens[s].begin() + static_cast<int64_t>(fed[s]) * layer.width;
      x.insert(x.end(), from, from + static_cast<int64_t>(share.n_tokens) * layer.width);
      fed[s] += share.n_tokens;
    }
    runner.UseStep(step);
    SAMARA_RETURN_IF_ERROR(runner.PoisonArena());
    SAMARA_RETURN_IF_ERROR(runner.Set(layer.x, x));
    SAMARA_RETURN_IF_ERROR(runner.Run());
    std::vector<float> y;
    SAMARA_RETURN_IF_ERROR(runner.Get(layer.y, &y));
    rows->insert(rows->end(), y.begin() + static_cast<int64_t>(begin),
                 y.begin() + static_cast<int64_t>(begin + count));
  }
  return Status();
}

TEST_CASE("chunks, batch mates and block tables do not change a bit") {
  constexpr uint64_t kSeed = 77;
  CAPTURE(kSeed);
  Random random(kSeed);
  std::vector<std::vector<float>> tokens;
  for (int s = 0; s < 3; ++s) tokens.push_back(random.Floats(kLength * 72));
  const std::vector<std::vector<uint32_t>> in_order = {{0, 1, 2}, {3, 4, 5}, {6, 7, 8}};
  const std::vector<std::vector<uint32_t>> permuted = {{7, 2, 5}, {0, 8, 1}, {4, 3, 6}};
  std::vector<std::vector<Share>> one_by_one(kLength, {{0, 1}});
  std::vector<std::vector<Share>> sevens, mates;
  for (uint32_t at = 0; at < kLength; at += 7) sevens.push_back({{0, std::min(7u, kLength - at)}});
  for (uint32_t at = 0; at < kLength; at += 50) mates.push_back({{1, 33}, {0, 50}, {2, 1}});

  for (DType dtype : {DType::kF32, DType::kBF16, DType::kQ4_0, DType::kQ5_1}) {
    for (int64_t window : {0, 37}) {
      const Layer layer(dtype, window);
      const bool int8 = dtype == DType::kQ4_0 || dtype == DType::kQ5_1;
      const DType kv_type = window == 0 ? DType::kF16 : int8 ? DType::kQ8_0 : DType::kF32;
      for (const Variant& variant : Variants()) {
        const std::string kind = variant.backend->name();
        if (kind != "cpu" && kind != "reference" && kind != "mirror") continue;
        CAPTURE(DTypeName(dtype));
        CAPTURE(variant.name);
        std::vector<float> whole, ones, seven, beside;
        REQUIRE_OK(Collect(layer, variant, kv_type, tokens, in_order, {{{0, kLength}}}, &whole));
        REQUIRE_OK(Collect(layer, variant, kv_type, tokens, in_order, one_by_one, &ones));
        REQUIRE_OK(Collect(layer, variant, kv_type, tokens, permuted, sevens, &seven));
        REQUIRE_OK(Collect(layer, variant, kv_type, tokens, permuted, mates, &beside));
        REQUIRE(whole.size() == tokens[0].size());
        CHECK(whole == ones);
        CHECK(whole == seven);
        CHECK(whole == beside);
      }
    }
  }
}

}  // namespace
}  // namespace samara::test
