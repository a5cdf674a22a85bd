// A session on disk: tokens, sampler and the filled part of the states.
//
//   0    8  magic "SAMSESS\n"
//   8    4  u32 format version (1)
//   12   4  u32 header bytes (256)
//   16   8  u64 file bytes
//   24  24  of the package: first 24 bytes of its metadata's SHA-256, as in its header
//   48  16  numerics, zero-padded: "exact" (formats/numerics.md), "decomposed" (the same, composite
//           operators by their decomposition), else the backend's name: what decides the states' bits
//   64   4  u32 type of keys and values (formats/dtypes.h)
//   68   4  u32 slots of a block (64)
//   72   4  u32 states, of all parts
//   76   4  u32 state groups
//   80   4  u32 tokens
//   84   4  u32 of these computed; the others are pending
//   88   4  u32 high water: slots below it were written at some time
//   92   4  zero
//   96  16  u32[4] first slot that is held, per group
//   112  8  u64 state of the sampler's generator
//   120  4  f32 temperature          124  4  u32 top_k
//   128  4  f32 top_p                132  4  f32 min_p
//   136  4  f32 repetition penalty   140  4  f32 frequency penalty
//   144  4  f32 presence penalty     148  4  u32 penalty window
//   152  8  u64 seed
//   160  8  u64 bytes of the attachment
//   168 24  zero
//   192 32  SHA-256 of the states
//   224 32  SHA-256 of bytes 0 to 223, tokens and attachment
// then the tokens (i32 each), the attachment (bytes of the program that saved), and the states.
// Little-endian; nothing is padded.
//
// States in the package's order, of each the parts in order, of each the blocks of 64 slots,
// ascending, from the one with the group's first slot to the one with the last computed token. Of a
// block its slots [first slot, computed) that fall into it, in the standard layout (runtime/backend.h)
// without the slots that are missing: heads in order; of each the quants or elements (keys [dim]
// [slots], values [slots][dim]), then for Q8_0 the scales [ceil(dim / 32)][slots].
#ifndef SAMARA_FORMATS_SESSION_FORMAT_H_
#define SAMARA_FORMATS_SESSION_FORMAT_H_

#include <cstdint>
#include <span>

#include "formats/status.h"

namespace samara {

inline constexpr uint32_t kSessionHeaderBytes = 256;
inline constexpr uint32_t kSessionHashedBytes = 224;  // of the header
inline constexpr uint32_t kSessionVersion = 1;
inline constexpr uint32_t kSessionGroups = 4;
inline constexpr uint64_t kMaxAttachmentBytes = uint64_t{64} << 20;

struct SessionHeader {
  uint64_t file_bytes = 0;
  uint8_t package[24] = {};
  char numerics[16] = {};
  uint32_t kv_type = 0;
  uint32_t block_slots = 0;
  uint32_t n_states = 0;
  uint32_t n_groups = 0;
  uint32_t n_tokens = 0;
  uint32_t n_computed = 0;
  uint32_t high_water = 0;
  uint32_t first_slot[kSessionGroups] = {};
  uint64_t generator = 0;
  float temperature = 0;
  uint32_t top_k = 0;
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;
  float frequency_penalty = 0;
  float presence_penalty = 0;
  uint32_t penalty_window = 0;
  uint64_t seed = 0;
  uint64_t attachment_bytes = 0;
  uint8_t states_sha256[32] = {};
  uint8_t content_sha256[32] = {};

  uint64_t tokens_offset() const { return kSessionHeaderBytes; }
  uint64_t attachment_offset() const { return tokens_offset() + uint64_t{n_tokens} * 4; }
  uint64_t states_offset() const { return attachment_offset() + attachment_bytes; }
};

void StoreSessionHeader(const SessionHeader& header, uint8_t bytes[kSessionHeaderBytes]);
// `bytes`: the file's first ones, all 256 if it has as many. What can be checked without hashing is:
// magic, version, sizes that fit into the file, counts in order, zeros.
Status ParseSessionHeader(std::span<const uint8_t> bytes, uint64_t actual_file_bytes,
                          SessionHeader* header);

}  // namespace samara

#endif  // SAMARA_FORMATS_SESSION_FORMAT_H_
