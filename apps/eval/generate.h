// A reply with all that the library tells of it, and embeddings: JSON for programs.
#ifndef SAMARA_APPS_EVAL_GENERATE_H_
#define SAMARA_APPS_EVAL_GENERATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/common/cli.h"

namespace CLI {
class App;
}

namespace samara::apps {

struct GenerateFlags {
  std::optional<std::string> prompt;
  uint64_t n = 0;  // 0: until the end of text or of the context
  std::optional<uint32_t> logprobs;
  std::vector<std::string> stops, biases;
  std::optional<float> temperature;
  std::optional<uint64_t> seed;
  bool ignore_eos = false, special = false;
};
void AddGenerateFlags(CLI::App* app, GenerateFlags* flags);
// Prints the text that follows the prompt, or one JSON object. The exit code.
int RunGenerate(const std::string& path, const GenerateFlags& flags, uint32_t tokenize_flags,
                bool json, const RunFlags& run);

struct EmbedFlags {
  std::optional<std::string> text;
  std::string pool = "last";
};
void AddEmbedFlags(CLI::App* app, EmbedFlags* flags);
// Prints the pooled hidden state of the text: a JSON array, or an object that says how it was made.
int RunEmbed(const std::string& path, const EmbedFlags& flags, uint32_t tokenize_flags, bool json,
             const RunFlags& run);

}  // namespace samara::apps

#endif  // SAMARA_APPS_EVAL_GENERATE_H_
