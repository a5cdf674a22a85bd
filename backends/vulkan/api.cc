#include "backends/vulkan/api.h"

#include <dlfcn.h>

namespace samara::vulkan {

Status Api::OpenLoader() {
  for (const char* name : {"libvulkan.so.1", "libvulkan.so"}) {
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  if (library == nullptr) return NotFound("no Vulkan loader: libvulkan.so.1 cannot be opened");
  GetInstanceProcAddr =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  if (GetInstanceProcAddr == nullptr) {
    return Unsupported("libvulkan.so.1 has no vkGetInstanceProcAddr");
  }
#define SAMARA_VULKAN_LOAD_GLOBAL(name)                                            \
  name = reinterpret_cast<PFN_vk##name>(GetInstanceProcAddr(nullptr, "vk" #name)); \
  if (name == nullptr) return Unsupported("the Vulkan loader is too old: it has no vk" #name);
  SAMARA_VULKAN_GLOBAL(SAMARA_VULKAN_LOAD_GLOBAL)
  return Status();
}

Status Api::LoadInstance(VkInstance instance) {
#define SAMARA_VULKAN_LOAD_INSTANCE(name)                                           \
  name = reinterpret_cast<PFN_vk##name>(GetInstanceProcAddr(instance, "vk" #name)); \
  if (name == nullptr) return Unsupported("the Vulkan loader has no vk" #name);
  SAMARA_VULKAN_INSTANCE(SAMARA_VULKAN_LOAD_INSTANCE)
  return Status();
}

Status Api::LoadDevice(VkDevice device) {
#define SAMARA_VULKAN_LOAD_DEVICE(name)                                         \
  name = reinterpret_cast<PFN_vk##name>(GetDeviceProcAddr(device, "vk" #name)); \
  if (name == nullptr) return Unsupported("the Vulkan driver has no vk" #name);
  SAMARA_VULKAN_DEVICE(SAMARA_VULKAN_LOAD_DEVICE)
  return Status();
}

Status Check(VkResult result, const char* what) {
  switch (result) {
    case VK_SUCCESS:
      return Status();
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
      return OutOfMemory("vulkan: %s: out of memory", what);
    case VK_ERROR_DEVICE_LOST:
      return Status(StatusCode::kDeviceLost,
                    std::string("vulkan: ") + what + ": the device is lost");
    case VK_ERROR_INITIALIZATION_FAILED:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return NotFound("vulkan: %s: no usable driver", what);
    default:
      return Internal("vulkan: %s: result %d", what, static_cast<int>(result));
  }
}

}  // namespace samara::vulkan
