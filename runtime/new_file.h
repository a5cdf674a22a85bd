// A file that appears whole or not at all: a temporary beside the target (".NAME.tmp-PID-N"),
// renamed over it when it is complete and on the disk. A destroyed one leaves nothing behind.
#ifndef SAMARA_RUNTIME_NEW_FILE_H_
#define SAMARA_RUNTIME_NEW_FILE_H_

#include <cstdint>
#include <string>

#include "formats/status.h"

namespace samara {

class NewFile {
 public:
  NewFile() = default;
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // `path` names a regular file or nothing. Readable by its owner only.
  Status Create(const char* path);
  Status Write(uint64_t offset, const void* data, uint64_t bytes);
  // Syncs, renames, syncs the folder.
  Status Commit();

 private:
  std::string path_, folder_, temporary_;
  int fd_ = -1;
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_NEW_FILE_H_
