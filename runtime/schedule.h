// The schedule of a step: what runs in which order, and what is copied between device and host before it.
//
// One row of pieces for each token bucket; a piece is a compiled range of operators. On most models it is one piece.
// Plain data in one listed block; owns the partitions.
#ifndef SAMARA_RUNTIME_SCHEDULE_H_
#define SAMARA_RUNTIME_SCHEDULE_H_

#include <cstdint>

#include "runtime/backend.h"
#include "runtime/plan.h"

namespace samara {

// A value's rows from one arena to the other.
struct StepCopy {
  uint64_t from = 0, to = 0;  // offsets in the arenas
  uint64_t row_bytes = 0;
  // Rows of a step: ceil((constant + tokens * n_tokens + outputs * n_outputs + seqs * n_seqs) / divisor)
  int64_t constant = 0, tokens = 0, outputs = 0, seqs = 0, divisor = 1;

  uint64_t Bytes(const StepHeader& h) const {
    const int64_t n = constant + tokens * h.n_tokens + outputs * h.n_outputs + seqs * h.n_seqs;
    return n <= 0 ? 0 : static_cast<uint64_t>((n + divisor - 1) / divisor) * row_bytes;
  }
};

struct StepPiece {
  Partition* partition = nullptr;
  Side side = Side::kDevice;
  uint32_t first_copy = 0, n_copies = 0;  // into this side's arena, before it runs
};

class Schedule {
 public:
  Schedule() = default;
  ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  static uint64_t Bytes(const ModelPlan& plan);
  // `block`: Bytes(plan) zeroed bytes. Pieces get their partitions by partition() and Attach.
  Status Place(void* block, const ModelPlan& plan);

  // Of part `part` of a bucket's lowering; of the host's: bucket = the number of buckets.
  InPlacePtr<Partition>* partition(size_t bucket, size_t part) {
    return &partitions_[bucket * n_device_parts_ + part];
  }
  // All partitions are compiled.
  void Attach();

  const StepPiece* pieces(size_t bucket) const { return pieces_ + bucket * n_pieces_; }
  uint32_t n_pieces() const { return n_pieces_; }
  const StepCopy* copies() const { return copies_; }

 private:
  uint32_t n_buckets_ = 0, n_pieces_ = 0, n_device_parts_ = 0, n_partitions_ = 0;
  InPlacePtr<Partition>* partitions_ = nullptr;
  StepPiece* pieces_ = nullptr;
  StepCopy* copies_ = nullptr;
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_SCHEDULE_H_
