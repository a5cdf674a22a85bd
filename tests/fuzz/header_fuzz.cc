// The first bytes of a file.
#include "formats/package_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  samara::FileHeader header;
  const bool good = samara::ParseHeader({data, size}, uint64_t{1} << 20, &header).ok();
  // A header that is accepted points inside the file.
  if (good && header.metadata_offset + header.metadata_bytes > uint64_t{1} << 20) __builtin_trap();
  return 0;
}
