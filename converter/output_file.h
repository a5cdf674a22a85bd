// A file that appears whole or not at all.
//
// Bytes go to a temporary beside the target (".NAME.tmp-PID-N", so that leftovers of a killed run
// are easy to recognize); Commit syncs it, renames it over the target and syncs the directory.
// Until then the old file, if any, is untouched; a destroyed OutputFile leaves nothing behind.
//
// The file is written in whole, aligned pieces of 2 MiB: Linux then caches it in huge pages, which
// a program that maps it reads a fifth faster than the small ones of many short writes.
#ifndef SAMARA_CONVERTER_OUTPUT_FILE_H_
#define SAMARA_CONVERTER_OUTPUT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "formats/package_format.h"
#include "formats/status.h"

namespace samara {

class OutputFile : public ByteSink {
 public:
  // `path` may name a regular file or nothing; directories, links, FIFOs and devices are refused.
  static StatusOr<std::unique_ptr<OutputFile>> Create(const std::string& path);
  ~OutputFile() override;
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  Status Write(const void* data, uint64_t bytes) override;
  Status Overwrite(uint64_t offset, const void* data, uint64_t bytes) override;
  Status Truncate(uint64_t bytes) override;
  Status Commit();

  const std::string& temporary_path() const { return temporary_; }

  // From now on SIGINT, SIGTERM and SIGHUP remove the temporary of this process before they end it.
  // For programs.
  static void RemoveOnSignals();

 private:
  OutputFile() = default;
  Status Failed(const char* what, int error) const;
  Status WriteAt(uint64_t offset, const void* data, uint64_t bytes);
  Status Flush();

  std::string path_, directory_, temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;             // as written by Write
  std::vector<uint8_t> waiting_;  // the last bytes of them, which are not in the file yet
};

// What Create demands of a path, without creating anything.
Status CheckOutputPath(const std::string& path);

}  // namespace samara

#endif  // SAMARA_CONVERTER_OUTPUT_FILE_H_
