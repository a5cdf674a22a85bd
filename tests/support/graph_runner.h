// Runs one graph on one backend: a trivial arena without reuse, sentinels around every value, and
// values read and written by name of their id. For tests of operators and backends; the runtime's
// own planner and sessions have tests of their own.
#ifndef SAMARA_TESTS_SUPPORT_GRAPH_RUNNER_H_
#define SAMARA_TESTS_SUPPORT_GRAPH_RUNNER_H_

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "formats/graph.h"
#include "runtime/backend.h"
#include "runtime/memory.h"
#include "tests/support/step_builder.h"
#include "tests/support/test_model.h"

namespace samara::test {

struct RunnerOptions {
  DeviceOptions device = {};
  DType kv_type = DType::kF32;
  uint32_t max_tokens = 8, max_seqs = 1, max_outputs = 8;
  std::vector<GroupSize> groups = {};  // per state group of the package
  uint64_t context = 64;
  bool views = false;        // slices and reshapes alias their input where rows stay rows
  bool keep_values = true;   // the test reads values that are no outputs of the graph
  bool one_op_each = false;  // a partition an operator instead of one for all
};

class GraphRunner {
 public:
  static constexpr uint8_t kSentinel = 0xa5;
  static constexpr uint8_t kPoison = 0xff;  // a NaN in F32
  static constexpr uint64_t kGuard = 64;

  // Keeps pointers to the model and the backend.
  Status Init(const TestModel& model, const Backend* backend, const RunnerOptions& options) {
    return Init(model.package, model.graph, model.weight_bytes, backend, options);
  }
  Status Init(const Package& package, const Graph& graph, const std::vector<WeightBytes>& weights,
              const Backend* backend, const RunnerOptions& options) {
    package_ = &package;
    graph_ = &graph;
    backend_ = backend;
    options_ = options;
    layout_ =
        MakeStepLayout(options.max_tokens, options.max_seqs, options.max_outputs, options.groups);
    capacity_ = SymbolsFor(options.max_tokens, options.max_outputs, options.max_seqs);
    current_ = capacity_;
    SAMARA_RETURN_IF_ERROR(PlanValues());
    MemoryList list;
    SAMARA_RETURN_IF_ERROR(PlanMemory(weights, &list));
    ledger_ = std::make_unique<Ledger>(list);
    SAMARA_RETURN_IF_ERROR(ledger_->InitStatus());
    SAMARA_RETURN_IF_ERROR(backend->Open(options.device, ledger_.get(), &device_));
    SAMARA_RETURN_IF_ERROR(AllocateAll(weights));
    for (size_t p = 0; p < specs_.size(); ++p) {
      void* block = nullptr;
      SAMARA_RETURN_IF_ERROR(ledger_->Take(PlanName(p).c_str(), measures_[p].plan_bytes, &block));
      PartitionSpec spec = specs_[p];
      spec.values = bindings_;
      spec.weights = weight_bindings_;
      spec.states = state_bindings_;
      spec.arena_device = arena_;
      if (backend->host_memory()) spec.arena_host = reinterpret_cast<void*>(arena_);
      spec.scratch_offsets = std::span(scratch_offsets_).subspan(spec.first_op, spec.n_ops);
      partitions_.emplace_back();
      SAMARA_RETURN_IF_ERROR(
          device_->Compile(spec, block, measures_[p].plan_bytes, &partitions_.back()));
    }
    SAMARA_RETURN_IF_ERROR(ledger_->Seal());
    return PoisonArena();
  }

  // The step that the following Set, Run and Get are about.
  void UseStep(const StepBlock& step) {
    step_ = &step;
    current_ = SymbolsFor(step.header().n_tokens, step.header().n_outputs, step.header().n_seqs);
  }
  // Overwrites every value with NaN and every gap with sentinels.
  Status PoisonArena() {
    SAMARA_RETURN_IF_ERROR(device_->Fill(arena_, 0, kSentinel, arena_bytes_));
    for (size_t v = 0; v < bindings_.size(); ++v) {
      const ValueBinding& b = bindings_[v];
      if (b.kind != BufferKind::kArena || owner_[v] != static_cast<ValueId>(v)) continue;
      SAMARA_RETURN_IF_ERROR(device_->Fill(arena_, b.offset, kPoison, b.bytes));
    }
    return Status();
  }
  Status Run() {
    for (auto& partition : partitions_) SAMARA_RETURN_IF_ERROR(partition->Run(step_->data()));
    return device_->Finish();
  }
  // The bytes around every value and behind every operator's scratch are as PoisonArena left them.
  Status CheckSentinels() {
    for (size_t v = 0; v < bindings_.size(); ++v) {
      const ValueBinding& b = bindings_[v];
      if (b.kind != BufferKind::kArena || owner_[v] != static_cast<ValueId>(v)) continue;
      const std::string& name = graph_->values[v].name;
      const uint64_t end = (b.offset + b.bytes + 63) / 64 * 64 + kGuard;
      SAMARA_RETURN_IF_ERROR(CheckGuard(name, b.offset - kGuard, b.offset));
      SAMARA_RETURN_IF_ERROR(CheckGuard(name, b.offset + b.bytes, end));
    }
    for (size_t p = 0; p < specs_.size(); ++p) {
      for (uint32_t i = 0; i < specs_[p].n_ops; ++i) {
        const uint32_t op = specs_[p].first_op + i;
        const uint64_t end = scratch_offsets_[op] + measures_[p].scratch_bytes[i];
        SAMARA_RETURN_IF_ERROR(
            CheckGuard("scratch of " + graph_->ops[op].name, end, (end + 63) / 64 * 64 + kGuard));
      }
    }
    return Status();
  }

  // Values of the current step, in row-major order of their shape; E is float, int32_t or uint8_t.
  template <typename E>
  Status Set(ValueId id, const std::vector<E>& values) {
    return Move(id, const_cast<E*>(values.data()), values.size(), true);
  }
  template <typename E>
  Status Get(ValueId id, std::vector<E>* values) {
    SAMARA_ASSIGN_OR_RETURN(const uint64_t n, EvalElements(graph_->values[id].shape, current_));
    values->resize(n);
    return Move(id, values->data(), n, false);
  }
  // Raw bytes of a state's part.
  Status GetState(int state, int part, std::vector<uint8_t>* bytes) {
    bytes->resize(StateBytes(state, part));
    return device_->Download(StateHandle(state, part), 0, bytes->data(), bytes->size());
  }
  Status SetState(int state, int part, const std::vector<uint8_t>& bytes) {
    return device_->Upload(StateHandle(state, part), 0, bytes.data(), bytes.size());
  }

  const StepLayout& step_layout() const { return layout_; }
  Device* device() { return device_.get(); }

 private:
  SymbolValues SymbolsFor(uint32_t tokens, uint32_t outputs, uint32_t seqs) const {
    SymbolValues values;
    for (const Symbol& symbol : package_->symbols) {
      switch (symbol.kind) {
        case SymbolKind::kTokens:
          values.push_back(tokens);
          break;
        case SymbolKind::kOutputs:
          values.push_back(outputs);
          break;
        case SymbolKind::kSeqs:
          values.push_back(seqs);
          break;
        case SymbolKind::kContext:
          values.push_back(options_.context);
          break;
        case SymbolKind::kChunk:
          values.push_back(options_.max_tokens);
          break;
        case SymbolKind::kSlots:
          values.push_back(uint64_t{layout_.pool_blocks[symbol.group]} * kBlockSlots);
          break;
        default:
          values.push_back(1);
      }
    }
    return values;
  }
  static uint64_t ElementBytes(DType dtype) { return dtype == DType::kBool ? 1 : 4; }

  // Rows of `id` are parts of, or the same as, rows of the operator's input.
  bool IsRowView(const Op& op) const {
    if (op.code != OpCode::kSlice && op.code != OpCode::kReshape) return false;
    const Value& in = graph_->values[op.inputs[0]];
    const Value& out = graph_->values[op.outputs[0]];
    if (bindings_[op.inputs[0]].kind != BufferKind::kArena) return false;
    if (in.dtype == DType::kBool) return false;
    if (op.code == OpCode::kSlice) {
      return in.shape.rank == 2 && op.Int(AttrKey::kAxis) == 1 && in.shape.dims[1].IsConstant();
    }
    return in.shape.rank > 0 && out.shape.rank > 0 && in.shape.dims[0] == out.shape.dims[0];
  }

  Status PlanValues() {
    uint64_t at = kGuard;
    bindings_.assign(graph_->values.size(), ValueBinding());
    owner_.assign(graph_->values.size(), kNoValue);
    is_view_.assign(graph_->ops.size(), 0);
    for (const GraphInput& input : graph_->inputs) {
      StepField field = StepField::kNone;
      if (input.role == InputRole::kTokenIds) field = StepField::kTokenIds;
      if (input.role == InputRole::kPositions) field = StepField::kPositions;
      if (input.role == InputRole::kOutputRows) field = StepField::kOutputRows;
      if (field == StepField::kNone) {
        SAMARA_RETURN_IF_ERROR(PlanValue(input.value, &at));
      } else {
        bindings_[input.value].kind = BufferKind::kStep;
        bindings_[input.value].step_field = field;
      }
    }
    for (size_t v = 0; v < graph_->values.size(); ++v) {
      if (graph_->values[v].kind != ValueKind::kWeight) continue;
      bindings_[v].kind = BufferKind::kWeight;
      bindings_[v].weight = graph_->values[v].index;
    }
    for (size_t i = 0; i < graph_->ops.size(); ++i) {
      const Op& op = graph_->ops[i];
      if (options_.views && IsRowView(op)) {
        is_view_[i] = 1;
        const ValueBinding& in = bindings_[op.inputs[0]];
        ValueBinding& out = bindings_[op.outputs[0]];
        SAMARA_ASSIGN_OR_RETURN(const uint64_t n,
                                EvalElements(graph_->values[op.outputs[0]].shape, capacity_));
        out = in;
        out.bytes = n * ElementBytes(graph_->values[op.outputs[0]].dtype);
        if (op.code == OpCode::kSlice) out.offset += op.Int(AttrKey::kBegin) * 4;
        continue;
      }
      for (ValueId output : op.outputs) SAMARA_RETURN_IF_ERROR(PlanValue(output, &at));
    }
    arena_bytes_ = at;
    return Status();
  }
  Status PlanValue(ValueId id, uint64_t* at) {
    const Value& value = graph_->values[id];
    SAMARA_ASSIGN_OR_RETURN(const uint64_t n, EvalElements(value.shape, capacity_));
    ValueBinding& b = bindings_[id];
    b.kind = BufferKind::kArena;
    b.offset = *at;
    b.bytes = n * ElementBytes(value.dtype);
    b.row_stride = b.bytes;
    if (value.shape.rank > 0) {
      SAMARA_ASSIGN_OR_RETURN(const uint64_t rows, EvalDim(value.shape.dims[0], capacity_));
      if (rows != 0) b.row_stride = b.bytes / rows;
    }
    owner_[id] = id;
    *at += (b.bytes + 63) / 64 * 64 + kGuard;
    return Status();
  }

  Status CheckGuard(const std::string& name, uint64_t begin, uint64_t end) {
    std::vector<uint8_t> guard(end - begin);
    SAMARA_RETURN_IF_ERROR(device_->Download(arena_, begin, guard.data(), guard.size()));
    for (uint8_t byte : guard) {
      if (byte != kSentinel) return Internal("%s was written outside of its bounds", name.c_str());
    }
    return Status();
  }

  static std::string PlanName(size_t p) { return "partition " + std::to_string(p); }
  std::string StateName(size_t s, int part) const {
    return "state " + std::to_string(s) + "." + std::to_string(part);
  }
  uint64_t StateBytes(size_t s, int part) const {
    const State& state = package_->states[s];
    return uint64_t{layout_.pool_blocks[state.group]} * state.parts[part].heads *
           backend_->StateHeadBytes(options_.kv_type, state.parts[part].dim);
  }
  uint64_t StateHandle(size_t s, int part) const { return state_handles_[2 * s + part]; }

  Status PlanMemory(const std::vector<WeightBytes>& weights, MemoryList* list) {
    SAMARA_RETURN_IF_ERROR(backend_->MeasureDevice(options_.device, list));
    const auto n_ops = static_cast<uint32_t>(graph_->ops.size());
    const uint32_t step = options_.one_op_each ? 1 : std::max(n_ops, 1u);
    scratch_offsets_.assign(n_ops, 0);
    for (uint32_t first = 0; first < n_ops; first += step) {
      PartitionSpec spec;
      spec.package = package_;
      spec.graph = graph_;
      spec.first_op = first;
      spec.n_ops = std::min(step, n_ops - first);
      spec.capacity = &capacity_;
      spec.bucket_tokens = options_.max_tokens;
      spec.max_outputs = options_.max_outputs;
      spec.step_layout = &layout_;
      spec.kv_type = options_.kv_type;
      spec.keep_values = options_.keep_values;
      spec.n_threads = options_.device.n_threads;
      spec.is_view = std::span<const uint8_t>(is_view_).subspan(first, spec.n_ops);
      PartitionMeasure measure;
      SAMARA_RETURN_IF_ERROR(backend_->Measure(spec, &measure));
      if (measure.scratch_bytes.size() != spec.n_ops) return Internal("scratch of every operator");
      for (uint32_t i = 0; i < spec.n_ops; ++i) {
        scratch_offsets_[first + i] = arena_bytes_;
        arena_bytes_ += (measure.scratch_bytes[i] + 63) / 64 * 64 + kGuard;
      }
      list->Add(PlanName(specs_.size()), measure.plan_bytes);
      specs_.push_back(spec);
      measures_.push_back(std::move(measure));
    }
    list->Add("arena", arena_bytes_);
    for (size_t s = 0; s < package_->states.size(); ++s) {
      for (int part = 0; part < 2; ++part) list->Add(StateName(s, part), StateBytes(s, part));
    }
    if (!backend_->host_memory()) {
      for (size_t w = 0; w < weights.size(); ++w) {
        const Weight& weight = package_->weights[w];
        list->Add("weight " + std::to_string(w),
                  backend_->WeightBytes(weight, weight.placements[0]));
      }
    }
    list->AddLedger();
    return Status();
  }

  Status AllocateAll(const std::vector<WeightBytes>& weights) {
    const bool host = backend_->host_memory();
    SAMARA_RETURN_IF_ERROR(device_->Allocate(ledger_.get(), "arena", arena_bytes_, &arena_));
    for (size_t s = 0; s < package_->states.size(); ++s) {
      StateBinding binding;
      binding.state = &package_->states[s];
      binding.dtype = options_.kv_type;
      for (int part = 0; part < 2; ++part) {
        uint64_t handle = 0;
        SAMARA_RETURN_IF_ERROR(device_->Allocate(ledger_.get(), StateName(s, part).c_str(),
                                                 StateBytes(s, part), &handle));
        SAMARA_RETURN_IF_ERROR(device_->Fill(handle, 0, 0, StateBytes(s, part)));
        state_handles_.push_back(handle);
        if (host) binding.host[part] = reinterpret_cast<void*>(handle);
        binding.device[part] = handle;
      }
      state_bindings_.push_back(binding);
    }
    for (size_t w = 0; w < weights.size(); ++w) {
      WeightBinding binding;
      binding.weight = &package_->weights[w];
      binding.placement = &package_->weights[w].placements[0];
      if (host) {
        binding.host = weights[w].data();
      } else {
        const std::string name = "weight " + std::to_string(w);
        SAMARA_RETURN_IF_ERROR(device_->Allocate(
            ledger_.get(), name.c_str(), backend_->WeightBytes(*binding.weight, *binding.placement),
            &binding.device));
        SAMARA_RETURN_IF_ERROR(device_->UploadWeight(binding.device, *binding.weight,
                                                     *binding.placement, weights[w].data()));
      }
      weight_bindings_.push_back(binding);
    }
    return Status();
  }

  Status Move(ValueId id, void* data, uint64_t n, bool to_device) {
    const Value& value = graph_->values[id];
    const ValueBinding& b = bindings_[id];
    if (b.kind != BufferKind::kArena)
      return Internal("value %s is not in the arena", value.name.c_str());
    SAMARA_ASSIGN_OR_RETURN(const uint64_t elements, EvalElements(value.shape, current_));
    if (elements != n) {
      return Internal("value %s has %llu elements, got %llu", value.name.c_str(),
                      static_cast<unsigned long long>(elements),
                      static_cast<unsigned long long>(n));
    }
    uint64_t rows = 1;
    if (value.shape.rank > 0) {
      SAMARA_ASSIGN_OR_RETURN(rows, EvalDim(value.shape.dims[0], current_));
    }
    if (rows == 0) return Status();
    const uint64_t row_bytes = n / rows * ElementBytes(value.dtype);
    for (uint64_t r = 0; r < rows; ++r) {
      uint8_t* row = static_cast<uint8_t*>(data) + r * row_bytes;
      const uint64_t at = b.offset + r * b.row_stride;
      SAMARA_RETURN_IF_ERROR(to_device ? device_->Upload(arena_, at, row, row_bytes)
                                       : device_->Download(arena_, at, row, row_bytes));
    }
    return Status();
  }

  const Package* package_ = nullptr;
  const Graph* graph_ = nullptr;
  const Backend* backend_ = nullptr;
  RunnerOptions options_;
  StepLayout layout_;
  SymbolValues capacity_, current_;
  std::vector<ValueBinding> bindings_;
  std::vector<ValueId> owner_;  // the value itself, or kNoValue for views
  std::vector<uint8_t> is_view_;
  std::vector<PartitionSpec> specs_;
  std::vector<PartitionMeasure> measures_;
  std::vector<uint64_t> scratch_offsets_;
  std::vector<WeightBinding> weight_bindings_;
  std::vector<StateBinding> state_bindings_;
  std::vector<uint64_t> state_handles_;
  uint64_t arena_ = 0, arena_bytes_ = 0;
  const StepBlock* step_ = nullptr;
  // Destroyed in reverse: partitions, device, memory.
  std::unique_ptr<Ledger> ledger_;
  InPlacePtr<Device> device_;
  std::vector<InPlacePtr<Partition>> partitions_;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_GRAPH_RUNNER_H_
