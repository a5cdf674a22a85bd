// The model families that the converter knows: the only place in Samara where a family has a name.
#ifndef SAMARA_CONVERTER_MODELS_MODELS_H_
#define SAMARA_CONVERTER_MODELS_MODELS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "converter/builder.h"
#include "converter/json.h"
#include "formats/status.h"

namespace samara {

struct Family {
  const char* name;           // "llama": model_type of config.json
  const char* architectures;  // as in config.json, separated by spaces
  const char* models;         // for people
  const char* switches;       // fields of kSwitches (models.cc) that it reads, separated by spaces
  // Writes the graph; errors of config.json are returned, errors of the checkpoint stick to the
  // builder.
  Status (*build)(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
};

std::span<const Family> Families();
std::vector<std::string> Architectures();
// By the first of config.json's architectures; kUnsupported with the known ones and those near it,
// or by name if config.json switches on what the family does not have.
StatusOr<const Family*> FindFamily(const Json& config);
std::string FamilyList();  // "LlamaForCausalLM, ..."

// One short file each.
Status BuildFalcon(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildGemma2(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildGemma3(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildGemma4(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildGpt2(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildGptNeoX(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildGranite(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildGraniteHybrid(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildLlama(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildMinistral(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildMinistral3(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildMistral(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildMistral3(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildOlmo2(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildPhi3(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildQwen2(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildQwen3(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildSmolLm3(const Json& config, GraphBuilder* builder, uint64_t* trained_context);
Status BuildStableLm(const Json& config, GraphBuilder* builder, uint64_t* trained_context);

}  // namespace samara

#endif  // SAMARA_CONVERTER_MODELS_MODELS_H_
