// The header of GGUF files (versions 2 and 3), checked: metadata and the list of tensors.
//
// Nothing is trusted: every length is checked against the file and a limit before it is used, so that
// any bytes give success or one named error, in time and memory proportional to the header that is
// there. Values stay in the header's bytes, which are read once and kept; handles point into them.
// Facts of the format: little-endian; "GGUF", u32 version, u64 tensors, u64 pairs; pairs of key, u32
// type, value; tensors of name, u32 rank, u64 sizes (fastest first), u32 type, u64 offset from the
// data; the data begin at the next multiple of general.alignment.
#ifndef SAMARA_CONVERTER_GGUF_GGUF_H_
#define SAMARA_CONVERTER_GGUF_GGUF_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "converter/file.h"
#include "converter/safetensors.h"
#include "formats/status.h"

namespace samara {

enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// One value; lives as long as the header that it came from. Errors name file and key.
class GgufValue {
 public:
  bool IsArray() const { return is_array_; }
  bool IsString() const { return !is_array_ && type_ == GgufType::kString; }
  uint64_t size() const { return count_; }  // elements of an array
  // An integer of any width, or a whole float: 0 to max.
  StatusOr<uint64_t> Uint(uint64_t max) const;
  StatusOr<double> Number() const;
  StatusOr<bool> Bool() const;
  StatusOr<std::string_view> String() const;  // UTF-8 is not checked
  // A number as JSON writes it: floats with as few digits as give the same float again.
  StatusOr<std::string> NumberText() const;
  StatusOr<std::vector<std::string_view>> Strings() const;  // an array of strings
  StatusOr<std::vector<double>> Numbers() const;            // of numbers or bools
  StatusOr<std::string_view> Bytes() const;                 // of 8-bit integers

 private:
  friend class Gguf;
  Status Bad(const char* wanted) const;
  bool NumberAt(const char* at, double* out) const;

  const std::string* file_ = nullptr;  // its name
  std::string_view key_;
  GgufType type_ = GgufType::kU8;  // of an array: of its elements
  bool is_array_ = false;
  uint64_t count_ = 1;
  std::string_view bytes_;  // for strings: with their lengths
};

class Gguf {
 public:
  // `name` is what errors call the file. `bytes` of tensors lie in the file.
  static StatusOr<Gguf> Open(const std::string& path, const std::string& name);

  const GgufValue* Find(std::string_view key) const;
  const std::string& name() const { return *name_; }
  // All keys that begin so, ascending.
  std::vector<std::string_view> Keys(std::string_view prefix) const;
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // in the file's order
  InputFile TakeFile() { return std::move(file_); }

  // A value of that key; `otherwise` where there is none.
  StatusOr<uint64_t> Uint(std::string_view key, uint64_t otherwise, uint64_t max) const;
  StatusOr<bool> Bool(std::string_view key, bool otherwise) const;
  StatusOr<std::string_view> String(std::string_view key, std::string_view otherwise) const;

 private:
  class Cursor;
  // Where a pair lies in the header; views are made when its bytes move no more.
  struct Place {
    uint64_t key, key_bytes, value, value_bytes;
  };
  Status ReadPair(Cursor* cursor, std::vector<Place>* places);
  Status ReadTensor(Cursor* cursor);
  Status PlaceTensors(uint64_t header_end);

  std::unique_ptr<std::string> name_;    // handles point to it
  std::unique_ptr<std::string> header_;  // and into this
  std::vector<GgufValue> values_;        // ascending by key
  std::vector<TensorInfo> tensors_;
  InputFile file_;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_GGUF_GGUF_H_
