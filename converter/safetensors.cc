#include "converter/safetensors.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "converter/json.h"
#include "converter/packed_weights.h"

namespace samara {
namespace {

using Ull = unsigned long long;

struct TypeInfo {
  const char* name;
  uint64_t bits;
  DType dtype;
};
constexpr TypeInfo kTypes[] = {{"F32", 32, DType::kF32},        {"F16", 16, DType::kF16},
                               {"BF16", 16, DType::kBF16},      {"F64", 64, DType::kInvalid},
                               {"I64", 64, DType::kInvalid},    {"U64", 64, DType::kInvalid},
                               {"I32", 32, DType::kInvalid},    {"U32", 32, DType::kInvalid},
                               {"I16", 16, DType::kInvalid},    {"U16", 16, DType::kInvalid},
                               {"I8", 8, DType::kInvalid},      {"U8", 8, DType::kInvalid},
                               {"BOOL", 8, DType::kInvalid},    {"F8_E4M3", 8, DType::kInvalid},
                               {"F8_E5M2", 8, DType::kInvalid}, {"F8_E8M0", 8, DType::kInvalid},
                               {"F6_E2M3", 6, DType::kInvalid}, {"F6_E3M2", 6, DType::kInvalid},
                               {"F4", 4, DType::kInvalid},      {"C64", 64, DType::kInvalid}};

const TypeInfo* FindType(std::string_view name) {
  for (const TypeInfo& type : kTypes) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

Status CheckName(const Json& member) {
  const std::string_view name = member.key();
  bool good = !name.empty() && name.size() <= kMaxTensorName;
  for (const char c : name) good = good && static_cast<uint8_t>(c) >= 0x20 && c != 0x7F;
  if (good) return Status();
  return InvalidFile(
      "%s: tensor name: got %s of %zu bytes, wanted 1 to %llu bytes without control characters",
      member.file().c_str(), Quoted(name).c_str(), name.size(), static_cast<Ull>(kMaxTensorName));
}

// One entry of the header; `data_bytes` is the size of the buffer behind it.
Status ParseTensor(const Json& entry, uint64_t data_bytes, TensorInfo* tensor) {
  SAMARA_RETURN_IF_ERROR(CheckName(entry));
  SAMARA_RETURN_IF_ERROR(entry.WantObject());
  tensor->name = entry.key();
  for (const Json field : entry) {
    if (field.key() != "dtype" && field.key() != "shape" && field.key() != "data_offsets") {
      return entry.Bad("the field " + Quoted(field.key()), "dtype, shape and data_offsets only");
    }
  }
  SAMARA_ASSIGN_OR_RETURN(const std::string_view type_name, entry.RequireString("dtype"));
  const TypeInfo* type = FindType(type_name);
  if (type == nullptr) return entry.Find("dtype").Bad("a known type (F32, F16, BF16, ...)");
  tensor->type = type->name;
  tensor->dtype = type->dtype;

  SAMARA_ASSIGN_OR_RETURN(const Json shape, entry.RequireArray("shape"));
  if (shape.size() > kMaxTensorRank) {
    return shape.Bad("a shape of rank " + std::to_string(shape.size()),
                     "a rank of at most " + std::to_string(kMaxTensorRank));
  }
  uint64_t bits = type->bits;
  for (const Json dim : shape) {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t size, dim.Uint());
    tensor->shape.push_back(size);
  }
  // Zeros first: [2^40, 2^40, 0] holds nothing and is valid.
  bool empty = false;
  for (const uint64_t size : tensor->shape) empty = empty || size == 0;
  for (const uint64_t size : tensor->shape) {
    if (!empty && __builtin_mul_overflow(bits, size, &bits)) {
      return shape.Bad("a shape whose product overflows", "one that fits in the file");
    }
  }
  if (empty) bits = 0;
  if (bits % 8 != 0) return shape.Bad("a size that is no whole number of bytes", "whole bytes");

  SAMARA_ASSIGN_OR_RETURN(const Json offsets, entry.RequireArray("data_offsets"));
  if (offsets.size() != 2)
    return offsets.Bad(std::to_string(offsets.size()) + " numbers", "[begin, end]");
  uint64_t range[2];
  int n = 0;
  for (const Json offset : offsets) {
    SAMARA_ASSIGN_OR_RETURN(range[n++], offset.Uint());
  }
  if (range[1] < range[0]) return offsets.Bad("an end before the begin", "begin <= end");
  if (range[1] > data_bytes) {
    return offsets.Bad("an end of " + std::to_string(range[1]),
                       "at most " + std::to_string(data_bytes) + ", the bytes after the header");
  }
  if (range[1] - range[0] != bits / 8) {
    return offsets.Bad(
        std::to_string(range[1] - range[0]) + " bytes",
        std::to_string(bits / 8) + " bytes for " + tensor->type + " " + ShapeText(*tensor));
  }
  tensor->offset = range[0];
  tensor->bytes = range[1] - range[0];
  return Status();
}

// The tensors must fill the buffer: no overlap, no hole, nothing after them.
Status CheckCover(const std::string& file, uint64_t data_bytes,
                  const std::vector<TensorInfo>& tensors) {
  std::vector<const TensorInfo*> order;
  order.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorInfo* a, const TensorInfo* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  uint64_t end = 0;
  for (const TensorInfo* tensor : order) {
    if (tensor->offset != end) {
      return InvalidFile(
          "%s: tensor %s: got data at offset %llu, wanted %llu: %s", file.c_str(),
          Quoted(tensor->name).c_str(), static_cast<Ull>(tensor->offset), static_cast<Ull>(end),
          tensor->offset < end ? "two tensors overlap" : "there is a hole before it");
    }
    end += tensor->bytes;
  }
  if (end != data_bytes) {
    return InvalidFile("%s: got %llu bytes of data, wanted %llu: bytes after the last tensor",
                       file.c_str(), static_cast<Ull>(data_bytes), static_cast<Ull>(end));
  }
  return Status();
}

Status CheckShardName(const Json& entry, std::string_view name) {
  bool good =
      name.size() > 12 && name.size() <= 255 && name.ends_with(".safetensors") && name[0] != '.';
  for (const char c : name)
    good = good && static_cast<uint8_t>(c) >= 0x20 && c != 0x7F && c != '/' && c != '\\';
  if (good) return Status();
  return entry.Bad("a file name ending in .safetensors, without a directory");
}

}  // namespace

std::string ShapeText(const TensorInfo& tensor) {
  std::string text = "[";
  for (const uint64_t n : tensor.shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

Status Checkpoint::AddFile(const std::string& path, const std::string& name) {
  SAMARA_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path, name));
  if (file.bytes() < 8) {
    return InvalidFile("%s: got %llu bytes, wanted at least the 8 of the header's length",
                       name.c_str(), static_cast<Ull>(file.bytes()));
  }
  uint8_t raw[8];
  SAMARA_RETURN_IF_ERROR(file.ReadAt(0, raw, sizeof raw));
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | raw[i];
  const uint64_t limit = std::min<uint64_t>(file.bytes() - 8, kMaxSafetensorsHeader);
  if (header_bytes > limit) {
    return InvalidFile("%s: got a header of %llu bytes, wanted at most %llu (%s)", name.c_str(),
                       static_cast<Ull>(header_bytes), static_cast<Ull>(limit),
                       limit == kMaxSafetensorsHeader ? "the limit" : "the rest of the file");
  }
  std::string header(static_cast<size_t>(header_bytes), '\0');
  SAMARA_RETURN_IF_ERROR(file.ReadAt(8, header.data(), header.size()));
  if (header.empty() || header[0] != '{') {
    return InvalidFile("%s: got a header that starts with %s, wanted '{'", name.c_str(),
                       Quoted(std::string_view(header).substr(0, 1)).c_str());
  }
  SAMARA_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(name, header));
  header = std::string();

  const uint64_t data_bytes = file.bytes() - 8 - header_bytes;
  std::vector<TensorInfo> tensors;
  tensors.reserve(document.root().size());
  for (const Json entry : document.root()) {
    if (entry.key() == "__metadata__") {
      SAMARA_RETURN_IF_ERROR(entry.WantObject());
      for (const Json text : entry) SAMARA_RETURN_IF_ERROR(text.String().status());
      continue;
    }
    tensors.emplace_back();
    SAMARA_RETURN_IF_ERROR(ParseTensor(entry, data_bytes, &tensors.back()));
  }
  SAMARA_RETURN_IF_ERROR(CheckCover(name, data_bytes, tensors));
  for (TensorInfo& tensor : tensors) {
    tensor.file = static_cast<uint32_t>(files_.size());
    tensor.offset += 8 + header_bytes;
    tensors_.push_back(std::move(tensor));
  }
  files_.push_back(std::move(file));
  return Status();
}

Status Checkpoint::Sort() {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; });
  for (size_t i = 1; i < tensors_.size(); ++i) {
    if (tensors_[i - 1].name != tensors_[i].name) continue;
    return InvalidFile("tensor %s: got it in %s and in %s, wanted it in one file",
                       Quoted(tensors_[i].name).c_str(),
                       files_[tensors_[i - 1].file].name().c_str(),
                       files_[tensors_[i].file].name().c_str());
  }
  return Status();
}

StatusOr<Checkpoint> Checkpoint::OpenFile(const std::string& path, const std::string& name) {
  Checkpoint checkpoint;
  SAMARA_RETURN_IF_ERROR(checkpoint.AddFile(path, name));
  SAMARA_RETURN_IF_ERROR(checkpoint.Sort());
  return checkpoint;
}

StatusOr<Checkpoint> Checkpoint::Open(const std::string& directory) {
  const std::string single = "model.safetensors";
  StatusOr<Checkpoint> one = OpenFile(directory + "/" + single, single);
  if (one.ok() || one.status().code() != StatusCode::kNotFound) return one;

  const std::string index_name = single + ".index.json";
  SAMARA_ASSIGN_OR_RETURN(
      const JsonDocument index,
      JsonDocument::ReadFile(directory + "/" + index_name, index_name, kMaxSafetensorsHeader));
  SAMARA_ASSIGN_OR_RETURN(const Json map, index.root().RequireObject("weight_map"));
  std::map<std::string, uint32_t, std::less<>> shards;
  for (const Json entry : map) {
    SAMARA_RETURN_IF_ERROR(CheckName(entry));
    SAMARA_ASSIGN_OR_RETURN(const std::string_view shard, entry.String());
    if (shards.find(shard) != shards.end()) continue;
    SAMARA_RETURN_IF_ERROR(CheckShardName(entry, shard));
    shards.emplace(shard, 0);
  }
  Checkpoint checkpoint;
  for (auto& [shard, number] : shards) {
    number = static_cast<uint32_t>(checkpoint.files_.size());
    Status status = checkpoint.AddFile(directory + "/" + shard, shard);
    if (status.code() == StatusCode::kNotFound) {
      return NotFound("%s: shard %s: no such file; it is named in the index", index_name.c_str(),
                      Quoted(shard).c_str());
    }
    SAMARA_RETURN_IF_ERROR(std::move(status));
  }
  SAMARA_RETURN_IF_ERROR(checkpoint.Sort());
  for (const Json entry : map) {
    const TensorInfo* tensor = checkpoint.Find(entry.key());
    const std::string_view shard = *entry.String();
    if (tensor == nullptr || tensor->file != shards.find(shard)->second) {
      return InvalidFile("%s: tensor %s: got the shard %s, wanted %s", index_name.c_str(),
                         Quoted(entry.key()).c_str(), Quoted(shard).c_str(),
                         tensor == nullptr
                             ? "one that holds it"
                             : Quoted(checkpoint.files_[tensor->file].name()).c_str());
    }
  }
  if (checkpoint.tensors_.size() != map.size()) {
    std::map<std::string_view, bool> listed;
    for (const Json entry : map) listed[entry.key()] = true;
    for (const TensorInfo& tensor : checkpoint.tensors_) {
      if (listed.count(tensor.name) == 0) {
        return InvalidFile(
            "%s: got no entry for tensor %s of %s, wanted every tensor of every shard",
            index_name.c_str(), Quoted(tensor.name).c_str(),
            checkpoint.files_[tensor.file].name().c_str());
      }
    }
  }
  return checkpoint;
}

StatusOr<Checkpoint> Checkpoint::Of(std::vector<InputFile> files, std::vector<TensorInfo> tensors) {
  Checkpoint checkpoint;
  checkpoint.files_ = std::move(files);
  checkpoint.tensors_ = std::move(tensors);
  SAMARA_RETURN_IF_ERROR(checkpoint.Sort());
  return checkpoint;
}

const TensorInfo* Checkpoint::Find(std::string_view name) const {
  const auto at = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const TensorInfo& tensor, std::string_view key) { return tensor.name < key; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

uint64_t Checkpoint::bytes() const {
  uint64_t sum = 0;
  for (const InputFile& file : files_) sum += file.bytes();
  return sum;
}

Status Checkpoint::Read(const TensorInfo& tensor, uint64_t offset, void* out,
                        uint64_t bytes) const {
  if (offset > tensor.bytes || bytes > tensor.bytes - offset) {
    return Internal("tensor %s: read of %llu bytes at %llu past its %llu",
                    Quoted(tensor.name).c_str(), static_cast<Ull>(bytes), static_cast<Ull>(offset),
                    static_cast<Ull>(tensor.bytes));
  }
  if (tensor.packed != nullptr)
    return ReadPacked(*this, *tensor.packed, offset, static_cast<uint8_t*>(out), bytes);
  const InputFile& file = files_[tensor.file];
  if (tensor.rows.empty()) return file.ReadAt(tensor.offset + offset, out, bytes);
  const uint64_t row_bytes = tensor.bytes / tensor.rows.size();
  auto* to = static_cast<uint8_t*>(out);
  while (bytes > 0) {
    const uint64_t row = offset / row_bytes, within = offset % row_bytes;
    const uint64_t part = std::min(bytes, row_bytes - within);
    SAMARA_RETURN_IF_ERROR(
        file.ReadAt(tensor.offset + tensor.rows[row] * row_bytes + within, to, part));
    to += part;
    offset += part;
    bytes -= part;
  }
  return Status();
}

Status Checkpoint::CheckUnchanged() const {
  for (const InputFile& file : files_) SAMARA_RETURN_IF_ERROR(file.CheckUnchanged());
  return Status();
}

}  // namespace samara
