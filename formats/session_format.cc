#include "formats/session_format.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "formats/little_endian.h"

namespace samara {
namespace {

using Ull = unsigned long long;

constexpr char kSessionMagic[8] = {'S', 'A', 'M', 'S', 'E', 'S', 'S', '\n'};

// One list of fields for both directions.
class Store {
 public:
  explicit Store(uint8_t* bytes) : bytes_(bytes) {}
  void Number(uint64_t at, const uint32_t& v) { StoreLittleEndian(v, bytes_ + at); }
  void Number(uint64_t at, const uint64_t& v) { StoreLittleEndian(v, bytes_ + at); }
  void Number(uint64_t at, const float& v) { Number(at, std::bit_cast<uint32_t>(v)); }
  void Bytes(uint64_t at, const void* v, uint64_t n) { std::memcpy(bytes_ + at, v, n); }

 private:
  uint8_t* bytes_;
};
class Load {
 public:
  explicit Load(const uint8_t* bytes) : bytes_(bytes) {}
  void Number(uint64_t at, uint32_t& v) { v = LoadLittleEndian<uint32_t>(bytes_ + at); }
  void Number(uint64_t at, uint64_t& v) { v = LoadLittleEndian<uint64_t>(bytes_ + at); }
  void Number(uint64_t at, float& v) {
    v = std::bit_cast<float>(LoadLittleEndian<uint32_t>(bytes_ + at));
  }
  void Bytes(uint64_t at, void* v, uint64_t n) { std::memcpy(v, bytes_ + at, n); }

 private:
  const uint8_t* bytes_;
};

template <typename Way, typename Header>
void Fields(Way way, Header& h) {
  way.Number(16, h.file_bytes);
  way.Bytes(24, h.package, sizeof h.package);
  way.Bytes(48, h.numerics, sizeof h.numerics);
  way.Number(64, h.kv_type);
  way.Number(68, h.block_slots);
  way.Number(72, h.n_states);
  way.Number(76, h.n_groups);
  way.Number(80, h.n_tokens);
  way.Number(84, h.n_computed);
  way.Number(88, h.high_water);
  for (uint32_t g = 0; g < kSessionGroups; ++g) way.Number(96 + 4 * g, h.first_slot[g]);
  way.Number(112, h.generator);
  way.Number(120, h.temperature);
  way.Number(124, h.top_k);
  way.Number(128, h.top_p);
  way.Number(132, h.min_p);
  way.Number(136, h.repetition_penalty);
  way.Number(140, h.frequency_penalty);
  way.Number(144, h.presence_penalty);
  way.Number(148, h.penalty_window);
  way.Number(152, h.seed);
  way.Number(160, h.attachment_bytes);
  way.Bytes(192, h.states_sha256, 32);
  way.Bytes(224, h.content_sha256, 32);
}

bool Zeros(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

}  // namespace

void StoreSessionHeader(const SessionHeader& header, uint8_t bytes[kSessionHeaderBytes]) {
  std::memset(bytes, 0, kSessionHeaderBytes);
  std::memcpy(bytes, kSessionMagic, sizeof kSessionMagic);
  StoreLittleEndian(kSessionVersion, bytes + 8);
  StoreLittleEndian(kSessionHeaderBytes, bytes + 12);
  Fields(Store(bytes), header);
}

Status ParseSessionHeader(std::span<const uint8_t> bytes, uint64_t actual_file_bytes,
                          SessionHeader* header) {
  if (bytes.size() < sizeof kSessionMagic ||
      std::memcmp(bytes.data(), kSessionMagic, sizeof kSessionMagic) != 0) {
    return InvalidFile("no saved session: the file does not begin as one");
  }
  if (bytes.size() < kSessionHeaderBytes) {
    return InvalidFile("the saved session is cut off at %llu bytes",
                       static_cast<Ull>(bytes.size()));
  }
  const uint32_t version = LoadLittleEndian<uint32_t>(&bytes[8]);
  if (version != kSessionVersion) {
    return Unsupported("a saved session of format version %u, this build knows %u", version,
                       kSessionVersion);
  }
  const uint32_t header_bytes = LoadLittleEndian<uint32_t>(&bytes[12]);
  if (header_bytes != kSessionHeaderBytes) {
    return InvalidFile("a header of %u bytes, want %u", header_bytes, kSessionHeaderBytes);
  }
  Fields(Load(bytes.data()), *header);
  const SessionHeader& h = *header;
  if (h.file_bytes != actual_file_bytes) {
    return InvalidFile("the saved session has %llu bytes, its header says %llu",
                       static_cast<Ull>(actual_file_bytes), static_cast<Ull>(h.file_bytes));
  }
  if (h.attachment_bytes > kMaxAttachmentBytes) {
    return InvalidFile("an attachment of %llu bytes, at most %llu",
                       static_cast<Ull>(h.attachment_bytes), static_cast<Ull>(kMaxAttachmentBytes));
  }
  if (h.n_tokens > INT32_MAX || h.states_offset() > actual_file_bytes) {
    return InvalidFile("%u tokens do not fit into a file of %llu bytes", h.n_tokens,
                       static_cast<Ull>(actual_file_bytes));
  }
  if (h.n_computed > h.n_tokens || h.high_water < h.n_computed || h.high_water > INT32_MAX) {
    return InvalidFile("%u of %u tokens computed, %u slots written: want ascending numbers",
                       h.n_computed, h.n_tokens, h.high_water);
  }
  if (!Zeros(bytes.subspan(92, 4)) || !Zeros(bytes.subspan(168, 24)) || h.numerics[15] != '\0') {
    return InvalidFile("bytes of the header that must be zero are not");
  }
  return {};
}

}  // namespace samara
