// A package opened for reading about it: header and metadata checked, weight bytes read on request
// only.
#ifndef SAMARA_APPS_INSPECT_PACKAGE_FILE_H_
#define SAMARA_APPS_INSPECT_PACKAGE_FILE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "formats/graph.h"
#include "formats/package_format.h"
#include "formats/status.h"
#include "runtime/file.h"

namespace samara::apps {

class PackageReader {
 public:
  Status Open(const std::string& path);

  const std::string& path() const { return path_; }
  const FileHeader& header() const { return parsed_.header; }
  const Package& package() const { return parsed_.package; }

  // Exactly out.size() bytes of a segment's payload.
  Status ReadSegment(const Segment& segment, uint64_t offset, std::span<uint8_t> out);

 private:
  std::string path_;
  PackageFile file_;
  ParsedPackage parsed_;
  std::map<std::string, PackageFile> externals_;  // opened so far, by name
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_INSPECT_PACKAGE_FILE_H_
