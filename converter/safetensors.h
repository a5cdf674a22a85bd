// Tensors of a checkpoint: one model.safetensors, or shards under model.safetensors.index.json.
//
// Nothing of a header is trusted: lengths, offsets, shapes and names are checked with checked
// arithmetic before a tensor is listed, so that what Find gives can be read without a further look.
// A tensor's bytes are read with pread, never mapped. Links are followed (model caches are trees of
// links); names of shards may not contain a directory.
#ifndef SAMARA_CONVERTER_SAFETENSORS_H_
#define SAMARA_CONVERTER_SAFETENSORS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "converter/file.h"
#include "formats/dtypes.h"
#include "formats/status.h"

namespace samara {

inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;
inline constexpr uint64_t kMaxTensorRank = 8;
inline constexpr uint64_t kMaxTensorName = 1024;

struct PackedWeight;

struct TensorInfo {
  std::string name;
  std::string type;               // as the file says: "BF16"
  DType dtype = DType::kInvalid;  // F32, F16 or BF16; kInvalid for types that no weight can have
  std::vector<uint64_t> shape;
  uint32_t file = 0;
  uint64_t offset = 0;  // in its file
  uint64_t bytes = 0;
  // Where row i lies among the rows in the file; empty: in its place.
  std::vector<uint32_t> rows = {};
  // How it differs from what the family's own checkpoints hold.
  bool plus_one = false;    // a norm's weight with the one that the family's code adds
  bool transposed = false;  // a matrix whose rows are columns there
  // Computed from other tensors where it is read (packed_weights.h); `offset` means nothing then.
  std::shared_ptr<const PackedWeight> packed = nullptr;
  DType kept = DType::kInvalid;  // its type in a package for which none is asked; kInvalid: dtype

  uint64_t elements() const {
    uint64_t product = 1;  // checked when the header was read
    for (const uint64_t n : shape) product *= n;
    return product;
  }
};
std::string ShapeText(const TensorInfo& tensor);  // "[32000, 4096]"

class Checkpoint {
 public:
  // A directory. kNotFound if it holds neither file.
  static StatusOr<Checkpoint> Open(const std::string& directory);
  // One file, under the name that errors shall use.
  static StatusOr<Checkpoint> OpenFile(const std::string& path, const std::string& name);

  // Tensors that another reader has checked: all lie in their files.
  static StatusOr<Checkpoint> Of(std::vector<InputFile> files, std::vector<TensorInfo> tensors);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // sorted by name
  const TensorInfo* Find(std::string_view name) const;
  const std::vector<InputFile>& files() const { return files_; }
  uint64_t bytes() const;  // of all files
  std::vector<InputFile> TakeFiles() && { return std::move(files_); }
  // `bytes` bytes from `offset` of the tensor's data; thread-safe.
  Status Read(const TensorInfo& tensor, uint64_t offset, void* out, uint64_t bytes) const;
  Status CheckUnchanged() const;

 private:
  Status AddFile(const std::string& path, const std::string& name);
  Status Sort();

  std::vector<InputFile> files_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace samara

#endif  // SAMARA_CONVERTER_SAFETENSORS_H_
