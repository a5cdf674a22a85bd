// What the person sees: the reply as it comes, notes, and progress that goes away again.
#ifndef SAMARA_APPS_CHAT_PRINTER_H_
#define SAMARA_APPS_CHAT_PRINTER_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "apps/chat/reasoning.h"
#include "apps/chat/terminal.h"

namespace samara::apps {

class Printer {
 public:
  Printer(const Terminal& terminal, bool hide_reasoning)
      : terminal_(terminal), hide_reasoning_(hide_reasoning) {}

  bool hide_reasoning() const { return hide_reasoning_; }
  void set_hide_reasoning(bool hide) { hide_reasoning_ = hide; }

  // A piece of a reply to standard output; on a terminal control characters are escaped. False: it
  // could not be written, and the reply should end.
  bool Reply(TextKind kind, std::string_view text);
  // Ends the reply's last line, if it is not ended.
  bool EndReply();
  // All of `text` to standard output, as it is.
  bool Raw(std::string_view text);
  bool failed() const { return failed_; }

  // A line on stderr; between two pieces of a reply it begins on a line of its own.
  void Note(std::string_view text);
  // A line of numbers, dim on a terminal.
  void Statistics(std::string_view text);
  // A command's answer: lines for the person, to where the prompt is.
  void Answer(std::string_view text);

  // Progress, on a terminal only, from a quarter of a second on. `done` of `total` units.
  void BeginProgress() { begin_ = Clock::now(), shown_ = begin_, visible_ = false; }
  void Progress(std::string_view what, uint64_t done, uint64_t total);
  void EndProgress();

 private:
  using Clock = std::chrono::steady_clock;
  void SetDim(bool dim);

  Terminal terminal_;
  bool hide_reasoning_;
  bool failed_ = false;
  bool dim_ = false;
  bool line_open_ = false;  // the last character of the reply was no line break
  bool hidden_ = false;     // reasoning is being left out
  bool trim_ = false;       // line breaks between hidden reasoning and the answer
  Clock::time_point begin_{}, shown_{};
  bool visible_ = false;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_PRINTER_H_
