#include "runtime/lower.h"

#include <algorithm>
#include <cstddef>
#include <set>

#include "formats/operands.h"

namespace samara {
namespace {

using Ull = unsigned long long;

class Choice final : public DecomposeChoice {
 public:
  explicit Choice(const LowerRequest& request) : request_(request) {}

  bool Decompose(const Graph& graph, const Op& op) override {
    const OpInfo* info = FindOp(op.code);
    const bool runs = IsKnown(op) && request_.backend->Supports(*request_.package, graph, op);
    if (runs && !(request_.decompose && info->composite && op.decomposition >= 0)) return false;
    if (op.decomposition >= 0) {
      ++n_decomposed_;
      return true;
    }
    const std::string type = !op.type_name.empty() ? op.type_name
                             : info != nullptr     ? info->name
                                                   : "?";
    std::string what = Quoted(type) + " version " + std::to_string(op.version);
    if (seen_.insert(what).second) {
      if (!missing_.empty()) missing_ += ", ";
      missing_ += what + " (first at " + Quoted(op.name) + ")";
    }
    return false;
  }
  const std::string& missing() const { return missing_; }
  uint32_t n_decomposed() const { return n_decomposed_; }

 private:
  const LowerRequest& request_;
  std::set<std::string> seen_;
  std::string missing_;
  uint32_t n_decomposed_ = 0;
};

struct Use {
  uint32_t op;
  uint32_t operand;
};

class Lowerer {
 public:
  Lowerer(const LowerRequest& request, LoweredGraph* out)
      : request_(request), out_(out), graph_(out->graph) {}

  Status Run() {
    SAMARA_RETURN_IF_ERROR(Index());
    DecideViews();
    SAMARA_RETURN_IF_ERROR(Sizes());
    SAMARA_RETURN_IF_ERROR(BindInputs());
    SAMARA_RETURN_IF_ERROR(BindKinds());
    Lifetimes();
    SAMARA_RETURN_IF_ERROR(MeasureScratch());
    Items();
    SAMARA_RETURN_IF_ERROR(PlanArena(out_->items, &out_->plan));
    // An arena is never empty, so that it is a buffer like any other.
    out_->arena_bytes = std::max<uint64_t>(out_->plan.bytes, 64);
    return Bind();
  }

 private:
  bool IsActivation(ValueId v) const {
    return v >= 0 && graph_.values[static_cast<size_t>(v)].kind == ValueKind::kActivation;
  }

  // Ids come from a checked package, but the loops below index by them: check once more, here.
  Status Index() {
    const size_t n = graph_.values.size();
    producer_.assign(n, -1);
    uses_.assign(n, {});
    is_output_.assign(n, 0);
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const Op& op = graph_.ops[i];
      for (size_t k = 0; k < op.inputs.size(); ++k) {
        const ValueId v = op.inputs[k];
        if (v == kNoValue) continue;
        if (v < 0 || static_cast<size_t>(v) >= n ||
            (IsActivation(v) && producer_[static_cast<size_t>(v)] < 0)) {
          return InvalidFile("op %s reads value %d, which is not defined before it",
                             Quoted(op.name).c_str(), v);
        }
        uses_[static_cast<size_t>(v)].push_back(
            {static_cast<uint32_t>(i), static_cast<uint32_t>(k)});
      }
      for (ValueId v : op.outputs) {
        if (v < 0 || static_cast<size_t>(v) >= n || !IsActivation(v) ||
            producer_[static_cast<size_t>(v)] >= 0) {
          return InvalidFile("op %s writes value %d, which is not its own", Quoted(op.name).c_str(),
                             v);
        }
        producer_[static_cast<size_t>(v)] = static_cast<int32_t>(i);
      }
    }
    for (const GraphOutput& output : graph_.outputs) {
      const ValueId v = output.value;
      if (v < 0 || static_cast<size_t>(v) >= n || !IsActivation(v) ||
          producer_[static_cast<size_t>(v)] < 0) {
        return InvalidFile("graph output %d is no computed value", v);
      }
      is_output_[static_cast<size_t>(v)] = 1;
    }
    return {};
  }

  // True if rows follow one another at every step: only the number of rows changes between steps.
  bool IsContiguous(const Value& value) const {
    const std::vector<Symbol>& symbols = request_.package->symbols;
    for (int d = 1; d < value.shape.rank; ++d) {
      const Dim& dim = value.shape.dims[static_cast<size_t>(d)];
      for (uint32_t t = 0; t < dim.n_terms; ++t) {
        if (dim.terms[t].symbol >= symbols.size()) return false;
        const SymbolKind kind = symbols[dim.terms[t].symbol].kind;
        if (kind == SymbolKind::kTokens || kind == SymbolKind::kOutputs ||
            kind == SymbolKind::kSeqs) {
          return false;
        }
      }
    }
    return true;
  }

  // A slice of columns is a strided view if all its readers take one; a reshape is a view of what
  // is contiguous. From the last op on, so that readers are decided before what they read.
  void DecideViews() {
    out_->is_view.assign(graph_.ops.size(), 0);
    // Strided: rows may lie further apart than their bytes, which every reader accepts.
    auto accepts_stride = [&](const Use& use) {
      const Op& reader = graph_.ops[use.op];
      if (out_->is_view[use.op] != 0) return reader.code == OpCode::kSlice;
      const OpInfo* info = FindOp(reader.code);
      return info != nullptr && use.operand < 32 && (info->strided_inputs >> use.operand & 1) != 0;
    };
    for (size_t i = graph_.ops.size(); i-- > 0;) {
      const Op& op = graph_.ops[i];
      if (op.inputs.size() != 1 || op.outputs.size() != 1 || !IsActivation(op.inputs[0])) continue;
      const size_t out = static_cast<size_t>(op.outputs[0]);
      const Value& in = graph_.values[static_cast<size_t>(op.inputs[0])];
      if (op.code == OpCode::kReshape) {
        out_->is_view[i] = IsContiguous(in) && IsContiguous(graph_.values[out]) ? 1 : 0;
      } else if (op.code == OpCode::kSlice && in.shape.rank == 2 && op.Int(AttrKey::kAxis) == 1 &&
                 is_output_[out] == 0) {
        bool all = true;
        for (const Use& use : uses_[out]) all = all && accepts_stride(use);
        out_->is_view[i] = all ? 1 : 0;
      }
    }
  }

  Status Sizes() {
    sizes_.assign(graph_.values.size(), 0);
    row_bytes_.assign(graph_.values.size(), 0);
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const Value& value = graph_.values[v];
      if (value.kind != ValueKind::kActivation || producer_[v] < 0) continue;
      const uint32_t element = ActivationBytes(value.dtype);
      if (element == 0) {
        return InvalidFile("value %s has type %s, no activation's type", Quoted(value.name).c_str(),
                           DTypeName(value.dtype));
      }
      SAMARA_ASSIGN_OR_RETURN(uint64_t elements, EvalElements(value.shape, out_->capacity));
      Shape row = value.shape;
      if (row.rank > 0) {
        for (int d = 1; d < row.rank; ++d) row.dims[d - 1] = row.dims[d];
        --row.rank;
      }
      SAMARA_ASSIGN_OR_RETURN(uint64_t row_elements, EvalElements(row, out_->capacity));
      if (__builtin_mul_overflow(elements, uint64_t{element}, &sizes_[v]) ||
          __builtin_mul_overflow(row_elements, uint64_t{element}, &row_bytes_[v])) {
        return InvalidFile("value %s passes 2^64 bytes", Quoted(value.name).c_str());
      }
    }
    return {};
  }

  Status BindInputs() {
    out_->values.assign(graph_.values.size(), {});
    const StepLayout& layout = *request_.step_layout;
    for (const GraphInput& input : graph_.inputs) {
      if (input.value < 0 || static_cast<size_t>(input.value) >= graph_.values.size()) {
        return InvalidFile("graph input %d is no value", input.value);
      }
      const size_t v = static_cast<size_t>(input.value);
      ValueBinding& binding = out_->values[v];
      binding.kind = BufferKind::kStep;
      switch (input.role) {
        case InputRole::kTokenIds:
          binding.step_field = StepField::kTokenIds;
          binding.offset = layout.tokens + offsetof(TokenParams, id);
          binding.row_stride = sizeof(TokenParams);
          break;
        case InputRole::kPositions:
          binding.step_field = StepField::kPositions;
          binding.offset = layout.tokens + offsetof(TokenParams, position);
          binding.row_stride = sizeof(TokenParams);
          break;
        case InputRole::kOutputRows:
          binding.step_field = StepField::kOutputRows;
          binding.offset = layout.outputs + offsetof(OutputParams, row);
          binding.row_stride = sizeof(OutputParams);
          break;
        default:
          return Unsupported("input %s has role %u, which this build does not fill",
                             Quoted(graph_.values[v].name).c_str(),
                             static_cast<unsigned>(input.role));
      }
      binding.bytes = sizeof(int32_t);
    }
    return {};
  }

  // All but the offsets: backends may look at kinds and sizes when they measure.
  Status BindKinds() {
    for (size_t v = 0; v < graph_.values.size(); ++v) {
      const Value& value = graph_.values[v];
      ValueBinding& binding = out_->values[v];
      if (value.kind == ValueKind::kWeight) {
        binding.kind = BufferKind::kWeight;
        binding.weight = value.index;
        if (value.index < 0 ||
            static_cast<size_t>(value.index) >= request_.package->weights.size()) {
          return InvalidFile("value %s is weight %d of %zu", Quoted(value.name).c_str(),
                             value.index, request_.package->weights.size());
        }
      } else if (value.kind == ValueKind::kActivation && producer_[v] >= 0) {
        binding.kind = BufferKind::kArena;
        binding.bytes = sizes_[v];
        binding.row_stride = row_bytes_[v];
      }
    }
    return {};
  }

  void Lifetimes() {
    const size_t n = graph_.values.size();
    const uint32_t end = graph_.ops.empty() ? 0 : static_cast<uint32_t>(graph_.ops.size()) - 1;
    root_.assign(n, 0);
    last_.assign(n, 0);
    holds_output_.assign(n, 0);
    for (size_t v = 0; v < n; ++v) root_[v] = v;
    // In order of execution, so that a chain of views is followed once.
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const Op& op = graph_.ops[i];
      if (out_->is_view[i] != 0) {
        root_[static_cast<size_t>(op.outputs[0])] = root_[static_cast<size_t>(op.inputs[0])];
      }
    }
    for (size_t v = 0; v < n; ++v) {
      if (producer_[v] < 0) continue;
      const size_t r = root_[v];
      uint32_t last = static_cast<uint32_t>(producer_[v]);
      for (const Use& use : uses_[v]) last = std::max(last, use.op);
      if (is_output_[v] != 0) {
        last = end;
        holds_output_[r] = 1;
      }
      if (request_.keep_values) last = end;
      last_[r] = std::max(last_[r], last);
    }
  }

  Status MeasureScratch() {
    PartitionSpec spec = SpecOf(request_, *out_);
    SAMARA_RETURN_IF_ERROR(request_.backend->Measure(spec, &out_->measure));
    if (out_->measure.scratch_bytes.size() != graph_.ops.size()) {
      return Internal("backend %s measured %zu of %zu operators", request_.backend->name(),
                      out_->measure.scratch_bytes.size(), graph_.ops.size());
    }
    return {};
  }

  // The input whose memory op i's output takes over: one that dies here, fills its memory exactly,
  // is nobody else's view and no result of the graph.
  int32_t TakenOver(size_t i) const {
    const Op& op = graph_.ops[i];
    const OpInfo* info = FindOp(op.code);
    if (info == nullptr || info->in_place < 0 || op.outputs.empty() || request_.keep_values)
      return -1;
    const size_t operand = static_cast<size_t>(info->in_place);
    if (operand >= op.inputs.size() || !IsActivation(op.inputs[operand])) return -1;
    const size_t in = static_cast<size_t>(op.inputs[operand]);
    const size_t root = root_[in];
    const size_t out = static_cast<size_t>(op.outputs[0]);
    if (last_[root] != i || holds_output_[root] != 0 || sizes_[in] != sizes_[out] ||
        sizes_[root] != sizes_[out] || producer_[root] >= static_cast<int32_t>(i)) {
      return -1;
    }
    for (size_t k = 0; k < op.inputs.size(); ++k) {
      if (k != operand && IsActivation(op.inputs[k]) &&
          root_[static_cast<size_t>(op.inputs[k])] == root) {
        return -1;
      }
    }
    return static_cast<int32_t>(root);
  }

  void Items() {
    item_of_.assign(graph_.values.size(), -1);
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const Op& op = graph_.ops[i];
      if (out_->is_view[i] == 0) {
        for (ValueId id : op.outputs) {
          const size_t v = static_cast<size_t>(id);
          item_of_[v] = static_cast<int32_t>(out_->items.size());
          PlanItem item;
          item.name = graph_.values[v].name;
          item.bytes = sizes_[v];
          item.first = static_cast<uint32_t>(i);
          item.last = std::max(last_[v], item.first);
          if (id == op.outputs[0]) {
            const int32_t root = TakenOver(i);
            if (root >= 0) item.alias = item_of_[static_cast<size_t>(root)];
          }
          out_->items.push_back(std::move(item));
        }
      }
    }
    scratch_item_.assign(graph_.ops.size(), -1);
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      if (out_->measure.scratch_bytes[i] == 0) continue;
      scratch_item_[i] = static_cast<int32_t>(out_->items.size());
      PlanItem item;
      item.name = "scratch of " + graph_.ops[i].name;
      item.bytes = out_->measure.scratch_bytes[i];
      item.first = item.last = static_cast<uint32_t>(i);
      out_->items.push_back(std::move(item));
    }
  }

  // Offsets, from the plan.
  Status Bind() {
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const Op& op = graph_.ops[i];
      for (ValueId id : op.outputs) {
        const size_t v = static_cast<size_t>(id);
        ValueBinding& binding = out_->values[v];
        if (out_->is_view[i] == 0) {
          binding.offset = out_->plan.offsets[static_cast<size_t>(item_of_[v])];
          continue;
        }
        const ValueBinding& in = out_->values[static_cast<size_t>(op.inputs[0])];
        binding.offset = in.offset;
        if (op.code == OpCode::kSlice) {
          binding.offset += static_cast<uint64_t>(op.Int(AttrKey::kBegin)) *
                            ActivationBytes(graph_.values[v].dtype);
          binding.row_stride = in.row_stride;
        } else if (sizes_[v] != sizes_[static_cast<size_t>(op.inputs[0])]) {
          return InvalidFile("reshape %s: %llu bytes from %llu", Quoted(op.name).c_str(),
                             static_cast<Ull>(sizes_[v]),
                             static_cast<Ull>(sizes_[static_cast<size_t>(op.inputs[0])]));
        }
      }
    }
    out_->scratch_offsets.assign(graph_.ops.size(), 0);
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      if (scratch_item_[i] >= 0) {
        out_->scratch_offsets[i] = out_->plan.offsets[static_cast<size_t>(scratch_item_[i])];
      }
    }
    return {};
  }

  const LowerRequest& request_;
  LoweredGraph* out_;
  const Graph& graph_;
  std::vector<int32_t> producer_;
  std::vector<std::vector<Use>> uses_;
  std::vector<uint8_t> is_output_;
  std::vector<uint64_t> sizes_, row_bytes_;
  std::vector<size_t> root_;           // the value whose memory a value lies in
  std::vector<uint32_t> last_;         // of roots: last op that reads it or a view of it
  std::vector<uint8_t> holds_output_;  // of roots: it or a view of it is a result
  std::vector<int32_t> item_of_, scratch_item_;
};

}  // namespace

uint32_t ActivationBytes(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBool:
      return 1;
    default:
      return 0;
  }
}

Status CapacitySymbols(const LowerRequest& request, SymbolValues* values) {
  const StepLayout& layout = *request.step_layout;
  values->clear();
  for (const Symbol& symbol : request.package->symbols) {
    uint64_t value = 0;
    switch (symbol.kind) {
      case SymbolKind::kTokens:
        value = request.bucket_tokens;
        break;
      case SymbolKind::kOutputs:
        value = std::min(request.max_outputs, request.bucket_tokens);
        break;
      case SymbolKind::kSeqs:
        value = std::min(layout.max_seqs, request.bucket_tokens);
        break;
      case SymbolKind::kContext:
        value = request.n_ctx;
        break;
      case SymbolKind::kChunk:
        value = request.n_chunk;
        break;
      case SymbolKind::kSlots:
        if (symbol.group >= layout.n_groups) {
          return InvalidFile("symbol %s is of state group %u of %u", Quoted(symbol.name).c_str(),
                             symbol.group, layout.n_groups);
        }
        value = uint64_t{layout.pool_blocks[symbol.group]} * kBlockSlots;
        break;
      default:
        return Unsupported("symbol %s has kind %u, which this build does not know",
                           Quoted(symbol.name).c_str(), static_cast<unsigned>(symbol.kind));
    }
    if (value < symbol.min || value > symbol.max) {
      return InvalidArgument("%s is %llu, this package takes %llu..%llu",
                             Quoted(symbol.name).c_str(), static_cast<Ull>(value),
                             static_cast<Ull>(symbol.min), static_cast<Ull>(symbol.max));
    }
    values->push_back(value);
  }
  return {};
}

PartitionSpec SpecOf(const LowerRequest& request, const LoweredGraph& lowered) {
  PartitionSpec spec;
  spec.package = request.package;
  spec.graph = &lowered.graph;
  spec.n_ops = static_cast<uint32_t>(lowered.graph.ops.size());
  spec.capacity = &lowered.capacity;
  spec.bucket_tokens = request.bucket_tokens;
  spec.max_outputs = request.max_outputs;
  spec.step_layout = request.step_layout;
  spec.kv_type = request.kv_type;
  spec.keep_values = request.keep_values;
  spec.n_threads = request.n_threads;
  spec.is_view = lowered.is_view;
  spec.values = lowered.values;
  spec.scratch_offsets = lowered.scratch_offsets;
  return spec;
}

Status LowerGraph(const LowerRequest& request, LoweredGraph* lowered) {
  *lowered = {};
  lowered->bucket_tokens = request.bucket_tokens;
  SAMARA_RETURN_IF_ERROR(CapacitySymbols(request, &lowered->capacity));
  Choice choice(request);
  SAMARA_RETURN_IF_ERROR(
      InlineDecompositions(*request.package, *request.graph, &choice, &lowered->graph));
  if (!choice.missing().empty()) {
    return Unsupported("backend %s cannot run, and there is no decomposition of: %s",
                       request.backend->name(), choice.missing().c_str());
  }
  lowered->n_decomposed = choice.n_decomposed();
  return Lowerer(request, lowered).Run();
}

}  // namespace samara
