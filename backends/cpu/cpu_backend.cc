#include "backends/cpu/cpu_backend.h"

#include <cstdio>
#include <cstring>
#include <new>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/plan.h"
#include "backends/cpu/thread_pool.h"
#include "runtime/float_env.h"

namespace samara {
namespace cpu {
namespace {

constexpr char kDeviceItem[] = "cpu device";
constexpr char kWorkersItem[] = "cpu workers";
constexpr char kStacksItem[] = "cpu thread stacks";

class CpuPartition final : public Partition {
 public:
  Status Run(const void* step) override {
    const FloatEnv float_env;
    const CallerPlace place(*pool_);
    RunContext context;
    context.step = static_cast<const uint8_t*>(step);
    context.layout = &layout_;
    std::memcpy(&context.header, step, sizeof context.header);
    context.pool = pool_;
    context.cancel = cancel_;
    const StepHeader& h = context.header;
    if (h.n_tokens < 1 || h.n_tokens > bucket_tokens_ || h.n_outputs > max_outputs_ ||
        h.n_seqs < 1 || h.n_seqs > layout_.max_seqs) {
      return InvalidArgument(
          "a step of %u tokens, %u sequences, %u outputs in a partition for %u, %u, %u", h.n_tokens,
          h.n_seqs, h.n_outputs, bucket_tokens_, layout_.max_seqs, max_outputs_);
    }
    if (profile_ != nullptr) return RunProfiled(&context);
    for (uint64_t i = 0; i < n_calls_; ++i) {
      if (cancel_->load(std::memory_order_relaxed)) return Cancelled("cancelled");
      if (!calls_[i]->run(calls_[i], &context)) return Stopped(context);
    }
    return Status();
  }

  // The same with a look at the clock between two calls.
  Status RunProfiled(RunContext* context) {
    int64_t begin = ProfileSink::Now();
    for (uint64_t i = 0; i < n_calls_; ++i) {
      if (cancel_->load(std::memory_order_relaxed)) return Cancelled("cancelled");
      if (!calls_[i]->run(calls_[i], context)) return Stopped(*context);
      const int64_t end = ProfileSink::Now();
      profile_->Add(calls_[i]->op, begin, end);
      begin = end;
    }
    return Status();
  }

  static Status Stopped(const RunContext& context) {
    switch (context.error.load()) {
      case RunError::kGatherRow:
        return InvalidFile("a gather's row number lies outside of its table");
      case RunError::kBlock:
        return Internal("a block table names a block outside of its pool");
      default:
        return Cancelled("cancelled");
    }
  }

  Call** calls_ = nullptr;
  uint64_t n_calls_ = 0;
  ThreadPool* pool_ = nullptr;
  const std::atomic<bool>* cancel_ = nullptr;
  ProfileSink* profile_ = nullptr;
  StepLayout layout_;
  uint32_t bucket_tokens_ = 0, max_outputs_ = 0;
};

constexpr uint64_t kPartitionBytes = (sizeof(CpuPartition) + 63) / 64 * 64;
uint64_t CallListBytes(uint64_t n) { return (n * sizeof(void*) + 63) / 64 * 64; }

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(const KernelTable* kernels) : kernels_(kernels) {}

  Status Start(const DeviceOptions& options, void* workers, void* stacks, uint64_t stack_bytes) {
    SAMARA_RETURN_IF_ERROR(
        pool_.Start(options.n_threads, options.threading, workers, stacks, stack_bytes));
    const uint32_t n = options.n_threads;
    char more[32] = "";
    if (pool_.n_running() < n) std::snprintf(more, sizeof more, ", %u running", pool_.n_running());
    std::snprintf(description_, sizeof description_, "cpu %s, %u %s%s%s%s", kernels_->name, n,
                  options.threading.parallel == nullptr ? "thread" : "worker", n == 1 ? "" : "s",
                  options.threading.parallel == nullptr ? "" : " of the caller", more);
    return Status();
  }

  const char* description() const override { return description_; }
  const char* notice() const override {
    if (kernels_->isa != Isa::kScalar || HasFma()) return nullptr;
    return "this processor has no fused multiply-add: results are the same, but very slow";
  }
  Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) override {
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger->Take(name, bytes, &block));
    *handle = reinterpret_cast<uintptr_t>(block);
    return Status();
  }
  Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) override {
    if (bytes != 0) std::memcpy(Address(handle, offset), data, bytes);
    return Status();
  }
  Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) override {
    if (bytes != 0) std::memcpy(data, Address(handle, offset), bytes);
    return Status();
  }
  Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) override {
    if (bytes != 0) std::memset(Address(handle, offset), byte, bytes);
    return Status();
  }
  Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
              uint64_t bytes) override {
    if (bytes != 0) std::memmove(Address(to, to_offset), Address(from, from_offset), bytes);
    return Status();
  }

  Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                 InPlacePtr<Partition>* partition) override {
    if (spec.n_threads != pool_.n_threads()) {
      return Internal("compiled for %u threads on a device of %u", spec.n_threads,
                      pool_.n_threads());
    }
    if (block_bytes < kPartitionBytes) return Internal("a plan larger than was measured");
    uint8_t* base = static_cast<uint8_t*>(block);
    Builder builder(spec, *kernels_, base + kPartitionBytes, block_bytes - kPartitionBytes);
    SAMARA_RETURN_IF_ERROR(builder.Build());
    const uint64_t list = kPartitionBytes + builder.used_bytes();
    if (list + CallListBytes(builder.calls().size()) != block_bytes) {
      return Internal("a plan of other size than was measured");
    }
    CpuPartition* made = new (base) CpuPartition;
    made->calls_ = reinterpret_cast<Call**>(base + list);
    made->n_calls_ = builder.calls().size();
    if (made->n_calls_ != 0)
      std::memcpy(made->calls_, builder.calls().data(), made->n_calls_ * sizeof(void*));
    made->pool_ = &pool_;
    made->cancel_ = &cancel_;
    made->profile_ = spec.profile;
    made->layout_ = *spec.step_layout;
    made->bucket_tokens_ = spec.bucket_tokens;
    made->max_outputs_ = spec.max_outputs;
    partition->reset(made);
    return Status();
  }

  void RequestCancel() override { cancel_.store(true, std::memory_order_relaxed); }
  void ClearCancel() override { cancel_.store(false, std::memory_order_relaxed); }

 private:
  static uint8_t* Address(uint64_t handle, uint64_t offset) {
    return reinterpret_cast<uint8_t*>(static_cast<uintptr_t>(handle)) + offset;
  }

  const KernelTable* kernels_;
  std::atomic<bool> cancel_{false};
  char description_[96] = "";
  ThreadPool pool_;
};

Status CheckOptions(const DeviceOptions& options, uint64_t* stack_bytes) {
  if (options.n_threads < 1 || options.n_threads > kMaxThreads) {
    return InvalidArgument("%u threads; 1 to %u are possible", options.n_threads, kMaxThreads);
  }
  *stack_bytes = options.thread_stack_bytes == 0 ? kThreadStackBytes : options.thread_stack_bytes;
  if (*stack_bytes % 4096 != 0 || *stack_bytes < (uint64_t{64} << 10) ||
      *stack_bytes > (uint64_t{1} << 30)) {
    return InvalidArgument(
        "thread stacks of %llu bytes; a multiple of 4096 from 64 KiB to 1 GiB is possible",
        static_cast<unsigned long long>(*stack_bytes));
  }
  return Status();
}

// Listed and taken for all of them: how many will run is known on the machine only.
bool HasWorkers(const DeviceOptions& options) {
  return options.n_threads > 1 && options.threading.parallel == nullptr;
}

Status ChooseKernels(const char* isa, const KernelTable** kernels) {
  int count = 0;
  const KernelTable* const* tables = BuiltKernels(&count);
  for (int i = 0; i < count; ++i) {
    if (isa != nullptr && std::strcmp(isa, tables[i]->name) != 0) continue;
    if (!IsaAvailable(tables[i]->isa)) {
      if (isa == nullptr) continue;
      return Unsupported("this machine cannot run instruction set %s", isa);
    }
    *kernels = tables[i];
    return Status();
  }
  std::string names;
  for (int i = 0; i < count; ++i) names.append(i == 0 ? "" : ", ").append(tables[i]->name);
  return Unsupported("instruction set %s is not in this build; it has %s",
                     Quoted(isa == nullptr ? "" : isa).c_str(), names.c_str());
}

class CpuBackendImpl final : public Backend {
 public:
  const char* name() const override { return "cpu"; }
  Status ListDevices(std::vector<DeviceInfo>* devices) const override {
    devices->push_back({description(), 0, true, ""});
    return {};
  }
  bool host_memory() const override { return true; }
  bool exact() const override { return true; }
  bool KeepsStatesAs(DType kv_type) const override { return IsKvType(kv_type); }
  bool Supports(const Package& package, const Graph& graph, const Op& op) const override {
    return SupportsOp(package, graph, op);
  }

  Status MeasureDevice(const DeviceOptions& options, MemoryList* list) const override {
    uint64_t stack_bytes = 0;
    SAMARA_RETURN_IF_ERROR(CheckOptions(options, &stack_bytes));
    list->Add(kDeviceItem, sizeof(CpuDevice));
    if (HasWorkers(options)) {
      list->Add(kWorkersItem, ThreadPool::WorkerBytes(options.n_threads));
      list->Add(kStacksItem, (options.n_threads - 1) * stack_bytes, 4096, MemoryClass::kStack);
    }
    return Status();
  }

  Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const override {
    // Sizes are the same for every table; the one that every machine has will do.
    Builder builder(spec, *ScalarKernels(), nullptr, 0);
    SAMARA_RETURN_IF_ERROR(builder.Build());
    measure->plan_bytes =
        kPartitionBytes + builder.used_bytes() + CallListBytes(builder.calls().size());
    measure->scratch_bytes = std::move(builder.scratch_bytes());
    return Status();
  }

  Status Open(const DeviceOptions& options, Ledger* ledger,
              InPlacePtr<Device>* device) const override {
    uint64_t stack_bytes = 0;
    SAMARA_RETURN_IF_ERROR(CheckOptions(options, &stack_bytes));
    const KernelTable* kernels = nullptr;
    SAMARA_RETURN_IF_ERROR(ChooseKernels(options.isa, &kernels));
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger->Take(kDeviceItem, sizeof(CpuDevice), &block));
    void *workers = nullptr, *stacks = nullptr;
    if (HasWorkers(options)) {
      SAMARA_RETURN_IF_ERROR(
          ledger->Take(kWorkersItem, ThreadPool::WorkerBytes(options.n_threads), &workers));
      SAMARA_RETURN_IF_ERROR(
          ledger->Take(kStacksItem, (options.n_threads - 1) * stack_bytes, &stacks));
    }
    CpuDevice* made = new (block) CpuDevice(kernels);
    InPlacePtr<Device> owned(made);
    SAMARA_RETURN_IF_ERROR(made->Start(options, workers, stacks, stack_bytes));
    *device = std::move(owned);
    return Status();
  }
};

}  // namespace
}  // namespace cpu

const Backend* CpuBackend() {
  static const cpu::CpuBackendImpl backend;
  return &backend;
}

}  // namespace samara
