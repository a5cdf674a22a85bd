#include "runtime/plugin.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <string_view>

#include "runtime/plugin_interface.h"

namespace samara {
namespace {

struct Search {
  uintptr_t address;
  std::string* path;
  bool found;
  bool is_program;
};

// The object that holds an address; the program itself has no name.
int FindObject(dl_phdr_info* info, size_t, void* user) {
  Search& search = *static_cast<Search*>(user);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    if (header.p_type != PT_LOAD || search.address < begin ||
        search.address - begin >= header.p_memsz) {
      continue;
    }
    *search.path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
    search.is_program = search.path->empty();
    search.found = true;
    return 1;
  }
  return 0;
}

// The folder of the file that this code was loaded from, without a slash at its end; "" if it cannot be told.
std::string OwnFolder(bool* is_program) {
  std::string path;
  Search search = {reinterpret_cast<uintptr_t>(&OwnFolder), &path, false, false};
  dl_iterate_phdr(FindObject, &search);
  *is_program = search.is_program;
  if (!search.found) return "";
  char buffer[PATH_MAX];
  if (search.is_program) {
    const ssize_t n = readlink("/proc/self/exe", buffer, sizeof buffer);
    if (n <= 0 || n == static_cast<ssize_t>(sizeof buffer)) return "";
    path.assign(buffer, static_cast<size_t>(n));
  } else if (realpath(path.c_str(), buffer) != nullptr) {
    path = buffer;
  }
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Opens one file. An error is the reason alone.
Status OpenPlugin(const std::string& path, BackendList* backends) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    return Unsupported("%s", reason == nullptr ? "cannot be loaded" : reason);
  }
  Status status;
  const auto function = reinterpret_cast<PluginFunction>(dlsym(library, kPluginSymbol));
  const PluginTable* table = function == nullptr ? nullptr : function();
  if (table == nullptr) {
    status = Unsupported("%s: it has no %s", path.c_str(), kPluginSymbol);
  } else if (table->abi != kPluginAbi) {
    status = Unsupported("%s: its ABI is %u, want %u", path.c_str(), table->abi, kPluginAbi);
  } else if (table->build == nullptr || std::strcmp(table->build, PluginBuild()) != 0) {
    status = Unsupported("%s: it was built as %s, this library as %s", path.c_str(),
                         Quoted(table->build == nullptr ? "" : table->build, 200).c_str(),
                         Quoted(PluginBuild(), 200).c_str());
  } else {
    *backends = table->backends;
    return {};
  }
  dlclose(library);
  return status;
}

}  // namespace

bool IsPluginName(std::string_view name) {
  if (name.empty() || name.size() > 32) return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
  }
  return true;
}

std::vector<std::string> PluginFolders() {
  std::vector<std::string> folders;
  // Not for programs that run with more rights than their caller.
  if (const char* list = secure_getenv("SAMARA_PLUGIN_PATH"); list != nullptr) {
    std::string_view rest(list);
    while (!rest.empty()) {
      const size_t colon = std::min(rest.find(':'), rest.size());
      if (colon != 0) folders.emplace_back(rest.substr(0, colon));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  bool is_program = false;
  const std::string own = OwnFolder(&is_program);
  if (!own.empty()) {
    folders.push_back(own);
    // Programs and libraries have folders of their own.
    if (is_program) folders.push_back(own + "/" SAMARA_LIBRARY_FOLDER);
  }
  return folders;
}

std::vector<std::string> PluginFiles(std::string_view name) {
  std::vector<std::string> files;
  if (!IsPluginName(name)) return files;
  for (const std::string& folder : PluginFolders()) {
    std::string path = folder + "/libsamara_" + std::string(name) + ".so";
    if (access(path.c_str(), F_OK) == 0) files.push_back(std::move(path));
  }
  return files;
}

Status LoadPlugin(const char* name, BackendList* backends) {
  *backends = {};
  if (!IsPluginName(name)) return NotFound("%s is no plug-in's name", Quoted(name).c_str());
  std::string problems;
  for (const std::string& path : PluginFiles(name)) {
    const Status status = OpenPlugin(path, backends);
    if (status.ok()) return status;
    problems += (problems.empty() ? "" : "; ") + std::string(status.message());
  }
  if (!problems.empty()) return Unsupported("plug-in %s", problems.c_str());
  std::string looked;
  for (const std::string& folder : PluginFolders()) looked += (looked.empty() ? "" : ", ") + folder;
  return NotFound("no plug-in libsamara_%s.so in %s", name,
                  looked.empty() ? "any folder" : looked.c_str());
}

}  // namespace samara
