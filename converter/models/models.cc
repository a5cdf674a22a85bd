#include "converter/models/models.h"

namespace samara {
namespace {

constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", BuildLlama},
    {"mistral", "MistralForCausalLM", BuildMistral},
    {"qwen2", "Qwen2ForCausalLM", BuildQwen2},
    {"qwen3", "Qwen3ForCausalLM", BuildQwen3},
};

}  // namespace

std::span<const Family> Families() { return kFamilies; }

std::string FamilyList() {
  std::string text;
  for (const Family& family : kFamilies)
    text += (text.empty() ? "" : ", ") + std::string(family.architectures);
  return text;
}

StatusOr<const Family*> FindFamily(const Json& config) {
  SAMARA_ASSIGN_OR_RETURN(const Json names, config.RequireArray("architectures"));
  for (const Json item : names) {
    SAMARA_ASSIGN_OR_RETURN(const std::string_view name, item.String());
    for (const Family& family : kFamilies) {
      const std::string list = std::string(" ") + family.architectures + " ";
      if (!name.empty() && list.find(" " + std::string(name) + " ") != std::string::npos)
        return &family;
    }
    return Unsupported("%s: field architectures: got %s, wanted one of %s", config.file().c_str(),
                       Quoted(name).c_str(), FamilyList().c_str());
  }
  return names.Bad("an empty list", "one of " + FamilyList());
}

}  // namespace samara
