#include "apps/chat/chat.h"

#include <chrono>

#include "apps/common/cli.h"
#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

std::string Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \n\t");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \n\t") - begin + 1));
}

constexpr char kCpuHint[] = "--backend cpu goes on without it";

// What can be done about a full context.
std::string FullHint(bool interactive) {
  return std::string(interactive ? "/reset begins anew, /undo takes the last turn back, "
                                   "/params on_full slide goes on without the middle"
                                 : "--on-full slide goes on without the middle") +
         ", --ctx N makes room";
}

}  // namespace

Chat::Chat(samara_model* model, samara_session* session, const Settings& settings,
           const ChatOptions& options, Printer* printer, Signals* signals, const FileWatch* watch)
    : model_(model),
      settings_(settings),
      options_(options),
      printer_(printer),
      signals_(signals),
      watch_(watch),
      engine_(model, session, settings.sampling),
      tags_(ReasoningTags(model)) {
  conversation_.raw = options.raw;
  engine_.OnSlide([this](size_t first, size_t newest, size_t total) {
    dropped_ += total - first - newest;
    printer_->Note("the context is full: going on with the first " + std::to_string(first) +
                   " and the newest " + std::to_string(newest) + " of " + std::to_string(total) +
                   " tokens");
    printer_->BeginProgress();
  });
}

void Chat::TakeBack() {
  if (!conversation_.messages.empty() && conversation_.messages.back().role == "user") {
    conversation_.messages.pop_back();
  }
}

TurnResult Chat::Refuse(int exit_code, const std::string& message, const std::string& hint) {
  TakeBack();
  printer_->EndReply();
  exit_code_ = Fail(exit_code, message, hint);
  if (options_.json) printer_->Raw(ErrorJson(message));
  return printer_->failed() ? TurnResult::kOutputClosed : TurnResult::kRefused;
}

TurnResult Chat::RefuseLibrary(samara_status status) {
  std::string message = samara_last_error();
  if (message.empty()) message = samara_status_name(status);
  // A GPU may be lost or full, and the work may still be done without it.
  device_failed_ = (status == SAMARA_DEVICE_LOST || status == SAMARA_OUT_OF_MEMORY) &&
                   std::string_view(InfoOf(model_).backend) != "cpu";
  if (device_failed_ && !conversation_.messages.empty()) {
    unanswered_ = conversation_.messages.back().content;
  }
  const TurnResult result =
      Refuse(ExitCodeOf(status), message, device_failed_ && !options_.interactive ? kCpuHint : "");
  return status == SAMARA_DEVICE_LOST || device_failed_ ? TurnResult::kFatal : result;
}

TurnResult Chat::Send(const std::string& text) {
  conversation_.messages.push_back({"user", text, ""});
  return Respond();
}

TurnResult Chat::Retry() {
  if (conversation_.messages.empty() || conversation_.messages.back().role != "assistant") {
    return Refuse(kExitUsage, "there is no reply yet", "");
  }
  const Message old = conversation_.messages.back();
  conversation_.messages.pop_back();
  const Message question = conversation_.messages.back();
  if (settings_.sampling.temperature == 0) {
    printer_->Note("at temperature 0 a reply is always the same; /params temp 0.7 lets it differ");
  }
  const size_t n = conversation_.messages.size();
  const TurnResult result = Respond();
  // Without a new reply the old one stays.
  if (conversation_.messages.size() != n + 1) {
    conversation_.messages.resize(n - 1);
    conversation_.messages.push_back(question);
    conversation_.messages.push_back(old);
  }
  return result;
}

std::string Chat::Undo() {
  std::string text;
  while (!conversation_.messages.empty()) {
    const Message message = conversation_.messages.back();
    conversation_.messages.pop_back();
    if (message.role != "user") continue;
    text = message.content;
    break;
  }
  return text;
}

void Chat::Clear() { conversation_.messages.clear(); }

bool Chat::SetParameter(std::string_view name, std::string_view value, std::string* error) {
  Settings changed = settings_;
  if (!samara::apps::SetParameter(name, value, &changed, error)) return false;
  if (changed.sampling.repetition_penalty != 1 && changed.sampling.penalty_window == 0 &&
      name == "repeat_penalty") {
    changed.sampling.penalty_window = std::min<uint32_t>(64, InfoOf(model_).n_ctx);
  }
  if (engine_.SetSampling(changed.sampling) != SAMARA_OK) {
    *error = samara_last_error();
    return false;
  }
  settings_ = changed;
  printer_->set_hide_reasoning(settings_.hide_reasoning);
  return true;
}

samara_status Chat::Draw(const Prompt& prompt, Turn* turn) {
  ReasoningSplitter splitter(&tags_, prompt.rendered ? OpenTag(tags_, prompt.text) : -1);
  const auto sink = [&](TextKind kind, std::string_view text) {
    if (kind == TextKind::kAnswer) turn->answer += text;
    if (kind == TextKind::kReasoning) turn->reasoning += text;
    if (!options_.json) printer_->Reply(kind, text);
  };
  printer_->BeginProgress();
  const samara_status status = engine_.Reply(
      settings_.reply,
      [&](const samara_reply_event& event) {
        printer_->EndProgress();
        const std::string_view text(event.text, event.n_bytes);
        turn->content += text;
        splitter.Add(event.token, text, sink);
        if (settings_.reply.logprobs && event.token >= 0) {
          turn->logprobs.push_back({{event.token, event.logprob}, {}});
          turn->logprobs.back().top.assign(event.top, event.top + event.n_top);
        }
        return !signals_->requested() && !printer_->failed();
      },
      &turn->finish, &turn->statistics);
  if (status == SAMARA_OK) splitter.Flush(sink);
  printer_->EndProgress();
  return status;
}

samara_status Chat::ComputeOnly(Turn* turn) {
  const auto begin = std::chrono::steady_clock::now();
  turn->statistics.prompt_tokens = samara_pending(engine_.session());
  const samara_status status = samara_run(engine_.session());
  turn->statistics.prompt_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  turn->finish = status == SAMARA_CANCELLED ? SAMARA_FINISH_CANCELLED : SAMARA_FINISH_LENGTH;
  return status == SAMARA_CANCELLED ? SAMARA_OK : status;
}

TurnResult Chat::Respond() {
  if (watch_ != nullptr) {
    if (const std::string changed = watch_->Changed(); !changed.empty()) {
      exit_code_ = Fail(kExitFailed, changed, "--no-mmap loads a copy that does not depend on it");
      return TurnResult::kFatal;
    }
  }
  Turn turn;
  Prompt prompt;
  dropped_ = 0;
  signals_->Enter(Signals::State::kWorking);
  const EchoOff echo_off(options_.interactive);
  samara_status status = MakePrompt(model_, conversation_, settings_.inputs, &prompt);
  if (status != SAMARA_OK) return RefuseLibrary(status);
  status = engine_.Prepare(prompt, settings_.reply.on_full, &turn.prompt);
  if (status != SAMARA_OK) return RefuseLibrary(status);
  if (turn.prompt.full) {
    return Refuse(kExitUsage,
                  "the context is full: the conversation has " + std::to_string(turn.prompt.total) +
                      " tokens, the context " + std::to_string(engine_.capacity()) + " positions",
                  FullHint(options_.interactive));
  }
  if (turn.prompt.total == 0) {
    return Refuse(kExitUsage, "the prompt has no tokens and the model no token that begins a text",
                  "write something");
  }

  if (options_.echo_prompt && !options_.json) {
    printer_->Reply(TextKind::kAnswer, conversation_.messages.back().content);
  }
  status = settings_.reply.no_tokens ? ComputeOnly(&turn) : Draw(prompt, &turn);
  if (status != SAMARA_OK) return RefuseLibrary(status);
  turn.used = engine_.used();
  turn.capacity = engine_.capacity();
  turn.dropped = dropped_;
  totals_.Add(turn);

  // Where tags are tokens without text, the template gets the reasoning apart.
  const bool hidden = turn.content.size() == turn.answer.size() + turn.reasoning.size();
  if (turn.finish == SAMARA_FINISH_CANCELLED && turn.content.empty()) {
    TakeBack();
  } else if (hidden && !turn.reasoning.empty() && !turn.answer.empty()) {
    conversation_.messages.push_back({"assistant", turn.answer, turn.reasoning});
  } else {
    conversation_.messages.push_back({"assistant", turn.content, ""});
  }
  turn.reasoning = Trimmed(turn.reasoning);
  if (!turn.reasoning.empty()) turn.answer = Trimmed(turn.answer);
  last_ = turn;
  return Finish(turn);
}

TurnResult Chat::Finish(const Turn& turn) {
  if (options_.json) {
    printer_->Raw(TurnJson(model_, turn, settings_.reply.logprobs));
  } else {
    printer_->EndReply();
  }
  if (printer_->failed()) return TurnResult::kOutputClosed;
  if (turn.finish == SAMARA_FINISH_CONTEXT) {
    printer_->Note("the context is full: " + std::to_string(turn.capacity) + " positions; " +
                   FullHint(options_.interactive));
  }
  if (options_.statistics) printer_->Statistics(StatisticsLine(turn));
  return turn.finish == SAMARA_FINISH_CANCELLED ? TurnResult::kStopped : TurnResult::kDone;
}

}  // namespace samara::apps
