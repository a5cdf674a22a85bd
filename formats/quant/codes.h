// Blocks of the K, IQ4 and MXFP4 types taken apart into codes, equal in value to ggml's blocks of the same name.
// What reads, writes or moves such blocks goes through this form; so a type is its row in the table and the two
// functions that find its bits.
//
//   Q2_K   84 bytes   u8 scales[16] (low nibble scale, high minimum); u8 qs[64]; f16 d, dmin
//   Q3_K  110 bytes   u8 hmask[32]; u8 qs[64]; u8 scales[12]; f16 d
//   Q4_K  144 bytes   f16 d, dmin; u8 scales[12]; u8 qs[128]
//   Q5_K  176 bytes   f16 d, dmin; u8 scales[12]; u8 qh[32]; u8 qs[128]
//   Q6_K  210 bytes   u8 ql[128]; u8 qh[64]; i8 scales[16]; f16 d
//   IQ4_NL 18 bytes   f16 d; u8 qs[16]
//   IQ4_XS 136 bytes  f16 d; u16 scales_h; u8 scales_l[4]; u8 qs[128]
//   MXFP4  17 bytes   u8 e; u8 qs[16]
//
// Element k belongs to sub-block k / sub. With S = d * (scale code - scale_bias), M = dmin * minimum code, both exact in
// f32, and v = quant code - quant_bias, or the table's value:   w = S * v, or S * v - M: product rounded, then the sum.
// IQ4_NL: S = d. MXFP4: S = 2^(e - 128).
#ifndef SAMARA_FORMATS_QUANT_CODES_H_
#define SAMARA_FORMATS_QUANT_CODES_H_

#include <cstdint>

#include "formats/dtypes.h"

namespace samara {

struct CodeForm {
  DType dtype;
  uint16_t elements;  // of a block
  uint8_t sub;        // elements of a sub-block: 16 or 32
  uint8_t bits;       // of a quant code
  bool minimum;
  int8_t scale_bias, quant_bias;
  const int8_t* values;  // of the quant codes; nullptr: code - quant_bias

  uint32_t subs() const { return elements / sub; }
};
// nullptr: not one of these types.
const CodeForm* FindCodeForm(DType dtype);

struct BlockCodes {
  uint16_t d, m;  // f16 as stored; MXFP4: e in d
  uint8_t scale[16], minimum[16];
  uint8_t q[256];
};
// Reads a block of ggml's layout; what the type does not have is 0.
void SplitBlock(const CodeForm& form, const uint8_t* block, BlockCodes* codes);
// The inverse. Codes must be in their type's range.
void JoinBlock(const CodeForm& form, const BlockCodes& codes, uint8_t* block);

// S and -M of a sub-block; -M is 0 for a type without minimum.
float SubScale(const CodeForm& form, const BlockCodes& codes, uint32_t sub);
float SubOffset(const CodeForm& form, const BlockCodes& codes, uint32_t sub);
// v of a quant code.
int32_t QuantValue(const CodeForm& form, uint8_t code);

// Values of the first n elements of a block.
void DequantizeCodes(const CodeForm& form, const BlockCodes& codes, uint64_t n, float* out);

// The tables: of IQ4_NL and IQ4_XS, and twice the values of MXFP4's 4-bit floats.
extern const int8_t kIq4Values[16];
extern const int8_t kFp4Values[16];

}  // namespace samara

#endif  // SAMARA_FORMATS_QUANT_CODES_H_
