#include "runtime/api_options.h"

#include <cstdlib>
#include <cstring>

namespace samara {
Status ReadOptions(const samara_model_options* options, ApiOptions* out) {
  *out = {};
  const char* isa = std::getenv("SAMARA_ISA");
  if (isa != nullptr && *isa != '\0') out->load.isa = isa;
  if (options == nullptr) return {};
  if (options->struct_size != sizeof *options) {
    return InvalidArgument("model options: struct_size is %zu, want %zu", options->struct_size,
                           sizeof *options);
  }
  out->backend = options->backend;
  out->any_backend =
      out->backend == nullptr || *out->backend == '\0' || std::strcmp(out->backend, "auto") == 0;
  if (options->isa != nullptr && *options->isa != '\0') out->load.isa = options->isa;
  out->load.n_threads = options->n_threads;
  out->load.n_ctx = options->n_ctx;
  out->load.max_sessions = options->max_sessions;
  out->load.n_chunk = options->n_chunk;
  out->load.max_outputs = options->max_outputs;
  // A C caller can put any number into an enum; to load it as one would be undefined here.
  int32_t kv_type = 0;
  static_assert(sizeof kv_type == sizeof options->kv_type);
  std::memcpy(&kv_type, &options->kv_type, sizeof kv_type);
  switch (kv_type) {
    case SAMARA_KV_DEFAULT:
      break;
    case SAMARA_KV_F32:
      out->load.kv_type = DType::kF32;
      break;
    case SAMARA_KV_F16:
      out->load.kv_type = DType::kF16;
      break;
    case SAMARA_KV_Q8_0:
      out->load.kv_type = DType::kQ8_0;
      break;
    case SAMARA_KV_Q4_0:
      out->load.kv_type = DType::kQ4_0;
      break;
    default:
      return InvalidArgument("kv_type is %d", kv_type);
  }
  out->load.memory_budget = options->memory_budget;
  out->load.no_mmap = options->no_mmap != 0;
  out->load.decompose = options->decompose != 0;
  out->load.keep_values = options->keep_values != 0;
  out->load.profile = options->profile;
  out->load.device_memory = options->device_memory;
  out->load.cut_layers = options->cut_layers != 0;
  out->load.threading.affinity = options->affinity;
  out->load.threading.pin_caller = options->pin_caller != 0;
  out->load.threading.parallel = options->parallel;
  out->load.threading.parallel_user = options->parallel_user;
  out->callbacks.log = options->log;
  out->callbacks.progress = options->progress;
  out->callbacks.user = options->user;
  return {};
}

}  // namespace samara
