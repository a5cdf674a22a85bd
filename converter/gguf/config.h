// GGUF metadata as the text of a config.json, for the families to read.
#ifndef SAMARA_CONVERTER_GGUF_CONFIG_H_
#define SAMARA_CONVERTER_GGUF_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "converter/gguf/architectures.h"
#include "converter/gguf/gguf.h"
#include "formats/status.h"

namespace samara {

// `checkpoint` has all tensors, under their GGUF names. A key that says something about the model
// and that nobody knows is an error.
StatusOr<std::string> GgufConfigText(const Gguf& gguf, const GgufArchitecture& architecture,
                                     const Checkpoint& checkpoint);

// generation_config.json: sampling defaults, and the ids that end a reply.
StatusOr<std::string> GgufGenerationText(const Gguf& gguf, const std::vector<uint32_t>& ends);

}  // namespace samara

#endif  // SAMARA_CONVERTER_GGUF_CONFIG_H_
