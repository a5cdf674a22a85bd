#include "runtime/schedule.h"

#include <new>

namespace samara {
namespace {

struct Counts {
  uint64_t buckets, pieces, copies, device_parts, partitions;  // pieces and copies: of a bucket

  explicit Counts(const ModelPlan& plan) {
    buckets = plan.buckets.size();
    pieces = plan.split.ranges.size();
    device_parts = plan.buckets[0].parts.size();
    copies = plan.buckets[0].imports.size() + plan.host.imports.size();
    partitions = buckets * device_parts + plan.host.parts.size();
  }
};

uint64_t AlignUp(uint64_t n) { return (n + 63) / 64 * 64; }

// How the rows of a value follow from the step's counts; `from` and `to` are its places.
Status MakeCopy(const LowerRequest& request, const LoweredGraph& from, const LoweredGraph& to,
                const LoweredGraph& smaller, ValueId id, StepCopy* copy) {
  const size_t v = static_cast<size_t>(id);
  const Value& value = to.graph.values[v];
  *copy = {};
  copy->from = from.values[v].offset;
  copy->to = to.values[v].offset;
  copy->row_bytes = smaller.values[v].row_stride;
  bool rows_vary_alone = value.shape.rank > 0;
  const std::vector<Symbol>& symbols = request.package->symbols;
  const auto varies = [&](uint32_t symbol) {
    const SymbolKind kind = symbols[symbol].kind;
    return kind == SymbolKind::kTokens || kind == SymbolKind::kOutputs || kind == SymbolKind::kSeqs;
  };
  for (int d = 1; d < value.shape.rank; ++d) {
    const Dim& dim = value.shape.dims[static_cast<size_t>(d)];
    for (uint32_t t = 0; t < dim.n_terms; ++t)
      rows_vary_alone = rows_vary_alone && !varies(dim.terms[t].symbol);
  }
  if (!rows_vary_alone) {
    // Lies without gaps whatever its size: all that it can have at most.
    copy->row_bytes = smaller.values[v].bytes;
    copy->constant = 1;
    return {};
  }
  const Dim& dim = value.shape.dims[0];
  copy->constant = dim.constant;
  copy->divisor = dim.divisor;
  for (uint32_t t = 0; t < dim.n_terms; ++t) {
    const Dim::Term& term = dim.terms[t];
    switch (symbols[term.symbol].kind) {
      case SymbolKind::kTokens:
        copy->tokens += term.coefficient;
        break;
      case SymbolKind::kOutputs:
        copy->outputs += term.coefficient;
        break;
      case SymbolKind::kSeqs:
        copy->seqs += term.coefficient;
        break;
      default: {
        int64_t product = 0;
        if (__builtin_mul_overflow(term.coefficient,
                                   static_cast<int64_t>(smaller.capacity[term.symbol]), &product) ||
            __builtin_add_overflow(copy->constant, product, &copy->constant)) {
          return InvalidFile("value %s has too many rows", Quoted(value.name).c_str());
        }
      }
    }
  }
  return {};
}

}  // namespace

Schedule::~Schedule() {
  for (uint32_t i = n_partitions_; i-- > 0;) partitions_[i].~InPlacePtr<Partition>();
}

uint64_t Schedule::Bytes(const ModelPlan& plan) {
  const Counts n(plan);
  return AlignUp(n.partitions * sizeof(InPlacePtr<Partition>)) +
         AlignUp(n.buckets * n.pieces * sizeof(StepPiece)) +
         AlignUp(n.buckets * n.copies * sizeof(StepCopy));
}

Status Schedule::Place(void* block, const ModelPlan& plan) {
  const Counts n(plan);
  uint8_t* at = static_cast<uint8_t*>(block);
  partitions_ = reinterpret_cast<InPlacePtr<Partition>*>(at);
  at += AlignUp(n.partitions * sizeof(InPlacePtr<Partition>));
  pieces_ = reinterpret_cast<StepPiece*>(at);
  copies_ = reinterpret_cast<StepCopy*>(at + AlignUp(n.buckets * n.pieces * sizeof(StepPiece)));
  for (uint64_t i = 0; i < n.partitions; ++i) new (partitions_ + i) InPlacePtr<Partition>();
  n_partitions_ = static_cast<uint32_t>(n.partitions);
  n_buckets_ = static_cast<uint32_t>(n.buckets);
  n_pieces_ = static_cast<uint32_t>(n.pieces);
  n_device_parts_ = static_cast<uint32_t>(n.device_parts);
  for (uint32_t b = 0, copy = 0; b < n.buckets; ++b) {
    const LoweredGraph& device = plan.buckets[b];
    size_t next[2] = {0, 0};  // of each side's imports
    for (uint32_t r = 0; r < n.pieces; ++r) {
      StepPiece& piece = *new (pieces_ + b * n.pieces + r) StepPiece;
      piece.side = plan.split.ranges[r].side;
      piece.first_copy = copy;
      const bool here = piece.side == Side::kDevice;
      const LoweredGraph& to = here ? device : plan.host;
      const LoweredGraph& from = here ? plan.host : device;
      size_t& i = next[here ? 0 : 1];
      for (; i < to.imports.size() && to.imports[i].range == r; ++i) {
        SAMARA_RETURN_IF_ERROR(MakeCopy(plan.requests[b], from, to, device, to.imports[i].value,
                                        new (copies_ + copy) StepCopy));
        ++copy;
      }
      piece.n_copies = copy - piece.first_copy;
    }
  }
  return {};
}

void Schedule::Attach() {
  for (uint32_t b = 0; b < n_buckets_; ++b) {
    size_t next[2] = {0, 0};
    for (uint32_t r = 0; r < n_pieces_; ++r) {
      StepPiece& piece = pieces_[uint64_t{b} * n_pieces_ + r];
      const bool here = piece.side == Side::kDevice;
      piece.partition = partition(here ? b : n_buckets_, next[here ? 0 : 1]++)->get();
    }
  }
}

}  // namespace samara
