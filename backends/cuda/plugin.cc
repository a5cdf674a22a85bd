// libsamara_cuda.so.
#include "runtime/plugin.h"

#include "backends/cuda/cuda_backend.h"

namespace samara::cuda {
namespace {

BackendList List() {
  static const Backend* const backends[] = {CudaBackend()};
  return {backends, 1};
}

}  // namespace
}  // namespace samara::cuda

SAMARA_PLUGIN(samara::cuda::List)
