#include "apps/chat/interactive.h"

#include "apps/chat/message_reader.h"
#include "apps/common/cli.h"
#include "apps/common/model.h"

namespace samara::apps {

namespace {

// Enter and "y" mean yes.
bool AskForCpu(MessageReader* reader, Printer* printer, Signals* signals) {
  printer->Answer("Go on with the CPU? [Y/n]\n");
  MessageReader::Message answer;
  signals->Enter(Signals::State::kEditing);
  const ReadResult result = reader->Read(&answer);
  signals->Enter(Signals::State::kIdle);
  if (result == ReadResult::kEnd || result == ReadResult::kInterrupted) return false;
  return answer.text.empty() || answer.text[0] == 'y' || answer.text[0] == 'Y';
}

}  // namespace

int Interact(Chat* chat, LineEditor* editor, HistoryFile* history, Printer* printer,
             Signals* signals, std::string* again) {
  printer->Answer(std::string(InfoOf(chat->model()).name) +
                  (chat->conversation().raw ? ", plain text" : "") +
                  "; /help lists the commands, Ctrl-D leaves\n");
  MessageReader reader(editor);
  MessageReader::Message message;
  int interrupts = 0;  // Ctrl-C in a row
  for (;;) {
    ReadResult result = ReadResult::kLine;
    if (again->empty()) {
      signals->Enter(Signals::State::kEditing);
      result = reader.Read(&message);
      signals->Enter(Signals::State::kIdle);
    } else {
      message = {std::move(*again), false, ""};
      again->clear();
    }
    if (result == ReadResult::kEnd) return kExitOk;
    if (result == ReadResult::kInterrupted) {
      interrupts = message.text.empty() ? interrupts + 1 : 0;
      if (interrupts >= 2) return kExitOk;
      signals->Enter(Signals::State::kEditing);  // who reads this may press it already
      if (interrupts == 1) printer->Answer("(Ctrl-C again leaves)\n");
      continue;
    }
    if (message.text.empty()) continue;
    interrupts = 0;
    editor->AddHistory(message.history);
    history->Append(message.history);

    TurnResult turn = TurnResult::kDone;
    if (message.command) {
      switch (RunCommand(message.text, chat, printer)) {
        case CommandResult::kDone:
          break;
        case CommandResult::kQuit:
          return kExitOk;
        case CommandResult::kStopped:
          turn = TurnResult::kStopped;
          break;
        case CommandResult::kOutputClosed:
          turn = TurnResult::kOutputClosed;
          break;
        case CommandResult::kFatal:
          turn = TurnResult::kFatal;
          break;
      }
    } else {
      turn = chat->Send(message.text);
    }
    if (turn == TurnResult::kOutputClosed) DieOfPipe();
    if (turn == TurnResult::kFatal) {
      if (!chat->device_failed() || !AskForCpu(&reader, printer, signals)) return chat->exit_code();
      *again = chat->unanswered();
      return kGoOnWithCpu;
    }
    if (turn == TurnResult::kStopped) {
      interrupts = 1;
      signals->Enter(Signals::State::kEditing);
      printer->Answer(chat->last().content.empty()
                          ? "(stopped before the reply began; the message was taken back)\n"
                          : "(stopped; Ctrl-C again leaves)\n");
    }
  }
}

}  // namespace samara::apps
