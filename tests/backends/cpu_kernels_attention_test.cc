// State and attention kernels (cpu_kernels.h).
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>

#include "runtime/backend.h"
#include "runtime/step_params.h"
#include "tests/backends/cpu_kernels.h"

namespace samara::cpu::kernels_test {
namespace {

struct KvKernels {
  DType dtype;
  StateWriteFn KernelTable::*write;
  AttentionFn KernelTable::*attention;
};

struct Case {
  uint64_t heads, kv_heads, key_dim, value_dim, held, tokens;
  uint64_t window;
  float softcap;
  bool sinks;
};
constexpr Case kCases[] = {
    {1, 1, 8, 8, 0, 1, 0, 0, false},           {4, 2, 64, 64, 0, 70, 0, 0, false},
    {9, 3, 80, 80, 130, 9, 0, 0, true},        {14, 2, 96, 96, 60, 33, 50, 0, false},
    {32, 1, 128, 128, 10, 3, 0, 30.0f, false}, {3, 3, 24, 40, 200, 20, 65, 5.0f, true},
    {4, 4, 16, 16, 63, 2, 1, 0, false},        {16, 2, 128, 72, 300, 1, 0, 0, false},
    {7, 1, 64, 20, 61, 3, 0, 0, false}};

// Two sequences: the first holds `held` tokens and feeds `tokens`, the second feeds one, so that a
// batch of rows must be cut between them.
class Step {
 public:
  Step(const Case& c, uint64_t seed)
      : c_(c),
        random_(seed),
        total_(c.held + c.tokens),
        blocks_(static_cast<uint32_t>((total_ + 63) / 64)),
        pool_blocks_(blocks_ * 2 + 1),
        tokens_(total_ + 1),
        seqs_(2),
        table_(pool_blocks_),
        k_(random_.Floats((total_ + 1) * c.kv_heads * c.key_dim)),
        v_(random_.Floats((total_ + 1) * c.kv_heads * c.value_dim)),
        q_(random_.Floats((c.tokens + 1) * c.heads * c.key_dim)),
        sinks_(random_.Floats(c.heads)) {
    for (uint64_t i = 0; i <= total_; ++i) {
      TokenParams& t = tokens_[i];
      t = TokenParams{};
      t.seq = i == total_;
      t.write_slot = i == total_ ? 0 : static_cast<uint32_t>(i);
      t.visible_end = t.write_slot + 1;
    }
    seqs_[0] = SeqParams{};
    seqs_[1] = SeqParams{};
    seqs_[1].block_table[0] = blocks_;
    // Any order, but what is written last lies at the end of the pool.
    std::vector<uint32_t> table = random_.Permutation(pool_blocks_);
    for (uint32_t& block : table) {
      if (block == pool_blocks_ - 1) std::swap(block, table[blocks_ - 1]);
    }
    std::memcpy(table_.data(), table.data(), table.size() * 4);
  }

  struct States {
    Guarded<uint8_t> keys, values;
  };
  States Write(const KvKernels& kv, const KernelTable& kernels) {
    States s = {Guarded<uint8_t>(pool_blocks_ * c_.kv_heads * KvHeadBytes(kv.dtype, c_.key_dim)),
                Guarded<uint8_t>(pool_blocks_ * c_.kv_heads * KvHeadBytes(kv.dtype, c_.value_dim))};
    // What was never written may hold anything, NaN included.
    std::memset(s.keys.data(), 0xff, s.keys.size());
    std::memset(s.values.data(), 0xff, s.values.size());
    const uint64_t k_stride = c_.kv_heads * c_.key_dim * 4,
                   v_stride = c_.kv_heads * c_.value_dim * 4;
    (kernels.*kv.write)(
        {Access(0), k_.data(), k_stride, s.keys.data(), c_.kv_heads, c_.key_dim, true}, total_ + 1,
        0, c_.kv_heads);
    (kernels.*kv.write)(
        {Access(0), v_.data(), v_stride, s.values.data(), c_.kv_heads, c_.value_dim, false},
        total_ + 1, 0, c_.kv_heads);
    CHECK((s.keys.Untouched() && s.values.Untouched()));
    return s;
  }
  Guarded<float> Attend(const KvKernels& kv, const KernelTable& kernels, const States& states,
                        uint64_t tokens_per_task) {
    const uint64_t n = c_.tokens + 1;
    Guarded<float> y(n * c_.heads * c_.value_dim);
    const uint64_t scratch_floats =
        AttentionScratchFloats(c_.key_dim, c_.value_dim, KvHasScales(kv.dtype));
    Guarded<float> scratch(2 * scratch_floats);
    AttentionArgs args = {};
    args.step = Access(c_.held);
    args.q = q_.data();
    args.q_stride = c_.heads * c_.key_dim * 4;
    args.keys = states.keys.data();
    args.values = states.values.data();
    args.sinks = c_.sinks ? sinks_.data() : nullptr;
    args.y = y.data();
    args.y_stride = c_.heads * c_.value_dim * 4;
    args.n_tokens = n;
    args.heads = c_.heads;
    args.kv_heads = c_.kv_heads;
    args.key_dim = c_.key_dim;
    args.value_dim = c_.value_dim;
    args.window = c_.window;
    args.scale = 0.125f;
    args.softcap = c_.softcap;
    args.tokens_per_task = tokens_per_task;
    args.scratch = scratch.data();
    args.scratch_floats = scratch_floats;
    const uint64_t tasks = (n + tokens_per_task - 1) / tokens_per_task * c_.kv_heads;
    (kernels.*kv.attention)(args, 0, tasks, 1);
    CHECK((y.Untouched() && scratch.Untouched()));
    return y;
  }

 private:
  StepAccess Access(uint64_t first_token) const {
    StepAccess step = {};
    step.tokens = reinterpret_cast<const uint8_t*>(tokens_.data() + first_token);
    step.token_stride = sizeof(TokenParams);
    step.seqs = reinterpret_cast<const uint8_t*>(seqs_.data());
    step.seq_stride = sizeof(SeqParams);
    step.tables = table_.data();
    step.seq_offset = offsetof(TokenParams, seq);
    step.write_offset = offsetof(TokenParams, write_slot);
    step.begin_offset = offsetof(TokenParams, visible_begin);
    step.end_offset = offsetof(TokenParams, visible_end);
    step.table_offset = offsetof(SeqParams, block_table);
    step.blocks_per_seq = blocks_;
    return step;
  }

  const Case c_;
  Random random_;
  const uint64_t total_;
  const uint32_t blocks_, pool_blocks_;
  Guarded<TokenParams> tokens_;
  Guarded<SeqParams> seqs_;
  Guarded<uint32_t> table_;
  const Guarded<float> k_, v_, q_, sinks_;
};

void CheckWrite(const KvKernels& kv) {
  uint64_t seed = 500;
  for (const Case& c : kCases) {
    Step step(c, ++seed);
    CAPTURE(seed);
    const Step::States want = step.Write(kv, *ScalarKernels());
    for (const KernelTable* kernels : OtherTables()) {
      CAPTURE(std::string(kernels->name));
      const Step::States got = step.Write(kv, *kernels);
      CHECK(got.keys == want.keys);
      CHECK(got.values == want.values);
    }
  }
}

void CheckAttention(const KvKernels& kv) {
  uint64_t seed = 600;
  for (const Case& c : kCases) {
    Step step(c, ++seed);
    CAPTURE(seed);
    const Step::States states = step.Write(kv, *ScalarKernels());
    const Guarded<float> want = step.Attend(kv, *ScalarKernels(), states, 1);
    bool finite = true;
    for (uint64_t i = 0; i < want.size(); ++i) finite = finite && std::isfinite(want.data()[i]);
    CHECK(finite);
    CHECK(step.Attend(kv, *ScalarKernels(), states, 4) == want);
    for (const KernelTable* kernels : OtherTables()) {
      CAPTURE(std::string(kernels->name));
      for (const uint64_t tokens_per_task : {1u, 3u, 16u}) {
        CHECK(step.Attend(kv, *kernels, states, tokens_per_task) == want);
      }
    }
  }
}

constexpr KvKernels kF32 = {DType::kF32, &KernelTable::state_write_f32,
                            &KernelTable::attention_f32};
constexpr KvKernels kF16 = {DType::kF16, &KernelTable::state_write_f16,
                            &KernelTable::attention_f16};
constexpr KvKernels kQ8 = {DType::kQ8_0, &KernelTable::state_write_q8_0,
                           &KernelTable::attention_q8_0};
constexpr KvKernels kQ4 = {DType::kQ4_0, &KernelTable::state_write_q4_0,
                           &KernelTable::attention_q4_0};

}  // namespace

void check::state_write_f32() { CheckWrite(kF32); }
void check::state_write_f16() { CheckWrite(kF16); }
void check::state_write_q8_0() { CheckWrite(kQ8); }
void check::state_write_q4_0() { CheckWrite(kQ4); }
void check::attention_q4_0() { CheckAttention(kQ4); }
void check::attention_f32() { CheckAttention(kF32); }
void check::attention_f16() { CheckAttention(kF16); }
void check::attention_q8_0() { CheckAttention(kQ8); }

}  // namespace samara::cpu::kernels_test
