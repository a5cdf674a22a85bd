// From a range of a graph to a list of dispatches; partition.cc records it.
#ifndef SAMARA_BACKENDS_VULKAN_PLAN_H_
#define SAMARA_BACKENDS_VULKAN_PLAN_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "backends/vulkan/device.h"

namespace samara::vulkan {

// ceil(product of dimensions * times / divisor), at most `cap`; each dimension an index of the table.
struct Extent {
  uint8_t n = 0;
  uint8_t dims[kMaxRank] = {};
  uint32_t times = 1, divisor = 1, cap = 0;  // cap 0: none
  bool operator==(const Extent&) const = default;

  static Extent Of(uint32_t count) {
    Extent e;
    e.times = count;
    return e;
  }
  static Extent Rows(uint8_t dim, uint32_t divisor = 1) {
    Extent e;
    e.n = 1;
    e.dims[0] = dim;
    e.divisor = divisor;
    return e;
  }
};

// A dimension of the table: an expression, or the sum of two earlier ones.
struct TableDim {
  Dim dim;
  int32_t a = -1, b = -1;  // >= 0: the sum
};

struct Operand {
  const Buffer* buffer;
  uint64_t offset, range;
  bool write;
};

struct Dispatch {
  uint32_t op = 0;  // of the range
  Shader shader;
  std::vector<uint32_t> constants;  // from id 0: the workgroup's size
  std::vector<Operand> operands;    // from binding 1
  std::vector<uint32_t> push;
  Extent groups[3] = {Extent::Of(1), Extent::Of(1), Extent::Of(1)};
  uint64_t cost = 0;  // operations, about

  void Push(uint32_t word) { push.push_back(word); }
  void PushFloat(float value);
};

// A value as kernels see it.
struct View {
  ValueId id = kNoValue;
  DType dtype = DType::kInvalid;
  uint64_t handle = 0, offset = 0, range = 0;  // bytes
  uint64_t stride = 0;                         // bytes between rows
  uint32_t rank = 0;
  uint8_t dims[kMaxRank] = {};       // indices into the table
  uint64_t capacity[kMaxRank] = {};  // their values at the bucket's largest step
  int32_t weight = -1;
  uint64_t Inner() const {  // elements of a row
    uint64_t n = 1;
    for (uint32_t i = 1; i < rank; ++i) n *= capacity[i];
    return n;
  }
};

// Bytes that both views touch.
bool Overlap(const View& a, const View& b);

// Activations as int8 blocks of 32: quants, then a pair a block: d; the sums of the quants of both halves, 16 bits each.
struct Int8View {
  uint64_t handle = 0, offset = 0, scales = 0;  // bytes
  uint32_t row_words = 0, row_scales = 0;       // words from one row to the next
  uint64_t rows = 0;
  uint64_t bytes() const { return rows * (row_words + uint64_t{row_scales}) * 4; }

  static Int8View At(uint64_t handle, uint64_t offset, uint64_t rows, uint64_t cols);
};

class Builder {
 public:
  // device == nullptr: only measures.
  Builder(const PartitionSpec& spec, VulkanDevice* device) : spec_(spec), device_(device) {}

  Status Build();

  std::vector<Dispatch> dispatches;
  std::vector<TableDim> dims;
  std::vector<uint64_t> scratch_bytes;  // per op of the range

 private:
  friend class OpBuilder;
  Status AddOp(uint32_t index);
  Status MakeView(ValueId id, View* view);
  Status AddDim(const Dim& dim, uint8_t* index);
  Status AddSum(uint8_t a, uint8_t b, uint8_t* index);
  const Facts& facts() const { return device_->context().facts(); }

  Dispatch& Add(uint32_t op, Shader shader, std::vector<uint32_t> constants);
  // Binds bytes of a buffer; *rest: bytes from the binding's start to `offset`.
  Status Bind(Dispatch* d, uint64_t handle, uint64_t offset, uint64_t range, bool write,
              uint32_t* rest);
  Status BindView(Dispatch* d, const View& view, bool write, uint32_t* rest) {
    return Bind(d, view.handle, view.offset, view.range, write, rest);
  }
  Status BindTensor(Dispatch* d, const View& view, bool write);  // with its four push constants
  Status BindNothing(Dispatch* d);
  void PushTensor(Dispatch* d, const View& view, uint32_t rest);
  void PushGroup(Dispatch* d, uint32_t group);
  // Invocations for all elements, a workgroup of 64 each; larger ones go around.
  void SpanElements(Dispatch* d, const View& view);

  // ops_core.cc
  Status Elementwise(uint32_t index, const Op& op);
  Status Move(uint32_t index, const Op& op);
  Status Concat(uint32_t index, const Op& op);
  Status Reduce(uint32_t index, const Op& op);
  Status BatchMatmul(uint32_t index, const Op& op);
  Status Gather(uint32_t index, const Op& op);
  // ops_state.cc
  Status StateOp(uint32_t index, const Op& op);
  Status Attention(uint32_t index, const Op& op);
  // ops_fused.cc
  Status Norm(uint32_t index, const Op& op);
  Status RopeTable(uint32_t index, const Op& op);
  Status Rope(uint32_t index, const Op& op);
  // Norms of the heads of queries and keys, their rotations, the writing of keys and values, all that stand together
  // from `index` on, as one dispatch; false: they are not all there.
  Status RopeAndWrite(uint32_t index, bool* fused);
  Status Glu(uint32_t index, const Op& op);
  // ops_linear.cc
  // The product; with `glu` what that makes of it, for as few tokens as one workgroup takes.
  Status Linear(uint32_t index, const Op& op, const Op* glu = nullptr);
  // A product and its glu as one dispatch.
  Status LinearAndGlu(uint32_t index, bool* fused);
  // The value is kept as int8 blocks only, in its own memory: the operator that makes it writes them, and every reader is a
  // product with quantized weights.
  bool KeptAsInt8(const View& view) const;
  Int8View Int8Of(const View& view) const {
    return Int8View::At(view.handle, view.offset, view.capacity[0], view.capacity[1]);
  }
  void FindUses();
  // Operators of the range from `index` on that are no views, at most n; fewer where the range ends.
  std::vector<uint32_t> NextOps(uint32_t index, size_t n) const;
  bool TakesQuantized(const Op& product) const;  // its weight is quantized
  // The only reader of the value is operator `reader` of the range.
  bool OnlyReadBy(ValueId id, uint32_t reader) const;
  const Op& OpAt(uint32_t index) const { return spec_.graph->ops[spec_.first_op + index]; }
  Status Quantize(uint32_t index, const View& x, const Int8View& to);
  Status BindInt8(Dispatch* d, const Int8View& x, bool write);  // with its four push constants

  const PartitionSpec& spec_;
  VulkanDevice* device_;
  uint32_t op_ = 0;
  struct Uses {
    int32_t producer = -1;       // operator of the range
    bool quantized_only = true;  // all readers are products of the range with quantized weights
    bool any = false;
    uint32_t readers = 0;
    int32_t reader = -1;  // the last one, of the range
    bool is_output = false;
  };
  std::vector<Uses> uses_;  // per value
  // Per value: the one in whose memory it lies, where its own is still in use when a fused dispatch writes it.
  std::vector<ValueId> moved_;
  std::vector<bool> done_;  // per op of the range: part of a dispatch made before
};

bool Supports(const Package& package, const Graph& graph, const Op& op);

// Writes values of the table for a step; false: a dimension has no value.
bool EvaluateDims(const TableDim* dims, uint32_t n, const uint64_t* symbols, uint32_t n_symbols,
                  uint32_t* values);
bool EvaluateExtent(const Extent& extent, const uint32_t* values, uint32_t* count);

// The recorded partition (partition.cc).
uint64_t PartitionBytes();
Status MakePartition(const PartitionSpec& spec, VulkanDevice* device, void* block,
                     InPlacePtr<Partition>* partition);

}  // namespace samara::vulkan

#endif  // SAMARA_BACKENDS_VULKAN_PLAN_H_
