#include "converter/tokenizer/charsmap.h"

#include <cstdint>
#include <vector>

#include "converter/tokenizer/charset.h"

namespace samara {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 24;
constexpr size_t kMaxKeyBytes = 64;
constexpr uint64_t kMaxVisits = uint64_t{1} << 22;
constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

uint32_t Load(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

}  // namespace

StatusOr<std::map<std::string, std::string>> ReadCharsmap(std::string_view bytes) {
  std::map<std::string, std::string> map;
  if (bytes.empty()) return map;
  const Status bad =
      InvalidFile("precompiled_charsmap: got %zu bytes that are no map of texts", bytes.size());
  if (bytes.size() < 4 || bytes.size() > kMaxBytes) return bad;
  const uint32_t trie_bytes = Load(bytes, 0);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > bytes.size() - 4) return bad;
  const uint32_t n = trie_bytes / 4;
  const std::string_view texts = bytes.substr(4 + trie_bytes);
  // A unit: bits 0..7 and 31 the byte that leads to it, bit 8: a key ends, the rest an offset that
  // is exclusive-ored to its place.
  const auto unit = [&](uint32_t at) { return Load(bytes, 4 + size_t{at} * 4); };
  const auto children = [&](uint32_t at) {
    const uint32_t u = unit(at);
    return at ^ (u >> 10 << ((u & 512) >> 6));
  };
  struct Place {
    uint32_t unit;
    std::string key;
  };
  std::vector<Place> open = {{0, ""}};
  uint64_t visits = 0;
  while (!open.empty()) {
    const Place place = std::move(open.back());
    open.pop_back();
    const uint32_t first = children(place.unit);
    if (++visits > kMaxVisits || place.key.size() > kMaxKeyBytes) return bad;
    if (!place.key.empty() && (unit(place.unit) >> 8 & 1) != 0) {
      if (first >= n) return bad;
      const uint32_t value = unit(first) & 0x7FFFFFFF;
      const size_t end = value < texts.size() ? texts.find('\0', value) : std::string_view::npos;
      if (end == std::string_view::npos) return bad;
      const std::string_view text = texts.substr(value, end - value);
      if (!IsUtf8(text) || !IsUtf8(place.key)) return bad;
      map[place.key] = text;
    }
    for (uint32_t byte = 1; byte < 256; ++byte) {
      const uint32_t child = first ^ byte;
      if (child >= n || (unit(child) & 0x800000FF) != byte) continue;
      open.push_back({child, place.key + static_cast<char>(byte)});
    }
  }
  return map;
}

StatusOr<std::string> DecodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0, n = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    const size_t digit = std::string_view(kDigits).find(c);
    if (digit == std::string_view::npos || c == '\0')
      return InvalidFile("precompiled_charsmap: got a character that is not of base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    n += 6;
    if (n < 8) continue;
    n -= 8;
    out += static_cast<char>(bits >> n & 255);
  }
  return out;
}

std::string EncodeBase64(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i)
      out += at + i > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * i) & 63];
  }
  return out;
}

}  // namespace samara
