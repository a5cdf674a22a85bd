// Which backends there are: the built-in ones and the plug-ins that load.
#ifndef SAMARA_RUNTIME_REGISTRY_H_
#define SAMARA_RUNTIME_REGISTRY_H_

#include <string>
#include <vector>

#include "runtime/backend.h"

namespace samara {

inline bool IsAuto(const char* name) {
  return name == nullptr || *name == '\0' || std::string_view(name) == "auto";
}

// By name. A built-in backend loads nothing; another name loads the plug-in of that name only. nullptr, "" or "auto":
// the first of AutoBackends.
Status FindBackend(const char* name, const Backend** backend);

// What "auto" tries: plug-ins with a usable device that may be taken, then the best built-in backend. On a machine without
// any GPU no plug-in is loaded.
std::vector<const Backend*> AutoBackends();

// Every backend, in the order of AutoBackends, then the rest of the built-in ones. What known plug-ins give no backend
// goes to `absent`, where it is not nullptr: the name and the reason.
struct AbsentPlugin {
  std::string name;
  Status status;
};
std::vector<const Backend*> AllBackends(std::vector<AbsentPlugin>* absent = nullptr);

}  // namespace samara

#endif  // SAMARA_RUNTIME_REGISTRY_H_
