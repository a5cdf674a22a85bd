// Tokenizer tables of any bytes: refused, or fit to encode and decode with.
#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samara;
  // The first 64 bytes are a text, the rest tables.
  const size_t text_bytes = std::min<size_t>(size, 64);
  std::vector<uint64_t> copy((size - text_bytes + 7) / 8);
  if (size > text_bytes) std::memcpy(copy.data(), data + text_bytes, size - text_bytes);
  Tokenizer tokenizer;
  if (!tokenizer.Init({reinterpret_cast<const uint8_t*>(copy.data()), size - text_bytes}).ok())
    return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), text_bytes);
  std::vector<uint64_t> work((tokenizer.WorkBytes(text.size()) + 7) / 8);
  std::vector<int32_t> ids(4096);
  uint64_t n = 0;
  const Status status =
      tokenizer.Encode(text, {}, {reinterpret_cast<uint8_t*>(work.data()), work.size() * 8},
                       ids.data(), ids.size(), &n);
  if (!status.ok()) return 0;
  DecodeState state;
  std::vector<char> out(4 * tokenizer.MaxTokenBytes() + 16);
  for (uint64_t i = 0; i < n; ++i) {
    uint64_t bytes = 0;
    (void)tokenizer.DecodeOne(ids[i], true, &state, out.data(), out.size(), &bytes);
  }
  return 0;
}
