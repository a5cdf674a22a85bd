#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include <atomic>
#include <memory>
#include <vector>

#include "backends/cpu/thread_pool.h"
#include "runtime/backend.h"

namespace samara::cpu {
namespace {

// A pool with its memory, as the device would give it.
struct TestPool {
  explicit TestPool(uint32_t n_threads, uint64_t stack_bytes = kThreadStackBytes)
      : stacks_bytes(n_threads > 1 ? (n_threads - 1) * stack_bytes : 4096),
        workers(new (std::align_val_t{64}) uint8_t[n_threads * 64]()),
        stacks(mmap(nullptr, stacks_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0)) {
    REQUIRE(stacks != MAP_FAILED);
    status = pool.Start(n_threads, workers, stacks, stack_bytes);
  }
  ~TestPool() {
    pool.Stop();
    // Stop makes every page writable again.
    for (uint64_t i = 0; i < stacks_bytes; i += 4096) static_cast<volatile uint8_t*>(stacks)[i] = 1;
    munmap(stacks, stacks_bytes);
    ::operator delete[](workers, std::align_val_t{64});
  }
  uint64_t stacks_bytes;
  uint8_t* workers;
  void* stacks;
  ThreadPool pool;
  Status status;
};

struct Counter {
  std::vector<std::atomic<uint32_t>> hits;
  std::atomic<uint64_t> largest{0};
  std::atomic<uint32_t> worker_limit{0};
  explicit Counter(uint64_t n) : hits(n) {}
  static void Task(const void* context, uint64_t begin, uint64_t end, uint32_t worker) {
    Counter& self = *static_cast<Counter*>(const_cast<void*>(context));
    for (uint64_t i = begin; i < end; ++i) self.hits[i].fetch_add(1, std::memory_order_relaxed);
    uint64_t largest = self.largest.load();
    while (largest < end - begin && !self.largest.compare_exchange_weak(largest, end - begin)) {
    }
    uint32_t limit = self.worker_limit.load();
    while (limit < worker && !self.worker_limit.compare_exchange_weak(limit, worker)) {
    }
  }
};

TEST_CASE("thread pool: every task once, for any number of threads") {
  const std::atomic<bool> never{false};
  for (uint32_t n_threads : {1u, 2u, 3u, 8u, 64u}) {
    CAPTURE(n_threads);
    TestPool pool(n_threads);
    REQUIRE(pool.status.ok());
    CHECK(pool.pool.n_threads() == n_threads);
    for (int round = 0; round < 300; ++round) {
      const uint64_t n = static_cast<uint64_t>(round) * 7 % 1000;
      const uint64_t max_piece =
          round % 3 == 0 ? UINT64_MAX : static_cast<uint64_t>(1 + round % 17);
      Counter counter(n);
      REQUIRE(pool.pool.Run(n, max_piece, Counter::Task, &counter, never));
      bool once = true;
      for (const auto& hits : counter.hits) once = once && hits.load() == 1;
      REQUIRE(once);
      REQUIRE(counter.largest.load() <= max_piece);
      REQUIRE(counter.worker_limit.load() < n_threads);
    }
  }
}

// Results of a job are there when Run returns, and workers wake from sleep.
TEST_CASE("thread pool: jobs after pauses") {
  const std::atomic<bool> never{false};
  TestPool pool(3);
  REQUIRE(pool.status.ok());
  for (int round = 0; round < 20; ++round) {
    const timespec pause = {0, round % 4 * 1000000L};
    nanosleep(&pause, nullptr);
    std::vector<uint64_t> squares(5000);
    struct Job {
      uint64_t* out;
      static void Task(const void* context, uint64_t begin, uint64_t end, uint32_t) {
        for (uint64_t i = begin; i < end; ++i) static_cast<const Job*>(context)->out[i] = i * i;
      }
    } job = {squares.data()};
    REQUIRE(pool.pool.Run(squares.size(), 100, Job::Task, &job, never));
    bool right = true;
    for (uint64_t i = 0; i < squares.size(); ++i) right = right && squares[i] == i * i;
    REQUIRE(right);
  }
}

TEST_CASE("thread pool: cancel stops a job between pieces") {
  for (uint32_t n_threads : {1u, 4u}) {
    TestPool pool(n_threads);
    REQUIRE(pool.status.ok());
    struct Job {
      std::atomic<bool> cancel{false};
      std::atomic<uint64_t> done{0};
      static void Task(const void* context, uint64_t begin, uint64_t end, uint32_t) {
        Job& self = *static_cast<Job*>(const_cast<void*>(context));
        if (self.done.fetch_add(end - begin) > 50) self.cancel.store(true);
      }
    } job;
    CHECK_FALSE(pool.pool.Run(100000, 1, Job::Task, &job, job.cancel));
    CHECK(job.done.load() < 1000);
    // And the pool works on.
    job.cancel.store(false);
    Counter counter(10);
    CHECK(pool.pool.Run(10, 1, Counter::Task, &counter, job.cancel));
  }
}

TEST_CASE("thread pool: workers compute with subnormals whatever started them") {
  const std::atomic<bool> never{false};
#if defined(__SSE__)
  const unsigned before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before | 0x8040);  // FTZ, DAZ: threads inherit them
#endif
  TestPool pool(4);
#if defined(__SSE__)
  __builtin_ia32_ldmxcsr(before);
#endif
  REQUIRE(pool.status.ok());
  struct Job {
    std::atomic<uint64_t> kept{0};
    static void Task(const void* context, uint64_t begin, uint64_t end, uint32_t) {
      Job& self = *static_cast<Job*>(const_cast<void*>(context));
      for (uint64_t i = begin; i < end; ++i) {
        volatile float small = 0x1p-126f;
        volatile float smaller = small * 0.25f;
        if (smaller * 4.0f == small) self.kept.fetch_add(1);
      }
    }
  } job;
  REQUIRE(pool.pool.Run(200000, 10, Job::Task, &job, never));
  CHECK(job.kept.load() == 200000);
}

#if !defined(__SANITIZE_THREAD__)  // which needs stacks of its own
TEST_CASE("thread pool: a stack that the system refuses is an error, and leaves nothing behind") {
  // Too small for any thread.
  TestPool pool(8, 4096);
  CHECK(pool.status.code() == StatusCode::kResourceExhausted);
}
#endif

}  // namespace
}  // namespace samara::cpu
