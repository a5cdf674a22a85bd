#include "backends/vulkan/shaders.h"

namespace samara::vulkan {
namespace {

#include "vulkan_shaders.inc"

constexpr ShaderCode kShaders[] = {
#define SAMARA_VULKAN_CODE(name, bindings) \
  {#name, k_##name, sizeof k_##name / sizeof k_##name[0], bindings},
    SAMARA_VULKAN_SHADERS(SAMARA_VULKAN_CODE)
#undef SAMARA_VULKAN_CODE
};

}  // namespace

const ShaderCode& CodeOf(Shader shader) { return kShaders[static_cast<uint32_t>(shader)]; }

}  // namespace samara::vulkan
