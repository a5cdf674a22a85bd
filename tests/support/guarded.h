// Memory that ends at an inaccessible page, so that a read or write past the end is a crash, with
// sentinels before it.
#ifndef SAMARA_TESTS_SUPPORT_GUARDED_H_
#define SAMARA_TESTS_SUPPORT_GUARDED_H_

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace samara::test {

template <typename T>
class Guarded {
 public:
  static constexpr uint8_t kSentinel = 0xa5;

  explicit Guarded(uint64_t n) : n_(n) {
    const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (n * sizeof(T) + page - 1) / page * page + 2 * page;
    void* map = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(map != MAP_FAILED);
    base_ = static_cast<uint8_t*>(map);
    REQUIRE(mprotect(base_ + bytes_ - page, page, PROT_NONE) == 0);
    data_ = base_ + bytes_ - page - n * sizeof(T);
    std::memset(base_, kSentinel, static_cast<uint64_t>(data_ - base_));
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
    if (n_ != 0) std::memcpy(data_, values.data(), n_ * sizeof(T));
  }
  Guarded(Guarded&& other) noexcept
      : n_(other.n_),
        bytes_(std::exchange(other.bytes_, 0)),
        base_(other.base_),
        data_(other.data_) {}
  Guarded& operator=(Guarded&&) = delete;
  ~Guarded() {
    if (bytes_ != 0) munmap(base_, bytes_);
  }

  T* data() { return reinterpret_cast<T*>(data_); }
  const T* data() const { return reinterpret_cast<const T*>(data_); }
  uint64_t size() const { return n_; }
  T& operator[](uint64_t i) { return data()[i]; }
  const T& operator[](uint64_t i) const { return data()[i]; }
  // Nothing was written below the data.
  bool Untouched() const {
    for (const uint8_t* p = base_; p < data_; ++p) {
      if (*p != kSentinel) return false;
    }
    return true;
  }
  bool operator==(const Guarded& other) const {
    return n_ == other.n_ && (n_ == 0 || std::memcmp(data_, other.data_, n_ * sizeof(T)) == 0);
  }

 private:
  uint64_t n_, bytes_;
  uint8_t* base_;
  uint8_t* data_;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_GUARDED_H_
