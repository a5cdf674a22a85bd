// The public C API: backends, devices, verification.
#include <vector>

#include "runtime/api_guard.h"
#include "runtime/api_options.h"
#include "runtime/goldens.h"
#include "runtime/registry.h"
#include "samara/samara.h"

using namespace samara;  // NOLINT: this file is the boundary

extern "C" {

samara_status samara_backend_at(uint32_t index, const char** name, const char** description) {
  return Guard([&]() -> Status {
    if (name == nullptr || description == nullptr) return Null("name or description");
    const std::vector<const Backend*> all = AllBackends();
    if (index >= all.size()) return NotFound("no more backends");
    *name = all[index]->name();
    *description = all[index]->description();
    return {};
  });
}

samara_status samara_devices(samara_device_fn each, void* user) {
  return Guard([&]() -> Status {
    if (each == nullptr) return Null("each");
    const auto tell = [&](const char* backend, const char* name, const DeviceInfo& device) {
      const samara_device out = {
          sizeof(samara_device),     backend, name, device.memory_bytes, device.unusable.c_str(),
          device.automatic ? 1u : 0u};
      each(user, &out);
    };
    std::vector<AbsentPlugin> absent;
    for (const Backend* backend : AllBackends(&absent)) {
      std::vector<DeviceInfo> devices;
      const Status status = backend->ListDevices(&devices);
      if (!status.ok()) tell(backend->name(), "", {"", 0, false, status.message()});
      for (const DeviceInfo& device : devices) tell(backend->name(), device.name.c_str(), device);
    }
    for (const AbsentPlugin& plugin : absent) {
      tell(plugin.name.c_str(), "", {"", 0, false, plugin.status.message()});
    }
    return {};
  });
}

samara_status samara_verify(const char* path, const samara_model_options* options,
                            samara_line_fn each, void* user) {
  return Guard([&]() -> Status {
    ApiOptions read;
    SAMARA_RETURN_IF_ERROR(ReadOptions(options, &read));
    const Backend* backend = nullptr;
    SAMARA_RETURN_IF_ERROR(FindBackend(read.backend, &backend));
    if (path == nullptr) return Null("path");
    return VerifyGoldens(path, *backend, read.load, [&](const std::string& line) {
      if (each != nullptr) each(user, line.c_str());
    });
  });
}

}  // extern "C"
