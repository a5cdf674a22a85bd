// A GGUF file, or the files of a split one, as a source like any other: tensors under the names of
// the Hugging Face form, config.json and the rest made from metadata.
#ifndef SAMARA_CONVERTER_GGUF_IMPORT_H_
#define SAMARA_CONVERTER_GGUF_IMPORT_H_

#include <string>

#include "converter/source.h"
#include "formats/status.h"

namespace samara {

// `path` is the file, or any file of a split one.
Status OpenGguf(const std::string& path, Source* source);

}  // namespace samara

#endif  // SAMARA_CONVERTER_GGUF_IMPORT_H_
