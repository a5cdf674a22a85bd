// A loaded model and its sessions: plain data in listed blocks. Nothing here owns heap memory.
#ifndef SAMARA_RUNTIME_MODEL_H_
#define SAMARA_RUNTIME_MODEL_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "runtime/backend.h"
#include "runtime/file.h"
#include "runtime/memory.h"
#include "runtime/plan.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer/tokenizer.h"
#include "samara/samara.h"

namespace samara {

class Profile;
struct Session;

// Device buffers of one state.
struct StatePool {
  uint64_t handle[2];
  uint64_t block_bytes[2];
  uint32_t heads[2], dim[2];
  uint32_t n_parts;
  uint32_t group;
};

// The blocks of a state group. A block's content lies at block * block_bytes in every pool of the
// group.
struct GroupPool {
  uint32_t blocks_per_seq;
  uint32_t n_blocks;
  uint32_t n_free;
  uint32_t first_entry;   // of this group in a session's block table
  uint64_t window;        // 0: none
  uint64_t rewind_limit;  // UINT64_MAX: all
  uint32_t* free_list;    // a stack: what was freed last is used first
  uint32_t* references;   // per block
};

struct Bucket {
  uint32_t tokens = 0;
  uint64_t logits_offset = 0, hidden_offset = 0;  // in the arena
  InPlacePtr<Partition> partition;
};

// One session's share of the running step.
struct StepShare {
  Session* session;
  uint32_t n_tokens;
  uint32_t n_outputs;
};

struct ModelCallbacks {
  samara_log_fn log = nullptr;
  samara_progress_fn progress = nullptr;
  void* user = nullptr;
};

struct ModelLimits {
  uint32_t n_ctx, n_chunk, max_sessions, max_outputs, n_threads;
  uint32_t vocab, token_vocab;
  uint32_t hidden_dim;  // 0: no such output
};

struct Model {
  Ledger ledger;
  PackageFile file;
  const Backend* backend = nullptr;
  ModelLimits limits = {};
  DType kv_type = DType::kInvalid;
  uint64_t trained_context = 0;
  uint64_t weight_elements = 0;
  uint8_t package_hash[24] = {};  // of its metadata, as its header has it
  uint32_t n_decomposed = 0;      // operators
  ModelCallbacks callbacks;
  SamplingParams sampling;
  const uint8_t* metadata = nullptr;  // the FlatBuffer, private and checked
  Tokenizer tokenizer;
  bool has_tokenizer = false;
  const int32_t* eos_ids = nullptr;
  uint32_t n_eos = 0;

  StepLayout step_layout;
  uint8_t* step =
      nullptr;  // the StepParams block; block tables of session slot i stand at its place for good
  uint32_t table_entries = 0;  // of one session
  GroupPool groups[kMaxStateGroups] = {};
  uint32_t n_groups = 0;
  StatePool* states = nullptr;
  uint32_t n_states = 0;
  uint64_t arena = 0;             // device handle
  const float* logits = nullptr;  // rows of the last step: the arena on host backends, else a copy
  const float* hidden = nullptr;
  uint64_t logits_offset = 0,
           hidden_offset = 0;  // in the arena, for backends with a memory of their own
  void* sampler_work = nullptr;
  Profile* profile = nullptr;  // nullptr: not asked for

  Session** sessions = nullptr;  // per slot
  StepShare* shares = nullptr;   // per session of a step
  uint32_t n_sessions = 0;
  uint64_t session_bytes = 0;  // allocated for the sessions that exist

  std::mutex mutex;  // everything that changes sessions
  std::atomic<bool> cancelled{false};
  uint64_t step_id = 0;
  uint64_t n_steps = 0;
  uint64_t n_tokens = 0;
  double step_seconds = 0;
  double load_seconds = 0;

  InPlacePtr<Device> device;
  Bucket buckets[kMaxBuckets];
  uint32_t n_buckets = 0;

  Model(Ledger&& l, PackageFile&& f) : ledger(std::move(l)), file(std::move(f)) {}
  uint64_t allocated() const { return ledger.taken_bytes() + session_bytes; }
};

// What loading decided, for those who look inside (goldens, verification, tests).
struct LoadTrace {
  ParsedPackage parsed;
  ModelPlan plan;
};

// The file is left closed but for its map. On failure nothing stays allocated.
Status LoadModel(PackageFile file, const Backend& backend, const LoadOptions& options,
                 const ModelCallbacks& callbacks, Model** model, LoadTrace* trace = nullptr);
void DestroyModel(Model* model);

}  // namespace samara

#endif  // SAMARA_RUNTIME_MODEL_H_
