#include <doctest/doctest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/thread_pool.h"
#include "runtime/backend.h"
#include "tests/support/caller_pools.h"

namespace samara::cpu {
namespace {

using test::CallerPool;
using test::kCallerPools;
using test::NamedCallerPool;
using test::RunOnThreads;

Threading AllAtOnce(uint32_t n_threads) {
  Threading threading;
  threading.n_processors = n_threads;
  return threading;
}

// A pool with its memory, as the device would give it.
struct TestPool {
  explicit TestPool(uint32_t n_threads, uint64_t stack_bytes = kThreadStackBytes)
      : TestPool(n_threads, AllAtOnce(n_threads), stack_bytes) {}
  TestPool(uint32_t n_threads, const Threading& threading, uint64_t stack_bytes = kThreadStackBytes)
      : stacks_bytes(n_threads > 1 ? (n_threads - 1) * stack_bytes : 4096),
        workers(new (std::align_val_t{64}) uint8_t[n_threads * 64]()),
        stacks(mmap(nullptr, stacks_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0)) {
    REQUIRE(stacks != MAP_FAILED);
    status = pool.Start(n_threads, threading, workers, stacks, stack_bytes);
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

TEST_CASE("thread pool: workers leave the program its signals, and get those that they raise") {
  struct Masks {
    std::atomic<uint32_t> seen{0};
    sigset_t of_worker;
    static void Task(const void* context, uint64_t, uint64_t, uint32_t worker) {
      Masks& self = *static_cast<Masks*>(const_cast<void*>(context));
      if (worker == 1) {
        pthread_sigmask(SIG_BLOCK, nullptr, &self.of_worker);
        self.seen = 1;
      }
      // Until the worker has its piece; it may be slow to wake.
      for (int i = 0; i < 1000 && self.seen == 0; ++i) {
        const struct timespec millisecond = {0, 1000000};
        nanosleep(&millisecond, nullptr);
      }
    }
  };
  TestPool pool(2);
  REQUIRE(pool.status.ok());
  Masks masks;
  const std::atomic<bool> never{false};
  for (int i = 0; i < 20 && masks.seen == 0; ++i) pool.pool.Run(2, 1, Masks::Task, &masks, never);
  REQUIRE(masks.seen == 1);
  for (const int signal : {SIGINT, SIGTERM, SIGALRM, SIGCHLD}) {
    CHECK(sigismember(&masks.of_worker, signal) == 1);
  }
  for (const int signal : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) {
    CHECK(sigismember(&masks.of_worker, signal) == 0);
  }
}

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

TEST_CASE("thread pool: no more threads run than there are processors") {
  const std::atomic<bool> never{false};
  Threading two;
  two.n_processors = 2;
  TestPool pool(64, two);
  REQUIRE(pool.status.ok());
  CHECK(pool.pool.n_threads() == 64);
  CHECK(pool.pool.n_running() == 2);
  for (int round = 0; round < 100; ++round) {
    Counter counter(100);
    REQUIRE(pool.pool.Run(100, 1, Counter::Task, &counter, never));
    REQUIRE(counter.worker_limit.load() < 2);
  }
  TestPool here(64, Threading());
  REQUIRE(here.status.ok());
  CHECK(here.pool.n_running() == std::min(UsableProcessors(), 64u));
}

TEST_CASE("thread pool: little work is done in place") {
  const std::atomic<bool> never{false};
  CallerPool calls;
  Threading threading;
  threading.parallel = RunOnThreads;
  threading.parallel_user = &calls;
  TestPool pool(4, threading);
  REQUIRE(pool.status.ok());
  for (const bool shared : {false, true}) {
    CAPTURE(shared);
    // A 32nd of a piece, and one task less.
    const uint64_t n = shared ? 100 : 99;
    Counter counter(n);
    REQUIRE(pool.pool.Run(n, 3200, Counter::Task, &counter, never));
    for (const auto& hits : counter.hits) REQUIRE(hits.load() == 1);
    CHECK(calls.calls.load() == (shared ? 1 : 0));
    CHECK(calls.most_workers.load() == (shared ? 2 : 0));
  }
}

TEST_CASE("thread pool: every task once on the caller's pool, whatever it is like") {
  const std::atomic<bool> never{false};
  for (const NamedCallerPool& callers : kCallerPools) {
    CAPTURE(std::string(callers.name));
    CallerPool calls;
    Threading threading = AllAtOnce(5);
    threading.parallel = callers.run;
    threading.parallel_user = &calls;
    ThreadPool pool;
    REQUIRE(pool.Start(5, threading, nullptr, nullptr, 0).ok());
    for (uint64_t n : {1u, 2u, 4u, 5u, 6u, 1000u}) {
      CAPTURE(n);
      calls.most_workers.store(0);
      Counter counter(n);
      REQUIRE(pool.Run(n, 3, Counter::Task, &counter, never));
      for (const auto& hits : counter.hits) REQUIRE(hits.load() == 1);
      REQUIRE(counter.worker_limit.load() < std::min<uint64_t>(n, 5));
      CHECK(calls.most_workers.load() == (n == 1 ? 0 : std::min<uint64_t>(n, 5)));
    }
    const std::atomic<bool> cancelled{true};
    Counter counter(1000);
    CHECK_FALSE(pool.Run(1000, 3, Counter::Task, &counter, cancelled));
  }
}

#if defined(__linux__)
// Where each worker of a job of two tasks ran; both have been in it.
struct Places {
  std::atomic<int> arrived{0};
  ProcessorSet of[2];
  bool known[2] = {};
  static void Task(const void* context, uint64_t, uint64_t, uint32_t worker) {
    Places& self = *static_cast<Places*>(const_cast<void*>(context));
    self.known[worker] = GetAffinity(&self.of[worker]);
    self.arrived.fetch_add(1);
    while (self.arrived.load() < 2) sched_yield();  // so the other one takes the other task
  }
};
bool Only(const ProcessorSet& set, uint32_t processor) {
  return set.Count() == 1 && set.Has(processor);
}

TEST_CASE("thread pool: workers stay where they are placed, the caller only while asked to") {
  const std::atomic<bool> never{false};
  ProcessorSet before, after;
  REQUIRE(GetAffinity(&before));
  std::vector<uint32_t> usable;
  for (uint32_t i = 0; i < kMaxProcessors; ++i) {
    if (before.Has(i)) usable.push_back(i);
  }
  const uint32_t first = usable.back(), second = usable.front();
  for (const bool pin_caller : {false, true}) {
    CAPTURE(pin_caller);
    std::string list = std::to_string(first);
    if (second != first) list += "," + std::to_string(second);
    Threading threading = AllAtOnce(2);
    threading.affinity = list.c_str();
    threading.pin_caller = pin_caller;
    TestPool pool(2, threading);
    REQUIRE(pool.status.ok());
    Places places;
    {
      const CallerPlace place(pool.pool);
      REQUIRE(pool.pool.Run(2, 1, Places::Task, &places, never));
    }
    REQUIRE((places.known[0] && places.known[1]));
    // One processor is both's.
    CHECK(Only(places.of[1], second));
    CHECK(Only(places.of[0], first) == (pin_caller || usable.size() == 1));
    REQUIRE(GetAffinity(&after));
    CHECK(std::memcmp(&before, &after, sizeof before) == 0);
  }
}
#endif

#if !defined(__SANITIZE_THREAD__)  // which needs stacks of its own
TEST_CASE("thread pool: a stack that the system refuses is an error, and leaves nothing behind") {
  // Too small for any thread.
  TestPool pool(8, 4096);
  CHECK(pool.status.code() == StatusCode::kResourceExhausted);
}
#endif

}  // namespace
}  // namespace samara::cpu
