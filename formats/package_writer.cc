#include <algorithm>
#include <cstring>
#include <vector>

#include "formats/check.h"
#include "formats/little_endian.h"
#include "formats/package_format.h"

namespace samara {

struct PackageWriter::State {
  ByteSink* sink = nullptr;
  uint64_t position = 0;  // bytes written so far
  bool begun = false;
  bool open = false;             // a segment is open
  uint64_t metadata_offset = 0;  // after the first Finish
  std::vector<Segment> segments;
  Sha256 hash;  // of the chunk that is being filled

  Status Write(const void* data, uint64_t bytes) {
    SAMARA_RETURN_IF_ERROR(sink->Write(data, bytes));
    position += bytes;
    return Status();
  }
  Status WriteZeros(uint64_t bytes) {
    static constexpr uint8_t kZeros[4096] = {};
    while (bytes > 0) {
      uint64_t step = std::min<uint64_t>(bytes, sizeof kZeros);
      SAMARA_RETURN_IF_ERROR(Write(kZeros, step));
      bytes -= step;
    }
    return Status();
  }
  Status PadTo(uint64_t alignment) {
    return WriteZeros((alignment - position % alignment) % alignment);
  }
  void FinishChunk() {
    uint8_t digest[32];
    hash.Finish(digest);
    hash = Sha256();
    std::vector<uint8_t>& hashes = segments.back().chunk_sha256;
    hashes.insert(hashes.end(), digest, digest + 32);
  }
};

PackageWriter::PackageWriter(ByteSink* sink) : state_(std::make_unique<State>()) {
  state_->sink = sink;
}

PackageWriter::~PackageWriter() = default;

Status PackageWriter::Begin() {
  if (state_->begun) return FailedPrecondition("the package was begun before");
  state_->begun = true;
  // No magic yet: until Finish the file is no package.
  return state_->WriteZeros(kHeaderBytes);
}

Status PackageWriter::BeginSegment(const std::string& name) {
  if (!state_->begun || state_->open || state_->metadata_offset != 0) {
    return FailedPrecondition("segment %s: the writer expects no segment now",
                              Quoted(name).c_str());
  }
  SAMARA_RETURN_IF_ERROR(state_->PadTo(kSegmentAlignment));
  Segment segment;
  segment.name = name;
  segment.offset = state_->position;
  state_->segments.push_back(std::move(segment));
  state_->hash = Sha256();
  state_->open = true;
  return Status();
}

Status PackageWriter::Append(const void* data, uint64_t bytes) {
  if (!state_->open) return FailedPrecondition("no segment is open");
  const uint8_t* from = static_cast<const uint8_t*>(data);
  Segment& segment = state_->segments.back();
  while (bytes > 0) {
    uint64_t step = std::min(bytes, kHashChunkBytes - segment.bytes % kHashChunkBytes);
    SAMARA_RETURN_IF_ERROR(state_->Write(from, step));
    state_->hash.Update(from, step);
    segment.bytes += step;
    if (segment.bytes % kHashChunkBytes == 0) state_->FinishChunk();
    from += step;
    bytes -= step;
  }
  return Status();
}

Status PackageWriter::Align(uint64_t alignment) {
  static constexpr uint8_t kZeros[64] = {};
  if (!state_->open) return FailedPrecondition("no segment is open");
  if (alignment == 0) return InvalidArgument("alignment 0");
  const Segment& segment = state_->segments.back();
  while (segment.bytes % alignment != 0) {
    uint64_t step = std::min<uint64_t>(alignment - segment.bytes % alignment, sizeof kZeros);
    SAMARA_RETURN_IF_ERROR(Append(kZeros, step));
  }
  return Status();
}

uint64_t PackageWriter::segment_bytes() const {
  return state_->open ? state_->segments.back().bytes : 0;
}

uint32_t PackageWriter::segment_index() const {
  return state_->open ? static_cast<uint32_t>(state_->segments.size() - 1) : 0;
}

Status PackageWriter::EndSegment() {
  if (!state_->open) return FailedPrecondition("no segment is open");
  if (state_->segments.back().bytes % kHashChunkBytes != 0) state_->FinishChunk();
  state_->open = false;
  return state_->WriteZeros(kSegmentTailBytes);
}

Status PackageWriter::Finish(Package* package, uint64_t* file_bytes) {
  State& s = *state_;
  if (!s.begun || s.open) return FailedPrecondition("the package is not ready to be finished");
  package->segments = s.segments;
  SAMARA_RETURN_IF_ERROR(CheckPackage(*package));
  std::string metadata;
  SAMARA_RETURN_IF_ERROR(SerializeMetadata(*package, &metadata));
  uint8_t header[kHeaderBytes] = {};
  if (s.metadata_offset != 0) {
    SAMARA_RETURN_IF_ERROR(s.sink->Overwrite(0, header, kHeaderBytes));
    SAMARA_RETURN_IF_ERROR(s.sink->Truncate(s.metadata_offset));
    s.position = s.metadata_offset;
  } else {
    SAMARA_RETURN_IF_ERROR(s.PadTo(kSegmentAlignment));
    s.metadata_offset = s.position;
  }
  SAMARA_RETURN_IF_ERROR(s.Write(metadata.data(), metadata.size()));
  SAMARA_RETURN_IF_ERROR(s.WriteZeros(kSegmentTailBytes));
  std::memcpy(header, kMagic, sizeof kMagic);
  StoreLittleEndian(kFormatVersion, header + 8);
  StoreLittleEndian(static_cast<uint32_t>(kHeaderBytes), header + 12);
  StoreLittleEndian(s.position, header + 16);
  StoreLittleEndian(s.metadata_offset, header + 24);
  StoreLittleEndian(static_cast<uint64_t>(metadata.size()), header + 32);
  Sha256 hash;
  uint8_t digest[32];
  hash.Update(metadata.data(), metadata.size());
  hash.Finish(digest);
  std::memcpy(header + 40, digest, 24);
  SAMARA_RETURN_IF_ERROR(s.sink->Overwrite(0, header, kHeaderBytes));
  *file_bytes = s.position;
  return Status();
}

}  // namespace samara
