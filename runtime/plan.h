// PlanModel: everything that loading decides, decided before a weight is touched.
//
// A pure function of package, options and backend. The loader allocates only what the list names
// (through a Ledger made from it); samara_plan prints the same list. What it returns lives while
// loading and is dropped.
#ifndef SAMARA_RUNTIME_PLAN_H_
#define SAMARA_RUNTIME_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "runtime/backend.h"
#include "runtime/lower.h"
#include "runtime/memory.h"

namespace samara {

// The options of samara.h; zero means the default.
struct LoadOptions {
  const char* isa = nullptr;
  uint32_t n_threads = 0;
  uint32_t n_ctx = 0;
  uint32_t max_sessions = 0;
  uint32_t n_chunk = 0;
  uint32_t max_outputs = 0;
  DType kv_type = DType::kInvalid;  // kF32, kF16, kQ8_0, kQ4_0; kInvalid: the default
  uint64_t memory_budget = 0;
  bool no_mmap = false;
  bool decompose = false;
  bool keep_values = false;
  uint32_t profile = 0;  // events that are kept; 0: no profile
  // Backends with a memory of their own: bytes that may be taken of it; layers that find no room run on the host. 0: all
  // of the model goes to the device.
  uint64_t device_memory = 0;
  bool cut_layers =
      false;  // operators that a device lacks run on the host even inside repeated layers
  Threading threading;
};

// What the plan must know of the file besides its package.
struct FileFacts {
  uint64_t file_bytes = 0;
  uint64_t metadata_bytes = 0;
  bool maps = true;  // false: the caller's memory, nothing is mapped by us
};

inline constexpr uint32_t kMaxThreads = 1024;
inline constexpr uint32_t kMaxSessions = 4096;
inline constexpr uint32_t kMaxBuckets = 32;
inline constexpr uint32_t kDefaultContext = 4096;
inline constexpr uint32_t kDefaultChunk = 128;

// Names of listed items that several files speak of.
namespace items {
inline constexpr char kModel[] = "model object";
inline constexpr char kMetadata[] = "copied metadata";
inline constexpr char kTokenizer[] = "tokenizer tables";
inline constexpr char kEos[] = "end-of-text ids";
inline constexpr char kArena[] = "activation arena";
inline constexpr char kStep[] = "step parameters";
inline constexpr char kHostArena[] = "activation arena of the host's part";
inline constexpr char kSchedule[] = "step schedule";
inline constexpr char kSessionSlots[] = "session slots";
inline constexpr char kPool[] = "block free lists";
inline constexpr char kStates[] = "state table";
inline constexpr char kSampler[] = "sampler work";
inline constexpr char kLogits[] = "logits copy";
inline constexpr char kHidden[] = "hidden state copy";
inline constexpr char kProfile[] = "profile";
std::string StatePart(const State& state, size_t part);
// Part `part` of the `n_parts` that a bucket's operators are compiled in; of the host's part where `host`.
std::string CompiledPlan(const LoweredGraph& lowered, size_t part, bool host);
std::string CopiedSegment(const Segment& segment);
std::string CopiedWeight(const Weight& weight);
std::string DeviceWeight(const Weight& weight);
}  // namespace items

struct ModelPlan {
  LoadOptions options;  // defaults resolved
  uint64_t weight_elements = 0;
  StepLayout step_layout;
  uint32_t sum_blocks_per_seq = 0;
  Split split;
  std::vector<LowerRequest> requests;  // one a token bucket
  std::vector<LoweredGraph> buckets;   // of the backend
  uint64_t arena_bytes = 0;
  // The host's share, where split.uses_host(): one lowering for steps of any size. Else empty.
  const Backend* host_backend = nullptr;
  LowerRequest host_request;
  LoweredGraph host;
  std::vector<int32_t> placements;  // chosen per weight: index into Weight::placements; -1: unused
  // Per weight and state: on which sides it is. A state is on one.
  std::vector<uint8_t> weight_on[2];
  std::vector<Side> state_side;
  std::vector<uint8_t> segment_used;  // per segment: holds a chosen placement
  uint32_t logits_vocab = 0;
  uint32_t hidden_dim = 0;  // 0: the package has no hidden output
  MemoryList list;
};

// kInvalidArgument for options out of range, kUnsupported for what backend and package cannot do
// together, kResourceExhausted over the budget: the message names the need and the largest items.
Status PlanModel(const Package& package, const FileFacts& file, const LoadOptions& options,
                 const Backend& backend, ModelPlan* plan);

// The list alone: the memory contract.
Status PlanMemory(const Package& package, const FileFacts& file, const LoadOptions& options,
                  const Backend& backend, MemoryList* list);

// The part of PlanModel that fills plan->list, once all else is there (runtime/plan_list.cc).
Status ListMemory(const Package& package, const FileFacts& file, const Backend& backend,
                  ModelPlan* plan);

// The backend that a state is kept by.
inline const Backend& StateBackend(const ModelPlan& plan, const Backend& backend, size_t state) {
  return plan.state_side[state] == Side::kHost ? *plan.host_backend : backend;
}

// Bytes of state part `part` for all blocks of its pool; and of one block.
Status StateBlockBytes(const State& state, size_t part, DType kv_type, const Backend& backend,
                       uint64_t* bytes);

}  // namespace samara

#endif  // SAMARA_RUNTIME_PLAN_H_
