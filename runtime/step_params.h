// StepParams: all that changes from step to step, in ONE flat block that a device can read.
//
// The block starts with StepHeader; arrays follow at offsets fixed at load (StepLayout), so a captured graph
// or a recorded command buffer reads every changing value from it. Little-endian, no pointers.
//
// Slots: a sequence's slot s of a state group lies in physical block
//     block_table[seq.block_table[group] + (s / kBlockSlots) % blocks_per_seq[group]]
// at position s % kBlockSlots. Slots are logical (0, 1, 2, ... as tokens are written); position[] only feeds
// position encodings. A token sees the slots [visible_begin, visible_end) of its own sequence, its own included;
// an operator's window attribute narrows that to the last `window` of them.
//
// The tokens of a sequence are contiguous and ascending; sequences are ascending. n_seqs = 1 is no special case.
// Fields marked "declared" are refused by the session layer unless they hold the stated value.
#ifndef SAMARA_RUNTIME_STEP_PARAMS_H_
#define SAMARA_RUNTIME_STEP_PARAMS_H_

#include <cstdint>

namespace samara {

inline constexpr uint32_t kBlockSlots = 64;  // slots of a KV block; also the key chunk of attention
inline constexpr uint32_t kMaxStateGroups = 4;

struct StepHeader {
  uint32_t n_tokens = 0;   // >= 1
  uint32_t n_seqs = 0;     // >= 1
  uint32_t n_outputs = 0;  // >= 0
  uint32_t reserved = 0;
};

struct TokenParams {
  int32_t id = 0;              // token id; < vocab, checked when fed
  int32_t embedding_row = -1;  // declared: -1 (row of an extra embedding input)
  int32_t position[4] = {};    // [0] is the position; the others are declared: equal to it
  uint32_t seq = 0;            // index of the sequence in this step
  uint32_t write_slot = 0;
  uint32_t visible_begin = 0;
  uint32_t visible_end = 0;
  int32_t ancestor_mask = -1;  // declared: -1
  int32_t adapter = -1;        // declared: -1
};

struct SeqParams {
  uint32_t first_token = 0;  // in this step
  uint32_t n_tokens = 0;
  uint32_t length = 0;    // slots held after this step
  uint32_t reset = 0;     // 1: starts from empty states
  uint32_t state_in = 0;  // declared: equal state_out; slot of recurrent states
  uint32_t state_out = 0;
  uint32_t block_table[kMaxStateGroups] = {};  // first entry in the block table array, per group
};

struct OutputParams {
  uint32_t row = 0;        // token of this step whose logits are wanted
  uint32_t mask_slot = 0;  // declared: 0
  float temperature = 0;   // the sampling fields serve sampling on a device
  float top_p = 1;
  float min_p = 0;
  uint32_t top_k = 0;
  uint64_t rng_counter = 0;
};

// Fixed at load from capacities; byte offsets from the start of the block.
struct StepLayout {
  uint32_t max_tokens = 0, max_seqs = 0, max_outputs = 0;
  uint32_t n_groups = 0;
  uint32_t blocks_per_seq[kMaxStateGroups] = {};  // entries of one sequence's table
  uint32_t pool_blocks[kMaxStateGroups] = {};     // physical blocks in a state's buffer
  uint64_t tokens = 0;
  uint64_t seqs = 0;
  uint64_t outputs = 0;
  uint64_t block_tables = 0;  // u32[max_seqs * sum blocks_per_seq]
  uint64_t bytes = 0;
};

// View of a block on the host.
struct StepView {
  const uint8_t* base;
  const StepLayout* layout;
  const StepHeader& header() const { return *reinterpret_cast<const StepHeader*>(base); }
  const TokenParams* tokens() const {
    return reinterpret_cast<const TokenParams*>(base + layout->tokens);
  }
  const SeqParams* seqs() const { return reinterpret_cast<const SeqParams*>(base + layout->seqs); }
  const OutputParams* outputs() const {
    return reinterpret_cast<const OutputParams*>(base + layout->outputs);
  }
  const uint32_t* block_tables() const {
    return reinterpret_cast<const uint32_t*>(base + layout->block_tables);
  }
};

}  // namespace samara

#endif  // SAMARA_RUNTIME_STEP_PARAMS_H_
