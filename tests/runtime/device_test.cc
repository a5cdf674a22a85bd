// Devices with a memory and a queue of their own, on the mirror backend: the split between device and host, results
// that are fetched when asked for, tokens drawn on the device, errors that come late.
#include <doctest/doctest.h>

#include <set>

#include "runtime/goldens.h"
#include "runtime/new_file.h"
#include "runtime/session_file.h"
#include "tests/runtime/model_fixture.h"
#include "tests/runtime/temporary_file.h"
#include "tests/support/mirror_backend.h"

namespace samara::test {
namespace {

TinySpec Spec(bool tied = true) {
  TinySpec spec;
  spec.vocab = 320, spec.hidden = 32, spec.layers = 4, spec.heads = 2, spec.kv_heads = 1;
  spec.head_dim = 8, spec.inter = 48;
  spec.tied = tied;
  return spec;
}

LoadOptions Options() {
  LoadOptions options;
  options.n_ctx = 128;
  options.n_chunk = 16;
  options.max_sessions = 3;
  options.n_threads = options.threading.n_processors = 2;
  return options;
}

// The reference inside gives the bits of the host's backend, whatever the split is.
MirrorOptions Gpu() {
  MirrorOptions options;
  options.queued = options.draws = true;
  options.weight_padding = 192;
  return options;
}

Status Plan(const AlignedFile& file, const Backend& backend, const LoadOptions& options,
            ParsedPackage* parsed, ModelPlan* plan) {
  PackageFile memory;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenMemory(file.data(), file.size(), &memory));
  SAMARA_RETURN_IF_ERROR(ReadPackage(memory, parsed));
  return PlanModel(parsed->package, {file.size(), parsed->header.metadata_bytes, false}, options,
                   backend, plan);
}

uint64_t DeviceBytes(const ModelPlan& plan) { return plan.list.Total(MemoryClass::kDevice); }

// What a model computes: prefill in chunks, decode, two sessions in a step.
std::vector<std::vector<float>> Compute(const ModelPtr& model) {
  std::vector<std::vector<float>> rows;
  const SessionPtr a = NewSession(model), b = NewSession(model, true);
  rows.push_back(Logits(a, RandomIds(1, 37)));
  rows.push_back(Logits(b, RandomIds(2, 5)));
  Session* both[] = {a.get(), b.get()};
  for (uint64_t i = 0; i < 5; ++i) {
    Feed(a, RandomIds(10 + i, 1));
    Feed(b, RandomIds(20 + i, 1 + i % 3));
    while (a->n_computed < a->n_tokens || b->n_computed < b->n_tokens) {
      REQUIRE_OK(StepSessions(both, 2));
    }
    rows.push_back(Row(b));
  }
  rows.push_back(Logits(a, RandomIds(3, 20)));
  return rows;
}

void CheckSame(const std::vector<std::vector<float>>& got,
               const std::vector<std::vector<float>>& want) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(SameBits(got[i], want[i]));
  }
}

TEST_CASE("device memory decides the split by layer, and the bits stay") {
  for (const bool tied : {true, false}) {
    CAPTURE(tied);
    const AlignedFile file = MakeFile(Spec(tied));
    const auto want = Compute(OpenTiny(file, BackendNamed("cpu"), Options()));
    const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
    LoadOptions options = Options();
    ParsedPackage parsed;
    ModelPlan all;
    REQUIRE_OK(Plan(file, gpu, options, &parsed, &all));
    CHECK(!all.split.uses_host());
    CHECK(all.split.n_layers == 4);
    CHECK(all.split.n_units == 6);
    CHECK(all.host_backend == nullptr);
    std::set<uint32_t> first_units;
    uint32_t before = 0;
    const uint64_t whole = DeviceBytes(all);
    for (uint64_t most = whole; most > whole / 16; most -= whole / 32) {
      CAPTURE(most);
      options.device_memory = most;
      ModelPlan plan;
      ParsedPackage again;
      const Status status = Plan(file, gpu, options, &again, &plan);
      if (!status.ok()) {
        CHECK(status.code() == StatusCode::kResourceExhausted);
        CHECK(std::string(status.message()).find("device memory") != std::string::npos);
        CHECK(before == 5);  // only where not even the output has room
        break;
      }
      CHECK(DeviceBytes(plan) <= most);
      CHECK(plan.split.first_unit >= before);
      before = plan.split.first_unit;
      if (!first_units.insert(before).second) continue;
      CHECK(plan.split.device_layers == (before == 0 ? 4 : 5 - before));
      for (size_t i = 0; i < plan.split.sides.size(); ++i) CHECK(plan.split.lacking[i] == 0);
      const ModelPtr model = OpenTiny(file, gpu, options);
      CheckSame(Compute(model), want);
    }
    CHECK(first_units.count(0) == 1);
    CHECK(first_units.size() >= 5);
  }
}

TEST_CASE("with little device memory the embedding stays on the host, and nothing else") {
  const AlignedFile file = MakeFile(Spec(false));
  const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
  ParsedPackage parsed, again;
  ModelPlan all, plan;
  LoadOptions options = Options();
  REQUIRE_OK(Plan(file, gpu, options, &parsed, &all));
  options.device_memory = DeviceBytes(all) - 1;
  REQUIRE_OK(Plan(file, gpu, options, &again, &plan));
  CHECK(plan.split.first_unit == 1);
  CHECK(plan.split.device_layers == 4);
  uint32_t on_host = 0;
  for (size_t i = 0; i < plan.split.sides.size(); ++i) {
    if (plan.split.sides[i] == Side::kDevice) continue;
    ++on_host;
    CHECK(plan.split.graph.ops[i].name == "embed");
  }
  CHECK(on_host == 1);
  CHECK(plan.buckets[0].imports.size() == 1);
  CHECK(plan.host.imports.empty());
  // A weight lies where it is used, and nowhere else.
  for (size_t w = 0; w < again.package.weights.size(); ++w) {
    if (plan.placements[w] < 0) continue;
    const bool table = again.package.weights[w].name == "embed.weight";
    CHECK(plan.weight_on[0][w] == (table ? 0 : 1));
    CHECK(plan.weight_on[1][w] == (table ? 1 : 0));
  }
}

TEST_CASE("every byte of both sides is listed, with or without a map") {
  const AlignedFile file = MakeFile(Spec(false));
  const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
  for (const bool no_mmap : {false, true}) {
    LoadOptions options = Options();
    options.no_mmap = no_mmap;
    ParsedPackage parsed;
    ModelPlan plan;
    REQUIRE_OK(Plan(file, gpu, options, &parsed, &plan));
    options.device_memory = DeviceBytes(plan) * 6 / 10;
    ParsedPackage again;
    REQUIRE_OK(Plan(file, gpu, options, &again, &plan));
    CHECK(plan.split.uses_host());
    bool copied = false;
    for (const MemoryItem& item : plan.list.items)
      copied = copied || item.name.rfind("copied weight ", 0) == 0;
    CHECK(copied == no_mmap);
    // The ledger gives nothing that is not listed, and the loader fails if something listed was not taken.
    const ModelPtr model = OpenTiny(file, gpu, options);
    uint64_t listed = 0;
    for (const MemoryItem& item : plan.list.items) {
      if (item.lifetime == MemoryLifetime::kModel && item.kind != MemoryClass::kMapped)
        listed += item.bytes;
    }
    CHECK(model->ledger.taken_bytes() == listed);
    options.memory_budget = plan.list.Counted() - 1;
    ModelPlan over;
    CHECK(Plan(file, gpu, options, &again, &over).code() == StatusCode::kResourceExhausted);
  }
}

TEST_CASE("what the device lacks runs on the host; inside layers only if that is allowed") {
  TinySpec spec = Spec();
  const AlignedFile file = MakeFile(spec);
  const auto want = Compute(OpenTiny(file, BackendNamed("cpu"), Options()));
  MirrorOptions mirror = Gpu();
  LoadOptions options = Options();
  ParsedPackage parsed;
  ModelPlan plan;
  {
    mirror.lacks = {OpCode::kGather};  // before and behind the layers
    const MirrorBackend gpu(&BackendNamed("reference"), mirror);
    REQUIRE_OK(Plan(file, gpu, options, &parsed, &plan));
    CHECK(plan.split.ranges.size() == 4);
    CHECK(plan.buckets[0].parts.size() == 2);
    CHECK(plan.host.parts.size() == 2);
    CheckSame(Compute(OpenTiny(file, gpu, options)), want);
  }
  for (const OpCode lacking : {OpCode::kGlu, OpCode::kRmsNorm, OpCode::kAttention}) {
    mirror.lacks = {lacking};
    const MirrorBackend gpu(&BackendNamed("reference"), mirror);
    options.cut_layers = false;
    const Status status = Plan(file, gpu, options, &parsed, &plan);
    CHECK(status.code() == StatusCode::kUnsupported);
    CHECK_MESSAGE(std::string(status.message()).find("layers.0.") != std::string::npos,
                  std::string(status.message()));
    options.cut_layers = true;
    ParsedPackage again;
    REQUIRE_OK(Plan(file, gpu, options, &again, &plan));
    uint32_t lacks = 0;
    for (const uint8_t l : plan.split.lacking) lacks += l == 1;
    CHECK(lacks >= 4);
    for (const Side side : plan.state_side)
      CHECK(side == (lacking == OpCode::kAttention ? Side::kHost : Side::kDevice));
    CheckSame(Compute(OpenTiny(file, gpu, options)), want);
  }
  mirror.lacks = {};
  for (int code = 0; code < 2000; ++code) mirror.lacks.push_back(static_cast<OpCode>(code));
  const MirrorBackend none(&BackendNamed("reference"), mirror);
  CHECK(Plan(file, none, options, &parsed, &plan).code() == StatusCode::kUnsupported);
}

TEST_CASE("the smallest bucket that fits is the one that runs") {
  const AlignedFile file = MakeFile(Spec());
  const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
  const ModelPtr model = OpenTiny(file, gpu, Options());
  REQUIRE(model->n_buckets == 5);
  for (uint32_t b = 0; b < 5; ++b) CHECK(model->buckets[b].tokens == 1u << b);
  const SessionPtr session = NewSession(model);
  for (const uint32_t n : {1u, 2u, 3u, 4u, 5u, 8u, 9u, 16u}) {
    Feed(session, RandomIds(n, n));
    RunAll(session);
    CHECK(model->buckets[model->last_bucket].tokens == (n < 3 ? n : n < 5 ? 4u : n < 9 ? 8u : 16u));
  }
}

TEST_CASE("only the token crosses, unless logits are asked for") {
  const AlignedFile file = MakeFile(Spec());
  const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
  const ModelPtr device = OpenTiny(file, gpu, Options());
  const ModelPtr host = OpenTiny(file, BackendNamed("cpu"), Options());
  std::vector<SamplingParams> cases(7);
  cases[1].temperature = 1;
  cases[2].temperature = 0.7f, cases[2].top_k = 5;
  cases[3].temperature = 1.3f, cases[3].top_p = 0.8f;
  cases[4].temperature = 0.9f, cases[4].min_p = 0.2f;
  cases[5].temperature = 2, cases[5].top_k = 40, cases[5].top_p = 0.9f, cases[5].min_p = 0.02f;
  cases[6].temperature = 1, cases[6].repetition_penalty = 1.3f, cases[6].penalty_window = 64;
  for (size_t c = 0; c < cases.size(); ++c) {
    CAPTURE(c);
    cases[c].seed = c;
    const SessionPtr a = NewSession(device, false, cases[c]), b = NewSession(host, false, cases[c]);
    Feed(a, RandomIds(5, 20));
    Feed(b, RandomIds(5, 20));
    const uint64_t bytes = gpu.downloaded_bytes(), draws = gpu.calls(MirrorCall::kDraw);
    for (int i = 0; i < 30; ++i) {
      RunAll(a);
      RunAll(b);
      int32_t got = -1, want = -2;
      REQUIRE_OK(SampleSession(a.get(), {}, &got));
      REQUIRE_OK(SampleSession(b.get(), {}, &want));
      REQUIRE(got == want);
      Feed(a, {got});
      Feed(b, {want});
    }
    const bool penalties = c == 6;  // they need the history: the host draws
    CHECK(gpu.downloaded_bytes() - bytes == (penalties ? 30 * 320 * sizeof(float) : 0));
    CHECK(gpu.calls(MirrorCall::kDraw) - draws == (penalties ? 0 : 30));
    CHECK(a->generator.state() == b->generator.state());
    RunAll(a);
    RunAll(b);
    CHECK(SameBits(Row(a), Row(b)));
    CHECK(SameBits(Row(a), Row(b)));  // fetched once
    if (!penalties) CHECK(gpu.downloaded_bytes() - bytes == 320 * sizeof(float));
  }
}

TEST_CASE("a step is queued, and nobody waits before he has to") {
  const AlignedFile file = MakeFile(Spec());
  const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
  const ModelPtr model = OpenTiny(file, gpu, Options());
  const SessionPtr session = NewSession(model);
  Session* s = session.get();
  const uint64_t runs = gpu.runs();
  Feed(session, RandomIds(1, 40));
  RunAll(session);
  CHECK(s->n_computed == 40);
  CHECK(gpu.runs() == runs);
  REQUIRE_OK(WaitForSteps(model.get()));
  CHECK(gpu.runs() == runs + 3);
  CHECK(model->settled_step == model->step_id);
}

// Everything that sessions do, with what it gave; ends at the first error.
struct Trace {
  std::vector<std::vector<float>> rows;
  std::vector<int32_t> tokens;
};
Status Scenario(const AlignedFile& file, const Backend& backend, const LoadOptions& options,
                Trace* trace) {
  PackageFile memory;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenMemory(file.data(), file.size(), &memory));
  Model* opened = nullptr;
  SAMARA_RETURN_IF_ERROR(LoadModel(std::move(memory), backend, options, {}, &opened));
  const ModelPtr model(opened);
  SamplingParams warm;
  warm.temperature = 1;
  warm.top_k = 20;
  Session *s = nullptr, *f = nullptr, *r = nullptr;
  SAMARA_RETURN_IF_ERROR(CreateSession(opened, warm, false, &s));
  const SessionPtr session(s);
  const auto feed = [&](Session* to, const std::vector<int32_t>& ids) {
    return FeedSession(to, ids.data(), ids.size());
  };
  const auto run = [&](Session* which) {
    while (which->n_computed < which->n_tokens) SAMARA_RETURN_IF_ERROR(StepSessions(&which, 1));
    return Status();
  };
  const auto sample = [&](Session* which) {
    SAMARA_RETURN_IF_ERROR(run(which));
    int32_t token = -1;
    SAMARA_RETURN_IF_ERROR(SampleSession(which, {}, &token));
    trace->tokens.push_back(token);
    return FeedSession(which, &token, 1);
  };
  const auto logits = [&](Session* which) {
    SAMARA_RETURN_IF_ERROR(run(which));
    const float* row = nullptr;
    SAMARA_RETURN_IF_ERROR(SessionLogits(which, -1, &row));
    trace->rows.emplace_back(row, row + opened->limits.vocab);
    return Status();
  };
  SAMARA_RETURN_IF_ERROR(feed(s, RandomIds(1, 21)));
  for (int i = 0; i < 3; ++i) SAMARA_RETURN_IF_ERROR(sample(s));
  SAMARA_RETURN_IF_ERROR(run(s));
  SAMARA_RETURN_IF_ERROR(ForkSession(s, &f));
  const SessionPtr fork(f);
  SAMARA_RETURN_IF_ERROR(feed(s, {1, 2, 3}));
  SAMARA_RETURN_IF_ERROR(feed(f, {4, 5}));
  Session* both[] = {s, f};
  SAMARA_RETURN_IF_ERROR(StepSessions(both, 2));
  SAMARA_RETURN_IF_ERROR(logits(f));
  SAMARA_RETURN_IF_ERROR(RewindSession(s, 10));
  SAMARA_RETURN_IF_ERROR(feed(s, {7}));
  SAMARA_RETURN_IF_ERROR(logits(s));
  const TemporaryFile saved;
  NewFile to;
  SAMARA_RETURN_IF_ERROR(to.Create(saved.path()));
  SAMARA_RETURN_IF_ERROR(WriteSession(*s, {}, &to));
  SAMARA_RETURN_IF_ERROR(to.Commit());
  SAMARA_RETURN_IF_ERROR(CreateSession(opened, warm, false, &r));
  const SessionPtr restored(r);
  PackageFile from;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(saved.path(), &from));
  uint64_t attached = 0;
  SAMARA_RETURN_IF_ERROR(ReadSession(from, r, {}, &attached));
  SAMARA_RETURN_IF_ERROR(sample(r));
  SAMARA_RETURN_IF_ERROR(run(r));
  SAMARA_RETURN_IF_ERROR(WaitForSteps(opened));
  return logits(r);
}

TEST_CASE("any call of the device may fail: a status, a model that closes, nothing else") {
  TinySpec spec = Spec();
  spec.layers = 2;
  const AlignedFile file = MakeFile(spec);
  for (const bool split : {false, true}) {
    CAPTURE(split);
    LoadOptions options = Options();
    const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
    if (split) {
      ParsedPackage parsed;
      ModelPlan plan;
      REQUIRE_OK(Plan(file, gpu, options, &parsed, &plan));
      options.device_memory = DeviceBytes(plan) * 3 / 4;
    }
    uint64_t before[static_cast<size_t>(MirrorCall::kCount)];
    for (size_t c = 0; c < std::size(before); ++c) before[c] = gpu.calls(MirrorCall(c));
    Trace want;
    REQUIRE_OK(Scenario(file, gpu, options, &want));
    uint64_t counts[std::size(before)];
    for (size_t c = 0; c < std::size(before); ++c) counts[c] = gpu.calls(MirrorCall(c)) - before[c];
    Trace host;
    REQUIRE_OK(Scenario(file, BackendNamed("cpu"), Options(), &host));
    CHECK(want.tokens == host.tokens);
    CheckSame(want.rows, host.rows);
    uint64_t tried = 0;
    for (size_t c = 0; c < std::size(before); ++c) {
      const MirrorCall call = MirrorCall(c);
      const std::string name = MirrorCallName(call);
      CAPTURE(name);
      for (uint64_t n = 0; n < counts[c]; ++n, ++tried) {
        CAPTURE(n);
        // Lost on even calls, out of memory on odd ones, and the other way round in the second model.
        const StatusCode code =
            (n % 2 == 0) != split ? StatusCode::kDeviceLost : StatusCode::kOutOfMemory;
        gpu.FailAt(call, n, code);
        Trace trace;
        const Status status = Scenario(file, gpu, options, &trace);
        CHECK(status.code() == code);
        CHECK_MESSAGE(std::string(status.message())
                              .find(code == StatusCode::kDeviceLost ? "" : "made to fail") !=
                          std::string::npos,
                      std::string(status.message()));
        // What came before the error was right.
        for (size_t i = 0; i < trace.tokens.size(); ++i) CHECK(trace.tokens[i] == want.tokens[i]);
      }
    }
    gpu.FailNothing();
    CHECK(tried > 60);
    for (const MirrorCall call :
         {MirrorCall::kAllocate, MirrorCall::kUpload, MirrorCall::kCompile, MirrorCall::kRun,
          MirrorCall::kDownload, MirrorCall::kDraw, MirrorCall::kFinish, MirrorCall::kCopy}) {
      CHECK(counts[static_cast<size_t>(call)] > 0);
    }
    Trace again;
    REQUIRE_OK(Scenario(file, gpu, options, &again));
    CHECK(again.tokens == want.tokens);
    CheckSame(again.rows, want.rows);
  }
}

TEST_CASE("an error of queued work poisons the sessions of its steps, and only these") {
  const AlignedFile file = MakeFile(Spec());
  const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
  const ModelPtr model = OpenTiny(file, gpu, Options());
  const SessionPtr idle = NewSession(model), a = NewSession(model), b = NewSession(model);
  const std::vector<float> rest = Logits(idle, RandomIds(9, 12));
  Session *sa = a.get(), *sb = b.get();
  Feed(a, RandomIds(1, 30));
  gpu.FailAt(MirrorCall::kRun, 1, StatusCode::kInternal);  // the second step
  RunAll(a);
  CHECK(sa->n_computed == 30);
  Feed(b, RandomIds(2, 3));
  REQUIRE_OK(StepSessions(&sb, 1));
  int32_t token = -1;
  CHECK(SampleSession(sb, {}, &token).code() == StatusCode::kInternal);
  CHECK(sa->poisoned);
  CHECK(sb->poisoned);
  CHECK(!idle->poisoned);
  CHECK(SampleSession(sa, {}, &token).code() == StatusCode::kFailedPrecondition);
  gpu.FailNothing();
  Feed(idle, {5});
  RunAll(idle);
  const ModelPtr clean = OpenTiny(file, BackendNamed("cpu"), Options());
  const SessionPtr want = NewSession(clean);
  CHECK(SameBits(Logits(want, RandomIds(9, 12)), rest));
  CHECK(SameBits(Row(idle), Logits(want, {5})));
  ResetSession(sa);
  const SessionPtr other = NewSession(clean);
  CHECK(SameBits(Logits(a, RandomIds(1, 30)), Logits(other, RandomIds(1, 30))));
}

TEST_CASE("queued work that is cancelled leaves its tokens pending") {
  const AlignedFile file = MakeFile(Spec());
  const MirrorBackend gpu(&BackendNamed("reference"), Gpu());
  const ModelPtr model = OpenTiny(file, gpu, Options());
  const ModelPtr host = OpenTiny(file, BackendNamed("cpu"), Options());
  const SessionPtr session = NewSession(model), want = NewSession(host);
  Session* s = session.get();
  const std::vector<int32_t> ids = RandomIds(4, 60);
  Feed(session, std::vector<int32_t>(ids.begin(), ids.begin() + 10));
  RunAll(session);
  REQUIRE_OK(WaitForSteps(model.get()));
  Feed(session, std::vector<int32_t>(ids.begin() + 10, ids.end()));
  RunAll(session);
  model->device->RequestCancel();
  const float* row = nullptr;
  CHECK(SessionLogits(s, -1, &row).code() == StatusCode::kCancelled);
  CHECK(s->n_computed == 10);
  CHECK(s->n_tokens == 60);
  CHECK(!s->poisoned);
  model->device->ClearCancel();
  RunAll(session);
  CHECK(SameBits(Row(session), Logits(want, ids)));
}

TEST_CASE("logits that are not finite end as an error, whoever looks at them first") {
  TinyPackage tiny;
  REQUIRE_OK(MakeTinyPackage(Spec(false), &tiny));
  // One row of the embedding is infinite.
  for (const Weight& weight : tiny.package.weights) {
    if (weight.name != "embed.weight") continue;
    const float infinite = INFINITY;
    const uint64_t at = tiny.package.segments[0].offset + weight.placements[0].offset;
    for (uint64_t i = 0; i < 32; ++i)
      std::memcpy(tiny.file.data() + at + (7 * 32 + i) * 4, &infinite, 4);
  }
  const AlignedFile file(tiny.file);
  for (const bool draws : {true, false}) {
    MirrorOptions mirror = Gpu();
    mirror.draws = draws;
    const MirrorBackend gpu(&BackendNamed("reference"), mirror);
    const ModelPtr model = OpenTiny(file, gpu, Options());
    const SessionPtr good = NewSession(model), bad = NewSession(model);
    const std::vector<float> rest = Logits(good, {1, 2, 3});
    Feed(bad, {1, 7});
    RunAll(bad);  // only queued
    int32_t token = -1;
    CHECK(SampleSession(bad.get(), {}, &token).code() == StatusCode::kInvalidFile);
    CHECK(bad->poisoned);
    CHECK(!good->poisoned);
    ResetSession(bad.get());
    CHECK(SameBits(Logits(bad, {1, 2, 3}), rest));
  }
}

TEST_CASE("a device that is too small says what can be done, and then does it") {
  const AlignedFile file = MakeFile(Spec());
  MirrorOptions mirror = Gpu();
  {
    const MirrorBackend large(&BackendNamed("reference"), mirror);
    ParsedPackage parsed;
    ModelPlan plan;
    REQUIRE_OK(Plan(file, large, Options(), &parsed, &plan));
    mirror.memory = DeviceBytes(plan) * 2 / 3;
  }
  const MirrorBackend gpu(&BackendNamed("reference"), mirror);
  PackageFile memory;
  REQUIRE_OK(PackageFile::OpenMemory(file.data(), file.size(), &memory));
  Model* model = nullptr;
  const Status status = LoadModel(std::move(memory), gpu, Options(), {}, &model);
  CHECK(status.code() == StatusCode::kOutOfMemory);
  CHECK_MESSAGE(std::string(status.message()).find("device_memory") != std::string::npos,
                std::string(status.message()));
  CHECK(model == nullptr);
  LoadOptions options = Options();
  options.device_memory = mirror.memory;
  const auto want = Compute(OpenTiny(file, BackendNamed("cpu"), Options()));
  CheckSame(Compute(OpenTiny(file, gpu, options)), want);
}

}  // namespace
}  // namespace samara::test
