#include "apps/eval/evaluate.h"

#include <algorithm>
#include <cmath>

namespace samara::apps {

int Evaluator::Open(const std::string& path, const RunFlags& flags) {
  path_ = path;
  samara_model_options options = flags.Options();
  options.max_outputs = options.n_chunk = 64;  // rows of logits that are kept at a time
  if (flags.ctx != 0) options.max_outputs = options.n_chunk = std::min(options.n_chunk, flags.ctx);
  if (const int code = OpenModel(path, options, &model_); code != kExitOk) return code;
  info_ = InfoOf(model_.get());
  samara_session_options session_options{};
  session_options.struct_size = sizeof(session_options);
  session_options.all_logits = 1;
  samara_session* session = nullptr;
  const samara_status status = samara_session_create(model_.get(), &session_options, &session);
  if (status != SAMARA_OK) return FailLibrary(status, path);
  session_.reset(session);
  return kExitOk;
}

int Evaluator::Begin(std::span<const int32_t> tokens) {
  rows_ = first_row_ = 0;
  samara_status status = samara_session_reset(session_.get());
  if (status == SAMARA_OK) status = samara_feed(session_.get(), tokens.data(), tokens.size());
  if (status == SAMARA_RESOURCE_EXHAUSTED) {
    return Fail(kExitUsage,
                path_ + ": got " + std::to_string(tokens.size()) + " tokens, the context holds " +
                    std::to_string(info_.n_ctx),
                "raise --ctx");
  }
  return status == SAMARA_OK ? kExitOk : FailLibrary(status, path_);
}

int Evaluator::Step() {
  first_row_ += rows_;
  rows_ = 0;
  if (samara_pending(session_.get()) == 0) return kExitOk;
  samara_session* session = session_.get();
  const samara_status status = samara_step(&session, 1);
  if (status != SAMARA_OK) return FailLibrary(status, path_);
  rows_ = samara_logits_rows(session);
  return kExitOk;
}

int Evaluator::Row(size_t i, std::span<const float>* logits) const {
  const float* values = nullptr;
  size_t n = 0;
  const samara_status status = samara_logits(session_.get(), static_cast<int64_t>(i), &values, &n);
  if (status != SAMARA_OK) return FailLibrary(status, path_);
  *logits = {values, n};
  return kExitOk;
}

double LogSumExp(std::span<const float> logits) {
  double max = logits[0];
  for (const float x : logits) max = std::max(max, static_cast<double>(x));
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - max);
  return max + std::log(sum);
}

int MeasurePerplexity(Evaluator* evaluator, std::span<const int32_t> tokens, Perplexity* result) {
  const int32_t bos = evaluator->info().bos;
  const size_t lead = bos >= 0 ? 1 : 0;
  if (evaluator->info().n_ctx < 2) return Fail(kExitUsage, "--ctx: got 1, wanted 2 or more");
  const size_t step = evaluator->info().n_ctx - lead;
  double sum = 0;
  for (size_t begin = 0; begin < tokens.size(); begin += step) {
    std::vector<int32_t> window;
    if (bos >= 0) window.push_back(bos);
    const auto rest = tokens.subspan(begin, std::min(step, tokens.size() - begin));
    window.insert(window.end(), rest.begin(), rest.end());
    if (window.size() < 2) break;
    if (const int code = evaluator->Begin(window); code != kExitOk) return code;
    for (;;) {
      if (const int code = evaluator->Step(); code != kExitOk) return code;
      if (evaluator->Rows() == 0) break;
      for (size_t i = 0; i < evaluator->Rows(); ++i) {
        const size_t next = evaluator->FirstRow() + i + 1;
        if (next >= window.size()) break;
        std::span<const float> logits;
        if (const int code = evaluator->Row(i, &logits); code != kExitOk) return code;
        sum += LogSumExp(logits) - static_cast<double>(logits[window[next]]);
        ++result->scored;
      }
    }
  }
  if (result->scored == 0) return Fail(kExitUsage, "the text is too short to be scored");
  result->nll = sum / static_cast<double>(result->scored);
  return kExitOk;
}

int MeasureDivergence(Evaluator* reference, Evaluator* model, std::span<const int32_t> tokens,
                      Divergence* result) {
  if (reference->info().vocab != model->info().vocab) {
    return Fail(kExitUsage, "the packages have " + std::to_string(reference->info().vocab) +
                                " and " + std::to_string(model->info().vocab) +
                                " logits, wanted equal vocabularies");
  }
  uint64_t same = 0;
  double sum = 0;
  const size_t step = std::min(reference->info().n_ctx, model->info().n_ctx);
  for (size_t begin = 0; begin < tokens.size(); begin += step) {
    const auto window = tokens.subspan(begin, std::min(step, tokens.size() - begin));
    if (const int code = reference->Begin(window); code != kExitOk) return code;
    if (const int code = model->Begin(window); code != kExitOk) return code;
    for (;;) {
      if (const int code = reference->Step(); code != kExitOk) return code;
      if (const int code = model->Step(); code != kExitOk) return code;
      if (reference->Rows() != model->Rows())
        return Fail(kExitFailed, "the models gave different numbers of rows");
      if (reference->Rows() == 0) break;
      for (size_t i = 0; i < reference->Rows(); ++i) {
        std::span<const float> p, q;
        if (const int code = reference->Row(i, &p); code != kExitOk) return code;
        if (const int code = model->Row(i, &q); code != kExitOk) return code;
        const double p_norm = LogSumExp(p), q_norm = LogSumExp(q);
        double divergence = 0;
        size_t p_top = 0, q_top = 0;
        for (size_t k = 0; k < p.size(); ++k) {
          const double log_p = p[k] - p_norm, log_q = q[k] - q_norm;
          divergence += std::exp(log_p) * (log_p - log_q);
          if (p[k] > p[p_top]) p_top = k;
          if (q[k] > q[q_top]) q_top = k;
        }
        sum += divergence;
        result->max = std::max(result->max, divergence);
        same += p_top == q_top;
        ++result->positions;
      }
    }
  }
  if (result->positions == 0) return Fail(kExitUsage, "there are no tokens to compare on");
  result->mean = sum / static_cast<double>(result->positions);
  result->same_top = static_cast<double>(same) / static_cast<double>(result->positions);
  return kExitOk;
}

int SampleTokens(Evaluator* evaluator, size_t n, std::vector<int32_t>* tokens) {
  samara_session* session = evaluator->session();
  samara_sampling sampling{};
  sampling.struct_size = sizeof(sampling);
  sampling.temperature = 1;
  sampling.top_p = 1;
  sampling.repetition_penalty = 1;
  samara_status status = samara_session_set_sampling(session, &sampling);
  if (status == SAMARA_OK) status = samara_session_reset(session);
  const int32_t first = std::max(0, evaluator->info().bos);
  tokens->assign(1, first);
  n = std::min<size_t>(n, evaluator->info().n_ctx);
  while (status == SAMARA_OK && tokens->size() < n) {
    status = samara_feed(session, &tokens->back(), 1);
    if (status == SAMARA_OK) status = samara_step(&session, 1);
    int32_t token = 0;
    if (status == SAMARA_OK) status = samara_sample(session, &token);
    if (status == SAMARA_OK) tokens->push_back(token);
  }
  return status == SAMARA_OK ? kExitOk : FailLibrary(status, "");
}

}  // namespace samara::apps
