#include "apps/inspect/package_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>

namespace samara::apps {
namespace {

Status ReadAt(int fd, const std::string& name, uint64_t offset, std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return IoError("%s: %s", Quoted(name).c_str(), std::strerror(errno));
    if (n == 0) {
      return InvalidFile("%s: the file ends at byte %llu, wanted %llu bytes from %llu on",
                         Quoted(name).c_str(), static_cast<unsigned long long>(offset + done),
                         static_cast<unsigned long long>(out.size()),
                         static_cast<unsigned long long>(offset));
    }
    done += static_cast<size_t>(n);
  }
  return Status();
}

}  // namespace

PackageFile::~PackageFile() {
  if (fd_ >= 0) close(fd_);
  for (const External& external : externals_) close(external.fd);
}

Status PackageFile::Open(const std::string& path) {
  path_ = path;
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return NotFound("%s: %s", Quoted(path).c_str(), std::strerror(errno));
  struct stat info {};
  if (fstat(fd_, &info) != 0) return IoError("%s: %s", Quoted(path).c_str(), std::strerror(errno));
  const auto file_bytes = static_cast<uint64_t>(info.st_size);

  uint8_t head[kHeaderBytes] = {};
  const std::span<uint8_t> present(head, std::min<uint64_t>(file_bytes, kHeaderBytes));
  SAMARA_RETURN_IF_ERROR(ReadAt(fd_, path, 0, present));
  SAMARA_RETURN_IF_ERROR(ParseHeader(present, file_bytes, &header_).WithContext(path));
  if (header_.metadata_bytes >
      kMaxMetadataBytes) {  // ParseHeader sees to it; never allocate on trust
    return InvalidFile("%s: metadata too large", Quoted(path).c_str());
  }
  std::vector<uint64_t> metadata((header_.metadata_bytes + 7) / 8);  // 8-aligned
  const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(metadata.data()),
                                 header_.metadata_bytes);
  SAMARA_RETURN_IF_ERROR(ReadAt(fd_, path, header_.metadata_offset, bytes));
  Status status = ParseMetadata(bytes, header_, &package_);
  return status.ok() ? status : status.WithContext(path);
}

StatusOr<int> PackageFile::ExternalFile(const std::string& name) {
  for (const External& external : externals_) {
    if (external.name == name) return external.fd;
  }
  const size_t slash = path_.rfind('/');
  const std::string path = (slash == std::string::npos ? "" : path_.substr(0, slash + 1)) + name;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return NotFound("%s: %s", Quoted(path).c_str(), std::strerror(errno));
  externals_.push_back({name, fd});
  return fd;
}

Status PackageFile::ReadSegment(const Segment& segment, uint64_t offset, std::span<uint8_t> out) {
  if (offset > segment.bytes || out.size() > segment.bytes - offset) {
    return InvalidArgument("segment %s: bytes %llu + %llu, it has %llu",
                           Quoted(segment.name).c_str(), static_cast<unsigned long long>(offset),
                           static_cast<unsigned long long>(out.size()),
                           static_cast<unsigned long long>(segment.bytes));
  }
  if (segment.external.empty()) return ReadAt(fd_, path_, segment.offset + offset, out);
  SAMARA_ASSIGN_OR_RETURN(const int fd, ExternalFile(segment.external));
  return ReadAt(fd, segment.external, segment.offset + offset, out);
}

}  // namespace samara::apps
