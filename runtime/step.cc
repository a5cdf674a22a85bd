// The step: chooses tokens, writes StepParams, runs the partition, checks and hands out the
// results. It allocates nothing.
#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/float_env.h"
#include "runtime/profile.h"
#include "runtime/session.h"

namespace samara {
namespace {

// True if no element is infinite or NaN. An exponent of 255 carries into the sign bit.
bool AllFinite(const float* values, uint64_t n) {
  uint32_t carry[8] = {};  // lanes, for the compiler's vectors
  uint64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (uint64_t j = 0; j < 8; ++j)
      carry[j] |= (std::bit_cast<uint32_t>(values[i + j]) & 0x7f800000u) + 0x00800000u;
  }
  for (; i < n; ++i) carry[0] |= (std::bit_cast<uint32_t>(values[i]) & 0x7f800000u) + 0x00800000u;
  for (uint64_t j = 1; j < 8; ++j) carry[0] |= carry[j];
  return carry[0] < 0x80000000u;
}

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
    model->shares[t.n_seqs++] = {s, take, rows};
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

Bucket& SmallestBucket(Model* model, uint32_t n_tokens) {
  uint32_t b = 0;
  while (b + 1 < model->n_buckets && model->buckets[b].tokens < n_tokens) ++b;
  return model->buckets[b];
}

// Brings results of devices with a memory of their own to the host.
Status FetchResults(Model* model, const Bucket& bucket, uint32_t rows) {
  if (model->backend->host_memory() || rows == 0) return {};
  const ModelLimits& limits = model->limits;
  SAMARA_RETURN_IF_ERROR(model->device->Download(model->arena, bucket.logits_offset,
                                                 const_cast<float*>(model->logits),
                                                 uint64_t{rows} * limits.vocab * sizeof(float)));
  if (limits.hidden_dim == 0) return {};
  return model->device->Download(model->arena, bucket.hidden_offset,
                                 const_cast<float*>(model->hidden),
                                 uint64_t{rows} * limits.hidden_dim * sizeof(float));
}

Status CheckResults(Model* model, const Totals& totals) {
  const uint32_t vocab = model->limits.vocab;
  uint32_t row = 0;
  for (uint32_t i = 0; i < totals.n_seqs; ++i) {
    const StepShare& share = model->shares[i];
    for (uint32_t j = 0; j < share.n_outputs; ++j, ++row) {
      if (AllFinite(model->logits + uint64_t{row} * vocab, vocab)) continue;
      return InvalidFile(
          "logits of session %u at position %u are not finite: weights or states overflow",
          share.session->slot, share.session->n_computed + share.n_tokens - share.n_outputs + j);
    }
  }
  return {};
}

Status RunStep(Model* model, const Totals& totals) {
  for (uint32_t i = 0; i < totals.n_seqs; ++i) {
    Session* s = model->shares[i].session;
    SAMARA_RETURN_IF_ERROR(
        PrepareBlocks(s, s->n_computed, s->n_computed + model->shares[i].n_tokens));
  }
  WriteParams(model, totals);
  ++model->step_id;  // from here on rows of earlier steps are gone
  Bucket& bucket = SmallestBucket(model, totals.n_tokens);
  if (model->profile != nullptr) model->profile->BeginStep({model->step, &model->step_layout});
  SAMARA_RETURN_IF_ERROR(bucket.partition->Run(model->step));
  SAMARA_RETURN_IF_ERROR(FetchResults(model, bucket, totals.n_outputs));
  return CheckResults(model, totals);
}

}  // namespace

Status StepSessions(Session* const* sessions, uint64_t n) {
  SAMARA_RETURN_IF_ERROR(CheckSessions(sessions, n));
  Model* model = sessions[0]->model;
  if (model->cancelled.load(std::memory_order_relaxed)) return Cancelled("the model was cancelled");
  const Totals totals = Choose(sessions, n, model);
  if (totals.n_tokens == 0) return FailedPrecondition("no session of the step has pending tokens");
  FloatEnv env;
  const int64_t start = ProfileSink::Now();
  Status status = RunStep(model, totals);
  if (!status.ok()) {
    for (uint32_t i = 0; i < totals.n_seqs; ++i) {
      Session* s = model->shares[i].session;
      if (status.code() == StatusCode::kCancelled) {
        // It wrote nothing but some slots of its own tokens, which a coming step writes again.
        s->high_water = std::max(s->high_water, s->n_computed + model->shares[i].n_tokens);
        continue;
      }
      s->poisoned = true;
      if (status.code() == StatusCode::kInvalidFile) ScrubBlocks(s);
    }
    return status;
  }
  uint32_t row = 0;
  for (uint32_t i = 0; i < totals.n_seqs; ++i) {
    const StepShare& share = model->shares[i];
    Session* s = share.session;
    s->n_computed += share.n_tokens;
    s->high_water = std::max(s->high_water, s->n_computed);
    s->step_id = model->step_id;
    s->first_row = row;
    s->n_rows = share.n_outputs;
    row += share.n_outputs;
  }
  ++model->n_steps;
  model->n_tokens += totals.n_tokens;
  const int64_t end = ProfileSink::Now();
  model->step_seconds += 1e-9 * static_cast<double>(end - start);
  if (model->profile != nullptr) model->profile->EndStep(start, end);
  return {};
}

}  // namespace samara
