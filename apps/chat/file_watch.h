// Is the model's file still the one that was mapped?
#ifndef SAMARA_APPS_CHAT_FILE_WATCH_H_
#define SAMARA_APPS_CHAT_FILE_WATCH_H_

#include <sys/stat.h>

#include <string>

namespace samara::apps {

// Holds the file open: one that is replaced by another of its name stays as it is for us.
class FileWatch {
 public:
  // Before the model is opened.
  explicit FileWatch(const std::string& path);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // "", or what happened to the file since: other size, other time of change.
  std::string Changed() const;

 private:
  std::string path_;
  int fd_;
  struct stat first_ {};
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_FILE_WATCH_H_
