// Where a package's bytes come from: a path, a file descriptor, or the caller's memory.
#ifndef SAMARA_RUNTIME_FILE_H_
#define SAMARA_RUNTIME_FILE_H_

#include <cstdint>
#include <vector>

#include "formats/package_format.h"
#include "formats/status.h"

namespace samara {

// Owns a descriptor until CloseDescriptor and a mapping until destruction; no memory besides.
class PackageFile {
 public:
  PackageFile() = default;
  ~PackageFile();
  PackageFile(const PackageFile&) = delete;
  PackageFile& operator=(const PackageFile&) = delete;
  PackageFile(PackageFile&& other) noexcept;
  PackageFile& operator=(PackageFile&& other) noexcept;

  static Status OpenPath(const char* path, PackageFile* file);
  // `length` bytes at `offset`; 0: up to the file's end. The descriptor is duplicated.
  static Status OpenFd(int fd, uint64_t offset, uint64_t length, PackageFile* file);
  // The memory outlives the file.
  static Status OpenMemory(const void* data, uint64_t bytes, PackageFile* file);

  uint64_t bytes() const { return bytes_; }
  bool is_memory() const { return fd_ < 0 && mapping_ == nullptr && base_ != nullptr; }
  // Copies; kInvalidFile where the file ends before. Never through the map, so a file that shrinks
  // is an error and no signal.
  Status Read(uint64_t offset, void* out, uint64_t bytes) const;
  // Maps the whole package read-only. Nothing to do for memory.
  Status Map();
  const uint8_t* base() const { return base_; }  // after Map
  void CloseDescriptor();

 private:
  int fd_ = -1;
  uint64_t offset_ = 0;  // of the package in the file
  uint64_t bytes_ = 0;
  const uint8_t* base_ = nullptr;
  void* mapping_ = nullptr;
  uint64_t mapping_bytes_ = 0;
};

// A parsed package with the private copy of its metadata that it was checked in.
struct ParsedPackage {
  FileHeader header;
  std::vector<uint64_t> metadata;  // 8-aligned; header.metadata_bytes of it count
  Package package;
};
Status ReadPackage(const PackageFile& file, ParsedPackage* parsed);

// Reads a segment's payload and checks its chunk hashes.
Status ReadCheckedSegment(const PackageFile& file, const Segment& segment, uint8_t* out);

}  // namespace samara

#endif  // SAMARA_RUNTIME_FILE_H_
