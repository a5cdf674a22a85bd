// A model's share of a Vulkan device: buffers, transfers, the order of its work.
#ifndef SAMARA_BACKENDS_VULKAN_DEVICE_H_
#define SAMARA_BACKENDS_VULKAN_DEVICE_H_

#include <atomic>
#include <memory>

#include "backends/vulkan/context.h"
#include "runtime/backend.h"

namespace samara::vulkan {

// The step buffer: values of dimensions, arguments of indirect dispatches, then the block of StepParams.
inline constexpr uint32_t kMaxDims = 255;      // 0 is the dimension 1
inline constexpr uint32_t kMaxIndirect = 960;  // of 16 bytes each, behind 256 words
inline constexpr uint64_t kIndirectAt = 1024;
inline constexpr uint64_t kStepHeadBytes = 16384;
inline constexpr uint64_t kStepBytes = uint64_t{1} << 20;
inline constexpr uint64_t kStagingBytes = uint64_t{4} << 20;  // of each of two halves
inline constexpr uint32_t kSlots = 2;                         // steps and transfers under way
inline constexpr uint64_t kBlockBytes = uint64_t{4}
                                        << 20;  // small buffers share memory of this size
static_assert(kIndirectAt + kMaxIndirect * 16 <= kStepHeadBytes);

struct Buffer {
  VkBuffer buffer;
  uint64_t bytes;
  uint8_t* mapped;  // nullptr: not visible to the host
};

class VulkanDevice final : public Device {
 public:
  static Status List(MemoryList* list);
  VulkanDevice() = default;
  ~VulkanDevice() override;
  Status Init(const Options& options, Ledger* ledger);

  const char* description() const override { return description_; }
  const char* notice() const override { return notice_[0] == '\0' ? nullptr : notice_; }
  Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) override;
  Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) override;
  Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) override;
  Status UploadWeight(uint64_t handle, const Weight& weight, const WeightPlacement& placement,
                      const void* host) override;
  bool can_draw() const override { return true; }
  Status Draw(const DrawRequest& request, int32_t* id) override;
  Status Finish() override { return Wait(submitted_); }
  Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) override;
  Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
              uint64_t bytes) override;
  Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                 InPlacePtr<Partition>* partition) override;
  void RequestCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  void ClearCancel() override { cancelled_.store(false, std::memory_order_relaxed); }

  // For partitions.
  Context& context() { return *context_; }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  Status Find(uint64_t handle, uint64_t offset, uint64_t bytes, const Buffer** buffer) const;
  uint64_t step_handle() const { return step_handle_; }
  const Buffer& step() const { return buffers_[step_handle_ - 1]; }
  const Buffer& step_ring() const { return buffers_[ring_handle_ - 1]; }
  // Waits until the slot of the next step is free.
  Status NextStep(uint32_t* slot, uint8_t** memory);
  void StepQueued(uint32_t slot) { step_values_[slot] = submitted_; }
  // Queues command buffers behind everything queued before; *value: what Wait takes.
  Status Submit(const VkCommandBuffer* buffers, uint32_t n, uint64_t* value);
  Status Wait(uint64_t value);

 private:
  struct Block {
    VkDeviceMemory memory;
    uint8_t* mapped;
    uint64_t used;
    uint32_t type_bits;
  };
  struct Transfer {  // one of the halves of the staging buffer
    VkCommandBuffer commands;
    uint64_t value;
  };
  static constexpr uint32_t kMaxBuffers = 4096;
  static constexpr uint32_t kMaxBlocks = 256;

  Status AllocateBuffer(uint64_t bytes, bool host, uint64_t* handle);
  Status Place(const VkMemoryRequirements& need, VkBuffer buffer, Buffer* placed);
  Status BeginTransfer(uint32_t* half);
  Status EndTransfer(uint32_t half);
  Status MakeDrawSets();

  std::shared_ptr<Context> context_;
  VkSemaphore semaphore_ = VK_NULL_HANDLE;
  uint64_t submitted_ = 0, finished_ = 0;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  Transfer transfers_[kSlots] = {};
  uint32_t next_transfer_ = 0, next_step_ = 0;
  uint64_t step_values_[kSlots] = {};
  VkDescriptorPool draw_pool_ = VK_NULL_HANDLE;
  VkDescriptorSet draw_sets_[kSlots] = {};
  VkPipeline draw_pipeline_ = VK_NULL_HANDLE;  // the context's
  uint64_t staging_handle_ = 0, step_handle_ = 0, ring_handle_ = 0;
  uint32_t n_buffers_ = 0, n_blocks_ = 0, n_memories_ = 0;
  std::atomic<bool> cancelled_{false};
  char description_[160] = {};
  char notice_[200] = {};
  Block blocks_[kMaxBlocks] = {};
  VkDeviceMemory memories_[kMaxBuffers] = {};  // of large buffers
  Buffer buffers_[kMaxBuffers] = {};
};

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_DEVICE_H_
