// samara-chat: a conversation with a packed model, by the public C API alone.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "apps/chat/chat.h"
#include "apps/chat/file_watch.h"
#include "apps/chat/flags.h"
#include "apps/chat/history.h"
#include "apps/chat/interactive.h"
#include "apps/chat/line_editor.h"
#include "apps/chat/signals.h"
#include "apps/chat/terminal.h"
#include "apps/common/cli.h"
#include "apps/common/model.h"

namespace samara::apps {
namespace {

constexpr uint64_t kMaxPromptBytes = uint64_t{64} << 20;
constexpr int kExitInterrupted = 130;  // as shells have it: 128 + SIGINT

// A prompt from a file or a pipe usually ends in a newline that nobody meant.
void DropFinalNewline(std::string* text) {
  if (!text->empty() && text->back() == '\n') text->pop_back();
  if (!text->empty() && text->back() == '\r') text->pop_back();
}

// What the library's progress callback needs: it can only say that somebody wants to stop.
struct ProgressUser {
  Printer* printer;
  Signals* signals;
};
int OnProgress(void* user, const char* stage, uint64_t done, uint64_t total) {
  const auto* self = static_cast<const ProgressUser*>(user);
  const bool load = std::string_view(stage) == "load";
  self->printer->Progress(load ? "loading" : "reading the prompt,", done, total);
  return self->signals->requested() ? 1 : 0;
}

int CheckTemplate(const Flags& flags, const samara_model* model) {
  if (flags.raw) return kExitOk;
  const char* first = samara_template_at(model, 0);
  if (first == nullptr) {
    return Fail(kExitUsage, flags.model + ": the package has no chat template",
                "--raw continues a text without one");
  }
  if (flags.template_name.empty()) return kExitOk;
  std::string names;
  for (uint32_t i = 0; const char* name = samara_template_at(model, i); ++i) {
    if (flags.template_name == name) return kExitOk;
    names += (i == 0 ? "" : ", ") + std::string(name);
  }
  return Fail(kExitUsage, "--template: got " + flags.template_name + ", the package has " + names);
}

// Each line of standard input is a turn.
int Lines(Chat* chat, Signals* signals) {
  int code = kExitOk;
  std::string line;
  Input input(signals);
  for (int byte = 0; byte != Input::kEnd;) {
    byte = input.Next();
    if (byte >= 0 && byte != '\n') line.push_back(static_cast<char>(byte));
    if (byte != '\n' && byte != Input::kEnd) continue;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const TurnResult result = chat->Send(line);
    signals->Enter(Signals::State::kIdle);
    line.clear();
    if (result == TurnResult::kOutputClosed) DieOfPipe();
    if (result == TurnResult::kStopped) return kExitInterrupted;
    if (result != TurnResult::kDone) code = chat->exit_code();
    if (result == TurnResult::kFatal) return code;
  }
  return code;
}

int OneTurn(Chat* chat, const std::string& prompt) {
  switch (chat->Send(prompt)) {
    case TurnResult::kDone:
      return kExitOk;
    case TurnResult::kStopped:
      return kExitInterrupted;
    case TurnResult::kOutputClosed:
      DieOfPipe();
    default:
      return chat->exit_code();
  }
}

// What goes over to another backend when a device fails.
struct Carried {
  bool any = false;
  Conversation conversation;
  Settings settings;
  std::string message;  // to be answered first
};

int ConverseOn(const Flags& flags, samara_model_options options, const Terminal& terminal,
               bool utf8, const std::string& prompt, Printer* printer, Signals* signals,
               Carried* carried) {
  const bool prompted = flags.prompt || !flags.file.empty();
  const bool interactive = !prompted && terminal.in;
  const bool lines = !prompted && !interactive && flags.json;
  FileWatch watch(flags.model);
  ProgressUser user{printer, signals};
  options.progress = OnProgress;
  options.user = &user;
  ModelPtr model;
  signals->Enter(Signals::State::kWorking);
  printer->BeginProgress();
  const int opened = OpenModel(flags.model, options, &model);
  printer->EndProgress();
  const bool stopped = signals->requested();
  signals->Enter(Signals::State::kIdle);
  if (stopped) return kExitInterrupted;
  if (opened != kExitOk) return opened;
  if (const int code = CheckTemplate(flags, model.get()); code != kExitOk) return code;

  Settings settings;
  if (const int code = MakeSettings(flags, model.get(), &settings); code != kExitOk) return code;
  if (carried->any) settings = carried->settings;
  samara_session_options session_options = SAMARA_SESSION_OPTIONS_INIT;
  session_options.sampling = &settings.sampling;
  samara_session* created = nullptr;
  const samara_status status = samara_session_create(model.get(), &session_options, &created);
  if (status != SAMARA_OK) return FailLibrary(status, flags.model);
  const SessionPtr session(created);

  ChatOptions chat_options;
  chat_options.raw = flags.raw;
  chat_options.json = flags.json;
  chat_options.statistics = flags.statistics || (terminal.err && !flags.no_statistics);
  chat_options.echo_prompt = flags.raw && !interactive;
  chat_options.interactive = interactive;
  Chat chat(model.get(), session.get(), settings, chat_options, printer, signals,
            flags.run.no_mmap ? nullptr : &watch);
  if (!flags.system.empty()) chat.SetSystem(flags.system);
  if (carried->any) {
    chat.SetConversation(carried->conversation);
  } else if (!flags.load.empty()) {
    std::string error, note;
    if (!chat.Load(flags.load, &error, &note)) return Fail(kExitUsage, error);
    if (!note.empty()) Note(note + "; the conversation is computed again");
    if (!flags.system.empty()) chat.SetSystem(flags.system);
    for (const std::string& name : GivenSampling(flags)) {  // they win over what was saved
      if (!chat.SetParameter(name, ParameterText(settings, name), &error))
        return Fail(kExitUsage, error);
    }
  }

  signals->SetModel(model.get());
  int code = kExitOk;
  if (interactive) {
    HistoryFile history(flags.no_history ? "" : DefaultHistoryPath());
    const std::unique_ptr<LineEditor> editor =
        MakeLineEditor(signals, terminal, utf8, history.Load());
    code = Interact(&chat, editor.get(), &history, printer, signals, &carried->message);
  } else {
    code = lines ? Lines(&chat, signals) : OneTurn(&chat, prompt);
  }
  signals->Enter(Signals::State::kIdle);
  signals->SetModel(nullptr);
  if (code == kGoOnWithCpu) {
    carried->any = true;
    carried->conversation = chat.conversation();
    carried->settings = chat.settings();
  }
  if (!flags.save.empty() && (code == kExitOk || code == kExitInterrupted)) {
    std::string error, note;
    if (!chat.Save(flags.save, &error, &note)) return Fail(kExitFailed, error);
    if (!note.empty()) Note(note + "; the conversation alone is saved");
  }
  return code;
}

int Converse(const Flags& flags, const Terminal& terminal, bool utf8, Printer* printer,
             Signals* signals) {
  const bool prompted = flags.prompt || !flags.file.empty();
  const bool interactive = !prompted && terminal.in;
  const bool lines = !prompted && !interactive && flags.json;
  std::string prompt = flags.prompt.value_or("");
  if (!flags.prompt && !interactive && !lines) {
    const std::string source = flags.file.empty() ? "-" : flags.file;
    if (const int code = ReadText(source, kMaxPromptBytes, &prompt); code != kExitOk) return code;
    DropFinalNewline(&prompt);
  }

  Carried carried;
  samara_model_options options = flags.run.Options();
  int code = ConverseOn(flags, options, terminal, utf8, prompt, printer, signals, &carried);
  if (code != kGoOnWithCpu) return code;
  options.backend = "cpu";
  code = ConverseOn(flags, options, terminal, utf8, prompt, printer, signals, &carried);
  return code == kGoOnWithCpu ? kExitFailed : code;
}
int Run(const Flags& flags) {
  if (const int code = CheckModelFile(flags.model); code != kExitOk) return code;
  if (flags.raw && (!flags.system.empty() || !flags.tools.empty() || !flags.template_name.empty()))
    return Fail(kExitUsage, "--system, --tools and --template need a chat template",
                "leave out --raw");
  if (flags.logprobs && !flags.json) {
    return Fail(kExitUsage, "--logprobs is printed by --json only", "add --json");
  }
  const bool utf8 = SetCharacterType();
  const Terminal terminal = DetectTerminal();
  RememberTerminal();
  Signals signals;
  IgnorePipeSignal();
  InstallBusHandler(flags.model);
  Printer printer(terminal, flags.hide_reasoning);
  const int code = Converse(flags, terminal, utf8, &printer, &signals);
  RestoreTerminal();
  return code;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Talks with a packed model. At a terminal: a conversation, /help lists what can be\n"
      "done in it. With -p, --file or a pipe: one turn.");
  app.footer(HasEditing() ? "Lines are edited by libedit."
                          : "Built without libedit: lines cannot be recalled, and edited only as "
                            "far as the terminal itself does.");
  Flags flags;
  AddFlags(&app, &flags);
  if (const std::optional<int> code = Parse(&app, "samara-chat", argc, argv)) return *code;
  return Run(flags);
}

}  // namespace
}  // namespace samara::apps

int main(int argc, char** argv) {
  return samara::apps::GuardMemory([&] { return samara::apps::Main(argc, argv); });
}
