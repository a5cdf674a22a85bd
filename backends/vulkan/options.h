// Switches of the Vulkan backend: the environment variable SAMARA_VULKAN, "name=value" pairs with commas between.
#ifndef SAMARA_BACKENDS_VULKAN_OPTIONS_H_
#define SAMARA_BACKENDS_VULKAN_OPTIONS_H_

#include <cstdint>
#include <string>

#include "formats/status.h"

namespace samara::vulkan {

enum class Switch : uint8_t { kOff, kOn, kAuto };  // kOn: an error where the device lacks it

struct Options {
  // "": the best that is no CPU; "cpu": the first CPU; a number of the list; else a part of a device's name.
  std::string device;
  Switch int_dot = Switch::kAuto;      // the integer dot product instruction
  Switch subgroup = Switch::kAuto;     // reductions within subgroups
  Switch activations = Switch::kAuto;  // products with quantized weights take int8 activations
  Switch staging = Switch::kAuto;  // copies through a staging buffer even where memory is shared
  Switch fuse = Switch::kAuto;     // several operators in one dispatch
  Switch tiles = Switch::kAuto;    // products of several tokens by tiles in shared memory
  Switch cache = Switch::kAuto;    // pipelines kept on disk
  uint64_t max_range = 0;          // bytes that one binding may span; 0: the device's limit
  uint64_t segment = 0;            // operations of a submission; 0: chosen by the device's type
  uint32_t splits = 0;             // parts of the keys in attention; 0: chosen
  uint64_t fail_submit = 0;        // tests: the n-th submission loses the device

  bool operator==(const Options&) const = default;
};

// INVALID_ARGUMENT names the pair that is not known.
Status ParseOptions(const char* text, Options* options);

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_OPTIONS_H_
