#include "backends/reference/reference_backend.h"

#include <cstring>
#include <new>
#include <type_traits>

#include "backends/reference/plan.h"
#include "backends/reference/tensor.h"
#include "runtime/float_env.h"

namespace samara {
namespace reference {
namespace {

// Takes consecutive arrays out of the partition's block; with a null block it only adds up.
class BlockCursor {
 public:
  explicit BlockCursor(void* block) : block_(static_cast<uint8_t*>(block)) {}
  template <typename E>
  E* Take(uint64_t n) {
    E* taken = block_ == nullptr ? nullptr : reinterpret_cast<E*>(block_ + used_);
    used_ += AlignUp(n * sizeof(E));
    return taken;
  }
  template <typename E>
  const E* Copy(const std::vector<E>& from) {
    static_assert(std::is_trivially_copyable_v<E>);
    E* to = Take<E>(from.size());
    if (to != nullptr && !from.empty()) std::memcpy(to, from.data(), from.size() * sizeof(E));
    return to;
  }
  uint64_t used() const { return used_; }

 private:
  uint8_t* block_;
  uint64_t used_ = 0;
};

class ReferencePartition final : public Partition {
 public:
  // Lays the arrays of a draft into `cursor`, which stands behind this object.
  void Bind(const PlanDraft& draft, const PartitionSpec& spec, BlockCursor* cursor) {
    ops_ = cursor->Copy(draft.ops);
    n_ops_ = draft.ops.size();
    operands_ = cursor->Copy(draft.operands);
    values_ = cursor->Copy(draft.values);
    n_values_ = draft.values.size();
    weights_ = cursor->Copy(draft.weights);
    states_ = const_cast<StatePlan*>(cursor->Copy(draft.states));
    dims_ = cursor->Copy(draft.dims);
    n_dims_ = draft.dims.size();
    symbols_ = const_cast<uint64_t*>(cursor->Copy(draft.symbols));
    symbol_kinds_ = cursor->Copy(draft.symbol_kinds);
    n_symbols_ = draft.symbols.size();
    dim_values_ = cursor->Take<uint64_t>(n_dims_);
    tensors_ = cursor->Take<Tensor>(draft.max_operands);
    shadow_ = cursor->Take<uint8_t>(draft.shadow_bytes);
    layout_ = *spec.step_layout;
    bucket_tokens_ = spec.bucket_tokens;
    max_outputs_ = spec.max_outputs;
    arena_ = static_cast<uint8_t*>(spec.arena_host);
    profile_ = spec.profile;
  }
  void SetMode(Mode mode, const std::atomic<bool>* cancelled) {
    mode_ = mode;
    cancelled_ = cancelled;
  }

  Status Run(const void* step) override;

 private:
  Status Prepare(const StepHeader& header);
  Status RunOp(const OpPlan& op, const StepView& step);
  void MakeTensor(const ValuePlan& v, const StepView& step, Tensor* t) const;
  Tensor ArenaTensor(const ValuePlan& v) const;
  Tensor ShadowTensor(const ValuePlan& v) const;
  void UnpackWeight(uint8_t** scratch, Tensor* t) const;
  template <typename To, typename From>
  static void Convert(const Tensor& to, const Tensor& from);
  void Import(const ValuePlan& v) const;
  void Export(const ValuePlan& v) const;

  const OpPlan* ops_;
  const uint32_t* operands_;
  const ValuePlan* values_;
  const WeightPlan* weights_;
  StatePlan* states_;
  const Dim* dims_;
  uint64_t* symbols_;
  const SymbolKind* symbol_kinds_;
  uint64_t* dim_values_;
  Tensor* tensors_;
  uint8_t* shadow_;
  uint64_t n_ops_, n_values_, n_dims_, n_symbols_;
  StepLayout layout_;
  uint32_t bucket_tokens_, max_outputs_;
  uint8_t* arena_;
  Mode mode_;
  const std::atomic<bool>* cancelled_;
  ProfileSink* profile_;
};

// The shapes of this step, and that every value fits the memory planned for it.
Status ReferencePartition::Prepare(const StepHeader& header) {
  if (header.n_tokens < 1 || header.n_tokens > bucket_tokens_ || header.n_seqs < 1 ||
      header.n_seqs > layout_.max_seqs || header.n_outputs > max_outputs_) {
    return Internal(
        "a step of %u tokens, %u sequences and %u outputs in a partition for %u, %u and %u",
        header.n_tokens, header.n_seqs, header.n_outputs, bucket_tokens_, layout_.max_seqs,
        max_outputs_);
  }
  for (uint64_t i = 0; i < n_symbols_; ++i) {
    if (symbol_kinds_[i] == SymbolKind::kTokens) symbols_[i] = header.n_tokens;
    if (symbol_kinds_[i] == SymbolKind::kOutputs) symbols_[i] = header.n_outputs;
    if (symbol_kinds_[i] == SymbolKind::kSeqs) symbols_[i] = header.n_seqs;
  }
  for (uint64_t i = 0; i < n_dims_; ++i) {
    if (!EvaluateDim(dims_[i], symbols_, n_symbols_, &dim_values_[i])) {
      return Internal("dimension %llu of the partition has no value at this step",
                      static_cast<unsigned long long>(i));
    }
  }
  for (uint64_t i = 0; i < n_values_; ++i) {
    const ValuePlan& v = values_[i];
    if (v.kind != BufferKind::kArena) continue;
    uint64_t bytes = ElementBytes(v.dtype, Mode::kExact);
    for (uint32_t d = 0; d < v.rank; ++d) bytes *= dim_values_[v.dims[d]];
    if (bytes > v.bytes) {
      return Internal("value %d needs %llu bytes of the %llu planned", v.id,
                      static_cast<unsigned long long>(bytes),
                      static_cast<unsigned long long>(v.bytes));
    }
  }
  return Status();
}

Tensor ReferencePartition::ShadowTensor(const ValuePlan& v) const {
  Tensor t;
  t.dtype = v.dtype;
  t.rank = v.rank;
  int64_t stride = 1;
  for (uint32_t i = v.rank; i > 0; --i) {
    t.dims[i - 1] = static_cast<int64_t>(dim_values_[v.dims[i - 1]]);
    t.strides[i - 1] = stride;
    stride *= t.dims[i - 1];
  }
  t.data = v.shadow == kNowhere ? nullptr : shadow_ + v.shadow;
  return t;
}

Tensor ReferencePartition::ArenaTensor(const ValuePlan& v) const {
  Tensor t = ShadowTensor(v);
  t.data = arena_ + v.offset;
  if (v.rank > 0)
    t.strides[0] = static_cast<int64_t>(v.row_stride / ElementBytes(v.dtype, Mode::kExact));
  return t;
}

void ReferencePartition::MakeTensor(const ValuePlan& v, const StepView& step, Tensor* t) const {
  if (v.kind == BufferKind::kArena) {
    *t = mode_ == Mode::kExact ? ArenaTensor(v) : ShadowTensor(v);
  } else {
    *t = ShadowTensor(v);
  }
  if (v.weight >= 0) t->weight = &weights_[v.weight];
  if (v.state >= 0) t->state = &states_[v.state];
  if (v.kind != BufferKind::kStep) return;
  const void* field = nullptr;
  uint64_t stride = sizeof(TokenParams);
  switch (v.step_field) {
    case StepField::kTokenIds:
      field = &step.tokens()->id;
      break;
    case StepField::kPositions:
      field = &step.tokens()->position[0];
      break;
    case StepField::kOutputRows:
      field = &step.outputs()->row;
      stride = sizeof(OutputParams);
      break;
    case StepField::kNone:
      break;
  }
  t->data = const_cast<void*>(field);
  t->strides[0] = static_cast<int64_t>(stride / sizeof(int32_t));
}

// Dequantizes a weight to a tensor in scratch: a vector, or rows one after the other.
void ReferencePartition::UnpackWeight(uint8_t** scratch, Tensor* t) const {
  const WeightPlan& w = *t->weight;
  const uint64_t element = ElementBytes(DType::kF32, mode_);
  float* row = reinterpret_cast<float*>(*scratch + AlignUp(t->Elements() * element));
  for (uint64_t r = 0; r < w.rows; ++r) {
    if (mode_ == Mode::kExact) {
      DequantizeWeightRow(w, r, row, reinterpret_cast<float*>(*scratch) + r * w.cols);
    } else {
      DequantizeWeightRow(w, r, row, reinterpret_cast<double*>(*scratch) + r * w.cols);
    }
  }
  t->data = *scratch;
  t->weight = nullptr;
  *scratch = reinterpret_cast<uint8_t*>(row) + AlignUp(w.cols * sizeof(float));
}

template <typename To, typename From>
void ReferencePartition::Convert(const Tensor& to, const Tensor& from) {
  ForEachIndex(to.rank, to.dims, [&](const int64_t* i) {
    to.Data<To>()[Offset(to.rank, i, to.strides)] =
        static_cast<To>(from.Data<From>()[Offset(from.rank, i, from.strides)]);
  });
}

void ReferencePartition::Import(const ValuePlan& v) const {
  if (v.dtype == DType::kF32) return Convert<double, float>(ShadowTensor(v), ArenaTensor(v));
  if (v.dtype == DType::kI32) return Convert<int32_t, int32_t>(ShadowTensor(v), ArenaTensor(v));
  Convert<uint8_t, uint8_t>(ShadowTensor(v), ArenaTensor(v));
}

void ReferencePartition::Export(const ValuePlan& v) const {
  if (v.dtype == DType::kF32) return Convert<float, double>(ArenaTensor(v), ShadowTensor(v));
  if (v.dtype == DType::kI32) return Convert<int32_t, int32_t>(ArenaTensor(v), ShadowTensor(v));
  Convert<uint8_t, uint8_t>(ArenaTensor(v), ShadowTensor(v));
}

Status ReferencePartition::RunOp(const OpPlan& op, const StepView& step) {
  const uint32_t* operands = operands_ + op.first_operand;
  uint8_t* scratch = arena_ + op.scratch;
  for (uint32_t i = 0; i < op.n_inputs + op.n_outputs; ++i) {
    tensors_[i] = Tensor();
    if (operands[i] == kAbsent) continue;
    MakeTensor(values_[operands[i]], step, &tensors_[i]);
    if (tensors_[i].weight != nullptr && !TakesPackedWeight(op.code, i)) {
      UnpackWeight(&scratch, &tensors_[i]);
    }
  }
  const OpRun run = {&op.params, op.code, tensors_,  op.n_inputs, tensors_ + op.n_inputs,
                     step,       scratch, cancelled_};
  const bool exact = mode_ == Mode::kExact;
  if (op.code == OpCode::kMatmul || op.code == OpCode::kLinear) {
    return exact ? RunMatmul(run, 0.0f) : RunMatmul(run, 0.0);
  }
  if (static_cast<int>(op.code) >= 1000) {
    return exact ? RunComposite(run, 0.0f) : RunComposite(run, 0.0);
  }
  return exact ? RunCoreOp<float>(run) : RunCoreOp<double>(run);
}

Status ReferencePartition::Run(const void* step_block) {
  FloatEnv float_env;
  const StepView step = {static_cast<const uint8_t*>(step_block), &layout_};
  SAMARA_RETURN_IF_ERROR(Prepare(step.header()));
  if (mode_ == Mode::kFloat64) {
    for (uint64_t i = 0; i < n_values_; ++i) {
      const ValuePlan& v = values_[i];
      if (v.shadow != kNowhere && v.from_outside) Import(v);
    }
  }
  for (uint64_t i = 0; i < n_ops_; ++i) {
    if (cancelled_->load(std::memory_order_relaxed)) return Cancelled("cancelled");
    const OpPlan& op = ops_[i];
    // A view is nothing to do in the arena, and a copy in the shadow arena.
    if (op.is_view && mode_ == Mode::kExact) continue;
    const int64_t begin = profile_ == nullptr ? 0 : ProfileSink::Now();
    SAMARA_RETURN_IF_ERROR(RunOp(op, step));
    if (profile_ != nullptr) {
      profile_->Add(static_cast<uint32_t>(i), begin, ProfileSink::Now());
    }
    if (op.is_view || mode_ == Mode::kExact) continue;
    for (uint32_t j = 0; j < op.n_outputs; ++j) {
      const ValuePlan& v = values_[operands_[op.first_operand + op.n_inputs + j]];
      if (v.shadow != kNowhere) Export(v);
    }
  }
  return Status();
}

class ReferenceDevice final : public Device {
 public:
  explicit ReferenceDevice(Mode mode) : mode_(mode) {}
  const char* description() const override {
    return mode_ == Mode::kExact ? "reference, scalar loops" : "reference, float64";
  }
  Status Allocate(Ledger* ledger, const char* name, uint64_t bytes, uint64_t* handle) override {
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger->Take(name, bytes, &block));
    *handle = reinterpret_cast<uint64_t>(block);
    return Status();
  }
  Status Upload(uint64_t handle, uint64_t offset, const void* data, uint64_t bytes) override {
    if (bytes != 0) std::memcpy(At(handle, offset), data, bytes);
    return Status();
  }
  Status Download(uint64_t handle, uint64_t offset, void* data, uint64_t bytes) override {
    if (bytes != 0) std::memcpy(data, At(handle, offset), bytes);
    return Status();
  }
  Status Fill(uint64_t handle, uint64_t offset, uint8_t byte, uint64_t bytes) override {
    if (bytes != 0) std::memset(At(handle, offset), byte, bytes);
    return Status();
  }
  Status Copy(uint64_t to, uint64_t to_offset, uint64_t from, uint64_t from_offset,
              uint64_t bytes) override {
    if (bytes != 0) std::memmove(At(to, to_offset), At(from, from_offset), bytes);
    return Status();
  }
  Status Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                 InPlacePtr<Partition>* partition) override;
  void RequestCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  void ClearCancel() override { cancelled_.store(false, std::memory_order_relaxed); }

 private:
  static uint8_t* At(uint64_t handle, uint64_t offset) {
    return reinterpret_cast<uint8_t*>(handle) + offset;
  }

  const Mode mode_;
  std::atomic<bool> cancelled_{false};
};

Status ReferenceDevice::Compile(const PartitionSpec& spec, void* block, uint64_t block_bytes,
                                InPlacePtr<Partition>* partition) {
  PlanDraft draft;
  SAMARA_RETURN_IF_ERROR(BuildPlan(spec, mode_, &draft));
  BlockCursor measure(nullptr), cursor(block);
  measure.Take<ReferencePartition>(1);
  ReferencePartition().Bind(draft, spec, &measure);
  if (measure.used() != block_bytes) {
    return Internal("a partition of %llu bytes in a block of %llu",
                    static_cast<unsigned long long>(measure.used()),
                    static_cast<unsigned long long>(block_bytes));
  }
  auto* object = new (cursor.Take<ReferencePartition>(1)) ReferencePartition();
  object->Bind(draft, spec, &cursor);
  object->SetMode(mode_, &cancelled_);
  partition->reset(object);
  return Status();
}

class ReferenceBackendImpl final : public Backend {
 public:
  explicit constexpr ReferenceBackendImpl(Mode mode) : mode_(mode) {}
  const char* name() const override { return mode_ == Mode::kExact ? "reference" : "float64"; }
  bool host_memory() const override { return true; }
  bool exact() const override { return mode_ == Mode::kExact; }
  bool KeepsStatesAs(DType kv_type) const override { return IsKvType(kv_type); }
  uint64_t StateHeadBytes(DType kv_type, uint32_t dim) const override {
    return mode_ == Mode::kExact ? KvHeadBytes(kv_type, dim)
                                 : uint64_t{kBlockSlots} * dim * sizeof(double);
  }
  bool Supports(const Package&, const Graph&, const Op& op) const override {
    const OpInfo* info = FindOp(op.code);
    return info != nullptr && op.version >= 1 && op.version <= info->version;
  }
  Status MeasureDevice(const DeviceOptions&, MemoryList* list) const override {
    list->Add(kDeviceItem, sizeof(ReferenceDevice));
    return Status();
  }
  Status Measure(const PartitionSpec& spec, PartitionMeasure* measure) const override {
    PlanDraft draft;
    SAMARA_RETURN_IF_ERROR(BuildPlan(spec, mode_, &draft));
    BlockCursor cursor(nullptr);
    cursor.Take<ReferencePartition>(1);
    ReferencePartition().Bind(draft, spec, &cursor);
    measure->plan_bytes = cursor.used();
    measure->scratch_bytes = std::move(draft.scratch_bytes);
    return Status();
  }
  Status Open(const DeviceOptions& options, Ledger* ledger,
              InPlacePtr<Device>* device) const override {
    if (options.isa != nullptr && std::strcmp(options.isa, "scalar") != 0) {
      return Unsupported("backend %s has the instruction set scalar only, not %s", name(),
                         Quoted(options.isa).c_str());
    }
    void* block = nullptr;
    SAMARA_RETURN_IF_ERROR(ledger->Take(kDeviceItem, sizeof(ReferenceDevice), &block));
    device->reset(new (block) ReferenceDevice(mode_));
    return Status();
  }

 private:
  static constexpr char kDeviceItem[] = "reference device";
  const Mode mode_;
};

}  // namespace
}  // namespace reference

const Backend* ReferenceBackend() {
  static const reference::ReferenceBackendImpl backend(reference::Mode::kExact);
  return &backend;
}

const Backend* Float64Backend() {
  static const reference::ReferenceBackendImpl backend(reference::Mode::kFloat64);
  return &backend;
}

}  // namespace samara
