// What the backend needs of a GPU: memory, copies, launches, graphs, on one stream. Two implementations: gpu_cuda.cc over
// the CUDA runtime, emulation/gpu_emulated.cc over host memory.
//
// Everything but Allocate and Sync is queued; an error of queued work shows up at Sync at the latest. After a device is
// lost every call says so, and destruction still works.
#ifndef SAMARA_BACKENDS_CUDA_GPU_H_
#define SAMARA_BACKENDS_CUDA_GPU_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/status.h"

namespace samara::cuda {

struct GpuFacts {
  char name[128] = {};
  uint32_t multiprocessors = 0;
  uint32_t capability = 0;  // 90: sm_90
  uint64_t memory_bytes = 0;
};

struct Launch {
  const void* function = nullptr;
  uint32_t grid_x = 1, grid_y = 1, threads = 32, shared_bytes = 0;
  const void* args = nullptr;
  uint32_t args_bytes = 0;
  bool chained = false;  // may start before the kernel before it has ended (GridWait)
};

struct GpuGraph;

class Gpu {
 public:
  Gpu() = default;
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  // kNotFound without a driver or a device, with the reason.
  static Status List(std::vector<GpuFacts>* devices);
  Status Open();  // device 0
  const GpuFacts& facts() const { return facts_; }

  Status Allocate(uint64_t bytes, void** memory);
  void Free(void* memory);
  // Host memory that the device reads and writes at the same address.
  Status AllocateHost(uint64_t bytes, void** memory);
  void FreeHost(void* memory);

  Status CopyIn(void* device, const void* host, uint64_t bytes);
  Status CopyOut(void* host, const void* device, uint64_t bytes);
  Status CopyWithin(void* to, const void* from, uint64_t bytes);
  Status Fill(void* device, uint8_t byte, uint64_t bytes);
  Status Run(const Launch& launch);
  Status Sync();

  // What is queued between the two becomes a graph instead of running.
  Status BeginCapture();
  Status EndCapture(GpuGraph** graph);
  Status RunGraph(GpuGraph* graph);
  void Destroy(GpuGraph* graph);

 private:
  Status Check(int error, const char* what);

  GpuFacts facts_;
  void* stream_ = nullptr;
  GpuGraph* recording_ = nullptr;
  bool lost_ = false;
};

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_GPU_H_
