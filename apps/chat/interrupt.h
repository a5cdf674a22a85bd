// Ctrl-C: stops the reply, not the program; at the prompt, or pressed again, it ends the program.
//
// SIGINT is blocked in every thread and one thread waits for it, so no code runs in a signal
// handler.
#ifndef SAMARA_APPS_CHAT_INTERRUPT_H_
#define SAMARA_APPS_CHAT_INTERRUPT_H_

#include <pthread.h>
#include <signal.h>

#include <atomic>

#include "samara/samara.h"

namespace samara::apps {

class Interrupt {
 public:
  // Before any other thread exists: threads inherit the blocked signal.
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // While a model is set, Ctrl-C cancels its step. Set nullptr before closing it.
  void SetModel(samara_model* model);
  // Between Begin and End a Ctrl-C only sets requested(); outside it ends the program with exit
  // code 0.
  void Begin();
  void End();
  bool requested() const { return requested_; }

 private:
  static void* Run(void* self);
  void Wait();

  sigset_t signals_;
  pthread_t thread_;
  bool started_ = false;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;  // guards model_
  samara_model* model_ = nullptr;
  std::atomic<bool> busy_{false};
  std::atomic<bool> requested_{false};
  std::atomic<bool> quit_{false};
};

}  // namespace samara::apps

#endif  // SAMARA_APPS_CHAT_INTERRUPT_H_
