#include "converter/source.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "converter/file.h"
#include "converter/gguf/import.h"
#include "converter/packed_weights.h"
#include "converter/tokenizer_model.h"
#include "formats/package_format.h"

namespace samara {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{4} << 20;
constexpr uint64_t kMaxEosIds = 256;

std::string Hex(const uint8_t* bytes, size_t n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < n; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

bool Exists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

StatusOr<JsonDocument> ReadJson(const std::string& name, uint64_t max_bytes, Source* source) {
  SAMARA_ASSIGN_OR_RETURN(const std::string text, ReadSourceFile(name, max_bytes, source));
  SAMARA_ASSIGN_OR_RETURN(JsonDocument document, JsonDocument::Parse(name, text));
  SAMARA_RETURN_IF_ERROR(document.root().WantObject());
  return document;
}

// The same; kNotFound leaves `out` empty and *found false.
Status ReadOptional(const std::string& name, Source* source, JsonDocument* out, bool* found) {
  StatusOr<JsonDocument> document = ReadJson(name, kMaxConfigBytes, source);
  *found = document.ok();
  if (document.ok()) *out = std::move(*document);
  return document.status().code() == StatusCode::kNotFound ? Status() : document.status();
}

// A file in the place of a directory.
Status OpenFile(const std::string& path, Source* source) {
  const std::string shown = Quoted(path, 200);
  StatusOr<InputFile> file = InputFile::Open(path, path);
  char magic[8] = {};
  if (file.ok() && file->bytes() >= sizeof magic) {
    const Status read = file->ReadAt(0, magic, sizeof magic);
    if (!read.ok()) memset(magic, 0, sizeof magic);
  }
  const std::string_view head(magic, sizeof magic);
  if (head.starts_with("GGUF")) return OpenGguf(path, source);
  if (head.starts_with("SAMARA"))
    return Unsupported("%s: got a Samara package, wanted a checkpoint", shown.c_str());
  return InvalidArgument(
      "%s: got a file, wanted a GGUF file or a directory with config.json, tokenizer.json and "
      "*.safetensors",
      shown.c_str());
}

// Names of the directory that end in one of these.
std::string FirstWithEnding(const std::string& directory,
                            std::initializer_list<const char*> endings) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(directory.c_str()), closedir);
  std::string first;
  while (dir != nullptr) {
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    for (const char* ending : endings) {
      if (name.ends_with(ending) && (first.empty() || name < first)) first = name;
    }
  }
  return first;
}

// There are no safetensors: say what there is.
Status RefuseWeights(const std::string& directory) {
  const std::string pickle =
      FirstWithEnding(directory, {".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".pkl"});
  if (!pickle.empty()) {
    return Unsupported(
        "%s: got pickled weights, which can run code when read, wanted model.safetensors; save the "
        "model "
        "again with safe_serialization=True",
        Quoted(pickle).c_str());
  }
  const std::string gguf = FirstWithEnding(directory, {".gguf"});
  if (!gguf.empty()) {
    return Unsupported(
        "%s: got a directory with a GGUF file, wanted model.safetensors; give the file itself to "
        "convert it",
        Quoted(gguf).c_str());
  }
  const std::string other =
      FirstWithEnding(directory, {".h5", ".msgpack", ".onnx", ".npz", ".safetensors"});
  return NotFound("%s: no model.safetensors or model.safetensors.index.json%s%s",
                  Quoted(directory, 200).c_str(), other.empty() ? "" : "; it holds ",
                  other.empty() ? "" : Quoted(other).c_str());
}

// "license: x" in the YAML block at the top of README.md; anything unusual gives "".
std::string ReadLicense(const std::string& directory) {
  StatusOr<InputFile> file = InputFile::Open(directory + "/README.md", "README.md");
  if (!file.ok()) return "";
  std::string text(static_cast<size_t>(std::min<uint64_t>(file->bytes(), 65536)), '\0');
  if (!file->ReadAt(0, text.data(), text.size()).ok() || !text.starts_with("---\n")) return "";
  for (size_t at = 4; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    if (line == "---") break;
    if (line.starts_with("license:")) {
      line.remove_prefix(8);
      while (!line.empty() && (line.front() == ' ' || line.front() == '"')) line.remove_prefix(1);
      while (!line.empty() && (line.back() == ' ' || line.back() == '"' || line.back() == '\r'))
        line.remove_suffix(1);
      for (const char c : line) {
        if (c < 0x20 || c > 0x7E) return "";
      }
      return line.size() <= 100 ? std::string(line) : "";
    }
    at = end + 1;
  }
  return "";
}

Status TakeEos(const Json& field, uint32_t vocab, std::vector<int32_t>* ids) {
  const auto take = [&](const Json& item) -> Status {
    SAMARA_ASSIGN_OR_RETURN(const int64_t id, item.Int(0, static_cast<int64_t>(vocab) - 1));
    if (std::find(ids->begin(), ids->end(), id) == ids->end())
      ids->push_back(static_cast<int32_t>(id));
    return Status();
  };
  if (!field.IsArray()) return take(field);
  if (field.size() > kMaxEosIds) {
    return field.Bad(std::to_string(field.size()) + " ids",
                     "at most " + std::to_string(kMaxEosIds));
  }
  for (const Json item : field) SAMARA_RETURN_IF_ERROR(take(item));
  return Status();
}

}  // namespace

StatusOr<std::string> ReadSourceFile(const std::string& name, uint64_t max_bytes, Source* source) {
  SAMARA_ASSIGN_OR_RETURN(std::string text,
                          ReadSmallFile(source->directory + "/" + name, name, max_bytes));
  Sha256 hash;
  uint8_t digest[32];
  hash.Update(text.data(), text.size());
  hash.Finish(digest);
  source->sha256.emplace_back(name, Hex(digest, sizeof digest));
  return text;
}

Status OpenSource(const std::string& path, Source* source) {
  struct stat info;
  if (path.empty() || path.find('\0') != std::string::npos || stat(path.c_str(), &info) != 0) {
    return NotFound("source %s: no such file or directory", Quoted(path, 200).c_str());
  }
  if (!S_ISDIR(info.st_mode)) return OpenFile(path, source);
  source->directory = path;
  char resolved[PATH_MAX];
  source->name = realpath(path.c_str(), resolved) != nullptr ? strrchr(resolved, '/') + 1 : "model";
  if (source->name.empty()) source->name = "model";

  const auto has = [&path](const char* name) { return Exists(path + "/" + name); };
  if (has("adapter_config.json") && !has("model.safetensors") &&
      !has("model.safetensors.index.json")) {
    return Unsupported(
        "adapter_config.json: got a LoRA adapter, wanted a whole model; merge it into its base "
        "model first");
  }
  SAMARA_ASSIGN_OR_RETURN(source->config, ReadJson("config.json", kMaxConfigBytes, source));
  const Json config = source->config.root();
  SAMARA_ASSIGN_OR_RETURN(source->family, FindFamily(config));

  StatusOr<Checkpoint> checkpoint = Checkpoint::Open(path);
  if (!checkpoint.ok() && checkpoint.status().code() == StatusCode::kNotFound &&
      !has("model.safetensors.index.json")) {
    return RefuseWeights(path);
  }
  if (!checkpoint.ok()) return checkpoint.status();
  source->checkpoint = std::move(*checkpoint);
  SAMARA_RETURN_IF_ERROR(UnpackWeights(config, &source->checkpoint));

  SAMARA_RETURN_IF_ERROR(ReadOptional("tokenizer_config.json", source, &source->tokenizer_config,
                                      &source->has_tokenizer_config));
  if (!has("tokenizer.json") && has("tokenizer.model")) {
    SAMARA_RETURN_IF_ERROR(ReadTokenizerModel(source));
  } else if (!has("tokenizer.json") && has("vocab.json")) {
    return Unsupported(
        "vocab.json: got a tokenizer in an older form, wanted tokenizer.json; load it with "
        "AutoTokenizer and save it again");
  } else {
    SAMARA_ASSIGN_OR_RETURN(source->tokenizer,
                            ReadJson("tokenizer.json", JsonDocument::kMaxBytes, source));
  }
  SAMARA_RETURN_IF_ERROR(ReadOptional("generation_config.json", source, &source->generation_config,
                                      &source->has_generation_config));
  source->license = ReadLicense(path);
  for (const InputFile& file : source->checkpoint.files())
    source->sha256.emplace_back(file.name(), "");
  return Status();
}

Status ReadSampling(const Source& source, uint32_t vocab, int32_t eos, SamplingDefaults* out) {
  const Json config = source.config.root();
  const Json generation = source.has_generation_config ? source.generation_config.root() : Json();
  Json ids = generation.Find("eos_token_id");
  if (ids.IsNull()) ids = config.Find("eos_token_id");
  if (!ids.IsNull()) {
    SAMARA_RETURN_IF_ERROR(TakeEos(ids, vocab, &out->eos_ids));
  } else if (eos >= 0 && static_cast<uint32_t>(eos) < vocab) {
    out->eos_ids.push_back(eos);
  }
  SAMARA_ASSIGN_OR_RETURN(const double penalty,
                          generation.Number("repetition_penalty", 1, 1e-3, 1e3));
  out->repetition_penalty = static_cast<float>(penalty);
  SAMARA_ASSIGN_OR_RETURN(const bool sample, generation.Bool("do_sample", false));
  SAMARA_ASSIGN_OR_RETURN(const double temperature, generation.Number("temperature", 1, 0, 1e3));
  SAMARA_ASSIGN_OR_RETURN(const int64_t top_k, generation.Int("top_k", 50, 0, INT32_MAX));
  SAMARA_ASSIGN_OR_RETURN(const double top_p, generation.Number("top_p", 1, 0, 1));
  SAMARA_ASSIGN_OR_RETURN(const double min_p, generation.Number("min_p", 0, 0, 1));
  if (!sample) return Status();  // greedy; the other numbers mean nothing then
  out->temperature = static_cast<float>(temperature);
  out->top_k = static_cast<uint32_t>(top_k);
  out->top_p = static_cast<float>(top_p);
  out->min_p = static_cast<float>(min_p);
  return Status();
}

}  // namespace samara
