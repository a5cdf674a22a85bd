// Logits of given tokens, position by position, and measures made of them.
#ifndef SAMARA_APPS_EVAL_EVALUATE_H_
#define SAMARA_APPS_EVAL_EVALUATE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "apps/common/cli.h"
#include "apps/common/model.h"

namespace samara::apps {

// Runs sequences through a model and hands out every row of logits.
class Evaluator {
 public:
  // One session with the logits of every token. Errors are printed. The exit code.
  int Open(const std::string& path, const RunFlags& flags);

  const samara_model* model() const { return model_.get(); }
  const samara_model_info& info() const { return info_; }
  samara_session* session() { return session_.get(); }

  // Starts a new sequence of at most n_ctx tokens.
  int Begin(std::span<const int32_t> tokens);
  // Computes up to n_chunk tokens. Rows() is 0 after the last.
  int Step();
  size_t Rows() const { return rows_; }
  // Logits after token FirstRow() + i of the sequence; valid until the next Step.
  int Row(size_t i, std::span<const float>* logits) const;
  size_t FirstRow() const { return first_row_; }

 private:
  std::string path_;
  ModelPtr model_;
  SessionPtr session_;
  samara_model_info info_{};
  size_t rows_ = 0, first_row_ = 0;
};

// ln of the sum of exp(logit), in binary64 and ascending order.
double LogSumExp(std::span<const float> logits);

// Mean of -ln p(token | those before) over windows of the context that do not overlap. A window
// begins with the model's first token if it has one, which is not scored.
struct Perplexity {
  uint64_t scored = 0;
  double nll = 0;  // mean, in nats
};
int MeasurePerplexity(Evaluator* evaluator, std::span<const int32_t> tokens, Perplexity* result);

// Kullback-Leibler divergence of `model` from `reference` at every position, in nats, and how often
// both like the same token most. A model against itself gives exactly 0.
struct Divergence {
  uint64_t positions = 0;
  double mean = 0, max = 0;
  double same_top = 0;  // share
};
int MeasureDivergence(Evaluator* reference, Evaluator* model, std::span<const int32_t> tokens,
                      Divergence* result);

// Continues from the model's first token by sampling at temperature 1 with seed 0: text as the
// model itself would write, for a comparison where none is given.
int SampleTokens(Evaluator* evaluator, size_t n, std::vector<int32_t>* tokens);

}  // namespace samara::apps

#endif  // SAMARA_APPS_EVAL_EVALUATE_H_
