// What sessions promise: the same bits however tokens are split, whoever shares a step, wherever
// blocks lie, after rewind, fork and reset; on host backends and on one with an address space of
// its own.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "tests/runtime/model_fixture.h"
#include "tests/support/mirror_backend.h"

namespace samara::test {
namespace {

constexpr uint32_t kContext = 256;
constexpr size_t kPrompt = 200;

struct Case {
  const char* name;
  const Backend* backend;
  TinySpec spec;
  DType kv_type = DType::kInvalid;
};

std::vector<Case> Cases() {
  static const MirrorBackend mirror(&BackendNamed("cpu"));
  static const MirrorBackend padded(&BackendNamed("cpu"), {.weight_padding = 128});
  TinySpec plain;
  TinySpec quantized;
  quantized.dtype = DType::kQ8_0;
  quantized.tied = false;
  quantized.qk_norm = quantized.qkv_bias = true;
  TinySpec window;
  window.window = 40;
  window.rewind_limit = 8;
  return {{"cpu, f32", &BackendNamed("cpu"), plain},
          {"cpu, q8_0", &BackendNamed("cpu"), quantized},
          {"cpu, window", &BackendNamed("cpu"), window},
          {"cpu, kv q8_0", &BackendNamed("cpu"), plain, DType::kQ8_0},
          {"cpu, window, kv q8_0", &BackendNamed("cpu"), window, DType::kQ8_0},
          {"cpu, window, kv q4_0", &BackendNamed("cpu"), window, DType::kQ4_0},
          {"reference, f32", &BackendNamed("reference"), plain},
          {"mirror, f32", &mirror, plain},
          {"mirror, window", &mirror, window},
          {"mirror, weights rearranged", &padded, quantized},
          {"mirror, kv q8_0", &mirror, quantized, DType::kQ8_0}};
}

LoadOptions Options(uint32_t chunk, uint32_t sessions = 1, DType kv_type = DType::kInvalid) {
  LoadOptions options;
  options.kv_type = kv_type;
  options.n_ctx = kContext;
  options.n_chunk = chunk;
  options.max_sessions = sessions;
  return options;
}

TEST_CASE("sessions: the chunk does not change a bit") {
  for (const Case& c : Cases()) {
    CAPTURE(c.name);
    const AlignedFile file = MakeFile(c.spec);
    const std::vector<int32_t> ids = RandomIds(1, kPrompt);
    std::vector<float> want;
    for (uint32_t chunk : {kContext, 1u, 7u, 64u, 100u}) {
      CAPTURE(chunk);
      const ModelPtr model = OpenTiny(file, *c.backend, Options(chunk, 1, c.kv_type));
      const SessionPtr session = NewSession(model);
      const std::vector<float> got = Logits(session, ids);
      if (want.empty()) want = got;
      CHECK(SameBits(got, want));
    }
  }
}

TEST_CASE("sessions: company in the step and the order of blocks do not change a bit") {
  for (const Case& c : Cases()) {
    CAPTURE(c.name);
    const AlignedFile file = MakeFile(c.spec);
    const std::vector<int32_t> ids = RandomIds(2, kPrompt);
    const ModelPtr alone = OpenTiny(file, *c.backend, Options(64, 1, c.kv_type));
    const SessionPtr single = NewSession(alone);
    const std::vector<float> want = Logits(single, ids);

    for (uint64_t seed : {0, 1, 2}) {
      CAPTURE(seed);
      const ModelPtr model = OpenTiny(file, *c.backend, Options(64, 4, c.kv_type));
      if (seed != 0) PermuteFreeBlocks(model.get(), seed);
      std::vector<SessionPtr> sessions;
      std::vector<Session*> all;
      for (int i = 0; i < 4; ++i) {
        sessions.push_back(NewSession(model));
        all.push_back(sessions.back().get());
      }
      Feed(sessions[0], RandomIds(10, 30));
      Feed(sessions[1], RandomIds(11, 90));
      Feed(sessions[2], ids);
      Feed(sessions[3], RandomIds(12, 220));
      std::vector<float> got;
      uint32_t computed[4] = {};
      for (bool pending = true; pending;) {
        REQUIRE_OK(StepSessions(all.data(), all.size()));
        pending = false;
        uint32_t taken = 0;
        for (int i = 0; i < 4; ++i) {
          taken += all[i]->n_computed - computed[i];
          computed[i] = all[i]->n_computed;
          pending = pending || all[i]->n_computed < all[i]->n_tokens;
        }
        CHECK(taken <= 64);
        if (got.empty() && all[2]->n_computed == kPrompt) got = Row(sessions[2]);
      }
      CHECK(SameBits(got, want));
    }
  }
}

TEST_CASE("sessions: decoding in turns gives what decoding alone gives") {
  const AlignedFile file = MakeFile({});
  const Backend& cpu = BackendNamed("cpu");
  std::vector<std::vector<float>> want;
  for (int i = 0; i < 3; ++i) {
    const ModelPtr model = OpenTiny(file, cpu, Options(32));
    const SessionPtr session = NewSession(model);
    Logits(session, RandomIds(20 + i, 5 + 7 * i));
    want.push_back(Logits(session, RandomIds(30 + i, 12)));
  }
  const ModelPtr model = OpenTiny(file, cpu, Options(32, 3));
  std::vector<SessionPtr> sessions;
  std::vector<Session*> all;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(NewSession(model));
    all.push_back(sessions.back().get());
    Feed(sessions.back(), RandomIds(20 + i, 5 + 7 * i));
  }
  while (all[2]->n_computed < all[2]->n_tokens) REQUIRE_OK(StepSessions(all.data(), 3));
  for (size_t t = 0; t < 12; ++t) {
    for (int i = 0; i < 3; ++i) Feed(sessions[i], {RandomIds(30 + i, 12)[t]});
    REQUIRE_OK(StepSessions(all.data(), 3));
  }
  for (int i = 0; i < 3; ++i) CHECK(SameBits(Row(sessions[i]), want[i]));
}

TEST_CASE("sessions: rewind, then the same or other tokens") {
  for (const Case& c : Cases()) {
    CAPTURE(c.name);
    const AlignedFile file = MakeFile(c.spec);
    const ModelPtr model = OpenTiny(file, *c.backend, Options(32, 2, c.kv_type));
    const std::vector<int32_t> ids = RandomIds(3, 150);
    const SessionPtr session = NewSession(model);
    const std::vector<float> want = Logits(session, ids);
    for (size_t back : {1u, 3u, 8u}) {
      CAPTURE(back);
      REQUIRE_OK(RewindSession(session.get(), ids.size() - back));
      CHECK(session->n_computed == ids.size() - back);
      const float* row = nullptr;
      CHECK(SessionLogits(session.get(), -1, &row).code() == StatusCode::kFailedPrecondition);
      // Within the limit the high-water mark stays, so other tokens of the same number come first.
      Logits(session, RandomIds(40, back));
      REQUIRE_OK(RewindSession(session.get(), ids.size() - back));
      CHECK(SameBits(Logits(session, std::vector<int32_t>(ids.end() - back, ids.end())), want));
    }
    if (c.spec.window == 0) {
      REQUIRE_OK(RewindSession(session.get(), 70));
      CHECK(SameBits(Logits(session, std::vector<int32_t>(ids.begin() + 70, ids.end())), want));
    } else {
      CHECK(RewindSession(session.get(), 70).code() == StatusCode::kUnsupported);
    }
    // To the start always.
    REQUIRE_OK(RewindSession(session.get(), 0));
    CHECK(SameBits(Logits(session, ids), want));
    CHECK(RewindSession(session.get(), 151).code() == StatusCode::kInvalidArgument);
    // Pending tokens are dropped without any state.
    Feed(session, {1, 2, 3});
    REQUIRE_OK(RewindSession(session.get(), 150));
    CHECK(session->n_tokens == 150);
  }
}

TEST_CASE("sessions: forks share blocks and never see each other") {
  for (const Case& c : Cases()) {
    CAPTURE(c.name);
    const AlignedFile file = MakeFile(c.spec);
    const std::vector<int32_t> head = RandomIds(4, 100), a = RandomIds(5, 60), b = RandomIds(6, 60);
    auto joined = [&](const std::vector<int32_t>& tail) {
      std::vector<int32_t> ids = head;
      ids.insert(ids.end(), tail.begin(), tail.end());
      return ids;
    };
    const ModelPtr model = OpenTiny(file, *c.backend, Options(16, 3, c.kv_type));
    const SessionPtr plain = NewSession(model);
    const std::vector<float> want_a = Logits(plain, joined(a));
    ResetSession(plain.get());
    const std::vector<float> want_b = Logits(plain, joined(b));
    ResetSession(plain.get());

    const SessionPtr first = NewSession(model);
    const std::vector<float> at_head = Logits(first, head);
    const uint32_t used = model->groups[0].n_blocks - model->groups[0].n_free;
    Session* forked = nullptr;
    REQUIRE_OK(ForkSession(first.get(), &forked));
    const SessionPtr second(forked);
    CHECK(model->groups[0].n_blocks - model->groups[0].n_free == used);  // nothing copied yet
    CHECK(SameBits(Row(second), at_head));
    CHECK(SameBits(Logits(first, a), want_a));
    CHECK(SameBits(Logits(second, b), want_b));
    // And back: what the fork wrote is not in the first one.
    if (c.spec.window == 0) {
      REQUIRE_OK(RewindSession(first.get(), 100));
      CHECK(SameBits(Logits(first, b), want_b));
    }
  }
}

TEST_CASE("sessions: every block comes back") {
  const AlignedFile file = MakeFile({});
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(64, 3));
  {
    const SessionPtr a = NewSession(model), b = NewSession(model);
    Logits(a, RandomIds(7, kContext));
    Logits(b, RandomIds(8, 65));
    Session* c = nullptr;
    REQUIRE_OK(ForkSession(a.get(), &c));
    const SessionPtr third(c);
    CHECK(CreateSession(model.get(), {}, false, &c).code() == StatusCode::kResourceExhausted);
    REQUIRE_OK(RewindSession(third.get(), 10));
    Logits(third, RandomIds(9, kContext - 10));
    CHECK(model->groups[0].n_free == 3 * 4 - 4 - 2 - 4);
  }
  CHECK(model->groups[0].n_free == model->groups[0].n_blocks);
  std::vector<uint8_t> seen(model->groups[0].n_blocks, 0);
  for (uint32_t i = 0; i < model->groups[0].n_blocks; ++i) {
    CHECK(model->groups[0].references[i] == 0);
    CHECK(seen[model->groups[0].free_list[i]]++ == 0);
  }
}

TEST_CASE("sessions: logits of all positions") {
  const AlignedFile file = MakeFile({});
  const std::vector<int32_t> ids = RandomIds(13, 50);
  const ModelPtr one = OpenTiny(file, BackendNamed("cpu"), Options(16));
  const SessionPtr step_by_step = NewSession(one);
  std::vector<std::vector<float>> want;
  for (int32_t id : ids) want.push_back(Logits(step_by_step, {id}));

  LoadOptions options = Options(16);
  for (uint32_t max_outputs : {16u, 5u}) {  // fewer rows than the chunk: shorter steps
    options.max_outputs = max_outputs;
    const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), options);
    const SessionPtr session = NewSession(model, true);
    Feed(session, ids);
    Session* s = session.get();
    size_t at = 0;
    while (s->n_computed < s->n_tokens) {
      REQUIRE_OK(StepSessions(&s, 1));
      CHECK(s->n_rows <= max_outputs);
      for (uint32_t i = 0; i < s->n_rows; ++i) CHECK(SameBits(Row(session, i), want[at++]));
    }
    CHECK(at == ids.size());
  }
}

TEST_CASE("sessions: a device is compiled for once and then only gets step blocks") {
  const MirrorBackend mirror(&BackendNamed("cpu"));
  const AlignedFile file = MakeFile({});
  LoadOptions options = Options(16, 2);
  options.n_ctx = 1200;
  const ModelPtr model = OpenTiny(file, mirror, options);
  const uint64_t compiles = mirror.compiles();
  CHECK(compiles == model->n_buckets);
  const ModelPtr host = OpenTiny(file, BackendNamed("cpu"), options);
  const SessionPtr a = NewSession(model), b = NewSession(model), want = NewSession(host);
  Session* both[] = {a.get(), b.get()};
  const std::vector<int32_t> ids = RandomIds(60, 1010);
  for (size_t step = 0; step < 1000; ++step) {
    Feed(a, {ids[step]});
    if (step % 3 == 0) Feed(b, {ids[step + 1], ids[step + 2]});
    REQUIRE_OK(StepSessions(both, 2));
  }
  CHECK(mirror.compiles() == compiles);
  CHECK(mirror.runs() == 1000);
  CHECK(SameBits(Row(a), Logits(want, std::vector<int32_t>(ids.begin(), ids.begin() + 1000))));
}

TEST_CASE("sessions: the smallest context") {
  const AlignedFile file = MakeFile({});
  LoadOptions options;
  options.n_ctx = 1;
  options.n_chunk = 500;
  options.max_outputs = 500;
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), options);
  CHECK(model->limits.n_chunk == 1);
  CHECK(model->limits.max_outputs == 1);
  const SessionPtr session = NewSession(model);
  CHECK(Logits(session, {7}).size() == 320);
  const int32_t id = 7;
  CHECK(FeedSession(session.get(), &id, 1).code() == StatusCode::kResourceExhausted);
  CHECK_OK(FeedSession(session.get(), &id, 0));
}

TEST_CASE("sessions: limits are stated") {
  const AlignedFile file = MakeFile({});
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(16, 2));
  const SessionPtr session = NewSession(model);
  Session* s = session.get();
  CHECK(StepSessions(&s, 1).code() == StatusCode::kFailedPrecondition);
  const int32_t bad[] = {1, 320}, negative[] = {-1};
  CHECK(FeedSession(s, bad, 2).code() == StatusCode::kInvalidArgument);
  CHECK(FeedSession(s, negative, 1).code() == StatusCode::kInvalidArgument);
  CHECK(s->n_tokens == 0);
  const std::vector<int32_t> full = RandomIds(14, kContext + 1);
  const Status status = FeedSession(s, full.data(), full.size());
  CHECK(status.code() == StatusCode::kResourceExhausted);
  CHECK(std::string(status.message()).find("256") != std::string::npos);
  Feed(session, std::vector<int32_t>(full.begin(), full.end() - 1));
  RunAll(session);
  CHECK(FeedSession(s, full.data(), 1).code() == StatusCode::kResourceExhausted);

  const SessionPtr other = NewSession(model);
  Feed(other, {1});
  Session* twice[] = {other.get(), other.get()};
  CHECK(StepSessions(twice, 2).code() == StatusCode::kInvalidArgument);
  CHECK_OK(StepSessions(twice, 1));
  // The first one's rows are gone with this step.
  const float* row = nullptr;
  CHECK(SessionLogits(s, -1, &row).code() == StatusCode::kFailedPrecondition);
}

TEST_CASE("sessions: a cancelled step loses nothing") {
  for (const Case& c : Cases()) {
    CAPTURE(std::string(c.name));
    const AlignedFile file = MakeFile(c.spec);
    const ModelPtr model = OpenTiny(file, *c.backend, Options(16, 2, c.kv_type));
    const SessionPtr session = NewSession(model), other = NewSession(model);
    Session* s = session.get();
    const std::vector<int32_t> ids = RandomIds(50, 150);
    const std::vector<float> want = Logits(other, ids);
    Feed(session, ids);
    for (int cancel = 0; s->n_computed < s->n_tokens; ++cancel) {
      const uint32_t computed = s->n_computed;
      model->cancelled = true;
      CHECK(StepSessions(&s, 1).code() == StatusCode::kCancelled);  // before it begins
      model->cancelled = false;
      model->device->RequestCancel();
      CHECK(StepSessions(&s, 1).code() == StatusCode::kCancelled);  // inside
      model->device->ClearCancel();
      CHECK(s->n_computed == computed);
      const float* row = nullptr;
      CHECK(!SessionLogits(s, -1, &row).ok());
      REQUIRE_OK(StepSessions(&s, 1));
    }
    CHECK(SameBits(Row(session), want));
  }
}

TEST_CASE("sessions: a step that is cancelled anywhere loses nothing") {
  TinySpec spec;
  spec.hidden = 128;
  spec.inter = 512;
  spec.window = 40;
  const AlignedFile file = MakeFile(spec);
  LoadOptions options = Options(128, 2);
  options.n_ctx = 1200;
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), options);
  const SessionPtr session = NewSession(model), other = NewSession(model);
  Session* s = session.get();
  const std::vector<int32_t> ids = RandomIds(51, 1100);
  const std::vector<float> want = Logits(other, ids);
  Feed(session, ids);
  const uint64_t seed = 52;
  Random random(seed);
  CAPTURE(seed);
  int cancelled = 0, attempts = 0;
  for (; s->n_computed < s->n_tokens; ++attempts) {
    std::atomic<bool> started{false};
    std::thread canceller([&, delay = random.Below(3000)] {
      while (!started) continue;
      std::this_thread::sleep_for(std::chrono::microseconds(delay));
      model->device->RequestCancel();
    });
    const uint32_t computed = s->n_computed;
    started = true;
    const Status status = StepSessions(&s, 1);
    canceller.join();
    model->device->ClearCancel();
    if (status.ok()) continue;
    CHECK(status.code() == StatusCode::kCancelled);
    CHECK(s->n_computed == computed);
    if (++cancelled >= 200) break;
  }
  MESSAGE(cancelled << " of " << attempts << " steps cancelled");
  RunAll(session);
  CHECK(SameBits(Row(session), want));
}

TEST_CASE("sessions: non-finite logits name session and position") {
  TinySpec spec;
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage(spec, &tiny));
  const Weight& norm = tiny.package.weights.back();
  REQUIRE(norm.name == "norm.weight");
  AlignedFile file(tiny.file);
  const uint32_t infinity = 0x7f800000;
  std::memcpy(file.data() + tiny.package.segments[0].offset + norm.placements[0].offset, &infinity,
              4);
  const ModelPtr model = OpenTiny(file, BackendNamed("cpu"), Options(16));
  const SessionPtr session = NewSession(model);
  Session* s = session.get();
  Feed(session, {1, 2, 3});
  const Status status = StepSessions(&s, 1);
  CHECK(status.code() == StatusCode::kInvalidFile);
  CHECK(std::string(status.message()).find("session 0 at position 2") != std::string::npos);
  CHECK(StepSessions(&s, 1).code() == StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace samara::test
