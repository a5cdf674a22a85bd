// Sessions: token history, blocks of state, and the step that computes pending tokens of several at
// a time.
#ifndef SAMARA_RUNTIME_SESSION_H_
#define SAMARA_RUNTIME_SESSION_H_

#include <atomic>
#include <cstdint>
#include <span>

#include "formats/status.h"
#include "runtime/model.h"

namespace samara {

struct Reply;

struct Session {
  Model* model = nullptr;
  uint32_t slot = 0;
  std::atomic<bool> poisoned{false};
  bool all_logits = false;
  bool selected = false;      // in the running step
  int32_t* tokens = nullptr;  // [n_ctx]: computed, then pending
  // Atomic, as `poisoned`: another thread that waits for the device may change both (SettleSteps).
  std::atomic<uint32_t> n_computed{0};
  uint32_t n_tokens = 0;
  uint32_t high_water =
      0;  // most slots written since reset: what ring groups have overwritten follows from it
  // Slots below are not there, in groups with a window: the session was restored without them.
  uint32_t held_from[kMaxStateGroups] = {};
  uint32_t n_blocks[kMaxStateGroups] = {};  // entries of its block tables in use
  uint64_t step_id = 0;                     // of the step whose rows it may read; 0: none
  uint32_t first_row = 0, n_rows = 0;
  uint64_t last_step = 0;  // in which it took part; 0: none since reset
  uint32_t n_settled = 0;  // computed tokens that no device can take back (runtime/results.h)
  SamplingParams sampling;
  Pcg32 generator;
  Reply* reply = nullptr;  // a block of the session's own
};

// All of these expect the model's lock to be held.
Status CreateSession(Model* model, const SamplingParams& sampling, bool all_logits,
                     Session** session);
void CloseSession(Session* session);
void ResetSession(Session* session);
Status FeedSession(Session* session, const int32_t* tokens, uint64_t n);
Status RewindSession(Session* session, uint64_t length);
Status ForkSession(Session* session, Session** copy);
// Computes up to n_chunk pending tokens (runtime/step.cc).
Status StepSessions(Session* const* sessions, uint64_t n);
// Place of a row of the last step in `base`; the values may not be there yet (runtime/results.h). row -1: the last
// token's.
Status SessionRow(const Session* session, int64_t row, const float* base, uint32_t width,
                  const float** values);
Status SampleSession(Session* session, std::span<const TokenBias> biases, int32_t* token);

Status CheckUsable(const Session* session);
// A group that keeps every slot can give up whole blocks; a ring's blocks hold older slots too.
bool IsRing(const Model& model, const GroupPool& group);
// The session's table of a group: physical blocks.
uint32_t* BlockTable(const Session* session, uint32_t group);
// Makes slots [begin, end) of every group writable by this session alone: takes free blocks, copies
// shared ones.
Status PrepareBlocks(Session* session, uint32_t begin, uint32_t end);
// Overwrites with zeros what only this session can see: non-finite values must not outlive it.
void ScrubBlocks(Session* session);
// Test hook: reorders the free blocks of every group.
void PermuteFreeBlocks(Model* model, uint64_t seed);

}  // namespace samara

#endif  // SAMARA_RUNTIME_SESSION_H_
