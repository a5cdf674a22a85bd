#include "backends/vulkan/context.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace samara::vulkan {
namespace {

constexpr uint32_t kNeedVersion = VK_API_VERSION_1_2;

struct Found {
  VkPhysicalDevice device;
  VkPhysicalDeviceProperties properties;
};

int Rank(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return 3;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return -1;  // only if asked for
    default:
      return 1;
  }
}

bool Matches(const Found& found, size_t index, const std::string& wanted) {
  if (wanted.empty()) return Rank(found.properties.deviceType) > 0;
  if (wanted == "cpu") return found.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (error == std::errc() && end == wanted.data() + wanted.size()) return number == index;
  return std::strstr(found.properties.deviceName, wanted.c_str()) != nullptr;
}

Status Resolve(Switch wanted, bool available, bool good, const char* name, bool* use) {
  if (wanted == Switch::kOn && !available) {
    return Unsupported("SAMARA_VULKAN: this device has no %s", name);
  }
  *use = available && (wanted == Switch::kOn || (wanted == Switch::kAuto && good));
  return Status();
}

}  // namespace

Status Context::Get(const Options& options, std::shared_ptr<Context>* context) {
  static std::mutex mutex;
  static std::vector<std::weak_ptr<Context>> contexts;
  const std::lock_guard lock(mutex);
  std::erase_if(contexts, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : contexts) {
    std::shared_ptr<Context> shared = weak.lock();
    if (shared == nullptr || shared->lost() || !(shared->options_ == options)) continue;
    *context = std::move(shared);
    return Status();
  }
  auto made = std::make_shared<Context>(options);
  SAMARA_RETURN_IF_ERROR(made->Init());
  contexts.push_back(made);
  *context = std::move(made);
  return Status();
}

Status Context::Init() {
  SAMARA_RETURN_IF_ERROR(OpenInstance());
  SAMARA_RETURN_IF_ERROR(ChooseDevice());
  SAMARA_RETURN_IF_ERROR(ReadFacts());
  SAMARA_RETURN_IF_ERROR(MakeDevice());
  SAMARA_RETURN_IF_ERROR(MakeLayouts());
  LoadCache();
  return Status();
}

Status Context::OpenInstance() {
  SAMARA_RETURN_IF_ERROR(api_.OpenLoader());
  uint32_t version = 0;
  SAMARA_RETURN_IF_ERROR(Check(api_.EnumerateInstanceVersion(&version), "loader version"));
  if (version < kNeedVersion) {
    return Unsupported("the Vulkan loader is of version %u.%u, want 1.2",
                       VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
  }
  VkApplicationInfo application = {VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = application.pEngineName = "samara";
  application.apiVersion = kNeedVersion;
  VkInstanceCreateInfo info = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  SAMARA_RETURN_IF_ERROR(Check(api_.CreateInstance(&info, nullptr, &instance_), "instance"));
  return api_.LoadInstance(instance_);
}

Status Context::ReadDevices(std::vector<VkPhysicalDevice>* devices) {
  uint32_t n = 0;
  SAMARA_RETURN_IF_ERROR(
      Check(api_.EnumeratePhysicalDevices(instance_, &n, nullptr), "list of devices"));
  devices->resize(n);
  const VkResult result = api_.EnumeratePhysicalDevices(instance_, &n, devices->data());
  devices->resize(n);
  return result == VK_INCOMPLETE ? Status() : Check(result, "list of devices");
}

Status Context::List(const Options& options, std::vector<DeviceInfo>* devices) {
  Context context(options);
  SAMARA_RETURN_IF_ERROR(context.OpenInstance());
  std::vector<VkPhysicalDevice> found;
  SAMARA_RETURN_IF_ERROR(context.ReadDevices(&found));
  const bool has_choice = context.ChooseDevice().ok();
  for (VkPhysicalDevice device : found) {
    VkPhysicalDeviceProperties2 properties = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    context.api_.GetPhysicalDeviceProperties2(device, &properties);
    VkPhysicalDeviceMemoryProperties memory;
    context.api_.GetPhysicalDeviceMemoryProperties(device, &memory);
    DeviceInfo info;
    info.name = properties.properties.deviceName;
    const VkPhysicalDeviceType type = properties.properties.deviceType;
    for (uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
      const bool own = (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0;
      if (own && type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU) {
        info.memory_bytes = std::max(info.memory_bytes, memory.memoryHeaps[i].size);
      }
    }
    info.automatic = Rank(type) > 0;
    if (properties.properties.apiVersion < kNeedVersion) {
      info.unusable = "it has Vulkan " +
                      std::to_string(VK_API_VERSION_MAJOR(properties.properties.apiVersion)) + "." +
                      std::to_string(VK_API_VERSION_MINOR(properties.properties.apiVersion)) +
                      ", want 1.2";
    } else if (!info.automatic && options.device.empty()) {
      info.unusable = "it is a CPU; SAMARA_VULKAN=device=cpu takes it";
    }
    const bool first = has_choice && device == context.physical_;
    devices->insert(first ? devices->begin() : devices->end(), std::move(info));
  }
  return devices->empty() ? NotFound("no Vulkan device") : Status();
}

Status Context::ChooseDevice() {
  std::vector<VkPhysicalDevice> devices;
  SAMARA_RETURN_IF_ERROR(ReadDevices(&devices));
  const auto n = static_cast<uint32_t>(devices.size());
  int best = -2;
  std::string names;
  for (uint32_t i = 0; i < n; ++i) {
    Found found = {devices[i], {}};
    VkPhysicalDeviceProperties2 properties = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    api_.GetPhysicalDeviceProperties2(devices[i], &properties);
    found.properties = properties.properties;
    names += (names.empty() ? "" : ", ") + Quoted(found.properties.deviceName);
    if (!Matches(found, i, options_.device)) continue;
    const int rank = Rank(found.properties.deviceType);
    if (rank <= best) continue;
    best = rank;
    physical_ = found.device;
    properties_ = found.properties;
  }
  if (physical_ == VK_NULL_HANDLE) {
    if (n == 0) return NotFound("no Vulkan device");
    return NotFound("no Vulkan device %s; there are: %s%s",
                    options_.device.empty() ? "of a GPU" : Quoted(options_.device).c_str(),
                    names.c_str(),
                    options_.device.empty() ? " (SAMARA_VULKAN=device=cpu takes a CPU)" : "");
  }
  if (properties_.apiVersion < kNeedVersion) {
    return Unsupported("%s has Vulkan %u.%u, want 1.2", Quoted(properties_.deviceName).c_str(),
                       VK_API_VERSION_MAJOR(properties_.apiVersion),
                       VK_API_VERSION_MINOR(properties_.apiVersion));
  }
  return Status();
}

Status Context::ReadFacts() {
  VkPhysicalDeviceShaderIntegerDotProductProperties dot = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES};
  VkPhysicalDeviceVulkan12Properties v12 = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
  VkPhysicalDeviceVulkan11Properties v11 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
                                            &v12};
  uint32_t n = 0;
  SAMARA_RETURN_IF_ERROR(Check(
      api_.EnumerateDeviceExtensionProperties(physical_, nullptr, &n, nullptr), "extensions"));
  std::vector<VkExtensionProperties> extensions(n);
  SAMARA_RETURN_IF_ERROR(
      Check(api_.EnumerateDeviceExtensionProperties(physical_, nullptr, &n, extensions.data()),
            "extensions"));
  for (const VkExtensionProperties& e : extensions) {
    has_int_dot_ |=
        std::strcmp(e.extensionName, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME) == 0;
  }
  if (has_int_dot_) {
    v12.pNext = &dot;
    VkPhysicalDeviceShaderIntegerDotProductFeatures feature = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
    VkPhysicalDeviceFeatures2 features = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &feature};
    api_.GetPhysicalDeviceFeatures2(physical_, &features);
    has_int_dot_ = feature.shaderIntegerDotProduct != VK_FALSE;
  }
  VkPhysicalDeviceProperties2 properties = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &v11};
  api_.GetPhysicalDeviceProperties2(physical_, &properties);
  const VkPhysicalDeviceLimits& limits = properties_.limits;
  facts_.name = properties_.deviceName;
  facts_.driver = std::string(v12.driverName) + " " + v12.driverInfo;
  facts_.type = properties_.deviceType;
  facts_.max_range = limits.maxStorageBufferRange;
  if (options_.max_range != 0) facts_.max_range = std::min(facts_.max_range, options_.max_range);
  facts_.min_alignment = std::max<uint64_t>(limits.minStorageBufferOffsetAlignment, 4);
  facts_.max_shared = limits.maxComputeSharedMemorySize;
  facts_.max_workgroup =
      std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]);
  facts_.max_groups = limits.maxComputeWorkGroupCount[0];
  facts_.subgroup_size = v11.subgroupSize;
  if (limits.maxPerStageDescriptorStorageBuffers < kMaxBindings || facts_.max_workgroup < 256 ||
      limits.maxBoundDescriptorSets < 1) {
    return Unsupported("%s has %u storage buffers a shader and workgroups of %u, want %u and 256",
                       Quoted(facts_.name).c_str(), limits.maxPerStageDescriptorStorageBuffers,
                       facts_.max_workgroup, kMaxBindings);
  }
  constexpr VkSubgroupFeatureFlags kNeed =
      VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
  const bool subgroup = (v11.subgroupSupportedOperations & kNeed) == kNeed &&
                        (v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
                        v11.subgroupSize >= 4;
  // Arithmetic of subgroups is wrong there on some chips.
  const bool trusted = v12.driverID != VK_DRIVER_ID_MOLTENVK;
  SAMARA_RETURN_IF_ERROR(
      Resolve(options_.subgroup, subgroup, trusted, "subgroup arithmetic", &facts_.subgroup));
  SAMARA_RETURN_IF_ERROR(Resolve(options_.int_dot, has_int_dot_,
                                 dot.integerDotProduct4x8BitPackedSignedAccelerated != VK_FALSE,
                                 "integer dot product", &facts_.int_dot));
  SAMARA_RETURN_IF_ERROR(
      Resolve(options_.activations, true, facts_.int_dot, "int8 activations", &facts_.int8));
  SAMARA_RETURN_IF_ERROR(Resolve(options_.fuse, true, true, "fused operators", &facts_.fuse));
  SAMARA_RETURN_IF_ERROR(Resolve(options_.tiles, true, true, "tiles", &facts_.tiles));
  api_.GetPhysicalDeviceMemoryProperties(physical_, &memory_);
  return Status();
}

Status Context::MakeDevice() {
  uint32_t n = 0;
  api_.GetPhysicalDeviceQueueFamilyProperties(physical_, &n, nullptr);
  std::vector<VkQueueFamilyProperties> families(n);
  api_.GetPhysicalDeviceQueueFamilyProperties(physical_, &n, families.data());
  uint32_t family = 0;
  while (family < n && (families[family].queueFlags & VK_QUEUE_COMPUTE_BIT) == 0) ++family;
  if (family == n) return Unsupported("%s computes nothing", Quoted(facts_.name).c_str());
  queue_family_ = family;
  facts_.timestamp_bits = families[family].timestampValidBits;
  if (facts_.timestamp_bits != 0) facts_.timestamp_ns = properties_.limits.timestampPeriod;

  const float priority = 1;
  VkDeviceQueueCreateInfo queue = {VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkPhysicalDeviceVulkan12Features v12 = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  v12.timelineSemaphore = VK_TRUE;
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
  dot.shaderIntegerDotProduct = VK_TRUE;
  const char* extensions[] = {VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME};
  VkDeviceCreateInfo info = {VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &v12};
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  if (facts_.int_dot) {
    v12.pNext = &dot;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = extensions;
  }
  SAMARA_RETURN_IF_ERROR(Check(api_.CreateDevice(physical_, &info, nullptr, &device_), "device"));
  SAMARA_RETURN_IF_ERROR(api_.LoadDevice(device_));
  api_.GetDeviceQueue(device_, family, 0, &queue_);

  // Memory of the device that the host sees as well, as integrated devices have it.
  bool shared = false;
  constexpr VkMemoryPropertyFlags kAll = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                         VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  for (uint32_t i = 0; i < memory_.memoryTypeCount; ++i) {
    shared |= (memory_.memoryTypes[i].propertyFlags & kAll) == kAll;
  }
  shared &= facts_.type == VK_PHYSICAL_DEVICE_TYPE_CPU ||
            facts_.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  facts_.unified = shared && options_.staging != Switch::kOn;
  return Status();
}

Status Context::MakeLayouts() {
  VkDescriptorSetLayoutBinding bindings[kMaxBindings] = {};
  for (uint32_t i = 0; i < kMaxBindings; ++i) {
    bindings[i].binding = i;
    bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    bindings[i].descriptorCount = 1;
    bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  }
  const VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushBytes};
  for (uint32_t n = 1; n <= kMaxBindings; ++n) {
    VkDescriptorSetLayoutCreateInfo set = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
    set.bindingCount = n;
    set.pBindings = bindings;
    SAMARA_RETURN_IF_ERROR(Check(
        api_.CreateDescriptorSetLayout(device_, &set, nullptr, &set_layouts_[n]), "set layout"));
    VkPipelineLayoutCreateInfo layout = {VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    layout.setLayoutCount = 1;
    layout.pSetLayouts = &set_layouts_[n];
    layout.pushConstantRangeCount = 1;
    layout.pPushConstantRanges = &push;
    SAMARA_RETURN_IF_ERROR(
        Check(api_.CreatePipelineLayout(device_, &layout, nullptr, &pipeline_layouts_[n]),
              "pipeline layout"));
  }
  return Status();
}

Context::~Context() {
  if (device_ != VK_NULL_HANDLE && api_.DestroyDevice != nullptr) {
    // Fails on a lost device, which has nothing to wait for.
    static_cast<void>(api_.DeviceWaitIdle(device_));
    SaveCache();
    for (const auto& [key, pipeline] : pipelines_) {
      api_.DestroyPipeline(device_, pipeline, nullptr);
    }
    for (uint32_t n = 1; n <= kMaxBindings; ++n) {
      api_.DestroyPipelineLayout(device_, pipeline_layouts_[n], nullptr);
      api_.DestroyDescriptorSetLayout(device_, set_layouts_[n], nullptr);
    }
    api_.DestroyPipelineCache(device_, cache_, nullptr);
    api_.DestroyDevice(device_, nullptr);
  }
  if (instance_ != VK_NULL_HANDLE && api_.DestroyInstance != nullptr) {
    api_.DestroyInstance(instance_, nullptr);
  }
}

Status Context::Pipeline(Shader shader, const std::vector<uint32_t>& constants,
                         VkPipeline* pipeline) {
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = pipelines_.try_emplace({shader, constants}, VK_NULL_HANDLE);
  *pipeline = entry->second;
  if (!is_new && *pipeline != VK_NULL_HANDLE) return Status();
  const ShaderCode& code = CodeOf(shader);
  VkShaderModuleCreateInfo module_info = {VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = code.n_words * sizeof(uint32_t);
  module_info.pCode = code.words;
  VkShaderModule module = VK_NULL_HANDLE;
  SAMARA_RETURN_IF_ERROR(
      Note(api_.CreateShaderModule(device_, &module_info, nullptr, &module), code.name));
  std::vector<VkSpecializationMapEntry> entries(constants.size());
  for (uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, i * 4, 4};
  const VkSpecializationInfo specialization = {static_cast<uint32_t>(entries.size()),
                                               entries.data(), constants.size() * 4,
                                               constants.data()};
  VkComputePipelineCreateInfo info = {VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO};
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = pipeline_layouts_[code.bindings];
  const VkResult result =
      api_.CreateComputePipelines(device_, cache_, 1, &info, nullptr, &entry->second);
  api_.DestroyShaderModule(device_, module, nullptr);
  SAMARA_RETURN_IF_ERROR(Note(result, code.name));
  cache_changed_ = true;
  *pipeline = entry->second;
  return Status();
}

Status Context::AllocateMemory(uint64_t bytes, uint32_t type_bits, bool host,
                               VkDeviceMemory* memory, void** mapped) {
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags kHost =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  const bool map = host || facts_.unified;
  // Best first.
  const VkMemoryPropertyFlags wanted[3] = {
      host ? kHost | kCached : (facts_.unified ? kLocal | kHost | kCached : kLocal),
      host ? kHost : (facts_.unified ? kLocal | kHost : kLocal), map ? kHost : 0u};
  for (const VkMemoryPropertyFlags flags : wanted) {
    for (uint32_t i = 0; i < memory_.memoryTypeCount; ++i) {
      if ((type_bits >> i & 1) == 0) continue;
      if ((memory_.memoryTypes[i].propertyFlags & flags) != flags) continue;
      VkMemoryAllocateInfo info = {VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
      info.allocationSize = bytes;
      info.memoryTypeIndex = i;
      SAMARA_RETURN_IF_ERROR(Note(api_.AllocateMemory(device_, &info, nullptr, memory), "memory"));
      *mapped = nullptr;
      if (!map) return Status();
      const VkResult result = api_.MapMemory(device_, *memory, 0, VK_WHOLE_SIZE, 0, mapped);
      if (result != VK_SUCCESS) {
        api_.FreeMemory(device_, *memory, nullptr);
        *memory = VK_NULL_HANDLE;
      }
      return Note(result, "map of memory");
    }
  }
  return Unsupported("%s has no memory for buffers", Quoted(facts_.name).c_str());
}

Status Context::MakeBuffer(uint64_t bytes, VkBuffer* buffer, VkMemoryRequirements* need) {
  VkBufferCreateInfo info = {VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT;
  info.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
  SAMARA_RETURN_IF_ERROR(Note(api_.CreateBuffer(device_, &info, nullptr, buffer), "buffer"));
  api_.GetBufferMemoryRequirements(device_, *buffer, need);
  return Status();
}

Status Context::Note(VkResult result, const char* what) {
  if (result == VK_ERROR_DEVICE_LOST) lost_.store(true, std::memory_order_relaxed);
  return Check(result, what);
}

Status Context::Submit(const VkCommandBuffer* buffers, uint32_t n, VkSemaphore semaphore,
                       uint64_t value) {
  VkTimelineSemaphoreSubmitInfo timeline = {VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
  timeline.signalSemaphoreValueCount = 1;
  timeline.pSignalSemaphoreValues = &value;
  VkSubmitInfo info = {VK_STRUCTURE_TYPE_SUBMIT_INFO, &timeline};
  info.commandBufferCount = n;
  info.pCommandBuffers = buffers;
  info.signalSemaphoreCount = 1;
  info.pSignalSemaphores = &semaphore;
  const std::lock_guard lock(mutex_);
  if (lost()) return Note(VK_ERROR_DEVICE_LOST, "submission");
  if (++n_submits_ == options_.fail_submit) {
    // A device that is really lost has nothing under way.
    static_cast<void>(api_.DeviceWaitIdle(device_));
    return Note(VK_ERROR_DEVICE_LOST, "submission");
  }
  return Note(api_.QueueSubmit(queue_, 1, &info, VK_NULL_HANDLE), "submission");
}

}  // namespace samara::vulkan
