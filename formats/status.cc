#include "formats/status.h"

#include <cstdarg>
#include <cstdint>
#include <cstdio>

namespace samara {
namespace {

// Long enough for every message of ours: names in messages go through Quoted, which bounds them.
constexpr size_t kMaxMessageBytes = 4096;

// The text of an error whose own text could not be allocated.
const char* FixedMessage(StatusCode code) {
  return code == StatusCode::kOutOfMemory ? "out of memory"
                                          : "no memory was left for the text of this error";
}

std::unique_ptr<std::string> CopyText(const std::string& text) noexcept {
  try {
    return std::make_unique<std::string>(text);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

Status Format(StatusCode code, const char* format, va_list arguments) {
  char text[kMaxMessageBytes];
  int length = std::vsnprintf(text, sizeof text, format, arguments);
  if (length < 0) text[0] = '\0';
  for (char* c = text; *c != '\0'; ++c) {
    if (*c == '\n' || *c == '\r') *c = ' ';
  }
  try {
    return Status(code, std::string(text));
  } catch (const std::bad_alloc&) {
    return Status(code, std::string());
  }
}

// Bytes of the UTF-8 character at text[i]: 0 if it is not well-formed.
size_t Utf8Length(std::string_view text, size_t i, uint32_t* code_point) {
  auto byte = [&](size_t k) { return static_cast<uint8_t>(text[k]); };
  uint8_t lead = byte(i);
  size_t length = lead < 0x80   ? 1
                  : lead < 0xC2 ? 0
                  : lead < 0xE0 ? 2
                  : lead < 0xF0 ? 3
                  : lead < 0xF5 ? 4
                                : 0;
  if (length == 0 || i + length > text.size()) return 0;
  uint32_t value = length == 1 ? lead : lead & (0x7Fu >> length);
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
    value = value << 6 | (byte(i + k) & 0x3Fu);
  }
  if (length == 3 && (value < 0x800 || (value >= 0xD800 && value < 0xE000))) return 0;
  if (length == 4 && (value < 0x10000 || value > 0x10FFFF)) return 0;
  *code_point = value;
  return length;
}

// Characters that move the cursor, reorder a line or break it.
bool IsPrintable(uint32_t c) {
  if (c < 0x20 || (c >= 0x7F && c < 0xA0)) return false;
  if (c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E)) return false;
  return !(c >= 0x2066 && c <= 0x2069);
}

}  // namespace

const char* StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "OK";
    case StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case StatusCode::kNotFound:
      return "NOT_FOUND";
    case StatusCode::kInvalidFile:
      return "INVALID_FILE";
    case StatusCode::kUnsupported:
      return "UNSUPPORTED";
    case StatusCode::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case StatusCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case StatusCode::kIo:
      return "IO";
    case StatusCode::kCancelled:
      return "CANCELLED";
    case StatusCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case StatusCode::kDeviceLost:
      return "DEVICE_LOST";
    case StatusCode::kInternal:
      return "INTERNAL";
  }
  return "UNKNOWN";
}

Status::Status(StatusCode code, std::string message) noexcept : code_(code) {
  if (code == StatusCode::kOk || message.empty()) return;
  message_.reset(new (std::nothrow) std::string(std::move(message)));
}

Status::Status(const Status& other) noexcept : code_(other.code_) {
  if (other.message_ != nullptr) message_ = CopyText(*other.message_);
}

Status& Status::operator=(const Status& other) noexcept {
  if (this == &other) return *this;
  code_ = other.code_;
  message_ = other.message_ != nullptr ? CopyText(*other.message_) : nullptr;
  return *this;
}

const char* Status::message() const {
  if (ok()) return "";
  return message_ != nullptr ? message_->c_str() : FixedMessage(code_);
}

Status Status::WithContext(std::string_view prefix) const {
  if (ok()) return Status();
  try {
    std::string text(prefix);
    text += ": ";
    text += message();
    return Status(code_, std::move(text));
  } catch (const std::bad_alloc&) {
    return *this;
  }
}

#define SAMARA_DEFINE_STATUS(function, code)         \
  Status function(const char* format, ...) {         \
    va_list arguments;                               \
    va_start(arguments, format);                     \
    Status status = Format(code, format, arguments); \
    va_end(arguments);                               \
    return status;                                   \
  }

SAMARA_DEFINE_STATUS(InvalidArgument, StatusCode::kInvalidArgument)
SAMARA_DEFINE_STATUS(NotFound, StatusCode::kNotFound)
SAMARA_DEFINE_STATUS(InvalidFile, StatusCode::kInvalidFile)
SAMARA_DEFINE_STATUS(Unsupported, StatusCode::kUnsupported)
SAMARA_DEFINE_STATUS(OutOfMemory, StatusCode::kOutOfMemory)
SAMARA_DEFINE_STATUS(ResourceExhausted, StatusCode::kResourceExhausted)
SAMARA_DEFINE_STATUS(IoError, StatusCode::kIo)
SAMARA_DEFINE_STATUS(Cancelled, StatusCode::kCancelled)
SAMARA_DEFINE_STATUS(FailedPrecondition, StatusCode::kFailedPrecondition)
SAMARA_DEFINE_STATUS(Internal, StatusCode::kInternal)

std::string Quoted(std::string_view text, size_t limit) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  size_t i = 0;
  while (i < text.size()) {
    uint32_t c = 0;
    size_t length = Utf8Length(text, i, &c);
    size_t step = length == 0 ? 1 : length;
    if (i + step > limit) break;
    if (length != 0 && IsPrintable(c)) {
      if (c == '"' || c == '\\') out += '\\';
      out.append(text.substr(i, length));
    } else {
      for (size_t k = 0; k < step; ++k) {
        uint8_t byte = static_cast<uint8_t>(text[i + k]);
        out += "\\x";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      }
    }
    i += step;
  }
  out += '"';
  if (i < text.size()) out += "...";
  return out;
}

}  // namespace samara
