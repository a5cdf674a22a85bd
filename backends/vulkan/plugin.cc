#include "runtime/plugin.h"

#include "backends/vulkan/vulkan_backend.h"

namespace {

samara::BackendList List() {
  static const samara::Backend* const backends[] = {samara::VulkanBackend()};
  return {backends, 1};
}

}  // namespace

SAMARA_PLUGIN(List)
