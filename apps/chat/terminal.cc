#include "apps/chat/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace samara::apps {
namespace {

struct termios g_mode;  // written once, before threads exist
std::atomic<bool> g_known{false}, g_mode_changed{false}, g_pasting{false}, g_colour{false};
std::atomic<bool> g_echo_off{false};

void SetEcho(bool on) {
  struct termios mode = g_mode;
  if (!on) mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL);
  (void)tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

bool Has(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

void WriteSafe(std::string_view text) {
  const int fd = isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO;
  if (!isatty(fd)) return;
  const ssize_t ignored = write(fd, text.data(), text.size());
  (void)ignored;
}

}  // namespace

Terminal DetectTerminal() {
  Terminal terminal;
  terminal.in = isatty(STDIN_FILENO) != 0;
  terminal.out = isatty(STDOUT_FILENO) != 0;
  terminal.err = isatty(STDERR_FILENO) != 0;
  const char* name = std::getenv("TERM");
  terminal.dumb = name == nullptr || *name == '\0' || std::strcmp(name, "dumb") == 0;
  terminal.colour = !terminal.dumb && !Has("NO_COLOR");
  return terminal;
}

bool SetCharacterType() {
  const char* set = setlocale(LC_CTYPE, "");
  const bool plain = set == nullptr || std::strcmp(set, "C") == 0 || std::strcmp(set, "POSIX") == 0;
  if (plain) setlocale(LC_CTYPE, "C.UTF-8");
  const std::string_view codes = nl_langinfo(CODESET);
  return plain || codes == "UTF-8" || codes == "utf8";
}

void RememberTerminal() {
  if (isatty(STDIN_FILENO)) g_known = tcgetattr(STDIN_FILENO, &g_mode) == 0;
}

void RestoreTerminal() {
  if (g_pasting.exchange(false)) WriteSafe("\x1b[?2004l");
  if (g_colour.exchange(false)) WriteSafe("\x1b[0m");
  if (g_known && g_mode_changed.exchange(false)) {
    // In the background the terminal would stop us for this.
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &g_mode);
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }
}

void NoteModeChanged() { g_mode_changed = true; }
void NotePasting(bool on) { g_pasting = on; }
void NoteColour(bool on) { g_colour = on; }

EchoOff::EchoOff(bool active) : active_(active && g_known) {
  if (!active_) return;
  g_echo_off = true;
  NoteModeChanged();
  SetEcho(false);
}

EchoOff::~EchoOff() {
  if (!active_) return;
  g_echo_off = false;
  SetEcho(true);
}

void EchoOff::Again() {
  if (g_echo_off) SetEcho(false);
}

}  // namespace samara::apps
