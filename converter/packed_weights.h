// Checkpoints whose matrices are stored as small numbers and scales beside them: FP8 (E4M3) with a scale for
// each block, AWQ and GPTQ with 4 bits. Each such group of tensors becomes one matrix of F32, computed where it is
// read, row by row; the file stays as it is.
//
//   FP8   NAME.weight            F8_E4M3 [rows, columns]
//         NAME.weight_scale_inv  float   [blocks of rows, blocks of columns]
//         w[r][c] = value * scale
//   AWQ   NAME.qweight  I32   [columns, rows / 8]      NAME.qzeros  I32 [groups, rows / 8]
//         NAME.scales   float [groups, rows]           row 8 i + j lies in bits 4 kAwqPlace[j] of word i
//         w[r][c] = (q - zero) * scale, of the group c / group_size
//   GPTQ  NAME.qweight  I32   [columns / 8, rows]      column 8 i + j lies in bits 4 j of word i
//         NAME.qzeros   I32   [groups, rows / 8]       row 8 i + j lies in bits 4 j of word i
//         NAME.scales   float [groups, rows]           NAME.g_idx  I32 [columns], the group of each
//         w[r][c] = (q - (zero + 1)) * scale; "gptq_v2" stores the zeros themselves
//
// Differences of small integers are exact; the product is rounded once, to F32.
#ifndef SAMARA_CONVERTER_PACKED_WEIGHTS_H_
#define SAMARA_CONVERTER_PACKED_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "converter/json.h"
#include "converter/safetensors.h"
#include "formats/status.h"

namespace samara {

struct PackedWeight {
  enum class Kind { kFp8, kAwq, kGptq };
  Kind kind = Kind::kFp8;
  uint64_t rows = 0, columns = 0;
  TensorInfo values, scales, zeros;
  uint64_t block_rows = 1, block_columns = 1;  // FP8
  std::vector<uint32_t> groups;                // AWQ, GPTQ: of each column; all have scales
  int zero_offset = 0;                         // added to a stored zero
};

// The value of an E4M3 number; NaN for the two that are none.
float FloatFromE4m3(uint8_t bits);

// What config.json's quantization_config says; other methods and settings are refused by name.
// `checkpoint` has the matrices in the place of their parts afterwards.
Status UnpackWeights(const Json& config, Checkpoint* checkpoint);

// `bytes` bytes from `offset` of the matrix, as F32. Both are multiples of 4.
Status ReadPacked(const Checkpoint& checkpoint, const PackedWeight& weight, uint64_t offset,
                  uint8_t* out, uint64_t bytes);

}  // namespace samara

#endif  // SAMARA_CONVERTER_PACKED_WEIGHTS_H_
