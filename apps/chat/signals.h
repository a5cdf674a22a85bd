// Signals: Ctrl-C, the terminal's size, the end from outside, a model file that is cut short.
//
// SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH and SIGCONT are blocked in every thread and one thread
// waits for them, so no code but that of SIGBUS runs in a handler.
#ifndef SAMARA_APPS_CHAT_SIGNALS_H_
#define SAMARA_APPS_CHAT_SIGNALS_H_

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <string>

#include "samara/samara.h"

namespace samara::apps {

class Signals {
 public:
  // Before any other thread exists: threads inherit the blocked signals.
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // What Ctrl-C does. kIdle: it ends the program, as it does by default. kEditing: a note for the
  // line editor. kWorking: the first one sets requested() and cancels the model's step, the second
  // one ends the program.
  enum class State { kIdle, kEditing, kWorking };
  void Enter(State state);
  bool requested() const { return requested_; }

  // Set nullptr before closing it.
  void SetModel(samara_model* model);

  // Notes for the line editor: 'i' Ctrl-C, 'w' the terminal's size changed, 'c' the process was
  // stopped and goes on. fd() is readable while there are some; Next gives 0 if there is none.
  int fd() const { return pipe_[0]; }
  char Next();

 private:
  static void* Run(void* self);
  void Wait();
  void Handle(int signal);
  void Interrupt();

  sigset_t signals_;
  pthread_t thread_;
  bool started_ = false;
  int pipe_[2] = {-1, -1};
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;  // guards what follows
  samara_model* model_ = nullptr;
  State state_ = State::kIdle;
  bool cancelled_ = false;
  std::atomic<bool> requested_{false};
  std::atomic<bool> quit_{false};
};

// From here on SIGPIPE is no end: a write to a closed pipe fails.
void IgnorePipeSignal();
// Ends as a program does whose reader is gone: quietly, by SIGPIPE, or with 1 where our parent had
// it ignored.
[[noreturn]] void DieOfPipe();
// Ends by this signal, the terminal restored.
[[noreturn]] void DieOf(int signal);

// A mapped file that is cut short raises SIGBUS where its missing bytes are read. The program then
// ends with one line that names `path`, and with exit code 1.
void InstallBusHandler(const std::string& path);

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_SIGNALS_H_
