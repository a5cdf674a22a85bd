// samara-cuda-limits: what a CUDA device can read, as one JSON line. Speeds of models are shares of this.
#include <cstdio>
#include <vector>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/gpu.h"

int main() {
  using namespace samara;
  std::vector<cuda::GpuFacts> devices;
  double bandwidth = 0;
  Status status = cuda::Gpu::List(&devices);
  if (status.ok()) status = cuda::MeasureReadBandwidth(uint64_t{2} << 30, &bandwidth);
  if (!status.ok()) {
    std::fprintf(stderr, "samara-cuda-limits: %s\n", status.message());
    return status.code() == StatusCode::kNotFound ? 77 : 1;
  }
  std::printf("{\"device\":\"%s\",\"multiprocessors\":%u,\"capability\":%u,\"read_gb_s\":%llu}\n",
              devices[0].name, devices[0].multiprocessors, devices[0].capability,
              static_cast<unsigned long long>(bandwidth / 1e9));
  return 0;
}
