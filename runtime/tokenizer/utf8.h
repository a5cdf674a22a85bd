// UTF-8 with bounds: every function is safe on any bytes.
#ifndef SAMARA_RUNTIME_TOKENIZER_UTF8_H_
#define SAMARA_RUNTIME_TOKENIZER_UTF8_H_

#include <cstdint>

namespace samara {

inline constexpr uint32_t kReplacementCharacter = 0xFFFD;
inline constexpr uint8_t kReplacementBytes[3] = {0xEF, 0xBF, 0xBD};

// What stands at the beginning of [p, end), which is not empty.
struct Utf8Char {
  uint32_t code_point;  // U+FFFD where ill-formed
  uint8_t bytes;        // 1 to 4; ill-formed: the length of the maximal subpart, 1 to 3
  bool valid;
  bool truncated;  // ill-formed only because the bytes end here
};

inline Utf8Char DecodeUtf8(const uint8_t* p, const uint8_t* end) {
  const uint32_t lead = p[0];
  if (lead < 0x80) return {lead, 1, true, false};
  uint32_t n = 0, cp = 0, low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    n = 2, cp = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    n = 3, cp = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;   // overlong
    if (lead == 0xED) high = 0x9F;  // surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    n = 4, cp = lead & 0x07;
    if (lead == 0xF0) low = 0x90;   // overlong
    if (lead == 0xF4) high = 0x8F;  // above U+10FFFF
  } else {
    return {kReplacementCharacter, 1, false, false};
  }
  for (uint32_t i = 1; i < n; ++i) {
    if (p + i == end) return {kReplacementCharacter, static_cast<uint8_t>(i), false, true};
    if (p[i] < low || p[i] > high) {
      return {kReplacementCharacter, static_cast<uint8_t>(i), false, false};
    }
    cp = cp << 6 | (p[i] & 0x3F);
    low = 0x80, high = 0xBF;
  }
  return {cp, static_cast<uint8_t>(n), true, false};
}

inline uint32_t Utf8Bytes(uint32_t cp) {
  return cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
}

// Writes a code point, at most 4 bytes; returns how many.
inline uint32_t EncodeUtf8(uint32_t cp, uint8_t* out) {
  if (cp < 0x80) {
    out[0] = static_cast<uint8_t>(cp);
    return 1;
  }
  if (cp < 0x800) {
    out[0] = static_cast<uint8_t>(0xC0 | cp >> 6);
    out[1] = static_cast<uint8_t>(0x80 | (cp & 0x3F));
    return 2;
  }
  if (cp < 0x10000) {
    out[0] = static_cast<uint8_t>(0xE0 | cp >> 12);
    out[1] = static_cast<uint8_t>(0x80 | (cp >> 6 & 0x3F));
    out[2] = static_cast<uint8_t>(0x80 | (cp & 0x3F));
    return 3;
  }
  out[0] = static_cast<uint8_t>(0xF0 | (cp >> 18 & 0x07));
  out[1] = static_cast<uint8_t>(0x80 | (cp >> 12 & 0x3F));
  out[2] = static_cast<uint8_t>(0x80 | (cp >> 6 & 0x3F));
  out[3] = static_cast<uint8_t>(0x80 | (cp & 0x3F));
  return 4;
}

}  // namespace samara

#endif  // SAMARA_RUNTIME_TOKENIZER_UTF8_H_
