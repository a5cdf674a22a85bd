// One VkDevice with its queue and pipelines, shared by all models of the process that use it with the same switches.
#ifndef SAMARA_BACKENDS_VULKAN_CONTEXT_H_
#define SAMARA_BACKENDS_VULKAN_CONTEXT_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/vulkan/api.h"
#include "backends/vulkan/options.h"
#include "backends/vulkan/shaders.h"
#include "runtime/backend.h"

namespace samara::vulkan {

inline constexpr uint32_t kMaxBindings = 10;  // of a shader, the step buffer included
inline constexpr uint32_t kPushBytes = 128;

struct Facts {
  std::string name, driver;
  VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
  uint64_t max_range = 0;      // bytes of one binding
  uint64_t min_alignment = 0;  // of a binding's offset
  uint32_t max_shared = 0;     // bytes of shared memory
  uint32_t max_workgroup = 0;
  uint32_t max_groups = 0;  // in x
  uint32_t subgroup_size = 0;
  bool unified = false;  // device memory is mapped and copied to directly
  bool int_dot = false, subgroup = false, int8 = false, fuse = false, tiles = false;
  double timestamp_ns = 0;  // of a tick; 0: no timestamps
  uint32_t timestamp_bits = 0;
};

class Context {
 public:
  // The context of the chosen device with these switches, made on first use.
  static Status Get(const Options& options, std::shared_ptr<Context>* context);
  // The devices of this machine, the one that Get takes first.
  static Status List(const Options& options, std::vector<DeviceInfo>* devices);
  explicit Context(const Options& options) : options_(options) {}
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Api& api() const { return api_; }
  const Facts& facts() const { return facts_; }
  const Options& options() const { return options_; }
  VkDevice device() const { return device_; }
  uint32_t queue_family() const { return queue_family_; }

  // Compiled on first use.
  Status Pipeline(Shader shader, const std::vector<uint32_t>& constants, VkPipeline* pipeline);
  VkDescriptorSetLayout set_layout(uint32_t bindings) const { return set_layouts_[bindings]; }
  VkPipelineLayout pipeline_layout(uint32_t bindings) const { return pipeline_layouts_[bindings]; }
  // Writes the pipeline cache to disk where something new is in it.
  void SaveCache();

  // `host`: mapped, coherent memory; else the memory of the device, mapped where facts().unified.
  Status AllocateMemory(uint64_t bytes, uint32_t type_bits, bool host, VkDeviceMemory* memory,
                        void** mapped);
  Status MakeBuffer(uint64_t bytes, VkBuffer* buffer, VkMemoryRequirements* need);

  // Queues command buffers, in order, and lets `semaphore` reach `value` behind them.
  Status Submit(const VkCommandBuffer* buffers, uint32_t n, VkSemaphore semaphore, uint64_t value);
  // After the device was lost everything fails.
  bool lost() const { return lost_.load(std::memory_order_relaxed); }
  Status Note(VkResult result, const char* what);  // Check, and remembers the loss

 private:
  Status Init();
  Status OpenInstance();
  Status ReadDevices(std::vector<VkPhysicalDevice>* devices);
  Status ChooseDevice();
  Status ReadFacts();
  Status MakeDevice();
  Status MakeLayouts();
  void LoadCache();
  std::string CachePath() const;

  const Options options_;
  Api api_;
  Facts facts_;
  VkInstance instance_ = VK_NULL_HANDLE;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  uint32_t queue_family_ = 0;
  VkPhysicalDeviceMemoryProperties memory_ = {};
  VkPhysicalDeviceProperties properties_ = {};
  bool has_int_dot_ = false;
  VkDescriptorSetLayout set_layouts_[kMaxBindings + 1] = {};
  VkPipelineLayout pipeline_layouts_[kMaxBindings + 1] = {};
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  std::mutex mutex_;  // queue, pipelines, cache
  std::map<std::pair<Shader, std::vector<uint32_t>>, VkPipeline> pipelines_;
  bool cache_changed_ = false;
  uint64_t n_submits_ = 0;
  std::atomic<bool> lost_{false};
};

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_CONTEXT_H_
