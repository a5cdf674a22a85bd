// Counts, and on demand fails, the allocations of this test program: malloc and its relatives and
// mmap are replaced (interpose.cc), so that what the library counts can be compared with what it
// really requests.
#ifndef SAMARA_TESTS_RUNTIME_INTERPOSE_H_
#define SAMARA_TESTS_RUNTIME_INTERPOSE_H_

#include <cstdint>

namespace samara::test {

// False in builds whose sanitizer replaces malloc itself.
bool InterposerWorks();

struct AllocationCounts {
  uint64_t calls = 0;  // allocations requested since Start
  uint64_t live_bytes =
      0;  // requested and not freed yet; libc's own for threads and file pages apart
  uint64_t libc_bytes = 0;  // live, requested inside pthread_create
  uint64_t file_bytes = 0;  // live maps of files
};

// From here on allocations of all threads are followed.
void StartCounting();
AllocationCounts StopCounting();
AllocationCounts Counts();

// The n-th allocation from now on fails, once; 0: none. *FailedInLibc: it was one inside
// pthread_create.
void FailAllocation(uint64_t n);
bool AllocationFailed();
bool FailedInsideThreadStart();

}  // namespace samara::test

#endif  // SAMARA_TESTS_RUNTIME_INTERPOSE_H_
