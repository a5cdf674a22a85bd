// The Vulkan loader, opened at run time: nothing is linked. One table of the entry points that this backend calls.
#ifndef SAMARA_BACKENDS_VULKAN_API_H_
#define SAMARA_BACKENDS_VULKAN_API_H_

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include "formats/status.h"

namespace samara::vulkan {

// clang-format off
#define SAMARA_VULKAN_GLOBAL(X) X(CreateInstance) X(EnumerateInstanceVersion)
#define SAMARA_VULKAN_INSTANCE(X) \
  X(DestroyInstance) X(EnumeratePhysicalDevices) X(GetPhysicalDeviceProperties2) X(GetPhysicalDeviceFeatures2) \
  X(GetPhysicalDeviceMemoryProperties) X(GetPhysicalDeviceQueueFamilyProperties) X(CreateDevice) \
  X(EnumerateDeviceExtensionProperties) X(GetDeviceProcAddr)
#define SAMARA_VULKAN_DEVICE(X) \
  X(DestroyDevice) X(GetDeviceQueue) X(DeviceWaitIdle) X(QueueSubmit) X(AllocateMemory) X(FreeMemory) X(MapMemory) \
  X(CreateBuffer) X(DestroyBuffer) X(GetBufferMemoryRequirements) X(BindBufferMemory) X(CreateShaderModule) \
  X(DestroyShaderModule) X(CreateDescriptorSetLayout) X(DestroyDescriptorSetLayout) X(CreatePipelineLayout) \
  X(DestroyPipelineLayout) X(CreateComputePipelines) X(DestroyPipeline) X(CreatePipelineCache) \
  X(DestroyPipelineCache) X(GetPipelineCacheData) X(CreateDescriptorPool) X(DestroyDescriptorPool) \
  X(AllocateDescriptorSets) X(UpdateDescriptorSets) X(CreateCommandPool) X(DestroyCommandPool) \
  X(AllocateCommandBuffers) X(BeginCommandBuffer) X(EndCommandBuffer) X(CmdBindPipeline) X(CmdBindDescriptorSets) \
  X(CmdPushConstants) X(CmdDispatch) X(CmdDispatchIndirect) X(CmdPipelineBarrier) X(CmdCopyBuffer) \
  X(CmdFillBuffer) X(CreateSemaphore) X(DestroySemaphore) X(WaitSemaphores) X(CreateQueryPool) \
  X(DestroyQueryPool) X(CmdResetQueryPool) X(CmdWriteTimestamp) X(GetQueryPoolResults)
// clang-format on

struct Api {
#define SAMARA_VULKAN_MEMBER(name) PFN_vk##name name = nullptr;
  SAMARA_VULKAN_GLOBAL(SAMARA_VULKAN_MEMBER)
  SAMARA_VULKAN_INSTANCE(SAMARA_VULKAN_MEMBER)
  SAMARA_VULKAN_DEVICE(SAMARA_VULKAN_MEMBER)
#undef SAMARA_VULKAN_MEMBER
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  void* library = nullptr;  // never closed: drivers leave threads and handlers behind

  // kNotFound: no loader on this machine.
  Status OpenLoader();
  Status LoadInstance(VkInstance instance);
  Status LoadDevice(VkDevice device);
};

// OK, or what failed: OUT_OF_MEMORY, DEVICE_LOST, else INTERNAL with the number.
Status Check(VkResult result, const char* what);

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_API_H_
