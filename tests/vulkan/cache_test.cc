// The pipeline cache on disk: made, used, refused when damaged, and never a reason to fail.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/vulkan/device.h"

namespace samara::test {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    char name[] = "/tmp/samara-vulkan-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
    const char* old = getenv("XDG_CACHE_HOME");
    had = old != nullptr;
    if (had) before = old;
    setenv("XDG_CACHE_HOME", path.c_str(), 1);
  }
  ~Folder() {
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_all, ignored);
    fs::remove_all(path, ignored);
    if (had) {
      setenv("XDG_CACHE_HOME", before.c_str(), 1);
    } else {
      unsetenv("XDG_CACHE_HOME");
    }
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    if (!fs::exists(path + "/samara")) return files;
    for (const auto& entry : fs::directory_iterator(path + "/samara"))
      files.push_back(entry.path());
    return files;
  }
  std::string path, before;
  bool had = false;
};

// Opening a device compiles the pipeline of draws; closing it writes the cache.
Status OpenAndClose() {
  OpenDevice device;
  return device.Open();
}

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void Write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_CASE("written, read, damaged") {
  const Folder folder;
  const Switches set;
  REQUIRE_OK(OpenAndClose());
  REQUIRE(folder.Files().size() == 1);
  const fs::path file = folder.Files()[0];
  const std::string good = Read(file);
  CHECK(good.size() > 16);
  REQUIRE_OK(OpenAndClose());
  CHECK(Read(file) == good);
  // Damage anywhere: the cache is made anew.
  for (size_t at = 0; at < good.size(); at += good.size() < 64 ? 1 : good.size() / 16) {
    CAPTURE(at);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    Write(file, bad);
    REQUIRE_OK(OpenAndClose());
    CHECK(Read(file) == good);
  }
  for (const std::string& bad : {std::string(), good.substr(0, 10), good.substr(0, good.size() - 1),
                                 good + "x", std::string(100000, '\0')}) {
    Write(file, bad);
    REQUIRE_OK(OpenAndClose());
    CHECK(Read(file) == good);
  }
}

TEST_CASE("turned off, or where nothing can be written") {
  const Folder folder;
  {
    const Switches set("cache=0");
    REQUIRE_OK(OpenAndClose());
    CHECK(folder.Files().empty());
  }
  const Switches set;
  Write(folder.path + "/samara", "a file where the folder should be");
  REQUIRE_OK(OpenAndClose());
}

}  // namespace
}  // namespace samara::test
