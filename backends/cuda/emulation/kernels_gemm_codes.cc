// The kernels for the emulation: the same text.
#include "backends/cuda/kernels_gemm_codes.cu"
