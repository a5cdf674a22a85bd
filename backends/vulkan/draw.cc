// Tokens drawn on the device: only the id crosses.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "backends/vulkan/device.h"

namespace samara::vulkan {

Status VulkanDevice::MakeDrawSets() {
  const Api& api = context_->api();
  const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3 * kSlots};
  VkDescriptorPoolCreateInfo pool = {VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  pool.maxSets = kSlots;
  pool.poolSizeCount = 1;
  pool.pPoolSizes = &size;
  SAMARA_RETURN_IF_ERROR(context_->Note(
      api.CreateDescriptorPool(context_->device(), &pool, nullptr, &draw_pool_), "descriptors"));
  const VkDescriptorSetLayout layout = context_->set_layout(3);
  for (VkDescriptorSet& set : draw_sets_) {
    VkDescriptorSetAllocateInfo info = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
    info.descriptorPool = draw_pool_;
    info.descriptorSetCount = 1;
    info.pSetLayouts = &layout;
    SAMARA_RETURN_IF_ERROR(context_->Note(
        api.AllocateDescriptorSets(context_->device(), &info, &set), "descriptor set"));
  }
  return context_->Pipeline(Shader::draw, {256}, &draw_pipeline_);
}

Status VulkanDevice::Draw(const DrawRequest& request, int32_t* id) {
  *id = -1;
  const Buffer* arena = nullptr;
  const uint64_t bytes = uint64_t{request.vocab} * sizeof(float);
  SAMARA_RETURN_IF_ERROR(Find(request.arena, request.offset, bytes, &arena));
  const uint64_t alignment = context_->facts().min_alignment;
  const uint64_t begin = request.offset / alignment * alignment;
  const uint64_t range = request.offset + bytes - begin;
  if (request.vocab == 0 || request.offset % 4 != 0 || range > context_->facts().max_range) {
    return Unsupported("vulkan: a draw from %u logits", request.vocab);
  }
  const Api& api = context_->api();
  uint32_t half = 0;
  SAMARA_RETURN_IF_ERROR(BeginTransfer(&half));
  const Buffer& staging = buffers_[staging_handle_ - 1];
  const VkDescriptorBufferInfo buffers[3] = {{step().buffer, 0, kStepBytes},
                                             {arena->buffer, begin, range},
                                             {staging.buffer, half * kStagingBytes, 64}};
  VkWriteDescriptorSet writes[3];
  for (uint32_t b = 0; b < 3; ++b) {
    writes[b] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    writes[b].dstSet = draw_sets_[half];
    writes[b].dstBinding = b;
    writes[b].descriptorCount = 1;
    writes[b].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes[b].pBufferInfo = &buffers[b];
  }
  api.UpdateDescriptorSets(context_->device(), 3, writes, 0, nullptr);
  const auto fixed = [](double value, double units) {
    return static_cast<uint32_t>(std::clamp(std::ceil(value * units), 0.0, 4294967295.0));
  };
  uint32_t push[kPushBytes / 4] = {};
  push[0] = static_cast<uint32_t>((request.offset - begin) / 4);
  push[1] = request.vocab;
  push[2] = std::bit_cast<uint32_t>(request.temperature);
  push[3] = request.top_k;
  push[4] = fixed(request.top_p, 16777216.0);
  push[5] = fixed(request.min_p, 1073741824.0);
  push[6] = static_cast<uint32_t>(std::clamp(request.uniform, 0.0, 1.0 - 0x1p-32) * 0x1p32);
  const VkCommandBuffer commands = transfers_[half].commands;
  const VkPipelineLayout layout = context_->pipeline_layout(3);
  uint32_t result[2] = {};
  std::memcpy(staging.mapped + half * kStagingBytes, result, sizeof result);
  api.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, draw_pipeline_);
  api.CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1,
                            &draw_sets_[half], 0, nullptr);
  api.CmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushBytes, push);
  api.CmdDispatch(commands, 1, 1, 1);
  SAMARA_RETURN_IF_ERROR(EndTransfer(half));
  SAMARA_RETURN_IF_ERROR(Wait(transfers_[half].value));
  std::memcpy(result, staging.mapped + half * kStagingBytes, sizeof result);
  if (result[0] == 2) return InvalidFile("logits are not finite: weights or states overflow");
  if (result[0] != 1 || result[1] >= request.vocab) {
    return Internal("vulkan: a draw gave state %u, id %u of %u", result[0], result[1],
                    request.vocab);
  }
  *id = static_cast<int32_t>(result[1]);
  return Status();
}

}  // namespace samara::vulkan
