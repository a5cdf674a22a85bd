// Sessions on disk in the public C API.
#include <mutex>

#include "runtime/api_guard.h"
#include "runtime/session.h"
#include "runtime/session_file.h"

namespace samara {
namespace {

using Lock = std::lock_guard<std::mutex>;

Status Save(const Session& session, const char* path, std::span<const uint8_t> attachment) {
  NewFile file;
  SAMARA_RETURN_IF_ERROR(CheckUsable(&session));
  SAMARA_RETURN_IF_ERROR(file.Create(path));
  {
    const Lock lock(session.model->mutex);
    SAMARA_RETURN_IF_ERROR(WriteSession(session, attachment, &file));
  }
  return file.Commit();  // the slow part, without the lock
}

Status Restore(Session* session, const char* path, std::span<uint8_t> attachment,
               uint64_t* attachment_bytes) {
  PackageFile file;
  SAMARA_RETURN_IF_ERROR(PackageFile::OpenPath(path, &file));
  const Lock lock(session->model->mutex);
  return ReadSession(file, session, attachment, attachment_bytes);
}

Status Named(const Status& status, const char* path) {
  return status.ok() ? status : status.WithContext(Quoted(path, 512));
}

}  // namespace
}  // namespace samara

using namespace samara;  // NOLINT: this file is the boundary

extern "C" {

samara_status samara_save(const samara_session* session, const char* path) {
  return samara_save_attached(session, path, nullptr, 0);
}

samara_status samara_save_attached(const samara_session* session, const char* path,
                                   const void* data, size_t bytes) {
  return Guard([&]() -> Status {
    if (session == nullptr || path == nullptr || (data == nullptr && bytes != 0))
      return Null("session, path or data");
    const Session& s = *reinterpret_cast<const Session*>(session);
    return Named(Save(s, path, {static_cast<const uint8_t*>(data), bytes}), path);
  });
}

samara_status samara_restore(samara_session* session, const char* path) {
  return Guard([&]() -> Status {
    if (session == nullptr || path == nullptr) return Null("session or path");
    uint64_t ignored = 0;
    return Named(Restore(reinterpret_cast<Session*>(session), path, {}, &ignored), path);
  });
}

samara_status samara_restore_attached(samara_session* session, const char* path, void* data,
                                      size_t capacity, size_t* bytes) {
  return Guard([&]() -> Status {
    if (session == nullptr || path == nullptr || bytes == nullptr ||
        (data == nullptr && capacity != 0)) {
      return Null("session, path, data or bytes");
    }
    *bytes = 0;
    // Room for nothing is room, too: it takes an empty attachment only.
    uint8_t none = 0;
    uint64_t n = 0;
    const Status status =
        Restore(reinterpret_cast<Session*>(session), path,
                {data != nullptr ? static_cast<uint8_t*>(data) : &none, capacity}, &n);
    *bytes = n;
    return Named(status, path);
  });
}

}  // extern "C"
