// From a range of a graph to launches.
//
// Each operator becomes one or a few kernels; runs of operators that a fused kernel covers become one. Fusion changes
// neither results beyond their rounding nor the memory plan: a value that nobody else reads may stay unwritten or be
// kept as int8 blocks in its own place, and a fused kernel may write its result earlier than planned, as long as that
// overlaps nothing which it still reads. Where it would, the operators run one by one.
#ifndef SAMARA_BACKENDS_CUDA_PLAN_H_
#define SAMARA_BACKENDS_CUDA_PLAN_H_

#include <cstdint>
#include <type_traits>
#include <vector>

#include "backends/cuda/args.h"
#include "backends/cuda/codecs.h"
#include "backends/cuda/gpu.h"
#include "backends/cuda/kernel_table.h"
#include "runtime/backend.h"

namespace samara::cuda {

// Rows of x up to which a product is a MatVec.
inline constexpr uint64_t kFewRows = 8;

// Memory of a device that all of its partitions share.
struct SharedMemory {
  uint8_t* step = nullptr;      // kStepBytes
  uint32_t* tickets = nullptr;  // kTickets, zero between kernels
  uint32_t* fault = nullptr;    // host-visible
};
inline constexpr uint64_t kStepBytes = uint64_t{2} << 20;
inline constexpr uint64_t kTickets = 16384;

struct Node {
  const void* function;
  uint32_t grid_x, grid_y, threads, shared_bytes;
  uint32_t args_at, args_bytes;  // in the plan's argument bytes
  uint32_t op;                   // of the range; its last one, for several
};

struct PlanDraft {
  std::vector<Node> nodes;
  std::vector<uint8_t> args;
  std::vector<Dim> dims;
  std::vector<uint64_t> scratch_bytes;  // per op
};

struct PlanRequest {
  const PartitionSpec* spec = nullptr;
  SharedMemory shared;
  GpuFacts facts;  // zero in Measure
  bool fuse = true;
};

Status BuildPlan(const PlanRequest& request, PlanDraft* draft);

// Pure: can the kernels run this operator?
bool SupportsOp(const Package& package, const Graph& graph, const Op& op);

// Bytes and parts of a weight on the device.
struct MatrixPlan {
  uint64_t high_at = 0, scales_at = 0, supers_at = 0, bytes = 0;
  MatrixArg arg;  // without addresses
};
MatrixPlan PlanMatrix(const Weight& weight);
// `arg` with the addresses of a buffer.
MatrixArg BindMatrix(const Weight& weight, uint64_t device);

// ceil((constant + sum coefficient * symbol) / divisor), checked.
bool EvaluateDim(const Dim& dim, const uint64_t* symbols, uint64_t n_symbols, uint64_t* value);

// --- Inside: how the files of the planner work together ------------------------------------------------------

class Planner {
 public:
  Planner(const PlanRequest& request, PlanDraft* draft);
  Status Run();

 private:
  // A run of products and what surrounds it, as one MatVec.
  struct Product;

  const Op& OpAt(uint32_t i) const { return graph_.ops[spec_.first_op + i]; }
  const Value& ValueOf(ValueId id) const { return graph_.values[static_cast<size_t>(id)]; }
  bool IsView(uint32_t i) const { return !spec_.is_view.empty() && spec_.is_view[i] != 0; }
  bool IsActivation(ValueId id) const {
    return id != kNoValue && ValueOf(id).kind == ValueKind::kActivation;
  }
  // The only operator that reads the value, in this range and after `after`; -1 if there are others, or results of the
  // graph, or none.
  int64_t OnlyReader(ValueId id) const;
  bool IsQuantizedWeight(ValueId id) const;

  // Addresses and shapes.
  StatusOr<uint32_t> AddDim(const Dim& dim);
  StatusOr<uint64_t> Capacity(ValueId id, int dim) const;
  StatusOr<uint64_t> CapacityElements(ValueId id) const;
  uint8_t* Address(ValueId id) const;
  uint64_t RowBytes(ValueId id) const;
  Status Tensor(ValueId id, TensorArg* arg);
  RowsArg Rows(ValueId id) const;  // in the form that the value is kept in
  const float* Vector(ValueId id) const;
  StatusOr<StateArg> StateOf(ValueId id, uint32_t part) const;
  StepArgs Step() const;
  bool KeptQuantized(ValueId id) const { return quantized_[static_cast<size_t>(id)] != 0; }
  // The bytes of the arena that rows of a value cover.
  struct Range {
    uint64_t begin, end;
  };
  Range RangeOf(ValueId id) const;
  bool Overlap(ValueId a, ValueId b) const;

  template <typename Args>
  void Emit(uint32_t op, const Entry& entry, uint64_t grid_x, uint64_t grid_y,
            uint64_t shared_bytes, const Args& args) {
    static_assert(std::is_trivially_copyable_v<Args>);
    EmitBytes(op, entry, grid_x, grid_y, shared_bytes, &args, sizeof args);
  }
  void EmitBytes(uint32_t op, const Entry& entry, uint64_t grid_x, uint64_t grid_y,
                 uint64_t shared_bytes, const void* args, size_t bytes);
  uint8_t* Scratch(uint32_t op, uint64_t bytes);  // more of this operator's scratch

  void ChooseForms();
  Status EmitOp(uint32_t i);
  Status EmitCore(uint32_t i);  // plan_core.cc
  Status EmitAttention(uint32_t i);
  Status EmitProduct(const Product& product);  // plan_product.cc
  Status EmitGemm(const Product& product, uint64_t rows);
  Status EmitQuantize(uint32_t op, ValueId x, ValueId norm_weight, double eps, bool norm,
                      const RowsArg& out, uint64_t rows);
  // Fused groups; true if operators from i on were taken.
  StatusOr<bool> FuseProduct(uint32_t i);  // plan_fuse.cc
  StatusOr<bool> FuseHeads(uint32_t i);
  bool FindHeads(uint32_t linear, Product* product, std::vector<uint32_t>* members,
                 std::vector<uint32_t>* tables) const;
  bool FitsMemory(const Product& product) const;
  Status EmitHeads(const Product& product);
  Status HeadsOf(const Product& product, HeadsSegment* segments, RotationArg* rotation);

  const PartitionSpec& spec_;
  const PlanRequest& request_;
  const Graph& graph_;
  PlanDraft& draft_;
  std::vector<std::vector<uint32_t>> readers_;  // per value: operators of the graph
  std::vector<uint8_t> is_output_;              // per value
  std::vector<uint8_t> quantized_;              // per value: kept as int8 blocks
  std::vector<uint8_t> done_;                   // per operator of the range
};

// A head group: what becomes of some columns of a product, or of a value.
struct HeadsChain {
  ValueId in = kNoValue;    // a view of the product's columns, or a value
  ValueId norm = kNoValue;  // weight of a norm, if normalize
  bool normalize = false;
  double eps = 0;
  ValueId table = kNoValue;  // of the rotation
  int64_t interleaved = 0;
  ValueId out = kNoValue;    // kToRows
  ValueId state = kNoValue;  // kToState
  uint32_t part = 0;
  uint32_t heads = 0, dim = 0;
  uint64_t begin = 0;  // first column in the product
};

struct Planner::Product {
  uint32_t op = 0;  // whose scratch and time it is
  ValueId x = kNoValue, weight = kNoValue, bias = kNoValue, residual = kNoValue, out = kNoValue;
  bool norm = false;
  ValueId norm_weight = kNoValue;
  double eps = 0;
  uint32_t epilogue = kStore;
  int64_t activation = 0;          // kGlu
  std::vector<HeadsChain> chains;  // kHeads, by ascending columns
};

}  // namespace samara::cuda

#endif  // SAMARA_BACKENDS_CUDA_PLAN_H_
