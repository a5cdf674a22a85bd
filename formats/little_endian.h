// Integers of files: little-endian on every machine, at any alignment.
#ifndef SAMARA_FORMATS_LITTLE_ENDIAN_H_
#define SAMARA_FORMATS_LITTLE_ENDIAN_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace samara {

template <typename T>
void StoreLittleEndian(T value, uint8_t* out) {
  static_assert(std::is_unsigned_v<T>);
  for (size_t i = 0; i < sizeof(T); ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

template <typename T>
T LoadLittleEndian(const uint8_t* bytes) {
  static_assert(std::is_unsigned_v<T>);
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value | static_cast<T>(bytes[i]) << (8 * i));
  return value;
}

}  // namespace samara

#endif  // SAMARA_FORMATS_LITTLE_ENDIAN_H_
