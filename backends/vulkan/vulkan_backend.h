// The Vulkan backend: any device with Vulkan 1.2. Switches: README.md.
#ifndef SAMARA_BACKENDS_VULKAN_VULKAN_BACKEND_H_
#define SAMARA_BACKENDS_VULKAN_VULKAN_BACKEND_H_

#include "runtime/backend.h"

namespace samara {

const Backend* VulkanBackend();

}  // namespace samara

#endif  // SAMARA_BACKENDS_VULKAN_VULKAN_BACKEND_H_
