// Micro-benchmarks of the kernels that are no products of weights.
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "runtime/step_params.h"
#include "tools/kernel_bench.h"

namespace samara::cpu::bench {
namespace {

constexpr uint64_t kTokens = 128;

// `bytes` read and written by a run of `elements` results.
void Print(const KernelTable& table, const char* name, double seconds, uint64_t elements,
           uint64_t bytes) {
  std::printf("%-12s %-24s %10.3f us %8.3f ns an element %8.1f GB/s\n", table.name, name,
              seconds * 1e6, seconds * 1e9 / static_cast<double>(elements),
              static_cast<double>(bytes) / seconds * 1e-9);
}

// One sequence of `held` slots before `n` tokens, in `blocks` blocks in order.
struct Steps {
  std::vector<TokenParams> tokens;
  std::vector<uint32_t> blocks;
  SeqParams seq;
  StepAccess access = {};
  Steps(uint64_t held, uint64_t n) : tokens(n), blocks((held + n + 63) / 64) {
    for (uint64_t i = 0; i < n; ++i) {
      tokens[i].write_slot = static_cast<uint32_t>(held + i);
      tokens[i].visible_end = tokens[i].write_slot + 1;
    }
    for (uint32_t i = 0; i < blocks.size(); ++i) blocks[i] = i;
    access.tokens = reinterpret_cast<const uint8_t*>(tokens.data());
    access.token_stride = sizeof(TokenParams);
    access.seqs = reinterpret_cast<const uint8_t*>(&seq);
    access.seq_stride = sizeof(SeqParams);
    access.tables = blocks.data();
    access.seq_offset = offsetof(TokenParams, seq);
    access.write_offset = offsetof(TokenParams, write_slot);
    access.begin_offset = offsetof(TokenParams, visible_begin);
    access.end_offset = offsetof(TokenParams, visible_end);
    access.table_offset = offsetof(SeqParams, block_table);
    access.blocks_per_seq = static_cast<uint32_t>(blocks.size());
  }
};

constexpr uint64_t kHeads = 14, kKvHeads = 2, kDim = 64;

uint64_t PoolBytes(const Steps& steps) { return steps.blocks.size() * kKvHeads * kDim * 256; }

void StateWrite(const KernelTable& table, const char* name, StateWriteFn fn) {
  Steps steps(0, kTokens);
  const std::vector<float> x(kTokens * kKvHeads * kDim, 0.5f);
  std::vector<uint8_t> part(PoolBytes(steps));
  for (const bool transposed : {true, false}) {
    const StateWriteArgs args = {steps.access, x.data(), kKvHeads * kDim * 4, part.data(),
                                 kKvHeads,     kDim,     transposed};
    const double s = Fastest(0.05, [&] { fn(args, kTokens, 0, kKvHeads); });
    const std::string what = std::string(name) + (transposed ? " keys" : " values");
    Print(table, what.c_str(), s, x.size(), x.size() * 4);
  }
}

void Attention(const KernelTable& table, const char* name, AttentionFn fn, bool widened) {
  for (const bool decode : {false, true}) {
    const uint64_t held = decode ? 4095 : 0, n = decode ? 1 : 512;
    Steps steps(held, n);
    // Zeros are numbers in every type of keys and values.
    const std::vector<uint8_t> keys(PoolBytes(steps)), values(PoolBytes(steps));
    const std::vector<float> q(n * kHeads * kDim, 0.1f);
    std::vector<float> y(q.size());
    AttentionArgs args = {};
    args.step = steps.access;
    args.q = q.data();
    args.keys = keys.data();
    args.values = values.data();
    args.y = y.data();
    args.q_stride = args.y_stride = kHeads * kDim * 4;
    args.n_tokens = n;
    args.heads = kHeads;
    args.kv_heads = kKvHeads;
    args.key_dim = args.value_dim = kDim;
    args.scale = 0.125f;
    args.tokens_per_task = kAttentionRows / (kHeads / kKvHeads);
    args.scratch_floats = AttentionScratchFloats(kDim, kDim, widened);
    std::vector<float> scratch(args.scratch_floats);
    args.scratch = scratch.data();
    const uint64_t tasks = (n + args.tokens_per_task - 1) / args.tokens_per_task * kKvHeads;
    const double s = Fastest(0.3, [&] { fn(args, 0, tasks, 0); });
    double operations = 0;
    for (uint64_t i = 0; i < n; ++i)
      operations += 4.0 * static_cast<double>(kHeads * kDim * (held + i + 1));
    std::printf("%-12s %-24s %10.3f us %8.1f GFLOP/s\n", table.name,
                (std::string(name) + (decode ? " decode" : " prefill")).c_str(), s * 1e6,
                operations / s * 1e-9);
  }
}

}  // namespace

namespace entry {

void rms_norm(const KernelTable& table) {
  constexpr uint64_t kCols = 2048;
  const std::vector<float> x(kTokens * kCols, 0.5f), w(kCols, 1.0f);
  std::vector<float> y(x.size());
  const RmsNormArgs args = {x.data(),  kCols * 4, w.data(), y.data(),
                            kCols * 4, kCols,     kCols,    1e-5f};
  const double s = Fastest(0.05, [&] { table.rms_norm(args, 0, kTokens); });
  Print(table, "rms_norm", s, y.size(), y.size() * 8);
}

void rope_table(const KernelTable& table) {
  constexpr uint64_t kN = 64;
  std::vector<TokenParams> tokens(kTokens);
  for (uint64_t i = 0; i < kTokens; ++i) tokens[i].position[0] = static_cast<int32_t>(i * 31);
  const std::vector<float> frequencies(kN, 0.01f);
  std::vector<float> y(kTokens * kN * 2);
  const RopeTableArgs args = {reinterpret_cast<const uint8_t*>(tokens[0].position),
                              sizeof(TokenParams),
                              frequencies.data(),
                              kN,
                              1.0f,
                              y.data(),
                              kN * 8};
  const double s = Fastest(0.05, [&] { table.rope_table(args, 0, kTokens); });
  Print(table, "rope_table", s, y.size(), y.size() * 4);
}

void rope(const KernelTable& table) {
  const std::vector<float> x(kTokens * kHeads * kDim, 0.5f), angles(kTokens * kDim, 0.5f);
  std::vector<float> y(x.size());
  for (const bool interleaved : {false, true}) {
    const RopeArgs args = {x.data(), kHeads * kDim * 4, angles.data(), kDim * 4,
                           y.data(), kHeads * kDim * 4, kHeads,        kDim,
                           kDim,     interleaved};
    const double s = Fastest(0.05, [&] { table.rope(args, 0, kTokens); });
    Print(table, interleaved ? "rope interleaved" : "rope", s, y.size(), y.size() * 8);
  }
}

void glu(const KernelTable& table) {
  constexpr uint64_t kN = 4864;
  const char* const names[kNumActivations] = {"glu silu", "glu gelu_tanh", "glu gelu_erf",
                                              "glu relu"};
  const std::vector<float> x(kTokens * kN * 2, 0.5f);
  std::vector<float> y(kTokens * kN);
  const GluArgs args = {x.data(), kN * 8, y.data(), kN * 4, kN};
  for (int i = 0; i < kNumActivations; ++i) {
    const double s = Fastest(0.1, [&] { table.glu[i](args, 0, kTokens); });
    Print(table, names[i], s, y.size(), y.size() * 12);
  }
}

void state_write_f32(const KernelTable& t) { StateWrite(t, "state_write_f32", t.state_write_f32); }
void state_write_f16(const KernelTable& t) { StateWrite(t, "state_write_f16", t.state_write_f16); }
void state_write_q8_0(const KernelTable& t) {
  StateWrite(t, "state_write_q8_0", t.state_write_q8_0);
}
void state_write_q4_0(const KernelTable& t) {
  StateWrite(t, "state_write_q4_0", t.state_write_q4_0);
}
void attention_q4_0(const KernelTable& t) {
  Attention(t, "attention_q4_0", t.attention_q4_0, true);
}
void attention_f32(const KernelTable& t) { Attention(t, "attention_f32", t.attention_f32, false); }
void attention_f16(const KernelTable& t) { Attention(t, "attention_f16", t.attention_f16, false); }
void attention_q8_0(const KernelTable& t) {
  Attention(t, "attention_q8_0", t.attention_q8_0, true);
}

void map(const KernelTable& table) {
  const char* const names[kNumMapOps] = {"exp", "log", "sqrt", "sin", "cos", "tanh", "erf"};
  const std::vector<float> x(1 << 16, 0.7f);
  std::vector<float> y(x.size());
  for (int i = 0; i < kNumMapOps; ++i) {
    const double s = Fastest(0.05, [&] { table.map[i](x.data(), y.data(), y.size()); });
    Print(table, names[i], s, y.size(), y.size() * 8);
  }
}

void batch_matmul(const KernelTable& table) {
  constexpr uint64_t kM = 64, kK = 128, kN = 256;
  const std::vector<float> a(kM * kK, 0.5f), b(kK * kN, 0.5f);
  std::vector<float> y(kM * kN);
  const BatchMatmulArgs args = {a.data(), b.data(), y.data(), kM, kK, kN, kK * 4, kN * 4, kN * 4};
  const double s = Fastest(0.05, [&] { table.batch_matmul(args, 0, kM); });
  std::printf("%-12s %-24s %10.3f us %8.1f GFLOP/s\n", table.name, "batch_matmul", s * 1e6,
              2e-9 * kM * kK * kN / s);
}

}  // namespace entry
}  // namespace samara::cpu::bench
