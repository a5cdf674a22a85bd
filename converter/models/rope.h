// Inverse frequencies of rotary embeddings, computed at conversion from config.json.
#ifndef SAMARA_CONVERTER_MODELS_ROPE_H_
#define SAMARA_CONVERTER_MODELS_ROPE_H_

#include <cstdint>

#include "converter/builder.h"
#include "converter/json.h"
#include "formats/status.h"

namespace samara {

struct RopeDefaults {
  double theta = 10000;
  double rotated = 1;           // part of a head's dimensions
  bool may_be_partial = false;  // the family's code rotates a part of the dimensions
  bool proportional = false;    // the type where the parameters name none
  const char* own_key = "";     // of the parameters, which the family reads itself
  const char* theta_key = "rope_theta";
  const char* rotated_key = "partial_rotary_factor";
};

// Of rope_scaling or rope_parameters, which hold one set for all layers. Types: default, linear,
// dynamic, llama3, yarn, longrope.
Status ReadRope(const Json& config, const RopeDefaults& defaults, int64_t head_dim, int64_t context,
                RopeSettings* out);

// The same of `parameters`, one set among several; absent: the defaults. Knows the type
// proportional too.
Status ReadRopeSet(const Json& config, const Json& parameters, const RopeDefaults& defaults,
                   int64_t head_dim, int64_t context, RopeSettings* out);

// Are these sets for full_attention and sliding_attention, and nothing else?
Status CheckRopeSets(const Json& sets);

}  // namespace samara

#endif  // SAMARA_CONVERTER_MODELS_ROPE_H_
