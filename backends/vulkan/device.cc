#include "backends/vulkan/device.h"

#include <algorithm>
#include <cstring>

namespace samara::vulkan {
namespace {

using Ull = unsigned long long;

constexpr char kObjectItem[] = "vulkan device object";
constexpr char kStepItem[] = "vulkan step buffer";
constexpr char kRingItem[] = "vulkan step ring";
constexpr char kStagingItem[] = "vulkan staging";
constexpr char kRoundingItem[] = "vulkan rest of the last block";
// Buffers from this size on have memory of their own.
constexpr uint64_t kLarge = uint64_t{1} << 20;

uint64_t AlignUp(uint64_t n, uint64_t a) { return (n + a - 1) / a * a; }

void CopyText(const std::string& text, char* to, size_t bytes) {
  const size_t n = std::min(text.size(), bytes - 1);
  std::memcpy(to, text.data(), n);
  to[n] = '\0';
}

VkMemoryBarrier Barrier(VkAccessFlags from, VkAccessFlags to) {
  VkMemoryBarrier barrier = {VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  barrier.srcAccessMask = from;
  barrier.dstAccessMask = to;
  return barrier;
}

}  // namespace

Status VulkanDevice::List(MemoryList* list) {
  list->Add(kObjectItem, sizeof(VulkanDevice));
  list->Add(kStepItem, kStepBytes, 64, MemoryClass::kDevice);
  list->Add(kRingItem, kSlots * kStepBytes, 64, MemoryClass::kDevice);
  list->Add(kStagingItem, kSlots * kStagingBytes, 64, MemoryClass::kDevice);
  list->Add(kRoundingItem, kBlockBytes, 64, MemoryClass::kDevice);
  return Status();
}

Status VulkanDevice::Init(const Options& options, Ledger* ledger) {
  SAMARA_RETURN_IF_ERROR(Context::Get(options, &context_));
  const Facts& facts = context_->facts();
  CopyText("vulkan " + facts.name + ", " + facts.driver, description_, sizeof description_);
  if (facts.type == VK_PHYSICAL_DEVICE_TYPE_CPU) {
    CopyText("this Vulkan device is a CPU: backend cpu is far faster", notice_, sizeof notice_);
  }
  const Api& api = context_->api();
  VkSemaphoreTypeCreateInfo type = {VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  const VkSemaphoreCreateInfo info = {VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type, 0};
  SAMARA_RETURN_IF_ERROR(context_->Note(
      api.CreateSemaphore(context_->device(), &info, nullptr, &semaphore_), "semaphore"));
  VkCommandPoolCreateInfo pool = {VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  pool.queueFamilyIndex = context_->queue_family();
  SAMARA_RETURN_IF_ERROR(context_->Note(
      api.CreateCommandPool(context_->device(), &pool, nullptr, &pool_), "command pool"));
  VkCommandBufferAllocateInfo allocate = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool_;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = kSlots;
  VkCommandBuffer commands[kSlots];
  SAMARA_RETURN_IF_ERROR(context_->Note(
      api.AllocateCommandBuffers(context_->device(), &allocate, commands), "command buffers"));
  for (uint32_t i = 0; i < kSlots; ++i) transfers_[i].commands = commands[i];

  const struct {
    const char* name;
    uint64_t bytes;
    bool host;
    uint64_t* handle;
  } own[] = {{kStepItem, kStepBytes, false, &step_handle_},
             {kRingItem, kSlots * kStepBytes, true, &ring_handle_},
             {kStagingItem, kSlots * kStagingBytes, true, &staging_handle_}};
  for (const auto& buffer : own) {
    SAMARA_RETURN_IF_ERROR(ledger->Claim(buffer.name, buffer.bytes));
    SAMARA_RETURN_IF_ERROR(AllocateBuffer(buffer.bytes, buffer.host, buffer.handle));
  }
  SAMARA_RETURN_IF_ERROR(ledger->Claim(kRoundingItem, kBlockBytes));
  return MakeDrawSets();
}

VulkanDevice::~VulkanDevice() {
  if (context_ == nullptr) return;
  const Api& api = context_->api();
  const VkDevice device = context_->device();
  static_cast<void>(Wait(submitted_));  // a lost device has nothing under way
  for (uint32_t i = 0; i < n_buffers_; ++i) api.DestroyBuffer(device, buffers_[i].buffer, nullptr);
  for (uint32_t i = 0; i < n_memories_; ++i) api.FreeMemory(device, memories_[i], nullptr);
  for (uint32_t i = 0; i < n_blocks_; ++i) api.FreeMemory(device, blocks_[i].memory, nullptr);
  api.DestroyDescriptorPool(device, draw_pool_, nullptr);
  api.DestroyCommandPool(device, pool_, nullptr);
  api.DestroySemaphore(device, semaphore_, nullptr);
}

// Small buffers lie in blocks, since drivers limit the number of allocations.
Status VulkanDevice::Place(const VkMemoryRequirements& need, VkBuffer buffer, Buffer* placed) {
  const Api& api = context_->api();
  for (uint32_t i = 0; i <= n_blocks_; ++i) {
    if (i == kMaxBlocks) return OutOfMemory("more than %u blocks of small buffers", kMaxBlocks);
    Block& block = blocks_[i];
    if (i == n_blocks_) {
      void* mapped = nullptr;
      SAMARA_RETURN_IF_ERROR(context_->AllocateMemory(kBlockBytes, need.memoryTypeBits, false,
                                                      &block.memory, &mapped));
      block.mapped = static_cast<uint8_t*>(mapped);
      block.type_bits = need.memoryTypeBits;
      block.used = 0;
      ++n_blocks_;
    }
    const uint64_t at = AlignUp(block.used, need.alignment);
    if (block.type_bits != need.memoryTypeBits || at + need.size > kBlockBytes) continue;
    SAMARA_RETURN_IF_ERROR(context_->Note(
        api.BindBufferMemory(context_->device(), buffer, block.memory, at), "buffer's memory"));
    block.used = at + need.size;
    placed->mapped = block.mapped == nullptr ? nullptr : block.mapped + at;
    return Status();
  }
  return Internal("no block for a small buffer");
}

Status VulkanDevice::AllocateBuffer(uint64_t bytes, bool host, uint64_t* handle) {
  if (n_buffers_ == kMaxBuffers) return OutOfMemory("more than %u device buffers", kMaxBuffers);
  // Bindings span whole words.
  const uint64_t size = AlignUp(std::max<uint64_t>(bytes, 16), 16);
  Buffer& buffer = buffers_[n_buffers_];
  VkMemoryRequirements need = {};
  SAMARA_RETURN_IF_ERROR(context_->MakeBuffer(size, &buffer.buffer, &need));
  ++n_buffers_;  // the destructor frees it from here on
  buffer.bytes = size;
  if (!host && need.size < kLarge) {
    SAMARA_RETURN_IF_ERROR(Place(need, buffer.buffer, &buffer));
  } else {
    void* mapped = nullptr;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    SAMARA_RETURN_IF_ERROR(
        context_->AllocateMemory(need.size, need.memoryTypeBits, host, &memory, &mapped));
    memories_[n_memories_++] = memory;
    SAMARA_RETURN_IF_ERROR(context_->Note(
        context_->api().BindBufferMemory(context_->device(), buffer.buffer, memory, 0),
        "buffer's memory"));
    buffer.mapped = static_cast<uint8_t*>(mapped);
  }
  *handle = n_buffers_;
  return Status();
}

Status VulkanDevice::Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) {
  SAMARA_RETURN_IF_ERROR(ledger->Claim(name, bytes));
  const Status status = AllocateBuffer(bytes, false, handle);
  return status.ok() ? status
                     : status.WithContext(Quoted(name) + ", " + std::to_string(bytes) + " bytes");
}

Status VulkanDevice::Find(uint64_t handle, uint64_t offset, uint64_t bytes,
                          const Buffer** buffer) const {
  if (handle == 0 || handle > n_buffers_) return Internal("a handle that is not of this device");
  const Buffer& found = buffers_[handle - 1];
  if (offset > found.bytes || bytes > found.bytes - offset) {
    return Internal("bytes %llu to %llu of a buffer of %llu", static_cast<Ull>(offset),
                    static_cast<Ull>(offset + bytes), static_cast<Ull>(found.bytes));
  }
  *buffer = &found;
  return Status();
}

Status VulkanDevice::Submit(const VkCommandBuffer* buffers, uint32_t n, uint64_t* value) {
  SAMARA_RETURN_IF_ERROR(context_->Submit(buffers, n, semaphore_, submitted_ + 1));
  *value = ++submitted_;
  return Status();
}

Status VulkanDevice::Wait(uint64_t value) {
  if (value <= finished_) return Status();
  if (context_->lost()) return context_->Note(VK_ERROR_DEVICE_LOST, "wait");
  VkSemaphoreWaitInfo info = {VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  info.semaphoreCount = 1;
  info.pSemaphores = &semaphore_;
  info.pValues = &value;
  VkResult result;
  do {
    result = context_->api().WaitSemaphores(context_->device(), &info, 1000000000);
  } while (result == VK_TIMEOUT);
  SAMARA_RETURN_IF_ERROR(context_->Note(result, "wait"));
  finished_ = value;
  return Status();
}

Status VulkanDevice::NextStep(uint32_t* slot, uint8_t** memory) {
  *slot = next_step_;
  next_step_ = (next_step_ + 1) % kSlots;
  SAMARA_RETURN_IF_ERROR(Wait(step_values_[*slot]));
  *memory = step_ring().mapped + *slot * kStepBytes;
  return Status();
}

Status VulkanDevice::BeginTransfer(uint32_t* half) {
  *half = next_transfer_;
  next_transfer_ = (next_transfer_ + 1) % kSlots;
  Transfer& transfer = transfers_[*half];
  SAMARA_RETURN_IF_ERROR(Wait(transfer.value));
  const Api& api = context_->api();
  VkCommandBufferBeginInfo begin = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  SAMARA_RETURN_IF_ERROR(
      context_->Note(api.BeginCommandBuffer(transfer.commands, &begin), "command buffer"));
  const VkMemoryBarrier barrier =
      Barrier(VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
              VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT |
                  VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
  api.CmdPipelineBarrier(transfer.commands,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, 0,
                         1, &barrier, 0, nullptr, 0, nullptr);
  return Status();
}

Status VulkanDevice::EndTransfer(uint32_t half) {
  Transfer& transfer = transfers_[half];
  const Api& api = context_->api();
  const VkMemoryBarrier barrier =
      Barrier(VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_SHADER_WRITE_BIT,
              VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                  VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_HOST_READ_BIT);
  api.CmdPipelineBarrier(transfer.commands,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                         VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT |
                             VK_PIPELINE_STAGE_HOST_BIT,
                         0, 1, &barrier, 0, nullptr, 0, nullptr);
  SAMARA_RETURN_IF_ERROR(context_->Note(api.EndCommandBuffer(transfer.commands), "command buffer"));
  return Submit(&transfer.commands, 1, &transfer.value);
}

Status VulkanDevice::Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) {
  const Buffer* buffer = nullptr;
  SAMARA_RETURN_IF_ERROR(Find(handle, offset, bytes, &buffer));
  if (bytes == 0) return Status();
  if (buffer->mapped != nullptr) {
    SAMARA_RETURN_IF_ERROR(Finish());
    std::memcpy(buffer->mapped + offset, data, bytes);
    return Status();
  }
  const Buffer& staging = buffers_[staging_handle_ - 1];
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t piece = std::min(bytes - at, kStagingBytes);
    uint32_t half = 0;
    SAMARA_RETURN_IF_ERROR(BeginTransfer(&half));
    std::memcpy(staging.mapped + half * kStagingBytes, static_cast<const uint8_t*>(data) + at,
                piece);
    const VkBufferCopy copy = {half * kStagingBytes, offset + at, piece};
    context_->api().CmdCopyBuffer(transfers_[half].commands, staging.buffer, buffer->buffer, 1,
                                  &copy);
    SAMARA_RETURN_IF_ERROR(EndTransfer(half));
    at += piece;
  }
  return Status();
}

Status VulkanDevice::Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) {
  const Buffer* buffer = nullptr;
  SAMARA_RETURN_IF_ERROR(Find(handle, offset, bytes, &buffer));
  if (bytes == 0) return Finish();
  if (buffer->mapped != nullptr) {
    SAMARA_RETURN_IF_ERROR(Finish());
    std::memcpy(data, buffer->mapped + offset, bytes);
    return Status();
  }
  const Buffer& staging = buffers_[staging_handle_ - 1];
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t piece = std::min(bytes - at, kStagingBytes);
    uint32_t half = 0;
    SAMARA_RETURN_IF_ERROR(BeginTransfer(&half));
    const VkBufferCopy copy = {offset + at, half * kStagingBytes, piece};
    context_->api().CmdCopyBuffer(transfers_[half].commands, buffer->buffer, staging.buffer, 1,
                                  &copy);
    SAMARA_RETURN_IF_ERROR(EndTransfer(half));
    SAMARA_RETURN_IF_ERROR(Wait(transfers_[half].value));
    std::memcpy(static_cast<uint8_t*>(data) + at, staging.mapped + half * kStagingBytes, piece);
    at += piece;
  }
  return Status();
}

Status VulkanDevice::Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) {
  const Buffer* buffer = nullptr;
  SAMARA_RETURN_IF_ERROR(Find(handle, offset, bytes, &buffer));
  if (bytes == 0) return Status();
  if (buffer->mapped != nullptr) {
    SAMARA_RETURN_IF_ERROR(Finish());
    std::memset(buffer->mapped + offset, byte, bytes);
    return Status();
  }
  // The command fills whole words; the ends are copied.
  const uint64_t begin = std::min(AlignUp(offset, 4), offset + bytes);
  const uint64_t end = std::max(begin, (offset + bytes) / 4 * 4);
  const uint8_t ends[4] = {byte, byte, byte, byte};
  SAMARA_RETURN_IF_ERROR(Upload(handle, offset, ends, begin - offset));
  SAMARA_RETURN_IF_ERROR(Upload(handle, end, ends, offset + bytes - end));
  if (begin == end) return Status();
  uint32_t half = 0;
  SAMARA_RETURN_IF_ERROR(BeginTransfer(&half));
  context_->api().CmdFillBuffer(transfers_[half].commands, buffer->buffer, begin, end - begin,
                                byte * 0x01010101u);
  return EndTransfer(half);
}

Status VulkanDevice::Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
                          uint64_t bytes) {
  const Buffer *target = nullptr, *source = nullptr;
  SAMARA_RETURN_IF_ERROR(Find(to, to_offset, bytes, &target));
  SAMARA_RETURN_IF_ERROR(Find(from, from_offset, bytes, &source));
  if (bytes == 0) return Status();
  if (to == from && to_offset < from_offset + bytes && from_offset < to_offset + bytes) {
    return Internal("a copy onto itself");
  }
  uint32_t half = 0;
  SAMARA_RETURN_IF_ERROR(BeginTransfer(&half));
  const VkBufferCopy copy = {from_offset, to_offset, bytes};
  context_->api().CmdCopyBuffer(transfers_[half].commands, source->buffer, target->buffer, 1,
                                &copy);
  return EndTransfer(half);
}

}  // namespace samara::vulkan
