// Makes file operations of this test program fail: pwrite, fsync, close and rename are replaced.
#ifndef SAMARA_TESTS_RUNTIME_FILE_FAULTS_H_
#define SAMARA_TESTS_RUNTIME_FILE_FAULTS_H_

#include <cstdint>

namespace samara::test {

// From now on, counted over all of these calls: every `interrupt`-th is interrupted (EINTR), every
// pwrite takes at most `most_bytes`, and the `fail_at`-th call fails with `error`. 0: never.
struct FileFaults {
  uint64_t interrupt = 0;
  uint64_t most_bytes = 0;
  uint64_t fail_at = 0;
  int error = 0;
};
// False in builds where they cannot be replaced.
bool StartFileFaults(const FileFaults& faults);
// Calls that were made.
uint64_t StopFileFaults();

}  // namespace samara::test

#endif  // SAMARA_TESTS_RUNTIME_FILE_FAULTS_H_
