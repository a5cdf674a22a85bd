// Keys and values kept as Q8_0 or Q4_0: what is read is what the quantizer of weights makes of them, and
// what is not finite never goes unseen.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "formats/quant/blocks.h"
#include "tests/conformance/harness.h"
#include "tests/support/status.h"

namespace samara::test {
namespace {

// Writes keys and values of x, reads both parts back, and attends.
struct Layer {
  TestModel model;
  ValueId q = kNoValue, k = kNoValue, v = kNoValue, y = kNoValue;
  ValueId read[2] = {kNoValue, kNoValue};
  uint32_t heads, dim;

  Layer(uint32_t n_heads, uint32_t head_dim) : heads(n_heads), dim(head_dim) {
    TestModel& m = model;
    const ValueId state = m.KeyValueState("kv", m.Group("main"), heads, dim, dim);
    const Shape shape = Shape::Of({m.Tokens(), Dim::Of(heads * dim)});
    q = m.Input("q", shape);
    k = m.Input("k", shape);
    v = m.Input("v", shape);
    m.Op(OpCode::kStateWrite, {k, state}, {IntAttr(AttrKey::kPart, 0)});
    m.Op(OpCode::kStateWrite, {v, state}, {IntAttr(AttrKey::kPart, 1)});
    for (int part = 0; part < 2; ++part)
      read[part] = m.Op(OpCode::kStateRead, {state}, {IntAttr(AttrKey::kPart, part)});
    y = m.Op(OpCode::kAttention, {q, state},
             {IntAttr(AttrKey::kHeads, heads), IntAttr(AttrKey::kKvHeads, heads),
              IntAttr(AttrKey::kKeyDim, dim), IntAttr(AttrKey::kValueDim, dim),
              FloatAttr(AttrKey::kScale, 0.125), FloatAttr(AttrKey::kSoftcap, 0),
              IntAttr(AttrKey::kWindow, 0)});
  }

  // One step from slot 0; results in `out` (y, then the two parts).
  Status Run(const Variant& variant, DType kv_type, uint32_t tokens, const std::vector<float>& keys,
             const std::vector<float>& values, std::vector<float> (&out)[3]) const {
    RunnerOptions options;
    options.device = variant.device;
    options.kv_type = kv_type;
    options.max_tokens = tokens;
    options.groups = {{2, 2}};
    options.context = 128;
    GraphRunner runner;
    SAMARA_RETURN_IF_ERROR(runner.Init(model, variant.backend, options));
    StepBlock step(runner.step_layout());
    step.Add({.n_tokens = tokens, .blocks = {{1, 0}}});
    runner.UseStep(step);
    SAMARA_RETURN_IF_ERROR(runner.Set(q, std::vector<float>(keys.size(), 1.0f)));
    SAMARA_RETURN_IF_ERROR(runner.Set(k, keys));
    SAMARA_RETURN_IF_ERROR(runner.Set(v, values));
    SAMARA_RETURN_IF_ERROR(runner.Run());
    SAMARA_RETURN_IF_ERROR(runner.CheckSentinels());
    SAMARA_RETURN_IF_ERROR(runner.Get(y, &out[0]));
    SAMARA_RETURN_IF_ERROR(runner.Get(read[0], &out[1]));
    return runner.Get(read[1], &out[2]);
  }
};

bool Keeps(const Variant& variant, DType kv_type) {
  return std::string(variant.backend->name()) != "float64" &&
         variant.backend->KeepsStatesAs(kv_type);
}

// Where slot s of the step's sequence is in its permuted blocks.
uint32_t Physical(uint32_t s) { return (s / 64 == 0 ? 64 : 0) + s % 64; }

TEST_CASE("what is read is what the quantizer of weights gives") {
  constexpr uint64_t kSeed = 4100;
  CAPTURE(kSeed);
  Random random(kSeed);
  constexpr uint32_t kTokens = 70;
  for (uint32_t dim : {1u, 8u, 24u, 32u, 40u, 64u, 100u, 128u}) {
    CAPTURE(dim);
    const Layer layer(3, dim);
    std::vector<float> x[2];
    for (auto& values : x) {
      values = random.Floats(kTokens * 3 * dim);
      // Runs of very different magnitude, halves and zeros among them.
      for (size_t i = 0; i < values.size(); ++i) {
        if (i / dim % 5 == 1)
          values[i] = std::ldexp(values[i], static_cast<int>(i / dim % 37) - 24);
        if (i / dim % 5 == 2) values[i] = static_cast<float>(static_cast<int>(i % 9) - 4) * 31.75f;
        if (i / dim % 5 == 3) values[i] = 0;
      }
    }
    for (const DType kv_type : {DType::kQ8_0, DType::kQ4_0}) {
      CAPTURE(std::string(DTypeName(kv_type)));
      for (const Variant& variant : Variants()) {
        if (!Keeps(variant, kv_type)) continue;
        CAPTURE(variant.name);
        std::vector<float> out[3];
        REQUIRE_OK(layer.Run(variant, kv_type, kTokens, x[0], x[1], out));
        for (int part = 0; part < 2; ++part) {
          size_t wrong = 0;
          for (uint32_t s = 0; s < 128; ++s) {
            for (uint32_t h = 0; h < 3; ++h) {
              std::vector<float> want(dim, 0.0f);
              if (s < kTokens) {
                std::vector<uint8_t> row(RowBytes(kv_type, dim));
                QuantizeRow(kv_type, &x[part][(s * 3 + h) * dim], dim, row.data());
                DequantizeRow(kv_type, row.data(), dim, want.data());
              }
              const float* got = &out[1 + part][(Physical(s) * 3 + h) * dim];
              wrong += std::memcmp(got, want.data(), dim * sizeof(float)) != 0;
            }
          }
          CHECK(wrong == 0);
        }
      }
    }
  }
}

TEST_CASE("what is not finite is seen by every token that looks at it") {
  constexpr uint64_t kSeed = 4200;
  CAPTURE(kSeed);
  Random random(kSeed);
  constexpr uint32_t kTokens = 20, kDim = 72, kAt = 7;
  const Layer layer(2, kDim);
  const float infinity = std::numeric_limits<float>::infinity();
  // The last one's scale is too large for F16: 65520 * 127.
  for (const float bad : {infinity, -infinity, std::nanf(""), 8321040.0f, -3e38f}) {
    for (int part = 0; part < 2; ++part) {
      CAPTURE(bad);
      CAPTURE(part);
      std::vector<float> x[2] = {random.Floats(kTokens * 2 * kDim),
                                 random.Floats(kTokens * 2 * kDim)};
      x[part][(kAt * 2 + 1) * kDim + 41] = bad;  // head 1, the second run
      for (const DType kv_type : {DType::kQ8_0, DType::kQ4_0}) {
        CAPTURE(std::string(DTypeName(kv_type)));
        for (const Variant& variant : Variants()) {
          if (!Keeps(variant, kv_type)) continue;
          CAPTURE(variant.name);
          std::vector<float> out[3];
          REQUIRE_OK(layer.Run(variant, kv_type, kTokens, x[0], x[1], out));
          size_t wrong = 0;
          for (uint32_t t = 0; t < kTokens; ++t) {
            for (uint32_t i = 0; i < 2 * kDim; ++i) {
              const bool run = i >= kDim + 32 && i < kDim + 64;
              const bool hit = t >= kAt && (part == 0 ? i >= kDim : run);
              wrong += std::isfinite(out[0][t * 2 * kDim + i]) == hit;
              const bool kept = t == kAt && run;
              wrong += std::isnan(out[1 + part][(Physical(t) * 2) * kDim + i]) != kept;
            }
          }
          CHECK(wrong == 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace samara::test
