// gpu.h over the CUDA runtime, linked statically. The driver is loaded by the runtime itself when it is first called.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>
#include <mutex>

#include "backends/cuda/gpu.h"

namespace samara::cuda {

struct GpuGraph {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
};

namespace {

cudaStream_t StreamOf(void* stream) { return static_cast<cudaStream_t>(stream); }

Status Failure(cudaError_t error, const char* what) {
  const char* text = cudaGetErrorString(error);
  const int number = static_cast<int>(error);
  switch (error) {
    case cudaErrorMemoryAllocation:
      return OutOfMemory("%s: %s (%d)", what, text, number);
    case cudaErrorInsufficientDriver:  // also where there is no driver
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
      return NotFound("%s: %s (%d)", what, text, number);
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorDevicesUnavailable:
      return Unsupported("%s: %s (%d)", what, text, number);
    case cudaErrorInvalidValue:
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorLaunchOutOfResources:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
      return Internal("%s: %s (%d)", what, text, number);
    default:
      return Status(StatusCode::kDeviceLost,
                    std::string(what) + ": " + text + " (" + std::to_string(number) + ")");
  }
}

}  // namespace

Status Gpu::Check(int error, const char* what) {
  if (error == cudaSuccess) return {};
  cudaGetLastError();  // an error that is not sticky would be told again
  Status status = Failure(static_cast<cudaError_t>(error), what);
  if (status.code() == StatusCode::kDeviceLost) lost_ = true;
  return status;
}

#define SAMARA_GPU(what, call)                                                     \
  do {                                                                             \
    if (lost_) return Status(StatusCode::kDeviceLost, "the device failed before"); \
    SAMARA_RETURN_IF_ERROR(Check(static_cast<int>(call), what));                   \
  } while (0)

Gpu::~Gpu() {
  if (stream_ == nullptr) return;
  cudaStreamSynchronize(StreamOf(stream_));
  cudaStreamDestroy(StreamOf(stream_));
  cudaGetLastError();
}

// The driver takes milliseconds for properties, and they do not change: asked once.
Status Gpu::List(std::vector<GpuFacts>* devices) {
  static std::mutex mutex;
  static std::vector<GpuFacts> known;
  const std::lock_guard lock(mutex);
  if (!known.empty()) {
    devices->insert(devices->end(), known.begin(), known.end());
    return {};
  }
  std::vector<GpuFacts> found;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    cudaGetLastError();
    return Failure(error, "looking for a CUDA device");
  }
  if (count == 0) return NotFound("looking for a CUDA device: there is none");
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties;
    const cudaError_t got = cudaGetDeviceProperties(&properties, i);
    if (got != cudaSuccess) {
      cudaGetLastError();
      return Failure(got, "properties of a CUDA device");
    }
    GpuFacts facts;
    std::snprintf(facts.name, sizeof facts.name, "%.*s", static_cast<int>(sizeof facts.name) - 1,
                  properties.name);
    facts.multiprocessors = static_cast<uint32_t>(properties.multiProcessorCount);
    facts.capability = static_cast<uint32_t>(properties.major * 10 + properties.minor);
    facts.memory_bytes = properties.totalGlobalMem;
    found.push_back(facts);
  }
  known = found;
  devices->insert(devices->end(), found.begin(), found.end());
  return {};
}

Status Gpu::Open() {
  std::vector<GpuFacts> devices;
  SAMARA_RETURN_IF_ERROR(List(&devices));
  facts_ = devices[0];
  if (facts_.capability < 75) {
    return Unsupported("%s has compute capability %u.%u, want 7.5 or newer", facts_.name,
                       facts_.capability / 10, facts_.capability % 10);
  }
  SAMARA_GPU("choosing a CUDA device", cudaSetDevice(0));
  cudaStream_t stream = nullptr;
  SAMARA_GPU("a CUDA stream", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  stream_ = stream;
  return {};
}

Status Gpu::Allocate(uint64_t bytes, void** memory) {
  SAMARA_GPU("device memory", cudaMalloc(memory, bytes));
  return {};
}
void Gpu::Free(void* memory) {
  cudaFree(memory);
  cudaGetLastError();
}
Status Gpu::AllocateHost(uint64_t bytes, void** memory) {
  SAMARA_GPU("pinned host memory",
             cudaHostAlloc(memory, bytes, cudaHostAllocMapped | cudaHostAllocPortable));
  return {};
}
void Gpu::FreeHost(void* memory) {
  cudaFreeHost(memory);
  cudaGetLastError();
}

Status Gpu::CopyIn(void* device, const void* host, uint64_t bytes) {
  SAMARA_GPU("copy to the device",
             cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, StreamOf(stream_)));
  return {};
}
Status Gpu::CopyOut(void* host, const void* device, uint64_t bytes) {
  SAMARA_GPU("copy from the device",
             cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, StreamOf(stream_)));
  return {};
}
Status Gpu::CopyWithin(void* to, const void* from, uint64_t bytes) {
  SAMARA_GPU("copy on the device",
             cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, StreamOf(stream_)));
  return {};
}
Status Gpu::Fill(void* device, uint8_t byte, uint64_t bytes) {
  SAMARA_GPU("fill on the device", cudaMemsetAsync(device, byte, bytes, StreamOf(stream_)));
  return {};
}

Status Gpu::Run(const Launch& launch) {
  if (launch.shared_bytes > 48 << 10) {
    SAMARA_GPU("shared memory of a kernel",
               cudaFuncSetAttribute(launch.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(launch.shared_bytes)));
  }
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(launch.grid_x, launch.grid_y, 1);
  config.blockDim = dim3(launch.threads, 1, 1);
  config.dynamicSmemBytes = launch.shared_bytes;
  config.stream = StreamOf(stream_);
  config.attrs = &attribute;
  config.numAttrs = launch.chained && facts_.capability >= 90 ? 1 : 0;
  void* args[] = {const_cast<void*>(launch.args)};
  SAMARA_GPU("launch of a kernel", cudaLaunchKernelExC(&config, launch.function, args));
  return {};
}

Status Gpu::Sync() {
  SAMARA_GPU("work on the device", cudaStreamSynchronize(StreamOf(stream_)));
  return {};
}

Status Gpu::BeginCapture() {
  SAMARA_GPU("capture of a graph",
             cudaStreamBeginCapture(StreamOf(stream_), cudaStreamCaptureModeThreadLocal));
  return {};
}

Status Gpu::EndCapture(GpuGraph** graph) {
  *graph = nullptr;
  GpuGraph made;
  SAMARA_GPU("capture of a graph", cudaStreamEndCapture(StreamOf(stream_), &made.graph));
  Status status =
      Check(static_cast<int>(cudaGraphInstantiate(&made.exec, made.graph, 0)), "making a graph");
  if (status.ok()) {
    status =
        Check(static_cast<int>(cudaGraphUpload(made.exec, StreamOf(stream_))), "upload of a graph");
  }
  if (!status.ok()) {
    if (made.exec != nullptr) cudaGraphExecDestroy(made.exec);
    cudaGraphDestroy(made.graph);
    return status;
  }
  *graph = new GpuGraph(made);
  return {};
}

Status Gpu::RunGraph(GpuGraph* graph) {
  SAMARA_GPU("launch of a graph", cudaGraphLaunch(graph->exec, StreamOf(stream_)));
  return {};
}

void Gpu::Destroy(GpuGraph* graph) {
  if (graph == nullptr) return;
  cudaGraphExecDestroy(graph->exec);
  cudaGraphDestroy(graph->graph);
  cudaGetLastError();
  delete graph;
}

}  // namespace samara::cuda
