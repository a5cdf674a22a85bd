#include "apps/bench/measure.h"

#include <algorithm>
#include <chrono>

namespace samara::apps {
namespace {

using Clock = std::chrono::steady_clock;

int MeasureOne(Runner* runner, const MeasureOptions& options, uint32_t tokens, bool generate,
               std::vector<Measurement>* out) {
  std::vector<double> speeds;
  for (uint32_t i = 0; i <= options.repetitions; ++i) {
    double speed = 0;
    if (const int code = runner->Time(options.depth, tokens, generate, &speed); code != kExitOk)
      return code;
    if (i > 0) {
      speeds.push_back(speed);
    } else if (options.profile_events != 0) {
      const samara_status status = samara_profile_reset(runner->model());
      if (status != SAMARA_OK) return FailLibrary(status, "");
    }
  }
  Measurement m;
  m.name = (generate ? "tg" : "pp") + std::to_string(tokens);
  m.device = runner->info().device;
  m.threads = runner->info().n_threads;
  (generate ? m.n_gen : m.n_prompt) = tokens;
  m.depth = options.depth;
  m.sessions = options.sessions;
  m.min = *std::min_element(speeds.begin(), speeds.end());
  m.max = *std::max_element(speeds.begin(), speeds.end());
  m.median = Median(std::move(speeds));
  if (options.profile_events != 0) m.profile = ReadProfile(runner->model());
  out->push_back(std::move(m));
  return kExitOk;
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

int Runner::Open(const std::string& path, const MeasureOptions& options, uint32_t threads) {
  path_ = path;
  samara_model_options load = options.run.Options();
  load.n_threads = threads;
  load.max_sessions = options.sessions;
  load.n_chunk = options.batch;
  load.profile = options.profile_events;
  const uint64_t n_ctx = uint64_t{options.depth} + std::max(options.n_prompt, options.n_gen);
  if (load.n_ctx == 0) load.n_ctx = static_cast<uint32_t>(std::min<uint64_t>(n_ctx, UINT32_MAX));
  if (n_ctx > load.n_ctx) {
    return Fail(kExitUsage, "--ctx: got " + std::to_string(load.n_ctx) + ", the tests need " +
                                std::to_string(n_ctx));
  }
  if (const int code = OpenModel(path, load, &model_); code != kExitOk) return code;
  info_ = InfoOf(model_.get());
  if (info_.token_vocab == 0) return Fail(kExitUsage, path + ": the package has no tokens");
  for (uint32_t i = 0; i < options.sessions; ++i) {
    samara_session* session = nullptr;
    const samara_status status = samara_session_create(model_.get(), nullptr, &session);
    if (status != SAMARA_OK) return FailLibrary(status, path_);
    owners_.emplace_back(session);
    sessions_.push_back(session);
  }
  return kExitOk;
}

int Runner::Advance(uint32_t tokens, bool one_by_one) {
  samara_status status = SAMARA_OK;
  std::vector<int32_t> ids(tokens);
  for (uint32_t done = 0; done < tokens && status == SAMARA_OK;) {
    const uint32_t n = one_by_one ? 1 : tokens;
    for (samara_session* session : sessions_) {
      for (uint32_t i = 0; i < n; ++i) ids[i] = NextId();
      if (status == SAMARA_OK) status = samara_feed(session, ids.data(), n);
    }
    while (status == SAMARA_OK && Pending())
      status = samara_step(sessions_.data(), sessions_.size());
    // A GPU may still be at it.
    if (status == SAMARA_OK && (one_by_one || done + n == tokens)) {
      status = samara_wait(model_.get());
    }
    done += n;
  }
  return status == SAMARA_OK ? kExitOk : FailLibrary(status, path_);
}

int Runner::Return(uint32_t depth) {
  for (samara_session* session : sessions_) {
    const samara_status status = depth == 0 || samara_length(session) < depth
                                     ? samara_session_reset(session)
                                     : samara_rewind(session, depth);
    if (status != SAMARA_OK) return FailLibrary(status, path_);
  }
  return samara_length(sessions_[0]) < depth ? Advance(depth, false) : kExitOk;
}

int Runner::Time(uint32_t depth, uint32_t tokens, bool one_by_one, double* speed) {
  if (const int code = Return(depth); code != kExitOk) return code;
  const Clock::time_point begin = Clock::now();
  if (const int code = Advance(tokens, one_by_one); code != kExitOk) return code;
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  *speed = static_cast<double>(uint64_t{tokens} * sessions_.size()) / std::max(seconds, 1e-9);
  return kExitOk;
}

bool Runner::Pending() const {
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [](const samara_session* session) { return samara_pending(session) > 0; });
}

int32_t Runner::NextId() {
  state_ = state_ * 6364136223846793005u + 1442695040888963407u;
  return static_cast<int32_t>((state_ >> 33) % info_.token_vocab);
}

int Measure(const std::string& path, const MeasureOptions& options, uint32_t threads,
            std::vector<Measurement>* out) {
  Runner runner;
  if (const int code = runner.Open(path, options, threads); code != kExitOk) return code;
  if (options.n_prompt > 0) {
    if (const int code = MeasureOne(&runner, options, options.n_prompt, false, out);
        code != kExitOk)
      return code;
  }
  if (options.n_gen > 0) {
    if (const int code = MeasureOne(&runner, options, options.n_gen, true, out); code != kExitOk)
      return code;
  }
  return kExitOk;
}

}  // namespace samara::apps
