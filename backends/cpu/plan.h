// A compiled partition of the CPU backend: a list of calls in one block of memory.
//
// Everything that a Run needs is resolved when the plan is built: addresses, strides, kernels,
// numbers of the shape. What depends on the step (token counts) is a StepDim, a few
// multiplications.
#ifndef SAMARA_BACKENDS_CPU_PLAN_H_
#define SAMARA_BACKENDS_CPU_PLAN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/thread_pool.h"
#include "runtime/backend.h"

namespace samara::cpu {

enum class RunError : uint8_t { kNone, kCancelled, kGatherRow, kBlock };

// What the calls of one Run share.
struct RunContext {
  const uint8_t* step;
  const StepLayout* layout;
  StepHeader header;
  ThreadPool* pool;
  const std::atomic<bool>* cancel;
  std::atomic<RunError> error{RunError::kNone};
};

// ceil((constant + tokens * n_tokens + outputs * n_outputs + seqs * n_seqs) / divisor)
struct StepDim {
  int64_t constant = 0;
  int64_t tokens = 0, outputs = 0, seqs = 0;
  int64_t divisor = 1;

  int64_t At(const RunContext& context) const {
    const StepHeader& h = context.header;
    const int64_t sum = constant + tokens * h.n_tokens + outputs * h.n_outputs + seqs * h.n_seqs;
    return divisor == 1 ? sum : (sum + divisor - 1) / divisor;
  }
};

// Where an operand lies: an address, or an offset in the step block.
struct Operand {
  uintptr_t base = 0;
  bool in_step = false;
  uint64_t stride = 0;  // bytes between rows (dimension 0)

  bool present() const { return base != 0 || in_step; }
  template <typename T>
  T* At(const RunContext& context) const {
    return reinterpret_cast<T*>(in_step ? reinterpret_cast<uintptr_t>(context.step) + base : base);
  }
};

// An operand with its shape. Element (i, j, ...) lies at i * stride of the operand, then row-major.
struct Tensor {
  Operand operand;
  DType dtype = DType::kInvalid;
  int rank = 0;
  const StepDim* dims = nullptr;
};

struct Call {
  // False: stopped; the context says why, or the cancel flag is set.
  bool (*run)(const Call* call, RunContext* context);
  uint32_t op;  // of the range, for the profile
};

class Builder {
 public:
  // block == nullptr: measures only; addresses are then meaningless, sizes exact.
  Builder(const PartitionSpec& spec, const KernelTable& kernels, void* block, uint64_t block_bytes)
      : spec_(spec),
        kernels_(kernels),
        block_(static_cast<uint8_t*>(block)),
        block_bytes_(block_bytes) {}

  Status Build();

  bool measuring() const { return block_ == nullptr; }
  uint64_t used_bytes() const { return used_; }
  const std::vector<Call*>& calls() const { return calls_; }
  std::vector<uint64_t>& scratch_bytes() { return scratch_bytes_; }
  const PartitionSpec& spec() const { return spec_; }
  const KernelTable& kernels() const { return kernels_; }

  // --- For the operators' builders (ops_*.cc)
  template <typename T>
  Status New(uint64_t n, T** out) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 64);
    void* memory = nullptr;
    SAMARA_RETURN_IF_ERROR(Take(n * sizeof(T), &memory));
    *out = static_cast<T*>(memory);
    for (uint64_t i = 0; i < n; ++i) new (*out + i) T();
    return Status();
  }
  template <typename T>
  Status NewCall(T** out, bool (*run)(const Call*, RunContext*)) {
    static_assert(std::is_base_of_v<Call, T>);
    SAMARA_RETURN_IF_ERROR(New(1, out));
    (*out)->run = run;
    (*out)->op = op_index_;
    calls_.push_back(*out);
    return Status();
  }

  const Value& ValueOf(ValueId id) const { return spec_.graph->values[static_cast<size_t>(id)]; }
  // Dimension i of a value, for Run; its value at the bucket's capacity.
  Status DimOf(ValueId id, int i, StepDim* dim) const;
  Status Capacity(ValueId id, int i, uint64_t* n) const;
  // A dimension that does not depend on the step.
  Status ConstantDim(ValueId id, int i, uint64_t* n) const;

  Status Bind(ValueId id, Operand* operand);
  Status BindTensor(ValueId id, Tensor* tensor);
  // A weight's values as F32 in row-major order: in place if they are stored so, else a copy in the
  // plan.
  Status BindFloats(ValueId id, const float** values);
  // nullptr for kNoValue.
  Status BindOptionalFloats(ValueId id, const float** values);
  // A matrix in the layout of products. Measuring: only the numbers.
  struct Matrix {
    DType dtype = DType::kInvalid;
    Layout layout = Layout::kInvalid;
    const uint8_t* data = nullptr;
    uint64_t rows = 0, cols = 0, tile_bytes = 0, tile_rows = 1;
  };
  Status BindMatrix(ValueId id, Matrix* matrix) const;
  // Steps of a state group, as offsets to be resolved at Run, and the parts' addresses.
  struct Pool {
    const State* state = nullptr;
    DType dtype = DType::kInvalid;
    uint8_t* parts[2] = {};
    StepAccess access = {};  // pointers are offsets from the step block
  };
  Status BindState(ValueId id, Pool* pool) const;

  // Scratch of the operator at hand: adds a block and gives its address (nullptr when measuring).
  template <typename T>
  T* Scratch(uint64_t n) {
    return reinterpret_cast<T*>(TakeScratch(n * sizeof(T)));
  }

 private:
  Status Take(uint64_t bytes, void** memory);
  uint8_t* TakeScratch(uint64_t bytes);
  Status AddOp(const Op& op);

  const PartitionSpec& spec_;
  const KernelTable& kernels_;
  uint8_t* block_;
  uint64_t block_bytes_;
  uint64_t used_ = 0;
  std::vector<std::unique_ptr<uint8_t[]>> throwaway_;  // measuring
  std::vector<Call*> calls_;
  std::vector<uint64_t> scratch_bytes_;
  uint32_t op_index_ = 0;
};

// Addresses of a step for the kernels.
StepAccess ResolveAccess(const StepAccess& offsets, const RunContext& context);

// Runs rows [0, n) of a job, on all workers if it is worth it. `work`: about how many elements a
// row costs.
bool RunRows(RunContext* context, uint64_t n, uint64_t work, ThreadPool::TaskFn fn,
             const void* job);

// One function an operator family.
Status AddLinear(Builder* builder, const Op& op);
Status AddFused(Builder* builder, const Op& op);
Status AddState(Builder* builder, const Op& op);
Status AddCore(Builder* builder, const Op& op);

// True if the operator's kernels exist for these operands.
bool SupportsOp(const Package& package, const Graph& graph, const Op& op);

}  // namespace samara::cpu

#endif  // SAMARA_BACKENDS_CPU_PLAN_H_
