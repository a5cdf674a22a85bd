// The profile's functions of the C API.
#include <mutex>

#include "runtime/api_guard.h"
#include "runtime/model.h"
#include "runtime/profile.h"

using namespace samara;  // NOLINT: this file is the boundary

namespace {

// The model's lock, as its steps write what is read here.
Status ProfileOf(const samara_model* model, std::unique_lock<std::mutex>* lock, Profile** profile) {
  if (model == nullptr) return Null("model");
  Model& m = *const_cast<Model*>(reinterpret_cast<const Model*>(model));
  if (m.profile == nullptr) return FailedPrecondition("the model was opened without a profile");
  *lock = std::unique_lock<std::mutex>(m.mutex);
  *profile = m.profile;
  return {};
}

}  // namespace

extern "C" {

samara_status samara_profile_op_at(const samara_model* model, uint32_t index,
                                   samara_profile_op* op) {
  return Guard([&]() -> Status {
    SAMARA_RETURN_IF_ERROR(CheckSize(op, "profile op"));
    std::unique_lock<std::mutex> lock;
    Profile* profile = nullptr;
    SAMARA_RETURN_IF_ERROR(ProfileOf(model, &lock, &profile));
    if (index >= profile->n_ops()) return NotFound("no more operators");
    const ProfileOp& p = profile->ops()[index];
    *op = {sizeof *op, p.name, p.kind, p.type, p.calls, p.seconds, p.bytes, p.operations};
    return {};
  });
}

samara_status samara_profile_event_at(const samara_model* model, uint64_t index,
                                      samara_profile_event* event) {
  return Guard([&]() -> Status {
    SAMARA_RETURN_IF_ERROR(CheckSize(event, "profile event"));
    std::unique_lock<std::mutex> lock;
    Profile* profile = nullptr;
    SAMARA_RETURN_IF_ERROR(ProfileOf(model, &lock, &profile));
    if (index >= profile->n_events()) return NotFound("no more events");
    const ProfileEvent& e = profile->event(index);
    const auto seconds = [&](int64_t time) {
      return 1e-9 * static_cast<double>(time - profile->origin());
    };
    *event = {sizeof *event,    e.op,           e.n_tokens, e.step,
              seconds(e.begin), seconds(e.end), e.bytes,    e.operations};
    return {};
  });
}

samara_status samara_profile_reset(samara_model* model) {
  return Guard([&]() -> Status {
    std::unique_lock<std::mutex> lock;
    Profile* profile = nullptr;
    SAMARA_RETURN_IF_ERROR(ProfileOf(model, &lock, &profile));
    profile->Reset();
    return {};
  });
}

}  // extern "C"
