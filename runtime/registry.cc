#include "runtime/registry.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "runtime/plugin.h"

namespace samara {
namespace {

// The device that Open would take may be taken unasked.
bool HasAutomaticDevice(const Backend& backend) {
  std::vector<DeviceInfo> devices;
  if (!backend.ListDevices(&devices).ok()) return false;
  for (const DeviceInfo& device : devices) {
    if (device.unusable.empty()) return device.automatic;
  }
  return false;
}

// Drivers of GPUs have a file here. Asking them costs their libraries: 50 MB and a tenth of a second where all that
// Vulkan finds is a CPU. Who names a backend or a folder of plug-ins is not kept from it.
bool MayHaveGpu() {
  const char* path = std::getenv("SAMARA_PLUGIN_PATH");
  if (path != nullptr && *path != '\0') return true;
  for (const char* file : {"/dev/dri", "/dev/nvidiactl", "/dev/nvmap", "/dev/nvhost-ctrl",
                           "/dev/dxg", "/dev/kgsl-3d0", "/dev/mali0", "/dev/pvr_sync"}) {
    if (access(file, F_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::vector<const Backend*> AllBackends(std::vector<AbsentPlugin>* absent) {
  std::vector<const Backend*> all;
  const PluginNames known = KnownPlugins();
  for (int i = 0; i < known.count; ++i) {
    BackendList list = {};
    Status status = LoadPlugin(known.names[i], &list);
    all.insert(all.end(), list.backends, list.backends + list.count);
    if (!status.ok() && absent != nullptr) absent->push_back({known.names[i], std::move(status)});
  }
  const BackendList builtin = BuiltinBackends();
  all.insert(all.end(), builtin.backends, builtin.backends + builtin.count);
  return all;
}

std::vector<const Backend*> AutoBackends() {
  std::vector<const Backend*> found;
  const PluginNames known = MayHaveGpu() ? KnownPlugins() : PluginNames{};
  for (int i = 0; i < known.count; ++i) {
    if (PluginFiles(known.names[i]).empty()) continue;
    BackendList list = {};
    if (!LoadPlugin(known.names[i], &list).ok()) continue;
    for (int b = 0; b < list.count; ++b) {
      if (HasAutomaticDevice(*list.backends[b])) found.push_back(list.backends[b]);
    }
  }
  found.push_back(BuiltinBackends().backends[0]);
  return found;
}

Status FindBackend(const char* name, const Backend** backend) {
  *backend = nullptr;
  if (IsAuto(name)) {
    *backend = AutoBackends().front();
    return {};
  }
  std::string known;
  const BackendList builtin = BuiltinBackends();
  for (int i = 0; i < builtin.count; ++i) {
    if (std::strcmp(builtin.backends[i]->name(), name) == 0) {
      *backend = builtin.backends[i];
      return {};
    }
    known += (i == 0 ? "" : ", ") + std::string(builtin.backends[i]->name());
  }
  BackendList list = {};
  const Status status = LoadPlugin(name, &list);
  for (int i = 0; i < list.count; ++i) {
    if (std::strcmp(list.backends[i]->name(), name) == 0) {
      *backend = list.backends[i];
      return {};
    }
  }
  const std::string text = "no backend " + Quoted(name);
  if (status.code() == StatusCode::kUnsupported) return status.WithContext(text);
  return NotFound("%s; this library has: %s; and %s", text.c_str(), known.c_str(),
                  status.ok() ? "the plug-in has others" : status.message());
}

}  // namespace samara
