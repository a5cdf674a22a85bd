// The CPU backend's workers.
//
// A job is a range of tasks; the calling thread and the workers take pieces of it, large ones
// first, until none is left. Between jobs a worker spins for some microseconds, then sleeps.
// Nothing is allocated, and no lock is taken, per job; a pool of one thread has no workers and runs
// everything in place.
//
// A worker that wakes late finds the job closed and sleeps again: a job never waits for a worker
// that has taken no part, so more threads than processors cost little.
#ifndef SAMARA_BACKENDS_CPU_THREAD_POOL_H_
#define SAMARA_BACKENDS_CPU_THREAD_POOL_H_

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "formats/status.h"

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
  // lowest page of each stack becomes inaccessible until Stop. kResourceExhausted if the system
  // refuses a thread; then those already started are stopped.
  Status Start(uint32_t n_threads, void* workers, void* stacks, uint64_t stack_bytes);
  void Stop();

  uint32_t n_threads() const { return n_threads_; }

  // Runs all tasks, in pieces of at most max_piece; returns false if `cancel` became set before all
  // had begun.
  bool Run(uint64_t n_tasks, uint64_t max_piece, TaskFn fn, const void* context,
           const std::atomic<bool>& cancel);

 private:
  struct alignas(64) Worker {
    pthread_t thread;
    ThreadPool* pool;
    uint32_t index;
  };

  static void* WorkerMain(void* argument);
  void WorkerLoop(uint32_t index);
  void Work(uint32_t worker);
  bool TakePiece(uint64_t* begin, uint64_t* end);

  uint32_t n_threads_ = 1;
  uint32_t n_processors_ = 1;
  uint32_t n_started_ = 0;
  uint32_t spins_ = 0;
  Worker* workers_ = nullptr;
  uint8_t* stacks_ = nullptr;
  uint64_t stack_bytes_ = 0;
  uint64_t guard_bytes_ = 0;

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
};

}  // namespace samara::cpu

#endif  // SAMARA_BACKENDS_CPU_THREAD_POOL_H_
