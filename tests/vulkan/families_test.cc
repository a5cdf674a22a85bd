// F32 packages of the families (tests/families) give the CPU's logits: prompts by tiles, then tokens one by one.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>

#include "tests/families/run.h"
#include "tests/tolerances.h"
#include "tests/vulkan/device.h"

namespace samara {
namespace {

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  DIR* folder = opendir(DataOf("").c_str());
  REQUIRE(folder != nullptr);
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (access((DataOf(name) + "/config.json").c_str(), R_OK) == 0) names.push_back(name);
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

TEST_CASE("F32 packages of every family") {
  const test::Switches set;
  const std::vector<std::string> names = Cases();
  CHECK(names.size() >= 45);
  for (const std::string& name : names) {
    CAPTURE(name);
    const std::string package =
        "/tmp/samara_vulkan_" + name + "_" + std::to_string(getpid()) + ".samara";
    ConvertTo(DataOf(name), package, false);
    const auto ids = ReadAll<int32_t>(DataOf(name) + "/ids.bin");
    // Seven chunks by tiles, then a token by vectors.
    const Logits want = Run(package, ids, 64, false, 128, "cpu");
    const Logits got = Run(package, ids, 9, false, 128, "vulkan");
    const double logits = Difference(got.values, want.values);
    const double hidden = Difference(got.hidden, want.hidden);
    MESSAGE(name << ": " << logits << " of the largest logit");
    CHECK(logits <= tolerance::kFamilyLogits);
    CHECK(hidden <= tolerance::kFamilyLogits);
    unlink(package.c_str());
  }
}

}  // namespace
}  // namespace samara
