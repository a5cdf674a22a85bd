// The profile: times that add up, bytes and operations that follow from the shapes, nothing else changed.
#include "runtime/profile.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "tests/runtime/model_fixture.h"
#include "tests/support/mirror_backend.h"

namespace samara::test {
namespace {

LoadOptions Options(uint32_t events) {
  LoadOptions options;
  options.n_ctx = 128;
  options.n_chunk = 16;
  options.profile = events;
  return options;
}

const ProfileOp& Named(const Profile& profile, const char* name) {
  for (uint32_t i = 0; i < profile.n_ops(); ++i) {
    if (std::strcmp(profile.ops()[i].name, name) == 0) return profile.ops()[i];
  }
  FAIL("no operator " << std::string(name));
  return profile.ops()[0];
}

TEST_CASE("profile: the same bits, and memory on the list") {
  static const MirrorBackend mirror(&BackendNamed("cpu"));
  const AlignedFile file = MakeFile({});
  for (const Backend* backend :
       {&BackendNamed("cpu"), static_cast<const Backend*>(&mirror), &BackendNamed("reference")}) {
    CAPTURE(std::string(backend->name()));
    const std::vector<int32_t> ids = RandomIds(3, 40);
    const ModelPtr plain = OpenTiny(file, *backend, Options(0));
    const ModelPtr profiled = OpenTiny(file, *backend, Options(1000));
    CHECK(plain->profile == nullptr);
    REQUIRE(profiled->profile != nullptr);
    CHECK(profiled->allocated() > plain->allocated());
    const SessionPtr a = NewSession(plain), b = NewSession(profiled);
    CHECK(SameBits(Logits(a, ids), Logits(b, ids)));
    // Each operator ran in each of the three steps, whichever bucket it belongs to.
    const Profile& profile = *profiled->profile;
    CHECK(profile.ops()[0].calls == 3);
    uint64_t linears = 0, calls = 0;
    double seconds = 0;
    for (uint32_t i = 1; i < profile.n_ops(); ++i) {
      const ProfileOp& op = profile.ops()[i];
      linears += op.calls * (std::strcmp(op.kind, "linear") == 0);
      calls += op.calls;
      seconds += op.seconds;
      CHECK(op.seconds >= 0);
    }
    CHECK(linears == 3 * (2 * 4 + 1));
    CHECK(profile.n_events() == calls + 3);
    CHECK(seconds > 0);
    CHECK(seconds <= profile.ops()[0].seconds);
  }
}

TEST_CASE("profile: bytes and operations follow from shapes and the step") {
  TinySpec spec;
  spec.dtype = DType::kQ8_0;
  const AlignedFile file = MakeFile(spec);
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(100));
  const SessionPtr session = NewSession(model);
  const Profile& profile = *model->profile;
  Feed(session, RandomIds(5, 10));
  RunAll(session);

  // 96 * 2 rows of 64 in Q8_0 (34 bytes for 32 values); 10 tokens in, 10 of 192 out.
  const ProfileOp& gate_up = Named(profile, "layers.0.gate_up");
  CHECK(std::string(gate_up.kind) == "linear");
  CHECK(std::string(gate_up.type) == "q8_0");
  CHECK(gate_up.calls == 1);
  CHECK(gate_up.operations == 2.0 * 10 * 192 * 64);
  CHECK(gate_up.bytes == 192 * 64 / 32 * 34 + 10 * (64 + 192) * 4);
  // One row of logits.
  const ProfileOp& head = Named(profile, "lm_head");
  CHECK(head.operations == 2.0 * 320 * 64);
  // Token t sees t + 1 slots: 55 pairs, 10 slots of keys and values of 2 heads of 16 in F16.
  const ProfileOp& attention = Named(profile, "layers.0.attention");
  CHECK(attention.operations == 55.0 * 2 * 4 * (16 + 16));
  CHECK(attention.bytes == 10 * 2 * 2 * 16 * 2 + 2 * 10 * 64 * 4);
  CHECK(profile.ops()[0].calls == 1);

  // The sum over two steps; the second is of one token that sees 11 slots.
  Feed(session, {7});
  RunAll(session);
  CHECK(attention.operations == (55.0 + 11) * 2 * 4 * (16 + 16));
  CHECK(head.operations == 2 * 2.0 * 320 * 64);

  // A step without a row of results does no work in the output matrix, though it is called.
  model->profile->Reset();
  CHECK(head.calls == 0);
  Feed(session, RandomIds(6, 17));
  Session* s = session.get();
  REQUIRE_OK(StepSessions(&s, 1));
  CHECK(head.calls == 1);
  CHECK(head.bytes == 0);
  CHECK(head.operations == 0);
  double sum = 0;
  for (uint32_t i = 1; i < profile.n_ops(); ++i) sum += profile.ops()[i].operations;
  CHECK(profile.ops()[0].operations == doctest::Approx(sum));
}

TEST_CASE("profile: a window narrows what attention reads") {
  TinySpec spec;
  spec.window = 4;
  const AlignedFile file = MakeFile(spec);
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(100));
  const SessionPtr session = NewSession(model);
  Feed(session, RandomIds(5, 10));
  RunAll(session);
  const ProfileOp& attention = Named(*model->profile, "layers.1.attention");
  // 1 + 2 + 3 + 7 * 4 pairs; the first token reads from slot 0, the last up to slot 9.
  CHECK(attention.operations == 34.0 * 2 * 4 * (16 + 16));
  CHECK(attention.bytes == 10 * 2 * 2 * 16 * 4 + 2 * 10 * 64 * 4);
}

TEST_CASE("profile: the ring keeps the last events in order") {
  const AlignedFile file = MakeFile({});
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(50));
  const SessionPtr session = NewSession(model);
  Feed(session, RandomIds(5, 100));
  RunAll(session);  // 7 steps
  const Profile& profile = *model->profile;
  REQUIRE(profile.n_events() == 50);
  CHECK(profile.event(49).op == 0);
  CHECK(profile.event(49).step == 6);
  CHECK(profile.event(49).n_tokens == 4);
  for (uint64_t i = 1; i < 50; ++i) {
    const ProfileEvent &before = profile.event(i - 1), &event = profile.event(i);
    CHECK(event.end >= before.end);
    CHECK(event.step >= before.step);
    CHECK(event.op < profile.n_ops());
    if (event.op != 0 && event.step == before.step) CHECK(event.begin == before.end);
  }
  model->profile->Reset();
  CHECK(profile.n_events() == 0);
}

TEST_CASE("profile: too many events are refused") {
  const AlignedFile file = MakeFile({});
  PackageFile memory;
  REQUIRE_OK(PackageFile::OpenMemory(file.data(), file.size(), &memory));
  Model* model = nullptr;
  const Status status = LoadModel(std::move(memory), BackendNamed("cpu"),
                                  Options(Profile::kMaxEvents + 1), {}, &model);
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(model == nullptr);
}

}  // namespace
}  // namespace samara::test
