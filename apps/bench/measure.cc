#include "apps/bench/measure.h"

#include <algorithm>
#include <chrono>

#include "apps/common/model.h"

namespace samara::apps {
namespace {

using Clock = std::chrono::steady_clock;

class Runner {
 public:
  int Open(const std::string& path, const MeasureOptions& options, uint32_t threads) {
    path_ = path;
    samara_model_options load = options.run.Options();
    load.n_threads = threads;
    load.max_sessions = options.sessions;
    load.n_chunk = options.batch;
    const uint64_t n_ctx = uint64_t{options.depth} + std::max(options.n_prompt, options.n_gen);
    if (load.n_ctx == 0) load.n_ctx = static_cast<uint32_t>(std::min<uint64_t>(n_ctx, UINT32_MAX));
    if (n_ctx > load.n_ctx) {
      return Fail(kExitUsage, "--ctx: got " + std::to_string(load.n_ctx) + ", the tests need " +
                                  std::to_string(n_ctx));
    }
    if (const int code = OpenModel(path, load, &model_); code != kExitOk) return code;
    info_ = InfoOf(model_.get());
    for (uint32_t i = 0; i < options.sessions; ++i) {
      samara_session* session = nullptr;
      const samara_status status = samara_session_create(model_.get(), nullptr, &session);
      if (status != SAMARA_OK) return FailLibrary(status, path_);
      owners_.emplace_back(session);
      sessions_.push_back(session);
    }
    return kExitOk;
  }

  const samara_model_info& info() const { return info_; }

  // `tokens` in each session in steps as large as allowed, or one token a step.
  int Advance(uint32_t tokens, bool one_by_one) {
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
      done += n;
    }
    return status == SAMARA_OK ? kExitOk : FailLibrary(status, path_);
  }

  // Back to `depth` tokens a session; fills up to there the first time.
  int Return(uint32_t depth) {
    for (samara_session* session : sessions_) {
      const samara_status status = depth == 0 || samara_length(session) < depth
                                       ? samara_session_reset(session)
                                       : samara_rewind(session, depth);
      if (status != SAMARA_OK) return FailLibrary(status, path_);
    }
    return samara_length(sessions_[0]) < depth ? Advance(depth, false) : kExitOk;
  }

 private:
  bool Pending() const {
    return std::any_of(sessions_.begin(), sessions_.end(),
                       [](const samara_session* session) { return samara_pending(session) > 0; });
  }
  int32_t NextId() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int32_t>((state_ >> 33) % info_.token_vocab);
  }

  std::string path_;
  ModelPtr model_;
  std::vector<SessionPtr> owners_;
  std::vector<samara_session*> sessions_;
  samara_model_info info_{};
  uint64_t state_ = 1;
};

int MeasureOne(Runner* runner, const MeasureOptions& options, uint32_t tokens, bool generate,
               std::vector<Measurement>* out) {
  std::vector<double> speeds;
  for (uint32_t i = 0; i <= options.repetitions; ++i) {
    if (const int code = runner->Return(options.depth); code != kExitOk) return code;
    const Clock::time_point begin = Clock::now();
    if (const int code = runner->Advance(tokens, generate); code != kExitOk) return code;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (i > 0) speeds.push_back(uint64_t{tokens} * options.sessions / std::max(seconds, 1e-9));
  }
  std::sort(speeds.begin(), speeds.end());
  const size_t middle = speeds.size() / 2;
  Measurement m;
  m.name = (generate ? "tg" : "pp") + std::to_string(tokens);
  m.device = runner->info().device;
  m.threads = runner->info().n_threads;
  (generate ? m.n_gen : m.n_prompt) = tokens;
  m.depth = options.depth;
  m.sessions = options.sessions;
  m.median = speeds.size() % 2 == 1 ? speeds[middle] : (speeds[middle - 1] + speeds[middle]) / 2;
  m.min = speeds.front();
  m.max = speeds.back();
  out->push_back(std::move(m));
  return kExitOk;
}

}  // namespace

int Measure(const std::string& path, const MeasureOptions& options, uint32_t threads,
            std::vector<Measurement>* out) {
  Runner runner;
  if (const int code = runner.Open(path, options, threads); code != kExitOk) return code;
  if (runner.info().token_vocab == 0) return Fail(kExitUsage, path + ": the package has no tokens");
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
