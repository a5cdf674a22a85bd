// Pools that a caller of the library might bring (samara_parallel_fn). `user` is a CallerPool.
#ifndef SAMARA_TESTS_SUPPORT_CALLER_POOLS_H_
#define SAMARA_TESTS_SUPPORT_CALLER_POOLS_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace samara::test {

struct CallerPool {
  std::atomic<uint64_t> calls{0};
  std::atomic<uint32_t> most_workers{0};

  void Count(uint32_t n) {
    calls.fetch_add(1);
    uint32_t most = most_workers.load();
    while (most < n && !most_workers.compare_exchange_weak(most, n)) {
    }
  }
};

using CallerBody = void (*)(void* context, uint32_t worker);

inline void RunOnThreads(void* user, uint32_t n, CallerBody body, void* context) {
  static_cast<CallerPool*>(user)->Count(n);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < n; ++i) threads.emplace_back(body, context, i);
  for (std::thread& thread : threads) thread.join();
}
inline void RunInOrder(void* user, uint32_t n, CallerBody body, void* context) {
  static_cast<CallerPool*>(user)->Count(n);
  for (uint32_t i = 0; i < n; ++i) body(context, i);
}
inline void RunInReverse(void* user, uint32_t n, CallerBody body, void* context) {
  static_cast<CallerPool*>(user)->Count(n);
  for (uint32_t i = n; i-- > 0;) body(context, i);
}

struct NamedCallerPool {
  const char* name;
  void (*run)(void* user, uint32_t n, CallerBody body, void* context);
};
inline constexpr NamedCallerPool kCallerPools[] = {
    {"threads", RunOnThreads}, {"in order", RunInOrder}, {"in reverse", RunInReverse}};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_CALLER_POOLS_H_
