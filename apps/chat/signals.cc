#include "apps/chat/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "apps/chat/terminal.h"
#include "apps/common/cli.h"
#include "apps/common/text.h"

namespace samara::apps {
namespace {

constexpr int kWaited[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT};
bool g_pipe_was_ignored = false;
char g_bus_message[1024];
size_t g_bus_bytes = 0;

void OnBus(int) {
  RestoreTerminal();
  const ssize_t ignored = write(STDERR_FILENO, g_bus_message, g_bus_bytes);
  (void)ignored;
  _exit(kExitFailed);
}

}  // namespace

Signals::Signals() {
  if (pipe(pipe_) == 0) {
    for (const int fd : pipe_) {
      (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
      (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    }
  }
  sigemptyset(&signals_);
  for (const int signal : kWaited) {
    // What our parent ignores (nohup: SIGHUP) stays ignored.
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    sigaddset(&signals_, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  started_ = pthread_create(&thread_, nullptr, Run, this) == 0;
  // Without the thread, Ctrl-C ends the program as it does by default.
  if (!started_) pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
}

Signals::~Signals() {
  if (started_) {
    quit_ = true;
    pthread_kill(thread_, SIGWINCH);
    pthread_join(thread_, nullptr);
  }
  for (const int fd : pipe_) {
    if (fd >= 0) close(fd);
  }
}

void* Signals::Run(void* self) {
  static_cast<Signals*>(self)->Wait();
  return nullptr;
}

void Signals::Wait() {
  int signal = 0;
  while (sigwait(&signals_, &signal) == 0 && !quit_) Handle(signal);
}

void Signals::Handle(int signal) {
  const auto tell = [&](char note) {
    const ssize_t ignored = write(pipe_[1], &note, 1);
    (void)ignored;
  };
  if (signal == SIGINT) return Interrupt();
  if (signal == SIGWINCH) return tell('w');
  if (signal != SIGCONT) DieOf(signal);
  EchoOff::Again();
  tell('c');
}

void Signals::Interrupt() {
  pthread_mutex_lock(&mutex_);
  const State state = state_;
  const bool again = state == State::kWorking && requested_.exchange(true);
  if (state == State::kWorking && !again && model_ != nullptr) {
    cancelled_ = true;
    samara_cancel(model_);
  }
  pthread_mutex_unlock(&mutex_);
  if (state == State::kIdle || again) DieOf(SIGINT);
  if (state == State::kEditing) {
    const char note = 'i';
    const ssize_t ignored = write(pipe_[1], &note, 1);
    (void)ignored;
  }
}

void Signals::Enter(State state) {
  pthread_mutex_lock(&mutex_);
  state_ = state;
  if (state == State::kWorking) requested_ = false;
  if (cancelled_ && model_ != nullptr) samara_cancel_clear(model_);
  cancelled_ = false;
  pthread_mutex_unlock(&mutex_);
}

void Signals::SetModel(samara_model* model) {
  pthread_mutex_lock(&mutex_);
  model_ = model;
  pthread_mutex_unlock(&mutex_);
}

char Signals::Next() {
  char note = 0;
  return read(pipe_[0], &note, 1) == 1 ? note : '\0';
}

void IgnorePipeSignal() {
  struct sigaction old {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  if (sigaction(SIGPIPE, &ignore, &old) == 0) g_pipe_was_ignored = old.sa_handler == SIG_IGN;
}

void DieOfPipe() {
  if (g_pipe_was_ignored) {
    RestoreTerminal();
    _exit(kExitFailed);
  }
  DieOf(SIGPIPE);
}

void DieOf(int signal) {
  RestoreTerminal();
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  (void)sigaction(signal, &action, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  (void)raise(signal);
  _exit(128 + signal);
}

void InstallBusHandler(const std::string& path) {
  std::string line = "\nsamara-chat: ";
  AppendEscaped(path, /*keep_line_breaks=*/false, &line);
  if (line.size() > 700) line.resize(700);
  line +=
      ": the file was cut short or cannot be read any more; "
      "--no-mmap loads a copy that does not depend on it\n";
  std::memcpy(g_bus_message, line.data(), line.size());
  g_bus_bytes = line.size();
  struct sigaction action {};
  action.sa_handler = OnBus;
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGBUS, &action, nullptr);
}

}  // namespace samara::apps
