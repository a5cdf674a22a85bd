#include "converter/gguf/import.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "converter/gguf/architectures.h"
#include "converter/gguf/config.h"
#include "converter/gguf/gguf.h"
#include "converter/gguf/tokenizer.h"

namespace samara {
namespace {

constexpr uint64_t kMaxSplits = 4096;

std::string FileName(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// "-00002-of-00003.gguf", as split files are named.
std::string SplitEnding(uint64_t number, uint64_t count) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05llu-of-%05llu.gguf",
                static_cast<unsigned long long>(number + 1),
                static_cast<unsigned long long>(count));
  return text;
}

// All files of the model; the first one has the metadata.
StatusOr<std::vector<Gguf>> OpenFiles(const std::string& path) {
  std::vector<Gguf> files;
  SAMARA_ASSIGN_OR_RETURN(Gguf given, Gguf::Open(path, FileName(path)));
  SAMARA_ASSIGN_OR_RETURN(const uint64_t count, given.Uint("split.count", 1, kMaxSplits));
  if (count <= 1) {
    files.push_back(std::move(given));
    return files;
  }
  SAMARA_ASSIGN_OR_RETURN(const uint64_t number, given.Uint("split.no", 0, count - 1));
  const std::string ending = SplitEnding(number, count);
  if (!path.ends_with(ending)) {
    return InvalidFile("%s: got file %llu of %llu, wanted a name that ends in %s",
                       given.name().c_str(), static_cast<unsigned long long>(number + 1),
                       static_cast<unsigned long long>(count), ending.c_str());
  }
  const std::string stem = path.substr(0, path.size() - ending.size());
  uint64_t tensors = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string name = stem + SplitEnding(i, count);
    StatusOr<Gguf> file = Gguf::Open(name, FileName(name));
    if (file.status().code() == StatusCode::kNotFound) {
      return NotFound("%s: file %llu of %llu: no such file beside the others",
                      FileName(name).c_str(), static_cast<unsigned long long>(i + 1),
                      static_cast<unsigned long long>(count));
    }
    SAMARA_RETURN_IF_ERROR(file.status());
    SAMARA_ASSIGN_OR_RETURN(const uint64_t own_number, file->Uint("split.no", count, kMaxSplits));
    SAMARA_ASSIGN_OR_RETURN(const uint64_t own_count, file->Uint("split.count", 0, kMaxSplits));
    if (own_number != i || own_count != count) {
      return InvalidFile("%s: got file %llu of %llu, wanted %llu of %llu", file->name().c_str(),
                         static_cast<unsigned long long>(own_number + 1),
                         static_cast<unsigned long long>(own_count),
                         static_cast<unsigned long long>(i + 1),
                         static_cast<unsigned long long>(count));
    }
    tensors += file->tensors().size();
    files.push_back(std::move(*file));
  }
  SAMARA_ASSIGN_OR_RETURN(const uint64_t wanted,
                          files[0].Uint("split.tensors.count", tensors, UINT64_MAX));
  if (wanted != tensors) {
    return InvalidFile("%s: got %llu tensors in all files, wanted %llu", files[0].name().c_str(),
                       static_cast<unsigned long long>(tensors),
                       static_cast<unsigned long long>(wanted));
  }
  return files;
}

// Tensors that are read into the configuration.
bool IsConfiguration(const std::string& name) {
  return name == "rope_freqs.weight" || name == "rope_factors_long.weight" ||
         name == "rope_factors_short.weight";
}

// Where each row of Hugging Face's form lies in a tensor of `n_rows` heads of `head` rows whose
// rotated pairs lie together: row i and i + d/2 of a head there are rows 2i and 2i + 1 here.
std::vector<uint32_t> UnpairedRows(uint64_t n_rows, uint64_t head) {
  const uint64_t half = head / 2;
  std::vector<uint32_t> rows(static_cast<size_t>(n_rows));
  for (uint64_t i = 0; i < n_rows; ++i) {
    const uint64_t within = i % head;
    rows[static_cast<size_t>(i)] =
        static_cast<uint32_t>(i - within + (within < half ? 2 * within : 2 * (within - half) + 1));
  }
  return rows;
}

// The same for all queries, all keys, all values, which there follow each other: for each key the
// queries that share it, then it, then its value.
std::vector<uint32_t> UnstackedRows(uint64_t head, uint64_t heads, uint64_t kv_heads) {
  const uint64_t shared = heads / kv_heads;
  std::vector<uint32_t> rows;
  rows.reserve(static_cast<size_t>((heads + 2 * kv_heads) * head));
  const auto add = [&](uint64_t first, uint64_t count) {
    for (uint64_t i = 0; i < count * head; ++i)
      rows.push_back(static_cast<uint32_t>(first * head + i));
  };
  for (uint64_t k = 0; k < kv_heads; ++k) {
    add(k * shared, shared);
    add(heads + k, 1);
    add(heads + kv_heads + k, 1);
  }
  return rows;
}

class Importer {
 public:
  Importer(const Gguf& gguf, const GgufArchitecture& architecture, const Checkpoint& checkpoint)
      : gguf_(gguf),
        arch_(architecture),
        two_norms_(checkpoint.Find("blk.0.attn_norm_2.weight") != nullptr) {}

  Status ReadHeads() {
    const std::string prefix = std::string(arch_.name) + ".attention.head_count";
    SAMARA_ASSIGN_OR_RETURN(heads_, Count(prefix, 0));
    SAMARA_ASSIGN_OR_RETURN(kv_heads_, Count(prefix + "_kv", heads_));
    if (std::string_view(arch_.name) == "gptneox" && kv_heads_ != heads_) {
      return InvalidFile("%s: metadata \"%s_kv\": got %llu, wanted the %llu of head_count",
                         gguf_.name().c_str(), prefix.c_str(),
                         static_cast<unsigned long long>(kv_heads_),
                         static_cast<unsigned long long>(heads_));
    }
    return Status();
  }

  // Appends the tensor in the terms of Hugging Face's form.
  Status Adapt(TensorInfo tensor, std::vector<TensorInfo>* out) const {
    const std::string gguf_name = tensor.name;
    tensor.name = HfTensorName(arch_, gguf_name, two_norms_);
    const bool in_layer = gguf_name.starts_with("blk.");
    const auto is = [&](const char* part) {
      return in_layer && gguf_name.find(part) != std::string::npos;
    };
    const bool norm = gguf_name.ends_with("norm.weight");
    tensor.plus_one = arch_.norms_plus_one && norm;
    tensor.transposed = arch_.transposed && in_layer && tensor.shape.size() == 2;
    if (norm && tensor.shape.size() == 2) return SplitHeads(tensor, out);
    if (arch_.rows == GgufRows::kRotaryPairs && (is(".attn_q.") || is(".attn_k.")))
      SAMARA_RETURN_IF_ERROR(Unpair(gguf_name, is(".attn_q.") ? heads_ : kv_heads_, &tensor));
    if (arch_.rows == GgufRows::kThreeParts && is(".attn_qkv."))
      SAMARA_RETURN_IF_ERROR(Unstack(gguf_name, &tensor));
    out->push_back(std::move(tensor));
    return Status();
  }

 private:
  StatusOr<uint64_t> Count(const std::string& key, uint64_t otherwise) const {
    const GgufValue* value = gguf_.Find(key);
    if (value == nullptr || !value->IsArray()) return gguf_.Uint(key, otherwise, UINT32_MAX);
    // Equal in all layers, or the configuration is refused.
    SAMARA_ASSIGN_OR_RETURN(const std::vector<double> numbers, value->Numbers());
    return !numbers.empty() && numbers[0] > 0 && numbers[0] < 1e9
               ? static_cast<uint64_t>(numbers[0])
               : 0;
  }

  static Status BadRows(const std::string& name, const TensorInfo& tensor, uint64_t heads) {
    return InvalidFile("tensor %s: got %llu rows, wanted %llu equal heads", Quoted(name).c_str(),
                       static_cast<unsigned long long>(tensor.shape[0]),
                       static_cast<unsigned long long>(heads));
  }
  // The elements of a quantized vector have no order of their own; the builder refuses it.
  static bool IsQuantizedVector(const TensorInfo& tensor) {
    const DTypeInfo* info = FindDType(tensor.dtype);
    return info != nullptr && info->is_quantized && tensor.shape.size() == 1;
  }

  static Status Unpair(const std::string& name, uint64_t heads, TensorInfo* tensor) {
    const uint64_t rows = tensor->shape[0];
    if (heads == 0 || rows > UINT32_MAX || rows % heads != 0 || rows / heads % 2 != 0)
      return BadRows(name, *tensor, heads);
    if (!IsQuantizedVector(*tensor)) tensor->rows = UnpairedRows(rows, rows / heads);
    return Status();
  }

  Status Unstack(const std::string& name, TensorInfo* tensor) const {
    const uint64_t rows = tensor->shape[0], all = heads_ + 2 * kv_heads_;
    if (heads_ == 0 || kv_heads_ == 0 || heads_ % kv_heads_ != 0 || rows > UINT32_MAX ||
        rows % all != 0) {
      return BadRows(name, *tensor, all);
    }
    if (!IsQuantizedVector(*tensor)) tensor->rows = UnstackedRows(rows / all, heads_, kv_heads_);
    return Status();
  }

  // A norm's weights for each head, which there are tensors of their own: norms.0, norms.1...
  static Status SplitHeads(const TensorInfo& tensor, std::vector<TensorInfo>* out) {
    const std::string stem = tensor.name.substr(0, tensor.name.size() - 7);  // ".weight"
    if (tensor.shape[0] > 65536 || tensor.dtype != DType::kF32) {
      return InvalidFile("tensor %s: got %s %s, wanted F32, a row for each head",
                         Quoted(tensor.name).c_str(), tensor.type.c_str(),
                         ShapeText(tensor).c_str());
    }
    for (uint64_t i = 0; i < tensor.shape[0]; ++i) {
      TensorInfo head = tensor;
      head.name = stem + ".norms." + std::to_string(i) + ".weight";
      head.shape = {tensor.shape[1]};
      head.bytes = tensor.bytes / tensor.shape[0];
      head.offset = tensor.offset + i * head.bytes;
      out->push_back(std::move(head));
    }
    return Status();
  }

  const Gguf& gguf_;
  const GgufArchitecture& arch_;
  uint64_t heads_ = 0, kv_heads_ = 0;
  const bool two_norms_;
};

Status Parse(const std::string& name, const std::string& text, JsonDocument* out) {
  SAMARA_ASSIGN_OR_RETURN(*out, JsonDocument::Parse(name, text));
  return Status();
}

}  // namespace

Status OpenGguf(const std::string& path, Source* source) {
  SAMARA_ASSIGN_OR_RETURN(std::vector<Gguf> files, OpenFiles(path));
  Gguf& first = files[0];
  const std::string name = first.name();
  source->name = name.ends_with(".gguf") ? name.substr(0, name.size() - 5) : name;
  const size_t split = source->name.rfind("-00001-of-");
  if (files.size() > 1 && split != std::string::npos) source->name.resize(split);

  SAMARA_ASSIGN_OR_RETURN(const std::string_view arch_name,
                          first.String("general.architecture", ""));
  const GgufArchitecture* architecture = FindGgufArchitecture(arch_name);
  if (architecture == nullptr) {
    return Unsupported("%s: metadata \"general.architecture\": got %s, wanted one of %s%s",
                       name.c_str(), Quoted(arch_name).c_str(), GgufArchitectureList().c_str(),
                       NearGgufArchitectures(arch_name).c_str());
  }
  std::vector<InputFile> inputs;
  std::vector<TensorInfo> tensors;
  for (Gguf& file : files) {
    for (TensorInfo tensor : file.tensors()) {
      tensor.file = static_cast<uint32_t>(inputs.size());
      tensors.push_back(std::move(tensor));
    }
    inputs.push_back(file.TakeFile());
    source->sha256.emplace_back(file.name(), "");
  }
  SAMARA_ASSIGN_OR_RETURN(Checkpoint raw, Checkpoint::Of(std::move(inputs), std::move(tensors)));
  SAMARA_ASSIGN_OR_RETURN(const std::string config, GgufConfigText(first, *architecture, raw));
  SAMARA_RETURN_IF_ERROR(Parse(name, config, &source->config));
  SAMARA_ASSIGN_OR_RETURN(source->family, FindFamily(source->config.root()));

  Importer importer(first, *architecture, raw);
  SAMARA_RETURN_IF_ERROR(importer.ReadHeads());
  std::vector<TensorInfo> adapted;
  for (const TensorInfo& tensor : raw.tensors()) {
    if (IsConfiguration(tensor.name)) continue;
    SAMARA_RETURN_IF_ERROR(importer.Adapt(tensor, &adapted));
  }
  SAMARA_ASSIGN_OR_RETURN(source->checkpoint,
                          Checkpoint::Of(std::move(raw).TakeFiles(), std::move(adapted)));

  SAMARA_ASSIGN_OR_RETURN(GgufTokenizer tokenizer, ReadGgufTokenizer(first));
  SAMARA_RETURN_IF_ERROR(Parse(name, tokenizer.components, &source->tokenizer));
  SAMARA_RETURN_IF_ERROR(Parse(name, tokenizer.config, &source->tokenizer_config));
  source->has_tokenizer_config = true;
  source->vocabulary = std::make_unique<Vocabulary>(std::move(tokenizer.vocabulary));
  SAMARA_ASSIGN_OR_RETURN(const std::string generation, GgufGenerationText(first, tokenizer.ends));
  SAMARA_RETURN_IF_ERROR(Parse(name, generation, &source->generation_config));
  source->has_generation_config = true;

  SAMARA_ASSIGN_OR_RETURN(const std::string_view license, first.String("general.license", ""));
  const bool plain =
      std::all_of(license.begin(), license.end(), [](char c) { return c >= 0x20 && c <= 0x7E; });
  if (plain && license.size() <= 100) source->license = license;
  return Status();
}

}  // namespace samara
