// Element types and block codecs: one row of facts a type. Numbers are stored in packages: append only.
#ifndef SAMARA_FORMATS_DTYPES_H_
#define SAMARA_FORMATS_DTYPES_H_

#include <cstdint>
#include <string_view>

namespace samara {

enum class DType : uint16_t {
  kInvalid = 0,
  kF32 = 1,
  kF16 = 2,
  kBF16 = 3,
  // Block codecs of 32 elements, equal in value to ggml's blocks of the same name (formats/quant/blocks.h).
  kQ8_0 = 4,
  kQ4_0 = 5,
  kQ4_1 = 6,
  kQ5_0 = 7,
  kQ5_1 = 8,
  // Super-blocks of 256 with scales of their own for each 16 or 32 (formats/quant/codes.h).
  kQ2_K = 9,
  kQ3_K = 10,
  kQ4_K = 11,
  kQ5_K = 12,
  kQ6_K = 13,
  // Quants that are places in a table of 16 values.
  kIQ4_NL = 14,
  kIQ4_XS = 15,
  kMXFP4 = 16,
  // 17..31 are reserved for further block codecs.
  kI32 = 32,
  kBool = 33,  // one byte, 0 or 1; what comparisons give
};

struct DTypeInfo {
  DType dtype;
  const char* name;         // "q4_0": as on command lines and in summaries
  uint32_t block_elements;  // 1 for plain types
  uint32_t block_bytes;     // bytes of one block in row-major order (ggml's size)
  bool is_quantized;
  bool is_weight;  // may be the codec of a weight
};

// nullptr for a number this build does not know.
const DTypeInfo* FindDType(DType dtype);
const DTypeInfo* FindDType(std::string_view name);
// The name, or "dtype <number>" text "unknown".
const char* DTypeName(DType dtype);

}  // namespace samara

#endif  // SAMARA_FORMATS_DTYPES_H_
