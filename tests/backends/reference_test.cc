#include <doctest/doctest.h>

#include <cstring>
#include <string>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "backends/reference/reference_backend.h"
#include "tests/support/graph_runner.h"
#include "tests/support/status.h"
#include "tests/support/step_builder.h"
#include "tests/support/test_model.h"

namespace samara::test {
namespace {

constexpr DType kF32 = DType::kF32;

TEST_CASE("a product by hand, in both modes") {
  for (const Backend* backend : {ReferenceBackend(), Float64Backend()}) {
    TestModel m;
    const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(3)}));
    const ValueId w = m.Weight("w", kF32, 2, 3, {1, 2, 3, 4, 5, 6});
    const ValueId b = m.Vector("b", {0.5f, -0.5f});
    const ValueId y = m.Op(OpCode::kLinear, {x, w, b, kNoValue});
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, backend, {}));
    StepBlock step(runner.step_layout());
    step.Add({.n_tokens = 2});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set<float>(x, {1, 1, 1, 1, 0, -1}));
    REQUIRE_OK(runner.Run());
    std::vector<float> values;
    REQUIRE_OK(runner.Get(y, &values));
    CHECK(values == std::vector<float>{6.5f, 14.5f, -1.5f, -2.5f});
    REQUIRE_OK(runner.CheckSentinels());
  }
}

TEST_CASE("a quantized product by hand") {
  // Q8_0 with d = 1: the largest weight is 127. Activations 0, 1, 127: d = 1, q = x.
  TestModel m;
  std::vector<float> weights(32, 0.0f), x(32, 0.0f);
  weights[0] = 127;
  weights[1] = -3;
  weights[31] = 5;
  x[0] = 1;
  x[1] = 2.5f;  // rounds to even: 2
  x[31] = -127;
  const ValueId in = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(32)}));
  const ValueId y = m.Op(OpCode::kMatmul, {in, m.Weight("w", DType::kQ8_0, 1, 32, weights)});
  for (const Backend* backend : {ReferenceBackend(), Float64Backend()}) {
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, backend, {}));
    StepBlock step(runner.step_layout());
    step.Add({});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set(in, x));
    REQUIRE_OK(runner.Run());
    std::vector<float> values;
    REQUIRE_OK(runner.Get(y, &values));
    CHECK(values[0] == (backend == ReferenceBackend() ? 127.0f - 6 - 635 : 127.0f - 7.5f - 635));
  }
}

TEST_CASE("attention by hand: equal keys give the mean of the visible values") {
  for (const Backend* backend : {ReferenceBackend(), Float64Backend()}) {
    TestModel m;
    const ValueId state = m.KeyValueState("kv", m.Group("main"), 1, 2, 1);
    const ValueId q = m.Input("q", Shape::Of({m.Tokens(), Dim::Of(2)}));
    const ValueId v = m.Input("v", Shape::Of({m.Tokens(), Dim::Of(1)}));
    m.Op(OpCode::kStateWrite, {q, state}, {IntAttr(AttrKey::kPart, 0)});
    m.Op(OpCode::kStateWrite, {v, state}, {IntAttr(AttrKey::kPart, 1)});
    const std::vector<Attr> attrs = {IntAttr(AttrKey::kHeads, 1), IntAttr(AttrKey::kKvHeads, 1),
                                     IntAttr(AttrKey::kKeyDim, 2), IntAttr(AttrKey::kValueDim, 1),
                                     FloatAttr(AttrKey::kScale, 1)};
    std::vector<Attr> windowed = attrs;
    windowed.push_back(IntAttr(AttrKey::kWindow, 2));
    const ValueId all = m.Op(OpCode::kAttention, {q, state}, attrs);
    const ValueId last_two = m.Op(OpCode::kAttention, {q, state}, windowed);
    // A sink as strong as one key: it takes its share of the weight and gives nothing.
    const ValueId with_sink = m.Op(OpCode::kAttention, {q, state, m.Vector("sink", {2.0f})}, attrs);
    RunnerOptions options;
    options.groups = {{1, 1}};
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, backend, options));
    StepBlock step(runner.step_layout());
    step.Add({.n_tokens = 3});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set<float>(q, {1, 1, 1, 1, 1, 1}));
    REQUIRE_OK(runner.Set<float>(v, {3, 5, 10}));
    REQUIRE_OK(runner.Run());
    std::vector<float> values;
    REQUIRE_OK(runner.Get(all, &values));
    CHECK(values[0] == 3);
    CHECK(values[1] == 4);
    CHECK(values[2] == doctest::Approx(6));
    REQUIRE_OK(runner.Get(last_two, &values));
    CHECK(values == std::vector<float>{3, 4, 7.5f});
    REQUIRE_OK(runner.Get(with_sink, &values));
    CHECK(values[2] == doctest::Approx(18.0 / 4));
  }
}

TEST_CASE("float64 rounds nothing between operators, and holds states as doubles") {
  // (1 + 2^-40) - 1: lost in F32, kept in double. 2^-40 comes as a product of two floats.
  TestModel m;
  const ValueId a = m.Input("a", Shape::Of({m.Tokens(), Dim::Of(1)}));
  const ValueId one = m.Op(OpCode::kConstant, {}, {FloatAttr(AttrKey::kValue, 1)});
  const ValueId tiny = m.Op(OpCode::kMul, {a, a});
  const ValueId sum = m.Op(OpCode::kAdd, {tiny, one});
  const ValueId state = m.KeyValueState("kv", m.Group("main"), 1, 1, 1);
  m.Op(OpCode::kStateWrite, {sum, state}, {IntAttr(AttrKey::kPart, 0)});
  const ValueId read = m.Op(OpCode::kStateRead, {state}, {IntAttr(AttrKey::kPart, 0)});
  const ValueId back = m.Op(OpCode::kSub, {sum, one});
  const ValueId from_state = m.Op(OpCode::kSub, {read, one});
  for (bool one_op_each : {false, true}) {
    RunnerOptions options;
    options.groups = {{1, 1}};
    options.one_op_each = one_op_each;
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, Float64Backend(), options));
    StepBlock step(runner.step_layout());
    step.Add({.first_slot = 2});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set<float>(a, {0x1p-20f}));
    REQUIRE_OK(runner.Run());
    std::vector<float> values;
    REQUIRE_OK(runner.Get(back, &values));
    CHECK(values[0] == (one_op_each ? 0.0f : 0x1p-40f));
    REQUIRE_OK(runner.Get(from_state, &values));
    CHECK(values[2] == (one_op_each ? 0.0f : 0x1p-40f));
    std::vector<uint8_t> bytes;
    REQUIRE_OK(runner.GetState(0, 0, &bytes));
    CHECK(bytes.size() == kBlockSlots * sizeof(double));
    double stored = 0;
    std::memcpy(&stored, bytes.data() + 2 * sizeof(double), sizeof stored);
    CHECK(stored == (one_op_each ? 1.0 : 1 + 0x1p-40));
  }
}

// How a verifier runs one operator: a partition of that operator alone, its inputs uploaded.
TEST_CASE("one operator of a graph on given inputs") {
  TestModel m;
  const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(4)}));
  const ValueId doubled = m.Op(OpCode::kAdd, {x, x});
  const ValueId y = m.Op(OpCode::kNeg, {doubled});
  TestModel part;  // the second operator, with its operand as an input
  const ValueId in = part.Input("doubled", Shape::Of({part.Tokens(), Dim::Of(4)}));
  const ValueId out = part.Op(OpCode::kNeg, {in});
  std::vector<float> whole, alone;
  for (bool single : {false, true}) {
    GraphRunner runner;
    REQUIRE_OK(runner.Init(single ? part : m, ReferenceBackend(), {}));
    StepBlock step(runner.step_layout());
    step.Add({});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set<float>(
        single ? in : x, single ? std::vector<float>{2, 4, 6, 8} : std::vector<float>{1, 2, 3, 4}));
    REQUIRE_OK(runner.Run());
    REQUIRE_OK(runner.Get(single ? out : y, single ? &alone : &whole));
  }
  CHECK(whole == alone);
  CHECK(whole == std::vector<float>{-2, -4, -6, -8});
}

TEST_CASE("steps that cannot be are refused") {
  for (const Backend* backend : {ReferenceBackend(), Float64Backend()}) {
    TestModel m;
    const ValueId ids = m.TokenIds();
    Random random(1);
    const ValueId table = m.Weight("table", kF32, 4, 8, random.Floats(32));
    const ValueId x = m.Op(OpCode::kGather, {table, ids});
    const ValueId state = m.KeyValueState("kv", m.Group("main"), 1, 8, 8);
    m.Op(OpCode::kStateWrite, {x, state}, {IntAttr(AttrKey::kPart, 0)});
    const ValueId y = m.Op(
        OpCode::kAttention, {x, state},
        {IntAttr(AttrKey::kHeads, 1), IntAttr(AttrKey::kKvHeads, 1), IntAttr(AttrKey::kKeyDim, 8),
         IntAttr(AttrKey::kValueDim, 8), FloatAttr(AttrKey::kScale, 1)});
    m.Output(y);
    RunnerOptions options;
    options.groups = {{1, 1}};
    options.max_tokens = 4;
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, backend, options));
    const StepLayout wide = MakeStepLayout(16, 4, 8, options.groups);
    auto run = [&](const StepSequence& s) {
      StepBlock step(runner.step_layout());
      step.Add(s);
      runner.UseStep(step);
      return runner.Run().code();
    };
    CHECK(run({.n_tokens = 4, .ids = {0, 1, 2, 3}}) == StatusCode::kOk);
    CHECK(run({.ids = {4}}) == StatusCode::kInternal);  // no such row
    CHECK(run({.ids = {-1}}) == StatusCode::kInternal);
    CHECK(run({.blocks = {{1}}}) == StatusCode::kInternal);                      // no such block
    CHECK(run({.first_slot = 3, .visible_begin = 9}) == StatusCode::kInternal);  // sees nothing
    StepBlock empty(runner.step_layout());
    runner.UseStep(empty);
    CHECK(runner.Run().code() == StatusCode::kInternal);
    StepBlock long_step(wide);
    long_step.Add({.n_tokens = 5});
    runner.UseStep(long_step);
    CHECK(runner.Run().code() == StatusCode::kInternal);
    // Cancelled until it is cleared, and sound afterwards.
    runner.device()->RequestCancel();
    CHECK(run({}) == StatusCode::kCancelled);
    runner.device()->ClearCancel();
    CHECK(run({}) == StatusCode::kOk);
  }
}

TEST_CASE("results do not depend on the caller's float environment") {
#if defined(__SSE__)
  TestModel m;
  const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(1)}));
  const ValueId half = m.Op(OpCode::kConstant, {}, {FloatAttr(AttrKey::kValue, 0.5)});
  const ValueId y = m.Op(OpCode::kMul, {x, half});
  GraphRunner runner;
  REQUIRE_OK(runner.Init(m, ReferenceBackend(), {}));
  StepBlock step(runner.step_layout());
  step.Add({});
  runner.UseStep(step);
  REQUIRE_OK(runner.Set<float>(x, {0x1p-130f}));
  const unsigned before = _mm_getcsr();
  const unsigned odd = 0x1f80 | 0x8040 | 0x6000;  // flush to zero, no subnormals, round to zero
  _mm_setcsr(odd);
  const Status status = runner.Run();
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  REQUIRE_OK(status);
  CHECK((after & 0xffc0) == (odd & 0xffc0));
  std::vector<float> values;
  REQUIRE_OK(runner.Get(y, &values));
  CHECK(values[0] == 0x1p-131f);
#endif
}

TEST_CASE("devices: names, widths, options") {
  CHECK(std::string(ReferenceBackend()->name()) == "reference");
  CHECK(std::string(Float64Backend()->name()) == "float64");
  CHECK(ReferenceBackend()->StateHeadBytes(DType::kF16, 80) == 64 * 80 * 2);
  CHECK(ReferenceBackend()->StateHeadBytes(kF32, 80) == 64 * 80 * 4);
  CHECK(ReferenceBackend()->StateHeadBytes(DType::kQ8_0, 80) == 64 * (80 + 3 * 2));
  CHECK(Float64Backend()->StateHeadBytes(DType::kF16, 80) == 64 * 80 * 8);
  TestModel m;
  Op op;
  op.code = OpCode::kLinear;
  CHECK(ReferenceBackend()->Supports(m.package, m.graph, op));
  op.version = 99;
  CHECK(!ReferenceBackend()->Supports(m.package, m.graph, op));
  op.version = 1;
  op.code = static_cast<OpCode>(4242);
  CHECK(!ReferenceBackend()->Supports(m.package, m.graph, op));
  DeviceOptions options;
  options.isa = "avx2";
  MemoryList list;
  REQUIRE_OK(ReferenceBackend()->MeasureDevice(options, &list));
  list.AddLedger();
  Ledger ledger(list);
  InPlacePtr<Device> device;
  CHECK(ReferenceBackend()->Open(options, &ledger, &device).code() == StatusCode::kUnsupported);
}

}  // namespace
}  // namespace samara::test
