// In the library and in every plug-in: what both compare.
#include "runtime/plugin.h"
#include "runtime/plugin_interface.h"

namespace samara {

const char* PluginBuild() {
  return SAMARA_BUILD_VERSION ", compiler " __VERSION__ ", interface " SAMARA_PLUGIN_INTERFACE;
}

}  // namespace samara
