// The one list of backends that are built in, best first.
#include "backends/cpu/cpu_backend.h"
#include "backends/reference/reference_backend.h"
#include "runtime/backend.h"

namespace samara {

BackendList BuiltinBackends() {
  static const Backend* const kBackends[] = {CpuBackend(), ReferenceBackend(), Float64Backend()};
  return {kBackends, static_cast<int>(sizeof kBackends / sizeof kBackends[0])};
}

}  // namespace samara
