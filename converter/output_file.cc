#include "converter/output_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>

namespace samara {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{2} << 20;

// What the signal handler unlinks: it may only touch memory that needs no lock. One conversion at a
// time.
char g_temporary[PATH_MAX];
std::atomic<bool> g_active{false};

void RemoveAndDie(int signal) {
  if (g_active.load()) unlink(g_temporary);
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  raise(signal);
}

// Signals wait while the temporary and its registration change together.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

void Split(const std::string& path, std::string* directory, std::string* name) {
  const size_t slash = path.rfind('/');
  *directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  *name = slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

Status CheckOutputPath(const std::string& path) {
  std::string directory, name;
  Split(path, &directory, &name);
  const std::string shown = Quoted(path, 200);
  if (path.find('\0') != std::string::npos || name.empty() || name == "." || name == "..") {
    return InvalidArgument("output: got %s, wanted the name of a file", shown.c_str());
  }
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    const char* got = S_ISREG(info.st_mode)    ? nullptr
                      : S_ISDIR(info.st_mode)  ? "a directory"
                      : S_ISLNK(info.st_mode)  ? "a symbolic link"
                      : S_ISFIFO(info.st_mode) ? "a FIFO"
                                               : "a special file";
    if (got != nullptr) {
      return InvalidArgument("output %s: got %s, wanted a regular file or nothing at this path",
                             shown.c_str(), got);
    }
  } else if (errno != ENOENT) {
    const int error = errno;
    return IoError("output %s: %s", shown.c_str(), strerror(error));
  }
  if (stat(directory.c_str(), &info) != 0) {
    return NotFound("output %s: no directory %s", shown.c_str(), Quoted(directory, 200).c_str());
  }
  if (!S_ISDIR(info.st_mode)) {
    return InvalidArgument("output %s: %s is no directory", shown.c_str(),
                           Quoted(directory, 200).c_str());
  }
  return Status();
}

Status OutputFile::Failed(const char* what, int error) const {
  return IoError("output %s: cannot %s: %s; an older file, if any, is unchanged",
                 Quoted(path_, 200).c_str(), what, strerror(error));
}

StatusOr<std::unique_ptr<OutputFile>> OutputFile::Create(const std::string& path) {
  SAMARA_RETURN_IF_ERROR(CheckOutputPath(path));
  std::unique_ptr<OutputFile> file(new OutputFile);
  file->path_ = path;
  std::string name;
  Split(path, &file->directory_, &name);
  const std::string base =
      file->directory_ + "/." + name.substr(0, 200) + ".tmp-" + std::to_string(getpid()) + "-";
  if (base.size() + 16 > PATH_MAX)
    return InvalidArgument("output: a path of %zu bytes is too long", path.size());
  const SignalsBlocked blocked;
  for (int n = 0; file->fd_ < 0; ++n) {
    file->temporary_ = base + std::to_string(n);
    file->fd_ = open(file->temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->fd_ < 0 && (errno != EEXIST || n == 1000)) {
      const int error = errno;
      file->temporary_.clear();
      return file->Failed("create a temporary file beside it", error);
    }
  }
  memcpy(g_temporary, file->temporary_.c_str(), file->temporary_.size() + 1);
  g_active = true;
  file->waiting_.reserve(kPieceBytes);
  return file;
}

OutputFile::~OutputFile() {
  const SignalsBlocked blocked;
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) {
    unlink(temporary_.c_str());
    g_active = false;
  }
}

Status OutputFile::WriteAt(uint64_t offset, const void* data, uint64_t bytes) {
  const auto* from = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const auto step = static_cast<size_t>(std::min<uint64_t>(bytes, uint64_t{1} << 30));
    const ssize_t done = pwrite(fd_, from, step, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return Failed("write", done < 0 ? errno : ENOSPC);
    from += done;
    offset += static_cast<uint64_t>(done);
    bytes -= static_cast<uint64_t>(done);
  }
  return Status();
}

Status OutputFile::Flush() {
  SAMARA_RETURN_IF_ERROR(WriteAt(size_ - waiting_.size(), waiting_.data(), waiting_.size()));
  waiting_.clear();
  return Status();
}

Status OutputFile::Write(const void* data, uint64_t bytes) {
  const auto* from = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const uint64_t step = std::min(bytes, kPieceBytes - size_ % kPieceBytes);
    waiting_.insert(waiting_.end(), from, from + step);
    size_ += step;
    from += step;
    bytes -= step;
    if (size_ % kPieceBytes == 0) SAMARA_RETURN_IF_ERROR(Flush());
  }
  return Status();
}

Status OutputFile::Overwrite(uint64_t offset, const void* data, uint64_t bytes) {
  if (offset > size_ || bytes > size_ - offset)
    return Internal("overwrite past the end of the output");
  SAMARA_RETURN_IF_ERROR(Flush());
  return WriteAt(offset, data, bytes);
}

Status OutputFile::Truncate(uint64_t bytes) {
  SAMARA_RETURN_IF_ERROR(Flush());
  while (ftruncate(fd_, static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return Failed("truncate", errno);
  }
  size_ = bytes;
  return Status();
}

Status OutputFile::Commit() {
  SAMARA_RETURN_IF_ERROR(Flush());
  while (fsync(fd_) != 0) {
    if (errno != EINTR) return Failed("sync", errno);
  }
  // A failed close may be the only report of a lost write (network file systems).
  const int fd = fd_;
  fd_ = -1;
  if (close(fd) != 0 && errno != EINTR) return Failed("close", errno);
  {
    const SignalsBlocked blocked;
    if (rename(temporary_.c_str(), path_.c_str()) != 0) return Failed("rename", errno);
    temporary_.clear();
    g_active = false;
  }
  // The new file is in place from here on: only a power failure could still bring the old one back.
  const int directory = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int synced = -1;
  while (directory >= 0 && (synced = fsync(directory)) != 0 && errno == EINTR) {
  }
  // Some file systems cannot sync a directory; the file itself is safe then.
  const bool failed = synced != 0 && errno != EINVAL && errno != ENOTSUP;
  const int error = errno;
  if (directory >= 0) close(directory);
  if (!failed) return Status();
  return IoError("output %s: is complete, but its directory cannot be synced: %s",
                 Quoted(path_, 200).c_str(), strerror(error));
}

void OutputFile::RemoveOnSignals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {}, before = {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;  // nohup
    action.sa_handler = RemoveAndDie;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace samara
