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
#include "runtime/schedule.h"
#include "runtime/tokenizer/tokenizer.h"
#include "samara/samara.h"

namespace samara {

class Profile;
struct Session;

// Buffers of one state, all on one side.
struct StatePool {
  Device* device;
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
  uint64_t logits_offset = 0, hidden_offset = 0;  // in the arena of their side
};

// Rows of the last step that a caller may read.
struct Results {
  const float* values = nullptr;  // where they are read: the arena of a host, else a copy
  Side side = Side::kHost;        // kDevice: they have to be fetched
  bool fetched = false;           // those of the last step are there
};

// One session's share of the last step.
struct StepShare {
  Session* session;  // while the step runs; it may be gone later
  uint32_t n_tokens;
  uint32_t n_outputs;
  uint32_t slot;  // of the session
  uint32_t end;   // position after its tokens
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
  uint64_t arena = 0;       // device handle
  uint64_t host_arena = 0;  // of the host's share; its address
  Results logits, hidden;   // hidden.values nullptr: the package has none
  void* sampler_work = nullptr;
  Profile* profile = nullptr;  // nullptr: not asked for

  Session** sessions = nullptr;  // per slot
  StepShare* shares = nullptr;   // per session of a step
  uint32_t n_sessions = 0;
  uint64_t session_bytes = 0;  // allocated for the sessions that exist

  std::mutex mutex;  // everything that changes sessions
  std::atomic<bool> cancelled{false};
  uint64_t step_id = 0;
  uint64_t settled_step = 0;  // up to here it is known that the device did its work
  uint32_t last_bucket = 0, last_rows = 0, last_shares = 0;  // of the last step
  uint64_t n_steps = 0;
  uint64_t n_tokens = 0;
  double step_seconds = 0;
  double load_seconds = 0;

  InPlacePtr<Device> device;
  InPlacePtr<Device> host_device;  // where host and device share the work
  Bucket buckets[kMaxBuckets];
  uint32_t n_buckets = 0;
  Schedule schedule;  // goes before the devices

  Model(Ledger&& l, PackageFile&& f) : ledger(std::move(l)), file(std::move(f)) {}
  uint64_t allocated() const { return ledger.taken_bytes() + session_bytes; }
  bool queues() const {
    return !backend->host_memory();
  }  // a step may return before its work is done
};

// What loading decided, for those who look inside (goldens, verification, tests).
struct LoadTrace {
  ParsedPackage parsed;
  ModelPlan plan;
};

void DestroyModel(Model* model);

// The file is left closed but for its map. On failure nothing stays allocated.
Status LoadModel(PackageFile file, const Backend& backend, const LoadOptions& options,
                 const ModelCallbacks& callbacks, Model** model, LoadTrace* trace = nullptr);

}  // namespace samara

#endif  // SAMARA_RUNTIME_MODEL_H_
