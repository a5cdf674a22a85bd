// What GGUF calls the parts of each architecture, and what its Hugging Face form calls them.
#ifndef SAMARA_CONVERTER_GGUF_ARCHITECTURES_H_
#define SAMARA_CONVERTER_GGUF_ARCHITECTURES_H_

#include <span>
#include <string>
#include <string_view>

namespace samara {

// Part of a tensor's name: without "blk.N." and without ".weight" or ".bias".
struct GgufName {
  const char* gguf;
  const char* hf;
};

// A metadata key without the architecture in front, and the field of config.json that it becomes.
struct GgufKey {
  const char* gguf;
  const char* hf;  // nullptr: read elsewhere, or it says nothing that is needed
};

// How the rows of the matrices that make queries, keys and values lie.
enum class GgufRows {
  kPlain,        // as in Hugging Face's form
  kRotaryPairs,  // of queries and keys: what is rotated together lies together
  kThreeParts,  // one matrix: all queries, all keys, all values; there the queries that share a key,
                // that key, its value, then the next ones
};

struct GgufArchitecture {
  const char* name;  // general.architecture
  const char* hf;    // of config.json's architectures: first the one that is made of it
  GgufRows rows;
  bool norms_plus_one;  // norm weights include the one that the family's code adds
  bool transposed;      // the family's checkpoints hold layers' matrices transposed, GGUF does not
  const char* biases;   // fields of config.json that tell of biases: "attention_bias mlp_bias"
  const char* layers;   // "model.layers."
  std::span<const GgufName> layer_names;
  std::span<const GgufName> top_names;
  std::span<const GgufKey> keys;  // before the common ones
};

const GgufArchitecture* FindGgufArchitecture(std::string_view name);
std::string GgufArchitectureList();  // "llama, qwen2, ..."
// "llama, mistral3": those that hold models of these architectures of config.json; "" if none does.
std::string GgufNamesOf(std::string_view hf_architectures);
// "; near: llama": the known names that differ least from it, if that is little.
std::string NearGgufArchitectures(std::string_view name);

// The field of config.json; *known is false for a key that nobody knows.
const char* ConfigField(const GgufArchitecture& architecture, std::string_view key, bool* known);

// The name in Hugging Face's form; the name itself where the architecture has no such part.
// `two_norms`: layers have "attn_norm_2", which makes the first norm that of the MLP.
std::string HfTensorName(const GgufArchitecture& architecture, std::string_view name,
                         bool two_norms);
std::span<const GgufArchitecture> GgufArchitectures();

}  // namespace samara

#endif  // SAMARA_CONVERTER_GGUF_ARCHITECTURES_H_
