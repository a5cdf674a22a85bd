// Reads JSON: conversations that were saved. Objects keep the order of their members.
#ifndef SAMARA_APPS_CHAT_JSON_VALUE_H_
#define SAMARA_APPS_CHAT_JSON_VALUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace samara::apps {

struct JsonMember;

struct JsonValue {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text;  // of a string; of a number as it is written
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;

  const JsonValue* Find(std::string_view key) const;  // nullptr: none
  // A member's string, bool or number; nothing if it is absent or of another kind.
  std::optional<std::string> String(std::string_view key) const;
  std::optional<bool> Bool(std::string_view key) const;
  std::optional<uint64_t> Uint(std::string_view key) const;
  std::optional<uint64_t> AsUint() const;
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

// Nothing, and what is wrong in *error, if the text is not one value, is deeper than 64 levels or
// names a member twice.
std::optional<JsonValue> ParseJson(std::string_view text, std::string* error);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_JSON_VALUE_H_
