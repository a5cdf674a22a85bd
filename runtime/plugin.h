// Backends in shared libraries of their own, loaded when they are asked for.
//
// libsamara_<name>.so exports one C function that gives a PluginTable. It is looked for in the folders of
// SAMARA_PLUGIN_PATH, then beside libsamara (or the program that it is linked into, and in the library folder of that
// program's tree), nowhere else. C++ objects cross the border, so both sides must come from the same sources and
// compiler: another ABI number or build string is refused, with the reason. A plug-in stays loaded.
//
// A plug-in has one source file with
//   SAMARA_PLUGIN(List)   // where List() gives a samara::BackendList that lives for good
// and is built by the CMake function samara_plugin (backends/CMakeLists.txt).
#ifndef SAMARA_RUNTIME_PLUGIN_H_
#define SAMARA_RUNTIME_PLUGIN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/backend.h"

namespace samara {

inline constexpr uint32_t kPluginAbi = 1;

// `abi` and `build` never move; the rest is read only where these two fit.
struct PluginTable {
  uint32_t abi = 0;
  const char* build = nullptr;
  BackendList backends = {};
};

// Version, compiler and a hash of the interface's headers.
const char* PluginBuild();

inline constexpr char kPluginSymbol[] = "samara_backend_plugin";
using PluginFunction = const PluginTable* (*)();

// True for names that can stand in a file name: a-z, 0-9 and _, at most 32.
bool IsPluginName(std::string_view name);
// Folders in the order of search.
std::vector<std::string> PluginFolders();
// Files with that plug-in's name, in the order of search.
std::vector<std::string> PluginFiles(std::string_view name);
// kNotFound: no such file in any folder. kUnsupported: there are files, and none can be used; the message names each
// with the reason.
Status LoadPlugin(const char* name, BackendList* backends);

}  // namespace samara

#define SAMARA_PLUGIN(list)                                                                       \
  extern "C" __attribute__((visibility("default"))) const samara::PluginTable*                    \
  samara_backend_plugin() {                                                                       \
    static const samara::PluginTable table = {samara::kPluginAbi, samara::PluginBuild(), list()}; \
    return &table;                                                                                \
  }

#endif  // SAMARA_RUNTIME_PLUGIN_H_
