// What the standard streams are, and the terminal's state: whatever ends the program puts it back.
#ifndef SAMARA_APPS_CHAT_TERMINAL_H_
#define SAMARA_APPS_CHAT_TERMINAL_H_

namespace samara::apps {

struct Terminal {
  bool in = false, out = false, err = false;  // is the stream a terminal?
  bool dumb = false;                          // TERM is "dumb" or missing: no cursor control
  bool colour =
      false;  // a terminal that is not dumb, and NO_COLOR is not set: escape codes are fine
};
Terminal DetectTerminal();

// Characters and their widths come from LC_CTYPE alone; in the C locale UTF-8 is assumed where the
// system has it. True if text of the terminal is UTF-8.
bool SetCharacterType();

// Keeps the mode of the terminal at standard input for RestoreTerminal.
void RememberTerminal();
// Mode, pasting and colours as they were. Async-signal-safe; does nothing if nothing was changed.
void RestoreTerminal();

// What RestoreTerminal has to undo. Called before the change is made.
void NoteModeChanged();
void NotePasting(bool on);
void NoteColour(bool on);

// While it lives, keys that are pressed are not shown; they wait for the next prompt.
class EchoOff {
 public:
  explicit EchoOff(bool active);
  ~EchoOff();
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  static void Again();  // after the process was stopped and goes on

 private:
  bool active_;
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_TERMINAL_H_
