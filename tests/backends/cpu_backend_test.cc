// The CPU device: options, threads, splits, cancelling, errors. What operators compute is held to
// the reference in tests/conformance.
#include "backends/cpu/cpu_backend.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "backends/cpu/kernel_table.h"
#include "backends/reference/reference_backend.h"
#include "tests/support/caller_pools.h"
#include "tests/support/graph_runner.h"
#include "tests/support/status.h"
#include "tests/support/step_builder.h"
#include "tests/support/test_model.h"

namespace samara::test {
namespace {

constexpr uint32_t kHeads = 6, kKvHeads = 2, kDim = 40, kWidth = kHeads * kDim, kVocab = 50;

// One layer of everything that a step shares between threads: embedding, norm, rotation, states,
// attention, gated unit, products of several codecs, rows chosen for output.
struct Layer {
  TestModel m;
  ValueId logits;

  explicit Layer(uint64_t seed) {
    Random random(seed);
    auto matrix = [&](const char* name, DType dtype, uint64_t rows, uint64_t cols) {
      return m.Weight(name, dtype, rows, cols, random.Floats(rows * cols, 0.1f));
    };
    const uint32_t group = m.Group("main");
    const ValueId state = m.KeyValueState("kv", group, kKvHeads, kDim, kDim);
    const ValueId x =
        m.Op(OpCode::kGather, {matrix("embed", DType::kQ4_0, kVocab, kWidth), m.TokenIds()});
    const ValueId norm = m.Vector("norm", random.Floats(kWidth));
    std::vector<float> frequencies(kDim / 2);
    for (size_t i = 0; i < frequencies.size(); ++i)
      frequencies[i] = std::pow(0.7f, static_cast<float>(i));
    const ValueId table =
        m.Op(OpCode::kRopeTable, {m.Positions(), m.Vector("inv_freq", frequencies)},
             {FloatAttr(AttrKey::kFactor, 1)});
    const ValueId h = m.Op(OpCode::kRmsNorm, {x, norm}, {FloatAttr(AttrKey::kEps, 1e-5)});
    auto rope = [&](ValueId v) {
      return m.Op(OpCode::kRope, {v, table},
                  {IntAttr(AttrKey::kHeadDim, kDim), IntAttr(AttrKey::kInterleaved, 0)});
    };
    const ValueId q = rope(m.Op(OpCode::kMatmul, {h, matrix("q", DType::kQ8_0, kWidth, kWidth)}));
    const ValueId k =
        rope(m.Op(OpCode::kMatmul, {h, matrix("k", DType::kF16, kKvHeads * kDim, kWidth)}));
    const ValueId v =
        m.Op(OpCode::kMatmul, {h, matrix("v", DType::kBF16, kKvHeads * kDim, kWidth)});
    m.Op(OpCode::kStateWrite, {k, state}, {IntAttr(AttrKey::kPart, 0)});
    m.Op(OpCode::kStateWrite, {v, state}, {IntAttr(AttrKey::kPart, 1)});
    const ValueId attended =
        m.Op(OpCode::kAttention, {q, state},
             {IntAttr(AttrKey::kHeads, kHeads), IntAttr(AttrKey::kKvHeads, kKvHeads),
              IntAttr(AttrKey::kKeyDim, kDim), IntAttr(AttrKey::kValueDim, kDim),
              FloatAttr(AttrKey::kScale, 0.16)});
    const ValueId o =
        m.Op(OpCode::kLinear, {attended, matrix("o", DType::kQ5_1, kWidth, kWidth), kNoValue, x});
    const ValueId up = m.Op(OpCode::kMatmul, {o, matrix("up", DType::kQ4_1, 400, kWidth)});
    const ValueId act = m.Op(OpCode::kGlu, {up}, {IntAttr(AttrKey::kActivation, 0)});
    const ValueId down =
        m.Op(OpCode::kLinear, {act, matrix("down", DType::kQ5_0, kWidth, 200), kNoValue, o});
    const ValueId rows = m.Op(OpCode::kGather, {down, m.OutputRows()});
    logits = m.Op(OpCode::kMatmul, {rows, matrix("head", DType::kF32, kVocab, kWidth)});
    m.Output(logits);
  }
};

constexpr uint32_t kTokens = 200;

std::vector<int32_t> Ids(uint32_t n) {
  std::vector<int32_t> ids(n);
  for (uint32_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>((i * 7 + i / 3) % kVocab);
  return ids;
}

// Feeds kTokens tokens in chunks and appends the logits of every token, in order.
Status Feed(const Layer& layer, const Backend* backend, const RunnerOptions& base, uint32_t chunk,
            uint32_t mates, std::vector<float>* logits) {
  RunnerOptions options = base;
  options.max_seqs = 1 + mates;
  options.max_tokens = chunk * (1 + mates);
  options.max_outputs = options.max_tokens;
  options.groups = {{4, 4 * (1 + mates) + 1}};
  options.kv_type = DType::kF16;
  GraphRunner runner;
  SAMARA_RETURN_IF_ERROR(runner.Init(layer.m, backend, options));
  const std::vector<int32_t> ids = Ids(kTokens);
  for (uint32_t first = 0; first < kTokens; first += chunk) {
    const uint32_t n = std::min(chunk, kTokens - first);
    StepBlock step(runner.step_layout());
    // The sequence comes last, its mates feed other ids.
    for (uint32_t s = 0; s <= mates; ++s) {
      StepSequence sequence;
      sequence.first_slot = first;
      sequence.n_tokens = n;
      for (uint32_t i = 0; i < n; ++i) {
        sequence.ids.push_back(s == mates ? ids[first + i]
                                          : static_cast<int32_t>((i + s) % kVocab));
        if (s == mates) sequence.outputs.push_back(i);
      }
      step.Add(sequence);
    }
    runner.UseStep(step);
    SAMARA_RETURN_IF_ERROR(runner.Run());
    std::vector<float> part;
    SAMARA_RETURN_IF_ERROR(runner.Get(layer.logits, &part));
    logits->insert(logits->end(), part.begin(), part.end());
  }
  return Status();
}

TEST_CASE(
    "cpu: the same bits for any threads, chunks, batch mates, instruction sets; equal to the "
    "reference") {
  const Layer layer(7);
  std::vector<float> want;
  REQUIRE_OK(Feed(layer, ReferenceBackend(), {}, 64, 0, &want));
  REQUIRE(want.size() == kTokens * kVocab);
  struct Way {
    uint32_t threads, chunk, mates;
  };
  const Way ways[] = {{1, 200, 0}, {1, 1, 0}, {2, 7, 0}, {3, 64, 2}, {8, 200, 1}, {64, 33, 0}};
  int count = 0;
  const cpu::KernelTable* const* tables = cpu::BuiltKernels(&count);
  for (int i = 0; i < count; ++i) {
    if (!cpu::IsaAvailable(tables[i]->isa)) continue;
    CAPTURE(std::string(tables[i]->name));
    for (const Way& way : ways) {
      CAPTURE(way.threads);
      CAPTURE(way.chunk);
      CAPTURE(way.mates);
      RunnerOptions options;
      options.device.n_threads = options.device.threading.n_processors = way.threads;
      options.device.isa = tables[i]->name;
      std::vector<float> got;
      REQUIRE_OK(Feed(layer, CpuBackend(), options, way.chunk, way.mates, &got));
      REQUIRE(got.size() == want.size());
      CHECK(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("cpu: the same bits on a pool of the caller's") {
  const Layer layer(9);
  std::vector<float> want;
  REQUIRE_OK(Feed(layer, CpuBackend(), {}, 50, 0, &want));
  for (const NamedCallerPool& pool : kCallerPools) {
    CAPTURE(std::string(pool.name));
    for (uint32_t workers : {1u, 2u, 5u}) {
      CAPTURE(workers);
      CallerPool calls;
      RunnerOptions options;
      options.device.n_threads = options.device.threading.n_processors = workers;
      options.device.threading.parallel = pool.run;
      options.device.threading.parallel_user = &calls;
      std::vector<float> got;
      REQUIRE_OK(Feed(layer, CpuBackend(), options, 50, 1, &got));
      REQUIRE(got.size() == want.size());
      CHECK(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) == 0);
      CHECK(calls.most_workers.load() == (workers == 1 ? 0 : workers));
    }
  }
}

#if defined(__SSE__)
TEST_CASE("cpu: the caller's floating-point state neither matters nor changes") {
  const Layer layer(8);
  std::vector<float> want, got;
  REQUIRE_OK(Feed(layer, CpuBackend(), {}, 50, 0, &want));
  const unsigned before = __builtin_ia32_stmxcsr();
  const unsigned odd = before | 0x8040 | 0x6000;  // FTZ, DAZ, round toward zero
  __builtin_ia32_ldmxcsr(odd);
  const Status status = Feed(layer, CpuBackend(), {}, 50, 0, &got);
  const unsigned after = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before);
  REQUIRE_OK(status);
  CHECK((after & ~0x3fu) == (odd & ~0x3fu));  // all but the sticky flags
  REQUIRE(got.size() == want.size());
  CHECK(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) == 0);
}
#endif

TEST_CASE("cpu: options that cannot be") {
  MemoryList list;
  DeviceOptions options;
  options.n_threads = 0;
  CHECK(CpuBackend()->MeasureDevice(options, &list).code() == StatusCode::kInvalidArgument);
  options.n_threads = 100000;
  CHECK(CpuBackend()->MeasureDevice(options, &list).code() == StatusCode::kInvalidArgument);
  options.n_threads = 2;
  options.thread_stack_bytes = 1000;
  CHECK(CpuBackend()->MeasureDevice(options, &list).code() == StatusCode::kInvalidArgument);
  options.thread_stack_bytes = 0;
  options.isa = "mmx";
  REQUIRE_OK(CpuBackend()->MeasureDevice(options, &list));
  CHECK(list.Total(MemoryClass::kStack) == kThreadStackBytes);
  list.AddLedger();
  Ledger ledger(list);
  REQUIRE_OK(ledger.InitStatus());
  InPlacePtr<Device> device;
  const Status status = CpuBackend()->Open(options, &ledger, &device);
  CHECK(status.code() == StatusCode::kUnsupported);
  CHECK(std::string(status.message()).find("mmx") != std::string::npos);
}

TEST_CASE("cpu: a step larger than its bucket is refused") {
  TestModel m;
  const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(3)}));
  m.Op(OpCode::kNeg, {x});
  RunnerOptions options;
  options.max_tokens = 4;
  GraphRunner runner;
  REQUIRE_OK(runner.Init(m, CpuBackend(), options));
  StepBlock step(MakeStepLayout(5, 1, 0, {}));
  step.Add({.n_tokens = 5});
  runner.UseStep(step);
  CHECK(runner.Run().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("cpu: gathered rows outside of the table are an error, never a read") {
  TestModel m;
  const ValueId rows = m.Input("rows", Shape::Of({m.Tokens()}), DType::kI32);
  const ValueId table =
      m.Weight("t", DType::kF32, 5, 4, std::vector<float>(20, 1), Layout::kRowMajor);
  m.Op(OpCode::kGather, {table, rows});
  for (int32_t bad : {-1, 5, INT32_MAX, INT32_MIN}) {
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, CpuBackend(), {}));
    StepBlock step(runner.step_layout());
    step.Add({.n_tokens = 2});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set<int32_t>(rows, {4, bad}));
    CHECK(runner.Run().code() == StatusCode::kInvalidFile);
    REQUIRE_OK(runner.Set<int32_t>(rows, {4, 0}));
    CHECK(runner.Run().ok());
  }
}

TEST_CASE("cpu: a cancel ends a long run in time, and the next run works") {
  TestModel m;
  const ValueId x = m.Input("x", Shape::Of({m.Tokens(), Dim::Of(512)}));
  const ValueId w = m.Weight("w", DType::kF32, 512, 512, std::vector<float>(512 * 512, 0.01f));
  ValueId y = x;
  // Seconds of work on the scalar path.
  for (int i = 0; i < 40; ++i) y = m.Op(OpCode::kMatmul, {y, w});
  for (uint32_t threads : {1u, 4u}) {
    RunnerOptions options;
    options.max_tokens = 64;
    options.device.n_threads = options.device.threading.n_processors = threads;
    options.device.isa = "scalar";
    GraphRunner runner;
    REQUIRE_OK(runner.Init(m, CpuBackend(), options));
    StepBlock step(runner.step_layout());
    step.Add({.n_tokens = 64});
    runner.UseStep(step);
    REQUIRE_OK(runner.Set(x, std::vector<float>(64 * 512, 0.1f)));
    using Clock = std::chrono::steady_clock;
    Clock::time_point asked;
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      asked = Clock::now();
      runner.device()->RequestCancel();
    });
    const Status status = runner.Run();
    const auto ended = Clock::now();
    other.join();
    CHECK(status.code() == StatusCode::kCancelled);
    // The promise is 200 ms; the rest is for a slow machine whose processors are all taken.
    CHECK(ended - asked < std::chrono::seconds(30));
    MESSAGE("cancelled after "
            << std::chrono::duration_cast<std::chrono::milliseconds>(ended - asked).count()
            << " ms");
    CHECK(runner.Run().code() == StatusCode::kCancelled);  // until it is cleared
    runner.device()->ClearCancel();
    StepBlock small(runner.step_layout());
    small.Add({.n_tokens = 1});
    runner.UseStep(small);
    CHECK(runner.Run().ok());
  }
}

}  // namespace
}  // namespace samara::test
