// Metadata with a right hash over any bytes: parsed, checked, planned and lowered.
#include <cstring>
#include <vector>

#include "formats/package_format.h"
#include "runtime/backend.h"
#include "runtime/plan.h"
#include "runtime/registry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samara;
  std::vector<uint64_t> copy((size + 7) / 8);
  if (size > 0) std::memcpy(copy.data(), data, size);
  const std::span<const uint8_t> metadata(reinterpret_cast<const uint8_t*>(copy.data()), size);
  FileHeader header;
  header.metadata_offset = uint64_t{1} << 32;  // segments may lie anywhere before it
  header.metadata_bytes = size;
  header.file_bytes = header.metadata_offset + size + kSegmentTailBytes;
  uint8_t digest[32];
  Sha256 hash;
  hash.Update(metadata.data(), size);
  hash.Finish(digest);
  std::memcpy(header.metadata_sha256, digest, sizeof(header.metadata_sha256));
  Package package;
  if (!ParseMetadata(metadata, header, &package).ok()) return 0;
  LoadOptions options;
  options.n_threads = 1;
  options.n_ctx = 64;
  options.memory_budget = uint64_t{1} << 28;
  static const std::vector<const Backend*> backends = AllBackends();
  for (const Backend* backend : backends) {
    ModelPlan plan;
    (void)PlanModel(package, {header.file_bytes, size}, options, *backend, &plan);
  }
  return 0;
}
