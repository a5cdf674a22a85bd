// A package opened for reading about it: header and metadata checked, weight bytes read on request
// only.
#ifndef SAMARA_APPS_INSPECT_PACKAGE_FILE_H_
#define SAMARA_APPS_INSPECT_PACKAGE_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "formats/package_format.h"
#include "formats/status.h"

namespace samara::apps {

class PackageFile {
 public:
  PackageFile() = default;
  ~PackageFile();
  PackageFile(const PackageFile&) = delete;
  PackageFile& operator=(const PackageFile&) = delete;

  Status Open(const std::string& path);

  const std::string& path() const { return path_; }
  const FileHeader& header() const { return header_; }
  const Package& package() const { return package_; }

  // Exactly out.size() bytes of a segment's payload.
  Status ReadSegment(const Segment& segment, uint64_t offset, std::span<uint8_t> out);

 private:
  struct External {
    std::string name;
    int fd;
  };
  StatusOr<int> ExternalFile(const std::string& name);

  std::string path_;
  int fd_ = -1;
  FileHeader header_;
  Package package_;
  std::vector<External> externals_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_INSPECT_PACKAGE_FILE_H_
