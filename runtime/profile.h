// The profile of a model that was opened with it: for each operator how often it ran, how long, and what it had to
// move and compute; and the last runs one by one.
//
// Backends tell times only (ProfileSink, runtime/backend.h). Bytes and operations follow from shapes and from the
// step's counts, so they are the same for every backend: what the operator's meaning demands, not what its kernel did.
#ifndef SAMARA_RUNTIME_PROFILE_H_
#define SAMARA_RUNTIME_PROFILE_H_

#include <cstdint>

#include "runtime/backend.h"
#include "runtime/plan.h"

namespace samara {

// constant + tokens * n_tokens + outputs * n_outputs + seqs * n_seqs
struct StepCount {
  double constant = 0, tokens = 0, outputs = 0, seqs = 0;

  double At(const StepHeader& h) const {
    return constant + tokens * h.n_tokens + outputs * h.n_outputs + seqs * h.n_seqs;
  }
  bool varies() const { return tokens != 0 || outputs != 0 || seqs != 0; }
  StepCount operator*(double factor) const {
    return {constant * factor, tokens * factor, outputs * factor, seqs * factor};
  }
  StepCount operator+(const StepCount& b) const {
    return {constant + b.constant, tokens + b.tokens, outputs + b.outputs, seqs + b.seqs};
  }
};

// What one run of an operator takes.
struct OpWork {
  StepCount rows;           // without rows there is no work
  StepCount bytes;          // activations read and written; rows of tables
  double weight_bytes = 0;  // read once a run
  StepCount operations;     // multiplications and additions of products
  // Attention: bytes of a slot of keys and values, read once a sequence; operations a token and visible slot.
  double slot_bytes = 0, pair_operations = 0;
  uint64_t window = 0;
};

struct ProfileOp {
  const char* name = nullptr;
  const char* kind = nullptr;  // of the operator table
  const char* type = nullptr;  // of its matrix; "" without one
  OpWork work;
  uint64_t calls = 0;
  double seconds = 0, bytes = 0, operations = 0;
};

struct ProfileEvent {
  int64_t begin = 0, end = 0;  // nanoseconds of std::chrono::steady_clock
  double bytes = 0, operations = 0;
  uint64_t step = 0;  // counted from the last reset
  uint32_t op = 0;
  uint32_t n_tokens = 0;
};

// Lies, with all that it points to, in one listed block.
class Profile {
 public:
  static constexpr uint32_t kMaxEvents = 1u << 22;

  static uint64_t Bytes(const ModelPlan& plan);
  // `block`: Bytes(plan) zeroed bytes.
  static Profile* Place(void* block, const ModelPlan& plan);

  // The sink of a partition: part `part` of a token bucket's lowering, or of the host's (bucket = their number).
  ProfileSink* sink(size_t bucket, size_t part) { return sinks_ + bucket * n_parts_ + part; }
  // Of the step that runs next; the block stays as it is until EndStep.
  void BeginStep(const StepView& step);
  void EndStep(int64_t begin, int64_t end);
  void Reset();

  // Operator 0 is the whole step.
  const ProfileOp* ops() const { return ops_; }
  uint32_t n_ops() const { return n_ops_; }
  uint64_t n_events() const { return n_events_ < capacity_ ? n_events_ : capacity_; }
  // 0: the oldest that is kept.
  const ProfileEvent& event(uint64_t i) const {
    return events_[n_events_ <= capacity_ ? i : (n_events_ + i) % capacity_];
  }
  int64_t origin() const { return origin_; }

 private:
  class PartSink final : public ProfileSink {
   public:
    void Add(uint32_t op, int64_t begin, int64_t end) override {
      profile_->Add(first_op_ + op, begin, end);
    }
    Profile* profile_ = nullptr;
    uint32_t first_op_ = 0;
  };
  void Add(uint32_t op, int64_t begin, int64_t end);
  void Append(uint32_t op, int64_t begin, int64_t end, double bytes, double operations);
  void CountSlots(uint64_t window);

  PartSink* sinks_ = nullptr;
  size_t n_parts_ = 0;  // of a bucket
  ProfileOp* ops_ = nullptr;
  ProfileEvent* events_ = nullptr;
  uint32_t n_ops_ = 0;
  uint32_t capacity_ = 0;
  uint64_t n_events_ = 0;
  uint64_t step_ = 0;
  int64_t origin_ = 0;
  StepView view_ = {};
  // Of the running step; counted when attention with such a window first runs.
  bool counted_ = false;
  uint64_t window_ = 0;
  double slots_ = 0, pairs_ = 0;
};

// `op` of one of the plan's lowerings. Placements must have been chosen.
OpWork WorkOf(const ModelPlan& plan, const LowerRequest& request, const LoweredGraph& lowered,
              const Op& op);

}  // namespace samara

#endif  // SAMARA_RUNTIME_PROFILE_H_
