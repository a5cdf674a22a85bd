// Streams weights into a package: bands of rows are read, converted and packed by worker threads
// and appended in order by the caller's. The bytes do not depend on the number of threads. Memory:
// a few bands, whatever the model.
#ifndef SAMARA_CONVERTER_PIPELINE_H_
#define SAMARA_CONVERTER_PIPELINE_H_

#include <cstdint>
#include <functional>

#include "converter/builder.h"
#include "converter/importance.h"
#include "converter/safetensors.h"
#include "formats/package_format.h"
#include "formats/status.h"

namespace samara {

struct StreamOptions {
  unsigned threads = 1;
  const Importance* importance = nullptr;  // nullptr: all columns count alike
  // On the caller's thread, after each band: source bytes done, and of all weights.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

struct StreamResult {
  uint64_t source_bytes = 0;
  uint64_t flushed =
      0;  // nonzero values that the BF16 layout stores as zero (magnitude below 2^-56)
};

// Appends all weights of the model to the open segment, at the offsets of their placements. A value
// that is not finite, or that the target type cannot hold, is an error that names tensor, row and
// column.
Status StreamWeights(const Model& model, const Checkpoint& checkpoint, const StreamOptions& options,
                     PackageWriter* writer, StreamResult* result);

// CPUs that this process may use.
unsigned DefaultThreads();

}  // namespace samara

#endif  // SAMARA_CONVERTER_PIPELINE_H_
