// A recorded partition: command buffers made once, submitted again with other bytes in the step buffer.
#include <algorithm>
#include <cstring>
#include <new>

#include "backends/vulkan/plan.h"

namespace samara::vulkan {
namespace {

constexpr uint32_t kMaxSegments = 512;
constexpr uint32_t kMaxSymbols = 64;
constexpr uint32_t kUnderWay = 2;  // submissions queued ahead, so that a cancel is seen soon

struct IndirectExtent {
  Extent groups[3];
  bool operator==(const IndirectExtent&) const = default;
};

class VulkanPartition final : public Partition {
 public:
  explicit VulkanPartition(VulkanDevice* device) : device_(device) {}
  ~VulkanPartition() override;
  Status Init(const PartitionSpec& spec);
  Status Run(const void* step) override;

 private:
  Status Prepare(const StepHeader& header, uint8_t* memory);
  Status KeepFacts(const PartitionSpec& spec, const Builder& plan);
  Status MakeSets(const Builder& plan, std::vector<VkDescriptorSet>* sets);
  Status RecordCopies();
  Status Record(const Builder& plan, const std::vector<VkDescriptorSet>& sets);
  Status BeginSegment();
  Status EndSegment(bool last);
  Status IndirectOf(const Dispatch& d, bool* indirect, uint32_t* counts, uint32_t* entry);
  Status ReportTimes();

  VulkanDevice* const device_;
  StepLayout layout_;
  uint32_t bucket_tokens_ = 0, max_outputs_ = 0;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkDescriptorPool descriptors_ = VK_NULL_HANDLE;
  VkQueryPool queries_ = VK_NULL_HANDLE;
  ProfileSink* profile_ = nullptr;
  VkCommandBuffer copies_[kSlots] = {};
  VkCommandBuffer segments_[kMaxSegments] = {};
  uint32_t n_segments_ = 0;
  uint64_t last_value_ = 0;
  uint32_t n_symbols_ = 0, n_dims_ = 0, n_indirect_ = 0, n_ops_ = 0, n_queries_ = 0;
  SymbolKind symbol_kinds_[kMaxSymbols] = {};
  uint64_t symbols_[kMaxSymbols] = {};
  TableDim dims_[kMaxDims];
  uint32_t capacity_[kMaxDims] = {};
  IndirectExtent indirect_[kMaxIndirect];
};

VulkanPartition::~VulkanPartition() {
  const Api& api = device_->context().api();
  const VkDevice device = device_->context().device();
  static_cast<void>(device_->Wait(last_value_));
  api.DestroyQueryPool(device, queries_, nullptr);
  api.DestroyDescriptorPool(device, descriptors_, nullptr);
  api.DestroyCommandPool(device, pool_, nullptr);
}

Status VulkanPartition::KeepFacts(const PartitionSpec& spec, const Builder& plan) {
  layout_ = *spec.step_layout;
  bucket_tokens_ = spec.bucket_tokens;
  max_outputs_ = spec.max_outputs;
  n_ops_ = spec.n_ops;
  if (layout_.bytes > kStepBytes - kStepHeadBytes) {
    return ResourceExhausted(
        "vulkan: a step of %llu bytes, at most %llu: fewer sessions or less context",
        static_cast<unsigned long long>(layout_.bytes),
        static_cast<unsigned long long>(kStepBytes - kStepHeadBytes));
  }
  n_symbols_ = static_cast<uint32_t>(spec.package->symbols.size());
  if (n_symbols_ > kMaxSymbols || spec.capacity->size() != n_symbols_) {
    return Unsupported("vulkan: %u symbols, at most %u", n_symbols_, kMaxSymbols);
  }
  for (uint32_t i = 0; i < n_symbols_; ++i) {
    symbol_kinds_[i] = spec.package->symbols[i].kind;
    symbols_[i] = (*spec.capacity)[i];
  }
  n_dims_ = static_cast<uint32_t>(plan.dims.size());
  std::copy(plan.dims.begin(), plan.dims.end(), dims_);
  if (!EvaluateDims(dims_, n_dims_, symbols_, n_symbols_, capacity_)) {
    return Unsupported("vulkan: a dimension of the partition passes 2^31");
  }
  return Status();
}

Status VulkanPartition::MakeSets(const Builder& plan, std::vector<VkDescriptorSet>* sets) {
  Context& context = device_->context();
  const Api& api = context.api();
  uint32_t n_bindings = 0;
  for (const Dispatch& d : plan.dispatches) n_bindings += CodeOf(d.shader).bindings;
  const auto n = static_cast<uint32_t>(plan.dispatches.size());
  sets->assign(n, VK_NULL_HANDLE);
  if (n == 0) return Status();
  const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, n_bindings};
  VkDescriptorPoolCreateInfo pool = {VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  pool.maxSets = n;
  pool.poolSizeCount = 1;
  pool.pPoolSizes = &size;
  SAMARA_RETURN_IF_ERROR(context.Note(
      api.CreateDescriptorPool(context.device(), &pool, nullptr, &descriptors_), "descriptors"));
  for (uint32_t i = 0; i < n; ++i) {
    const Dispatch& d = plan.dispatches[i];
    const ShaderCode& code = CodeOf(d.shader);
    if (d.operands.size() + 1 != code.bindings || d.push.size() * 4 > kPushBytes) {
      return Internal("shader %s: %zu bindings and %zu push constants", code.name,
                      d.operands.size() + 1, d.push.size());
    }
    const VkDescriptorSetLayout layout = context.set_layout(code.bindings);
    VkDescriptorSetAllocateInfo info = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
    info.descriptorPool = descriptors_;
    info.descriptorSetCount = 1;
    info.pSetLayouts = &layout;
    SAMARA_RETURN_IF_ERROR(context.Note(
        api.AllocateDescriptorSets(context.device(), &info, &(*sets)[i]), "descriptor set"));
    VkDescriptorBufferInfo buffers[kMaxBindings];
    VkWriteDescriptorSet writes[kMaxBindings];
    for (uint32_t b = 0; b < code.bindings; ++b) {
      if (b == 0) {
        buffers[b] = {device_->step().buffer, 0, kStepBytes};
      } else {
        const Operand& operand = d.operands[b - 1];
        buffers[b] = {operand.buffer->buffer, operand.offset, operand.range};
      }
      writes[b] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
      writes[b].dstSet = (*sets)[i];
      writes[b].dstBinding = b;
      writes[b].descriptorCount = 1;
      writes[b].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
      writes[b].pBufferInfo = &buffers[b];
    }
    api.UpdateDescriptorSets(context.device(), code.bindings, writes, 0, nullptr);
  }
  return Status();
}

// Work of the step before ends, then the step's bytes come, then work begins.
Status VulkanPartition::RecordCopies() {
  Context& context = device_->context();
  const Api& api = context.api();
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const VkCommandBuffer commands = copies_[slot];
    VkCommandBufferBeginInfo begin = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    // The next step may be queued while this one runs.
    begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
    SAMARA_RETURN_IF_ERROR(
        context.Note(api.BeginCommandBuffer(commands, &begin), "command buffer"));
    VkMemoryBarrier barrier = {VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    barrier.dstAccessMask =
        VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    api.CmdPipelineBarrier(commands,
                           VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT |
                               VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                           VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, 0,
                           1, &barrier, 0, nullptr, 0, nullptr);
    const VkBufferCopy copy = {slot * kStepBytes, 0, kStepHeadBytes + layout_.bytes};
    api.CmdCopyBuffer(commands, device_->step_ring().buffer, device_->step().buffer, 1, &copy);
    barrier.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_INDIRECT_COMMAND_READ_BIT;
    api.CmdPipelineBarrier(
        commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT, 0, 1, &barrier,
        0, nullptr, 0, nullptr);
    SAMARA_RETURN_IF_ERROR(context.Note(api.EndCommandBuffer(commands), "command buffer"));
  }
  return Status();
}

// Sizes that change from step to step are read from the step buffer, others are recorded.
Status VulkanPartition::IndirectOf(const Dispatch& d, bool* indirect, uint32_t* counts,
                                   uint32_t* entry) {
  *indirect = false;
  for (int axis = 0; axis < 3; ++axis) {
    if (!EvaluateExtent(d.groups[axis], capacity_, &counts[axis]) ||
        counts[axis] > device_->context().facts().max_groups) {
      return Unsupported("vulkan: shader %s on more than %u groups", CodeOf(d.shader).name,
                         device_->context().facts().max_groups);
    }
    for (uint32_t i = 0; i < d.groups[axis].n; ++i) {
      const TableDim& dim = dims_[d.groups[axis].dims[i]];
      *indirect |= dim.a >= 0 || !dim.dim.IsConstant();
    }
  }
  if (!*indirect) return Status();
  const IndirectExtent extent = {{d.groups[0], d.groups[1], d.groups[2]}};
  for (*entry = 0; *entry < n_indirect_; ++*entry) {
    if (indirect_[*entry] == extent) return Status();
  }
  if (n_indirect_ == kMaxIndirect) {
    return Unsupported("vulkan: more than %u shapes of dispatches", kMaxIndirect);
  }
  indirect_[n_indirect_++] = extent;
  return Status();
}

Status VulkanPartition::BeginSegment() {
  Context& context = device_->context();
  if (n_segments_ == kMaxSegments) {
    return Unsupported("vulkan: more than %u submissions a step", kMaxSegments);
  }
  VkCommandBufferAllocateInfo allocate = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool_;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = 1;
  SAMARA_RETURN_IF_ERROR(context.Note(
      context.api().AllocateCommandBuffers(context.device(), &allocate, &segments_[n_segments_]),
      "command buffer"));
  VkCommandBufferBeginInfo begin = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  // The next step may be queued while this one runs.
  begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  return context.Note(context.api().BeginCommandBuffer(segments_[n_segments_], &begin),
                      "command buffer");
}

Status VulkanPartition::EndSegment(bool last) {
  Context& context = device_->context();
  if (last) {
    // For results that the host reads from shared memory.
    VkMemoryBarrier barrier = {VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
    barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    context.api().CmdPipelineBarrier(segments_[n_segments_], VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                     VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, nullptr, 0,
                                     nullptr);
  }
  const VkCommandBuffer commands = segments_[n_segments_++];
  return context.Note(context.api().EndCommandBuffer(commands), "command buffer");
}

// What was touched since the last barrier.
class Hazards {
 public:
  bool Conflict(const Dispatch& d) const {
    for (const Operand& a : d.operands) {
      for (const Operand& b : since_) {
        if ((a.write || b.write) && a.buffer == b.buffer && a.offset < b.offset + b.range &&
            b.offset < a.offset + a.range) {
          return true;
        }
      }
    }
    return false;
  }
  void Add(const Dispatch& d) { since_.insert(since_.end(), d.operands.begin(), d.operands.end()); }
  void Clear() { since_.clear(); }

 private:
  std::vector<Operand> since_;
};

Status VulkanPartition::Record(const Builder& plan, const std::vector<VkDescriptorSet>& sets) {
  Context& context = device_->context();
  const Api& api = context.api();
  const uint64_t most = context.options().segment != 0 ? context.options().segment
                        : context.facts().type == VK_PHYSICAL_DEVICE_TYPE_CPU ? uint64_t{200} << 20
                        : context.facts().type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
                            ? uint64_t{100} << 30
                            : uint64_t{10} << 30;
  Hazards hazards;
  uint64_t cost = 0;
  SAMARA_RETURN_IF_ERROR(BeginSegment());
  if (queries_ != VK_NULL_HANDLE) {
    api.CmdResetQueryPool(segments_[0], queries_, 0, n_queries_);
    api.CmdWriteTimestamp(segments_[0], VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, queries_, 0);
  }
  for (size_t i = 0; i < plan.dispatches.size(); ++i) {
    const Dispatch& d = plan.dispatches[i];
    if (cost > 0 && cost + d.cost > most) {
      SAMARA_RETURN_IF_ERROR(EndSegment(false));
      SAMARA_RETURN_IF_ERROR(BeginSegment());
      cost = 0;
    }
    cost += d.cost;
    const VkCommandBuffer commands = segments_[n_segments_];
    if (hazards.Conflict(d)) {
      VkMemoryBarrier barrier = {VK_STRUCTURE_TYPE_MEMORY_BARRIER};
      barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
      barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
      api.CmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, nullptr, 0,
                             nullptr);
      hazards.Clear();
    }
    hazards.Add(d);
    VkPipeline pipeline = VK_NULL_HANDLE;
    SAMARA_RETURN_IF_ERROR(context.Pipeline(d.shader, d.constants, &pipeline));
    const VkPipelineLayout layout = context.pipeline_layout(CodeOf(d.shader).bindings);
    api.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    api.CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &sets[i], 0,
                              nullptr);
    uint32_t push[kPushBytes / 4] = {};
    std::copy(d.push.begin(), d.push.end(), push);
    api.CmdPushConstants(commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushBytes, push);
    bool indirect = false;
    uint32_t counts[3], entry = 0;
    SAMARA_RETURN_IF_ERROR(IndirectOf(d, &indirect, counts, &entry));
    if (indirect) {
      api.CmdDispatchIndirect(commands, device_->step().buffer, kIndirectAt + entry * 16);
    } else if (counts[0] != 0 && counts[1] != 0 && counts[2] != 0) {
      api.CmdDispatch(commands, counts[0], counts[1], counts[2]);
    }
    const bool last_of_op = i + 1 == plan.dispatches.size() || plan.dispatches[i + 1].op != d.op;
    if (queries_ != VK_NULL_HANDLE && last_of_op) {
      api.CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, queries_, d.op + 1);
    }
  }
  return EndSegment(true);
}

Status VulkanPartition::Init(const PartitionSpec& spec) {
  Context& context = device_->context();
  const Api& api = context.api();
  Builder plan(spec, device_);
  SAMARA_RETURN_IF_ERROR(plan.Build());
  SAMARA_RETURN_IF_ERROR(KeepFacts(spec, plan));
  VkCommandPoolCreateInfo pool = {VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.queueFamilyIndex = context.queue_family();
  SAMARA_RETURN_IF_ERROR(context.Note(
      api.CreateCommandPool(context.device(), &pool, nullptr, &pool_), "command pool"));
  VkCommandBufferAllocateInfo allocate = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool_;
  allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  allocate.commandBufferCount = kSlots;
  SAMARA_RETURN_IF_ERROR(context.Note(
      api.AllocateCommandBuffers(context.device(), &allocate, copies_), "command buffers"));
  SAMARA_RETURN_IF_ERROR(RecordCopies());
  profile_ = spec.profile;
  if (profile_ != nullptr && context.facts().timestamp_ns > 0) {
    n_queries_ = spec.n_ops + 1;
    VkQueryPoolCreateInfo queries = {VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    queries.queryType = VK_QUERY_TYPE_TIMESTAMP;
    queries.queryCount = n_queries_;
    SAMARA_RETURN_IF_ERROR(context.Note(
        api.CreateQueryPool(context.device(), &queries, nullptr, &queries_), "query pool"));
  }
  std::vector<VkDescriptorSet> sets;
  SAMARA_RETURN_IF_ERROR(MakeSets(plan, &sets));
  SAMARA_RETURN_IF_ERROR(Record(plan, sets));
  context.SaveCache();
  return Status();
}

Status VulkanPartition::Prepare(const StepHeader& header, uint8_t* memory) {
  if (header.n_tokens < 1 || header.n_tokens > bucket_tokens_ || header.n_seqs < 1 ||
      header.n_seqs > layout_.max_seqs || header.n_outputs > max_outputs_) {
    return Internal(
        "a step of %u tokens, %u sequences and %u outputs in a partition for %u, %u, %u",
        header.n_tokens, header.n_seqs, header.n_outputs, bucket_tokens_, layout_.max_seqs,
        max_outputs_);
  }
  for (uint32_t i = 0; i < n_symbols_; ++i) {
    if (symbol_kinds_[i] == SymbolKind::kTokens) symbols_[i] = header.n_tokens;
    if (symbol_kinds_[i] == SymbolKind::kOutputs) symbols_[i] = header.n_outputs;
    if (symbol_kinds_[i] == SymbolKind::kSeqs) symbols_[i] = header.n_seqs;
  }
  uint32_t values[kMaxDims];
  if (!EvaluateDims(dims_, n_dims_, symbols_, n_symbols_, values)) {
    return Internal("a dimension of the partition has no value at this step");
  }
  for (uint32_t i = 0; i < n_dims_; ++i) {
    if (values[i] > capacity_[i]) {
      return Internal("dimension %u of the partition is %u, planned for %u", i, values[i],
                      capacity_[i]);
    }
  }
  std::memcpy(memory, values, n_dims_ * sizeof(uint32_t));
  for (uint32_t i = 0; i < n_indirect_; ++i) {
    uint32_t counts[4] = {};
    for (int axis = 0; axis < 3; ++axis) {
      if (!EvaluateExtent(indirect_[i].groups[axis], values, &counts[axis])) {
        return Internal("a dispatch of the partition is too large");
      }
    }
    std::memcpy(memory + kIndirectAt + i * 16, counts, sizeof counts);
  }
  return Status();
}

Status VulkanPartition::ReportTimes() {
  const int64_t end = ProfileSink::Now();
  if (queries_ == VK_NULL_HANDLE) return Status();
  Context& context = device_->context();
  std::vector<uint64_t> ticks(uint64_t{n_queries_} * 2);  // value, available
  const VkResult result = context.api().GetQueryPoolResults(
      context.device(), queries_, 0, n_queries_, ticks.size() * sizeof(uint64_t), ticks.data(),
      2 * sizeof(uint64_t), VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
  if (result != VK_NOT_READY) SAMARA_RETURN_IF_ERROR(context.Note(result, "times"));
  const uint32_t bits = context.facts().timestamp_bits;
  const uint64_t mask = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  uint64_t total = 0, previous = ticks[0];
  for (uint32_t op = 0; op < n_ops_; ++op) {
    if (ticks[2 * op + 3] != 0) total = (ticks[2 * op + 2] - ticks[0]) & mask;
  }
  const double ns = context.facts().timestamp_ns;
  const int64_t begin = end - static_cast<int64_t>(static_cast<double>(total) * ns);
  const auto at = [&](uint64_t tick) {
    return begin + static_cast<int64_t>(static_cast<double>((tick - ticks[0]) & mask) * ns);
  };
  for (uint32_t op = 0; op < n_ops_; ++op) {
    if (ticks[2 * op + 3] == 0) continue;  // a view, or part of a fused operator
    const uint64_t tick = ticks[2 * op + 2];
    profile_->Add(op, at(previous), at(tick));
    previous = tick;
  }
  return Status();
}

Status VulkanPartition::Run(const void* step) {
  if (device_->cancelled()) return Cancelled("cancelled");
  uint32_t slot = 0;
  uint8_t* memory = nullptr;
  SAMARA_RETURN_IF_ERROR(device_->NextStep(&slot, &memory));
  SAMARA_RETURN_IF_ERROR(Prepare(*static_cast<const StepHeader*>(step), memory));
  std::memcpy(memory + kStepHeadBytes, step, layout_.bytes);
  const VkCommandBuffer first[2] = {copies_[slot], segments_[0]};
  uint64_t values[kUnderWay] = {};
  SAMARA_RETURN_IF_ERROR(device_->Submit(first, 2, &values[0]));
  last_value_ = values[0];
  device_->StepQueued(slot);
  for (uint32_t i = 1; i < n_segments_; ++i) {
    SAMARA_RETURN_IF_ERROR(device_->Wait(values[i % kUnderWay]));
    if (device_->cancelled()) return Cancelled("cancelled");
    SAMARA_RETURN_IF_ERROR(device_->Submit(&segments_[i], 1, &values[i % kUnderWay]));
    last_value_ = values[i % kUnderWay];
    device_->StepQueued(slot);
  }
  if (profile_ == nullptr) return Status();
  SAMARA_RETURN_IF_ERROR(device_->Finish());
  return ReportTimes();
}

}  // namespace

uint64_t PartitionBytes() { return (sizeof(VulkanPartition) + 63) / 64 * 64; }

Status MakePartition(const PartitionSpec& spec, VulkanDevice* device, void* block,
                     InPlacePtr<Partition>* partition) {
  auto* object = new (block) VulkanPartition(device);
  InPlacePtr<Partition> made(object);
  SAMARA_RETURN_IF_ERROR(object->Init(spec));
  *partition = std::move(made);
  return Status();
}

}  // namespace samara::vulkan
