// The backend interface.
//
// Life of a backend, in order:
//   1. A Backend is an immutable descriptor, listed in backends/builtin.cc or in a plug-in (runtime/plugin.h). It
//      allocates nothing. MeasureDevice and Measure are pure: they tell, before anything is opened, what
//      Open and Compile will take, and the memory contract is made of their answers.
//   2. Open gives a Device: its threads, streams, command pools. All retained memory comes from the Ledger.
//   3. The runtime allocates buffers on the device, uploads or maps weights, and calls Compile once per token
//      bucket: a Partition is a range of a graph turned into whatever the device runs fastest (an array of
//      kernel calls, a captured graph, a recorded command buffer), bound to planned buffers for good.
//   4. Run executes it with the values of one StepParams block: no allocation, look-up, string or lock.
//      Between two Runs nothing of a partition changes but the bytes of that block and of the buffers.
//      On a device with a queue Run may return as soon as the work is queued: work is done in the order of the calls,
//      and Download, Draw and Finish wait for it and give its error.
//   5. Destruction in reverse: partitions, buffers, device.
//
// Threads: Run is called by one thread at a time. RequestCancel may come from any thread.
// Errors: every function gives a Status; a failed Run leaves buffers in an unspecified state, and the session
// layer poisons the sessions of that step. But a cancelled Run has written nothing besides the arena and the slots of
// its tokens: these are computed again later. A partition stays destructible after any failure.
#ifndef SAMARA_RUNTIME_BACKEND_H_
#define SAMARA_RUNTIME_BACKEND_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "formats/status.h"
#include "runtime/memory.h"
#include "runtime/step_params.h"

namespace samara {

// Which memory an operand lives in. All activations of a partition share one arena; each state part has a
// buffer of its own; weights are bound one by one.
enum class BufferKind : uint8_t {
  kNone = 0,    // absent operand, or a state (see StateBinding)
  kArena = 1,   // offset into the activation arena
  kWeight = 2,  // index into PartitionSpec::weights
  kStep = 3,    // a field of StepParams: `step_field` says which, stride included
};

enum class StepField : uint8_t { kNone = 0, kTokenIds = 1, kPositions = 2, kOutputRows = 3 };

struct ValueBinding {
  BufferKind kind = BufferKind::kNone;
  StepField step_field = StepField::kNone;
  uint64_t offset = 0;  // bytes from the start of the arena (kStep: of the step block) to row 0
  uint64_t row_stride =
      0;  // bytes from one row (index of dimension 0) to the next; contiguous = row bytes
  uint64_t bytes =
      0;  // kArena: bytes that the value occupies at the bucket's capacity (contiguous size)
  int32_t weight = -1;  // kWeight
};

// A weight as the device sees it: host memory (mapped or copied) for host backends, a device buffer else.
struct WeightBinding {
  const Weight* weight = nullptr;
  const WeightPlacement* placement = nullptr;  // the layout chosen
  const void* host = nullptr;  // bytes in that layout; kSegmentTailBytes more are readable
  uint64_t device = 0;         // handle from Device::Allocate, 0 for host backends
};

// Type in which key/value states are kept; a load option.
// Layout of a pool on host backends ("standard layout"), P = pool_blocks of the group, S = kBlockSlots:
//   part 0 (keys)    [P][heads][dim][S]    a block's keys are stored transposed: lanes are slots
//   part 1 (values)  [P][heads][S][dim]
// Q8_0 has one F16 scale for each run of 32 dims of a slot (the last may be shorter), R = ceil(dim / 32).
// A head's scales stand behind its quants:
//   part 0           [P][heads]{ int8 [dim][S]; f16 [R][S] }
//   part 1           [P][heads]{ int8 [S][dim]; f16 [R][S] }
// Q4_0 has runs and scales likewise. A byte holds two dims of a slot: i of its run in the low half, i + 16 in the high one,
// each as the quant less 8 in two's complement; runs are whole, what is past dim is 0:
//   part 0           [P][heads]{ [R * 16][S]; f16 [R][S] }
//   part 1           [P][heads]{ [S][R * 16]; f16 [R][S] }
// Bytes of zero are the value zero in every type.
inline constexpr uint32_t kKvRun = 32;
inline constexpr bool IsKvType(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kQ8_0 ||
         dtype == DType::kQ4_0;
}
// Elements of a slot as they are kept: bytes, for types with runs.
inline constexpr uint64_t KvSlotElements(DType kv_type, uint64_t dim) {
  return kv_type == DType::kQ4_0 ? (dim + kKvRun - 1) / kKvRun * (kKvRun / 2) : dim;
}
inline constexpr bool KvHasScales(DType kv_type) {
  return kv_type == DType::kQ8_0 || kv_type == DType::kQ4_0;
}
// Bytes of one head of one block; a multiple of 64.
inline constexpr uint64_t KvHeadBytes(DType kv_type, uint64_t dim) {
  const uint64_t elements = kBlockSlots * KvSlotElements(kv_type, dim);
  if (kv_type == DType::kF32) return elements * 4;
  if (kv_type == DType::kF16) return elements * 2;
  return elements + (dim + kKvRun - 1) / kKvRun * kBlockSlots * 2;
}
struct StateBinding {
  const State* state = nullptr;
  DType dtype = DType::kF16;  // IsKvType; a head takes Backend::StateHeadBytes(dtype, dim)
  void* host[2] = {};         // parts
  uint64_t device[2] = {};
};

// Gets the times of operators while a model is profiled (runtime/profile.h).
class ProfileSink {
 public:
  // Operator `op` of the range ran from `begin` to `end`, nanoseconds of std::chrono::steady_clock. Called by the
  // thread that called Run, before Run returns. A call that does the work of several operators counts for one.
  virtual void Add(uint32_t op, int64_t begin, int64_t end) = 0;

  static int64_t Now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

 protected:
  ~ProfileSink() = default;
};

// What Measure and Compile need of a graph range. Everything is alive only during the call.
struct PartitionSpec {
  const Package* package = nullptr;
  const Graph* graph = nullptr;  // after decomposition
  uint32_t first_op = 0, n_ops = 0;
  const SymbolValues* capacity = nullptr;  // symbols at the bucket's largest step
  uint32_t bucket_tokens = 0;              // n_tokens of a Run is 1..bucket_tokens
  uint32_t max_outputs = 0;
  const StepLayout* step_layout = nullptr;
  DType kv_type = DType::kF16;
  uint32_t n_threads = 1;
  // Per op of the range: 1 = only a view (slice, reshape); nothing to run.
  std::span<const uint8_t> is_view;
  // Per value of the graph; in Measure without the arena offsets.
  std::span<const ValueBinding> values;
  // Valid in Compile only:
  std::span<const WeightBinding> weights;  // per weight of the package
  std::span<const StateBinding> states;    // per state of the package
  void* arena_host = nullptr;
  uint64_t arena_device = 0;
  // Scratch of op i of the range starts at scratch_offsets[i] in the arena (its lifetime is that op).
  std::span<const uint64_t> scratch_offsets;
  // Every value can be read after Run, so no operator is fused away. A hint for Compile: measures do not depend on it.
  bool keep_values = false;
  // nullptr: nobody asks, and Run takes no time. What Compile retains must not depend on it.
  ProfileSink* profile = nullptr;
};

struct PartitionMeasure {
  uint64_t plan_bytes = 0;  // retained by Compile: one host block, handed to it
  std::vector<uint64_t>
      scratch_bytes;  // per op of the range; depends on operator, shape, workers only
};

class Partition {
 public:
  virtual ~Partition() = default;
  // `step` is laid out by spec.step_layout. Host pointer; a device backend copies layout->bytes once, before Run
  // returns.
  virtual Status Run(const void* step) = 0;
};

// Placed in ledger blocks: destroyed, never freed one by one.
struct InPlaceDelete {
  template <typename T>
  void operator()(T* object) const {
    object->~T();
  }
};
template <typename T>
using InPlacePtr = std::unique_ptr<T, InPlaceDelete>;

// The caller's way to run body(context, worker) for each worker below n_workers; the contract is
// samara_parallel_fn's.
using WorkerBody = void (*)(void* context, uint32_t worker);
using ParallelFn = void (*)(void* user, uint32_t n_workers, WorkerBody body, void* context);

// Where the workers of a host backend come from and where they run.
struct Threading {
  const char* affinity = nullptr;  // processors, "0,2-3"; nullptr or "": wherever the system likes
  bool pin_caller = false;         // the calling thread too, to the first of them, for each Run
  ParallelFn parallel = nullptr;   // the caller's pool; nullptr: threads of our own
  void* parallel_user = nullptr;
  // Workers that may run at once; 0: as many as there are processors to use. For tests: if set, even
  // the smallest job is shared.
  uint32_t n_processors = 0;

  bool placed() const { return affinity != nullptr && *affinity != '\0'; }
};

struct DeviceOptions {
  uint32_t n_threads = 1;           // host workers, the calling thread included
  uint64_t thread_stack_bytes = 0;  // 0: the default, kThreadStackBytes
  const char* isa = nullptr;        // CPU: "scalar", "avx2", ...; nullptr: best available
  Threading threading;
};
inline constexpr uint64_t kThreadStackBytes = uint64_t{256} << 10;

// One token drawn from one row of logits on the device; the meaning is that of runtime/sampler.h, steps 2 to 8. The
// generator stays with the session: `uniform` is its draw divided by 2^32 (unused if temperature is 0).
struct DrawRequest {
  uint64_t arena = 0;   // handle
  uint64_t offset = 0;  // of the row, F32
  uint32_t vocab = 0;
  float temperature = 0;
  uint32_t top_k = 0;  // 0: all
  float top_p = 1, min_p = 0;
  double uniform = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const char* description() const = 0;  // "cpu avx512vnni, 2 threads"
  // A line that the user should read once (a slow path, say); nullptr: none.
  virtual const char* notice() const { return nullptr; }
  // Buffers. Host devices return memory of the ledger and handle == address. `name` is a listed item.
  virtual Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) = 0;
  virtual Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) = 0;
  virtual Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) = 0;
  // A weight, once, before Compile. `host` are its bytes in the layout of `placement`, usually file pages: they are
  // rearranged piece by piece through a staging buffer of bounded size, never copied whole. The buffer has
  // Backend::WeightBytes.
  virtual Status UploadWeight(uint64_t handle, const Weight& weight,
                              const WeightPlacement& placement, const void* host) {
    (void)weight;
    return Upload(handle, 0, host, placement.bytes);
  }
  // Waits for everything queued.
  virtual Status Finish() { return Status(); }
  // False: the runtime brings logits to the host and draws there.
  virtual bool can_draw() const { return false; }
  // Waits. A logit that is not finite is kInvalidFile. The same request gives the same id on the same device.
  virtual Status Draw(const DrawRequest&, int32_t* id) {
    *id = -1;
    return Unsupported("this device draws no tokens");
  }
  virtual Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) = 0;
  // Copies between buffers of this device (fork copies the last, partly filled block).
  virtual Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
                      uint64_t bytes) = 0;
  // `block`: measure.plan_bytes of zeroed host memory, 64-aligned, that outlives the partition.
  virtual Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                         InPlacePtr<Partition>* partition) = 0;
  // The running and following Runs end with kCancelled, within 200 ms, until ClearCancel.
  virtual void RequestCancel() = 0;
  virtual void ClearCancel() = 0;
};

// A device that a backend found, for people and for "auto".
struct DeviceInfo {
  std::string name;           // "NVIDIA H200"
  uint64_t memory_bytes = 0;  // of its own; 0: it uses the host's
  bool automatic = true;      // "auto" may take it
  std::string unusable;       // why Open would refuse it; "": it would not
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;                       // "cpu", "reference"
  virtual const char* description() const { return name(); }  // one line for people
  virtual bool host_memory() const = 0;  // weights are read from the map in place
  // Gives the bits of formats/numerics.md; others are held to tolerances.
  virtual bool exact() const { return false; }
  // Pure. True if keys and values can be kept so.
  virtual bool KeepsStatesAs(DType kv_type) const {
    return IsKvType(kv_type) && kv_type != DType::kQ4_0;
  }
  // Bytes of one head of one block of a state kept as `kv_type`: pools, their copies and saves are sized by
  // it. Only the float64 reference differs: it keeps doubles.
  virtual uint64_t StateHeadBytes(DType kv_type, uint32_t dim) const {
    return KvHeadBytes(kv_type, dim);
  }
  // Pure. Bytes of a weight's device buffer, in whatever layout the device's kernels read.
  virtual uint64_t WeightBytes(const Weight& weight, const WeightPlacement& placement) const {
    (void)weight;
    return placement.bytes;
  }
  // Pure. True if this backend runs the op (code, version, attributes, dtypes) as given.
  virtual bool Supports(const Package& package, const Graph& graph, const Op& op) const = 0;
  // The devices of this machine, the one that Open takes first. May load a driver. kNotFound or kUnsupported, with the
  // reason, where there is none.
  virtual Status ListDevices(std::vector<DeviceInfo>* devices) const {
    devices->push_back({description(), 0, false, ""});
    return Status();
  }
  // Pure. Adds what Open retains to the list (thread stacks, pool, the device object itself).
  virtual Status MeasureDevice(const DeviceOptions& options, MemoryList* list) const = 0;
  virtual Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const = 0;
  // kNotFound: no such device here; kUnsupported: this ISA or driver cannot be used.
  virtual Status Open(const DeviceOptions& options, Ledger* ledger,
                      InPlacePtr<Device>* device) const = 0;
};

// backends/builtin.cc: the one list, best first. The runtime library sees it through this pointer table only (the
// runtime knows no concrete backend).
struct BackendList {
  const Backend* const* backends;
  int count;
};
BackendList BuiltinBackends();
// Names of the plug-ins that "auto" and listings look for (runtime/plugin.h), best first: before the built-in ones.
struct PluginNames {
  const char* const* names;
  int count;
};
PluginNames KnownPlugins();

}  // namespace samara

#endif  // SAMARA_RUNTIME_BACKEND_H_
