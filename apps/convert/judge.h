// How far a package's predictions are from those of another in the source's types, on a text.
#ifndef SAMARA_APPS_CONVERT_JUDGE_H_
#define SAMARA_APPS_CONVERT_JUDGE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "apps/common/model.h"
#include "formats/status.h"

namespace samara::apps {

class Judge {
 public:
  Judge(std::string text, uint32_t threads) : text_(std::move(text)), threads_(threads) {}

  // Keeps the probabilities that this package gives: of the first tokens of the text, as many as a bounded memory takes.
  Status SetReference(const std::string& path);
  // Mean Kullback-Leibler divergence from them in nats.
  StatusOr<double> Divergence(const std::string& path, uint64_t* positions) const;

 private:
  // Calls `each` with every row of logits in order.
  Status Run(const std::string& path, std::vector<int32_t>* tokens,
             const std::function<void(std::span<const float>)>& each) const;

  std::string text_;
  uint32_t threads_;
  std::vector<int32_t> tokens_;
  size_t vocab_ = 0;
  std::vector<float> log_p_;  // [tokens, vocab]
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CONVERT_JUDGE_H_
