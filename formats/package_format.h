// Reader and writer of .samara files.
//
//   0   8  magic "SAMARA\r\n"
//   8   4  u32 format version (1)
//   12  4  u32 header bytes (64)
//   16  8  u64 total file size
//   24  8  u64 metadata offset (a multiple of 16384)
//   32  8  u64 metadata size
//   40 24  first 24 bytes of the metadata's SHA-256
// then segments, each at a multiple of 16384, zero bytes between them (at least kSegmentTailBytes after each
// payload), then the FlatBuffer (package.fbs) and at least kSegmentTailBytes zero bytes. Little-endian.
#ifndef SAMARA_FORMATS_PACKAGE_FORMAT_H_
#define SAMARA_FORMATS_PACKAGE_FORMAT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "formats/graph.h"
#include "formats/status.h"

namespace samara {

inline constexpr char kMagic[8] = {'S', 'A', 'M', 'A', 'R', 'A', '\r', '\n'};
inline constexpr uint64_t kHeaderBytes = 64;
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kMaxMetadataBytes = uint64_t{64} << 20;

struct FileHeader {
  uint64_t file_bytes = 0;
  uint64_t metadata_offset = 0;
  uint64_t metadata_bytes = 0;
  uint8_t metadata_sha256[24] = {};
};

// Reading, in the order that a loader goes. None of them trusts a byte that it did not check, and none reads
// weight bytes. `actual_file_bytes` is what the file system says.
Status ParseHeader(std::span<const uint8_t> bytes, uint64_t actual_file_bytes, FileHeader* header);
// `metadata`: a PRIVATE copy (8-aligned) of the metadata bytes that stays unchanged during the call. Checks the
// hash, runs FlatBuffers' verifier under this project's limits, builds the IR and runs CheckPackage.
Status ParseMetadata(std::span<const uint8_t> metadata, const FileHeader& header, Package* package);

// Segment payload against its chunk hashes; names the first bad chunk. For `inspect --check` and lazy checks.
Status CheckSegmentChunk(const Segment& segment, uint64_t chunk, std::span<const uint8_t> bytes);

// A sink for the writer: the converter backs it by a temporary file, tests by memory.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status Write(const void* data, uint64_t bytes) = 0;  // appends
  // Existing bytes: the header.
  virtual Status Overwrite(uint64_t offset, const void* data, uint64_t bytes) = 0;
  virtual Status Truncate(uint64_t bytes) = 0;  // and continue appending there
};

// Streams a package: Begin, then for each segment BeginSegment / Append... / EndSegment, then Finish with the
// completed package (its segments vector is filled by the writer and must be left empty by the caller).
// The package is checked (CheckPackage) before the header is written: a file with a header is a valid file.
// Finish may be called again with the same package plus goldens: it replaces metadata and header.
class PackageWriter {
 public:
  explicit PackageWriter(ByteSink* sink);
  ~PackageWriter();
  Status Begin();
  Status BeginSegment(const std::string& name);
  Status Append(const void* data, uint64_t bytes);
  // Pads the payload with zeros up to a multiple of `alignment`.
  Status Align(uint64_t alignment);
  uint64_t segment_bytes() const;  // payload so far of the open segment
  uint32_t segment_index() const;  // of the open segment
  Status EndSegment();
  Status Finish(Package* package, uint64_t* file_bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The FlatBuffer alone (tests, goldens added to a finished package).
Status SerializeMetadata(const Package& package, std::string* out);

// SHA-256 (FIPS 180-4); uses the CPU's instructions where they exist.
class Sha256 {
 public:
  Sha256();
  void Update(const void* data, uint64_t bytes);
  void Finish(uint8_t digest[32]);

 private:
  uint32_t h_[8];
  uint64_t length_;
  uint8_t buffer_[64];
};

}  // namespace samara

#endif  // SAMARA_FORMATS_PACKAGE_FORMAT_H_
