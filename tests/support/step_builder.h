// StepParams blocks for tests: any number of sequences, chunks and block tables.
//
//   StepLayout layout = MakeStepLayout(8, 2, 8, {{.blocks_per_seq = 2, .pool_blocks = 4}});
//   StepBlock step(layout);
//   step.Add({.first_slot = 5, .n_tokens = 3, .blocks = {{2, 0}}});
//   partition->Run(step.data());
#ifndef SAMARA_TESTS_SUPPORT_STEP_BUILDER_H_
#define SAMARA_TESTS_SUPPORT_STEP_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <vector>

#include "runtime/step_params.h"

namespace samara::test {

struct GroupSize {
  uint32_t blocks_per_seq = 1;
  uint32_t pool_blocks = 1;
};

inline StepLayout MakeStepLayout(uint32_t max_tokens, uint32_t max_seqs, uint32_t max_outputs,
                                 const std::vector<GroupSize>& groups) {
  StepLayout layout;
  layout.max_tokens = max_tokens;
  layout.max_seqs = max_seqs;
  layout.max_outputs = max_outputs;
  layout.n_groups = static_cast<uint32_t>(groups.size());
  uint64_t entries = 0;
  for (size_t g = 0; g < groups.size() && g < kMaxStateGroups; ++g) {
    layout.blocks_per_seq[g] = groups[g].blocks_per_seq;
    layout.pool_blocks[g] = groups[g].pool_blocks;
    entries += groups[g].blocks_per_seq;
  }
  uint64_t at = 64;
  auto take = [&at](uint64_t bytes) {
    const uint64_t offset = at;
    at = (at + bytes + 63) & ~uint64_t{63};
    return offset;
  };
  layout.tokens = take(max_tokens * sizeof(TokenParams));
  layout.seqs = take(max_seqs * sizeof(SeqParams));
  layout.outputs = take(max_outputs * sizeof(OutputParams));
  layout.block_tables = take(max_seqs * entries * sizeof(uint32_t));
  layout.bytes = at;
  return layout;
}

// One sequence's share of a step.
struct StepSequence {
  uint32_t first_slot = 0;  // slots held before the step
  uint32_t n_tokens = 1;
  std::vector<int32_t> ids = {};                   // empty: 0
  int32_t first_position = -1;                     // -1: first_slot
  std::vector<std::vector<uint32_t>> blocks = {};  // per group; empty: see StepBlock::Add
  std::vector<uint32_t> outputs = {};              // tokens of this sequence whose rows are wanted
  uint32_t visible_begin = 0;
};

class StepBlock {
 public:
  explicit StepBlock(const StepLayout& layout)
      : layout_(layout), storage_((layout.bytes + 63) / 64 * 8 + 8) {}

  // A sequence without block tables gets the blocks [seq * blocks_per_seq, ...) of each pool.
  StepBlock& Add(const StepSequence& s) {
    StepHeader& header = *At<StepHeader>(0);
    const uint32_t index = header.n_seqs++;
    SeqParams& seq = At<SeqParams>(layout_.seqs)[index];
    seq.first_token = header.n_tokens;
    seq.n_tokens = s.n_tokens;
    seq.length = s.first_slot + s.n_tokens;
    seq.reset = s.first_slot == 0;
    seq.state_in = seq.state_out = index;
    uint32_t* tables = At<uint32_t>(layout_.block_tables);
    for (uint32_t g = 0; g < layout_.n_groups; ++g) {
      seq.block_table[g] = next_entry_;
      for (uint32_t b = 0; b < layout_.blocks_per_seq[g]; ++b) {
        tables[next_entry_++] =
            g < s.blocks.size() ? s.blocks[g][b] : index * layout_.blocks_per_seq[g] + b;
      }
    }
    for (uint32_t i = 0; i < s.n_tokens; ++i) {
      TokenParams& token = At<TokenParams>(layout_.tokens)[header.n_tokens + i];
      token = TokenParams();
      token.id = i < s.ids.size() ? s.ids[i] : 0;
      const int32_t position =
          (s.first_position < 0 ? static_cast<int32_t>(s.first_slot) : s.first_position) +
          static_cast<int32_t>(i);
      for (int32_t& p : token.position) p = position;
      token.seq = index;
      token.write_slot = s.first_slot + i;
      token.visible_begin = s.visible_begin;
      token.visible_end = token.write_slot + 1;
    }
    for (uint32_t row : s.outputs) {
      At<OutputParams>(layout_.outputs)[header.n_outputs++].row = header.n_tokens + row;
    }
    header.n_tokens += s.n_tokens;
    return *this;
  }

  const StepLayout& layout() const { return layout_; }
  const StepHeader& header() const { return *reinterpret_cast<const StepHeader*>(Base()); }
  StepView view() const { return {Base(), &layout_}; }
  const void* data() const { return Base(); }

 private:
  // Storage of uint64_t, shifted so that the block is 64-aligned.
  const uint8_t* Base() const {
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    return reinterpret_cast<const uint8_t*>((address + 63) & ~uintptr_t{63});
  }
  template <typename E>
  E* At(uint64_t offset) {
    return reinterpret_cast<E*>(const_cast<uint8_t*>(Base()) + offset);
  }

  StepLayout layout_;
  std::vector<uint64_t> storage_;
  uint32_t next_entry_ = 0;
};

}  // namespace samara::test

#endif  // SAMARA_TESTS_SUPPORT_STEP_BUILDER_H_
