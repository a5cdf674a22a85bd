// A GPU of host memory whose kernels run under the SIMT emulation. Work is done when it is queued; a graph is a list of
// what was queued, with copies of all arguments.
#include <cstdio>
#include <cstring>
#include <new>

#include "backends/cuda/gpu.h"
#include "backends/cuda/simt.h"

namespace samara::cuda {

struct GpuGraph {
  struct Step {
    Launch launch;
    std::vector<uint8_t> args;
    void* to = nullptr;  // a copy or, without `from`, a fill
    const void* from = nullptr;
    uint64_t bytes = 0;
    uint8_t byte = 0;
  };
  std::vector<Step> steps;
};

namespace {

constexpr std::align_val_t kAlignment{256};

Status RunNow(const Launch& launch) {
  const char* problem = emulation::RunGrid(
      reinterpret_cast<emulation::KernelFunction>(const_cast<void*>(launch.function)), launch.args,
      launch.grid_x, launch.grid_y, launch.threads, launch.shared_bytes);
  if (problem != nullptr) return Internal("emulated kernel: %s", problem);
  return {};
}

}  // namespace

Gpu::~Gpu() { delete recording_; }

Status Gpu::List(std::vector<GpuFacts>* devices) {
  GpuFacts facts;
  std::snprintf(facts.name, sizeof facts.name, "emulated GPU");
  facts.multiprocessors = 4;
  facts.capability = 90;
  facts.memory_bytes = uint64_t{1} << 32;
  devices->push_back(facts);
  return {};
}

Status Gpu::Open() {
  std::vector<GpuFacts> devices;
  SAMARA_RETURN_IF_ERROR(List(&devices));
  facts_ = devices[0];
  return {};
}

Status Gpu::Allocate(uint64_t bytes, void** memory) {
  *memory = ::operator new(bytes, kAlignment, std::nothrow);
  if (*memory == nullptr) {
    return OutOfMemory("%llu bytes of the emulated GPU", static_cast<unsigned long long>(bytes));
  }
  std::memset(*memory, 0xff, bytes);  // nobody may count on zeros
  return {};
}
void Gpu::Free(void* memory) { ::operator delete(memory, kAlignment); }
Status Gpu::AllocateHost(uint64_t bytes, void** memory) { return Allocate(bytes, memory); }
void Gpu::FreeHost(void* memory) { Free(memory); }

Status Gpu::CopyIn(void* device, const void* host, uint64_t bytes) {
  if (recording_ != nullptr) {
    recording_->steps.push_back({{}, {}, device, host, bytes, 0});
  } else if (bytes != 0) {
    std::memcpy(device, host, bytes);
  }
  return {};
}
Status Gpu::CopyOut(void* host, const void* device, uint64_t bytes) {
  return CopyIn(host, device, bytes);
}
Status Gpu::CopyWithin(void* to, const void* from, uint64_t bytes) {
  return CopyIn(to, from, bytes);
}
Status Gpu::Fill(void* device, uint8_t byte, uint64_t bytes) {
  if (recording_ != nullptr) {
    recording_->steps.push_back({{}, {}, device, nullptr, bytes, byte});
  } else if (bytes != 0) {
    std::memset(device, byte, bytes);
  }
  return {};
}

Status Gpu::Run(const Launch& launch) {
  if (recording_ == nullptr) return RunNow(launch);
  GpuGraph::Step step;
  step.launch = launch;
  const auto* args = static_cast<const uint8_t*>(launch.args);
  step.args.assign(args, args + launch.args_bytes);
  recording_->steps.push_back(std::move(step));
  return {};
}
Status Gpu::Sync() { return {}; }

Status Gpu::BeginCapture() {
  recording_ = new GpuGraph;
  return {};
}
Status Gpu::EndCapture(GpuGraph** graph) {
  *graph = recording_;
  recording_ = nullptr;
  return {};
}
Status Gpu::RunGraph(GpuGraph* graph) {
  for (GpuGraph::Step& step : graph->steps) {
    if (step.launch.function != nullptr) {
      step.launch.args = step.args.data();
      SAMARA_RETURN_IF_ERROR(RunNow(step.launch));
    } else if (step.from != nullptr) {
      SAMARA_RETURN_IF_ERROR(CopyIn(step.to, step.from, step.bytes));
    } else {
      SAMARA_RETURN_IF_ERROR(Fill(step.to, step.byte, step.bytes));
    }
  }
  return {};
}
void Gpu::Destroy(GpuGraph* graph) { delete graph; }

}  // namespace samara::cuda
