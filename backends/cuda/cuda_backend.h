// The CUDA backend: kernels in a captured graph a token bucket. Linked with gpu_cuda.cc it is the plug-in; linked with
// the emulation, tests run all of it on the host.
#ifndef SAMARA_BACKENDS_CUDA_CUDA_BACKEND_H_
#define SAMARA_BACKENDS_CUDA_CUDA_BACKEND_H_

#include "runtime/backend.h"

namespace samara {

const Backend* CudaBackend();

namespace cuda {
// Bytes a second that a kernel reads which does nothing else; opens the device for the moment.
Status MeasureReadBandwidth(uint64_t bytes, double* bytes_per_second);
}  // namespace cuda

}  // namespace samara

#endif  // SAMARA_BACKENDS_CUDA_CUDA_BACKEND_H_
