#include "backends/cpu/thread_pool.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "runtime/float_env.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

namespace samara::cpu {
namespace {

constexpr uint32_t kOpen = 1, kInside = 2, kInsideMask = 0xffe, kJob = 0x1000;
// How long a worker waits for the next job, and the caller for the last pieces, before it sleeps:
// longer than the serial operators between two products, and than a piece.
constexpr int64_t kIdleSpin = 50'000, kEndSpin = 200'000;  // nanoseconds
// Pauses between two looks at the clock, and the gap between two looks that is no pause any more:
// the system gave the processor to somebody else.
constexpr uint32_t kPauses = 64;
constexpr int64_t kGap = 100'000;
// For so long after a sign that processors are shared nobody spins. A thread that sleeps when it
// has nothing to do is given its processor back at once when it has; one that spins uses up its
// share, and is then preempted in the middle of a piece, for which all others wait.
constexpr int64_t kRestless = 50'000'000;
// At most so many share the work of one piece: a hand-over takes about a microsecond. Fewer where
// all sleep between jobs, since to wake one takes several.
constexpr uint64_t kSharers = 64, kRestlessSharers = 2;
// So many wakes in a row that bring nobody in time are a sign too.
constexpr uint32_t kNoShows = 8;

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

static_assert(kMaxThreads < kInsideMask / kInside);

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

#if defined(__linux__)
// Both return at once when the word has changed; spurious returns are fine for every caller here.
void WaitWhile(std::atomic<uint32_t>* word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr,
          0);
}
void WakeSome(std::atomic<uint32_t>* word, uint32_t n) {
  const int count = n > INT_MAX ? INT_MAX : static_cast<int>(n);
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr,
          0);
}
#else
void WaitWhile(std::atomic<uint32_t>* word, uint32_t value) { word->wait(value); }
void WakeSome(std::atomic<uint32_t>* word, uint32_t) { word->notify_all(); }
#endif

}  // namespace

Status ThreadPool::Start(uint32_t n_threads, const Threading& threading, void* workers,
                         void* stacks, uint64_t stack_bytes) {
  n_threads_ = n_running_ = n_threads;
  shares_all_ = threading.n_processors != 0;
  if (threading.parallel != nullptr) {
    parallel_ = threading.parallel;
    parallel_user_ = threading.parallel_user;
    return Status();
  }
  std::vector<uint32_t> processors;
  if (threading.placed()) {
    SAMARA_RETURN_IF_ERROR(ParseProcessorList(threading.affinity, &processors));
    SAMARA_RETURN_IF_ERROR(CheckProcessors(processors));
    if (threading.pin_caller) caller_processor_ = processors[0];
  }
  uint32_t n_processors = threading.n_processors;
  if (n_processors == 0) {
    n_processors =
        processors.empty() ? UsableProcessors() : static_cast<uint32_t>(processors.size());
  }
  n_running_ = n_threads < n_processors ? n_threads : n_processors;
  // Spinning pays only where a worker does not take the processor from the thread that it waits
  // for.
  spins_ = n_running_ <= UsableProcessors();
  if (n_running_ <= 1) return Status();
  workers_ = static_cast<Worker*>(workers);
  stacks_ = static_cast<uint8_t*>(stacks);
  stack_bytes_ = stack_bytes;
  return StartWorkers(processors);
}

Status ThreadPool::StartWorkers(const std::vector<uint32_t>& processors) {
  const long page = sysconf(_SC_PAGESIZE);
  const uint64_t page_bytes = page > 0 ? static_cast<uint64_t>(page) : 4096;
  const bool aligned =
      reinterpret_cast<uintptr_t>(stacks_) % page_bytes == 0 && stack_bytes_ % page_bytes == 0;
  guard_bytes_ = aligned && stack_bytes_ >= 4 * page_bytes ? page_bytes : 0;

  // Signals of the program are handled by the program's threads, but for those that a thread's own
  // instruction raises: a program may have a handler for a mapped file that was cut (SIGBUS), and the
  // system would end the process where it is blocked.
  sigset_t all, before;
  sigfillset(&all);
  for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&all, own);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  for (uint32_t i = 0; i + 1 < n_running_ && error == 0; ++i) {
    Worker* worker = new (workers_ + i) Worker;
    worker->pool = this;
    worker->index = i + 1;
    worker->processor =
        processors.empty() ? kMaxProcessors : processors[(i + 1) % processors.size()];
    uint8_t* stack = stacks_ + i * stack_bytes_;
    if (guard_bytes_ != 0 && mprotect(stack, guard_bytes_, PROT_NONE) != 0) guard_bytes_ = 0;
    pthread_attr_t attributes;
    error = pthread_attr_init(&attributes);
    if (error != 0) break;
    // The thread sanitizer's own share of a stack is larger than ours.
    if (!kThreadSanitizer) {
      error = pthread_attr_setstack(&attributes, stack + guard_bytes_, stack_bytes_ - guard_bytes_);
    }
    if (error == 0) error = pthread_create(&worker->thread, &attributes, WorkerMain, worker);
    pthread_attr_destroy(&attributes);
    if (error == 0) ++n_started_;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    const uint32_t started = n_started_;
    const uint32_t wanted = n_running_;
    Stop();
    return ResourceExhausted("thread %u of %u could not be started: error %d", started + 2, wanted,
                             error);
  }
  return Status();
}

void ThreadPool::Stop() {
  if (workers_ == nullptr) return;
  stop_.store(true);
  state_.fetch_add(kJob);
  WakeSome(&state_, UINT32_MAX);
  for (uint32_t i = 0; i < n_started_; ++i) pthread_join(workers_[i].thread, nullptr);
  // The memory goes back to its owner as it came.
  if (guard_bytes_ != 0) {
    for (uint32_t i = 0; i + 1 < n_running_; ++i) {
      mprotect(stacks_ + i * stack_bytes_, guard_bytes_, PROT_READ | PROT_WRITE);
    }
  }
  workers_ = nullptr;
  n_started_ = 0;
}

// A wait with pauses: Once pauses and says whether to go on so.
class ThreadPool::Spin {
 public:
  Spin(ThreadPool* pool, int64_t limit, bool may_rest)
      : pool_(pool), limit_(limit), may_rest_(may_rest) {}

  void Restart() { n_ = 0; }
  bool Once() {
    if (n_ % kPauses == 0 && !LookAtClock()) return false;
    ++n_;
    Pause();
    return true;
  }

 private:
  bool LookAtClock() {
    if (!pool_->spins_) return false;
    const int64_t now = Now();
    if (n_ == 0) {
      begin_ = now;
    } else if (now - last_ > kGap) {
      pool_->BeRestless(now);
      return !may_rest_;
    }
    last_ = now;
    if (may_rest_ && now < pool_->restless_until_.load(std::memory_order_relaxed)) return false;
    return now - begin_ < limit_;
  }

  ThreadPool* const pool_;
  const int64_t limit_;
  const bool may_rest_;  // not while the pool is restless
  uint32_t n_ = 0;
  int64_t begin_ = 0, last_ = 0;
};

void ThreadPool::BeRestless(int64_t now) {
  restless_until_.store(now + kRestless, std::memory_order_relaxed);
  restless_.store(true, std::memory_order_relaxed);
}

void* ThreadPool::WorkerMain(void* argument) {
  const FloatEnv float_env;
  Worker* worker = static_cast<Worker*>(argument);
  // Taken away since it was checked: then the system places this worker.
  if (worker->processor != kMaxProcessors) SetAffinity(worker->processor);
  worker->pool->WorkerLoop(worker->index);
  return nullptr;
}

void ThreadPool::CallersWorker(void* pool, uint32_t worker) {
  const FloatEnv float_env;
  static_cast<ThreadPool*>(pool)->Work(worker);
}

void ThreadPool::WorkerLoop(uint32_t index) {
  uint32_t last_job = 0;
  Spin spin(this, kIdleSpin, /*may_rest=*/true);
  while (!stop_.load(std::memory_order_relaxed)) {
    uint32_t state = state_.load();
    const uint32_t job = state & ~(kOpen | kInsideMask);
    if ((state & kOpen) != 0 && job != last_job) {
      if (!state_.compare_exchange_weak(state, state + kInside)) continue;
      // From here until the counter goes down the job's fields stay as they are. The job may be a
      // later one than `job` only in number: the exchange compared it too.
      last_job = job;
      no_shows_.store(0, std::memory_order_relaxed);
      Work(index);
      const uint32_t after = state_.fetch_sub(kInside) - kInside;
      if ((after & (kInsideMask | kOpen)) == 0 && caller_waits_.load() != 0) {
        caller_waits_.store(0);
        WakeSome(&caller_waits_, 1);
      }
      spin.Restart();
    } else if (!spin.Once()) {
      // Whoever opens a job changes the word first and looks at the sleepers after: no wake is
      // lost.
      sleepers_.fetch_add(1);
      state = state_.load();
      const bool open = (state & kOpen) != 0 && (state & ~(kOpen | kInsideMask)) != last_job;
      if (!open && !stop_.load()) WaitWhile(&state_, state);
      sleepers_.fetch_sub(1);
      spin.Restart();
    }
  }
}

bool ThreadPool::TakePiece(uint64_t* begin, uint64_t* end) {
  uint64_t next = next_.load(std::memory_order_relaxed);
  for (;;) {
    if (next >= n_tasks_) return false;
    // Large pieces first: long streams of memory, and small ones at the end even out the finish.
    uint64_t piece = (n_tasks_ - next) / (2 * uint64_t{n_running_});
    piece = piece < 1 ? 1 : piece > max_piece_ ? max_piece_ : piece;
    if (next_.compare_exchange_weak(next, next + piece, std::memory_order_relaxed)) {
      *begin = next;
      *end = next + piece;
      return true;
    }
  }
}

void ThreadPool::Work(uint32_t worker) {
  uint64_t begin, end;
  while (!cancel_->load(std::memory_order_relaxed) && TakePiece(&begin, &end))
    fn_(context_, begin, end, worker);
}

uint64_t ThreadPool::Sharers(uint64_t n_tasks, uint64_t max_piece) {
  if (shares_all_ || n_tasks > max_piece || n_tasks > UINT64_MAX / kSharers) return n_tasks;
  const uint64_t sharers = n_tasks * kSharers / max_piece;
  if (sharers < 2 || !restless_.load(std::memory_order_relaxed)) return sharers;
  if (Now() >= restless_until_.load(std::memory_order_relaxed)) {
    restless_.store(false, std::memory_order_relaxed);
  }
  return n_tasks * kRestlessSharers / max_piece;
}

bool ThreadPool::Run(uint64_t n_tasks, uint64_t max_piece, TaskFn fn, const void* context,
                     const std::atomic<bool>& cancel) {
  if (n_tasks == 0) return true;
  if (max_piece == 0) max_piece = 1;
  const uint64_t sharers =
      n_running_ == 1 || n_tasks == 1 ? 1 : std::min(Sharers(n_tasks, max_piece), n_tasks);
  if (sharers < 2) {
    for (uint64_t begin = 0; begin < n_tasks; begin += max_piece) {
      if (cancel.load(std::memory_order_relaxed)) return false;
      const uint64_t rest = n_tasks - begin;
      fn(context, begin, begin + (rest < max_piece ? rest : max_piece), 0);
    }
    return true;
  }
  fn_ = fn;
  context_ = context;
  cancel_ = &cancel;
  n_tasks_ = n_tasks;
  max_piece_ = max_piece;
  next_.store(0, std::memory_order_relaxed);
  if (parallel_ != nullptr) {
    parallel_(parallel_user_, static_cast<uint32_t>(std::min<uint64_t>(sharers, n_running_)),
              CallersWorker, this);
    Work(0);  // what a body that never ran would have taken
    return next_.load(std::memory_order_relaxed) >= n_tasks;
  }
  uint32_t state = state_.load(std::memory_order_relaxed);
  state_.store(((state & ~(kOpen | kInsideMask)) + kJob) | kOpen);
  const uint32_t sleepers = sleepers_.load();
  if (sleepers != 0) {
    const uint64_t awake = n_started_ - std::min(sleepers, n_started_);
    if (sharers - 1 > awake) {
      WakeSome(&state_, static_cast<uint32_t>(std::min<uint64_t>(sharers - 1 - awake, sleepers)));
      if (no_shows_.fetch_add(1, std::memory_order_relaxed) >= kNoShows) BeRestless(Now());
    }
  }
  Work(0);
  state = state_.fetch_and(~kOpen) & ~kOpen;
  // Every piece is taken (or the job is cancelled); wait for the workers that are still in theirs.
  for (Spin spin(this, kEndSpin, /*may_rest=*/false); (state & kInsideMask) != 0;
       state = state_.load()) {
    if (spin.Once()) continue;
    // A worker that takes so long over a piece has most likely lost its processor.
    BeRestless(Now());
    caller_waits_.store(1);
    state = state_.load();
    if ((state & kInsideMask) != 0) WaitWhile(&caller_waits_, 1);
    caller_waits_.store(0);
  }
  return next_.load(std::memory_order_relaxed) >= n_tasks;
}

}  // namespace samara::cpu
