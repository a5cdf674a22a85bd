// samara-eval --calibrate: an importance file.
#ifndef SAMARA_APPS_EVAL_CALIBRATE_H_
#define SAMARA_APPS_EVAL_CALIBRATE_H_

#include <string>
#include <vector>

#include "apps/common/cli.h"

namespace samara::apps {

// Runs the texts through the package and writes, for each tensor of the checkpoint that a product uses, the mean of the
// squared inputs of its columns: a safetensors file of F32 vectors with the tensors' names. The exit code.
int RunCalibrate(const std::string& model, const std::vector<std::string>& texts,
                 const std::string& output, uint32_t tokenize_flags, const RunFlags& run);

}  // namespace samara::apps

#endif  // SAMARA_APPS_EVAL_CALIBRATE_H_
