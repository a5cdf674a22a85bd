// A safetensors file of any bytes.
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "converter/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace samara;
  static const int fd = memfd_create("safetensors", 0);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) return 0;
  const auto checkpoint =
      Checkpoint::OpenFile("/proc/self/fd/" + std::to_string(fd), "model.safetensors");
  if (!checkpoint.ok()) return 0;
  std::vector<uint8_t> bytes;
  for (const TensorInfo& tensor : checkpoint->tensors()) {
    if (tensor.bytes > size) __builtin_trap();
    bytes.resize(tensor.bytes);
    if (!checkpoint->Read(tensor, 0, bytes.data(), bytes.size()).ok()) __builtin_trap();
  }
  return 0;
}
