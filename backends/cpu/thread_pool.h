// The CPU backend's workers.
//
// A job is a range of tasks; the calling thread and the workers take pieces of it, large ones
// first, until none is left. Between jobs a worker spins for some microseconds, then sleeps; where another
// program competes for the processors it sleeps at once.
// Nothing is allocated, and no lock is taken, per job; a pool of one thread has no workers and runs
// everything in place, as every pool does with little work.
//
// A worker that wakes late finds the job closed and sleeps again: a job never waits for a worker
// that has taken no part. No more workers are started than there are processors for: since pieces
// are taken, not dealt out, others could only take a processor from one that is in a piece.
//
// Instead of workers of its own the pool may use the caller's (ParallelFn): then each job is one
// call of it, whose bodies take the pieces.
#ifndef SAMARA_BACKENDS_CPU_THREAD_POOL_H_
#define SAMARA_BACKENDS_CPU_THREAD_POOL_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "formats/status.h"
#include "runtime/backend.h"
#include "runtime/processors.h"

namespace samara::cpu {

inline constexpr uint32_t kMaxThreads = 1024;

class ThreadPool {
 public:
  // Runs tasks [begin, end); `worker` is 0 for the calling thread, below n_threads.
  using TaskFn = void (*)(const void* context, uint64_t begin, uint64_t end, uint32_t worker);

  // Bytes of memory that Start wants.
  static uint64_t WorkerBytes(uint32_t n_threads) { return (n_threads - 1) * uint64_t{64}; }

  ThreadPool() = default;
  ~ThreadPool() { Stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // `workers`: WorkerBytes, 64-aligned. `stacks`: stack_bytes for each worker, page-aligned. The
  // lowest page of each stack becomes inaccessible until Stop. Neither is touched with
  // threading.parallel. kResourceExhausted if the system refuses a thread; then those already
  // started are stopped. Processors: CheckProcessors and ParseProcessorList.
  Status Start(uint32_t n_threads, const Threading& threading, void* workers, void* stacks,
               uint64_t stack_bytes);
  void Stop();

  uint32_t n_threads() const { return n_threads_; }
  // Those that take part in a job, the calling thread included.
  uint32_t n_running() const { return n_running_; }

  // Runs all tasks, in pieces of at most max_piece; returns false if `cancel` became set before all
  // had begun. A piece of max_piece should take some 100 microseconds: by it the pool judges
  // whether a job is worth sharing. One call at a time.
  bool Run(uint64_t n_tasks, uint64_t max_piece, TaskFn fn, const void* context,
           const std::atomic<bool>& cancel);

 private:
  struct alignas(64) Worker {
    pthread_t thread;
    ThreadPool* pool;
    uint32_t index;
    uint32_t processor;  // kMaxProcessors: any
  };
  class Spin;
  friend class CallerPlace;

  Status StartWorkers(const std::vector<uint32_t>& processors);
  // How many are worth having in a job, the caller included.
  uint64_t Sharers(uint64_t n_tasks, uint64_t max_piece);
  void BeRestless(int64_t now);
  static void* WorkerMain(void* argument);
  static void CallersWorker(void* pool, uint32_t worker);
  void WorkerLoop(uint32_t index);
  void Work(uint32_t worker);
  bool TakePiece(uint64_t* begin, uint64_t* end);

  uint32_t n_threads_ = 1;
  uint32_t n_running_ = 1;  // the calling thread and the workers, or the caller's workers
  uint32_t n_started_ = 0;  // threads of our own
  uint32_t caller_processor_ = kMaxProcessors;
  bool spins_ = false;
  bool shares_all_ = false;
  Worker* workers_ = nullptr;
  uint8_t* stacks_ = nullptr;
  uint64_t stack_bytes_ = 0;
  uint64_t guard_bytes_ = 0;
  ParallelFn parallel_ = nullptr;
  void* parallel_user_ = nullptr;

  // The job; written only while it is closed and nobody is in it.
  TaskFn fn_ = nullptr;
  const void* context_ = nullptr;
  const std::atomic<bool>* cancel_ = nullptr;
  uint64_t n_tasks_ = 0;
  uint64_t max_piece_ = 0;

  // Bit 0: a job is open. Bits 1..11: workers inside it. Above: number of the job.
  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<uint64_t> next_{0};
  alignas(64) std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> caller_waits_{0};
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> no_shows_{0};       // wakes since a worker took part
  std::atomic<bool> restless_{false};       // somebody else wants the processors, until
  std::atomic<int64_t> restless_until_{0};  // nanoseconds of the steady clock
};

// Where the pool is to place its caller: moves the calling thread there for as long as an object
// lives.
class CallerPlace {
 public:
  explicit CallerPlace(const ThreadPool& pool)
      : moved_(pool.caller_processor_ != kMaxProcessors && Move(pool.caller_processor_)) {}
  ~CallerPlace() {
    if (moved_) SetAffinity(before_);
  }
  CallerPlace(const CallerPlace&) = delete;
  CallerPlace& operator=(const CallerPlace&) = delete;

 private:
  bool Move(uint32_t processor) { return GetAffinity(&before_) && SetAffinity(processor); }

  ProcessorSet before_;
  const bool moved_;
};

}  // namespace samara::cpu

#endif  // SAMARA_BACKENDS_CPU_THREAD_POOL_H_
