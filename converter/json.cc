#include "converter/json.h"

#include <charconv>
#include <utility>

#include "converter/file.h"
#include "converter/json_tree.h"

namespace samara {
namespace json_internal {

namespace {

std::string IntText(long long value) {
  char buffer[24];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

std::string NumberText(double value) {
  char buffer[40];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

const char* KindName(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "a boolean";
    case JsonKind::kInt:
    case JsonKind::kUint:
    case JsonKind::kDouble:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kObject:
      return "an object";
  }
  return "null";
}

template <typename T, typename F>
std::string RangeText(const char* what, T min, T max, T lowest, T highest, F text) {
  if (min == lowest && max == highest) return what;
  if (max == highest) return std::string(what) + " of " + text(min) + " or more";
  if (min == lowest) return std::string(what) + " of " + text(max) + " or less";
  return std::string(what) + " from " + text(min) + " to " + text(max);
}

std::string IntRange(int64_t min, int64_t max) {
  return RangeText<int64_t>("an integer", min, max, INT64_MIN, INT64_MAX,
                            [](int64_t v) { return IntText(v); });
}

constexpr double kMostDouble = 1.7976931348623157e308;

std::string NumberRange(double min, double max) {
  return RangeText<double>("a number", min, max, -kMostDouble, kMostDouble, NumberText);
}

}  // namespace
}  // namespace json_internal

using json_internal::KindName;
using json_internal::Node;
using json_internal::Tree;

// --- JsonDocument
// -------------------------------------------------------------------------------------

JsonDocument::JsonDocument() = default;
JsonDocument::~JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;

StatusOr<JsonDocument> JsonDocument::Parse(std::string name, std::string_view text) {
  if (text.size() > kMaxBytes) {
    return InvalidFile("%s: got %zu bytes, wanted at most %llu", name.c_str(), text.size(),
                       static_cast<unsigned long long>(kMaxBytes));
  }
  JsonDocument document;
  document.tree_ = std::make_unique<Tree>();
  document.tree_->name = std::move(name);
  SAMARA_RETURN_IF_ERROR(json_internal::ParseTree(document.tree_.get(), text));
  return document;
}

StatusOr<JsonDocument> JsonDocument::ReadFile(const std::string& path, const std::string& name,
                                              uint64_t max_bytes) {
  SAMARA_ASSIGN_OR_RETURN(std::string text, ReadSmallFile(path, name, max_bytes));
  return Parse(name, text);
}

Json JsonDocument::root() const& { return tree_ ? Json(tree_.get(), 0) : Json(); }

// --- Json
// ---------------------------------------------------------------------------------------------

JsonKind Json::kind() const {
  return tree_ ? static_cast<JsonKind>(tree_->nodes[index_].kind) : JsonKind::kNull;
}

uint64_t Json::size() const { return IsArray() || IsObject() ? tree_->nodes[index_].count : 0; }

std::string_view Json::key() const {
  return tree_ ? tree_->Key(tree_->nodes[index_]) : std::string_view();
}

Json::Iterator& Json::Iterator::operator++() {
  index_ = tree_->nodes[index_].next;
  return *this;
}

Json::Iterator Json::begin() const {
  return size() > 0 ? Iterator(tree_, index_ + 1) : Iterator(nullptr, 0);
}

Json::Iterator Json::end() const {
  return size() > 0 ? Iterator(tree_, tree_->nodes[index_].next) : Iterator(nullptr, 0);
}

Json Json::Find(std::string_view key) const {
  if (IsObject()) {
    for (const Json member : *this) {
      if (member.key() == key) return member;
    }
  }
  return Json();
}

const std::string& Json::file() const {
  static const std::string none;
  return tree_ ? tree_->name : none;
}

std::string Json::Path() const {
  std::string path;
  if (!tree_) return path;
  // Down from the root: the child whose range holds this value.
  uint32_t at = 0;
  while (at != index_) {
    const bool array = static_cast<JsonKind>(tree_->nodes[at].kind) == JsonKind::kArray;
    uint32_t child = at + 1, number = 0;
    while (tree_->nodes[child].next <= index_) {
      child = tree_->nodes[child].next;
      ++number;
    }
    if (array) {
      path += "[" + json_internal::IntText(number) + "]";
    } else {
      const std::string_view key = tree_->Key(tree_->nodes[child]);
      bool plain = !key.empty();
      for (const char c : key) plain = plain && c > ' ' && c < 0x7F && c != '"';
      if (!path.empty()) path += ".";
      path += plain && key.size() <= 80 ? std::string(key) : Quoted(key);
    }
    at = child;
  }
  return path;
}

std::string Json::GotText() const {
  if (!tree_) return "nothing";
  const Node& node = tree_->nodes[index_];
  switch (kind()) {
    case JsonKind::kBool:
      return node.b ? "true" : "false";
    case JsonKind::kInt:
      return json_internal::IntText(node.i);
    case JsonKind::kUint:
    case JsonKind::kDouble: {
      char buffer[40];
      char* end = kind() == JsonKind::kUint
                      ? std::to_chars(buffer, buffer + sizeof buffer, node.u).ptr
                      : std::to_chars(buffer, buffer + sizeof buffer, node.d).ptr;
      return std::string(buffer, end);
    }
    case JsonKind::kString:
      return "the string " + Quoted({tree_->strings.data() + node.offset, node.count}, 40);
    default:
      return KindName(kind());
  }
}

Status Json::Bad(std::string_view got, std::string_view wanted) const {
  std::string where = Path();
  where = where.empty() ? "the whole" : "field " + where;
  return InvalidFile("%s: %s: got %.*s, wanted %.*s", file().c_str(), where.c_str(),
                     static_cast<int>(got.size()), got.data(), static_cast<int>(wanted.size()),
                     wanted.data());
}

Status Json::Bad(std::string_view wanted) const { return Bad(GotText(), wanted); }

Status Json::Missing(std::string_view key, std::string_view wanted) const {
  std::string where = Path();
  if (!where.empty()) where += ".";
  where += key;
  return InvalidFile("%s: field %s: got nothing, wanted %.*s", file().c_str(), where.c_str(),
                     static_cast<int>(wanted.size()), wanted.data());
}

StatusOr<bool> Json::Bool() const {
  if (!IsBool()) return Bad("a boolean");
  return tree_->nodes[index_].b;
}

StatusOr<int64_t> Json::Int(int64_t min, int64_t max) const {
  if (kind() != JsonKind::kInt) return Bad(json_internal::IntRange(min, max));
  const int64_t value = tree_->nodes[index_].i;
  if (value < min || value > max) return Bad(json_internal::IntRange(min, max));
  return value;
}

StatusOr<uint64_t> Json::Uint(uint64_t min, uint64_t max) const {
  const auto text = [](uint64_t v) {
    char buffer[24];
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
  };
  const std::string wanted =
      json_internal::RangeText<uint64_t>("an integer", min, max, UINT64_MAX, UINT64_MAX, text);
  if (!IsInteger()) return Bad(wanted);
  const Node& node = tree_->nodes[index_];
  if (kind() == JsonKind::kInt && node.i < 0) return Bad(wanted);
  const uint64_t value = kind() == JsonKind::kInt ? static_cast<uint64_t>(node.i) : node.u;
  if (value < min || value > max) return Bad(wanted);
  return value;
}

StatusOr<double> Json::Number() const {
  const Node* node = IsNumber() ? &tree_->nodes[index_] : nullptr;
  switch (kind()) {
    case JsonKind::kInt:
      return static_cast<double>(node->i);
    case JsonKind::kUint:
      return static_cast<double>(node->u);
    case JsonKind::kDouble:
      return node->d;
    default:
      return Bad("a number");
  }
}

StatusOr<double> Json::Number(double min, double max) const {
  if (!IsNumber()) return Bad(json_internal::NumberRange(min, max));
  const StatusOr<double> value = Number();
  if (*value < min || *value > max) return Bad(json_internal::NumberRange(min, max));
  return *value;
}

StatusOr<std::string_view> Json::String() const {
  if (!IsString()) return Bad("a string");
  const Node& node = tree_->nodes[index_];
  return std::string_view(tree_->strings.data() + node.offset, node.count);
}

Status Json::WantArray() const { return IsArray() ? Status() : Bad("an array"); }
Status Json::WantObject() const { return IsObject() ? Status() : Bad("an object"); }

// --- Members
// ------------------------------------------------------------------------------------------

StatusOr<Json> Json::Require(std::string_view key, const char* wanted) const {
  const Json member = Find(key);
  if (member.IsNull()) return Missing(key, wanted);
  return member;
}

StatusOr<int64_t> Json::RequireInt(std::string_view key, int64_t min, int64_t max) const {
  const Json member = Find(key);
  if (member.IsNull()) return Missing(key, json_internal::IntRange(min, max));
  return member.Int(min, max);
}

StatusOr<double> Json::RequireNumber(std::string_view key, double min, double max) const {
  const Json member = Find(key);
  if (member.IsNull()) return Missing(key, json_internal::NumberRange(min, max));
  return member.Number(min, max);
}

StatusOr<std::string_view> Json::RequireString(std::string_view key) const {
  const Json member = Find(key);
  if (member.IsNull()) return Missing(key, "a string");
  return member.String();
}

StatusOr<Json> Json::RequireArray(std::string_view key) const {
  const Json member = Find(key);
  if (member.IsNull()) return Missing(key, "an array");
  SAMARA_RETURN_IF_ERROR(member.WantArray());
  return member;
}

StatusOr<Json> Json::RequireObject(std::string_view key) const {
  const Json member = Find(key);
  if (member.IsNull()) return Missing(key, "an object");
  SAMARA_RETURN_IF_ERROR(member.WantObject());
  return member;
}

StatusOr<bool> Json::Bool(std::string_view key, bool otherwise) const {
  const Json member = Find(key);
  if (member.IsNull()) return otherwise;
  return member.Bool();
}

StatusOr<int64_t> Json::Int(std::string_view key, int64_t otherwise, int64_t min,
                            int64_t max) const {
  const Json member = Find(key);
  if (member.IsNull()) return otherwise;
  return member.Int(min, max);
}

StatusOr<double> Json::Number(std::string_view key, double otherwise, double min,
                              double max) const {
  const Json member = Find(key);
  if (member.IsNull()) return otherwise;
  return member.Number(min, max);
}

StatusOr<std::string_view> Json::String(std::string_view key, std::string_view otherwise) const {
  const Json member = Find(key);
  if (member.IsNull()) return otherwise;
  return member.String();
}

}  // namespace samara
