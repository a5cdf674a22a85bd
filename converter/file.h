// Reading files of a checkpoint: plain pread, never a map, so that a file that shrinks under the
// converter is an error and not a signal, and so that memory stays bounded.
#ifndef SAMARA_CONVERTER_FILE_H_
#define SAMARA_CONVERTER_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "formats/status.h"

namespace samara {

class InputFile {
 public:
  InputFile() = default;
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Regular files only (a link is followed). `name` is what errors call the file. kNotFound where
  // there is none.
  static StatusOr<InputFile> Open(const std::string& path, const std::string& name);

  const std::string& name() const { return name_; }
  uint64_t bytes() const { return bytes_; }
  int fd() const { return fd_; }
  // Exactly `bytes` bytes, or an error; thread-safe.
  Status ReadAt(uint64_t offset, void* out, uint64_t bytes) const;
  // Error if size or modification time differ from those at Open.
  Status CheckUnchanged() const;

 private:
  int fd_ = -1;
  uint64_t bytes_ = 0;
  int64_t modified_s_ = 0;
  int64_t modified_ns_ = 0;
  std::string name_;
};

// The whole of a small file; more than `max_bytes` is an error.
StatusOr<std::string> ReadSmallFile(const std::string& path, const std::string& name,
                                    uint64_t max_bytes);

}  // namespace samara

#endif  // SAMARA_CONVERTER_FILE_H_
