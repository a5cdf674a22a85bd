#include "apps/convert/judge.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace samara::apps {
namespace {

constexpr size_t kMaxTokens = 4096;
constexpr size_t kMaxReference = size_t{1} << 27;  // numbers kept
constexpr size_t kWindow = 512, kChunk = 64;

Status Failed(samara_status status) {
  return Status(static_cast<StatusCode>(status), samara_last_error());
}

double LogSum(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - most);
  return most + std::log(sum);
}

}  // namespace

Status Judge::Run(const std::string& path, std::vector<int32_t>* tokens,
                  const std::function<void(std::span<const float>)>& each) const {
  samara_model_options options = SAMARA_MODEL_OPTIONS_INIT;
  options.n_threads = threads_;
  options.n_chunk = options.max_outputs = kChunk;
  options.backend = "cpu";
  samara_model* opened = nullptr;
  samara_status status = samara_model_open(path.c_str(), &options, &opened);
  if (status != SAMARA_OK) return Failed(status);
  const ModelPtr model(opened);
  const samara_model_info info = InfoOf(opened);
  if (tokens->empty()) {
    // Conversations hold the marks that templates write.
    status = Tokenize(opened, text_, SAMARA_TOKENIZE_PARSE_SPECIAL, tokens);
    if (status != SAMARA_OK) return Failed(status);
    tokens->resize(
        std::min({tokens->size(), kMaxTokens, kMaxReference / std::max(info.vocab, 1u)}));
    if (tokens->size() < 2)
      return InvalidArgument("--calibrate: got a text of less than two tokens");
  }
  samara_session_options session_options{};
  session_options.struct_size = sizeof(session_options);
  session_options.all_logits = 1;
  samara_session* created = nullptr;
  status = samara_session_create(opened, &session_options, &created);
  if (status != SAMARA_OK) return Failed(status);
  const SessionPtr session(created);
  const size_t window = std::min<size_t>(kWindow, info.n_ctx);
  for (size_t begin = 0; begin < tokens->size(); begin += window) {
    const size_t n = std::min(window, tokens->size() - begin);
    status = samara_session_reset(created);
    if (status == SAMARA_OK) status = samara_feed(created, tokens->data() + begin, n);
    while (status == SAMARA_OK && samara_pending(created) > 0) {
      status = samara_step(&created, 1);
      const size_t rows = status == SAMARA_OK ? samara_logits_rows(created) : 0;
      for (size_t i = 0; i < rows && status == SAMARA_OK; ++i) {
        const float* values = nullptr;
        size_t count = 0;
        status = samara_logits(created, static_cast<int64_t>(i), &values, &count);
        if (status == SAMARA_OK) each({values, count});
      }
    }
    if (status != SAMARA_OK) return Failed(status);
  }
  return Status();
}

Status Judge::SetReference(const std::string& path) {
  tokens_.clear();
  log_p_.clear();
  return Run(path, &tokens_, [this](std::span<const float> logits) {
    vocab_ = logits.size();
    const double norm = LogSum(logits);
    for (const float x : logits)
      log_p_.push_back(static_cast<float>(static_cast<double>(x) - norm));
  });
}

StatusOr<double> Judge::Divergence(const std::string& path, uint64_t* positions) const {
  std::vector<int32_t> tokens = tokens_;
  double sum = 0;
  size_t row = 0;
  SAMARA_RETURN_IF_ERROR(Run(path, &tokens, [&](std::span<const float> logits) {
    if (logits.size() != vocab_ || (row + 1) * vocab_ > log_p_.size()) return;
    const float* log_p = log_p_.data() + row++ * vocab_;
    const double norm = LogSum(logits);
    for (size_t k = 0; k < vocab_; ++k) {
      const double own = static_cast<double>(log_p[k]);
      sum += std::exp(own) * (own - (static_cast<double>(logits[k]) - norm));
    }
  }));
  if (row == 0 || row * vocab_ != log_p_.size())
    return Internal("the packages gave different numbers of logits");
  *positions = row;
  return sum / static_cast<double>(row);
}

}  // namespace samara::apps
