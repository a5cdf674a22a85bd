// Plug-ins that must be refused: another ABI, another build, no table.
#include "runtime/plugin.h"

namespace {

#if defined(UNFIT_ABI)
const samara::PluginTable kTable = {samara::kPluginAbi + 1, "never read", {nullptr, 7}};
#elif defined(UNFIT_BUILD)
const samara::PluginTable kTable = {samara::kPluginAbi, "0.0.0 of another compiler", {nullptr, 7}};
#endif

}  // namespace

#if defined(UNFIT_ABI) || defined(UNFIT_BUILD)
extern "C" __attribute__((visibility("default"))) const samara::PluginTable*
samara_backend_plugin() {
  return &kTable;
}
#else
extern "C" __attribute__((visibility("default"))) int samara_something_else() { return 1; }
#endif
