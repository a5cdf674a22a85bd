#include "formats/quant/codes.h"

#include <bit>
#include <cstring>

#include "formats/quant/blocks.h"

namespace samara {

const int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                               1,    13,   25,  38,  53,  69,  89,  113};
const int8_t kFp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

namespace {

constexpr CodeForm kForms[] = {
    // dtype, elements, sub, bits, minimum, scale bias, quant bias, values
    {DType::kQ2_K, 256, 16, 2, true, 0, 0, nullptr},
    {DType::kQ3_K, 256, 16, 3, false, 32, 4, nullptr},
    {DType::kQ4_K, 256, 32, 4, true, 0, 0, nullptr},
    {DType::kQ5_K, 256, 32, 5, true, 0, 0, nullptr},
    {DType::kQ6_K, 256, 16, 6, false, 0, 32, nullptr},
    {DType::kIQ4_NL, 32, 32, 4, false, 0, 0, kIq4Values},
    {DType::kIQ4_XS, 256, 32, 4, false, 32, 0, kIq4Values},
    {DType::kMXFP4, 32, 32, 4, false, 0, 0, kFp4Values},
};

// Where a type's parts lie in its block.
struct Places {
  uint8_t d, m, scales, high, quants;
};
constexpr uint8_t kNone = 255;
Places PlacesOf(DType dtype) {
  switch (dtype) {
    case DType::kQ2_K:
      return {80, 82, 0, kNone, 16};
    case DType::kQ3_K:
      return {108, kNone, 96, 0, 32};
    case DType::kQ4_K:
      return {0, 2, 4, kNone, 16};
    case DType::kQ5_K:
      return {0, 2, 4, 16, 48};
    case DType::kQ6_K:
      return {208, kNone, 192, 128, 0};
    case DType::kIQ4_XS:
      return {0, kNone, 2, kNone, 8};
    case DType::kMXFP4:
      return {0, kNone, kNone, kNone, 1};
    default:  // IQ4_NL
      return {0, kNone, kNone, kNone, 2};
  }
}

// Calls move(bits at byte + shift of the block, n bits, bits from `low` of *code) for each field of the scale
// codes.
template <typename Move>
void EachScaleField(DType dtype, const Places& at, Move move) {
  switch (dtype) {
    case DType::kQ2_K:
      for (int s = 0; s < 16; ++s) {
        move(at.scales + s, 0, 4, false, s, 0);
        move(at.scales + s, 4, 4, true, s, 0);
      }
      return;
    case DType::kQ3_K:
      for (int s = 0; s < 16; ++s) {
        move(at.scales + s % 8, s / 8 * 4, 4, false, s, 0);
        move(at.scales + 8 + s % 4, s / 4 * 2, 2, false, s, 4);
      }
      return;
    case DType::kQ4_K:
    case DType::kQ5_K:
      for (int s = 0; s < 4; ++s) {
        move(at.scales + s, 0, 6, false, s, 0);
        move(at.scales + 4 + s, 0, 6, true, s, 0);
        move(at.scales + 8 + s, 0, 4, false, 4 + s, 0);
        move(at.scales + 8 + s, 4, 4, true, 4 + s, 0);
        move(at.scales + s, 6, 2, false, 4 + s, 4);
        move(at.scales + 4 + s, 6, 2, true, 4 + s, 4);
      }
      return;
    case DType::kQ6_K:
      for (int s = 0; s < 16; ++s) move(at.scales + s, 0, 8, false, s, 0);
      return;
    case DType::kIQ4_XS:
      for (int s = 0; s < 8; ++s) {
        move(at.scales + 2 + s / 2, s % 2 * 4, 4, false, s, 0);
        move(at.scales + s / 4, s % 4 * 2, 2, false, s, 4);
      }
      return;
    default:
      return;
  }
}

// The same for the quant codes: of element k, n bits from bit `low` of its code on.
template <typename Move>
void EachQuantField(const CodeForm& form, const Places& at, Move move) {
  const int n = form.elements;
  switch (form.dtype) {
    case DType::kQ2_K:
    case DType::kQ3_K:
      for (int k = 0; k < n; ++k) {
        move(at.quants + k / 128 * 32 + k % 32, k % 128 / 32 * 2, 2, k, 0);
        if (form.bits == 3) move(at.high + k % 32, k / 32, 1, k, 2);
      }
      return;
    case DType::kQ4_K:
    case DType::kQ5_K:
      for (int k = 0; k < n; ++k) {
        move(at.quants + k / 64 * 32 + k % 32, k % 64 / 32 * 4, 4, k, 0);
        if (form.bits == 5) move(at.high + k % 32, k / 32, 1, k, 4);
      }
      return;
    case DType::kQ6_K:
      for (int k = 0; k < n; ++k) {
        move(at.quants + k / 128 * 64 + k % 64, k % 128 / 64 * 4, 4, k, 0);
        move(at.high + k / 128 * 32 + k % 32, k % 128 / 32 * 2, 2, k, 4);
      }
      return;
    default:
      for (int k = 0; k < n; ++k) move(at.quants + k / 32 * 16 + k % 16, k % 32 / 16 * 4, 4, k, 0);
      return;
  }
}

uint16_t Load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
void Store16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v);
  p[1] = static_cast<uint8_t>(v >> 8);
}

}  // namespace

const CodeForm* FindCodeForm(DType dtype) {
  for (const CodeForm& form : kForms) {
    if (form.dtype == dtype) return &form;
  }
  return nullptr;
}

void SplitBlock(const CodeForm& form, const uint8_t* block, BlockCodes* codes) {
  const Places at = PlacesOf(form.dtype);
  std::memset(codes, 0, sizeof(*codes));
  codes->d = form.dtype == DType::kMXFP4 ? block[at.d] : Load16(block + at.d);
  if (at.m != kNone) codes->m = Load16(block + at.m);
  EachScaleField(form.dtype, at, [&](int byte, int shift, int n, bool minimum, int s, int low) {
    const int bits = block[byte] >> shift & ((1 << n) - 1);
    uint8_t* code = (minimum ? codes->minimum : codes->scale) + s;
    *code = static_cast<uint8_t>(*code | bits << low);
  });
  EachQuantField(form, at, [&](int byte, int shift, int n, int k, int low) {
    const int bits = block[byte] >> shift & ((1 << n) - 1);
    codes->q[k] = static_cast<uint8_t>(codes->q[k] | bits << low);
  });
}

void JoinBlock(const CodeForm& form, const BlockCodes& codes, uint8_t* block) {
  const Places at = PlacesOf(form.dtype);
  std::memset(block, 0, FindDType(form.dtype)->block_bytes);
  if (form.dtype == DType::kMXFP4) {
    block[at.d] = static_cast<uint8_t>(codes.d);
  } else {
    Store16(block + at.d, codes.d);
  }
  if (at.m != kNone) Store16(block + at.m, codes.m);
  const auto put = [block](int byte, int shift, int n, int bits) {
    block[byte] = static_cast<uint8_t>(block[byte] | (bits & ((1 << n) - 1)) << shift);
  };
  EachScaleField(form.dtype, at, [&](int byte, int shift, int n, bool minimum, int s, int low) {
    put(byte, shift, n, (minimum ? codes.minimum : codes.scale)[s] >> low);
  });
  EachQuantField(form, at, [&](int byte, int shift, int n, int k, int low) {
    put(byte, shift, n, codes.q[k] >> low);
  });
}

float SubScale(const CodeForm& form, const BlockCodes& codes, uint32_t sub) {
  if (form.dtype == DType::kMXFP4) {
    const uint32_t e = codes.d;
    return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  }
  const float d = FloatFromHalf(codes.d);
  if (form.dtype == DType::kIQ4_NL) return d;
  const int code = form.dtype == DType::kQ6_K ? static_cast<int8_t>(codes.scale[sub])
                                              : codes.scale[sub] - form.scale_bias;
  return d * static_cast<float>(code);
}

float SubOffset(const CodeForm& form, const BlockCodes& codes, uint32_t sub) {
  return form.minimum ? -(FloatFromHalf(codes.m) * static_cast<float>(codes.minimum[sub])) : 0.0f;
}

int32_t QuantValue(const CodeForm& form, uint8_t code) {
  return form.values != nullptr ? form.values[code & 15] : code - form.quant_bias;
}

void DequantizeCodes(const CodeForm& form, const BlockCodes& codes, uint64_t n, float* out) {
  for (uint64_t k = 0; k < n; ++k) {
    const uint32_t sub = static_cast<uint32_t>(k) / form.sub;
    const float product =
        SubScale(form, codes, sub) * static_cast<float>(QuantValue(form, codes.q[k]));
    out[k] = form.minimum ? product + SubOffset(form, codes, sub) : product;
  }
}

}  // namespace samara
