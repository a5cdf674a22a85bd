// The inner loop of SHA-256: portable, and with the CPU's instructions.
#ifndef SAMARA_FORMATS_SHA256_BLOCKS_H_
#define SAMARA_FORMATS_SHA256_BLOCKS_H_

#include <cstdint>

namespace samara {

using Sha256Blocks = void (*)(uint32_t h[8], const uint8_t* data, uint64_t blocks);

Sha256Blocks PortableSha256();
Sha256Blocks HardwareSha256();  // nullptr where this CPU has none

}  // namespace samara

#endif  // SAMARA_FORMATS_SHA256_BLOCKS_H_
