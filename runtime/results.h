// What comes back of a step.
//
// On a host a step is done when it returns. A device may only have queued it: its work is settled by the first call
// that waits (results, a drawn token, samara_wait), and errors of all steps since the last settled one come up there.
// All of these expect the model's lock to be held.
#ifndef SAMARA_RUNTIME_RESULTS_H_
#define SAMARA_RUNTIME_RESULTS_H_

#include "runtime/session.h"

namespace samara {

// Tells the sessions of all steps that are not settled how a call that waited for the device ended: OK keeps what they
// computed, kCancelled takes it back to pending tokens, anything else poisons them. Returns `status`.
Status SettleSteps(Model* model, Status status);
// Waits for all steps.
Status WaitForSteps(Model* model);

// Row `row` of the session in the last step (-1: the last token's), fetched if need be. A logit that is not finite
// poisons the sessions of that step.
Status SessionLogits(const Session* session, int64_t row, const float** values);
Status SessionHidden(const Session* session, int64_t row, const float** values);

// Logits of `rows` rows are finite? Names the session and position of one that is not.
Status CheckLogits(const Model& model);

}  // namespace samara

#endif  // SAMARA_RUNTIME_RESULTS_H_
