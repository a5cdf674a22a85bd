// Counts the allocations of this program. A file of its own, so that nothing is inlined into its
// users.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/tokenizer/helpers.h"

namespace samara::tokenizer_test {
namespace {
std::atomic<uint64_t> count{0};
}
uint64_t AllocationCount() { return count; }
void CountAllocation() { ++count; }
}  // namespace samara::tokenizer_test

void* operator new(std::size_t n) {
  samara::tokenizer_test::CountAllocation();
  if (void* p = std::malloc(n == 0 ? 1 : n)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  samara::tokenizer_test::CountAllocation();
  return std::malloc(n == 0 ? 1 : n);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
