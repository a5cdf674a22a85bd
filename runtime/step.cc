// The step: chooses tokens, writes StepParams, runs the partition, checks and hands out the
// results. It allocates nothing.
#include <algorithm>
#include <cstring>

#include "runtime/float_env.h"
#include "runtime/profile.h"
#include "runtime/results.h"
#include "runtime/session.h"

namespace samara {
namespace {

constexpr uint64_t kMaxOpenSteps = 4;

struct Totals {
  uint32_t n_seqs = 0, n_tokens = 0, n_outputs = 0;
};

Status CheckSessions(Session* const* sessions, uint64_t n) {
  if (n == 0 || sessions == nullptr) return InvalidArgument("a step of no sessions");
  for (uint64_t i = 0; i < n; ++i) {
    if (sessions[i] == nullptr)
      return InvalidArgument("session %u of the step is NULL", unsigned(i));
    if (sessions[i]->model != sessions[0]->model) {
      return InvalidArgument("the sessions of a step belong to different models");
    }
  }
  Status status;
  uint64_t marked = 0;
  for (; marked < n && status.ok(); ++marked) {
    if (sessions[marked]->selected) {
      status = InvalidArgument("session %u stands in the step twice", sessions[marked]->slot);
      break;
    }
    sessions[marked]->selected = true;
    status = CheckUsable(sessions[marked]);
  }
  for (uint64_t i = 0; i < marked; ++i) sessions[i]->selected = false;
  return status;
}

// Takes pending tokens in turn. A session whose last pending token is taken gets a row of results,
// one that wants all logits a row a token; where no rows are left, tokens stay pending.
Totals Choose(Session* const* sessions, uint64_t n, Model* model) {
  Totals t;
  for (uint64_t i = 0; i < n; ++i) {
    Session* s = sessions[i];
    uint32_t take = std::min(s->n_tokens - s->n_computed, model->limits.n_chunk - t.n_tokens);
    const uint32_t rows_left = model->limits.max_outputs - t.n_outputs;
    uint32_t rows = 0;
    if (s->all_logits) {
      take = rows = std::min(take, rows_left);
    } else if (s->n_computed + take == s->n_tokens && take > 0) {
      if (rows_left == 0) {
        --take;
      } else {
        rows = 1;
      }
    }
    if (take == 0) continue;
    model->shares[t.n_seqs++] = {s, take, rows, s->slot, s->n_computed + take};
    t.n_tokens += take;
    t.n_outputs += rows;
  }
  return t;
}

void WriteParams(Model* model, const Totals& totals) {
  const StepLayout& layout = model->step_layout;
  StepHeader& header = *reinterpret_cast<StepHeader*>(model->step);
  header = {totals.n_tokens, totals.n_seqs, totals.n_outputs, 0};
  TokenParams* tokens = reinterpret_cast<TokenParams*>(model->step + layout.tokens);
  SeqParams* seqs = reinterpret_cast<SeqParams*>(model->step + layout.seqs);
  OutputParams* outputs = reinterpret_cast<OutputParams*>(model->step + layout.outputs);
  uint32_t token = 0, row = 0;
  for (uint32_t i = 0; i < totals.n_seqs; ++i) {
    const StepShare& share = model->shares[i];
    const Session& s = *share.session;
    SeqParams& seq = seqs[i];
    seq = {};
    seq.first_token = token;
    seq.n_tokens = share.n_tokens;
    seq.length = s.n_computed + share.n_tokens;
    seq.reset = s.n_computed == 0 ? 1 : 0;
    seq.state_in = seq.state_out = s.slot;
    for (uint32_t g = 0; g < model->n_groups; ++g) {
      seq.block_table[g] = s.slot * model->table_entries + model->groups[g].first_entry;
    }
    for (uint32_t j = 0; j < share.n_tokens; ++j) {
      TokenParams& t = tokens[token + j];
      const uint32_t slot = s.n_computed + j;
      t = {};
      t.id = s.tokens[slot];
      for (int32_t& p : t.position) p = static_cast<int32_t>(slot);
      t.seq = i;
      t.write_slot = slot;
      t.visible_end = slot + 1;
    }
    token += share.n_tokens;
    for (uint32_t j = 0; j < share.n_outputs; ++j) {
      OutputParams& out = outputs[row++];
      out = {};
      out.row = token - share.n_outputs + j;
      out.temperature = s.sampling.temperature;
      out.top_p = s.sampling.top_p;
      out.min_p = s.sampling.min_p;
      out.top_k = s.sampling.top_k;
    }
  }
}

uint32_t SmallestBucket(const Model& model, uint32_t n_tokens) {
  uint32_t b = 0;
  while (b + 1 < model.n_buckets && model.buckets[b].tokens < n_tokens) ++b;
  return b;
}

// Copies what the piece reads of the other side, then runs it.
Status RunPiece(Model* model, const StepPiece& piece) {
  const StepHeader& header = *reinterpret_cast<const StepHeader*>(model->step);
  for (uint32_t i = 0; i < piece.n_copies; ++i) {
    const StepCopy& copy = model->schedule.copies()[piece.first_copy + i];
    const uint64_t bytes = copy.Bytes(header);
    if (bytes == 0) continue;
    uint8_t* const host = reinterpret_cast<uint8_t*>(model->host_arena);
    SAMARA_RETURN_IF_ERROR(
        piece.side == Side::kDevice
            ? model->device->Upload(model->arena, copy.to, host + copy.from, bytes)
            : model->device->Download(model->arena, copy.from, host + copy.to, bytes));
  }
  return piece.partition->Run(model->step);
}

Status RunStep(Model* model, const Totals& totals) {
  for (uint32_t i = 0; i < totals.n_seqs; ++i) {
    Session* s = model->shares[i].session;
    SAMARA_RETURN_IF_ERROR(
        PrepareBlocks(s, s->n_computed, s->n_computed + model->shares[i].n_tokens));
  }
  WriteParams(model, totals);
  ++model->step_id;  // from here on rows of earlier steps are gone
  model->last_bucket = SmallestBucket(*model, totals.n_tokens);
  model->last_rows = totals.n_outputs;
  model->last_shares = totals.n_seqs;
  for (Results* results : {&model->logits, &model->hidden})
    results->fetched = results->side == Side::kHost;
  if (model->profile != nullptr) model->profile->BeginStep({model->step, &model->step_layout});
  const StepPiece* pieces = model->schedule.pieces(model->last_bucket);
  for (uint32_t i = 0; i < model->schedule.n_pieces(); ++i) {
    SAMARA_RETURN_IF_ERROR(RunPiece(model, pieces[i]));
  }
  return model->logits.side == Side::kHost ? CheckLogits(*model) : Status();
}

// Ends a step that failed: cancelled tokens stay pending, else its sessions are poisoned. Steps before it that a device
// still had in hand are settled too.
Status FailStep(Model* model, const Totals& totals, uint64_t before, Status status) {
  if (model->settled_step < before) {
    const uint64_t after = model->step_id;
    model->step_id = before;
    static_cast<void>(
        SettleSteps(model, model->device->Finish()).ok());  // `status` tells the error
    model->step_id = after;
  }
  model->settled_step = model->step_id;
  for (uint32_t i = 0; i < totals.n_seqs; ++i) {
    Session* s = model->shares[i].session;
    if (status.code() == StatusCode::kCancelled) {
      // It wrote nothing but some slots of its own tokens, which a coming step writes again.
      s->high_water = std::max(s->high_water, model->shares[i].end);
      continue;
    }
    s->poisoned = true;
    if (status.code() == StatusCode::kInvalidFile) ScrubBlocks(s);
  }
  return status;
}

}  // namespace

Status StepSessions(Session* const* sessions, uint64_t n) {
  SAMARA_RETURN_IF_ERROR(CheckSessions(sessions, n));
  Model* model = sessions[0]->model;
  if (model->cancelled.load(std::memory_order_relaxed)) return Cancelled("the model was cancelled");
  // A few steps may wait on a device; more would only make its errors and cancelling late.
  if (model->step_id - model->settled_step >= kMaxOpenSteps) {
    SAMARA_RETURN_IF_ERROR(WaitForSteps(model));
  }
  const Totals totals = Choose(sessions, n, model);
  if (totals.n_tokens == 0) return FailedPrecondition("no session of the step has pending tokens");
  FloatEnv env;
  const int64_t start = ProfileSink::Now();
  const uint64_t before = model->step_id;
  Status status = RunStep(model, totals);
  if (!status.ok()) return FailStep(model, totals, before, std::move(status));
  uint32_t row = 0;
  for (uint32_t i = 0; i < totals.n_seqs; ++i) {
    const StepShare& share = model->shares[i];
    Session* s = share.session;
    if (s->last_step <= model->settled_step) s->n_settled = s->n_computed;
    s->n_computed += share.n_tokens;
    s->high_water = std::max(s->high_water, s->n_computed.load());
    s->step_id = s->last_step = model->step_id;
    s->first_row = row;
    s->n_rows = share.n_outputs;
    row += share.n_outputs;
  }
  if (!model->queues()) model->settled_step = model->step_id;
  ++model->n_steps;
  model->n_tokens += totals.n_tokens;
  const int64_t end = ProfileSink::Now();
  model->step_seconds += 1e-9 * static_cast<double>(end - start);
  if (model->profile != nullptr) model->profile->EndStep(start, end);
  return {};
}

}  // namespace samara
