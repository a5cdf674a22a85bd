#include "apps/inspect/package_file.h"

namespace samara::apps {

Status PackageReader::Open(const std::string& path) {
  path_ = path;
  Status status = PackageFile::OpenPath(path.c_str(), &file_);
  if (status.ok()) status = ReadPackage(file_, &parsed_);
  const bool named = std::string(status.message()).find(path) != std::string::npos;
  return status.ok() || named ? status : status.WithContext(path);
}

Status PackageReader::ReadSegment(const Segment& segment, uint64_t offset, std::span<uint8_t> out) {
  if (offset > segment.bytes || out.size() > segment.bytes - offset) {
    return InvalidArgument("segment %s: bytes %llu + %llu, it has %llu",
                           Quoted(segment.name).c_str(), static_cast<unsigned long long>(offset),
                           static_cast<unsigned long long>(out.size()),
                           static_cast<unsigned long long>(segment.bytes));
  }
  const PackageFile* file = &file_;
  if (!segment.external.empty()) {
    auto found = externals_.find(segment.external);
    if (found == externals_.end()) {
      const size_t slash = path_.rfind('/');
      const std::string folder = slash == std::string::npos ? "" : path_.substr(0, slash + 1);
      PackageFile opened;
      SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath((folder + segment.external).c_str(), &opened));
      found = externals_.emplace(segment.external, std::move(opened)).first;
    }
    file = &found->second;
  }
  return file->Read(segment.offset + offset, out.data(), out.size());
}

}  // namespace samara::apps
