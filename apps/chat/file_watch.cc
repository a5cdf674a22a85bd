#include "apps/chat/file_watch.h"

#include <fcntl.h>
#include <unistd.h>

namespace samara::apps {

FileWatch::FileWatch(const std::string& path)
    : path_(path), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (fd_ >= 0 && fstat(fd_, &first_) != 0) {
    close(fd_);
    fd_ = -1;
  }
}

FileWatch::~FileWatch() {
  if (fd_ >= 0) close(fd_);
}

std::string FileWatch::Changed() const {
  struct stat now {};
  if (fd_ < 0 || fstat(fd_, &now) != 0) return {};
  if (now.st_size != first_.st_size) {
    return path_ + ": the file had " + std::to_string(first_.st_size) + " bytes and now has " +
           std::to_string(now.st_size);
  }
  if (now.st_mtim.tv_sec != first_.st_mtim.tv_sec || now.st_mtim.tv_nsec != first_.st_mtim.tv_nsec)
    return path_ + ": the file was written to while it was in use";
  return {};
}

}  // namespace samara::apps
