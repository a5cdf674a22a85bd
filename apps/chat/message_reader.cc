#include "apps/chat/message_reader.h"

#include <string_view>

namespace samara::apps {
namespace {

constexpr char kPrompt[] = "> ";
constexpr char kMore[] = ". ";
constexpr std::string_view kBlock = "\"\"\"";

bool TakeBackslash(std::string* line) {
  if (line->empty() || line->back() != '\\') return false;
  line->pop_back();
  return true;
}

}  // namespace

ReadResult MessageReader::Read(Message* message) {
  *message = {};
  std::string line;
  ReadResult result = editor_->Read(kPrompt, &line);
  message->text = line;
  if (result != ReadResult::kLine) return result;

  if (line.starts_with(kBlock)) {
    std::string& text = message->text;
    text = line.substr(kBlock.size());
    // Closed where it was opened, or pasted whole.
    bool closed = text.ends_with(kBlock);
    bool first = !closed && text.empty();
    while (!closed) {
      result = editor_->Read(kMore, &line);
      if (result == ReadResult::kInterrupted) {
        text += line + ' ';
        return result;
      }
      if (result == ReadResult::kEnd) return result;
      if (!first) text += '\n';
      first = false;
      text += line;
      closed = text.ends_with(kBlock);
    }
    text.resize(text.size() - kBlock.size());
    if (text.ends_with('\n')) text.pop_back();  // the closing mark on a line of its own
    message->history = text.starts_with('/') ? '/' + text : text;
    return ReadResult::kLine;
  }

  std::string text;
  while (TakeBackslash(&line)) {
    text += line + '\n';
    result = editor_->Read(kMore, &line);
    if (result == ReadResult::kInterrupted) {
      message->text = text + line;
      return result;
    }
    if (result == ReadResult::kEnd) return result;
  }
  text += line;
  message->history = text;
  if (text.starts_with("//")) {
    message->text = text.substr(1);
  } else {
    message->command = text.starts_with('/') && text.find('\n') == std::string::npos;
    message->text = text;
  }
  return ReadResult::kLine;
}

}  // namespace samara::apps
