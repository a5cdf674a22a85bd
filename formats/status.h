// Status: how every fallible function of Samara reports.
//
// An OK Status is one null pointer. An error holds a code and one line of text that names the thing,
// what was got and what was wanted. Building an error may allocate; if that allocation fails the code
// survives and the text becomes a fixed string. No function of Samara throws, with one exception: the
// standard library's bad_alloc may pass through internal code on its way to the C API, which turns it
// into OUT_OF_MEMORY. Everything is RAII, so nothing leaks on that way.
#ifndef SAMARA_FORMATS_STATUS_H_
#define SAMARA_FORMATS_STATUS_H_

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace samara {

// The values are those of samara_status in samara.h and never change.
enum class StatusCode : int {
  kOk = 0,
  kInvalidArgument = 1,     // the caller passed something that no file explains
  kNotFound = 2,            // a file, tensor, backend or device that is not there
  kInvalidFile = 3,         // bytes of a file break its format
  kUnsupported = 4,         // well-formed, but this build cannot do it
  kOutOfMemory = 5,         // an allocation failed
  kResourceExhausted = 6,   // a stated limit is reached: budget, context, sessions
  kIo = 7,                  // the operating system refused a file operation
  kCancelled = 8,           // the caller cancelled
  kFailedPrecondition = 9,  // right call, wrong time: a poisoned session, nothing fed
  kDeviceLost = 10,         // the device under a backend is gone
  kInternal = 11,           // a bug in Samara
};

const char* StatusCodeName(StatusCode code);  // "INVALID_FILE"

class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(StatusCode code, std::string message) noexcept;
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  Status(const Status& other) noexcept;
  Status& operator=(const Status& other) noexcept;

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  // One line without a newline; "" for OK. Valid as long as this Status.
  const char* message() const;
  // Same code, "prefix: message".
  Status WithContext(std::string_view prefix) const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::unique_ptr<std::string> message_;
};

// printf-style constructors. Print integers and strings only: %f and %g depend on the locale.
#define SAMARA_PRINTF(a, b) __attribute__((format(printf, a, b)))
Status InvalidArgument(const char* format, ...) SAMARA_PRINTF(1, 2);
Status NotFound(const char* format, ...) SAMARA_PRINTF(1, 2);
Status InvalidFile(const char* format, ...) SAMARA_PRINTF(1, 2);
Status Unsupported(const char* format, ...) SAMARA_PRINTF(1, 2);
Status OutOfMemory(const char* format, ...) SAMARA_PRINTF(1, 2);
Status ResourceExhausted(const char* format, ...) SAMARA_PRINTF(1, 2);
Status IoError(const char* format, ...) SAMARA_PRINTF(1, 2);  // append strerror(errno) yourself
Status Cancelled(const char* format, ...) SAMARA_PRINTF(1, 2);
Status FailedPrecondition(const char* format, ...) SAMARA_PRINTF(1, 2);
Status Internal(const char* format, ...) SAMARA_PRINTF(1, 2);

// Text of a file made safe for one line of a terminal: control characters, DEL and invalid UTF-8 are
// escaped as \xNN, the text is cut after `limit` bytes, and quotes are put around it.
std::string Quoted(std::string_view text, size_t limit = 80);

template <typename T>
class [[nodiscard]] StatusOr {
 public:
  StatusOr(Status status) : status_(std::move(status)) {}  // NOLINT: implicit by design; not OK
  StatusOr(T value) : value_(std::move(value)) {}          // NOLINT
  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

#define SAMARA_CONCAT_INNER(a, b) a##b
#define SAMARA_CONCAT(a, b) SAMARA_CONCAT_INNER(a, b)
#define SAMARA_RETURN_IF_ERROR(expression)           \
  do {                                               \
    ::samara::Status samara_status_ = (expression);  \
    if (!samara_status_.ok()) return samara_status_; \
  } while (0)
#define SAMARA_ASSIGN_OR_RETURN(lhs, expression) \
  SAMARA_ASSIGN_OR_RETURN_(SAMARA_CONCAT(samara_or_, __LINE__), lhs, expression)
#define SAMARA_ASSIGN_OR_RETURN_(temporary, lhs, expression) \
  auto temporary = (expression);                             \
  if (!temporary.ok()) return temporary.status();            \
  lhs = std::move(*temporary)

}  // namespace samara

#endif  // SAMARA_FORMATS_STATUS_H_
