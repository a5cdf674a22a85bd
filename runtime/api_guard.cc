#include "runtime/api_guard.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace samara {
namespace {

thread_local char last_error[1024];

}  // namespace

void ClearError() { last_error[0] = '\0'; }
const char* LastError() { return last_error; }

samara_status GuardCall(Status (*call)(void*), void* function) noexcept {
  ClearError();
  try {
    return Report(call(function));
  } catch (const std::bad_alloc&) {
    return ReportText(SAMARA_OUT_OF_MEMORY, "an allocation failed");
  } catch (...) {
    return ReportText(SAMARA_INTERNAL, "an unexpected exception");
  }
}

samara_status Report(const Status& status) {
  if (status.ok()) return SAMARA_OK;
  return ReportText(static_cast<samara_status>(status.code()), status.message());
}

samara_status ReportText(samara_status status, const char* text) {
  size_t n = std::min(std::strlen(text), sizeof last_error - 1);
  // Not in the middle of a character.
  if (text[n] != '\0') {
    while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;
  }
  std::memcpy(last_error, text, n);
  last_error[n] = '\0';
  return status;
}

}  // namespace samara
