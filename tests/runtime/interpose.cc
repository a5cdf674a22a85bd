#include "tests/runtime/interpose.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SAMARA_NO_INTERPOSER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define SAMARA_NO_INTERPOSER
#endif

namespace samara::test {
namespace {

enum class Kind : uint8_t { kNone, kHeap, kLibc, kFile };

struct Entry {
  void* address;
  uint64_t bytes;
  Kind kind;
};

// A table of live blocks: open addressing, no deletion marks (freed entries keep their address).
constexpr size_t kEntries = 1 << 16;
Entry table[kEntries];
AllocationCounts counts;
std::atomic<bool> counting{false};
std::atomic<bool> lock{false};
uint64_t fail_at = 0;
bool failed = false, failed_in_libc = false;
thread_local bool in_thread_start = false;

class Guard {
 public:
  Guard() {
    while (lock.exchange(true, std::memory_order_acquire)) {
    }
  }
  ~Guard() { lock.store(false, std::memory_order_release); }
};

Entry* Slot(void* address) {
  size_t i = (reinterpret_cast<uintptr_t>(address) >> 4) * 0x9e3779b97f4a7c15u >> 48;
  for (size_t n = 0; n < kEntries; ++n, i = (i + 1) % kEntries) {
    if (table[i].address == address || table[i].address == nullptr) return &table[i];
  }
  return nullptr;
}

uint64_t* Total(Kind kind) {
  if (kind == Kind::kHeap) return &counts.live_bytes;
  return kind == Kind::kLibc ? &counts.libc_bytes : &counts.file_bytes;
}

// True if this allocation is the one to fail.
[[maybe_unused]] bool ShouldFail() {
  if (!counting.load(std::memory_order_relaxed)) return false;
  const Guard guard;
  ++counts.calls;
  if (fail_at == 0 || --fail_at != 0) return false;
  failed = true;
  failed_in_libc = in_thread_start;
  return true;
}

[[maybe_unused]] void Record(void* address, uint64_t bytes, bool is_file = false) {
  if (address == nullptr || !counting.load(std::memory_order_relaxed)) return;
  const Guard guard;
  Entry* entry = Slot(address);
  if (entry == nullptr) _exit(99);  // the table is too small for this test
  const Kind kind = is_file ? Kind::kFile : in_thread_start ? Kind::kLibc : Kind::kHeap;
  *entry = {address, bytes, kind};
  *Total(kind) += bytes;
}

[[maybe_unused]] void Forget(void* address) {
  if (address == nullptr || !counting.load(std::memory_order_relaxed)) return;
  const Guard guard;
  Entry* entry = Slot(address);
  if (entry == nullptr || entry->address == nullptr || entry->kind == Kind::kNone) return;
  *Total(entry->kind) -= entry->bytes;
  entry->kind = Kind::kNone;
}

}  // namespace

bool InterposerWorks() {
#if defined(SAMARA_NO_INTERPOSER)
  return false;
#else
  return true;
#endif
}

void StartCounting() {
  {
    const Guard guard;
    for (Entry& entry : table) entry = {};
    counts = {};
    fail_at = 0;
    failed = failed_in_libc = false;
  }
  counting = true;
}

AllocationCounts StopCounting() {
  counting = false;
  return Counts();
}

AllocationCounts Counts() {
  const Guard guard;
  return counts;
}

void FailAllocation(uint64_t n) {
  const Guard guard;
  fail_at = n;
  failed = failed_in_libc = false;
}
bool AllocationFailed() { return failed; }
bool FailedInsideThreadStart() { return failed_in_libc; }

#if !defined(SAMARA_NO_INTERPOSER)
void EnterThreadStart(bool inside) { in_thread_start = inside; }
bool Fails() { return ShouldFail(); }
void Took(void* address, uint64_t bytes, bool is_file) { Record(address, bytes, is_file); }
void Gave(void* address) { Forget(address); }
#endif

}  // namespace samara::test

#if !defined(SAMARA_NO_INTERPOSER)

extern "C" {

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t n, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* block);

void* malloc(size_t bytes) {
  if (samara::test::Fails()) {
    errno = ENOMEM;
    return nullptr;
  }
  void* block = __libc_malloc(bytes);
  samara::test::Took(block, bytes, false);
  return block;
}

void* calloc(size_t n, size_t bytes) {
  if (samara::test::Fails()) {
    errno = ENOMEM;
    return nullptr;
  }
  void* block = __libc_calloc(n, bytes);
  samara::test::Took(block, n * bytes, false);
  return block;
}

void* realloc(void* block, size_t bytes) {
  if (samara::test::Fails()) {
    errno = ENOMEM;
    return nullptr;
  }
  samara::test::Gave(block);
  void* moved = __libc_realloc(block, bytes);
  samara::test::Took(moved, bytes, false);
  return moved;
}

void* memalign(size_t alignment, size_t bytes) {
  if (samara::test::Fails()) {
    errno = ENOMEM;
    return nullptr;
  }
  void* block = __libc_memalign(alignment, bytes);
  samara::test::Took(block, bytes, false);
  return block;
}

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** block, size_t alignment, size_t bytes) {
  *block = memalign(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}

void free(void* block) {
  samara::test::Gave(block);
  __libc_free(block);
}

void* mmap(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) {
  if (samara::test::Fails()) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  void* block =
      reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
  if (block != MAP_FAILED) samara::test::Took(block, bytes, (flags & MAP_ANONYMOUS) == 0);
  return block;
}

int munmap(void* address, size_t bytes) {
  samara::test::Gave(address);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) {
  using Function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const Function real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_create"));
  samara::test::EnterThreadStart(true);
  const int result = real(thread, attributes, start, argument);
  samara::test::EnterThreadStart(false);
  return result;
}

}  // extern "C"

#endif
