// The mirror backend of the test kit: an address space of its own around the reference.
#include <doctest/doctest.h>

#include "backends/reference/reference_backend.h"
#include "tests/support/graph_runner.h"
#include "tests/support/mirror_backend.h"
#include "tests/support/status.h"
#include "tests/support/step_builder.h"
#include "tests/support/test_model.h"

namespace samara::test {
namespace {

TEST_CASE("recorded once, a thousand steps, the same bits as the backend inside") {
  TestModel m;
  Random random(1);
  const uint32_t group = m.Group("main");
  const ValueId state = m.KeyValueState("kv", group, 2, 8, 8);
  const ValueId table =
      m.Weight("embed", DType::kQ8_0, 32, 32, random.Floats(32 * 32), Layout::kRowMajor);
  const ValueId ids = m.TokenIds();
  const ValueId x = m.Op(OpCode::kGather, {table, ids});
  const ValueId kv =
      m.Op(OpCode::kLinear,
           {x, m.Weight("kv", DType::kQ4_0, 16, 32, random.Floats(16 * 32)), kNoValue, kNoValue});
  m.Op(OpCode::kStateWrite, {kv, state}, {IntAttr(AttrKey::kPart, 0)});
  m.Op(OpCode::kStateWrite, {kv, state}, {IntAttr(AttrKey::kPart, 1)});
  const ValueId y = m.Op(
      OpCode::kAttention, {x, state},
      {IntAttr(AttrKey::kHeads, 4), IntAttr(AttrKey::kKvHeads, 2), IntAttr(AttrKey::kKeyDim, 8),
       IntAttr(AttrKey::kValueDim, 8), FloatAttr(AttrKey::kScale, 0.35)});
  m.Output(y);

  const MirrorBackend mirror(ReferenceBackend());
  RunnerOptions options;
  options.kv_type = DType::kF16;
  options.max_tokens = 4;
  options.groups = {{2, 3}};
  GraphRunner direct, mirrored;
  REQUIRE_OK(direct.Init(m, ReferenceBackend(), options));
  REQUIRE_OK(mirrored.Init(m, &mirror, options));
  for (uint32_t i = 0, slot = 0; i < 1000; ++i) {
    StepBlock step(direct.step_layout());
    const auto n = static_cast<uint32_t>(1 + random.Below(4));
    if (slot + n > 128) slot = 0;
    StepSequence sequence;
    sequence.first_slot = slot;
    sequence.n_tokens = n;
    sequence.blocks = {{2, 0}};
    for (uint32_t t = 0; t < n; ++t) sequence.ids.push_back(static_cast<int32_t>(random.Below(32)));
    step.Add(sequence);
    slot += n;
    std::vector<float> want, got;
    direct.UseStep(step);
    mirrored.UseStep(step);
    REQUIRE_OK(direct.Run());
    REQUIRE_OK(mirrored.Run());
    REQUIRE_OK(direct.Get(y, &want));
    REQUIRE_OK(mirrored.Get(y, &got));
    REQUIRE(want == got);
  }
  REQUIRE_OK(mirrored.CheckSentinels());
  CHECK(mirror.compiles() == 1);
  CHECK(mirror.runs() == 1000);
}

TEST_CASE("handles are checked") {
  const MirrorBackend mirror(ReferenceBackend());
  MemoryList list;
  REQUIRE_OK(mirror.MeasureDevice({}, &list));
  list.Add("a", 100);
  list.AddLedger();
  Ledger ledger(list);
  REQUIRE_OK(ledger.InitStatus());
  InPlacePtr<Device> device;
  REQUIRE_OK(mirror.Open({}, &ledger, &device));
  uint64_t a = 0;
  REQUIRE_OK(device->Allocate(&ledger, "a", 100, &a));
  uint8_t byte = 7;
  CHECK(device->Upload(a, 99, &byte, 1).ok());
  CHECK(device->Upload(a, 100, &byte, 1).code() == StatusCode::kInternal);
  CHECK(device->Upload(a + 1, 0, &byte, 1).code() == StatusCode::kInternal);
  CHECK(device->Copy(a, 0, a, 99, 1).ok());
  CHECK(device->Fill(a, 1, 3, 98).ok());
  byte = 0;
  CHECK(device->Download(a, 0, &byte, 1).ok());
  CHECK(byte == 7);
  CHECK(device->Download(a, UINT64_MAX, &byte, 2).code() == StatusCode::kInternal);
}

}  // namespace
}  // namespace samara::test
