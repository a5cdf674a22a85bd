// The conversation at a terminal: prompts, commands, Ctrl-C and Ctrl-D.
#ifndef SAMARA_APPS_CHAT_INTERACTIVE_H_
#define SAMARA_APPS_CHAT_INTERACTIVE_H_

#include "apps/chat/chat.h"
#include "apps/chat/history.h"
#include "apps/chat/line_editor.h"

namespace samara::apps {

// Until the person leaves. The exit code.
// The device failed, and the user wants to go on with the CPU: no exit code.
inline constexpr int kGoOnWithCpu = -1;

// `message`: sent first, if not empty; what is to be sent again, with kGoOnWithCpu.
int Interact(Chat* chat, LineEditor* editor, HistoryFile* history, Printer* printer,
             Signals* signals, std::string* message);

// One command line ("/undo").
enum class CommandResult { kDone, kQuit, kOutputClosed, kFatal, kStopped };
CommandResult RunCommand(const std::string& line, Chat* chat, Printer* printer);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_INTERACTIVE_H_
