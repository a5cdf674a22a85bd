// Options of the C API as the runtime's own.
#ifndef SAMARA_RUNTIME_API_OPTIONS_H_
#define SAMARA_RUNTIME_API_OPTIONS_H_

#include "formats/status.h"
#include "runtime/model.h"
#include "runtime/plan.h"
#include "samara/samara.h"

namespace samara {

struct ApiOptions {
  LoadOptions load;
  ModelCallbacks callbacks;
  const char* backend = nullptr;
  bool any_backend = true;
};

// `options` may be nullptr. Strings are borrowed. Reads SAMARA_ISA where the options name no ISA.
Status ReadOptions(const samara_model_options* options, ApiOptions* out);

}  // namespace samara

#endif  // SAMARA_RUNTIME_API_OPTIONS_H_
