// The compute shaders: SPIR-V words made from shaders/*.comp at build time.
#ifndef SAMARA_BACKENDS_VULKAN_SHADERS_H_
#define SAMARA_BACKENDS_VULKAN_SHADERS_H_

#include <cstddef>
#include <cstdint>

namespace samara::vulkan {

// Name, bindings (the step buffer included). CMakeLists.txt compiles <name>.spv.inc for each.
// clang-format off
#define SAMARA_VULKAN_SHADERS(X)                                                                \
  X(elementwise, 5) X(copy, 3) X(reduce, 3) X(batch_matmul, 4) X(gather_rows, 4) X(gather, 4)   \
  X(state_write, 3) X(state_read, 3) X(state_visible, 2)                                        \
  X(norm, 5) X(norm_subgroup, 5) X(rope_table, 4) X(rope, 4) X(rope_write, 10) X(glu, 3) \
  X(attention, 6) X(attention_merge, 4) X(quantize, 3) X(draw, 3)                                       \
  X(matvec, 6) X(matvec_int_dot, 6) X(matmul, 6) X(matmul_int_dot, 6)
// clang-format on

enum class Shader : uint32_t {
#define SAMARA_VULKAN_ENUM(name, bindings) name,
  SAMARA_VULKAN_SHADERS(SAMARA_VULKAN_ENUM)
#undef SAMARA_VULKAN_ENUM
      kCount
};

struct ShaderCode {
  const char* name;
  const uint32_t* words;
  size_t n_words;
  uint32_t bindings;
};
const ShaderCode& CodeOf(Shader shader);

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_SHADERS_H_
