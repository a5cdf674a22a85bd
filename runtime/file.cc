#include "runtime/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/template/template.h"

namespace samara {
namespace {

using Ull = unsigned long long;

// Weights are read with vector loads from here on.
constexpr uint64_t kBaseAlignment = 64;

Status FileError(const char* what, int error) {
  const std::string text = std::string("cannot ") + what + ": " + std::strerror(error);
  if (error == ENOENT || error == ENOTDIR) return NotFound("%s", text.c_str());
  if (error == ENOMEM) return OutOfMemory("%s", text.c_str());
  return IoError("%s", text.c_str());
}

// A template of a later version hinders nobody from running the model: it cannot be rendered.
Status CheckTemplates(const Package& package) {
  for (const ChatTemplate& chat : package.templates) {
    if (chat.tree.empty()) continue;
    const Status status = CheckTemplate(chat.tree);
    if (status.ok() || status.code() == StatusCode::kUnsupported) continue;
    return status.WithContext("chat template " + Quoted(chat.name));
  }
  return {};
}

// Size of a regular file, which alone can be mapped and read at any offset.
Status RegularSize(int fd, uint64_t* bytes) {
  struct stat info;
  if (fstat(fd, &info) != 0) return FileError("look at the file", errno);
  if (!S_ISREG(info.st_mode)) return InvalidArgument("not a regular file");
  *bytes = static_cast<uint64_t>(info.st_size);
  return {};
}

}  // namespace

PackageFile::~PackageFile() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
  CloseDescriptor();
}

PackageFile::PackageFile(PackageFile&& other) noexcept { *this = std::move(other); }

PackageFile& PackageFile::operator=(PackageFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(offset_, other.offset_);
  std::swap(bytes_, other.bytes_);
  std::swap(base_, other.base_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  return *this;
}

Status PackageFile::OpenPath(const char* path, PackageFile* file) {
  PackageFile opened;
  // Non-blocking, so that a FIFO is refused and not waited for.
  opened.fd_ = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (opened.fd_ < 0) return FileError("open", errno);
  SAMARA_RETURN_IF_ERROR(RegularSize(opened.fd_, &opened.bytes_));
  *file = std::move(opened);
  return {};
}

Status PackageFile::OpenFd(int fd, uint64_t offset, uint64_t length, PackageFile* file) {
  PackageFile opened;
  opened.fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (opened.fd_ < 0) return FileError("duplicate the file descriptor", errno);
  uint64_t size = 0;
  SAMARA_RETURN_IF_ERROR(RegularSize(opened.fd_, &size));
  if (offset > size || length > size - offset) {
    return InvalidArgument("%llu bytes at %llu of a file of %llu", static_cast<Ull>(length),
                           static_cast<Ull>(offset), static_cast<Ull>(size));
  }
  opened.offset_ = offset;
  opened.bytes_ = length != 0 ? length : size - offset;
  *file = std::move(opened);
  return {};
}

Status PackageFile::OpenMemory(const void* data, uint64_t bytes, PackageFile* file) {
  if (data == nullptr) return InvalidArgument("no data");
  if (reinterpret_cast<uintptr_t>(data) % kBaseAlignment != 0) {
    return InvalidArgument("package memory at %p, want an alignment of %llu", data,
                           static_cast<Ull>(kBaseAlignment));
  }
  PackageFile opened;
  opened.base_ = static_cast<const uint8_t*>(data);
  opened.bytes_ = bytes;
  *file = std::move(opened);
  return {};
}

Status PackageFile::Read(uint64_t offset, void* out, uint64_t bytes) const {
  if (offset > bytes_ || bytes > bytes_ - offset) {
    return InvalidFile("%llu bytes at offset %llu pass the end of the file at %llu",
                       static_cast<Ull>(bytes), static_cast<Ull>(offset), static_cast<Ull>(bytes_));
  }
  if (bytes == 0) return {};
  if (is_memory()) {
    std::memcpy(out, base_ + offset, bytes);
    return {};
  }
  uint8_t* to = static_cast<uint8_t*>(out);
  while (bytes > 0) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(bytes, uint64_t{1} << 30));
    const ssize_t got = pread(fd_, to, want, static_cast<off_t>(offset_ + offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", errno);
    if (got == 0) return InvalidFile("the file was cut off at %llu", static_cast<Ull>(offset));
    to += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
  return {};
}

Status PackageFile::Map() {
  if (is_memory() || mapping_ != nullptr) return {};
  if (offset_ % kBaseAlignment != 0) {
    return InvalidArgument(
        "a package at offset %llu of a file cannot be mapped, want a multiple of %llu",
        static_cast<Ull>(offset_), static_cast<Ull>(kBaseAlignment));
  }
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t start = offset_ / page * page;
  mapping_bytes_ = bytes_ + (offset_ - start);
  void* mapping =
      mmap(nullptr, mapping_bytes_, PROT_READ, MAP_PRIVATE, fd_, static_cast<off_t>(start));
  if (mapping == MAP_FAILED) return FileError("map the file", errno);
#if defined(MADV_HUGEPAGE)
  // Then what is not cached yet is read and mapped 2 MiB at a time. A kernel without it may refuse.
  (void)madvise(mapping, mapping_bytes_, MADV_HUGEPAGE);
#endif
  mapping_ = mapping;
  base_ = static_cast<const uint8_t*>(mapping) + (offset_ - start);
  return {};
}

void PackageFile::CloseDescriptor() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Status ReadPackage(const PackageFile& file, ParsedPackage* parsed) {
  uint8_t header[kHeaderBytes] = {};
  const uint64_t n = std::min<uint64_t>(kHeaderBytes, file.bytes());
  SAMARA_RETURN_IF_ERROR(file.Read(0, header, n));
  SAMARA_RETURN_IF_ERROR(
      ParseHeader({header, static_cast<size_t>(n)}, file.bytes(), &parsed->header));
  const uint64_t bytes = parsed->header.metadata_bytes;
  if (bytes > kMaxMetadataBytes) {
    return InvalidFile("metadata of %llu bytes, at most %llu", static_cast<Ull>(bytes),
                       static_cast<Ull>(kMaxMetadataBytes));
  }
  parsed->metadata.assign((bytes + 7) / 8, 0);
  uint8_t* copy = reinterpret_cast<uint8_t*>(parsed->metadata.data());
  SAMARA_RETURN_IF_ERROR(file.Read(parsed->header.metadata_offset, copy, bytes));
  SAMARA_RETURN_IF_ERROR(
      ParseMetadata({copy, static_cast<size_t>(bytes)}, parsed->header, &parsed->package));
  return CheckTemplates(parsed->package);
}

Status ReadCheckedSegment(const PackageFile& file, const Segment& segment, uint8_t* out) {
  SAMARA_RETURN_IF_ERROR(file.Read(segment.offset, out, segment.bytes));
  for (uint64_t chunk = 0; chunk * kHashChunkBytes < segment.bytes; ++chunk) {
    const uint64_t begin = chunk * kHashChunkBytes;
    const uint64_t bytes = std::min(kHashChunkBytes, segment.bytes - begin);
    SAMARA_RETURN_IF_ERROR(
        CheckSegmentChunk(segment, chunk, {out + begin, static_cast<size_t>(bytes)}));
  }
  return {};
}

}  // namespace samara
