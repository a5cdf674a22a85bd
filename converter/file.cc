#include "converter/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace samara {

InputFile::~InputFile() {
  if (fd_ >= 0) close(fd_);
}

InputFile::InputFile(InputFile&& other) noexcept { *this = std::move(other); }

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(modified_s_, other.modified_s_);
  std::swap(modified_ns_, other.modified_ns_);
  std::swap(name_, other.name_);
  return *this;
}

StatusOr<InputFile> InputFile::Open(const std::string& path, const std::string& name) {
  InputFile file;
  file.name_ = name;
  // Without O_NONBLOCK opening a FIFO would wait for a writer; regular files do not care.
  file.fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd_ < 0) {
    const int error = errno;
    if (error == ENOENT) return NotFound("%s: no such file", name.c_str());
    return IoError("%s: cannot open: %s", name.c_str(), strerror(error));
  }
  struct stat info;
  if (fstat(file.fd_, &info) != 0)
    return IoError("%s: cannot stat: %s", name.c_str(), strerror(errno));
  if (!S_ISREG(info.st_mode))
    return InvalidFile("%s: got something else, wanted a regular file", name.c_str());
  file.bytes_ = static_cast<uint64_t>(info.st_size);
  file.modified_s_ = info.st_mtim.tv_sec;
  file.modified_ns_ = info.st_mtim.tv_nsec;
  return file;
}

Status InputFile::ReadAt(uint64_t offset, void* out, uint64_t bytes) const {
  if (offset > bytes_ || bytes > bytes_ - offset) {
    return InvalidFile("%s: got %llu bytes, wanted %llu bytes at offset %llu", name_.c_str(),
                       static_cast<unsigned long long>(bytes_),
                       static_cast<unsigned long long>(bytes),
                       static_cast<unsigned long long>(offset));
  }
  auto* to = static_cast<uint8_t*>(out);
  while (bytes > 0) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(bytes, uint64_t{1} << 30));
    const ssize_t got = pread(fd_, to, want, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return IoError("%s: cannot read at offset %llu: %s", name_.c_str(),
                     static_cast<unsigned long long>(offset), strerror(errno));
    }
    if (got == 0) {
      return InvalidFile(
          "%s: got the end of the file at offset %llu, wanted %llu more bytes: it became shorter",
          name_.c_str(), static_cast<unsigned long long>(offset),
          static_cast<unsigned long long>(bytes));
    }
    to += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
  return Status();
}

Status InputFile::CheckUnchanged() const {
  struct stat info;
  if (fstat(fd_, &info) != 0) return IoError("%s: cannot stat: %s", name_.c_str(), strerror(errno));
  if (static_cast<uint64_t>(info.st_size) != bytes_ || info.st_mtim.tv_sec != modified_s_ ||
      info.st_mtim.tv_nsec != modified_ns_) {
    return IoError("%s: the file changed while it was read; convert again", name_.c_str());
  }
  return Status();
}

StatusOr<std::string> ReadSmallFile(const std::string& path, const std::string& name,
                                    uint64_t max_bytes) {
  SAMARA_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path, name));
  if (file.bytes() > max_bytes) {
    return InvalidFile("%s: got %llu bytes, wanted at most %llu", name.c_str(),
                       static_cast<unsigned long long>(file.bytes()),
                       static_cast<unsigned long long>(max_bytes));
  }
  std::string text(static_cast<size_t>(file.bytes()), '\0');
  SAMARA_RETURN_IF_ERROR(file.ReadAt(0, text.data(), text.size()));
  return text;
}

}  // namespace samara
