#include "apps/inspect/sections.h"

namespace samara::apps {
namespace {

struct Found {
  std::string segment;
  uint64_t chunks = 0, bad = 0;
};

}  // namespace

int PrintCheck(PackageReader* file, JsonWriter* json, std::string* text) {
  std::vector<uint8_t> buffer(kHashChunkBytes);
  std::vector<Found> found;
  Status first;  // what is reported if anything is wrong
  for (const Segment& segment : file->package().segments) {
    Found& entry = found.emplace_back();
    entry.segment = segment.name;
    entry.chunks = (segment.bytes + kHashChunkBytes - 1) / kHashChunkBytes;
    for (uint64_t chunk = 0; chunk < entry.chunks; ++chunk) {
      const uint64_t begin = chunk * kHashChunkBytes;
      const std::span<uint8_t> bytes(buffer.data(),
                                     std::min(kHashChunkBytes, segment.bytes - begin));
      Status status = file->ReadSegment(segment, begin, bytes);
      if (status.ok()) status = CheckSegmentChunk(segment, chunk, bytes);
      if (status.ok()) continue;
      ++entry.bad;
      if (first.ok()) first = status.WithContext(file->path());
    }
  }
  if (json != nullptr) {
    json->BeginArray();
    for (const Found& entry : found) {
      json->BeginObject(true);
      json->Member("segment", entry.segment);
      json->Member("chunks", entry.chunks);
      json->Member("bad", entry.bad);
      json->EndObject();
    }
    json->EndArray();
  } else {
    Table table;
    for (const Found& entry : found) {
      table.Row({Escaped(entry.segment), std::to_string(entry.chunks) + " chunks",
                 entry.bad == 0 ? "good" : std::to_string(entry.bad) + " BAD"});
    }
    *text += "check: chunks of " + BytesText(kHashChunkBytes) + " against their SHA-256\n" +
             table.Text();
  }
  return first.ok() ? kExitOk : FailStatus(first);
}

}  // namespace samara::apps
