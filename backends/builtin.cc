// The one list of backends: those built in, and the plug-ins to look for. Best first.
#include "backends/cpu/cpu_backend.h"
#include "backends/reference/reference_backend.h"
#include "runtime/backend.h"

namespace samara {

BackendList BuiltinBackends() {
  static const Backend* const kBackends[] = {CpuBackend(), ReferenceBackend(), Float64Backend()};
  return {kBackends, static_cast<int>(sizeof kBackends / sizeof kBackends[0])};
}

PluginNames KnownPlugins() {
  static const char* const kNames[] = {"cuda", "vulkan"};
  return {kNames, static_cast<int>(sizeof kNames / sizeof kNames[0])};
}

}  // namespace samara
