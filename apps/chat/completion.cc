#include "apps/chat/completion.h"

#include <chrono>
#include <cstdio>

#include "apps/chat/stop_filter.h"
#include "apps/common/cli.h"
#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string Speed(uint64_t tokens, double seconds) {
  return std::to_string(tokens) + " tokens" +
         (seconds > 0 ? ", " + Fixed(static_cast<double>(tokens) / seconds, 1) + " a second" : "");
}

class Output {
 public:
  explicit Output(bool terminal) : terminal_(terminal) {}
  bool Print(const std::string& text) {
    if (text.empty()) return true;
    if (!terminal_) return WriteAll(text, stdout);
    std::string escaped;
    AppendEscaped(text, /*keep_line_breaks=*/true, &escaped);
    return WriteAll(escaped, stdout);
  }

 private:
  bool terminal_;
};

enum class End { kEndOfText, kLimit, kStop, kContextFull, kInterrupted, kOutputClosed, kFailed };

// Samples, prints and feeds until something ends it. kFailed: *status says why.
End Generate(samara_model* model, samara_session* session, const CompletionOptions& options,
             const Interrupt& interrupt, Decoder* decoder, Output* output, uint64_t* n_tokens,
             samara_status* status) {
  const uint32_t n_ctx = InfoOf(model).n_ctx;
  StopFilter filter(options.stops);
  End end = End::kLimit;
  while (!options.max_tokens || *n_tokens < *options.max_tokens) {
    int32_t token = 0;
    *status = samara_sample(session, &token);
    if (*status != SAMARA_OK) return End::kFailed;
    if (samara_model_is_eos(model, token)) {
      end = End::kEndOfText;
      break;
    }
    ++*n_tokens;
    std::string piece, shown;
    *status = decoder->Append(token, &piece);
    if (*status != SAMARA_OK) return End::kFailed;
    const bool stopped = filter.Add(piece, &shown);
    if (!output->Print(shown)) return End::kOutputClosed;
    if (stopped) return End::kStop;
    if (samara_length(session) >= n_ctx) {
      end = End::kContextFull;
      break;
    }
    if (options.max_tokens && *n_tokens == *options.max_tokens) break;
    *status = samara_feed(session, &token, 1);
    if (*status == SAMARA_OK) *status = samara_step(&session, 1);
    if (*status == SAMARA_CANCELLED && interrupt.requested()) return End::kInterrupted;
    if (*status != SAMARA_OK) return End::kFailed;
  }
  std::string piece, rest;
  *status = decoder->End(&piece);
  if (*status != SAMARA_OK) return End::kFailed;
  if (!filter.Add(piece, &rest)) filter.Flush(&rest);
  return output->Print(rest) ? end : End::kOutputClosed;
}

}  // namespace

int Complete(samara_model* model, samara_session* session, const std::string& prompt,
             const CompletionOptions& options, Interrupt* interrupt) {
  samara_status status = samara_session_reset(session);
  if (status != SAMARA_OK) return FailLibrary(status, "");
  std::vector<int32_t> tokens;
  status = Tokenize(model, prompt, 0, &tokens);
  if (status != SAMARA_OK) return FailLibrary(status, "prompt");
  if (tokens.empty()) {
    return Fail(kExitUsage, "the prompt has no tokens and the model no token that begins a text",
                "give a prompt with -p");
  }
  status = samara_feed(session, tokens.data(), tokens.size());
  if (status == SAMARA_RESOURCE_EXHAUSTED) {
    return Fail(kExitUsage,
                "the prompt has " + std::to_string(tokens.size()) + " tokens, the context " +
                    std::to_string(InfoOf(model).n_ctx) + " positions",
                "raise --ctx");
  }
  if (status != SAMARA_OK) return FailLibrary(status, "prompt");

  // The prompt appears as it was given; its tokens only bring the decoder into the right state.
  Decoder decoder(model);
  std::string ignored;
  for (const int32_t token : tokens) {
    status = decoder.Append(token, &ignored);
    if (status != SAMARA_OK) return FailLibrary(status, "prompt");
  }
  Output output(options.terminal);
  if (!output.Print(prompt)) return Fail(kExitFailed, "cannot write to standard output");

  uint64_t n_tokens = 0;
  End end = End::kLimit;
  Clock::time_point begin = Clock::now();
  status = samara_run(session);
  const double prompt_seconds = Seconds(begin);
  begin = Clock::now();
  if (status == SAMARA_OK) {
    end = Generate(model, session, options, *interrupt, &decoder, &output, &n_tokens, &status);
  } else {
    end = status == SAMARA_CANCELLED && interrupt->requested() ? End::kInterrupted : End::kFailed;
  }
  const double seconds = Seconds(begin);

  if (end == End::kOutputClosed || !WriteAll("\n", stdout)) {
    return Fail(kExitFailed, "cannot write to standard output");
  }
  if (end == End::kFailed) return FailLibrary(status, "");
  if (end == End::kInterrupted) return Fail(kExitFailed, "stopped");
  if (end == End::kContextFull) {
    Note("the context is full: " + std::to_string(InfoOf(model).n_ctx) +
         " positions; raise --ctx to go on");
  }
  if (options.statistics) {
    Note("prompt " + Speed(tokens.size(), prompt_seconds) + "; reply " + Speed(n_tokens, seconds));
  }
  return kExitOk;
}

}  // namespace samara::apps
