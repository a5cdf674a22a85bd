#include "backends/vulkan/vulkan_backend.h"

#include <cstdlib>
#include <new>

#include "backends/vulkan/plan.h"
#include "backends/vulkan/weights.h"

namespace samara {
namespace vulkan {
namespace {

class VulkanBackendImpl final : public Backend {
 public:
  const char* name() const override { return "vulkan"; }
  const char* description() const override { return "vulkan: GPUs with Vulkan 1.2"; }
  bool host_memory() const override { return false; }
  uint64_t WeightBytes(const Weight& weight, const WeightPlacement& placement) const override {
    return LayoutOf(weight, placement).bytes;
  }
  bool Supports(const Package& package, const Graph& graph, const Op& op) const override {
    return vulkan::Supports(package, graph, op);
  }
  Status ListDevices(std::vector<DeviceInfo>* devices) const override {
    Options switches;
    SAMARA_RETURN_IF_ERROR(ParseOptions(std::getenv("SAMARA_VULKAN"), &switches));
    return Context::List(switches, devices);
  }
  Status MeasureDevice(const DeviceOptions&, MemoryList* list) const override {
    return VulkanDevice::List(list);
  }
  Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const override {
    Builder plan(spec, nullptr);
    SAMARA_RETURN_IF_ERROR(plan.Build());
    measure->plan_bytes = PartitionBytes();
    measure->scratch_bytes = std::move(plan.scratch_bytes);
    return Status();
  }
  Status Open(const DeviceOptions& options, Ledger* ledger,
              InPlacePtr<Device>* device) const override {
    if (options.isa != nullptr) {
      return Unsupported("backend vulkan has no instruction set %s", Quoted(options.isa).c_str());
    }
    Options switches;
    SAMARA_RETURN_IF_ERROR(ParseOptions(std::getenv("SAMARA_VULKAN"), &switches));
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger->Take("vulkan device object", sizeof(VulkanDevice), &block));
    auto* object = new (block) VulkanDevice();
    device->reset(object);
    const Status status = object->Init(switches, ledger);
    if (!status.ok()) device->reset();
    return status;
  }
};

}  // namespace

Status VulkanDevice::Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                             InPlacePtr<Partition>* partition) {
  if (block_bytes != PartitionBytes()) {
    return Internal("a partition of %llu bytes in a block of %llu",
                    static_cast<unsigned long long>(PartitionBytes()),
                    static_cast<unsigned long long>(block_bytes));
  }
  return MakePartition(spec, this, block, partition);
}

}  // namespace vulkan

const Backend* VulkanBackend() {
  static const vulkan::VulkanBackendImpl backend;
  return &backend;
}

}  // namespace samara
