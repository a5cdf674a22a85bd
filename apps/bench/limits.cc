#include "apps/bench/limits.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "apps/bench/peaks.h"

namespace samara::apps {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<uint64_t> g_sink{0};  // results are used

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Thread i of the loops stays on the i-th CPU that this process may use, if there are enough.
void Pin(uint32_t index) {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &usable) || index-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)pthread_setaffinity_np(pthread_self(), sizeof one, &one);  // else it runs where it is put
    return;
  }
}

// Seconds of body(thread) on all threads at once: median over the repetitions, one more goes before.
double TimeThreads(uint32_t threads, uint32_t repetitions,
                   const std::function<void(uint32_t)>& body) {
  struct Span {
    Clock::time_point begin, end;
  };
  std::vector<std::vector<Span>> spans(threads, std::vector<Span>(repetitions + 1));
  std::barrier<> barrier(threads);
  std::vector<std::thread> workers;
  for (uint32_t i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      Pin(i);
      for (Span& span : spans[i]) {
        barrier.arrive_and_wait();
        span.begin = Clock::now();
        body(i);
        span.end = Clock::now();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::vector<double> seconds;
  for (uint32_t r = 1; r <= repetitions; ++r) {
    Span all = spans[0][r];
    for (uint32_t i = 1; i < threads; ++i) {
      all.begin = std::min(all.begin, spans[i][r].begin);
      all.end = std::max(all.end, spans[i][r].end);
    }
    seconds.push_back(std::chrono::duration<double>(all.end - all.begin).count());
  }
  return std::max(Median(std::move(seconds)), 1e-9);
}

// One stream, 16 bytes a load: faster than any memory.
uint64_t ReadAll(const uint8_t* data, uint64_t bytes) {
  typedef uint64_t Lanes __attribute__((vector_size(16)));
  Lanes sums[8] = {};
  for (uint64_t i = 0; i + sizeof sums <= bytes; i += sizeof sums) {
    const Lanes* at = reinterpret_cast<const Lanes*>(data + i);
#pragma GCC unroll 8
    for (size_t k = 0; k < 8; ++k) sums[k] += at[k];
  }
  uint64_t sum = 0;
  for (const Lanes& lanes : sums) sum += lanes[0] + lanes[1];
  return sum;
}

double PerSecond(const Peak* peak, uint32_t threads, uint32_t repetitions) {
  if (peak == nullptr) return 0;
  std::vector<uint8_t> memory(kPeakBufferBytes + 64);
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<uint8_t>(i % 100 + 1);
  const uint8_t* const buffer =
      memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  // As many rounds as take about 10 ms; the trial runs warm the core up.
  uint64_t rounds = 16;
  for (;;) {
    const Clock::time_point begin = Clock::now();
    g_sink += peak->run(buffer, rounds);
    if (std::chrono::duration<double>(Clock::now() - begin).count() > 0.01) break;
    rounds *= 2;
  }
  const double seconds =
      TimeThreads(threads, repetitions, [&](uint32_t) { g_sink += peak->run(buffer, rounds); });
  return peak->operations * static_cast<double>(rounds) * threads / seconds;
}

uint64_t ScratchBytes() {
  uint64_t bytes = uint64_t{512} << 20;
#if defined(_SC_LEVEL3_CACHE_SIZE)
  const long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (l3 > 0) bytes = std::max(bytes, std::min(8 * static_cast<uint64_t>(l3), uint64_t{2} << 30));
#endif
  return bytes / 4096 * 4096;
}

Status Errno(const std::string& what) {
  return IoError("%s: %s", what.c_str(), std::strerror(errno));
}

}  // namespace

double Limits::PeakOf(const char* type) const {
  const std::string_view t = type;
  if (t == "bf16") return bf16 > 0 ? bf16 : fma;
  return t.empty() || t == "f32" || t == "f16" ? fma : int8;
}

const char* Limits::PeakName(const char* type, bool has_bf16) {
  const std::string_view t = type;
  if (t == "bf16") return has_bf16 ? "bf16" : "fma";
  return t.empty() || t == "f32" || t == "f16" ? "fma" : "int8";
}

std::vector<LoopSpeed> MeasureLoops(uint32_t threads, uint32_t repetitions) {
  std::vector<LoopSpeed> speeds;
  for (const Peak* peak : RunnablePeaks()) {
    speeds.push_back({peak->instruction, PerSecond(peak, threads, repetitions)});
  }
  return speeds;
}

uint32_t UsableThreads() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;
  return static_cast<uint32_t>(std::max(CPU_COUNT(&usable), 1));
}

LimitMeter::~LimitMeter() {
  if (map_ != nullptr) munmap(map_, bytes_);
}

Status LimitMeter::Open() {
  const char* folder = std::getenv("TMPDIR");
  std::string name = folder == nullptr || *folder == '\0' ? "/tmp" : folder;
  name += "/samara-bench-XXXXXX";
  const int fd = mkstemp(name.data());
  if (fd < 0) return Errno(name);
  unlink(name.c_str());
  bytes_ = ScratchBytes();
  std::vector<uint8_t> chunk(size_t{2} << 20, 0x33);  // cached in huge pages
  Status status;
  for (uint64_t at = 0; at < bytes_ && status.ok();) {
    const ssize_t n = write(fd, chunk.data(), std::min<uint64_t>(chunk.size(), bytes_ - at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) status = Errno(name);
    at += static_cast<uint64_t>(std::max<ssize_t>(n, 0));
  }
  if (status.ok()) {
    void* const map = mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
      status = Errno(name);
    } else {
      map_ = static_cast<uint8_t*>(map);
      g_sink += ReadAll(map_, bytes_);
    }
  }
  close(fd);
  if (map_ == nullptr) bytes_ = 0;
  return status;
}

double LimitMeter::Bandwidth(uint32_t threads, uint32_t repetitions) const {
  const uint64_t part = bytes_ / threads / 4096 * 4096;
  const double seconds = TimeThreads(threads, repetitions,
                                     [&](uint32_t i) { g_sink += ReadAll(map_ + i * part, part); });
  return static_cast<double>(part * threads) / seconds;
}

double LimitMeter::PeakFor(const char* type, uint32_t threads, uint32_t repetitions) const {
  const Peaks peaks = MachinePeaks();
  const std::string_view name = Limits::PeakName(type, peaks.bf16 != nullptr);
  const Peak* const peak = name == "bf16" ? peaks.bf16 : name == "fma" ? peaks.fma : peaks.int8;
  return PerSecond(peak, threads, repetitions);
}

Limits LimitMeter::Measure(uint32_t threads, uint32_t repetitions) const {
  const Peaks peaks = MachinePeaks();
  Limits limits;
  limits.threads = threads;
  limits.bandwidth = Bandwidth(threads, repetitions);
  limits.int8 = PerSecond(peaks.int8, threads, repetitions);
  limits.fma = PerSecond(peaks.fma, threads, repetitions);
  limits.bf16 = PerSecond(peaks.bf16, threads, repetitions);
  return limits;
}

}  // namespace samara::apps
