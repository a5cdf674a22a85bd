#include "tests/runtime/file_faults.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SAMARA_NO_FILE_FAULTS
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define SAMARA_NO_FILE_FAULTS
#endif

#ifdef SAMARA_NO_FILE_FAULTS

namespace samara::test {
bool StartFileFaults(const FileFaults&) { return false; }
uint64_t StopFileFaults() { return 0; }
}  // namespace samara::test

#else

namespace samara::test {
namespace {

FileFaults faults;
bool active = false;
uint64_t calls = 0;

// -1 with errno set if this call is to fail.
int Fault() {
  if (!active) return 0;
  ++calls;
  if (calls == faults.fail_at) {
    errno = faults.error;
    return -1;
  }
  if (faults.interrupt != 0 && calls % faults.interrupt == 0) {
    errno = EINTR;
    return -1;
  }
  return 0;
}

}  // namespace

bool StartFileFaults(const FileFaults& wanted) {
  faults = wanted;
  calls = 0;
  active = true;
  return true;
}
uint64_t StopFileFaults() {
  active = false;
  return calls;
}

}  // namespace samara::test

extern "C" {

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  using Function = ssize_t (*)(int, const void*, size_t, off_t);
  static const Function real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pwrite"));
  if (samara::test::Fault() != 0) return -1;
  const uint64_t most = samara::test::active ? samara::test::faults.most_bytes : 0;
  return real(fd, data, most == 0 ? bytes : std::min<size_t>(bytes, most), offset);
}

int fsync(int fd) {
  using Function = int (*)(int);
  static const Function real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "fsync"));
  return samara::test::Fault() != 0 ? -1 : real(fd);
}

// The descriptor is gone in any case, as on Linux.
int close(int fd) {
  using Function = int (*)(int);
  static const Function real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "close"));
  const int fault = samara::test::Fault();
  const int error = errno;
  const int result = real(fd);
  if (fault == 0) return result;
  errno = error;
  return -1;
}

int rename(const char* from, const char* to) {
  using Function = int (*)(const char*, const char*);
  static const Function real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "rename"));
  return samara::test::Fault() != 0 ? -1 : real(from, to);
}

}  // extern "C"

#endif
