// What a line that begins with a slash does.

#include <cerrno>

#include "apps/chat/interactive.h"
#include "apps/common/cli.h"
#include "apps/common/model.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr char kHelp[] =
    "/help                 this list\n"
    "/reset                begin anew; the system message and the settings stay\n"
    "/system [TEXT]        show or set the system message; \"\" takes it away\n"
    "/retry                the last reply once more, drawn anew\n"
    "/undo                 take back the last message and its reply\n"
    "/save FILE            save the conversation to FILE and what is computed to FILE.state\n"
    "/load FILE            go on with a saved conversation\n"
    "/stats                tokens, speeds, context and memory so far\n"
    "/params [NAME VALUE]  show or set how replies are drawn\n"
    "/quit                 leave, as Ctrl-D does\n"
    "A message over several lines: end each line but the last with \\, or put \"\"\" before and\n"
    "after it. A message that begins with a slash: write two. Ctrl-C stops a reply.\n";

const std::vector<std::string>& CommandNames() {
  static const std::vector<std::string> names = {"/help", "/reset", "/system", "/retry",  "/undo",
                                                 "/save", "/load",  "/stats",  "/params", "/quit"};
  return names;
}

void Split(std::string_view line, std::string* word, std::string* rest) {
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  *word = line.substr(0, end);
  line.remove_prefix(end);
  const size_t begin = line.find_first_not_of(" \t");
  line.remove_prefix(std::min(begin, line.size()));
  const size_t last = line.find_last_not_of(" \t");
  *rest = line.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string Rate(uint64_t tokens, double seconds) {
  if (seconds <= 0 || tokens == 0) return "";
  return ", " + Fixed(static_cast<double>(tokens) / seconds, 1) + " tok/s";
}

std::string StatsText(const Chat& chat) {
  const Totals& t = chat.totals();
  const samara_model_info info = InfoOf(chat.model());
  samara_statistics statistics{};
  statistics.struct_size = sizeof(statistics);
  (void)samara_model_statistics(chat.model(), &statistics);
  Table table;
  table.Row({"model", std::string(info.name) + ", " + info.device});
  table.Row({"turns", std::to_string(t.turns)});
  table.Row({"prompts", std::to_string(t.prompt_tokens) + " tokens computed, " +
                            std::to_string(t.kept_tokens) + " kept" +
                            Rate(t.prompt_tokens, t.prompt_seconds)});
  const uint64_t decoded = t.reply_tokens > t.turns ? t.reply_tokens - t.turns : 0;
  table.Row(
      {"replies", std::to_string(t.reply_tokens) + " tokens" + Rate(decoded, t.reply_seconds)});
  table.Row({"context", std::to_string(chat.engine().used()) + " of " +
                            std::to_string(chat.engine().capacity()) + " positions"});
  table.Row({"memory", BytesText(statistics.allocated) + " allocated"});
  table.Row({"load", Fixed(statistics.load_seconds, 2) + " s"});
  return table.Text();
}

CommandResult Of(TurnResult result) {
  switch (result) {
    case TurnResult::kStopped:
      return CommandResult::kStopped;
    case TurnResult::kOutputClosed:
      return CommandResult::kOutputClosed;
    case TurnResult::kFatal:
      return CommandResult::kFatal;
    default:
      return CommandResult::kDone;
  }
}

void SystemCommand(const std::string& text, Chat* chat, Printer* printer) {
  if (chat->conversation().raw) {
    printer->Answer("plain text has no system message; leave out --raw\n");
  } else if (text.empty()) {
    const std::string& system = chat->conversation().system;
    printer->Answer(system.empty() ? "no system message\n" : system + '\n');
  } else {
    chat->SetSystem(text == "\"\"" ? "" : text);
    printer->Answer(text == "\"\"" ? "the system message is taken away\n"
                                   : "the system message is set\n");
  }
}

void ParamsCommand(const std::string& rest, Chat* chat, Printer* printer) {
  std::string name, value, error;
  Split(rest, &name, &value);
  if (name.empty()) {
    Table table;
    for (const std::string& n : ParameterNames())
      table.Row({n, ParameterText(chat->settings(), n)});
    return printer->Answer(table.Text());
  }
  if (value.empty()) {
    const std::string text = ParameterText(chat->settings(), name);
    if (!text.empty()) return printer->Answer(name + " " + text + '\n');
  }
  if (chat->SetParameter(name, value, &error)) {
    printer->Answer(name + " " + ParameterText(chat->settings(), name) + '\n');
  } else {
    printer->Answer(error + '\n');
  }
}

void FileCommand(bool save, const std::string& path, Chat* chat, Printer* printer) {
  std::string error, note;
  if (path.empty()) {
    printer->Answer(save ? "/save FILE: which file?\n" : "/load FILE: which file?\n");
  } else if (save) {
    if (!chat->Save(path, &error, &note)) return printer->Answer(error + '\n');
    if (!note.empty()) printer->Answer(note + "; the conversation alone is saved\n");
    printer->Answer("saved to " + path + (note.empty() ? " and " + path + ".state\n" : "\n"));
  } else if (!chat->Load(path, &error, &note)) {
    printer->Answer(error + '\n');
  } else {
    if (!note.empty()) printer->Answer(note + "; the conversation will be computed again\n");
    const auto& messages = chat->conversation().messages;
    printer->Answer(std::to_string(messages.size()) + " messages, " +
                    std::to_string(chat->engine().used()) + " tokens computed\n");
    if (!messages.empty()) printer->Answer(messages.back().content + '\n');
  }
}

}  // namespace

CommandResult RunCommand(const std::string& line, Chat* chat, Printer* printer) {
  std::string command, rest;
  Split(line, &command, &rest);
  if (command == "/help" || command == "/?") {
    printer->Answer(kHelp);
  } else if (command == "/quit" || command == "/exit") {
    return CommandResult::kQuit;
  } else if (command == "/reset") {
    chat->Clear();
    printer->Answer("a new conversation\n");
  } else if (command == "/system") {
    SystemCommand(rest, chat, printer);
  } else if (command == "/retry") {
    return Of(chat->Retry());
  } else if (command == "/undo") {
    const std::string text = chat->Undo();
    printer->Answer(text.empty() ? "there is nothing to take back\n"
                                 : "taken back: " + text.substr(0, text.find('\n')) + '\n');
  } else if (command == "/save" || command == "/load") {
    FileCommand(command == "/save", rest, chat, printer);
  } else if (command == "/stats") {
    printer->Answer(StatsText(*chat));
  } else if (command == "/params") {
    ParamsCommand(rest, chat, printer);
  } else {
    const std::string near = Nearest(command, CommandNames());
    printer->Answer("no command " + command +
                    (near.empty() ? "; " : "; did you mean " + near + "? ") +
                    "/help lists all, // sends a slash\n");
  }
  return CommandResult::kDone;
}

}  // namespace samara::apps
