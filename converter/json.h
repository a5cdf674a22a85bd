// A strict JSON reader (RFC 8259) for the files of a checkpoint.
//
// JsonDocument owns the parsed text; Json is a light handle (pointer and index) to one value in it,
// valid as long as the document. Strict means: UTF-8 is checked, a lone surrogate escape, a
// duplicate key, NaN, a comment, a trailing comma or anything after the value is an error. Integers
// are kept exactly in int64 or uint64; other numbers, and integers that fit neither, are binary64.
// Memory: at most 13 times the text, for any text.
//
// Errors name the file and what was got and wanted: by byte offset while parsing ("config.json:
// byte 17: got
// '}', wanted a value"), by path afterwards ("config.json: field rope_scaling.factor: got string,
// wanted a number of 1 or more").
#ifndef SAMARA_CONVERTER_JSON_H_
#define SAMARA_CONVERTER_JSON_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "formats/status.h"

namespace samara {

enum class JsonKind : uint8_t { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };

namespace json_internal {
struct Tree;
}

class Json {
 public:
  Json() = default;  // absent: what Find gives for a key that is not there

  bool exists() const { return tree_ != nullptr; }
  explicit operator bool() const { return exists(); }
  // Of an absent value: kNull.
  JsonKind kind() const;
  bool IsNull() const { return kind() == JsonKind::kNull; }  // or absent
  bool IsBool() const { return kind() == JsonKind::kBool; }
  bool IsInteger() const { return kind() == JsonKind::kInt || kind() == JsonKind::kUint; }
  bool IsNumber() const { return IsInteger() || kind() == JsonKind::kDouble; }
  bool IsString() const { return kind() == JsonKind::kString; }
  bool IsArray() const { return kind() == JsonKind::kArray; }
  bool IsObject() const { return kind() == JsonKind::kObject; }

  // Elements of an array, members of an object; else 0.
  uint64_t size() const;
  // The member's name, where this is a member of an object; else "". Lives as long as the document.
  std::string_view key() const;
  // Linear in the members. Absent if there is no such member, or this is no object.
  Json Find(std::string_view key) const;

  // for (Json e : array) ...; for (Json m : object) use m.key(). Nothing for other kinds.
  class Iterator {
   public:
    Iterator(const json_internal::Tree* tree, uint32_t index) : tree_(tree), index_(index) {}
    Json operator*() const { return Json(tree_, index_); }
    Iterator& operator++();
    bool operator==(const Iterator&) const = default;

   private:
    const json_internal::Tree* tree_;
    uint32_t index_;
  };
  Iterator begin() const;
  Iterator end() const;

  // The value as a type, or an error that names its path. Ranges are inclusive.
  StatusOr<bool> Bool() const;
  StatusOr<int64_t> Int(int64_t min = INT64_MIN, int64_t max = INT64_MAX) const;
  StatusOr<uint64_t> Uint(uint64_t min = 0, uint64_t max = UINT64_MAX) const;
  StatusOr<double> Number() const;  // integers are converted
  StatusOr<double> Number(double min, double max) const;
  StatusOr<std::string_view> String() const;
  Status WantArray() const;
  Status WantObject() const;

  // A member of this object as a type. Require...: missing or null is an error. The others: missing
  // or null gives `otherwise`; a member of another type or outside the range is an error in both.
  StatusOr<Json> Require(std::string_view key, const char* wanted) const;
  StatusOr<int64_t> RequireInt(std::string_view key, int64_t min = INT64_MIN,
                               int64_t max = INT64_MAX) const;
  StatusOr<double> RequireNumber(std::string_view key, double min, double max) const;
  StatusOr<std::string_view> RequireString(std::string_view key) const;
  StatusOr<Json> RequireArray(std::string_view key) const;
  StatusOr<Json> RequireObject(std::string_view key) const;
  StatusOr<bool> Bool(std::string_view key, bool otherwise) const;
  StatusOr<int64_t> Int(std::string_view key, int64_t otherwise, int64_t min, int64_t max) const;
  StatusOr<double> Number(std::string_view key, double otherwise, double min, double max) const;
  StatusOr<std::string_view> String(std::string_view key, std::string_view otherwise) const;

  // "config.json: field a.b[2]: " + got + ", wanted " + wanted, as kInvalidFile. The first form
  // takes the value's own text as what was got ("got string", "got -3", "got \"abc\"").
  Status Bad(std::string_view wanted) const;
  Status Bad(std::string_view got, std::string_view wanted) const;
  std::string Path() const;         // "a.b[2]"; "" for the root
  const std::string& file() const;  // the name given to Parse

 private:
  friend class JsonDocument;
  Json(const json_internal::Tree* tree, uint32_t index) : tree_(tree), index_(index) {}
  std::string GotText() const;
  Status Missing(std::string_view key, std::string_view wanted) const;

  const json_internal::Tree* tree_ = nullptr;
  uint32_t index_ = 0;
};

class JsonDocument {
 public:
  static constexpr int kMaxDepth = 64;
  static constexpr uint64_t kMaxBytes = uint64_t{256} << 20;

  JsonDocument();
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;  // handles stay valid
  JsonDocument& operator=(JsonDocument&&) noexcept;

  // `name` is what errors call the text; the text is not kept.
  static StatusOr<JsonDocument> Parse(std::string name, std::string_view text);
  static StatusOr<JsonDocument> ReadFile(const std::string& path, const std::string& name,
                                         uint64_t max_bytes = kMaxBytes);

  Json root() const&;
  Json root() const&& = delete;  // the handle would outlive the document

 private:
  std::unique_ptr<json_internal::Tree> tree_;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_JSON_H_
