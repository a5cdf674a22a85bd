// What every function of the C API does: keeps the thread's error text, stops exceptions, checks its arguments.
#ifndef SAMARA_RUNTIME_API_GUARD_H_
#define SAMARA_RUNTIME_API_GUARD_H_

#include <type_traits>

#include "formats/status.h"
#include "samara/samara.h"

namespace samara {

void ClearError();
const char* LastError();
samara_status Report(const Status& status);
samara_status ReportText(samara_status status, const char* text);

samara_status GuardCall(Status (*call)(void*), void* function) noexcept;

// The handlers are there once for all functions.
template <typename F>
samara_status Guard(F&& function) noexcept {
  return GuardCall(
      [](void* f) -> Status { return (*static_cast<std::remove_reference_t<F>*>(f))(); },
      &function);
}

inline Status Null(const char* what) { return InvalidArgument("%s is NULL", what); }

template <typename T>
Status CheckSize(const T* object, const char* what) {
  if (object == nullptr) return Null(what);
  if (object->struct_size == sizeof(T)) return {};
  return InvalidArgument("%s: struct_size is %zu, want %zu", what, object->struct_size, sizeof(T));
}

}  // namespace samara

#endif  // SAMARA_RUNTIME_API_GUARD_H_
