// Plug-ins: found, checked, run; and every way in which one is refused.
#include "runtime/plugin.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "runtime/registry.h"
#include "tests/support/status.h"

namespace samara::test {
namespace {

// SAMARA_PLUGIN_PATH for the time of a test.
class PluginPath {
 public:
  explicit PluginPath(const std::string& path) {
    const char* old = getenv("SAMARA_PLUGIN_PATH");
    had_ = old != nullptr;
    if (had_) old_ = old;
    setenv("SAMARA_PLUGIN_PATH", path.c_str(), 1);
  }
  ~PluginPath() {
    if (had_) {
      setenv("SAMARA_PLUGIN_PATH", old_.c_str(), 1);
    } else {
      unsetenv("SAMARA_PLUGIN_PATH");
    }
  }

 private:
  bool had_ = false;
  std::string old_;
};

// A folder with one file of these bytes.
class Folder {
 public:
  Folder(const std::string& file, const std::string& bytes) {
    char name[] = "/tmp/samara-plugin-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
    file_ = path_ + "/" + file;
    std::FILE* f = std::fopen(file_.c_str(), "wb");
    REQUIRE(f != nullptr);
    REQUIRE(std::fwrite(bytes.data(), 1, bytes.size(), f) == bytes.size());
    REQUIRE(std::fclose(f) == 0);
  }
  ~Folder() {
    unlink(file_.c_str());
    rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_, file_;
};

bool Has(const Status& status, const std::string& part) {
  return std::string(status.message()).find(part) != std::string::npos;
}

TEST_CASE("a plug-in is found by name, and by that name only") {
  const Backend* backend = nullptr;
  CHECK(FindBackend("mirror", &backend).code() == StatusCode::kNotFound);
  const PluginPath path("/nowhere::" SAMARA_PLUGIN_FOLDER);
  REQUIRE_OK(FindBackend("mirror", &backend));
  CHECK(std::string(backend->name()) == "mirror");
  // Across the border: lists, ledger, devices, errors.
  MemoryList list;
  REQUIRE_OK(backend->MeasureDevice({}, &list));
  list.Add("a", 100);
  list.AddLedger();
  Ledger ledger(list);
  REQUIRE_OK(ledger.InitStatus());
  {
    InPlacePtr<Device> device;
    REQUIRE_OK(backend->Open({}, &ledger, &device));
    uint64_t a = 0;
    REQUIRE_OK(device->Allocate(&ledger, "a", 100, &a));
    uint8_t byte = 9;
    REQUIRE_OK(device->Upload(a, 3, &byte, 1));
    byte = 0;
    REQUIRE_OK(device->Download(a, 3, &byte, 1));
    CHECK(byte == 9);
    CHECK(device->Download(a, 100, &byte, 1).code() == StatusCode::kInternal);
  }
  // Nobody asked "auto" or a list for it.
  for (const Backend* other : AllBackends()) CHECK(other != backend);
}

TEST_CASE("the same plug-in again is the same backend") {
  const PluginPath path(SAMARA_PLUGIN_FOLDER);
  const Backend *first = nullptr, *second = nullptr;
  REQUIRE_OK(FindBackend("mirror", &first));
  REQUIRE_OK(FindBackend("mirror", &second));
  CHECK(first == second);
}

TEST_CASE("plug-ins that do not fit are refused, with the file and the reason") {
  const PluginPath path(SAMARA_PLUGIN_FOLDER);
  const struct {
    const char *name, *reason;
  } cases[] = {
      {"other_abi", "its ABI is 2, want 1"},
      {"other_build", "it was built as \"0.0.0 of another compiler\""},
      {"other_symbol", "it has no samara_backend_plugin"},
  };
  for (const auto& c : cases) {
    CAPTURE(std::string(c.name));
    const Backend* backend = nullptr;
    const Status status = FindBackend(c.name, &backend);
    CHECK(status.code() == StatusCode::kUnsupported);
    CHECK_MESSAGE(Has(status, c.reason), std::string(status.message()));
    CHECK(Has(status, std::string("libsamara_") + c.name + ".so"));
    CHECK(backend == nullptr);
  }
}

TEST_CASE("a file that is no library is refused; one in a later folder is still found") {
  const Folder broken("libsamara_mirror.so", "this is text");
  BackendList list = {};
  {
    const PluginPath path(broken.path());
    const Status status = LoadPlugin("mirror", &list);
    CHECK(status.code() == StatusCode::kUnsupported);
    CHECK_MESSAGE(Has(status, broken.path() + "/libsamara_mirror.so"),
                  std::string(status.message()));
  }
  const PluginPath path(broken.path() + ":" SAMARA_PLUGIN_FOLDER);
  REQUIRE_OK(LoadPlugin("mirror", &list));
  CHECK(list.count == 1);
}

TEST_CASE("what is no plug-in's name is never made into a path") {
  const PluginPath path(SAMARA_PLUGIN_FOLDER);
  for (const char* name : {"", "../plugins/libsamara_mirror", "mirror.so", "MIRROR", "a/b",
                           "0123456789012345678901234567890123"}) {
    CAPTURE(std::string(name));
    BackendList list = {};
    CHECK(LoadPlugin(name, &list).code() == StatusCode::kNotFound);
  }
}

TEST_CASE("auto is the best built-in backend where no plug-in has a device") {
  const std::vector<const Backend*> backends = AutoBackends();
  REQUIRE(!backends.empty());
  CHECK(std::string(backends.back()->name()) == BuiltinBackends().backends[0]->name());
  std::vector<AbsentPlugin> absent;
  const std::vector<const Backend*> all = AllBackends(&absent);
  CHECK(all.size() + absent.size() >=
        static_cast<size_t>(BuiltinBackends().count + KnownPlugins().count));
  for (const AbsentPlugin& plugin : absent) {
    CHECK(!plugin.status.ok());
    CHECK(!std::string(plugin.status.message()).empty());
  }
}

}  // namespace
}  // namespace samara::test
