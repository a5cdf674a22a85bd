// The CPU backend: "cpu". Runs every operator of formats/operators.h on the host, on any
// instruction set the machine has, with the bits of formats/numerics.md.
#ifndef SAMARA_BACKENDS_CPU_CPU_BACKEND_H_
#define SAMARA_BACKENDS_CPU_CPU_BACKEND_H_

#include "runtime/backend.h"

namespace samara {

const Backend* CpuBackend();

}  // namespace samara

#endif  // SAMARA_BACKENDS_CPU_CPU_BACKEND_H_
