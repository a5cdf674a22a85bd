// Text for people and for programs: escaping, numbers without a locale, JSON.
#ifndef SAMARA_APPS_COMMON_TEXT_H_
#define SAMARA_APPS_COMMON_TEXT_H_

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace samara::apps {

// Appends `text` with control characters (C0 but tab, DEL, C1) as \xNN and characters that reorder
// what follows (U+202A to U+202E, U+2066 to U+2069) as \uNNNN, so that no text of a package or a
// model can steer a terminal. Newlines stay only if asked.
void AppendEscaped(std::string_view text, bool keep_line_breaks, std::string* out);
std::string Escaped(std::string_view text);  // one line, without line breaks

std::string Fixed(double value, int decimals);  // "12.50"
std::string NineDigits(float value);            // equal text is equal bits
std::string BytesText(uint64_t bytes);          // "1.3 MB"
std::string Count(uint64_t value);              // "1,234,567"

// All of `text` to the stream, flushed; false if that failed (full disk, closed pipe).
bool WriteAll(std::string_view text, std::FILE* stream);

// Rows of cells, printed in columns. A cell that begins with a digit goes to the right of its
// column, but not in the last one.
class Table {
 public:
  explicit Table(int indent = 2) : indent_(indent) {}
  void Row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  std::string Text() const;

 private:
  int indent_;
  std::vector<std::vector<std::string>> rows_;
};

// Writes JSON. Keys and values are given in order; commas and indentation come by themselves.
// `compact` containers stay on one line.
class JsonWriter {
 public:
  void BeginObject(bool compact = false) { Begin('{', compact); }
  void EndObject() { End('}'); }
  void BeginArray(bool compact = false) { Begin('[', compact); }
  void EndArray() { End(']'); }
  void Key(std::string_view key);
  void String(std::string_view value);  // invalid UTF-8 becomes U+FFFD
  void Uint(uint64_t value);
  void Int(int64_t value);
  void Double(double value);           // shortest text that reads back equal; null if not finite
  void Number(std::string_view text);  // as it is
  void Bool(bool value) { Number(value ? "true" : "false"); }
  void Member(std::string_view key, std::string_view value) { Key(key), String(value); }
  void Member(std::string_view key, const char* value) { Key(key), String(value); }
  void Member(std::string_view key, uint64_t value) { Key(key), Uint(value); }
  void Member(std::string_view key, uint32_t value) { Key(key), Uint(value); }
  void Member(std::string_view key, double value) { Key(key), Double(value); }
  void Member(std::string_view key, bool value) { Key(key), Bool(value); }
  // The text with a final newline.
  std::string Finish();
  // What was written so far, taken out: for output that is too long to keep.
  std::string Take();

 private:
  struct Level {
    bool compact;
    bool empty;
  };
  void Begin(char bracket, bool compact);
  void End(char bracket);
  void Separate();
  std::string text_;
  std::vector<Level> levels_;
  bool after_key_ = false;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_COMMON_TEXT_H_
