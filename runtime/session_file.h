// Sessions on disk (formats/session_format.h).
#ifndef SAMARA_RUNTIME_SESSION_FILE_H_
#define SAMARA_RUNTIME_SESSION_FILE_H_

#include <cstdint>
#include <span>

#include "formats/status.h"
#include "runtime/file.h"
#include "runtime/new_file.h"
#include "runtime/session.h"

namespace samara {

// Memory of either call while it runs, one block.
inline constexpr uint32_t kSessionFileBuffer = 65536;

// Both expect the model's lock to be held.
Status WriteSession(const Session& session, std::span<const uint8_t> attachment, NewFile* file);
// The session is as it was if header, tokens or attachment are refused, and empty if the states are.
// *attachment_bytes is told as soon as it is known; more than capacity gives kResourceExhausted.
Status ReadSession(const PackageFile& file, Session* session, std::span<uint8_t> attachment,
                   uint64_t* attachment_bytes);

}  // namespace samara

#endif  // SAMARA_RUNTIME_SESSION_FILE_H_
