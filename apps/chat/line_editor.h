// Reads lines from a terminal. With libedit they can be edited and recalled, and pasted text keeps
// its line breaks; without it the terminal's own line discipline serves.
#ifndef SAMARA_APPS_CHAT_LINE_EDITOR_H_
#define SAMARA_APPS_CHAT_LINE_EDITOR_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/chat/signals.h"
#include "apps/chat/terminal.h"

namespace samara::apps {

enum class ReadResult { kLine, kInterrupted, kEnd };

class LineEditor {
 public:
  virtual ~LineEditor() = default;
  // One line without its end, in UTF-8; it holds line breaks where text was pasted or recalled.
  // kInterrupted (Ctrl-C): `line` is what was thrown away. kEnd: Ctrl-D, or the terminal is gone.
  virtual ReadResult Read(const std::string& prompt, std::string* line) = 0;
  // The newest entry of what the arrow keys recall.
  virtual void AddHistory(const std::string& entry) = 0;
};

// Is libedit built in?
bool HasEditing();
// Never nullptr. `history`: the oldest first.
std::unique_ptr<LineEditor> MakeLineEditor(Signals* signals, const Terminal& terminal, bool utf8,
                                           const std::vector<std::string>& history);

// Bytes of standard input, and the signals that come while waiting for them.
class Input {
 public:
  explicit Input(Signals* signals) : signals_(signals) {}
  enum : int { kEnd = -1, kInterrupt = -2, kResize = -3, kContinue = -4 };
  int Next();  // a byte, or one of these
  // A Unicode code point, U+FFFD for what is no UTF-8; or one of these.
  int NextCodePoint();

 private:
  Signals* signals_;
  char buffer_[4096];
  size_t begin_ = 0, end_ = 0;
  int again_ = kNone;  // a byte that was read too far
  static constexpr int kNone = -100;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_LINE_EDITOR_H_
