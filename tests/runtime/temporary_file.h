// A file that goes away with the test.
#ifndef SAMARA_TESTS_RUNTIME_TEMPORARY_FILE_H_
#define SAMARA_TESTS_RUNTIME_TEMPORARY_FILE_H_

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace samara::test {

class TemporaryFile {
 public:
  TemporaryFile() {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder != nullptr ? folder : "/tmp") + "/samara_test_XXXXXX";
    fd_ = mkstemp(path_.data());
    REQUIRE(fd_ >= 0);
  }
  explicit TemporaryFile(const std::vector<uint8_t>& bytes) : TemporaryFile() {
    Write(0, bytes.data(), bytes.size());
  }
  ~TemporaryFile() {
    close(fd_);
    unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  void Write(uint64_t offset, const uint8_t* data, uint64_t bytes) {
    REQUIRE(pwrite(fd_, data, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes));
  }
  void Resize(uint64_t bytes) { REQUIRE(ftruncate(fd_, static_cast<off_t>(bytes)) == 0); }
  const char* path() const { return path_.c_str(); }
  int fd() const { return fd_; }

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_RUNTIME_TEMPORARY_FILE_H_
