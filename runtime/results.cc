#include "runtime/results.h"

#include <bit>
#include <cstring>

#include "runtime/float_env.h"

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

// The device took part in steps that nobody has waited for.
bool IsOpen(const Model& model) { return model.settled_step != model.step_id; }

class Waiting {
 public:
  explicit Waiting(Model* model) : model_(*model), begin_(ProfileSink::Now()) {}
  ~Waiting() { model_.step_seconds += 1e-9 * static_cast<double>(ProfileSink::Now() - begin_); }

 private:
  Model& model_;
  const int64_t begin_;
};

// Brings the last step's rows to the host.
Status Fetch(Model* model, Results* results, uint32_t width) {
  if (results->side == Side::kHost) return WaitForSteps(model);
  if (results->fetched) return {};
  const Waiting waiting(model);
  const Bucket& bucket = model->buckets[model->last_bucket];
  const uint64_t offset = results == &model->logits ? bucket.logits_offset : bucket.hidden_offset;
  Status status = model->device->Download(model->arena, offset, const_cast<float*>(results->values),
                                          uint64_t{model->last_rows} * width * sizeof(float));
  SAMARA_RETURN_IF_ERROR(SettleSteps(model, std::move(status)));
  if (results == &model->logits) SAMARA_RETURN_IF_ERROR(SettleSteps(model, CheckLogits(*model)));
  results->fetched = true;
  return {};
}

}  // namespace

Status SettleSteps(Model* model, Status status) {
  for (uint32_t i = 0; i < model->limits.max_sessions; ++i) {
    Session* s = model->sessions[i];
    if (s == nullptr) continue;
    // Bad values are those of the last step; all else may be of any that is open.
    const bool last = s->last_step != 0 && s->last_step == model->step_id;
    const bool open = s->last_step > model->settled_step;
    if (status.ok() || (status.code() == StatusCode::kInvalidFile && !last)) {
      if (open) s->n_settled = s->n_computed;
    } else if (status.code() == StatusCode::kCancelled) {
      if (!open) continue;
      // The cancelled tokens are pending again; some of their slots may have been written.
      s->n_computed = s->n_settled;
      s->step_id = 0;
      s->n_rows = 0;
    } else if (open || last) {
      s->poisoned = true;
      if (status.code() == StatusCode::kInvalidFile) ScrubBlocks(s);
    }
  }
  model->settled_step = model->step_id;
  return status;
}

Status WaitForSteps(Model* model) {
  if (!IsOpen(*model)) return {};
  const Waiting waiting(model);
  return SettleSteps(model, model->device->Finish());
}

Status SessionLogits(const Session* session, int64_t row, const float** values) {
  Model& model = *session->model;
  const float* none = nullptr;
  // Says first whether there is such a row.
  SAMARA_RETURN_IF_ERROR(SessionRow(session, row, nullptr, 0, &none));
  SAMARA_RETURN_IF_ERROR(Fetch(&model, &model.logits, model.limits.vocab));
  return SessionRow(session, row, model.logits.values, model.limits.vocab, values);
}

Status SessionHidden(const Session* session, int64_t row, const float** values) {
  Model& model = *session->model;
  const float* none = nullptr;
  SAMARA_RETURN_IF_ERROR(SessionRow(session, row, nullptr, 0, &none));
  SAMARA_RETURN_IF_ERROR(Fetch(&model, &model.hidden, model.limits.hidden_dim));
  return SessionRow(session, row, model.hidden.values, model.limits.hidden_dim, values);
}

Status CheckLogits(const Model& model) {
  const uint32_t vocab = model.limits.vocab;
  for (uint32_t row = 0; row < model.last_rows; ++row) {
    if (AllFinite(model.logits.values + uint64_t{row} * vocab, vocab)) continue;
    for (uint32_t i = 0, first = 0; i < model.last_shares; ++i) {
      const StepShare& share = model.shares[i];
      if (row < first + share.n_outputs) {
        return InvalidFile(
            "logits of session %u at position %u are not finite: weights or states overflow",
            share.slot, share.end - share.n_outputs + (row - first));
      }
      first += share.n_outputs;
    }
  }
  return {};
}

}  // namespace samara
