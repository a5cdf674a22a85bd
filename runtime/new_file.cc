#include "runtime/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace samara {
namespace {

Status Failed(const char* what, int error) {
  const char* text = std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return NotFound("cannot %s: %s", what, text);
  if (error == ENOMEM) return OutOfMemory("cannot %s: %s", what, text);
  return IoError("cannot %s: %s", what, text);
}

template <typename F>
int Retry(F&& call) {
  int result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// A file system that cannot sync has nothing to sync.
bool Synced(int fd) {
  return Retry([fd] { return fsync(fd); }) == 0 || errno == EINVAL || errno == ENOTSUP;
}

}  // namespace

NewFile::~NewFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status NewFile::Create(const char* path) {
  path_ = path;
  const size_t slash = path_.rfind('/');
  folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  const std::string name = slash == std::string::npos ? path_ : path_.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return InvalidArgument("no name of a file");
  struct stat info;
  if (lstat(path, &info) == 0) {
    if (!S_ISREG(info.st_mode)) return InvalidArgument("not a regular file");
  } else if (errno != ENOENT) {
    return Failed("look at the file", errno);
  }
  const std::string base =
      folder_ + "/." + name.substr(0, 200) + ".tmp-" + std::to_string(getpid()) + "-";
  for (int n = 0; fd_ < 0; ++n) {
    const std::string temporary = base + std::to_string(n);
    fd_ = Retry(
        [&] { return open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); });
    if (fd_ >= 0) temporary_ = temporary;
    if (fd_ < 0 && (errno != EEXIST || n == 1000)) {
      return Failed("create a temporary file beside it", errno);
    }
  }
  return {};
}

Status NewFile::Write(uint64_t offset, const void* data, uint64_t bytes) {
  const uint8_t* from = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(bytes, uint64_t{1} << 30));
    const ssize_t n = pwrite(fd_, from, want, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    // A disk that takes nothing and names no reason is full.
    if (n <= 0) return Failed("write", n == 0 ? ENOSPC : errno);
    from += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<uint64_t>(n);
  }
  return {};
}

Status NewFile::Commit() {
  if (!Synced(fd_)) return Failed("sync", errno);
  // After close the descriptor is gone, whatever it says; some file systems tell errors of writes only here.
  const int closed = close(fd_);
  fd_ = -1;
  if (closed != 0 && errno != EINTR) return Failed("close", errno);
  if (Retry([this] { return std::rename(temporary_.c_str(), path_.c_str()); }) != 0) {
    return Failed("rename", errno);
  }
  temporary_.clear();
  const int folder =
      Retry([&] { return open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  // The file is there; a folder that may not be read cannot be synced.
  if (folder < 0) return {};
  const bool synced = Synced(folder);
  const int error = errno;
  close(folder);
  return synced ? Status() : Failed("sync the folder", error);
}

}  // namespace samara
