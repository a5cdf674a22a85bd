// Skips, loudly, where there is no Vulkan device; SAMARA_REQUIRE_VULKAN=1 makes a failure of that.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>

#include "tests/vulkan/device.h"

int main(int argc, char** argv) {
  samara::Status status;
  {
    const samara::test::Switches switches;
    samara::test::OpenDevice device;
    status = device.Open();
    if (status.ok()) std::printf("%s\n", device->description());
  }
  if (status.code() == samara::StatusCode::kNotFound ||
      status.code() == samara::StatusCode::kUnsupported) {
    const char* required = getenv("SAMARA_REQUIRE_VULKAN");
    std::printf("SKIPPED: %s\n", status.message());
    return required != nullptr && std::strcmp(required, "1") == 0 ? 1 : 77;
  }
  return doctest::Context(argc, argv).run();
}
