// A checkpoint, a directory or a GGUF file: what it is, and what of it is not weights.
#ifndef SAMARA_CONVERTER_SOURCE_H_
#define SAMARA_CONVERTER_SOURCE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "converter/json.h"
#include "converter/models/models.h"
#include "converter/safetensors.h"
#include "converter/tokenizer/vocabulary.h"
#include "formats/graph.h"
#include "formats/status.h"

namespace samara {

struct Source {
  std::string directory;  // "": a file, and there are no others
  std::string name;       // last part of the path
  JsonDocument config, generation_config, tokenizer,
      tokenizer_config;  // the middle two and last may be absent
  // Where it is no part of `tokenizer`: that has the other components only then.
  std::unique_ptr<Vocabulary> vocabulary;
  bool has_generation_config = false, has_tokenizer_config = false;
  const Family* family = nullptr;
  Checkpoint checkpoint;
  std::string license;  // from README.md's front matter; "" if it says nothing
  std::vector<std::pair<std::string, std::string>>
      sha256;  // of the small files read; "" for weight files
};

// Refuses by name what cannot be converted, with what to do instead.
Status OpenSource(const std::string& path, Source* source);

// A small file of the source; its hash goes to source->sha256. kNotFound where there is none.
StatusOr<std::string> ReadSourceFile(const std::string& name, uint64_t max_bytes, Source* source);

// Temperature and the like from generation_config.json, end-of-sequence ids from there or from
// config.json. `eos` of the tokenizer serves where both are silent; -1: none.
Status ReadSampling(const Source& source, uint32_t vocab, int32_t eos, SamplingDefaults* out);

}  // namespace samara

#endif  // SAMARA_CONVERTER_SOURCE_H_
